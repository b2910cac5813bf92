//! An entry as a row has it. None is believed whose columns do not follow from its body.

use super::{Body, Entry, engine::Row};
use crate::{error::Error, words::hex};
use countersign_common::{Digest32, LedgerEntry, Time};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// How a time is written: it has this length where it is not a date alone.
const TIME_LENGTH: usize = "2026-11-24T09:30:00Z".len();

/// An entry as the tree has it, from its body's text and the digest of the token that it issues.
pub(super) fn in_tree(sequence: i64, time: Time, token: Option<&str>, text: &str) -> Result<LedgerEntry, Error> {
    let number = u64::try_from(sequence).map_err(|_| damaged(sequence, "no number"))?;
    let token = token.map(|digest| hex(digest).map_err(|_| damaged(sequence, "its token has no digest")));
    Ok(LedgerEntry::new(number, time, token.transpose()?, text))
}

/// Reads an entry.
pub(super) fn entry_of(row: &Row<'_>) -> Result<Entry, Error> {
    let columns = Columns::of(row)?;
    let mut body = columns.body()?;
    let leaf = columns.leaf(row, body.kind(), body.subject(), body.issues())?;
    if let Body::TokenIssued { token, .. } = &mut body {
        *token = columns.token.unwrap_or_default().to_vec();
    }
    Ok(Entry { sequence: columns.sequence, time: columns.time.to_owned(), leaf, body })
}

/// Reads an entry as the tree has it.
pub(super) fn leaf_of(row: &Row<'_>) -> Result<LedgerEntry, Error> {
    let columns = Columns::of(row)?;
    let body = columns.body()?;
    columns.leaf(row, body.kind(), body.subject(), body.issues())?;
    in_tree(columns.sequence, columns.entered, body.issues(), columns.text)
}

/// What the audit needs of an entry.
pub(super) struct Seen<'a> {
    pub(super) leaf: Digest32,
    pub(super) is_founding: bool,
    /// Whom it issues a token to: id, name and salt.
    pub(super) customer: Option<[Cow<'a, str>; 3]>,
}

/// Reads an entry as [`entry_of`] does and holds it to the same, at less cost where it issues a token: nothing is copied,
/// and nearly all entries of a large ledger do.
pub(super) fn seen<'a>(row: &'a Row<'_>) -> Result<Seen<'a>, Error> {
    let columns = Columns::of(row)?;
    // What cannot be read so is read in the usual way, which says why.
    if let Ok(issued) = serde_json::from_str::<Issued<'_>>(columns.text)
        && issued.kind == "token-issued"
    {
        let leaf = columns.leaf(row, &issued.kind, &issued.id, Some(&issued.digest))?;
        let customer = Some([issued.customer, issued.customer_name, issued.salt]);
        return Ok(Seen { leaf, is_founding: false, customer });
    }
    let body = columns.body()?;
    let leaf = columns.leaf(row, body.kind(), body.subject(), body.issues())?;
    let is_founding = matches!(body, Body::AuthorityFounded { .. });
    let customer = match body {
        Body::TokenIssued { customer, customer_name, salt, .. } => {
            Some([customer, customer_name, salt].map(Cow::Owned))
        }
        _ => None,
    };
    Ok(Seen { leaf, is_founding, customer })
}

/// [`Body::TokenIssued`], borrowed: the same members, and no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issued<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "revision")]
    _revision: u32,
    #[serde(borrow)]
    customer: Cow<'a, str>,
    #[serde(borrow)]
    customer_name: Cow<'a, str>,
    #[serde(borrow)]
    salt: Cow<'a, str>,
    #[serde(borrow, rename = "product")]
    _product: Cow<'a, str>,
    #[serde(borrow, rename = "signer")]
    _signer: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

