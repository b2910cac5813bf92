//! From a row to a signed token that may be entered.

use super::{
    cells::{Cells, Columns},
    folder::RowResult,
    rows::Row,
};
use crate::{
    args::Issue,
    clock,
    commands::{
        issue::{Certificates, Draft, HeldAgainst, Issuing, Known, New},
        refusal::Attempt,
    },
    error::Error,
    home::Home,
    keys::Signer,
    ledger::{Body, CustomerRow, Ledger, Place, Writing},
    limits::Limits,
    plan::{self, IssuePlan},
    profile::Profile,
    random,
    words::to_hex,
};
use countersign_common::{Octets, Token};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// How many tokens may be signed before the path of their signer is verified again.
const VERIFY_EACH: u32 = 512;

/// What all rows have in common.
pub(super) struct Common<'a> {
    ledger: &'a Place,
    certificates: Certificates,
    pub(super) limits: Limits,
    /// The terms where a row is silent.
    profile: Profile,
    for_newer_verifier: bool,
    /// The salt of a new customer comes from it, so that workers agree on it.
    seed: [u8; 32],
}

impl<'a> Common<'a> {
    pub(super) fn read(home: &'a Home, arguments: Issue) -> Result<Self, Error> {
        if arguments.supersedes.is_some() {
            return Err(Error::Usage("what a token supersedes is said by its row".to_owned()));
        }
        let for_newer_verifier = arguments.for_newer_verifier;
        let mut profile = arguments.profile.as_deref().map_or_else(|| Ok(Profile::default()), Profile::read)?;
        plan::override_by_flags(&mut profile, arguments)?;
        Ok(Self {
            ledger: home.ledger_place(),
            certificates: Certificates::read(home)?,
            limits: Limits::read(home.path())?,
            profile,
            for_newer_verifier,
            seed: random::octets()?,
        })
    }

    /// What tells a batch with these terms from one with others.
    pub(super) fn fingerprint(&self) -> String {
        to_hex(&Sha256::digest(format!("{:?} {}", self.profile, self.for_newer_verifier)))
    }
}

/// What the ledger says about all tokens at a time.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// The number of the newest token list.
    newest_list: Option<u64>,
    /// How many approvals the anchors in force demand.
    approvals_demanded: u8,
}

impl Standing {
    /// Refuses where the token signer in use is revoked.
    pub(super) fn read(common: &Common<'_>, writing: &Writing<'_>) -> Result<Self, Error> {
        common.certificates.check_signer(writing)?;
        Ok(Self { newest_list: writing.newest_token_list()?, approvals_demanded: writing.approvals_demanded()? })
    }
}

/// What was made of a row.
pub(super) struct Made {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) reference: String,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    Signed(Box<Signed>),
    /// It may be issued, and nobody asked for it yet: to this customer.
    Checked(String, CustomerRow),
    Refused {
        code: &'static str,
        message: String,
        /// Its entry, where a rule refused it.
        entry: Option<Body>,
    },
    /// It stands on what another row says, and is made when that is entered.
    Again(Cells),
}

impl Made {
    /// The customer of the token, if it was made.
    pub(super) fn customer(&self) -> Option<&str> {
        if let Outcome::Signed(signed) = &self.outcome
            && let Body::TokenIssued { customer, .. } = &signed.entry
        {
            Some(customer)
        } else {
            None
        }
    }
}

/// A token that was signed, and what has to hold when it is entered.
pub(super) struct Signed {
    pub(super) entry: Body,
    /// The customer, by the id that the entry has.
    pub(super) customer: CustomerRow,
    /// Whether the row names the customer, or the ledger does.
    is_named: bool,
    /// The token that it follows.
    supersedes: Option<Octets<16>>,
    /// How many approvals were demanded when it was made: none came with it.
    approvals_demanded: u8,
    /// To make it again from.
    cells: Cells,
}

/// Makes tokens of rows.
pub(super) struct Worker<'a> {
    common: &'a Common<'a>,
    pub(super) standing: Standing,
    /// None where rows are only checked.
    signer: Option<&'a Signer>,
    columns: Columns,
    ledger: Option<Ledger>,
    /// How many tokens were signed since the path was verified.
    unverified: u32,
}

