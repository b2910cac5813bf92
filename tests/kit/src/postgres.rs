//! A server of PostgreSQL of one's own, reached by a Unix socket, or by TLS on a loopback address of its own as well.
//!
//! A shell stays as a warden: it ends the server and removes its folder when its pipe to this process closes, which happens
//! also when this process is killed, so that one server can serve all tests of a process.

use std::{
    env, fs,
    io::{self, PipeWriter},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    run::Run,
    tools::{postgres_tool, tool},
    wait::poll_until,
};

/// How long a server may take to start.
const LIMIT: Duration = Duration::from_secs(60);

/// `$1` is the folder, the rest is the server with its arguments. QUIT ends it at once: nothing of it is needed any more.
const WARDEN: &str = r#"
exec 4<&0 0</dev/null
cd "$1" || exit
folder=$1
shift
"$@" 4<&- &
server=$!
read -r _ <&4
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd /
rm -rf "$folder"
"#;

/// A running server; ends when dropped. Whoever runs the tests is let in as the roles `postgres` (who may do anything),
/// `owner` (who owns the databases) and `officer` (who may do what he was granted); `with_password` has a password.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    warden: Child,
    pipe: Option<PipeWriter>,
    databases: AtomicU32,
    address: SocketAddr,
}

/// What a server shows and asks for by TLS; files in PEM.
#[derive(Clone, Copy, Debug)]
pub struct ServerTls<'a> {
    /// Its certificate.
    pub certificate: &'a Path,
    /// The key of that.
    pub key: &'a Path,
    /// Who issues the certificates of clients, which name their role as the common name.
    pub client_roots: &'a Path,
}

impl Postgres {
    /// The password of the role `with_password`.
    pub const PASSWORD: &'static str = "four: small\\words";

