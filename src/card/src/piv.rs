//! A session with the PIV card application (SP 800-73 part 2, 3).

use sha2::{Digest, Sha256};

use crate::apdu::{self, Command, StatusWord};
use crate::channel::{Channel, Reply};
use crate::error::Error;
use crate::key::{Algorithm, Slot};
use crate::objects::{ApplicationProperties, CertificateFault, Chuid, PinPolicy, parse_certificate};
use crate::pin::{LastTry, Pin, PinStatus};
use crate::signature::signature_in;
use crate::tlv;
use crate::trace::Recorder;
use crate::transport::{ExtendedLength, OnEnd, Transport, TransportError};

/// The application identifier without its version (SP 800-73 part 1, 2.2).
const PIV_AID: [u8; 9] = [0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00];
/// Data bytes of an extended APDU where the card offers them without saying how many: what all such cards take.
const EXTENDED_DATA: usize = 2048;
/// Header, lengths and expected length of an extended APDU.
const EXTENDED_OVERHEAD: usize = 9;
/// Reference of the PIN of the PIV application.
const APPLICATION_PIN: u8 = 0x80;
/// Reference of the PIN of the whole card.
const GLOBAL_PIN: u8 = 0x00;

/// How to talk to the card.
#[derive(Default)]
pub struct Options {
    /// Short APDUs and chaining even where the card offers extended length.
    pub force_short: bool,
    /// Receives every command, without secrets.
    pub recorder: Option<Recorder>,
}

/// A session with a PIV card. It holds the card for itself except between [`release`](Self::release) and
/// [`resume`](Self::resume), and gives it back when dropped; a card that was shown a PIN or the management key is then
/// reset, so that no other program inherits that.
pub struct Piv<T: Transport> {
    pub(crate) channel: Channel<T>,
    force_short: bool,
    properties: ApplicationProperties,
    pub(crate) pin_reference: u8,
    /// What is known of the PIN without asking; the rest of the session cannot change it behind our back.
    pub(crate) pin_status: Option<PinStatus>,
    /// The certificate read last, by which the card is known again.
    known_certificate: Option<(Slot, [u8; 32])>,
    /// A PIN or the management key was accepted, or may have been: the card is to be reset in the end. Selecting PIV once
    /// more does not change that (SP 800-73 part 2, 3.1.1), only a reset does.
    pub(crate) unlocked: bool,
}

impl<T: Transport> Piv<T> {
    /// Takes the card and selects the PIV application (SP 800-73 part 2, 3.1.1). One command.
    ///
    /// # Errors
    /// [`Error::NotPiv`] if the card has none.
    pub fn select(transport: T, options: Options) -> Result<Self, Error> {
        let mut piv = Self {
            channel: Channel { transport, extended: None, recorder: options.recorder },
            force_short: options.force_short,
            properties: ApplicationProperties::default(),
            pin_reference: APPLICATION_PIN,
            pin_status: None,
            known_certificate: None,
            unlocked: false,
        };
        match piv.open() {
            Err(Error::Transport(TransportError::CardReset)) => piv.open()?,
            outcome => outcome?,
        }
        Ok(piv)
    }

    /// What the card said about its PIV application.
    pub fn properties(&self) -> &ApplicationProperties {
        &self.properties
    }

    /// The certificate of a slot in DER, expanded if it is stored compressed; `None` if there is none. The card is
    /// known by it from now on. One command.
    ///
    /// # Errors
    /// [`Error::MalformedObject`] and [`Error::CertificateCompression`] for what is not a certificate object.
    pub fn certificate(&mut self, slot: Slot) -> Result<Option<Vec<u8>>, Error> {
        let reply = self.read(&certificate_query(slot))?;
        let certificate = certificate_in(&reply, slot)?;
        if let Some(certificate) = &certificate {
            self.known_certificate = Some((slot, Sha256::digest(certificate).into()));
        }
        Ok(certificate)
    }

