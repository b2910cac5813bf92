//! The Merkle tree of RFC 9162 2.1: hashes of leaves and nodes with SHA-256, the root of a growing tree, and the proofs
//! that a leaf is in a tree and that a tree continues an earlier one.
//!
//! Nothing here keeps the leaves. Whoever has them goes through them once, the first one first, and hands their hashes
//! to an [`Accumulator`] or a [`ProofBuilder`], whose memory grows with the logarithm of their number.

use crate::asn1::{Digest32, Octets};
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// The hash of a leaf: SHA-256(0x00 ‖ input) (RFC 9162 2.1.1).
pub fn leaf_hash(input: &[u8]) -> Digest32 {
    Octets(Sha256::new().chain_update([0]).chain_update(input).finalize().into())
}

/// The hash of a node: SHA-256(0x01 ‖ left ‖ right) (RFC 9162 2.1.1).
pub fn node_hash(left: &Digest32, right: &Digest32) -> Digest32 {
    Octets(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// A tree that leaves are appended to, known by the roots of its perfect subtrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accumulator {
    size: u64,
    /// The root of the subtree for each bit that is set in the size, the largest first.
    peaks: Vec<Digest32>,
}

impl Accumulator {
    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf: Digest32) {
        let mut node = leaf;
        // As in binary counting: each carry joins two subtrees of one size.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root (RFC 9162 2.1.1); that of the empty tree is SHA-256 of nothing.
    pub fn root(&self) -> Digest32 {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
            None => Octets(Sha256::digest([]).into()),
        }
    }
}

/// Makes a proof from the hashes of all leaves of a tree, given one after the other.
#[derive(Clone, Debug)]
pub struct ProofBuilder {
    /// The leaves under each node of the proof, in its order; no leaf is under two.
    parts: Vec<(Range<u64>, Accumulator)>,
    seen: u64,
    size: u64,
}

impl ProofBuilder {
    /// For the proof that the leaf at an index, counted from 0, is in a tree of a size (RFC 9162 2.1.3.1). Nothing
    /// where the tree has no such leaf.
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let mut parts = Vec::new();
        let mut tree = 0..size;
        while tree.end - tree.start > 1 {
            let split = split(&tree);
            let (inside, outside) =
                if index < split { (tree.start..split, split..tree.end) } else { (split..tree.end, tree.start..split) };
            parts.push(outside);
            tree = inside;
        }
        Some(Self::new(parts, size))
    }

    /// For the proof that a tree continues an earlier one of a size (RFC 9162 2.1.4.1). It is empty where there is
    /// nothing to prove: both are one, or the earlier one is empty. Nothing where the earlier one is the larger.
    pub fn consistency(earlier: u64, size: u64) -> Option<Self> {
        if earlier > size {
            return None;
        }
        let mut parts = Vec::new();
        let mut tree = 0..size;
        if earlier > 0 {
            while tree.end > earlier {
                let split = split(&tree);
                let (inside, outside) = if earlier <= split {
                    (tree.start..split, split..tree.end)
                } else {
                    (split..tree.end, tree.start..split)
                };
                parts.push(outside);
                tree = inside;
            }
            // The subtree that both have: the verifier knows it where it is all of the earlier tree.
            if tree.start > 0 {
                parts.push(tree);
            }
        }
        Some(Self::new(parts, size))
    }

    fn new(mut parts: Vec<Range<u64>>, size: u64) -> Self {
        // Found from the root down, stated from the leaf up.
        parts.reverse();
        Self { parts: parts.into_iter().map(|part| (part, Accumulator::default())).collect(), seen: 0, size }
    }

    /// Takes the hash of the next leaf.
    pub fn append(&mut self, leaf: Digest32) {
        if let Some((_, nodes)) = self.parts.iter_mut().find(|(part, _)| part.contains(&self.seen)) {
            nodes.append(leaf);
        }
        self.seen += 1;
    }

    /// The proof. Nothing where it was not given all leaves of the tree, or more.
    pub fn finish(self) -> Option<Vec<Digest32>> {
        (self.seen == self.size).then(|| self.parts.iter().map(|(_, nodes)| nodes.root()).collect())
    }
}

/// Where a tree of more than one leaf parts: the left half is the largest power of two below its size.
fn split(tree: &Range<u64>) -> u64 {
    let last = tree.end - tree.start - 1;
    tree.start + (1 << last.ilog2())
}

/// Whether a proof leads from a leaf at an index, counted from 0, to the root of a tree of a size (RFC 9162 2.1.3.2).
///
/// The index is proven, the size only as far as it decides the shape of the proof: take it from a signed tree head.
pub fn verify_inclusion(leaf: &Digest32, index: u64, size: u64, proof: &[Digest32], root: &Digest32) -> bool {
    if index >= size {
        return false;
    }
    let mut climb = Climb { place: index, last: size - 1 };
    let mut node = *leaf;
    for other in proof {
        match climb.step() {
            Some(Side::Left) => node = node_hash(other, &node),
            Some(Side::Right) => node = node_hash(&node, other),
            None => return false,
        }
    }
    climb.last == 0 && node == *root
}

