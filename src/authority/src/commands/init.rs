//! `init`: founds an authority.

use super::{Answer, Context, renew};
use crate::{
    args::{Init, KeyAlgorithm, RoleKey, RsaPadding},
    certificate_lint,
    certs::{self, Lifetime},
    clock,
    error::Error,
    files::NewFolder,
    home::{Home, Settings},
    key_uri::KeyPlace,
    keys::{Custodian, Keyring, Signer, SigningKey, StoredKey},
    ledger::{Body, Ledger, Place, ServerUrl, Writing},
    lint::Finding,
    role::Role,
    words::{Interval, to_hex},
};
use countersign_common::{Certificate, Reason, Time};
use countersign_pki::{Budget, PathRules, validate_path};
use serde_json::json;
use x509_cert::name::Name;

pub(super) fn run(arguments: Init, context: &mut Context<'_>) -> Result<Answer, Error> {
    let now = clock::now()?;
    let home = &context.global.home;
    // What may fail without a secret fails before one is asked for.
    let name = |role: Role| certs::own_name(&role.common_name(1), &arguments.organization);
    for role in Role::ALL {
        name(role)?;
    }
    for (option, validity) in [
        ("--signer-validity", arguments.signer_validity),
        ("--list-signer-validity", arguments.list_signer_validity),
        ("--anchors-signer-validity", arguments.anchors_signer_validity),
        ("--ledger-signer-validity", arguments.ledger_signer_validity),
    ] {
        if validity.0 > arguments.root_validity.0 {
            return Err(Error::Usage(format!("a signer would outlive its root: shorten {option}")));
        }
    }
    let places = Places::new(&arguments.key)?;
    check_padding(arguments.rsa_padding, Role::ALL.into_iter().map(|role| places.of(role)))?;
    let url = arguments.ledger.as_deref().map(str::parse::<ServerUrl>).transpose()?;
    let folder = NewFolder::reserve(home)?;
    if let Some(url) = &url {
        // A rehearsal: what was made is gone with the connection.
        Ledger::create(&Place::Server(url.clone()))?.close()?;
    }
    for custodian in [Custodian::Issuer, Custodian::LedgerKeeper] {
        let mut roles = Role::ALL.into_iter().filter(|role| role.custodian() == custodian);
        if roles.any(|role| *places.of(role) == KeyPlace::File) {
            context.keyring.choose_passphrase(custodian)?;
        }
    }

    context.note("Making the keys …");
    let lifetime = |validity: Interval| Lifetime { not_before: now, not_after: now.plus(validity.0.into()) };
    let making = |role, algorithm| Making {
        place: places.of(role),
        label: key_label(&arguments.organization, role, 1),
        algorithm,
        padding: arguments.rsa_padding,
    };
    let roots = lifetime(arguments.root_validity);
    let keyring = &mut context.keyring;
    let mut root = |role| found_root(role, &name(role)?, roots, &making(role, arguments.algorithm), keyring);
    let (token_root, token_root_key) = root(Role::TokenRoot)?;
    let (holder_root, holder_root_key) = root(Role::HolderRoot)?;
    let signer_algorithm = arguments.signer_algorithm.unwrap_or(arguments.algorithm);
    let mut signer = |role, validity| {
        certify_signer(role, &name(role)?, lifetime(validity), &making(role, signer_algorithm), &token_root, keyring)
    };
    let (token_signer, token_signer_key) = signer(Role::TokenSigner, arguments.signer_validity)?;
    let (list_signer, list_signer_key) = signer(Role::ListSigner, arguments.list_signer_validity)?;
    let (anchors_signer, anchors_signer_key) = signer(Role::AnchorsSigner, arguments.anchors_signer_validity)?;
    let (ledger_signer, ledger_signer_key) = signer(Role::LedgerSigner, arguments.ledger_signer_validity)?;
    for (role, signer) in [
        (Role::TokenSigner, &token_signer),
        (Role::ListSigner, &list_signer),
        (Role::AnchorsSigner, &anchors_signer),
        (Role::LedgerSigner, &ledger_signer),
    ] {
        verify_signer(&role.certified_as(), signer.certificate(), token_root.certificate(), now)?;
    }
    let parts = [
        (Role::TokenRoot, token_root, token_root_key),
        (Role::HolderRoot, holder_root, holder_root_key),
        (Role::TokenSigner, token_signer, token_signer_key),
        (Role::ListSigner, list_signer, list_signer_key),
        (Role::AnchorsSigner, anchors_signer, anchors_signer_key),
        (Role::LedgerSigner, ledger_signer, ledger_signer_key),
    ];
    establish(folder, &arguments.organization, url.as_ref(), &parts, now, context, &mut |_| Ok(()))?;
    let mut warnings = context.keyring.warnings();
    warnings.extend(parts.iter().filter_map(|(role, signer, _)| long_lived(*role, signer)));
    let signers: Vec<_> = parts.iter().map(|(role, signer, _)| (*role, signer)).collect();
    Ok(Answer { warnings, ..answer(home, &arguments.organization, &signers)? })
}