    /// The card holder unique identifier; `None` if there is none. One command.
    pub fn chuid(&mut self) -> Result<Option<Chuid>, Error> {
        let reply = self.read(&data_query(&[0x5F, 0xC1, 0x02]))?;
        match object_in(&reply)? {
            Some(data) => Chuid::parse(data).map_err(|what| Error::MalformedObject { object: "CHUID", what }),
            None => Ok(None),
        }
    }

    /// Which PINs the card takes, from the discovery object; `None` if it has none. One command.
    ///
    /// Not needed in general: a session uses the PIN of the PIV application, and asks for the policy by itself only
    /// if the card says that it has no such PIN.
    pub fn pin_policy(&mut self) -> Result<Option<PinPolicy>, Error> {
        let reply = self.read(&data_query(&[0x7E]))?;
        let Some(data) = object_in(&reply)? else {
            return Ok(None);
        };
        let malformed = |what| Error::MalformedObject { object: "discovery object", what };
        PinPolicy::parse(data).map(Some).map_err(malformed)
    }

    /// Asks whether the PIN is verified and how many tries are left, which spends none (SP 800-73 part 2, 3.2.1).
    /// One command; up to three on a card without a PIN of the PIV application.
    ///
    /// The PIN asked about is that of the PIV application (80). If the card does not know it (6A88) or cannot use it
    /// (6984), and its discovery object prefers the PIN of the whole card or takes nothing else, that PIN (00) is used
    /// for the rest of the session.
    pub fn pin_status(&mut self) -> Result<PinStatus, Error> {
        let mut status = self.query_pin()?;
        let unknown = [StatusWord::REFERENCE_DATA_NOT_FOUND, StatusWord::REFERENCE_DATA_NOT_USABLE].contains(&status);
        if unknown && self.pin_reference == APPLICATION_PIN {
            let policy = self.pin_policy()?;
            if policy
                .is_some_and(|policy| policy.global_pin && (policy.global_pin_preferred || !policy.application_pin))
            {
                self.pin_reference = GLOBAL_PIN;
                status = self.query_pin()?;
            }
        }
        let pin_status = match (status, status.tries_left()) {
            (StatusWord::SUCCESS, _) => PinStatus::Verified,
            (StatusWord::AUTHENTICATION_METHOD_BLOCKED, _) | (_, Some(0)) => PinStatus::Blocked,
            (_, Some(tries)) => PinStatus::TriesLeft(tries),
            _ => return Err(Error::Refused { command: "VERIFY", status }),
        };
        self.pin_status = Some(pin_status);
        Ok(pin_status)
    }

    /// Shows the card the PIN (SP 800-73 part 2, 3.2.1). Asks for the tries left first unless they are known. Never
    /// sent a second time by itself.
    ///
    /// # Errors
    /// [`Error::WrongPin`] with the tries left, [`Error::PinBlocked`], and [`Error::LastTryKept`] where a wrong PIN
    /// would block the card and `last_try` says to keep it.
    pub fn verify_pin(&mut self, pin: &Pin, last_try: LastTry) -> Result<(), Error> {
        self.guard_tries(last_try)?;
        let command = Command::new(apdu::VERIFY, 0, self.pin_reference, &pin.padded()[..]);
        let status = self.spend(&command)?.status;
        self.settle_verify(status)
    }

