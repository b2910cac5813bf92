//! Tokens of PKCS#11 2.40 or later, an HSM for instance: the module is loaded, the token found, the officer logged in.

use super::HsmError;
use crate::{error::Error, key_uri::Pkcs11Uri, prompt::Secret};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as Fault, RvError},
    mechanism::Mechanism,
    object::ObjectHandle,
    session::{Session, UserType},
    slot::{Slot, TokenInfo},
    types::AuthPin,
};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Loads a module.
pub(super) fn load(path: &Path) -> Result<Pkcs11, Error> {
    let load = || {
        let module = Pkcs11::new(path)?;
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
        Ok(module)
    };
    load().map_err(|fault: Fault| HsmError::Module { path: path.to_owned(), fault: fault.to_string() }.into())
}

/// A token in its slot, before anybody has logged in.
pub(super) struct Token {
    slot: Slot,
    info: TokenInfo,
}

impl Token {
    /// The one token that a URI means.
    pub(super) fn find(module: &Pkcs11, uri: &Pkcs11Uri) -> Result<Self, Error> {
        let mut tokens = Vec::new();
        for slot in module.get_slots_with_initialized_token()? {
            tokens.push(Self { slot, info: module.get_token_info(slot)? });
        }
        let names = |tokens: &[Self]| tokens.iter().map(Self::name).collect();
        let mut fitting: Vec<_> = tokens.extract_if(.., |token| token.fits(uri)).collect();
        if fitting.len() > 1 {
            return Err(HsmError::AmbiguousToken { found: names(&fitting) }.into());
        }
        fitting.pop().ok_or_else(|| HsmError::TokenMissing { found: names(&tokens) }.into())
    }

    /// Whether a URI may mean it.
    pub(super) fn fits(&self, uri: &Pkcs11Uri) -> bool {
        [
            (&uri.token, self.info.label()),
            (&uri.manufacturer, self.info.manufacturer_id()),
            (&uri.model, self.info.model()),
            (&uri.serial, self.info.serial_number()),
        ]
        .iter()
        .all(|(wanted, has)| wanted.as_ref().is_none_or(|wanted| wanted == has))
    }

    fn name(&self) -> String {
        format!("{:?} with serial number {:?}", self.info.label(), self.info.serial_number())
    }

    /// Logs the officer in. The PIN is asked for by `ask`, unless the token has a key pad of its own.
    pub(super) fn log_in(self, module: &Pkcs11, ask: impl FnOnce(&str) -> Result<Secret, Error>) -> Result<Hsm, Error> {
        let label = self.info.label().to_owned();
        if self.info.user_pin_locked() {
            return Err(HsmError::PinLocked { token: label }.into());
        }
        let pin = if self.info.protected_authentication_path() {
            None
        } else {
            let warning = if self.info.user_pin_final_try() { ", the last try" } else { "" };
            Some(AuthPin::from(ask(&format!("PIN of the token {label:?}{warning}: "))?.as_str()))
        };
        let session = module.open_rw_session(self.slot)?;
        let refused = match session.login(UserType::User, pin.as_ref()) {
            Ok(()) => {
                let serial = self.info.serial_number().to_owned();
                return Ok(Hsm { session: Mutex::new(session), slot: self.slot, pin, serial, label });
            }
            Err(Fault::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                // The last try may just have been spent.
                let locked = module.get_token_info(self.slot).is_ok_and(|info| info.user_pin_locked());
                if locked { HsmError::PinLocked { token: label } } else { HsmError::PinWrong { token: label } }
            }
            Err(Fault::Pkcs11(RvError::PinLocked, _)) => HsmError::PinLocked { token: label },
            Err(fault) => fault.into(),
        };
        Err(refused.into())
    }
}

/// A token with the officer logged in, until this is dropped.
pub(super) struct Hsm {
    // One signature at a time, whichever thread asks for it.
    session: Mutex<Session>,
    slot: Slot,
    /// For keys that want it before each signature. None where the token has a key pad of its own.
    pin: Option<AuthPin>,
    pub(super) label: String,
    pub(super) serial: String,
}

impl Hsm {
    /// Whether it is this token.
    pub(super) fn is(&self, token: &Token) -> bool {
        self.slot == token.slot && self.serial == token.info.serial_number()
    }

    /// The session, for as long as nobody else needs it.
    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs with a key of the token; `each_time` for one that wants the PIN before each signature.
    pub(super) fn sign(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        each_time: bool,
        data: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let session = self.session();
        let signature = if each_time {
            session.sign_init(mechanism, key).and_then(|()| {
                session.login(UserType::ContextSpecific, self.pin.as_ref())?;
                session.sign_update(data)?;
                session.sign_final()
            })
        } else {
            session.sign(mechanism, key, data)
        };
        Ok(signature?)
    }
}
