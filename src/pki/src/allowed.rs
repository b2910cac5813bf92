//! The one table of what may sign: which algorithms go with which key, and until when.
//!
//! A signature is judged at the time at which it was made, as far as that is known: a certificate at the time of its
//! path, an object at the time that it states. What was signed in time therefore stays good afterwards; who can break
//! a key can also write an earlier date, so an owner who learns of a break moves the date of that row.
//!
//! SP 800-57 Part 1 Rev. 5 (table 4) ends 112 bits of strength with 2030, which SP 800-131A applies to RSA below 3,072
//! bits. IR 8547 (initial public draft, table 2) would disallow RSA, ECDSA and EdDSA of any strength after 2035, because
//! of quantum computers. That date is not in the table yet: nothing stands beside these algorithms so far, machines that
//! are never connected may be updated late or never, and a draft's date must not stop them all at once. It comes with
//! the algorithm that takes their place.
//!
//! To forbid something from a date on, or to allow it for longer, change its row here: certificates, objects and the
//! programs all ask this table and nothing else.

use crate::{
    algorithm::{HashAlgorithm, SignatureAlgorithm},
    time::Time,
};
use HashAlgorithm::{Sha256, Sha384, Sha512};
use SignatureAlgorithm::{EcdsaP256Sha256, EcdsaP384Sha384, Ed25519, RsaPkcs1, RsaPss};
use core::fmt;

/// What sort of key it is, and for RSA its modulus length in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with a modulus of so many bits.
    Rsa(u32),
}

/// A key, the algorithms that it may sign with, and the first second from which its signatures are refused.
struct Rule {
    /// The kind; for RSA the smallest modulus.
    key: KeyKind,
    /// The largest modulus in bits; without meaning for other keys.
    largest: u32,
    algorithms: &'static [SignatureAlgorithm],
    /// Nothing where no date is set yet.
    refused_from: Option<Time>,
}

/// 2031-01-01T00:00:00Z.
const AFTER_2030: Time = Time::from_unix(1_924_992_000);
const RSA: &[SignatureAlgorithm] =
    &[RsaPkcs1(Sha256), RsaPkcs1(Sha384), RsaPkcs1(Sha512), RsaPss(Sha256), RsaPss(Sha384), RsaPss(Sha512)];

const TABLE: [Rule; 5] = [
    Rule { key: KeyKind::Ed25519, largest: 0, algorithms: &[Ed25519], refused_from: None },
    Rule { key: KeyKind::P256, largest: 0, algorithms: &[EcdsaP256Sha256], refused_from: None },
    Rule { key: KeyKind::P384, largest: 0, algorithms: &[EcdsaP384Sha384], refused_from: None },
    Rule { key: KeyKind::Rsa(2048), largest: 3071, algorithms: RSA, refused_from: Some(AFTER_2030) },
    Rule { key: KeyKind::Rsa(3072), largest: 4096, algorithms: RSA, refused_from: None },
];

/// Why the table refuses a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgorithmError {
    /// The key may not sign, or not with this algorithm.
    NotAllowed,
    /// It may no longer.
    RefusedFrom(Time),
}

/// Whether a key of this kind may have signed with this algorithm at a time.
pub fn allowed_at(key: KeyKind, algorithm: SignatureAlgorithm, at: Time) -> Result<(), AlgorithmError> {
    match rule(key).filter(|rule| rule.algorithms.contains(&algorithm)) {
        None => Err(AlgorithmError::NotAllowed),
        Some(rule) => match rule.refused_from {
            Some(since) if at >= since => Err(AlgorithmError::RefusedFrom(since)),
            _ => Ok(()),
        },
    }
}

impl KeyKind {
    /// The first second from which signatures by such a key are refused; nothing where no date is set.
    pub fn refused_from(self) -> Option<Time> {
        rule(self).and_then(|rule| rule.refused_from)
    }

    /// Whether such a key may sign at all, dates apart.
    pub(crate) fn is_allowed(self) -> bool {
        rule(self).is_some()
    }

    /// Whether such a key signs with this algorithm, dates apart.
    pub(crate) fn signs_with(self, algorithm: SignatureAlgorithm) -> bool {
        rule(self).is_some_and(|rule| rule.algorithms.contains(&algorithm))
    }
}

fn rule(key: KeyKind) -> Option<&'static Rule> {
    TABLE.iter().find(|rule| match (rule.key, key) {
        (KeyKind::Rsa(smallest), KeyKind::Rsa(bits)) => (smallest..=rule.largest).contains(&bits),
        (kind, key) => kind == key,
    })
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVERY: [SignatureAlgorithm; 9] = [
        EcdsaP256Sha256,
        EcdsaP384Sha384,
        Ed25519,
        RsaPkcs1(Sha256),
        RsaPkcs1(Sha384),
        RsaPkcs1(Sha512),
        RsaPss(Sha256),
        RsaPss(Sha384),
        RsaPss(Sha512),
    ];

    #[test]
    fn each_key_signs_with_its_own_algorithms_until_its_date() {
        let last: Time = "9999-12-31T23:59:59Z".parse().unwrap();
        let year_2031: Option<Time> = Some("2031-01-01T00:00:00Z".parse().unwrap());
        for (key, algorithms, refused_from) in [
            (KeyKind::P256, &EVERY[..1], None),
            (KeyKind::P384, &EVERY[1..2], None),
            (KeyKind::Ed25519, &EVERY[2..3], None),
            (KeyKind::Rsa(2048), &EVERY[3..], year_2031),
            (KeyKind::Rsa(3071), &EVERY[3..], year_2031),
            (KeyKind::Rsa(3072), &EVERY[3..], None),
            (KeyKind::Rsa(4096), &EVERY[3..], None),
            (KeyKind::Rsa(2047), &[], year_2031),
            (KeyKind::Rsa(4097), &[], None),
        ] {
            let end = refused_from.unwrap_or(last);
            for algorithm in EVERY {
                let told = [end.minus(1), end].map(|at| allowed_at(key, algorithm, at));
                let expected = match refused_from {
                    _ if !algorithms.contains(&algorithm) => [Err(AlgorithmError::NotAllowed); 2],
                    Some(since) => [Ok(()), Err(AlgorithmError::RefusedFrom(since))],
                    None => [Ok(()); 2],
                };
                assert_eq!(told, expected, "{key} {algorithm:?}");
                assert_eq!(key.signs_with(algorithm), expected[0].is_ok());
            }
            assert_eq!(key.is_allowed(), !algorithms.is_empty(), "{key}");
            assert_eq!(key.refused_from(), refused_from.filter(|_| key.is_allowed()), "{key}");
        }
    }

    #[test]
    fn keys_have_names() {
        let kinds = [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384, KeyKind::Rsa(3072)];
        assert_eq!(kinds.map(|kind| kind.to_string()), ["Ed25519", "P-256", "P-384", "RSA-3072"]);
    }
}
