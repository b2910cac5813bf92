//! The data objects of a PIV card (SP 800-73 part 1, 3 and appendix A), and what SELECT says (part 2, 3.1.1).

use std::io::Read;

use flate2::read::GzDecoder;

use crate::tlv::{self, Fault, Fields};

/// The FASC-N of cards outside the United States' government (SP 800-73 part 1, 3.1.2): agency, system and credential are
/// all nines, and the GUID alone tells one card from another.
const NON_FEDERAL_FASC_N: [u8; 25] = [
    0xD4, 0xE7, 0x39, 0xDA, 0x73, 0x9C, 0xED, 0x39, 0xCE, 0x73, 0x9D, 0x83, 0x68, 0x58, 0x21, 0x08, 0x42, 0x10, 0x84,
    0x21, 0xC8, 0x42, 0x10, 0xC3, 0xEB,
];

/// The longest certificate taken out of a compressed object, in bytes.
const MAX_EXPANDED: u64 = 64 * 1024;

/// Wraps every data object but the discovery object.
const DATA: u32 = 0x53;

/// What SELECT says about the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationProperties {
    /// Text describing the application, as the card gives it.
    pub label: Option<String>,
    /// The most bytes of an extended-length command, header included (ISO/IEC 7816-4, 12.7.1).
    pub extended_length: Option<usize>,
}

impl ApplicationProperties {
    pub(crate) fn parse(reply: &[u8]) -> Result<Self, Fault> {
        let outer = Fields::parse(reply)?;
        let template = Fields::parse(outer.required(0x61)?)?;
        template.required(0x4F)?;
        let label = template.optional(0x50).map(|label| String::from_utf8_lossy(label).into_owned());
        let extended_length = match outer.optional(0x7F66).or(template.optional(0x7F66)) {
            Some(information) => Some(extended_command_length(information)?),
            None => None,
        };
        Ok(Self { label, extended_length })
    }
}

/// Extended length information: two INTEGER objects, for commands and for responses.
fn extended_command_length(information: &[u8]) -> Result<usize, Fault> {
    let [0x02, length, rest @ ..] = information else {
        return Err("extended length information");
    };
    let octets = rest.get(..usize::from(*length)).filter(|octets| octets.len() <= 4);
    let octets = octets.ok_or("extended length information")?;
    Ok(octets.iter().fold(0, |value, &octet| value << 8 | usize::from(octet)))
}

/// Which PINs the card takes (discovery object, SP 800-73 part 1, 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinPolicy {
    /// The PIN of the PIV application (reference 80) is accepted.
    pub application_pin: bool,
    /// The PIN of the whole card (reference 00) is accepted.
    pub global_pin: bool,
    /// Where both are accepted, holders know the PIN of the whole card.
    pub global_pin_preferred: bool,
}

impl PinPolicy {
    pub(crate) fn parse(reply: &[u8]) -> Result<Self, Fault> {
        let fields = Fields::parse(tlv::only(reply, 0x7E)?)?;
        let &[accepted, preferred] = fields.required(0x5F2F)? else {
            return Err("PIN usage policy is not two bytes");
        };
        Ok(Self {
            application_pin: accepted & 0x40 != 0,
            global_pin: accepted & 0x20 != 0,
            global_pin_preferred: preferred == 0x20,
        })
    }
}

/// The card holder unique identifier (SP 800-73 part 1, 3.1.2), as far as it tells one card from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chuid {
    /// Card identification number, a UUID.
    pub guid: [u8; 16],
    /// Expiration date of the card, `YYYYMMDD`.
    pub expiration: Option<String>,
}

impl Chuid {
    /// `None` for an object that is there but empty.
    pub(crate) fn parse(reply: &[u8]) -> Result<Option<Self>, Fault> {
        let content = tlv::only(reply, DATA)?;
        if content.is_empty() {
            return Ok(None);
        }
        let fields = Fields::parse(content)?;
        let guid = fields.required(0x34)?.try_into().map_err(|_| "GUID is not 16 bytes")?;
        let expiration = match fields.optional(0x35) {
            Some(date) if date.len() == 8 && date.iter().all(u8::is_ascii_digit) => {
                Some(date.iter().copied().map(char::from).collect())
            }
            Some(_) => return Err("expiration date is not eight digits"),
            None => None,
        };
        Ok(Some(Self { guid, expiration }))
    }
}

impl Chuid {
    /// The object for PUT DATA. Its issuer's signature is empty, as most tools leave it.
    pub(crate) fn object(guid: &[u8; 16], expiration: &str) -> Vec<u8> {
        let content = [
            tlv::object(0x30, &NON_FEDERAL_FASC_N),
            tlv::object(0x34, guid),
            tlv::object(0x35, expiration.as_bytes()),
            tlv::object(0x3E, &[]),
            tlv::object(0xFE, &[]),
        ];
        tlv::object(DATA, &content.concat())
    }
}

/// Why a certificate object gives no certificate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CertificateFault {
    Compression,
    Malformed(Fault),
}

impl From<Fault> for CertificateFault {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault)
    }
}

