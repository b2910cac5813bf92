//! The form of signatures (SP 800-73 part 2, 3.2.4; RFC 3279, 2.2.3).

use crate::key::Algorithm;
use crate::tlv::{self, Fault, Fields};

/// The signature in a dynamic authentication template, in the form of its algorithm.
pub(crate) fn signature_in(reply: &[u8], algorithm: Algorithm) -> Result<Vec<u8>, Fault> {
    let fields = Fields::parse(tlv::only(reply, 0x7C)?)?;
    let signature = fields.required(0x82)?;
    match algorithm {
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
            if signature.len() != algorithm.input_length() {
                return Err("signature is not as long as the modulus");
            }
        }
        Algorithm::P256 | Algorithm::P384 => check_ecdsa(signature, algorithm.input_length())?,
    }
    Ok(signature.to_vec())
}

/// `Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }`, in DER, both positive and not larger than the field.
fn check_ecdsa(signature: &[u8], size: usize) -> Result<(), Fault> {
    const FAULT: Fault = "not an ECDSA signature in DER";
    // Both curves' signatures are shorter than 128 bytes: every length is one byte.
    let [0x30, length, rest @ ..] = signature else {
        return Err(FAULT);
    };
    if usize::from(*length) != rest.len() {
        return Err(FAULT);
    }
    let mut rest = rest;
    for _ in 0..2 {
        let [0x02, length, after @ ..] = rest else {
            return Err(FAULT);
        };
        let (number, after) = after.split_at_checked(usize::from(*length)).ok_or(FAULT)?;
        let minimal = match number {
            [0, second, ..] => second & 0x80 != 0,
            [first, ..] => (0x01..0x80).contains(first),
            [] => false,
        };
        let digits = number.len() - usize::from(number.first() == Some(&0));
        if !minimal || digits > size {
            return Err(FAULT);
        }
        rest = after;
    }
    if rest.is_empty() { Ok(()) } else { Err(FAULT) }
}
