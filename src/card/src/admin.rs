//! Managing a card: management key, key generation, certificates (SP 800-73 part 2, 3.3 and appendix A.1).

use crate::apdu::{self, Command, StatusWord};
use crate::error::Error;
use crate::key::{Algorithm, Slot};
use crate::management_key::{ManagementAlgorithm, ManagementKey};
use crate::objects::{Chuid, certificate_object};
use crate::piv::{Piv, key_refusal};
use crate::public_key::PublicKey;
use crate::tlv::{self, Fault, Fields};
use crate::transport::Transport;

/// Key reference of the card management key.
const CARD_MANAGEMENT_KEY: u8 = 0x9B;
/// The longest certificate that is put on a card, in bytes; a card may take less.
const MAX_CERTIFICATE: usize = 8 * 1024;

impl<T: Transport> Piv<T> {
    /// Authenticates with the card management key, and the card with it, so that a card that merely says yes is not
    /// believed. Returns the kind of key that the card has: as the card's metadata say, or else as it can be found out
    /// by asking for a witness of each kind that fits the key's length.
    ///
    /// `challenge` must be fresh random bytes; a key with blocks of eight bytes uses the first eight.
    ///
    /// # Errors
    /// [`Error::ManagementKeyWrong`], [`Error::ManagementKeyLength`], [`Error::ManagementAlgorithmUnknown`], and
    /// [`Error::ManagementCardUnproven`] if the card does not know the key itself.
    pub fn authenticate_management(
        &mut self,
        key: &ManagementKey,
        challenge: [u8; 16],
    ) -> Result<ManagementAlgorithm, Error> {
        let (algorithm, witness) = match self.management_algorithm()? {
            Some(algorithm) if algorithm.key_length() != key.length() => {
                return Err(Error::ManagementKeyLength { algorithm, length: key.length() });
            }
            Some(algorithm) => self.witness(algorithm)?.map(|witness| (algorithm, witness)),
            None => self.first_witness(key.length())?,
        }
        .ok_or(Error::ManagementAlgorithmUnknown)?;

        // The witness is one block, and the key as long as the algorithm's.
        let challenge = &challenge[..algorithm.block_length()];
        let answer = key.decrypt(algorithm, &witness).ok_or(Error::ManagementAlgorithmUnknown)?;
        let proof = key.encrypt(algorithm, challenge).ok_or(Error::ManagementAlgorithmUnknown)?;

        let content = [tlv::object(0x80, &answer), tlv::object(0x81, challenge)].concat();
        let command = authenticate(algorithm, tlv::object(0x7C, &content));
        let reply = self.spend(&command)?;
        match reply.status {
            StatusWord::SUCCESS => {}
            StatusWord(0x6300)
            | StatusWord::SECURITY_STATUS_NOT_SATISFIED
            | StatusWord::AUTHENTICATION_METHOD_BLOCKED
            | StatusWord::INCORRECT_DATA => return Err(Error::ManagementKeyWrong),
            status => return Err(Error::Refused { command: command.name(), status }),
        }
        self.unlocked = true;
        let found = template_value(&reply.data, 0x82)
            .map_err(|what| Error::MalformedReply { command: command.name(), what })?;
        if found != proof {
            return Err(Error::ManagementCardUnproven);
        }
        Ok(algorithm)
    }

    /// Generates a key in a slot, overwriting the one that is there (SP 800-73 part 2, 3.3.2). RSA keys take up to a
    /// minute. Needs [`authenticate_management`](Self::authenticate_management).
    ///
    /// # Errors
    /// [`Error::ManagementKeyRequired`], and [`Error::KeyRefused`] if the card cannot make such a key.
    pub fn generate_key(&mut self, slot: Slot, algorithm: Algorithm) -> Result<PublicKey, Error> {
        let template = tlv::object(0xAC, &tlv::object(0x80, &[algorithm.identifier()]));
        let generate = apdu::GENERATE_ASYMMETRIC_KEY_PAIR;
        let command = Command::with_reply(generate, 0, slot.key_reference(), template).within(apdu::GENERATE_LIMIT);
        let reply = self.spend(&command)?;
        match reply.status {
            StatusWord::SUCCESS => {}
            StatusWord::SECURITY_STATUS_NOT_SATISFIED => return Err(Error::ManagementKeyRequired),
            status => return Err(key_refusal(&command, status, slot, algorithm)),
        }
        PublicKey::parse(&reply.data, algorithm).map_err(|what| Error::MalformedReply { command: command.name(), what })
    }