/// The certificate in a certificate object, expanded if need be; `None` for an object that is there but empty.
pub(crate) fn parse_certificate(reply: &[u8]) -> Result<Option<Vec<u8>>, CertificateFault> {
    let content = tlv::only(reply, DATA)?;
    if content.is_empty() {
        return Ok(None);
    }
    let fields = Fields::parse(content)?;
    let certificate = match fields.optional(0x71) {
        None | Some([0]) => fields.required(0x70)?.to_vec(),
        Some([1]) => {
            let mut expanded = Vec::new();
            let mut decoder = GzDecoder::new(fields.required(0x70)?).take(MAX_EXPANDED + 1);
            let read = decoder.read_to_end(&mut expanded);
            if read.is_err() || expanded.len() as u64 > MAX_EXPANDED {
                return Err(CertificateFault::Compression);
            }
            expanded
        }
        Some(_) => return Err("unknown CertInfo".into()),
    };
    if certificate.is_empty() {
        return Ok(None);
    }
    tlv::only(&certificate, 0x30).map_err(|_| "not one DER SEQUENCE")?;
    Ok(Some(certificate))
}

/// A certificate object for PUT DATA, not compressed.
pub(crate) fn certificate_object(certificate: &[u8]) -> Vec<u8> {
    let content = [tlv::object(0x70, certificate), tlv::object(0x71, &[0]), tlv::object(0xFE, &[])].concat();
    tlv::object(DATA, &content)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn compressed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).expect("to memory");
        let content = [tlv::object(0x70, &encoder.finish().expect("to memory")), tlv::object(0x71, &[1])].concat();
        tlv::object(DATA, &content)
    }

    #[test]
    fn certificates_are_unwrapped_and_expanded() {
        let certificate = tlv::object(0x30, &[7; 900]);
        assert_eq!(parse_certificate(&certificate_object(&certificate)), Ok(Some(certificate.clone())));
        assert_eq!(parse_certificate(&compressed(&certificate)), Ok(Some(certificate)));
        assert_eq!(parse_certificate(&[0x53, 0]), Ok(None));
        assert_eq!(parse_certificate(&certificate_object(&[])), Ok(None));
    }

    #[test]
    fn a_certificate_that_expands_without_end_is_refused() {
        let bomb = compressed(&tlv::object(0x30, &vec![0; MAX_EXPANDED as usize]));
        assert!(bomb.len() < 1000);
        assert_eq!(parse_certificate(&bomb), Err(CertificateFault::Compression));
        let mut damaged = compressed(&tlv::object(0x30, &[7; 900]));
        damaged[20] ^= 0xFF;
        assert_eq!(parse_certificate(&damaged), Err(CertificateFault::Compression));
    }

    #[test]
    fn damaged_certificate_objects_are_refused() {
        let cases: [(&[u8], Fault); 6] = [
            (&[], "tag missing"),
            (&[0x53, 2, 0x71, 0], "unknown CertInfo"),
            (&[0x53, 3, 0x71, 1, 0], "a required tag is missing"),
            (&[0x53, 6, 0x70, 1, 0x30, 0x71, 1, 4], "unknown CertInfo"),
            (&[0x53, 3, 0x70, 1, 0x30], "not one DER SEQUENCE"),
            (&[0x53, 5, 0x70, 3, 0x30, 0, 0], "not one DER SEQUENCE"),
        ];
        for (reply, fault) in cases {
            assert_eq!(parse_certificate(reply), Err(CertificateFault::Malformed(fault)), "{reply:02X?}");
        }
    }

    #[test]
    fn discovery_tells_the_pin() {
        let object = b"\x7E\x12\x4F\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x5F\x2F\x02\x60\x20";
        let policy = PinPolicy { application_pin: true, global_pin: true, global_pin_preferred: true };
        assert_eq!(PinPolicy::parse(object), Ok(policy));
        assert!(PinPolicy::parse(b"\x7E\x04\x5F\x2F\x01\x60").is_err());
    }

    #[test]
    fn a_chuid_written_is_read_again() {
        let object = Chuid::object(&[7; 16], "20291231");
        let chuid = Chuid { guid: [7; 16], expiration: Some("20291231".to_owned()) };
        assert_eq!(Chuid::parse(&object), Ok(Some(chuid)));
    }

    /// Digits of five bits, the lowest bit first and then odd parity, and at the end the exclusive or of all of them
    /// (Technical Implementation Guidance: Smart Card Enabled Physical Access Control Systems, 6.1).
    #[test]
    fn the_fasc_n_says_that_no_agency_issued_the_card() {
        let bits: Vec<u8> =
            NON_FEDERAL_FASC_N.iter().flat_map(|octet| (0..8).rev().map(move |n| octet >> n & 1)).collect();
        let mut sum = 0;
        let digits: String = bits
            .chunks(5)
            .map(|digit| {
                assert_eq!(digit.iter().sum::<u8>() % 2, 1, "parity");
                let value = (0..4).fold(0, |value, n| value | digit[n] << n);
                sum ^= value;
                b"0123456789:S<F>E"[usize::from(value)] as char
            })
            .collect();
        assert_eq!(&digits[..39], "S9999F9999F999999F0F1F0000000000300001E");
        assert_eq!((digits.len(), sum), (40, 0), "the last digit checks the others");
    }

    #[test]
    fn extended_length_information_is_read() {
        let reply = b"\x61\x03\x4F\x01\x00\x7F\x66\x08\x02\x02\x08\x00\x02\x02\x10\x00";
        assert_eq!(ApplicationProperties::parse(reply).map(|p| p.extended_length), Ok(Some(2048)));
        assert!(ApplicationProperties::parse(b"\x61\x03\x4F\x01\x00\x7F\x66\x02\x02\x09").is_err());
    }
}
