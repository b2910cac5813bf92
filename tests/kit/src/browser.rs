//! A page in a real browser, Chromium, and what it does there: what it asks the network for, what it says on the console.

use crate::run::{Output, Run};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The window's width, in pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether the person prefers dark colours.
    pub dark: bool,
}

/// What a page did.
#[derive(Clone, Debug)]
pub struct Visit {
    /// What it asked the network for. What the browser asks for of its own accord is not among it.
    pub requests: Vec<String>,
    /// What stands on the console: messages, errors of scripts, and what a policy kept the page from.
    pub console: Vec<String>,
    /// What the browser said besides, for whoever has to find out why.
    pub output: Output,
}

/// Opens a file as a page and takes a picture of it, which goes to `picture`.
///
/// # Panics
/// If Chromium is not installed or does not do that.
#[must_use]
pub fn visit(page: &Path, view: View, picture: &Path) -> Visit {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("net.json");
    let path = |option: &str, path: &Path| format!("--{option}={}", path.display());
    let mut run = Run::new("chromium")
        .env("HOME", folder.path())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-quic", "--disable-extensions", "--enable-logging=stderr", "--v=0"])
        .arg(format!("--window-size={},{}", view.width, view.height))
        .arg(path("user-data-dir", &folder.path().join("profile")))
        .arg(path("log-net-log", &log))
        .arg(path("screenshot", picture));
    if view.dark {
        run = run.arg("--blink-settings=preferredColorScheme=0");
    }
    let output = run.arg(format!("file://{}", absolute(page).display())).output().expect_code(0);
    assert!(picture.is_file(), "no picture\n{output}");
    let log = fs::read(&log).unwrap_or_else(|error| panic!("no log of the network: {error}\n{output}"));
    let log: Value = serde_json::from_slice(&log).expect("the log of the network is JSON");
    let said = output.stderr_text();
    let console = said.lines().filter(|line| line.contains(":CONSOLE:")).map(str::to_owned).collect();
    Visit { requests: requests(&log), console, output }
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().expect("a page")
}

/// The requests in a log of the network that began in a page. Chromium says of each for whom it was made: an origin, which
/// is `null` for files, or that there is none, as for its own.
fn requests(log: &Value) -> Vec<String> {
    let began = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(began.is_number(), "Chromium logs requests otherwise by now");
    let events = log["events"].as_array().expect("events");
    let requests = events.iter().filter(|event| event["type"] == *began).filter_map(|event| {
        let own = event["params"]["initiator"].as_str() == Some("not an origin");
        event["params"]["url"].as_str().filter(|_| !own)
    });
    requests.map(str::to_owned).collect()
}