fn long_lived(role: Role, signer: &Signer) -> Option<Finding> {
    let parsed = Certificate::from_der(signer.certificate()).ok()?;
    let lifetime = Lifetime { not_before: parsed.not_before(), not_after: parsed.not_after() };
    certificate_lint::longevity(&role.certified_as(), lifetime)
}

/// Writes a new authority, all its certificates in the order of [`Role::ALL`], each with its key: the folder and the ledger,
/// whose first entry this is, in a file or at a URL; `further` may append to it. The folder appears at the end, whole.
pub(super) fn establish(
    folder: NewFolder,
    organization: &str,
    url: Option<&ServerUrl>,
    parts: &[(Role, Signer, StoredKey)],
    now: Time,
    context: &mut Context<'_>,
    further: &mut dyn FnMut(&Writing<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let certificate = |role| {
        let part = parts.iter().find(|(of, ..)| *of == role).ok_or(Error::NotWhatWasMeant)?;
        Ok::<_, Error>(&part.1)
    };
    let (token_root, holder_root) = (certificate(Role::TokenRoot)?, certificate(Role::HolderRoot)?);
    verify_roots(token_root, holder_root, certificate(Role::TokenSigner)?, now)?;

    context.note("Writing the folder …");
    let settings = Settings::new(organization, now, url);
    let files: Vec<_> = parts.iter().map(|(role, signer, key)| (*role, signer.certificate(), key)).collect();
    let offline = context.keyring.offline().map(std::path::Path::to_owned);
    let mut written = Home::write(folder.path(), &settings, &files, offline.as_deref())?;
    let place = settings.ledger(folder.path())?;
    let mut ledger = Ledger::create(&place)?;
    let writing = ledger.begin()?;
    let encoded = |role| Ok::<_, Error>(to_hex(certificate(role)?.certificate()));
    writing.append(
        now,
        &Body::AuthorityFounded {
            organization: organization.to_owned(),
            token_root: encoded(Role::TokenRoot)?,
            holder_root: encoded(Role::HolderRoot)?,
            token_signer: encoded(Role::TokenSigner)?,
            list_signer: encoded(Role::ListSigner)?,
            anchors_signer: encoded(Role::AnchorsSigner)?,
            ledger_signer: encoded(Role::LedgerSigner)?,
        },
    )?;
    further(&writing)?;
    writing.commit()?;
    ledger.close()?;
    let finished = check_established(folder.path(), parts, context).and_then(|()| {
        // Keys that nobody refers to do less harm than a folder without its keys.
        context.keyring.keep();
        written.keep();
        folder.finish()
    });
    if finished.is_err() {
        // Where that cannot be done either, the next attempt says that there is a ledger.
        let _ = Ledger::discard(&place);
    }
    finished
}

/// Distrusts what was written, and gives keys on cards their certificates.
fn check_established(
    folder: &std::path::Path,
    parts: &[(Role, Signer, StoredKey)],
    context: &mut Context<'_>,
) -> Result<(), Error> {
    let signers: Vec<_> = parts.iter().map(|(role, signer, _)| (*role, signer)).collect();
    read_back(folder, &signers, &mut context.keyring)?;
    let made = Home::open(folder)?;
    for (role, signer) in &signers {
        made.check_unused(Some(*role), signer.key().spki())?;
    }
    let certificates: Vec<_> = signers.iter().map(|(_, signer)| signer.certificate()).collect();
    context.keyring.certify(&certificates)
}

/// Where each role's key is to be.
struct Places<'a>(&'a [RoleKey]);

impl<'a> Places<'a> {
    fn new(keys: &'a [RoleKey]) -> Result<Self, Error> {
        match keys.iter().enumerate().find(|(place, key)| keys[..*place].iter().any(|other| other.role == key.role)) {
            Some((_, twice)) => {
                let whose = twice.role.map_or_else(|| "all".to_owned(), |name| renew::role(name).slug().to_owned());
                Err(Error::Usage(format!("--key says twice where the key is to be: {whose}")))
            }
            None => Ok(Self(keys)),
        }
    }

    /// What is said of all keys is not said of the ledger signer's, which has a secret of its own.
    fn of(&self, role: Role) -> &'a KeyPlace {
        let stated = |wanted: Option<Role>| self.0.iter().find(|key| key.role.map(renew::role) == wanted);
        let of_all = || stated(None).filter(|_| role.custodian() == Custodian::Issuer);
        stated(Some(role)).or_else(of_all).map_or(&KeyPlace::File, |key| &key.place)
    }
}