impl<'a> Worker<'a> {
    pub(super) fn new(common: &'a Common<'a>, standing: Standing, signer: Option<&'a Signer>) -> Self {
        Self { common, standing, signer, columns: Columns::new(), ledger: None, unverified: 0 }
    }

    /// Makes the token of a row. An error is one of the authority, not of the row.
    pub(super) fn make(&mut self, number: u64, row: Row) -> Result<Made, Error> {
        let reference = row.as_ref().map(|cells| cells.reference().to_owned()).unwrap_or_default();
        let planned = row.map_err(Error::BatchRow).and_then(|cells| Ok((self.plan(&cells)?, cells)));
        let outcome = match planned {
            Ok((plan, cells)) => {
                let known = self.known(&plan)?;
                match self.draft(&plan, known) {
                    // Another row may name the customer.
                    Err(Error::CustomerName(_)) => Outcome::Again(cells),
                    Err(error) => refused(error, &plan.customer)?,
                    Ok(draft) if self.signer.is_none() => checked(draft),
                    Ok(draft) => self.sign(cells, &plan, draft)?,
                }
            }
            // Nothing was asked for in a way that can be understood.
            Err(error) => refused(error, "")?,
        };
        Ok(Made { number, reference, outcome })
    }

    /// Holds what was made against the ledger that is written to, whose standing this worker has, and makes it again
    /// where that has something else by now.
    pub(super) fn confirm(&mut self, made: Made, writing: &Writing<'_>) -> Result<Made, Error> {
        let cells = match made.outcome {
            Outcome::Signed(signed) => {
                if self.standing.approvals_demanded <= signed.approvals_demanded && signed.holds(writing)? {
                    return Ok(Made { outcome: Outcome::Signed(signed), ..made });
                }
                signed.cells
            }
            Outcome::Again(cells) => cells,
            outcome => return Ok(Made { outcome, ..made }),
        };
        Ok(Made { outcome: self.make_now(Ok(cells), writing)?, ..made })
    }

    /// Makes the token of a row from the ledger that is written to, whose standing this worker has.
    pub(super) fn make_now(&mut self, row: Row, writing: &Writing<'_>) -> Result<Outcome, Error> {
        let planned = row.map_err(Error::BatchRow).and_then(|cells| Ok((self.plan(&cells)?, cells)));
        match planned {
            Ok((plan, cells)) => match self.draft(&plan, Known::read(&plan, writing)?) {
                Ok(draft) => self.sign(cells, &plan, draft),
                Err(error) => refused(error, &plan.customer),
            },
            // Also one whose time has run out meanwhile.
            Err(error) => refused(error, ""),
        }
    }

    /// The same for a dry run: what a ledger would have is what the rows before say of customers.
    pub(super) fn confirm_dry(
        &mut self,
        made: Made,
        customers: &mut BTreeMap<String, CustomerRow>,
    ) -> Result<RowResult, Error> {
        let mut result = RowResult { row: made.number, reference: made.reference, ..RowResult::default() };
        let outcome = match made.outcome {
            Outcome::Again(cells) => match self.plan(&cells) {
                Ok(plan) => {
                    let known = Known { customer: customers.get(&plan.customer).cloned(), earlier: None };
                    match self.draft(&plan, known) {
                        Ok(draft) => checked(draft),
                        Err(error) => refused(error, &plan.customer)?,
                    }
                }
                Err(error) => refused(error, "")?,
            },
            outcome => outcome,
        };
        match outcome {
            Outcome::Refused { code, message, .. } => {
                result.outcome = RowResult::REFUSED.to_owned();
                (result.code, result.message) = (code.to_owned(), message);
            }
            Outcome::Checked(id, row) => {
                result.outcome = "checked".to_owned();
                customers.insert(id, row);
            }
            Outcome::Signed(_) | Outcome::Again(_) => return Err(Error::NotWhatWasMeant),
        }
        Ok(result)
    }