    /// Stores the certificate of a slot, in DER (SP 800-73 part 2, 3.3.1). Needs
    /// [`authenticate_management`](Self::authenticate_management). Reading it back is left to the caller.
    ///
    /// # Errors
    /// [`Error::ManagementKeyRequired`], [`Error::InputLength`] beyond 8 KiB, and [`Error::Refused`] with 6A84 if the
    /// card has no room.
    pub fn put_certificate(&mut self, slot: Slot, certificate: &[u8]) -> Result<(), Error> {
        if certificate.is_empty() || certificate.len() > MAX_CERTIFICATE {
            return Err(Error::InputLength { length: certificate.len(), expected: MAX_CERTIFICATE });
        }
        self.put_data(&slot.certificate_tag(), &certificate_object(certificate))
    }

    /// Writes a card holder unique identifier (SP 800-73 part 1, 3.1.2) over the one that is there: a GUID, which should be
    /// a random UUID (RFC 9562, version 4), and the day until which the card is good, `YYYYMMDD`. The FASC-N is that of
    /// cards outside the United States' government, and the object is not signed. Needs
    /// [`authenticate_management`](Self::authenticate_management).
    ///
    /// # Errors
    /// [`Error::ManagementKeyRequired`], and [`Error::InputLength`] if `expiration` has not eight characters.
    pub fn put_chuid(&mut self, guid: &[u8; 16], expiration: &str) -> Result<(), Error> {
        if expiration.len() != 8 {
            return Err(Error::InputLength { length: expiration.len(), expected: 8 });
        }
        self.put_data(&[0x5F, 0xC1, 0x02], &Chuid::object(guid, expiration))
    }

    fn put_data(&mut self, tag: &[u8; 3], object: &[u8]) -> Result<(), Error> {
        let data = [tlv::object(0x5C, tag), object.to_vec()].concat();
        let command = Command::new(apdu::PUT_DATA, 0x3F, 0xFF, data);
        match self.spend(&command)?.status {
            StatusWord::SUCCESS => Ok(()),
            StatusWord::SECURITY_STATUS_NOT_SATISFIED => Err(Error::ManagementKeyRequired),
            status => Err(Error::Refused { command: command.name(), status }),
        }
    }

    /// What the card's metadata say; `None` if it has none, as most cards. There are cards that answer with success
    /// and nothing else.
    fn management_algorithm(&mut self) -> Result<Option<ManagementAlgorithm>, Error> {
        let command = Command::with_reply(apdu::GET_METADATA, 0, CARD_MANAGEMENT_KEY, []);
        let reply = self.read(&command)?;
        if reply.status != StatusWord::SUCCESS {
            return Ok(None);
        }
        let malformed = |what| Error::MalformedReply { command: command.name(), what };
        let Some(identifier) = Fields::parse(&reply.data).map_err(malformed)?.optional(0x01) else {
            return Ok(None);
        };
        let known = ManagementAlgorithm::ALL.into_iter().find(|algorithm| identifier == [algorithm.identifier()]);
        known.map(Some).ok_or(Error::ManagementAlgorithmUnknown)
    }

    /// The first algorithm for keys of this length for which the card makes a witness.
    fn first_witness(&mut self, key_length: usize) -> Result<Option<(ManagementAlgorithm, Vec<u8>)>, Error> {
        for algorithm in ManagementAlgorithm::ALL {
            if algorithm.key_length() == key_length
                && let Some(witness) = self.witness(algorithm)?
            {
                return Ok(Some((algorithm, witness)));
            }
        }
        Ok(None)
    }

    /// A block that the card has encrypted; `None` if it has no such key.
    fn witness(&mut self, algorithm: ManagementAlgorithm) -> Result<Option<Vec<u8>>, Error> {
        let command = authenticate(algorithm, tlv::object(0x7C, &tlv::object(0x80, &[])));
        let reply = self.spend(&command)?;
        match reply.status {
            StatusWord::SUCCESS => {}
            StatusWord::CONDITIONS_OF_USE_NOT_SATISFIED
            | StatusWord::INCORRECT_DATA
            | StatusWord::FUNCTION_NOT_SUPPORTED
            | StatusWord::INCORRECT_P1_P2
            | StatusWord::REFERENCE_DATA_NOT_FOUND => return Ok(None),
            status => return Err(Error::Refused { command: command.name(), status }),
        }
        let malformed = |what| Error::MalformedReply { command: command.name(), what };
        let witness = template_value(&reply.data, 0x80).map_err(malformed)?;
        if witness.len() != algorithm.block_length() {
            return Err(malformed("witness is not one block"));
        }
        Ok(Some(witness.to_vec()))
    }
}

fn authenticate(algorithm: ManagementAlgorithm, template: Vec<u8>) -> Command {
    Command::with_reply(apdu::GENERAL_AUTHENTICATE, algorithm.identifier(), CARD_MANAGEMENT_KEY, template)
}

/// One value of a dynamic authentication template (SP 800-73 part 2, table 7).
fn template_value(reply: &[u8], tag: u32) -> Result<&[u8], Fault> {
    Fields::parse(tlv::only(reply, 0x7C)?)?.required(tag)
}
