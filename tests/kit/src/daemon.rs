//! A PC/SC daemon of one's own.
//!
//! The path of pcscd's socket is compiled into it. Socket activation gets around that: pcscd takes over a socket that
//! is already bound, as descriptor 3. Only descriptors 0 to 2 can be handed to a child in safe Rust, so a shell moves
//! the socket there. The shell stays as a warden: it ends pcscd when its pipe to this process closes, which happens
//! also when this process is killed.

use std::{
    fs::{self, File},
    io::{self, PipeWriter},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::tools::tool;

/// `$1` is pcscd, `$2` its folder of reader descriptions. Standard input is the listening socket, standard output the
/// pipe. TERM lets pcscd tidy up; a hanging card can keep it from that, hence KILL a second later.
const WARDEN: &str = r#"
exec 3<&0 4<&1 0</dev/null 1>&2
sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$1" --foreground --config "$2"' sh "$1" "$2" 4<&- &
daemon=$!
exec 3<&-
read -r _ <&4
kill -TERM "$daemon" 2>/dev/null
(sleep 1; kill -KILL "$daemon") 2>/dev/null 4<&- &
executioner=$!
wait "$daemon"
kill "$executioner"
"#;

/// A running pcscd; ends when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    warden: Child,
    pipe: Option<PipeWriter>,
}

impl Daemon {
    /// Starts pcscd on a new socket in `folder`. It is not known to be ready when this returns.
    pub(crate) fn start(folder: &Path, readers: &[ReaderPair]) -> io::Result<Self> {
        let descriptions = folder.join("readers");
        fs::create_dir_all(&descriptions)?;
        for (number, pair) in readers.iter().enumerate() {
            fs::write(descriptions.join(format!("pair{number}")), pair.description())?;
        }
        let socket = folder.join(SOCKET);
        if socket.exists() {
            fs::remove_file(&socket)?;
        }
        let listener = UnixListener::bind(&socket)?;
        let (pipe_end, pipe) = io::pipe()?;
        let warden = Command::new("sh")
            .args(["-c", WARDEN, "sh"])
            .arg(tool("pcscd"))
            .arg(&descriptions)
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::from(pipe_end))
            .stderr(File::create(folder.join(LOG))?)
            .spawn()?;
        Ok(Self { warden, pipe: Some(pipe) })
    }

    /// Ends pcscd and waits until it is gone.
    pub(crate) fn stop(&mut self) {
        if self.pipe.take().is_some() {
            // The shell ends by itself and reaps pcscd; there is nobody to tell if waiting fails.
            let _ = self.warden.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Name of the socket in the daemon's folder.
pub(crate) const SOCKET: &str = "pcscd.socket";
/// Name of the file in the daemon's folder that gets its messages.
pub(crate) const LOG: &str = "pcscd.log";

/// Two virtual readers: vpcd always makes two, on consecutive ports.
#[derive(Clone, Debug)]
pub(crate) struct ReaderPair {
    /// What the readers are called; the daemon appends ` 00 00` and ` 00 01`.
    pub(crate) name: String,
    /// Port of the first; the second has the next one.
    pub(crate) port: u16,
    /// The driver. It keeps its state in globals, so each pair needs a file of its own.
    pub(crate) library: std::path::PathBuf,
}

impl ReaderPair {
    fn description(&self) -> String {
        let Self { name, port, library } = self;
        format!(
            "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:{port:#06X}\nLIBPATH {}\nCHANNELID {port:#06X}\n",
            library.display()
        )
        .replace("0X", "0x")
    }
}