/// Number, time, body and token of a row, which the others have to follow from.
struct Columns<'a> {
    sequence: i64,
    time: &'a str,
    entered: Time,
    text: &'a str,
    token: Option<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(row: &'a Row<'_>) -> Result<Self, Error> {
        let sequence = row.number(0)?;
        let text = str::from_utf8(row.octets(5)?).map_err(|_| damaged(sequence, "the body is not text"))?;
        let time = row.text(1)?;
        let entered = time.parse::<Time>().ok().filter(|_| time.len() == TIME_LENGTH);
        let entered = entered.ok_or_else(|| damaged(sequence, "the time cannot be read"))?;
        Ok(Self { sequence, time, entered, text, token: row.octets_if_any(6)? })
    }

    fn body(&self) -> Result<Body, Error> {
        serde_json::from_str(self.text).map_err(|_| damaged(self.sequence, "the body cannot be read"))
    }

    /// The hash of the leaf, where the other columns are what the body says.
    fn leaf(&self, row: &Row<'_>, kind: &str, subject: &str, token: Option<&str>) -> Result<Digest32, Error> {
        let entry = in_tree(self.sequence, self.entered, token, self.text)?;
        let leaf = entry.leaf_hash()?;
        if self.token.map(|der| Sha256::digest(der).into()) != entry.token.map(|digest| digest.0) {
            return Err(damaged(self.sequence, "the token is not the one that the body names"));
        }
        if row.octets(4)? != leaf.0 {
            return Err(damaged(self.sequence, "the hash is not that of number, time and body"));
        }
        if row.text(2)? != kind || row.text(3)? != subject {
            return Err(damaged(self.sequence, "kind or subject are not those of the body"));
        }
        Ok(leaf)
    }
}

fn damaged(sequence: i64, what: &str) -> Error {
    Error::LedgerDamaged(format!("entry {sequence}: {what}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Whoever reads at less cost takes what the usual way takes, and nothing else.
    #[test]
    fn a_token_is_read_borrowed_where_it_is_read_at_all() {
        let token = Body::TokenIssued {
            id: "aa\"\u{e9}\n".to_owned(),
            revision: 7,
            customer: "acme".to_owned(),
            customer_name: "Acme \\ Söhne".to_owned(),
            salt: "07".to_owned(),
            product: "control-room".to_owned(),
            signer: "11".to_owned(),
            digest: "22".to_owned(),
            token: Vec::new(),
        };
        let text = serde_json::to_string(&token).unwrap();
        let issued: Issued<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((&*issued.kind, &*issued.id), (token.kind(), token.subject()));
        assert_eq!(Some(&*issued.digest), token.issues());
        assert_eq!((&*issued.customer, &*issued.customer_name, &*issued.salt), ("acme", "Acme \\ Söhne", "07"));
        assert!(matches!(issued.customer, Cow::Borrowed(_)));
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        let read = |text: &str| {
            let usual = serde_json::from_str::<Body>(text).is_ok_and(|body| matches!(body, Body::TokenIssued { .. }));
            let borrowed = serde_json::from_str::<Issued<'_>>(text).is_ok_and(|issued| issued.kind == "token-issued");
            assert_eq!(usual, borrowed, "{text}");
            usual
        };
        assert!(read(&text));
        for name in members.keys() {
            let mut spoilt = members.clone();
            spoilt.remove(name);
            assert!(!read(&serde_json::to_string(&spoilt).unwrap()), "without {name}");
            for value in
                [serde_json::Value::Null, serde_json::json!(-1), serde_json::json!(1.0), serde_json::json!(["x"])]
            {
                spoilt.insert(name.clone(), value);
                assert!(!read(&serde_json::to_string(&spoilt).unwrap()), "{name}");
            }
            assert!(!read(&text.replacen('{', &format!("{{\"{name}\":{},", members[name]), 1)), "{name} twice");
        }
        assert!(!read(&text.replacen('{', "{\"more\":1,", 1)));
        assert!(!read(&text.replace(":7,", ":4294967296,")));
        assert!(!read(&(text.clone() + "x")));
        assert!(!read(&text.replace("token-issued", "token-revoked")));
        assert!(read(&(text + " ")));
    }
}