/// A padding that no key would have is a mistake: keys in files sign by PKCS#1 v1.5.
pub(super) fn check_padding<'a>(
    padding: RsaPadding,
    mut places: impl Iterator<Item = &'a KeyPlace>,
) -> Result<(), Error> {
    if padding == RsaPadding::Pss && places.all(|place| *place == KeyPlace::File) {
        return Err(Error::Usage("--rsa-padding pss is for keys in hardware: say where it is with --key".to_owned()));
    }
    Ok(())
}

/// How a key in hardware is called there.
pub(super) fn key_label(organization: &str, role: Role, place: usize) -> String {
    format!("{organization} {}", role.file_name(place))
}

/// What key is to be made, and where.
pub(super) struct Making<'a> {
    pub(super) place: &'a KeyPlace,
    pub(super) label: String,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) padding: RsaPadding,
}

impl Making<'_> {
    pub(super) fn make(&self, role: Role, keyring: &mut Keyring) -> Result<(Box<dyn SigningKey>, StoredKey), Error> {
        keyring.make(self.place, role.custodian(), &self.label, self.algorithm, self.padding)
    }
}

/// A root with what is kept of its key.
pub(super) fn found_root(
    role: Role,
    name: &Name,
    lifetime: Lifetime,
    making: &Making<'_>,
    keyring: &mut Keyring,
) -> Result<(Signer, StoredKey), Error> {
    let (key, stored) = making.make(role, keyring)?;
    let certificate = certs::root(role.certified_as(), name, lifetime, &*key)?;
    Ok((Signer::new(certificate, key)?, stored))
}

/// A signer under a root, with what is kept of its key.
pub(super) fn certify_signer(
    role: Role,
    name: &Name,
    lifetime: Lifetime,
    making: &Making<'_>,
    root: &Signer,
    keyring: &mut Keyring,
) -> Result<(Signer, StoredKey), Error> {
    let (key, stored) = making.make(role, keyring)?;
    let certificate = certs::issue(role.certified_as(), name, lifetime, key.spki(), root)?;
    Ok((Signer::new(certificate, key)?, stored))
}

/// What the verifiers will ask of a signer's certificate, asked now.
pub(super) fn verify_signer(role: &certs::Role, certificate: &[u8], root: &[u8], now: Time) -> Result<(), Error> {
    let refused = |error| Error::Verification(Reason::Signer(error));
    let root = [Certificate::from_der(root).map_err(refused)?];
    let signer = Certificate::from_der(certificate).map_err(refused)?;
    let usage = role.extended_key_usage();
    let rules = PathRules { extended_key_usage: usage, signing: true, ..PathRules::at(now) };
    validate_path(&signer, &[], &root, &rules, &mut Budget::default()).map_err(refused)?;
    Ok(())
}

/// Each root under itself, and neither under the other: the roles never mix.
fn verify_roots(token_root: &Signer, holder_root: &Signer, signer: &Signer, now: Time) -> Result<(), Error> {
    for root in [token_root, holder_root] {
        verify_root(root.certificate(), now)?;
    }
    match verify_signer(&certs::Role::TokenSigner, signer.certificate(), holder_root.certificate(), now) {
        Ok(()) => Err(Error::NotWhatWasMeant),
        Err(_) => Ok(()),
    }
}

/// A root leads to itself.
pub(super) fn verify_root(der: &[u8], now: Time) -> Result<(), Error> {
    let refused = |error| Error::Verification(Reason::Signer(error));
    let root = Certificate::from_der(der).map_err(refused)?;
    let anchor = [root.clone()];
    validate_path(&root, &[], &anchor, &PathRules::at(now), &mut Budget::default()).map_err(refused)?;
    Ok(())
}

/// Distrusts the disk: every key must open again and fit its certificate.
fn read_back(folder: &std::path::Path, signers: &[(Role, &Signer)], keyring: &mut Keyring) -> Result<(), Error> {
    let home = Home::open(folder)?;
    for (role, signer) in signers {
        if home.signer(*role, keyring)?.certificate() != signer.certificate() {
            return Err(Error::NotWhatWasMeant);
        }
    }
    home.ledger()?.close()
}

fn answer(home: &std::path::Path, organization: &str, signers: &[(Role, &Signer)]) -> Result<Answer, Error> {
    let mut text = format!("Founded the authority of {organization} in {}.\n", home.display());
    let mut document = json!({ "home": home, "organization": organization });
    for (role, signer) in signers {
        let certificate = Certificate::from_der(signer.certificate()).map_err(|_| Error::KeyMismatch)?;
        text += &format!("\n{}\n", role.name());
        text += &countersign_report::render(&countersign_report::certificate_lines(&certificate));
        document[role.slug().replace('-', "_")] = countersign_report::certificate(&certificate);
    }
    text += &format!(
        "\nnext: build {} into the product; keep a backup of the folder, and the passphrases elsewhere\n",
        home.join("anchors.pem").display()
    );
    Ok(Answer { text, json: json!({ "authority": document }), warnings: Vec::new() })
}
