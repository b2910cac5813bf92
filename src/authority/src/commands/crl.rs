//! `crl`: issues the lists. Numbered from the ledger, and in it before they are anywhere else.

use super::{Answer, Context};
use crate::{
    args::Crl,
    clock,
    error::Error,
    files::NewFile,
    home::Home,
    keys::{Keyring, Signer},
    ledger::{Body, Writing},
    lists::{self, Edition},
    register::{IssuedList, KnownCertificate, Register, following, next_update},
    role::Role,
    words::{digest, to_hex},
};
use countersign_common::{Certificate, Time, encode_object};
use serde_json::json;

pub(super) fn run(arguments: &Crl, context: &mut Context<'_>) -> Result<Answer, Error> {
    context.attempt("crl", "the lists");
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    let terms = Terms {
        validity: arguments.validity.0,
        delta: arguments.delta,
        replaces_old_signer: arguments.replaces_old_signer,
    };
    // What can fail without a secret fails before one is asked for.
    let now = clock::now()?;
    let register = ledger.register()?;
    let roots = Roots::new(&home, &register, now, &context.keyring)?;
    let expected = names(&register, &roots, &terms, now)?;
    let reserve = |names: &[String]| {
        names.iter().map(|name| NewFile::reserve(&arguments.out.join(name))).collect::<Result<Vec<_>, _>>()
    };
    let mut files = reserve(&expected)?;
    let keys = Keys::open(&home, &register, now, context)?;

    let writing = ledger.begin()?;
    let register = writing.register()?;
    let issued = issue(&home, &writing, &register, &keys, &terms)?;
    let named: Vec<_> = issued.iter().map(|list| list.name.clone()).collect();
    if named != expected {
        // Somebody else issued lists while a secret was typed.
        drop(files);
        files = reserve(&named)?;
    }
    writing.commit()?;
    for (file, list) in files.into_iter().zip(&issued) {
        file.finish(&list.file())?;
    }
    Ok(answer(&issued, &keys.resting, arguments))
}

/// How lists are to be issued.
pub(super) struct Terms {
    pub(super) validity: u32,
    pub(super) delta: bool,
    pub(super) replaces_old_signer: bool,
}

/// The keys that sign lists.
pub(super) struct Keys {
    list_signer: Signer,
    roots: Vec<(KnownCertificate, Signer)>,
    resting: Vec<(KnownCertificate, IssuedList)>,
}

impl Keys {
    /// Opens them.
    pub(super) fn open(home: &Home, register: &Register, now: Time, context: &mut Context<'_>) -> Result<Self, Error> {
        context.note("Opening the keys …");
        let list_signer = home.signer(Role::ListSigner, &mut context.keyring)?;
        let Roots { signing, resting } = Roots::new(home, register, now, &context.keyring)?;
        let mut roots = Vec::new();
        for root in signing {
            if let Some((role, place)) = root.role {
                roots.push((root.clone(), home.signer_at(role, place, &mut context.keyring)?));
            }
        }
        let resting = resting.into_iter().map(|(root, list)| (root.clone(), list.clone())).collect();
        Ok(Self { list_signer, roots, resting })
    }

    /// DER of the lists of roots whose keys are not here: they go on being true.
    pub(super) fn resting(&self) -> impl Iterator<Item = &[u8]> {
        self.resting.iter().map(|(_, list)| list.der.as_slice())
    }

    /// The key that signs token lists and manifests.
    pub(super) fn list_signer(&self) -> &Signer {
        &self.list_signer
    }
}

/// A list that is in the ledger, as soon as that is committed.
pub(super) struct Issued {
    /// The name of its file.
    name: String,
    issuer: String,
    edition: Edition,
    revoked: usize,
    pub(super) is_token_list: bool,
    pub(super) is_delta: bool,
    pub(super) der: Vec<u8>,
    sequence: i64,
}

impl Issued {
    /// The content of its file: PEM for the token list, as all our objects; DER for others (RFC 2585 3).
    fn file(&self) -> Vec<u8> {
        if self.is_token_list { encode_object(&self.der).into_bytes() } else { self.der.clone() }
    }
}

