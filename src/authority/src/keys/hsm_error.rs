//! What can go wrong with keys behind PKCS#11, each with a stable code and the fact.

use core::fmt;
use cryptoki::{
    context::Function,
    error::{Error as Fault, RvError},
};
use std::path::PathBuf;

/// Why an HSM, or another token of PKCS#11, did not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum HsmError {
    /// Several keys fit the URI.
    AmbiguousKey {
        /// The token's label.
        token: String,
    },
    /// Several tokens fit the URI.
    AmbiguousToken {
        /// Label and serial number of each.
        found: Vec<String>,
    },
    /// A key of this label is there already.
    KeyExists {
        /// The token's label.
        token: String,
        /// The key's label.
        key: String,
    },
    /// No key fits the URI.
    KeyMissing {
        /// The token's label.
        token: String,
    },
    /// The token does not answer any more: it is gone, its session ended, or it failed.
    Lost,
    /// The module cannot be loaded.
    Module {
        /// Which file.
        path: PathBuf,
        /// What the loader or the module said.
        fault: String,
    },
    /// The token does not offer this, or not with this key.
    NotOffered(&'static str),
    /// Anything else that the module answered.
    Other(Fault),
    /// Too many wrong PINs: the token accepts none any more.
    PinLocked {
        /// The token's label.
        token: String,
    },
    /// The PIN is wrong.
    PinWrong {
        /// The token's label.
        token: String,
    },
    /// No token fits the URI.
    TokenMissing {
        /// Label and serial number of each token that is there.
        found: Vec<String>,
    },
}

impl HsmError {
    /// Every code with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-7080", "PKCS#11 module cannot be loaded"),
        ("CS-7081", "no such token of PKCS#11"),
        ("CS-7082", "several tokens of PKCS#11 fit"),
        ("CS-7083", "wrong PIN of the token"),
        ("CS-7084", "PIN of the token locked"),
        ("CS-7085", "no such key in the token"),
        ("CS-7086", "several keys in the token fit"),
        ("CS-7087", "key of this name in the token already"),
        ("CS-7088", "token does not answer any more"),
        ("CS-7089", "token does not offer this"),
        ("CS-7090", "PKCS#11 module failed"),
    ];

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Module { .. } => "CS-7080",
            Self::TokenMissing { .. } => "CS-7081",
            Self::AmbiguousToken { .. } => "CS-7082",
            Self::PinWrong { .. } => "CS-7083",
            Self::PinLocked { .. } => "CS-7084",
            Self::KeyMissing { .. } => "CS-7085",
            Self::AmbiguousKey { .. } => "CS-7086",
            Self::KeyExists { .. } => "CS-7087",
            Self::Lost => "CS-7088",
            Self::NotOffered(_) => "CS-7089",
            Self::Other(_) => "CS-7090",
        }
    }

    /// What to do next.
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::Module { .. } => "check module-path in the key's URI, and that the HSM's software is installed",
            Self::TokenMissing { .. } => "connect the HSM, or correct token and serial in the key's URI",
            Self::AmbiguousToken { .. } => "name one of them by its serial number: add ;serial=… to the key's URI",
            Self::PinWrong { .. } => "check the PIN before you try again: too many wrong ones lock the token",
            Self::PinLocked { .. } => "have the token's security officer set a new PIN with its software",
            Self::KeyMissing { .. } => "see what the token has: pkcs11-tool --module MODULE --login --list-objects",
            Self::AmbiguousKey { .. } => "name one of them by its identifier: add ;id=%… to the key's URI",
            Self::KeyExists { .. } => {
                "to use that key add ;object=LABEL to the URI; to make another one remove it first"
            }
            Self::Lost => "connect the HSM again and repeat the command: nothing was written",
            Self::NotOffered(_) => "choose another --algorithm or --rsa-padding, or see what the HSM is set up for",
            Self::Other(_) => "see what the HSM's own software says of it, and repeat the command",
        }
    }
}

