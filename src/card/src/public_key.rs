//! Public keys as GENERATE ASYMMETRIC KEY PAIR returns them (SP 800-73 part 2, 3.3.2).

use crate::key::Algorithm;
use crate::tlv::{self, Fault, Fields, object};

/// `id-ecPublicKey` of RFC 5480, 2.1.1.
const EC_PUBLIC_KEY: [u8; 7] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// `rsaEncryption` of RFC 8017, appendix C.
const RSA_ENCRYPTION: [u8; 9] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
/// `secp256r1` of RFC 5480, 2.1.1.1.
const SECP256R1: [u8; 8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// `secp384r1` of RFC 5480, 2.1.1.1.
const SECP384R1: [u8; 5] = [0x2B, 0x81, 0x04, 0x00, 0x22];

const OBJECT_IDENTIFIER: u32 = 0x06;
const SEQUENCE: u32 = 0x30;

/// The public half of a key that the card generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    spki: Vec<u8>,
}

impl PublicKey {
    /// The kind of key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7), for a certificate or a request.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Reads the template 7F49. Lengths and forms are checked; whether a point is on its curve is not.
    pub(crate) fn parse(reply: &[u8], algorithm: Algorithm) -> Result<Self, Fault> {
        Self::parse_fields(tlv::only(reply, 0x7F49)?, algorithm)
    }

    /// Reads what stands in that template.
    pub(crate) fn parse_fields(content: &[u8], algorithm: Algorithm) -> Result<Self, Fault> {
        let fields = Fields::parse(content)?;
        let (identifier, key) = match algorithm {
            Algorithm::P256 => (ec_identifier(&SECP256R1), ec_point(&fields, 32)?),
            Algorithm::P384 => (ec_identifier(&SECP384R1), ec_point(&fields, 48)?),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                let identifier = [object(OBJECT_IDENTIFIER, &RSA_ENCRYPTION), object(0x05, &[])].concat();
                (identifier, rsa_key(&fields, algorithm.input_length())?)
            }
        };
        // A BIT STRING begins with the number of unused bits.
        let bits = object(0x03, &[&[0], &key[..]].concat());
        let spki = object(SEQUENCE, &[object(SEQUENCE, &identifier), bits].concat());
        Ok(Self { algorithm, spki })
    }
}

fn ec_identifier(curve: &[u8]) -> Vec<u8> {
    [object(OBJECT_IDENTIFIER, &EC_PUBLIC_KEY), object(OBJECT_IDENTIFIER, curve)].concat()
}

/// An uncompressed point: 04, x, y.
fn ec_point(fields: &Fields<'_>, size: usize) -> Result<Vec<u8>, Fault> {
    let point = fields.required(0x86)?;
    if point.len() != 2 * size + 1 || point[0] != 0x04 {
        return Err("not an uncompressed point of the curve's size");
    }
    Ok(point.to_vec())
}

/// `RSAPublicKey` of RFC 8017, A.1.1.
fn rsa_key(fields: &Fields<'_>, size: usize) -> Result<Vec<u8>, Fault> {
    let modulus = unsigned(fields.required(0x81)?);
    if modulus.len() != size || modulus[0] & 0x80 == 0 || modulus[size - 1] & 1 == 0 {
        return Err("not a modulus of the key's size");
    }
    let exponent = unsigned(fields.required(0x82)?);
    if !(1..=4).contains(&exponent.len()) || exponent[exponent.len() - 1] & 1 == 0 || exponent == [1] {
        return Err("not a public exponent");
    }
    Ok(object(SEQUENCE, &[integer(modulus), integer(exponent)].concat()))
}

/// A big-endian number without leading zeros.
fn unsigned(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&octet| octet == 0).count();
    &number[zeros..]
}

/// DER INTEGER of a positive number without leading zeros.
fn integer(number: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if number[0] & 0x80 != 0 { &[0] } else { &[] };
    object(0x02, &[sign, number].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elliptic_keys_become_spki() {
        let point = [&[4][..], &[9; 64]].concat();
        let reply = object(0x7F49, &object(0x86, &point));
        let key = PublicKey::parse(&reply, Algorithm::P256).expect("a key");
        let header =
            b"\x30\x59\x30\x13\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07\x03\x42\x00";
        assert_eq!(key.spki_der(), [&header[..], &point].concat());
        assert!(PublicKey::parse(&reply, Algorithm::P384).is_err());
        assert!(PublicKey::parse(&reply, Algorithm::Rsa2048).is_err());
    }

    #[test]
    fn rsa_keys_become_spki() {
        let reply =
            |modulus: &[u8], exponent: &[u8]| object(0x7F49, &[object(0x81, modulus), object(0x82, exponent)].concat());
        let modulus = [0xC5; 256];
        let key = PublicKey::parse(&reply(&modulus, &[1, 0, 1]), Algorithm::Rsa2048).expect("a key");
        let header = b"\x30\x82\x01\x22\x30\x0D\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01\x05\x00\x03\x82\x01\x0F\x00\x30\x82\x01\x0A\x02\x82\x01\x01\x00";
        assert_eq!(key.spki_der(), [&header[..], &modulus, b"\x02\x03\x01\x00\x01"].concat());

        assert!(PublicKey::parse(&reply(&[0xC5; 255], &[3]), Algorithm::Rsa2048).is_err(), "short");
        assert!(PublicKey::parse(&reply(&[0x45; 256], &[3]), Algorithm::Rsa2048).is_err(), "2047 bits");
        assert!(PublicKey::parse(&reply(&[0xC4; 256], &[3]), Algorithm::Rsa2048).is_err(), "even");
        for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0, 0, 1]] {
            assert!(PublicKey::parse(&reply(&modulus, exponent), Algorithm::Rsa2048).is_err(), "{exponent:?}");
        }
    }
}