/// Signs all lists and enters them into the ledger.
pub(super) fn issue(
    home: &Home,
    writing: &Writing<'_>,
    register: &Register,
    keys: &Keys,
    terms: &Terms,
) -> Result<Vec<Issued>, Error> {
    let now = clock::now()?;
    let signer = digest(keys.list_signer.certificate());
    if writing.is_revoked(&signer)? {
        return Err(Error::SignerRevoked(Role::ListSigner.slug()));
    }
    let edition = |last: Option<&IssuedList>| {
        let number = following(last, now)?;
        Ok::<_, Error>(Edition { number, this_update: now, next_update: next_update(now, terms.validity) })
    };
    let mut issued = Vec::new();
    for (root, key) in &keys.roots {
        let last = register.certificate_lists.get(&root.digest);
        let edition = edition(last)?;
        let issuer = Certificate::from_der(&root.der).map_err(|_| Error::KeyMismatch)?.subject_text();
        // The complete list, and the difference from the one before: one number, the same said twice (RFC 5280 5.2.4).
        let bases = [Some(None), last.filter(|_| terms.delta).map(Some)];
        for base in bases.into_iter().flatten() {
            let der = lists::certificate_list(register, &root.digest, edition, base, key)?;
            let sequence = writing.append(
                now,
                &Body::CertificateListIssued {
                    issuer: root.digest.clone(),
                    number: edition.number,
                    base: base.map(|base| base.number),
                    next_update: edition.next_update.to_string(),
                    digest: digest(&der),
                    list: to_hex(&der),
                },
            )?;
            issued.push(Issued {
                name: certificate_list_name(root, edition.number, base.is_some()),
                issuer: issuer.clone(),
                edition,
                revoked: lists::entries(&der)?,
                is_token_list: false,
                is_delta: base.is_some(),
                der,
                sequence,
            });
        }
    }
    let edition = edition(register.token_list.as_ref())?;
    let anchors = home.anchors()?;
    let der = lists::token_list(register, edition, terms.replaces_old_signer, &keys.list_signer, &anchors)?;
    let sequence = writing.append(
        now,
        &Body::TokenListIssued {
            signer,
            number: edition.number,
            next_update: edition.next_update.to_string(),
            digest: digest(&der),
            list: to_hex(&der),
        },
    )?;
    let issuer = Certificate::from_der(keys.list_signer.certificate()).map_err(|_| Error::KeyMismatch)?;
    issued.push(Issued {
        name: token_list_name(edition.number),
        issuer: issuer.subject_text(),
        edition,
        revoked: register.revoked_tokens.len(),
        is_token_list: true,
        is_delta: false,
        der,
        sequence,
    });
    Ok(issued)
}

/// The roots whose certificates have not run out: a list by others would convince nobody.
struct Roots<'a> {
    /// They sign their lists now.
    signing: Vec<&'a KnownCertificate>,
    /// Their keys are in the safe, and the lists that they signed last are still true.
    resting: Vec<(&'a KnownCertificate, &'a IssuedList)>,
}

impl<'a> Roots<'a> {
    /// Refuses where a key is away and its list is not what it ought to be.
    fn new(home: &Home, register: &'a Register, now: Time, keyring: &Keyring) -> Result<Self, Error> {
        let mut roots = Self { signing: Vec::new(), resting: Vec::new() };
        for root in register.roots() {
            if now > Certificate::from_der(&root.der).map_err(|_| Error::KeyMismatch)?.not_after() {
                continue;
            }
            let here = root.role.is_none_or(|(role, place)| home.has_key(role, place, keyring));
            match register.list_in_force(&root.digest, now).filter(|_| !here) {
                Some(list) => roots.resting.push((root, list)),
                // Opening the key says that it is away.
                None => roots.signing.push(root),
            }
        }
        Ok(roots)
    }
}

/// The files that the next lists will have, in the order in which they are issued.
fn names(register: &Register, roots: &Roots<'_>, terms: &Terms, now: Time) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for root in &roots.signing {
        let last = register.certificate_lists.get(&root.digest);
        let number = following(last, now)?;
        names.push(certificate_list_name(root, number, false));
        if terms.delta && last.is_some() {
            names.push(certificate_list_name(root, number, true));
        }
    }
    names.push(token_list_name(following(register.token_list.as_ref(), now)?));
    Ok(names)
}

fn certificate_list_name(root: &KnownCertificate, number: u64, is_delta: bool) -> String {
    let root = root.role.map(|(role, place)| role.file_name(place)).unwrap_or_default();
    format!("{root}.{number}{}.crl", if is_delta { ".delta" } else { "" })
}

fn token_list_name(number: u64) -> String {
    format!("token-list.{number}.pem")
}

fn answer(issued: &[Issued], resting: &[(KnownCertificate, IssuedList)], arguments: &Crl) -> Answer {
    let mut text = format!("Issued the lists in {}:\n", arguments.out.display());
    let mut documents = Vec::new();
    for list in issued {
        let kind = match (list.is_token_list, list.is_delta) {
            (true, _) => "token-list",
            (false, false) => "certificate-list",
            (false, true) => "delta-certificate-list",
        };
        text += &format!(
            "  {}  number {}, {} revoked, next by {}, {} (entry {} of the ledger)\n",
            list.name,
            list.edition.number,
            list.revoked,
            list.edition.next_update,
            countersign_report::visible(&list.issuer),
            list.sequence
        );
        documents.push(json!({
            "file": arguments.out.join(&list.name),
            "kind": kind,
            "issuer": list.issuer,
            "number": list.edition.number,
            "this_update": list.edition.this_update.to_string(),
            "next_update": list.edition.next_update.to_string(),
            "revoked": list.revoked,
            "sha256": digest(&list.der),
            "ledger_entry": list.sequence,
        }));
    }
    let mut stay = Vec::new();
    for (root, list) in resting {
        let name = certificate_list_name(root, list.number, false);
        text += &format!("  {name}  stays in force until {}: the root's key is not here\n", list.next_update);
        stay.push(json!({ "file": name, "number": list.number, "next_update": list.next_update.to_string() }));
    }
    text += "next: bring them to the machines: countersign-authority bundle\n";
    Answer { text, json: json!({ "lists": documents, "in_force": stay }), warnings: Vec::new() }
}
