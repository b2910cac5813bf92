//! From what was typed to a checked plan: after this, nothing typed is wrong in its form any more.

use crate::{
    args::{self, Arguments, ClockCommand, ListsCommand, SlotName},
    error::Error,
    output::Format,
};
use clap_complete::Shell;
use countersign::{LocalMachine, Machine, Product, RecordedMachine, Store, StoreError, Time};
use countersign_common::{Demands, Slot, is_identifier, token::ProductVersion};
use countersign_pki::PolicyRules;
use der::asn1::ObjectIdentifier;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What is to be done, where, and how it is told.
pub(crate) struct Plan {
    pub(crate) store: Store,
    pub(crate) machine: Box<dyn Machine>,
    /// The folder of a recorded machine, where that is used.
    pub(crate) recorded: Option<PathBuf>,
    pub(crate) format: Format,
    pub(crate) command: Command,
}

pub(crate) enum Command {
    Activate(Box<Activate>),
    AnchorsSet(PathBuf),
    AnchorsShow,
    Certs(Certs),
    Check(ProductPlan),
    Clock,
    ClockMend(PathBuf),
    ClockRequest(ClockRequest),
    Completions(Shell),
    Doctor,
    Install(Install),
    Lists,
    ListsRemove(ListsRemove),
    Machine(Option<TokenSource>),
    Man(PathBuf),
    Path(Box<PathPlan>),
    Readers,
    Remove(Remove),
    Status(Status),
    Tokens,
    Verify(Verify),
}

/// A product as the command line states it.
pub(crate) struct ProductPlan {
    pub(crate) id: String,
    pub(crate) facts: ProductFacts,
}

/// Version and edition of the product.
#[derive(Clone, Default)]
pub(crate) struct ProductFacts {
    pub(crate) version: Option<ProductVersion>,
    pub(crate) edition: Option<String>,
}

impl ProductFacts {
    pub(crate) fn of<'a>(&'a self, id: &'a str) -> Product<'a> {
        Product { id, edition: self.edition.as_deref(), version: self.version }
    }
}

pub(crate) struct Certs {
    pub(crate) reader: Option<String>,
    pub(crate) issuers: Option<PathBuf>,
    pub(crate) token: Option<PathBuf>,
}

pub(crate) struct ClockRequest {
    pub(crate) token: Option<TokenId>,
    pub(crate) out: PathBuf,
}

pub(crate) struct Install {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) dry_run: bool,
}

pub(crate) struct ListsRemove {
    pub(crate) name: String,
    pub(crate) ask: bool,
}

pub(crate) struct Remove {
    pub(crate) id: TokenId,
    pub(crate) record: bool,
    pub(crate) token: bool,
    pub(crate) ask: bool,
}

pub(crate) struct Activate {
    pub(crate) product: Option<String>,
    pub(crate) token: Option<TokenId>,
    pub(crate) reader: Option<String>,
    pub(crate) slot: Option<Slot>,
    pub(crate) pin_fd: Option<u32>,
    pub(crate) last_try: countersign_card::LastTry,
    pub(crate) work_order: Option<String>,
    pub(crate) issuers: Option<PathBuf>,
    pub(crate) wait: Option<Duration>,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) facts: ProductFacts,
    pub(crate) again: bool,
}

pub(crate) struct Status {
    pub(crate) product: Option<String>,
    pub(crate) facts: ProductFacts,
}

pub(crate) struct Verify {
    pub(crate) file: PathBuf,
    pub(crate) anchors: PathBuf,
    pub(crate) at: Option<Time>,
    pub(crate) product: Option<String>,
    pub(crate) demands: Demands,
    pub(crate) machine_check: bool,
}

pub(crate) struct PathPlan {
    pub(crate) leaf: PathBuf,
    pub(crate) untrusted: Vec<PathBuf>,
    pub(crate) anchors: Vec<PathBuf>,
    pub(crate) lists: Vec<PathBuf>,
    pub(crate) at: Option<Time>,
    pub(crate) extended_key_usage: Option<ObjectIdentifier>,
    pub(crate) signing: bool,
    pub(crate) policies: PolicyRules,
    pub(crate) require_revocation: bool,
    pub(crate) current_lists: bool,
}

/// A token by its id, or by a file.
pub(crate) enum TokenSource {
    File(PathBuf),
    Id(TokenId),
}

/// The id of a token, or the beginning of one: hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenId(String);

impl TokenId {
    /// The shortest beginning: long enough to be meant.
    const SHORTEST: usize = 4;
    /// Digits of a whole id.
    const WHOLE: usize = 32;

