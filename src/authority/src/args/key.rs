//! Keys as they are named on the command line: one that is made, and one that an officer has.

use super::{KeyAlgorithm, RsaPadding};
use crate::key_uri::{KeyPlace, OwnKey};
use clap::Args;
use std::path::PathBuf;

/// A key that is made.
#[derive(Args, Debug)]
pub struct NewKey {
    /// Kind of the key.
    #[arg(long, value_enum, default_value = "p256")]
    pub algorithm: KeyAlgorithm,
    /// Where the key is made: `file`, or a token of PKCS#11 by its URI; one with object or id takes a key that is there,
    /// as piv:slot=9c does on a PIV card. piv:slot=9c;key=new has a card make one.
    #[arg(long, value_name = "PLACE", default_value = "file")]
    pub key: KeyPlace,
    /// How an RSA key in hardware signs.
    #[arg(long, value_enum, default_value = "pkcs1")]
    pub rsa_padding: RsaPadding,
}

/// A key that no authority's folder keeps, with its certificate.
#[derive(Args, Debug)]
pub struct OwnSigner {
    /// The officer's key: an encrypted file, the PKCS#11 URI of one in hardware, or piv:slot=9c on a PIV card.
    #[arg(long, value_name = "KEYFILE|URI")]
    pub key: OwnKey,
    /// How an RSA key in hardware signs.
    #[arg(long, value_enum, default_value = "pkcs1")]
    pub rsa_padding: RsaPadding,
    /// The officer's certificate, which is for what is signed.
    #[arg(long, value_name = "CERT")]
    pub certificate: PathBuf,
}