/// Whether a proof shows that the tree with a size and root continues the earlier one (RFC 9162 2.1.4.2). Trees of one
/// size must be one, and all trees continue the empty one: there the proof is empty.
pub fn verify_consistency(
    earlier_size: u64,
    earlier_root: &Digest32,
    size: u64,
    root: &Digest32,
    proof: &[Digest32],
) -> bool {
    if earlier_size == size {
        return proof.is_empty() && earlier_root == root;
    }
    if earlier_size == 0 {
        return proof.is_empty() && *earlier_root == Accumulator::default().root();
    }
    if earlier_size > size {
        return false;
    }
    // A perfect earlier tree is a node of the later one, and its root is not repeated.
    let (first, rest) = if earlier_size.is_power_of_two() {
        (earlier_root, proof)
    } else {
        match proof.split_first() {
            Some(parts) => parts,
            None => return false,
        }
    };
    let mut climb = Climb { place: earlier_size - 1, last: size - 1 };
    climb.skip(climb.place.trailing_ones());
    let (mut earlier, mut later) = (*first, *first);
    for other in rest {
        match climb.step() {
            Some(Side::Left) => {
                earlier = node_hash(other, &earlier);
                later = node_hash(other, &later);
            }
            Some(Side::Right) => later = node_hash(&later, other),
            None => return false,
        }
    }
    climb.last == 0 && earlier == *earlier_root && later == *root
}

enum Side {
    Left,
    Right,
}

/// The way from a node up to the root: its place in its row, and the last place in that row.
struct Climb {
    place: u64,
    last: u64,
}