    fn new(text: &str) -> Result<Self, Error> {
        let digits = text.to_ascii_lowercase();
        if !(Self::SHORTEST..=Self::WHOLE).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::Usage(format!("not a token id, which is 4 to 32 hexadecimal digits: {text}")));
        }
        Ok(Self(digits))
    }

    /// Whether an id is meant.
    pub(crate) fn means(&self, id: &str) -> bool {
        id.starts_with(&self.0)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The id itself, where all of it was given.
    pub(crate) fn whole(&self) -> Option<[u8; 16]> {
        if self.0.len() != Self::WHOLE {
            return None;
        }
        let number = u128::from_str_radix(&self.0, 16).ok()?;
        Some(number.to_be_bytes())
    }
}

impl Plan {
    /// Checks what was typed.
    pub(crate) fn new(arguments: Arguments) -> Result<Self, Error> {
        let common = arguments.common;
        let command = match arguments.command {
            args::Command::Activate(typed) => Command::Activate(Box::new(activate(*typed)?)),
            args::Command::Anchors(args::Anchors::Set { file }) => Command::AnchorsSet(file),
            args::Command::Anchors(args::Anchors::Show) => Command::AnchorsShow,
            args::Command::Certs(typed) => {
                Command::Certs(Certs { reader: typed.reader, issuers: typed.issuers, token: typed.token })
            }
            args::Command::Check(typed) => Command::Check(ProductPlan {
                id: product(typed.product)?,
                facts: facts(typed.product_version.as_deref(), typed.edition)?,
            }),
            args::Command::Clock(args::Clock { command: None }) => Command::Clock,
            args::Command::Clock(args::Clock { command: Some(ClockCommand::Mend { response }) }) => {
                Command::ClockMend(response)
            }
            args::Command::Clock(args::Clock { command: Some(ClockCommand::Request { token, out }) }) => {
                Command::ClockRequest(ClockRequest { token: token.as_deref().map(TokenId::new).transpose()?, out })
            }
            args::Command::Completions { shell } => Command::Completions(shell),
            args::Command::Doctor => Command::Doctor,
            args::Command::Install(typed) => Command::Install(Install { files: typed.files, dry_run: typed.dry_run }),
            args::Command::Lists(args::Lists { command: None }) => Command::Lists,
            args::Command::Lists(args::Lists { command: Some(ListsCommand::Remove { name, yes }) }) => {
                Command::ListsRemove(ListsRemove { name, ask: !yes })
            }
            args::Command::Machine(typed) => Command::Machine(typed.token.map(token_source).transpose()?),
            args::Command::Man { dir } => Command::Man(dir),
            args::Command::Path(typed) => Command::Path(Box::new(path(typed)?)),
            args::Command::Readers => Command::Readers,
            args::Command::Remove(typed) => Command::Remove(Remove {
                id: TokenId::new(&typed.id)?,
                record: !typed.token,
                token: !typed.record,
                ask: !typed.yes,
            }),
            args::Command::Status(typed) => Command::Status(Status {
                product: typed.product.map(product).transpose()?,
                facts: facts(typed.product_version.as_deref(), typed.edition)?,
            }),
            args::Command::Tokens => Command::Tokens,
            args::Command::Verify(typed) => Command::Verify(Verify {
                file: typed.file,
                anchors: typed.anchors,
                at: typed.at.as_deref().map(time).transpose()?,
                product: typed.product.map(product).transpose()?,
                demands: Demands { inclusion_proof: typed.require_inclusion_proof, approvals: typed.require_approvals },
                machine_check: typed.machine_check,
            }),
        };
        Ok(Self {
            store: common.store.map_or_else(Store::system, Store::at),
            machine: match &common.dangerous_machine_root {
                Some(root) => Box::new(RecordedMachine(root.clone())),
                None => Box::new(LocalMachine),
            },
            recorded: common.dangerous_machine_root,
            format: if common.json { Format::Json } else { Format::Text },
            command,
        })
    }
}

fn activate(typed: args::Activate) -> Result<Activate, Error> {
    // The limits of the challenge (docs/token-format.md, section 5).
    let fits = |order: &String| order.len() <= 64 && !order.contains(char::is_control);
    if !typed.work_order.as_ref().is_none_or(fits) {
        return Err(Error::Usage("a work order is at most 64 octets without control characters".to_owned()));
    }
    Ok(Activate {
        product: typed.product.map(product).transpose()?,
        token: typed.token.as_deref().map(TokenId::new).transpose()?,
        reader: typed.reader,
        slot: typed.slot.map(|slot| match slot {
            SlotName::Authentication => Slot::Authentication,
            SlotName::Signature => Slot::Signature,
        }),
        pin_fd: typed.pin_fd,
        last_try: if typed.use_last_try { countersign_card::LastTry::Spend } else { countersign_card::LastTry::Keep },
        work_order: typed.work_order,
        issuers: typed.issuers,
        wait: typed.wait.map(|seconds| Duration::from_secs(seconds.into())),
        trace: typed.trace,
        facts: facts(typed.product_version.as_deref(), typed.edition)?,
        again: typed.again,
    })
}

