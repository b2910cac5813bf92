//! The secrets that a card wants and gets: asked for while the card is free, before anything on it is changed.

use super::survey::{Survey, Terms};
use crate::{
    args::Enroll,
    cards::{CardKey, PinRules},
    commands::Context,
    error::Error,
    home::Home,
    lint::Finding,
    prompt::{Lines, Secret, Source},
    random,
};
use countersign_card::{
    Error as CardError, LastTry, ManagementAlgorithm, ManagementKey, Pin, PinStatus, Piv, Puk, Transport,
};

/// The management key with which most cards are delivered.
const DEFAULT_MANAGEMENT_KEY: &str = "010203040506070801020304050607080102030405060708";

/// What all cards of a run have in common: each is asked for once.
pub(super) struct Delivered {
    pin: Option<Secret>,
    puk: Option<Secret>,
    management_key: Option<Secret>,
    sources: Sources,
    new_pins: Lines,
    new_puks: Option<Lines>,
}

/// Where the secrets come from.
#[derive(Clone, Copy)]
struct Sources {
    pin: Source,
    puk: Source,
    management_key: Source,
}

impl Delivered {
    pub(super) fn new(arguments: &Enroll) -> Self {
        let source = |descriptor, option| Source { descriptor, option };
        let sources = Sources {
            pin: source(arguments.pin_fd, "--pin-fd"),
            puk: source(arguments.puk_fd, "--puk-fd"),
            management_key: source(arguments.management_key_fd, "--management-key-fd"),
        };
        let new_pins = Lines::new(arguments.new_pin_fd, "--new-pin-fd");
        let new_puks = arguments.new_puk_fd.map(|descriptor| Lines::new(Some(descriptor), "--new-puk-fd"));
        Self { pin: None, puk: None, management_key: None, sources, new_pins, new_puks }
    }
}

fn once(known: &mut Option<Secret>, source: Source, question: &str) -> Result<Secret, Error> {
    if known.is_none() {
        *known = Some(source.read(question)?);
    }
    Ok(known.clone().unwrap_or_default())
}

/// What a card is opened with, and what it will be opened with afterwards.
pub(super) struct Secrets {
    pub(super) pin: Pin,
    pub(super) management_key: ManagementKey,
    /// The management key follows from the authority's secret: the card was in these hands before.
    pub(super) ours: bool,
    pub(super) new: Option<NewSecrets>,
    pub(super) findings: Vec<Finding>,
}

/// What replaces the secrets that the card was delivered with.
pub(super) struct NewSecrets {
    pub(super) pin: Pin,
    pub(super) old_puk: Puk,
    /// Where the PUK does not follow from the authority's secret.
    pub(super) puk: Option<Puk>,
}

/// A card, and all that its secrets may come from.
pub(super) struct Asking<'a, 'c, T: Transport> {
    pub(super) piv: &'a mut Piv<T>,
    pub(super) survey: &'a Survey,
    pub(super) terms: &'a Terms,
    pub(super) delivered: &'a mut Delivered,
    pub(super) home: &'a Home,
    /// Opened where the card may have a management key that follows from it.
    pub(super) card_key: &'a mut Option<CardKey>,
    pub(super) context: &'a mut Context<'c>,
}

impl<T: Transport> Asking<'_, '_, T> {
    /// Asks for all of them.
    pub(super) fn secrets(mut self) -> Result<Secrets, Error> {
        if let PinStatus::TriesLeft(tries) = self.survey.pin {
            self.context.note(&format!("PIN tries left: {tries}"));
        }
        let (management_key, ours) = self.management_key()?;
        let Self { piv, survey, terms, delivered, context, .. } = self;
        if ours && terms.new_chuid {
            context.note("Its identity stays: the management key follows from it.");
        }
        // Nothing is held while a person types.
        piv.release()?;
        let mut findings = Vec::new();
        if management_key.is_default() && !terms.new_secrets {
            findings.push(Finding::default_management_key());
        }
        let digits = once(&mut delivered.pin, delivered.sources.pin, "PIN of the card: ")?;
        let pin = Pin::new(&digits)?;
        let new = if terms.new_secrets {
            Some(NewSecrets::ask(terms.pins, delivered)?)
        } else {
            if crate::cards::weakness(&digits).is_some() {
                findings.push(Finding::weak_pin());
            }
            None
        };
        survey.resume(piv, terms.new_chuid)?;
        Ok(Secrets { pin, management_key, ours, new, findings })
    }

