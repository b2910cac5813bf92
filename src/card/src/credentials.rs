//! Changing what opens a card: PIN, PUK, management key (SP 800-73 part 2, 3.2.2 and 3.2.3).

use zeroize::Zeroizing;

use crate::apdu::{self, Command, StatusWord};
use crate::error::Error;
use crate::management_key::{ManagementAlgorithm, ManagementKey};
use crate::pin::{LastTry, Pin, Puk};
use crate::piv::Piv;
use crate::transport::Transport;

/// Reference of the PUK (SP 800-73 part 1, table 4).
const PUK: u8 = 0x81;
/// Key reference of the card management key.
const CARD_MANAGEMENT_KEY: u8 = 0x9B;

impl<T: Transport> Piv<T> {
    /// Changes the PIN (CHANGE REFERENCE DATA, SP 800-73 part 2, 3.2.2). Asks for the tries left first unless they are
    /// known. Never sent a second time by itself.
    ///
    /// # Errors
    /// [`Error::WrongPin`] with the tries left, [`Error::PinBlocked`], [`Error::LastTryKept`], and
    /// [`Error::NewPinRefused`] if the card does not take the new one.
    pub fn change_pin(&mut self, old: &Pin, new: &Pin, last_try: LastTry) -> Result<(), Error> {
        self.guard_tries(last_try)?;
        let data = pair(old.padded(), new.padded());
        let command = Command::new(apdu::CHANGE_REFERENCE_DATA, 0, self.pin_reference, &data[..]);
        let status = self.spend(&command)?.status;
        self.pin_status = None;
        match status {
            StatusWord::SUCCESS => {
                self.unlocked = true;
                Ok(())
            }
            StatusWord::INCORRECT_DATA | StatusWord::CONDITIONS_OF_USE_NOT_SATISFIED => Err(Error::NewPinRefused),
            // Some cards count without saying how far they are.
            StatusWord::VERIFICATION_FAILED => match self.pin_status()? {
                crate::pin::PinStatus::TriesLeft(tries_left) => Err(Error::WrongPin { tries_left }),
                crate::pin::PinStatus::Blocked => Err(Error::PinBlocked),
                crate::pin::PinStatus::Verified => Err(Error::Refused { command: command.name(), status }),
            },
            status => match (status, status.tries_left()) {
                (StatusWord::AUTHENTICATION_METHOD_BLOCKED, _) | (_, Some(0)) => Err(Error::PinBlocked),
                (_, Some(tries_left)) => Err(Error::WrongPin { tries_left }),
                _ => Err(Error::Refused { command: command.name(), status }),
            },
        }
    }

    /// Changes the PUK (SP 800-73 part 2, 3.2.2). A card tells how many tries it has only after a wrong one, and not
    /// every card does. Never sent a second time by itself.
    ///
    /// # Errors
    /// [`Error::WrongPuk`], [`Error::PukBlocked`], and [`Error::NewPinRefused`] if the card does not take the new one.
    pub fn change_puk(&mut self, old: &Puk, new: &Puk) -> Result<(), Error> {
        let data = pair(old.padded(), new.padded());
        self.with_puk(&Command::new(apdu::CHANGE_REFERENCE_DATA, 0, PUK, &data[..]))
    }

    /// Sets a new PIN with the PUK, and its tries to their full number (RESET RETRY COUNTER, SP 800-73 part 2, 3.2.3).
    /// Never sent a second time by itself.
    ///
    /// # Errors
    /// [`Error::WrongPuk`], [`Error::PukBlocked`], and [`Error::NewPinRefused`] if the card does not take the new PIN.
    pub fn reset_pin(&mut self, puk: &Puk, new: &Pin) -> Result<(), Error> {
        let data = pair(puk.padded(), new.padded());
        self.with_puk(&Command::new(apdu::RESET_RETRY_COUNTER, 0, self.pin_reference, &data[..]))
    }

    /// Replaces the management key by another one of the same kind. SP 800-73 has no command for that; this is the one
    /// of YubiKeys, which other cards have taken over. Needs
    /// [`authenticate_management`](Self::authenticate_management), which also tells the kind.
    ///
    /// # Errors
    /// [`Error::ManagementKeyRequired`], [`Error::ManagementKeyLength`], and [`Error::ManagementKeyFixed`] if the card
    /// has no such command.
    pub fn set_management_key(&mut self, algorithm: ManagementAlgorithm, key: &ManagementKey) -> Result<(), Error> {
        if key.length() != algorithm.key_length() {
            return Err(Error::ManagementKeyLength { algorithm, length: key.length() });
        }
        let mut data = Zeroizing::new(Vec::with_capacity(3 + key.length()));
        data.extend([algorithm.identifier(), CARD_MANAGEMENT_KEY, key.length() as u8]);
        data.extend_from_slice(key.bytes());
        let command = Command::new(apdu::SET_MANAGEMENT_KEY, 0xFF, 0xFF, &data[..]);
        match self.spend(&command)?.status {
            StatusWord::SUCCESS => Ok(()),
            StatusWord::SECURITY_STATUS_NOT_SATISFIED => Err(Error::ManagementKeyRequired),
            status if status.is_unknown_command() => Err(Error::ManagementKeyFixed { status }),
            status => Err(Error::Refused { command: command.name(), status }),
        }
    }

    fn with_puk(&mut self, command: &Command) -> Result<(), Error> {
        let status = self.spend(command)?.status;
        self.pin_status = None;
        match (status, status.tries_left()) {
            (StatusWord::SUCCESS, _) => {
                self.unlocked = true;
                Ok(())
            }
            (StatusWord::AUTHENTICATION_METHOD_BLOCKED, _) | (_, Some(0)) => Err(Error::PukBlocked),
            (_, Some(tries_left)) => Err(Error::WrongPuk { tries_left: Some(tries_left) }),
            (StatusWord::VERIFICATION_FAILED, None) => Err(Error::WrongPuk { tries_left: None }),
            (StatusWord::INCORRECT_DATA | StatusWord::CONDITIONS_OF_USE_NOT_SATISFIED, None) => {
                Err(Error::NewPinRefused)
            }
            _ => Err(Error::Refused { command: command.name(), status }),
        }
    }
}

/// Two references side by side, as the commands have them.
fn pair(first: &[u8; 8], second: &[u8; 8]) -> Zeroizing<[u8; 16]> {
    let mut both = Zeroizing::new([0; 16]);
    both[..8].copy_from_slice(first);
    both[8..].copy_from_slice(second);
    both
}
