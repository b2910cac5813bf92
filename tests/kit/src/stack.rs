//! A PC/SC daemon with virtual readers.

use std::{
    collections::hash_map::RandomState,
    fs,
    hash::{BuildHasher as _, Hasher as _},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    card::{Card, CardOptions},
    daemon::{self, Daemon, ReaderPair},
    reader_states::reader_states,
    tools,
    wait::poll_until,
};

const READY: Duration = Duration::from_secs(20);
/// A daemon that answers has tried its readers; this is for a slow machine.
const READERS_APPEAR: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 20;
/// Below the range from which systems take ports for outgoing connections, so that those cannot get in the way.
const PORTS: std::ops::Range<u16> = 16_384..32_000;

/// A private PC/SC daemon with virtual readers. Any number of them can run side by side.
///
/// Dropping it ends the daemon; so does the end of this process, however it comes.
#[derive(Debug)]
pub struct Stack {
    // Order matters: the daemon ends before its folder goes.
    daemon: Daemon,
    readers: Vec<Reader>,
    socket: PathBuf,
    folder: TempDir,
}

#[derive(Debug)]
struct Reader {
    name: String,
    port: u16,
    /// Its event counter when its last card had come up.
    last: AtomicU32,
}

impl Stack {
    /// Starts a daemon with at least this many readers and returns when it is ready.
    ///
    /// vpcd makes readers in pairs. With an odd number there is one more, which stays empty. With zero there are none.
    pub fn start(readers: usize) -> io::Result<Self> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt(readers)? {
                Ok(stack) => return Ok(stack),
                Err(problem) => last = problem,
            }
        }
        Err(io::Error::other(format!("no PC/SC daemon after {ATTEMPTS} attempts: {last}")))
    }

    /// The inner error tells of something that another set of ports may mend.
    fn attempt(wanted: usize) -> io::Result<Result<Self, String>> {
        let folder = tempfile::Builder::new().prefix("countersign-pcsc-").tempdir()?;
        let pairs =
            (0..wanted.div_ceil(2)).map(|number| reader_pair(folder.path(), number)).collect::<io::Result<Vec<_>>>()?;
        let expected = pairs.len() * 2;
        let socket = folder.path().join(daemon::SOCKET);
        let mut daemon = Daemon::start(folder.path(), &pairs)?;

        let answers = poll_until(READY, || reader_states(&socket).ok()).is_some();
        let complete = poll_until(READERS_APPEAR, || {
            reader_states(&socket).is_ok_and(|states| states.len() == expected).then_some(())
        });
        if !answers || complete.is_none() {
            daemon.stop();
            let log = fs::read_to_string(folder.path().join(daemon::LOG)).unwrap_or_default();
            return Ok(Err(if answers {
                format!("a reader is missing; its port may be taken; pcscd says:\n{log}")
            } else {
                format!("pcscd does not answer; it says:\n{log}")
            }));
        }

        let readers = pairs
            .iter()
            .flat_map(|pair| {
                [0, 1].map(|slot| Reader {
                    name: format!("{} 00 0{slot}", pair.name),
                    port: pair.port + slot,
                    last: AtomicU32::new(0),
                })
            })
            .collect();
        Ok(Ok(Self { daemon, readers, socket, folder }))
    }

    /// Path of the daemon's socket: the value for `PCSCLITE_CSOCK_NAME`.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A folder that lives as long as the stack, for a test's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Name of a reader as PC/SC lists it.
    #[must_use]
    pub fn reader_name(&self, reader: usize) -> &str {
        &self.readers[reader].name
    }

    /// Port on which a reader waits for its card.
    #[must_use]
    pub fn reader_port(&self, reader: usize) -> u16 {
        self.readers[reader].port
    }

    /// Has a command use this daemon.
    pub fn env<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PCSCLITE_CSOCK_NAME", &self.socket)
    }

    /// Puts a card into a reader and returns when the daemon has seen it.
    ///
    /// # Panics
    /// If the card does not come up, or the reader already holds one.
    #[must_use = "the card leaves the reader when dropped"]
    pub fn insert(&self, reader: usize, options: CardOptions) -> Card {
        let Reader { name, port, last } = &self.readers[reader];
        let card = Card::insert(&self.socket, name, *port, last.load(Ordering::Relaxed), options);
        last.store(card.inserted(), Ordering::Relaxed);
        card
    }

    /// Ends the daemon, as when the service is stopped under a running client. The stack is of no use afterwards.
    pub fn stop(&mut self) {
        self.daemon.stop();
    }

    /// What the daemon wrote to its standard error.
    #[must_use]
    pub fn daemon_log(&self) -> String {
        fs::read(self.folder.path().join(daemon::LOG))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }
}

fn reader_pair(folder: &Path, number: usize) -> io::Result<ReaderPair> {
    let installed = tools::vpcd_driver();
    let library = if number == 0 {
        installed
    } else {
        // A second copy, not a link: the loader would recognise the file and share its globals.
        let copy = folder.join(format!("vpcd{number}.so"));
        fs::copy(installed, &copy)?;
        copy
    };
    let name = format!("Countersign Test {}", (b'A' + number as u8) as char);
    Ok(ReaderPair { name, port: free_port_pair()?, library })
}

/// Two consecutive ports that nobody uses at the moment. Somebody may take them before the daemon does; then the
/// daemon's readers are missing and the caller tries again.
fn free_port_pair() -> io::Result<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    (0..1000)
        .map(|_| {
            let random = RandomState::new().build_hasher().finish();
            PORTS.start + (random % u64::from(PORTS.end - PORTS.start)) as u16
        })
        .find(|port| is_free(*port) && is_free(*port + 1))
        .ok_or_else(|| io::Error::other("no two consecutive ports are free"))
}