    /// The management key that opens the card: the one given, or else the one that cards are delivered with; then the one
    /// that follows from the authority's secret; then the one that a person knows. It has no counter of tries.
    fn management_key(&mut self) -> Result<(ManagementKey, bool), Error> {
        let Self { piv, survey, terms, delivered, home, card_key, context } = self;
        let source = delivered.sources.management_key;
        let given = source.descriptor.is_some() || delivered.management_key.is_some();
        let first = if given {
            ManagementKey::from_hex(once(&mut delivered.management_key, source, "")?.trim())?
        } else {
            ManagementKey::from_hex(DEFAULT_MANAGEMENT_KEY)?
        };
        if opens(piv, &first)? {
            return Ok((first, false));
        }
        if let Some(chuid) = &survey.chuid {
            if card_key.is_none() {
                piv.release()?;
                **card_key = CardKey::open(home, &mut context.keyring)?;
                survey.resume(piv, terms.new_chuid)?;
            }
            if let Some(card_key) = card_key.as_ref()
                && let Some(key) = own_key(piv, card_key, &chuid.guid)?
            {
                return Ok((key, true));
            }
        }
        if given {
            // What the card said of it is found out once more, and told, when it is used.
            return Ok((first, false));
        }
        piv.release()?;
        let question = "Management key of the card, in hexadecimal: ";
        let typed = ManagementKey::from_hex(once(&mut delivered.management_key, source, question)?.trim())?;
        survey.resume(piv, terms.new_chuid)?;
        Ok((typed, false))
    }
}

impl Secrets {
    /// Shows the card the PIN, and returns the one that it has: after a run that was cut off that may be the new one
    /// already. A try is spent to find out only on a card that has the authority's management key.
    pub(super) fn verify_pin<T: Transport>(&self, piv: &mut Piv<T>, last_try: LastTry) -> Result<PinInForce, Error> {
        match (piv.verify_pin(&self.pin, last_try), &self.new) {
            (Err(CardError::WrongPin { tries_left }), Some(new)) if self.ours && tries_left > 1 => {
                piv.verify_pin(&new.pin, last_try)?;
                Ok(PinInForce::New)
            }
            (outcome, _) => Ok(outcome.map(|()| PinInForce::Delivered)?),
        }
    }
}

/// Which PIN a card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinInForce {
    /// The one that it had before.
    Delivered,
    /// The new one.
    New,
}

impl NewSecrets {
    fn ask(rules: PinRules, delivered: &mut Delivered) -> Result<Self, Error> {
        let old_puk = Puk::new(&once(&mut delivered.puk, delivered.sources.puk, "PUK of the card: ")?)?;
        let (pin, digits) = delivered.new_pins.read_new("New PIN, for the holder to choose: ", |digits| {
            Ok((rules.new_pin(digits)?, Secret::new(digits.to_owned())))
        })?;
        let puks = delivered.new_puks.as_mut();
        let puk = puks.map(|lines| lines.read_new("New PUK: ", |puk| rules.new_puk(puk, &digits)));
        Ok(Self { pin, old_puk, puk: puk.transpose()? })
    }
}

/// The key that follows from the authority's secret, if it opens the card.
pub(super) fn own_key<T: Transport>(
    piv: &mut Piv<T>,
    card_key: &CardKey,
    guid: &[u8; 16],
) -> Result<Option<ManagementKey>, Error> {
    // One kind for each length.
    for kind in [ManagementAlgorithm::TripleDes, ManagementAlgorithm::Aes256, ManagementAlgorithm::Aes128] {
        let key = card_key.management_key(guid, kind)?;
        if opens(piv, &key)? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Whether a management key opens the card.
fn opens<T: Transport>(piv: &mut Piv<T>, key: &ManagementKey) -> Result<bool, Error> {
    match piv.authenticate_management(key, random::octets()?) {
        Ok(_) => Ok(true),
        Err(
            CardError::ManagementKeyWrong
            | CardError::ManagementKeyLength { .. }
            | CardError::ManagementAlgorithmUnknown,
        ) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
