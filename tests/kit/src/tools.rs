//! Programs of others, and where they come from.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Where services are installed; an ordinary user's search path leaves them out.
const MORE_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// Path of an installed program.
///
/// # Panics
/// If it is not installed, with the name of the Debian package to install: a check that is skipped must not look as
/// if it had passed.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(MORE_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: apt-get install {}", package(name)))
}

/// Path of the virtual card's program: `COUNTERSIGN_VIRTUAL_CARD`, or where its build puts it.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn virtual_card() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../virtual-card/target/release/virtual-card");
    let file = env::var_os("COUNTERSIGN_VIRTUAL_CARD").map_or(built, PathBuf::from);
    assert!(
        file.is_file(),
        "no virtual card at {}: run `make virtual-card`, or name it in COUNTERSIGN_VIRTUAL_CARD",
        file.display()
    );
    file
}

/// Path of a program of PostgreSQL's server, of the newest release that is installed.
pub(crate) fn postgres_tool(name: &str) -> PathBuf {
    let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = releases.max_by_key(|release| release.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    newest
        .map(|release| release.path().join("bin").join(name))
        .filter(|file| file.is_file())
        .unwrap_or_else(|| tool(name))
}

/// Path of SoftHSM2's PKCS#11 module.
pub(crate) fn soft_hsm_module() -> PathBuf {
    let file = PathBuf::from("/usr/lib/softhsm/libsofthsm2.so");
    assert!(file.is_file(), "no {}: apt-get install softhsm2", file.display());
    file
}

/// Path of OpenSC's PKCS#11 module, which shows cards as tokens.
///
/// # Panics
/// If it is not installed.
#[must_use]
pub fn opensc_module() -> PathBuf {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
    let files = folders.iter().map(|folder| Path::new(folder).join("opensc-pkcs11.so"));
    files.into_iter().find(|file| file.is_file()).expect("no opensc-pkcs11.so: apt-get install opensc-pkcs11")
}

/// Path of vpcd's driver for pcscd.
pub(crate) fn vpcd_driver() -> PathBuf {
    let file = PathBuf::from(DRIVER);
    assert!(file.is_file(), "no {DRIVER}: apt-get install vsmartcard-vpcd");
    file
}

fn package(tool: &str) -> &str {
    match tool {
        "opensc-tool" | "pkcs11-tool" | "pkcs15-tool" | "piv-tool" => "opensc",
        "pcsc_scan" => "pcsc-tools",
        "pgrep" => "procps",
        "setpriv" | "setsid" => "util-linux",
        "softhsm2-util" => "softhsm2",
        "chown" | "env" | "id" | "timeout" => "coreutils",
        "initdb" | "postgres" | "psql" => "postgresql",
        "ykman" => "yubikey-manager",
        "swtpm_setup" => "swtpm-tools",
        name if name.starts_with("tpm2_") => "tpm2-tools",
        name => name,
    }
}
