//! Tokens of PKCS#11 2.40 or later, an HSM for instance: the module is loaded, the token found, the officer logged in.

use super::{HsmError, pkcs11::public_half};
use crate::{error::Error, key_uri::Pkcs11Uri, prompt::Secret};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as Fault, RvError},
    mechanism::Mechanism,
    object::{Attribute, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::{Slot, TokenInfo},
    types::AuthPin,
};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
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

    /// The public keys in it that everybody may see, as DER of SubjectPublicKeyInfo.
    pub(super) fn public_keys(&self, module: &Pkcs11) -> Result<Vec<Vec<u8>>, Error> {
        let session = module.open_ro_session(self.slot)?;
        let keys = session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY)])?;
        // What is of another kind is no key of ours.
        Ok(keys.into_iter().filter_map(|key| public_half(&session, key).ok()).collect())
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
                let (module, session) = (module.clone(), Mutex::new(session));
                let others = Mutex::new(Others { idle: Vec::new(), room: more_sessions() });
                return Ok(Hsm { session, others, module, slot: self.slot, pin, serial, label });
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
    // In this order: sessions go before the module.
    session: Mutex<Session>,
    /// For signatures while the first one is busy. Whoever is logged in is so in all sessions (PKCS#11 2.40, 2.6.4).
    others: Mutex<Others>,
    module: Pkcs11,
    slot: Slot,
    /// For keys that want it before each signature. None where the token has a key pad of its own.
    pin: Option<AuthPin>,
    pub(super) label: String,
    pub(super) serial: String,
}

/// Further sessions with a token.
struct Others {
    idle: Vec<Session>,
    /// How many more may be opened.
    room: usize,
}

/// One session for each processor, the first one among them.
fn more_sessions() -> usize {
    thread::available_parallelism().map_or(0, |processors| processors.get() - 1)
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

    fn others(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session besides the first one; `None` where there is none to be had.
    fn other_session(&self) -> Option<Session> {
        let mut others = self.others();
        if let Some(session) = others.idle.pop() {
            return Some(session);
        }
        others.room = others.room.checked_sub(1)?;
        let session = self.module.open_ro_session(self.slot).ok();
        if session.is_none() {
            // The token has no more.
            others.room = 0;
        }
        session
    }

    /// Signs with a key of the token, several threads at once in sessions of their own; `each_time` for a key that wants
    /// the PIN before each signature, which the first session alone is for.
    pub(super) fn sign(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        each_time: bool,
        data: &[u8],
    ) -> Result<Vec<u8>, Error> {
        if each_time {
            let session = self.session();
            let signature = session.sign_init(mechanism, key).and_then(|()| {
                session.login(UserType::ContextSpecific, self.pin.as_ref())?;
                session.sign_update(data)?;
                session.sign_final()
            });
            return Ok(signature?);
        }
        if let Err(TryLockError::WouldBlock) = self.session.try_lock()
            && let Some(session) = self.other_session()
        {
            match session.sign(mechanism, key, data) {
                // A token that has the officer log in to each session: one has to do.
                Err(Fault::Pkcs11(RvError::UserNotLoggedIn | RvError::KeyHandleInvalid, _)) => self.others().room = 0,
                signed => {
                    self.others().idle.push(session);
                    return Ok(signed?);
                }
            }
        }
        Ok(self.session().sign(mechanism, key, data)?)
    }
}