fn path(typed: args::Path) -> Result<PathPlan, Error> {
    Ok(PathPlan {
        leaf: typed.leaf,
        untrusted: typed.untrusted,
        anchors: typed.anchors,
        lists: typed.crl,
        at: typed.at.as_deref().map(time).transpose()?,
        extended_key_usage: typed.eku.as_deref().map(object_identifier).transpose()?,
        signing: typed.signing,
        policies: PolicyRules {
            initial: typed.policy.iter().map(|text| object_identifier(text)).collect::<Result<_, _>>()?,
            explicit: typed.explicit_policy,
            inhibit_mapping: typed.inhibit_mapping,
            inhibit_any: typed.inhibit_any_policy,
        },
        require_revocation: typed.require_revocation,
        current_lists: typed.current_lists,
    })
}

fn object_identifier(text: &str) -> Result<ObjectIdentifier, Error> {
    text.parse().map_err(|_| Error::Usage(format!("not an object identifier, such as 1.3.6.1.5.5.7.3.2: {text}")))
}

fn product(id: String) -> Result<String, Error> {
    if is_identifier(&id) { Ok(id) } else { Err(StoreError::BadProduct.into()) }
}

fn facts(version: Option<&str>, edition: Option<String>) -> Result<ProductFacts, Error> {
    let version = version.map(str::parse).transpose().map_err(|fault: &str| Error::Usage(fault.to_owned()))?;
    if !edition.as_deref().is_none_or(is_identifier) {
        return Err(Error::Usage("an edition is 1 to 64 letters, digits, '.', '_' and '-'".to_owned()));
    }
    Ok(ProductFacts { version, edition })
}

fn time(text: &str) -> Result<Time, Error> {
    text.parse().map_err(|error: countersign_pki::ParseTimeError| Error::Usage(format!("--at: {error}")))
}

/// What looks like an id is one, unless a file of that name is there.
fn token_source(text: String) -> Result<TokenSource, Error> {
    match TokenId::new(&text) {
        Ok(id) if !Path::new(&text).exists() => Ok(TokenSource::Id(id)),
        _ => Ok(TokenSource::File(text.into())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser as _};

    fn plan(line: &str) -> Result<Plan, Error> {
        let words = line.split_whitespace();
        Plan::new(Arguments::try_parse_from(["countersign-verifier"].into_iter().chain(words)).unwrap())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn forms_are_checked_before_anything_is_done() {
        for (line, code) in [
            ("check ../etc", "CS-6008"),
            ("check p --product-version 2.x", "CS-8001"),
            ("status --product .", "CS-6008"),
            ("activate --edition a/b", "CS-8001"),
            ("activate --token xyz", "CS-8001"),
            ("clock request --token xyz --out f", "CS-8001"),
            ("path f --anchors a --eku clientAuth", "CS-8001"),
            ("path f --anchors a --policy 2.5.", "CS-8001"),
            ("remove 12", "CS-8001"),
            ("verify f --anchors a --at yesterday", "CS-8001"),
        ] {
            assert_eq!(plan(line).err().map(|error| (error.code(), error.exit() as u8)), Some((code, 2)), "{line}");
        }
    }

    #[test]
    fn activate_by_flags() {
        let line = "activate --product p --token 3F9a --reader Acme --slot 9C --pin-fd 3 --use-last-try --wait";
        let Command::Activate(activate) = plan(line).unwrap().command else { panic!("another command") };
        assert_eq!(activate.slot, Some(Slot::Signature));
        assert_eq!(activate.wait, Some(Duration::from_secs(60)));
        assert_eq!(activate.last_try, countersign_card::LastTry::Spend);
        assert!(activate.token.unwrap().means("3f9a00"));
    }

    #[test]
    fn what_remove_removes() {
        for (line, record, token) in
            [("remove 3f9a", true, true), ("remove 3f9a --record", true, false), ("remove 3f9a --token", false, true)]
        {
            let Command::Remove(remove) = plan(line).unwrap().command else { panic!("another command") };
            assert_eq!((remove.record, remove.token, remove.ask), (record, token, true));
        }
        assert!(Arguments::try_parse_from(["countersign-verifier", "remove", "3f9a", "--record", "--token"]).is_err());
    }

    #[test]
    fn whole_ids_are_numbers() {
        assert_eq!(TokenId::new("000102030405060708090a0b0c0d0e0f").unwrap().whole().unwrap()[15], 0x0f);
        assert_eq!(TokenId::new("0001").unwrap().whole(), None);
    }
}