/// An answer of the module, where whoever asked knows nothing more telling.
impl From<Fault> for HsmError {
    fn from(fault: Fault) -> Self {
        let Fault::Pkcs11(answer, function) = &fault else { return Self::Other(fault) };
        match answer {
            RvError::DeviceError
            | RvError::DeviceRemoved
            // What was found a moment ago is no longer there.
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized => Self::Lost,
            // What modules say of a token that has gone differs; in the middle of a signature it is often this.
            RvError::FunctionFailed | RvError::GeneralError
                if matches!(function, Function::Login | Function::Sign | Function::SignFinal) =>
            {
                Self::Lost
            }
            RvError::AttributeValueInvalid | RvError::CurveNotSupported | RvError::KeySizeRange
                if matches!(function, Function::GenerateKeyPair) =>
            {
                Self::NotOffered("a key of this kind")
            }
            RvError::MechanismInvalid | RvError::MechanismParamInvalid
                if matches!(function, Function::GenerateKeyPair) =>
            {
                Self::NotOffered("making a key of this kind")
            }
            RvError::KeyFunctionNotPermitted
            | RvError::KeyTypeInconsistent
            | RvError::MechanismInvalid
            | RvError::MechanismParamInvalid => Self::NotOffered("signing in this way with this key"),
            _ => Self::Other(fault),
        }
    }
}

impl fmt::Display for HsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |found: &[String]| if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        match self {
            Self::AmbiguousKey { token } => write!(f, "several keys in the token {token:?} fit the URI"),
            Self::AmbiguousToken { found } => write!(f, "several tokens fit the URI: {}", list(found)),
            Self::KeyExists { token, key } => write!(f, "the token {token:?} has a key {key:?} already"),
            Self::KeyMissing { token } => write!(f, "the token {token:?} has no key that fits the URI"),
            Self::Lost => {
                f.write_str("the token does not answer any more: it is gone, its session ended, or it failed")
            }
            Self::Module { path, fault } => write!(f, "cannot load the module {}: {fault}", path.display()),
            Self::NotOffered(what) => write!(f, "the token does not offer {what}"),
            Self::Other(Fault::Pkcs11(answer, function)) => {
                write!(f, "the PKCS#11 module failed: C_{function:?} answered {answer:?}")
            }
            Self::Other(fault) => write!(f, "the PKCS#11 module failed: {fault}"),
            Self::PinLocked { token } => write!(f, "the PIN of the token {token:?} is locked"),
            Self::PinWrong { token } => write!(f, "the PIN of the token {token:?} is wrong"),
            Self::TokenMissing { found } => write!(f, "no token fits the URI; there: {}", list(found)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_modules_become_reasons() {
        for (answer, function, code) in [
            (RvError::DeviceRemoved, Function::Sign, "CS-7088"),
            (RvError::GeneralError, Function::Sign, "CS-7088"),
            (RvError::GeneralError, Function::GenerateKeyPair, "CS-7090"),
            (RvError::SessionHandleInvalid, Function::FindObjectsInit, "CS-7088"),
            (RvError::CurveNotSupported, Function::GenerateKeyPair, "CS-7089"),
            (RvError::MechanismInvalid, Function::GenerateKeyPair, "CS-7089"),
            (RvError::MechanismParamInvalid, Function::SignInit, "CS-7089"),
            (RvError::DeviceMemory, Function::GenerateKeyPair, "CS-7090"),
        ] {
            let words = format!("{answer:?} {function:?}");
            let error = HsmError::from(Fault::Pkcs11(answer, function));
            assert_eq!(error.code(), code, "{words}");
            let told = (HsmError::CODES.iter().any(|(known, _)| *known == code), error.advice().is_empty());
            assert_eq!(told, (true, false), "{words}");
        }
        assert_eq!(HsmError::from(Fault::NotSupported).to_string(), "the PKCS#11 module failed: Feature not supported");
    }
}