    fn plan(&mut self, cells: &Cells) -> Result<IssuePlan, Error> {
        let mut terms = self.columns.terms(cells).map_err(Error::BatchRow)?;
        terms.for_newer_verifier = self.common.for_newer_verifier;
        let Common { certificates, limits, profile, .. } = self.common;
        IssuePlan::new(profile.clone(), terms, limits.defaults(), clock::now()?, &certificates.holder_root)
    }

    fn known(&mut self, plan: &IssuePlan) -> Result<Known, Error> {
        let ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => Ledger::open(self.common.ledger)?,
        };
        let ledger = self.ledger.insert(ledger);
        let earlier = plan.supersedes.map(|id| ledger.latest_token(&id.to_string())).transpose()?.flatten();
        Ok(Known { customer: ledger.customer(&plan.customer)?, earlier })
    }

    fn draft(&self, plan: &IssuePlan, known: Known) -> Result<Draft, Error> {
        let Common { certificates, limits, .. } = self.common;
        let Standing { newest_list, approvals_demanded } = self.standing;
        let against = HeldAgainst { limits, certificates, newest_list, approvals_demanded };
        let salt = Sha256::new().chain_update(self.common.seed).chain_update(&plan.customer).finalize();
        let new = New { id: Octets(random::octets()?), salt: Octets(salt.into()) };
        let draft = Draft::new(plan, known, new, &against)?;
        draft.without_approvals()?;
        Ok(draft)
    }

    /// Signs. Each signature is verified, and with the first token and from time to time the path of the signer, which
    /// is the same in all of them.
    fn sign(&mut self, cells: Cells, plan: &IssuePlan, draft: Draft) -> Result<Outcome, Error> {
        let signer = self.signer.ok_or(Error::NotWhatWasMeant)?;
        let issuing = Issuing {
            body: &draft.body,
            approvals: &[],
            needed: 0,
            certificates: &self.common.certificates,
            for_newer_verifier: self.common.for_newer_verifier,
        };
        let object = issuing.sign(signer, clock::now()?)?;
        if self.unverified == 0 {
            issuing.verify(&object)?;
        }
        self.unverified = (self.unverified + 1) % VERIFY_EACH;
        let entry = issuing.entry(object);
        let Token { customer, binding, .. } = draft.body;
        Ok(Outcome::Signed(Box::new(Signed {
            entry,
            customer: CustomerRow { name: customer.name, salt: binding.salt },
            is_named: plan.customer_name.is_some(),
            supersedes: plan.supersedes,
            approvals_demanded: self.standing.approvals_demanded,
            cells,
        })))
    }
}

impl Signed {
    /// Whether the ledger still has what the token was made from.
    fn holds(&self, writing: &Writing<'_>) -> Result<bool, Error> {
        let Body::TokenIssued { customer, revision, .. } = &self.entry else { return Ok(false) };
        let earlier = self.supersedes.map(|id| writing.latest_token(&id.to_string())).transpose()?.flatten();
        let follows = match earlier.map(|entry| entry.body) {
            Some(Body::TokenIssued { revision: before, .. }) => before.checked_add(1) == Some(*revision),
            _ => self.supersedes.is_none(),
        };
        let same_customer = writing
            .customer(customer)?
            .is_none_or(|row| row.salt == self.customer.salt && (self.is_named || row.name == self.customer.name));
        Ok(follows && same_customer)
    }
}

fn checked(draft: Draft) -> Outcome {
    let Token { customer, binding, .. } = draft.body;
    Outcome::Checked(customer.id, CustomerRow { name: customer.name, salt: binding.salt })
}

/// What a row about a customer is refused for. What is wrong with the authority is an error of the batch.
fn refused(error: Error, customer: &str) -> Result<Outcome, Error> {
    match error {
        Error::Ledger(_)
        | Error::LedgerDamaged(_)
        | Error::LedgerServer(_)
        | Error::Random
        | Error::Clock
        | Error::SignerRevoked(_) => Err(error),
        error => {
            let findings: Vec<_> =
                error.findings().iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect();
            let message = if findings.is_empty() { error.to_string() } else { findings.join("; ") };
            let attempt = || Attempt { command: "issue", about: customer.to_owned() };
            let entry = error.is_refusal().then(|| attempt().refused(&error));
            Ok(Outcome::Refused { code: error.code(), message, entry })
        }
    }
}