    /// Signs with the key of a slot (SP 800-73 part 2, 3.2.4). One command, never sent a second time by itself.
    ///
    /// `prepared` is what the key operates on: for RSA the padded block, as long as the modulus; for ECDSA the digest,
    /// 32 or 48 bytes. The signature is, for RSA, as long as the modulus, and for ECDSA the DER of RFC 3279's
    /// `Ecdsa-Sig-Value`; it is checked for form, not against the certificate. With [`Slot::Signature`] the PIN must
    /// have been verified immediately before.
    ///
    /// # Errors
    /// [`Error::PinRequired`], and [`Error::KeyRefused`] if the slot has no such key.
    pub fn sign(&mut self, slot: Slot, algorithm: Algorithm, prepared: &[u8]) -> Result<Vec<u8>, Error> {
        if prepared.len() != algorithm.input_length() {
            return Err(Error::InputLength { length: prepared.len(), expected: algorithm.input_length() });
        }
        let template = tlv::object(0x7C, &[tlv::object(0x82, &[]), tlv::object(0x81, prepared)].concat());
        let (p1, p2) = (algorithm.identifier(), slot.key_reference());
        let command = Command::with_reply(apdu::GENERAL_AUTHENTICATE, p1, p2, template);
        let reply = self.spend(&command)?;
        match reply.status {
            StatusWord::SUCCESS => {}
            StatusWord::SECURITY_STATUS_NOT_SATISFIED => return Err(Error::PinRequired),
            StatusWord::AUTHENTICATION_METHOD_BLOCKED => return Err(Error::PinBlocked),
            status => return Err(key_refusal(&command, status, slot, algorithm)),
        }
        let signature = signature_in(&reply.data, algorithm);
        signature.map_err(|what| Error::MalformedReply { command: command.name(), what })
    }

    /// Gives the card to other programs, while a person types. A card that was shown a PIN is reset.
    pub fn release(&mut self) -> Result<(), Error> {
        self.pin_status = None;
        let on_end = if self.unlocked { OnEnd::ResetCard } else { OnEnd::LeaveCard };
        self.unlocked = false;
        Ok(self.channel.transport.end(on_end)?)
    }