    /// One for all tests of this process.
    ///
    /// # Panics
    /// If it does not start.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Starts a server.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a server that listens on the network as well. There it speaks TLS only, and lets in `with_password` by its
    /// password and everybody else by a certificate.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn start_with_tls(tls: &ServerTls<'_>) -> Self {
        Self::start_with(Some(tls))
    }

    fn start_with(tls: Option<&ServerTls<'_>>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let own = |name: &str| folder.join(name);
        if as_other_user() {
            // The server refuses to be root.
            Run::new("chown").arg("postgres:").arg(&folder).output().expect_code(0);
        }
        let initdb = command("initdb", &folder)
            .args(["--no-sync", "--encoding", "UTF8", "--locale", "C.UTF-8", "-U", "postgres", "-D"])
            .arg(own("data"))
            .output()
            .expect("initdb");
        assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        let user = Run::new("id").arg("-un").output().expect_code(0).stdout_text();
        let roles = ["postgres", "owner", "officer"].map(|role| format!("tests {} {role}\n", user.trim()));
        let access = "local all with_password scram-sha-256\nlocal all all peer map=tests\n\
                      hostssl all with_password 127.0.0.0/8 scram-sha-256\nhostssl all all 127.0.0.0/8 cert\n";
        fs::write(own("data/pg_hba.conf"), access).expect("a file");
        fs::write(own("data/pg_ident.conf"), roles.concat()).expect("a file");

        let address = if tls.is_some() { own_address() } else { SocketAddr::from(([127, 0, 0, 1], 5432)) };
        let mut settings = vec![
            format!("port={}", address.port()),
            "shared_buffers=16MB".to_owned(),
            "logging_collector=off".to_owned(),
        ];
        match tls {
            None => settings.push("listen_addresses=".to_owned()),
            Some(tls) => {
                settings.extend([format!("listen_addresses={}", address.ip()), "ssl=on".to_owned()]);
                let files =
                    [("ssl_cert_file", tls.certificate), ("ssl_key_file", tls.key), ("ssl_ca_file", tls.client_roots)];
                for (setting, file) in files {
                    let copy = own(setting);
                    let owner = if as_other_user() { "postgres" } else { user.trim() };
                    Run::new("install").args(["-m", "600", "-o", owner]).arg(file).arg(&copy).output().expect_code(0);
                    settings.push(format!("{setting}={}", copy.display()));
                }
            }
        }
        let server = command("postgres", &folder);
        let (pipe_end, pipe) = io::pipe().expect("a pipe");
        let warden = Command::new("sh")
            .args(["-c", WARDEN, "sh"])
            .arg(&folder)
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(own("data"))
            .arg("-k")
            .arg(&folder)
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::from(pipe_end))
            .stdout(Stdio::null())
            .stderr(fs::File::create(own("log")).expect("a file"))
            .spawn()
            .expect("a shell");
        let server = Self { folder, warden, pipe: Some(pipe), databases: AtomicU32::new(0), address };
        let ready = poll_until(LIMIT, || server.psql("postgres", "SELECT 1").code.filter(|code| *code == 0));
        let log = || fs::read_to_string(server.folder.join("log")).unwrap_or_default();
        assert!(ready.is_some(), "the server does not start:\n{}", log());
        server.sql("postgres", "CREATE ROLE owner LOGIN; CREATE ROLE officer LOGIN");
        let password = Self::PASSWORD;
        server.sql("postgres", &format!("CREATE ROLE with_password LOGIN PASSWORD '{password}'"));
        server
    }

    /// Makes an empty database and gives its name.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("ledger{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER owner"));
        name
    }

    /// The URL of a database for a role.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("{}&port={}", Self::url_at(&self.folder, role, database), self.address.port())
    }

    /// Where it listens on the network, if it does.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a database behind another socket than the server's own.
    #[must_use]
    pub fn url_at(folder: &Path, role: &str, database: &str) -> String {
        format!("postgresql://{role}@/{database}?host={}", folder.display())
    }

    /// The server's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", self.address.port()))
    }

    /// The usual name of a server's socket in its folder.
    pub const SOCKET: &'static str = ".s.PGSQL.5432";

    /// Runs statements as somebody who may do anything, and gives what they answer.
    ///
    /// # Panics
    /// If one fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.psql(database, statements).expect_code(0).stdout_text().trim_end().to_owned()
    }

    /// From now on there is no room on the disk for what the authority's commands do that are connected with a database.
    ///
    /// # Panics
    /// If none is.
    pub fn fill_disk_for(&self, database: &str) {
        let connected = "SELECT pid FROM pg_stat_activity \
                         WHERE datname = current_database() AND application_name = 'countersign-authority'";
        let processes = self.sql(database, connected);
        assert!(!processes.is_empty(), "no command is connected");
        for process in processes.lines() {
            // A file must not grow beyond nothing: the server fails as it does on a full disk.
            let limited = as_server(tool("prlimit"), &self.folder).args(["--pid", process, "--fsize=0"]).output();
            assert!(limited.expect("prlimit").status.success(), "prlimit");
        }
    }

    fn psql(&self, database: &str, statements: &str) -> crate::run::Output {
        Run::new(postgres_tool("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"])
            .arg(&self.folder)
            .args(["-p", &self.address.port().to_string(), "-c", statements])
            .output()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.pipe.take().is_some() {
            // There is nobody to tell if waiting fails.
            let _ = self.warden.wait();
        }
    }
}

/// A loopback address that nobody else uses, and a port there that is free.
fn own_address() -> SocketAddr {
    let [a, b, c, _] = std::process::id().to_be_bytes().map(|octet| octet ^ 0x5a);
    let address = Ipv4Addr::new(127, a, b, c);
    let listener = TcpListener::bind((address, 0)).expect("a loopback address");
    listener.local_addr().expect("an address")
}

/// Root cannot run a server; the package brings a user for it.
fn as_other_user() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of the server, as a user who may run it.
fn command(name: &str, folder: &Path) -> Command {
    as_server(postgres_tool(name), folder)
}

/// A program that runs as the server does.
fn as_server(program: PathBuf, folder: &Path) -> Command {
    let mut command = if as_other_user() {
        let mut command = Command::new(tool("setpriv"));
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder).env_clear();
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}
