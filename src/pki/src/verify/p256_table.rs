//! Verification by a P-256 key that many signatures are by: multiples of its point, computed once.
//!
//! All here is public, so nothing has to take the same time whatever its value is.

use p256::{
    AffinePoint, FieldBytes, ProjectivePoint, Scalar, U256,
    ecdsa::{Signature, VerifyingKey},
    elliptic_curve::{
        BatchNormalize as _, Group as _,
        ops::{Invert as _, Reduce as _},
        point::AffineCoordinates as _,
    },
};

/// A scalar is 32 octets, its digits to base 256.
const DIGITS: usize = 32;
/// The digits but zero.
const MULTIPLES: usize = 255;

/// Verifies signatures by one key, with tables of its point and of the group's generator.
#[derive(Debug)]
pub(super) struct Verifier {
    of_generator: Table,
    of_key: Table,
}

impl Verifier {
    /// Costs about as much as sixty verifications, and 1.2 MiB.
    pub(super) fn new(key: &VerifyingKey) -> Self {
        Self {
            of_generator: Table::new(ProjectivePoint::GENERATOR),
            of_key: Table::new(ProjectivePoint::from(*key.as_affine())),
        }
    }

    /// FIPS 186-5 6.4.2, for a digest of 32 octets.
    pub(super) fn verify(&self, digest: &[u8; 32], signature: &Signature) -> bool {
        let (r, s) = signature.split_scalars();
        let inverse = *s.invert_vartime();
        let of_generator = Scalar::reduce(&U256::from_be_slice(digest)) * inverse;
        let of_key = *r * inverse;
        let sum =
            self.of_key.add_product(self.of_generator.add_product(ProjectivePoint::IDENTITY, &of_generator), &of_key);
        if bool::from(sum.is_identity()) {
            return false;
        }
        let x: FieldBytes = sum.to_affine().x();
        Scalar::reduce(&U256::from_be_slice(&x)) == *r
    }
}

/// For each digit of a scalar, the lowest first, what it adds to the product with a point.
#[derive(Debug)]
struct Table(Vec<AffinePoint>);

impl Table {
    fn new(point: ProjectivePoint) -> Self {
        let mut points = Vec::with_capacity(DIGITS * MULTIPLES);
        let mut unit = point;
        for _ in 0..DIGITS {
            let mut multiple = unit;
            for _ in 0..MULTIPLES {
                points.push(multiple);
                multiple += unit;
            }
            unit = multiple;
        }
        Self(ProjectivePoint::batch_normalize(&points[..]))
    }

    /// The sum with the product of a scalar and the point.
    fn add_product(&self, mut sum: ProjectivePoint, scalar: &Scalar) -> ProjectivePoint {
        let octets: FieldBytes = scalar.into();
        for (multiples, digit) in self.0.chunks_exact(MULTIPLES).zip(octets.iter().rev()) {
            if let Some(point) = usize::from(*digit).checked_sub(1).and_then(|place| multiples.get(place)) {
                sum += point;
            }
        }
        sum
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use p256::ecdsa::{
        SigningKey,
        signature::hazmat::{PrehashSigner as _, PrehashVerifier as _},
    };
    use sha2::{Digest as _, Sha256};

    fn scalars() -> impl Iterator<Item = Scalar> {
        let powers = (0..256).scan(Scalar::ONE, |power, _| {
            let now = *power;
            *power = power.double();
            Some(now)
        });
        let small = (0..300_u64).map(Scalar::from);
        let hashed = (0..100_u32).map(|n| Scalar::reduce(&U256::from_be_slice(&Sha256::digest(n.to_be_bytes()))));
        let all = powers.chain(small).chain(hashed).collect::<Vec<_>>();
        all.into_iter().flat_map(|scalar| [scalar, -scalar])
    }

    #[test]
    fn products_are_those_of_the_library() {
        for secret in [&b"one"[..], b"another"] {
            let key = SigningKey::from_slice(&Sha256::digest(secret)).unwrap();
            let point = ProjectivePoint::from(*key.verifying_key().as_affine());
            let table = Table::new(point);
            for scalar in scalars() {
                assert_eq!(table.add_product(point, &scalar), point + point * scalar, "{scalar:?}");
            }
        }
    }

    #[test]
    fn signatures_are_judged_as_the_library_judges_them() {
        let key = SigningKey::from_slice(&Sha256::digest(b"table")).unwrap();
        let verifier = Verifier::new(key.verifying_key());
        let (mut accepted, mut refused) = (0, 0);
        for number in 0..50_u32 {
            let digest: [u8; 32] = Sha256::digest(number.to_be_bytes()).into();
            let signature: Signature = key.sign_prehash(&digest).unwrap();
            let octets = signature.to_bytes();
            let place = usize::try_from(number).unwrap() % 64;
            let mut changed = octets;
            changed[place] ^= 1 << (number % 8);
            let other = Sha256::digest(digest).into();
            let cases =
                [(Some(signature), digest), (Some(signature), other), (Signature::from_bytes(&changed).ok(), digest)];
            for (signature, digest) in cases {
                let Some(signature) = signature else { continue };
                let expected = key.verifying_key().verify_prehash(&digest, &signature).is_ok();
                assert_eq!(verifier.verify(&digest, &signature), expected, "{digest:02x?} {signature:?}");
                *if expected { &mut accepted } else { &mut refused } += 1;
            }
        }
        assert!(accepted == 50 && refused > 80, "{accepted} {refused}");
    }

    /// Whoever knows the key's secret can choose digest and signature so that the sum is the point at infinity, which has
    /// no coordinate to compare.
    #[test]
    fn the_point_at_infinity_is_no_signature() {
        let secret = Sha256::digest(b"table");
        let key = SigningKey::from_slice(&secret).unwrap();
        let verifier = Verifier::new(key.verifying_key());
        let d = Scalar::reduce(&U256::from_be_slice(&secret));
        // With z = -r d the sum is (z + r d) G / s.
        let r = Scalar::from(5_u64);
        let z: FieldBytes = (-(r * d)).into();
        let signature = Signature::from_scalars(FieldBytes::from(r), FieldBytes::from(Scalar::ONE)).unwrap();
        let digest: [u8; 32] = z.into();
        assert!(!verifier.verify(&digest, &signature));
        assert!(key.verifying_key().verify_prehash(&digest, &signature).is_err());
    }
}