impl Climb {
    /// On which side the next node of a proof stands; nothing at the root.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let left = self.place % 2 == 1 || self.place == self.last;
        if left {
            // The last one of a row may go up several rows before it has a neighbour.
            self.skip(self.place.trailing_zeros());
        }
        self.skip(1);
        Some(if left { Side::Left } else { Side::Right })
    }

    fn skip(&mut self, rows: u32) {
        self.place = self.place.checked_shr(rows).unwrap_or(0);
        self.last = self.last.checked_shr(rows).unwrap_or(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SIZES: u64 = 130;

    fn leaves() -> Vec<Digest32> {
        (0..SIZES).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    /// The root as RFC 9162 2.1.1 defines it, by recursion.
    fn naive_root(leaves: &[Digest32]) -> Digest32 {
        match leaves {
            [] => Octets(Sha256::digest([]).into()),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    /// PATH of RFC 9162 2.1.3.1.
    fn naive_path(index: usize, leaves: &[Digest32]) -> Vec<Digest32> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let split = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(split);
        let (mut path, node) = if index < split {
            (naive_path(index, left), naive_root(right))
        } else {
            (naive_path(index - split, right), naive_root(left))
        };
        path.push(node);
        path
    }

    /// On which sides of the way up from a leaf the nodes of its proof stand; nothing where there is no such leaf.
    fn sides(index: u64, size: u64) -> Option<Vec<bool>> {
        if index >= size || size == 1 {
            return (index < size).then(Vec::new);
        }
        let split = size.next_power_of_two() / 2;
        let left = index < split;
        let mut sides = if left { sides(index, split)? } else { sides(index - split, size - split)? };
        sides.push(left);
        Some(sides)
    }

    /// SUBPROOF of RFC 9162 2.1.4.1.
    fn naive_subproof(earlier: usize, leaves: &[Digest32], known: bool) -> Vec<Digest32> {
        if earlier == leaves.len() {
            return if known { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let split = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(split);
        let (mut proof, node) = if earlier <= split {
            (naive_subproof(earlier, left, known), naive_root(right))
        } else {
            (naive_subproof(earlier - split, right, false), naive_root(left))
        };
        proof.push(node);
        proof
    }

    fn build(builder: Option<ProofBuilder>, leaves: &[Digest32]) -> Vec<Digest32> {
        let mut builder = builder.unwrap();
        leaves.iter().for_each(|leaf| builder.append(*leaf));
        builder.finish().unwrap()
    }

    /// The proof changed in every way: an octet of each node, a node less, more, or in another place.
    fn spoilt(proof: &[Digest32]) -> Vec<Vec<Digest32>> {
        let mut all = Vec::new();
        for at in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[at].0[at % 32] ^= 1;
            all.push(changed);
            let mut shorter = proof.to_vec();
            shorter.remove(at);
            all.push(shorter);
            if at > 0 {
                let mut exchanged = proof.to_vec();
                exchanged.swap(at - 1, at);
                all.push(exchanged);
            }
        }
        for at in 0..=proof.len() {
            let mut longer = proof.to_vec();
            longer.insert(at, Octets([0; 32]));
            all.push(longer);
        }
        all
    }

    #[test]
    fn known_hashes() {
        let hex = |digest: Digest32| digest.to_string();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(Accumulator::default().root()), empty);
        // SHA-256 of one octet 0: the hash of the empty leaf.
        let leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(hex(leaf_hash(b"")), leaf);
        // The tree of eight leaves that implementations of certificate transparency are tried with.
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            leaf,
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Accumulator::default();
        for (input, root) in inputs.iter().zip(roots) {
            tree.append(leaf_hash(input));
            assert_eq!(hex(tree.root()), root, "{} leaves", tree.size());
        }
    }

    #[test]
    fn the_root_grows_with_the_leaves() {
        let leaves = leaves();
        let mut tree = Accumulator::default();
        assert_eq!(tree.root(), naive_root(&[]));
        for (size, leaf) in (1..).zip(&leaves) {
            tree.append(*leaf);
            assert_eq!((tree.size(), tree.root()), (size, naive_root(&leaves[..usize::try_from(size).unwrap()])));
            assert!(tree.peaks.len() <= 8);
        }
    }

    #[test]
    fn every_leaf_is_proven_at_its_place_only() {
        let leaves = leaves();
        for size in 0..=SIZES {
            let tree = &leaves[..usize::try_from(size).unwrap()];
            let root = naive_root(tree);
            assert!(ProofBuilder::inclusion(size, size).is_none());
            for (index, leaf) in (0..).zip(tree) {
                let proof = build(ProofBuilder::inclusion(index, size), tree);
                assert_eq!(proof, naive_path(usize::try_from(index).unwrap(), tree));
                assert!(verify_inclusion(leaf, index, size, &proof, &root), "{index} of {size}");
                for spoilt in spoilt(&proof) {
                    assert!(!verify_inclusion(leaf, index, size, &spoilt, &root), "{index} of {size}");
                }
                for other in (0..size + 2).chain([u64::MAX]).filter(|other| *other != index) {
                    assert!(!verify_inclusion(leaf, other, size, &proof, &root), "{index} as {other} of {size}");
                }
                let (mut other_leaf, mut other_root) = (*leaf, root);
                other_leaf.0[31] ^= 1;
                other_root.0[0] ^= 0x80;
                assert!(!verify_inclusion(&other_leaf, index, size, &proof, &root));
                assert!(!verify_inclusion(leaf, index, size, &proof, &other_root));
                // Another size passes only where the leaf has the same way up in both trees.
                let way = sides(index, size);
                for other in 0..=SIZES {
                    let accepted = verify_inclusion(leaf, index, other, &proof, &root);
                    assert_eq!(accepted, sides(index, other) == way, "{index} of {size} as of {other}");
                }
            }
        }
    }

    #[test]
    fn every_tree_continues_every_earlier_one() {
        let leaves = leaves();
        let roots: Vec<_> = (0..=leaves.len()).map(|size| naive_root(&leaves[..size])).collect();
        let root = |size: u64| &roots[usize::try_from(size).unwrap()];
        for size in 0..=SIZES {
            let tree = &leaves[..usize::try_from(size).unwrap()];
            assert!(ProofBuilder::consistency(size + 1, size).is_none());
            for earlier in 0..=size {
                let proof = build(ProofBuilder::consistency(earlier, size), tree);
                if earlier > 0 {
                    assert_eq!(proof, naive_subproof(usize::try_from(earlier).unwrap(), tree, true));
                }
                assert!(verify_consistency(earlier, root(earlier), size, root(size), &proof), "{earlier} to {size}");
                for spoilt in spoilt(&proof) {
                    assert!(!verify_consistency(earlier, root(earlier), size, root(size), &spoilt));
                }
                let mut other = *root(size);
                other.0[7] ^= 4;
                assert!(earlier == 0 || !verify_consistency(earlier, root(earlier), size, &other, &proof));
                assert!(!verify_consistency(earlier, &other, size, root(size), &proof));
                for other in (0..=SIZES).filter(|other| *other != earlier) {
                    assert!(
                        !verify_consistency(other, root(earlier), size, root(size), &proof),
                        "{earlier} as {other}"
                    );
                }
                assert_eq!(verify_consistency(size, root(size), earlier, root(earlier), &proof), size == earlier);
            }
        }
    }

    #[test]
    fn a_proof_needs_all_leaves() {
        for more in [3_u64, 5] {
            let mut builder = ProofBuilder::inclusion(0, 4).unwrap();
            (0..more).for_each(|_| builder.append(Octets([1; 32])));
            assert_eq!(builder.finish(), None);
        }
        // The largest numbers are no trouble.
        assert!(ProofBuilder::inclusion(u64::MAX - 1, u64::MAX).is_some());
        let proof = [Octets([0; 32]); 64];
        assert!(!verify_inclusion(&proof[0], 0, u64::MAX, &proof, &proof[0]));
        assert!(!verify_consistency(u64::MAX - 1, &proof[0], u64::MAX, &proof[0], &proof));
    }
}