    /// Takes the card again, selects the PIV application and reads again the certificate that was read last; another
    /// card is refused. Also the way on after the card was reset or put in again. Two commands, or one if no
    /// certificate was read.
    ///
    /// # Errors
    /// [`Error::CardExchanged`] if the certificate is not the same.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.open()?;
        if let Some((slot, digest)) = self.known_certificate {
            let reply = self.channel.exchange(&certificate_query(slot))?;
            // What was a certificate before and is none now is not the same card either.
            let same = matches!(certificate_in(&reply, slot), Ok(Some(found)) if Sha256::digest(&found)[..] == digest);
            if !same {
                return Err(Error::CardExchanged);
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        self.pin_status = None;
        self.channel.extended = None;
        self.channel.transport.begin()?;
        let command = Command::with_reply(apdu::SELECT, 0x04, 0x00, PIV_AID);
        let reply = self.channel.exchange(&command)?;
        if reply.status != StatusWord::SUCCESS {
            return Err(Error::NotPiv { status: reply.status });
        }
        self.properties = ApplicationProperties::parse(&reply.data)
            .map_err(|what| Error::MalformedReply { command: command.name(), what })?;
        self.channel.extended = match (self.channel.transport.extended_length(), self.properties.extended_length) {
            _ if self.force_short => None,
            (ExtendedLength::Impossible, _) | (ExtendedLength::Unstated, None) => None,
            (_, Some(command)) => Some(command.saturating_sub(EXTENDED_OVERHEAD)),
            (ExtendedLength::Offered, None) => Some(EXTENDED_DATA),
        };
        Ok(())
    }

    /// Sends a command that changes nothing. If the card was reset meanwhile, the session is set up again and the
    /// command sent once more.
    pub(crate) fn read(&mut self, command: &Command) -> Result<Reply, Error> {
        match self.channel.exchange(command) {
            Err(Error::Transport(TransportError::CardReset)) => {
                self.unlocked = false;
                self.resume()?;
                self.channel.exchange(command)
            }
            outcome => outcome,
        }
    }

    /// Sends a command that changes or spends something, once. After a fault nobody knows what the card has done, so
    /// nothing is taken as known any more.
    pub(crate) fn spend(&mut self, command: &Command) -> Result<Reply, Error> {
        let outcome = self.channel.exchange(command);
        if outcome.is_err() {
            self.pin_status = None;
            self.unlocked = true;
        }
        outcome
    }

    fn query_pin(&mut self) -> Result<StatusWord, Error> {
        let query = Command::new(apdu::VERIFY, 0, self.pin_reference, []);
        Ok(self.read(&query)?.status)
    }

    /// Refuses to go on where a wrong PIN would do harm that nobody asked for. A verified PIN has all its tries.
    pub(crate) fn guard_tries(&mut self, last_try: LastTry) -> Result<(), Error> {
        let status = match self.pin_status {
            Some(status) => status,
            None => self.pin_status()?,
        };
        match status {
            PinStatus::Blocked => Err(Error::PinBlocked),
            PinStatus::TriesLeft(1) if last_try == LastTry::Keep => Err(Error::LastTryKept),
            PinStatus::TriesLeft(_) | PinStatus::Verified => Ok(()),
        }
    }

    /// Takes note of the answer to a VERIFY that carried a PIN.
    pub(crate) fn settle_verify(&mut self, status: StatusWord) -> Result<(), Error> {
        self.pin_status = None;
        match (status, status.tries_left()) {
            (StatusWord::SUCCESS, _) => {
                self.pin_status = Some(PinStatus::Verified);
                self.unlocked = true;
                Ok(())
            }
            (StatusWord::AUTHENTICATION_METHOD_BLOCKED, _) | (_, Some(0)) => {
                self.pin_status = Some(PinStatus::Blocked);
                Err(Error::PinBlocked)
            }
            (_, Some(tries_left)) => {
                self.pin_status = Some(PinStatus::TriesLeft(tries_left));
                Err(Error::WrongPin { tries_left })
            }
            _ => Err(Error::Refused { command: "VERIFY", status }),
        }
    }
}

impl<T: Transport> Drop for Piv<T> {
    fn drop(&mut self) {
        // Nobody is left to hear of a fault.
        let _ = self.release();
    }
}

/// What the status words say that a card uses when it has no key for the purpose.
pub(crate) fn key_refusal(command: &Command, status: StatusWord, slot: Slot, algorithm: Algorithm) -> Error {
    match status {
        StatusWord::REFERENCE_DATA_NOT_USABLE
        | StatusWord::CONDITIONS_OF_USE_NOT_SATISFIED
        | StatusWord::INCORRECT_DATA
        | StatusWord::FUNCTION_NOT_SUPPORTED
        | StatusWord::NOT_FOUND
        | StatusWord::INCORRECT_P1_P2
        | StatusWord::REFERENCE_DATA_NOT_FOUND => Error::KeyRefused { slot, algorithm, status },
        status => Error::Refused { command: command.name(), status },
    }
}

/// GET DATA (SP 800-73 part 2, 3.1.2).
pub(crate) fn data_query(tag: &[u8]) -> Command {
    Command::with_reply(apdu::GET_DATA, 0x3F, 0xFF, tlv::object(0x5C, tag))
}

fn certificate_query(slot: Slot) -> Command {
    data_query(&slot.certificate_tag())
}

/// The data of an answer to GET DATA; `None` if there is no such object. Cards have three words for that.
pub(crate) fn object_in(reply: &Reply) -> Result<Option<&[u8]>, Error> {
    match reply.status {
        StatusWord::SUCCESS => Ok(Some(&reply.data)),
        StatusWord::INCORRECT_DATA | StatusWord::NOT_FOUND | StatusWord::REFERENCE_DATA_NOT_FOUND => Ok(None),
        StatusWord::SECURITY_STATUS_NOT_SATISFIED => Err(Error::PinRequired),
        status => Err(Error::Refused { command: "GET DATA", status }),
    }
}

fn certificate_in(reply: &Reply, slot: Slot) -> Result<Option<Vec<u8>>, Error> {
    let Some(data) = object_in(reply)? else {
        return Ok(None);
    };
    parse_certificate(data).map_err(|fault| match fault {
        CertificateFault::Compression => Error::CertificateCompression { slot },
        CertificateFault::Malformed(what) => Error::MalformedObject { object: slot.certificate_name(), what },
    })
}
