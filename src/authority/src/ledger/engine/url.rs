//! Where a ledger on a server is.

use super::{BUSY_SECONDS, passwords, tls::TlsFiles};
use crate::{error::Error, officer};
use core::{fmt, str::FromStr};
use postgres::config::{Config, Host, SslMode};
use rustls::pki_types::ServerName;
use std::{net::IpAddr, path::Path, time::Duration};

/// The longest URL that is read, in octets.
const MAX_LENGTH: usize = 1024;
/// Where the socket of a server is unless the URL says it.
const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// The URL of a database, which has no password in it: `postgresql://[USER@][HOST]/DATABASE`. The host is a folder with a
/// Unix socket, this machine, or with `sslrootcert` another one; without one it is the usual folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    text: String,
}

/// How to reach a server.
pub(super) struct Way {
    pub(super) configuration: Config,
    pub(super) tls: Option<TlsFiles>,
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ServerUrl {
    type Err = Error;

    /// What is refused is not repeated: there may be a password in it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let url = Self { text: text.to_owned() };
        url.parse()?;
        Ok(url)
    }
}

impl ServerUrl {
    fn parse(&self) -> Result<Way, Error> {
        let refused = |fault: &str| Err(Error::LedgerUrl(fault.to_owned()));
        let text = self.text.as_str();
        if !["postgresql://", "postgres://"].iter().any(|scheme| text.starts_with(scheme)) {
            return refused("it does not begin with postgresql://");
        }
        if text.len() > MAX_LENGTH || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refused("it is too long, or has spaces or control characters in it");
        }
        let (text, tls) = TlsFiles::taken_from(text).map_err(|fault| Error::LedgerUrl(fault.to_owned()))?;
        let Ok(mut configuration) = text.parse::<Config>() else {
            return refused("it cannot be read, or has parameters that are not known here");
        };
        if configuration.get_password().is_some() {
            return refused("it has a password in it");
        }
        if configuration.get_options().is_some() {
            return refused("it sets options of the server");
        }
        if configuration.get_dbname().is_none_or(str::is_empty) {
            return refused("it names no database");
        }
        if configuration.get_hosts().is_empty() && configuration.get_hostaddrs().is_empty() {
            configuration.host_path(SOCKET_FOLDER);
        }
        let hosts = configuration.get_hosts();
        if hosts.len().max(configuration.get_hostaddrs().len()) != 1 {
            return refused("it names several servers");
        }
        if tls.is_some() {
            if !matches!(hosts, [Host::Tcp(name)] if ServerName::try_from(name.as_str()).is_ok()) {
                return refused("TLS needs the name of the server, as its certificate has it");
            }
        } else {
            let here = |host: &Host| match host {
                Host::Unix(folder) => folder.is_absolute(),
                Host::Tcp(name) => {
                    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
                }
            };
            if !hosts.iter().all(here) || !configuration.get_hostaddrs().iter().all(IpAddr::is_loopback) {
                return refused("the server is on another machine, and no sslrootcert says who vouches for it");
            }
        }
        configuration.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Way { configuration, tls })
    }

    /// How to connect, with the password that the user keeps for this, where there is one.
    pub(super) fn way(&self) -> Result<Way, Error> {
        let Way { mut configuration, tls } = self.parse()?;
        let user = configuration.get_user().map_or_else(officer::account, str::to_owned);
        let host = match configuration.get_hosts().first() {
            Some(Host::Unix(folder)) if folder == Path::new(SOCKET_FOLDER) => "localhost".to_owned(),
            Some(Host::Unix(folder)) => folder.to_string_lossy().into_owned(),
            Some(Host::Tcp(name)) => name.clone(),
            None => configuration.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let port = configuration.get_ports().first().copied().unwrap_or(5432).to_string();
        let database = configuration.get_dbname().unwrap_or_default().to_owned();
        if let Some(password) = passwords::kept_for([&host, &port, &database, &user])? {
            configuration.password(password.as_bytes());
        }
        configuration.application_name("countersign-authority");
        configuration.connect_timeout(Duration::from_secs(BUSY_SECONDS));
        Ok(Way { configuration, tls })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_database_on_this_machine() {
        for text in [
            "postgresql://ada@/ledger",
            "postgres:///ledger",
            "postgresql://ada@localhost:5433/ledger",
            "postgresql://ada@127.0.0.1/ledger",
            "postgresql://ada@%2Frun%2Fpostgresql/ledger",
            "postgresql://ada@/ledger?host=/run/postgresql&port=5433",
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
            let Way { configuration, tls } = url.parse().unwrap();
            assert_eq!((configuration.get_dbname(), tls), (Some("ledger"), None), "{text}");
            assert_eq!(configuration.get_ssl_mode(), SslMode::Disable);
        }
        let usual: ServerUrl = "postgresql://ada@/ledger".parse().unwrap();
        assert_eq!(usual.parse().unwrap().configuration.get_hosts(), [Host::Unix(SOCKET_FOLDER.into())]);
    }

    #[test]
    fn or_on_another_one_with_certificates_that_vouch_for_it() {
        let own = || Some(("/etc/ada cert".into(), "/etc/ada.key".into()));
        for (text, own) in [
            ("postgresql://ada@db.example.com/ledger?sslrootcert=/etc/ca.pem", None),
            ("postgresql://ada@localhost/ledger?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem", None),
            ("postgresql://ada@192.0.2.7:5433/ledger?sslrootcert=/etc/ca.pem&channel_binding=require", None),
            (
                "postgresql://ada@db.example.com/ledger?sslkey=/etc/ada.key&hostaddr=192.0.2.7&sslrootcert=/etc/ca.pem&\
                 sslcert=/etc/ada%20cert",
                own(),
            ),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
            let Way { configuration, tls } = url.parse().unwrap();
            assert_eq!(tls, Some(TlsFiles { roots: "/etc/ca.pem".into(), own }), "{text}");
            assert_eq!(configuration.get_ssl_mode(), SslMode::Require);
            assert_eq!(configuration.get_dbname(), Some("ledger"));
        }
    }

    #[test]
    fn no_password_no_other_machine_and_no_options() {
        let long = format!("postgresql:///{}", "a".repeat(MAX_LENGTH));
        for (text, why) in [
            ("postgresql://ada:hunter2@/ledger", "password"),
            ("postgresql://ada:@/ledger", "password"),
            ("postgresql://ada@/ledger?password=hunter2", "password"),
            ("postgresql://ada@/ledger?pasword=hunter2", "not known"),
            ("postgresql://ada@/ledger?sslmode=hunter2", "verify-full"),
            ("postgresql://ada@db.example.com/ledger", "another machine"),
            ("postgresql://ada@192.0.2.7/ledger", "another machine"),
            ("postgresql://ada@localhost/ledger?hostaddr=192.0.2.7", "another machine"),
            ("postgresql://ada@/ledger?host=run/postgresql", "another machine"),
            ("postgresql://ada@db.example.com/ledger?sslmode=verify-full", "sslrootcert"),
            ("postgresql://ada@db.example.com/ledger?sslmode=require&sslrootcert=/ca", "verify-full"),
            ("postgresql://ada@db.example.com/ledger?sslmode=disable&sslrootcert=/ca", "verify-full"),
            ("postgresql://ada@db.example.com/ledger?ssl%6dode=disable", "another machine"),
            ("postgresql://ada@db.example.com/ledger?sslrootcert=system", "whole path"),
            ("postgresql://ada@db.example.com/ledger?sslrootcert=", "whole path"),
            ("postgresql://ada@db.example.com/ledger?sslrootcert=/%ff", "UTF-8"),
            ("postgresql://ada@db.example.com/ledger?sslrootcert=/a&sslrootcert=/b", "twice"),
            ("postgresql://ada@db.example.com/ledger?sslrootcert=/ca&sslcert=/a", "sslkey"),
            ("postgresql://ada@db.example.com/ledger?sslrootcert=/ca&sslkey=/a", "sslkey"),
            ("postgresql://ada@localhost/ledger?sslcert=/a&sslkey=/b", "sslrootcert"),
            ("postgresql://ada@/ledger?sslrootcert=/ca", "name of the server"),
            ("postgresql://ada@/ledger?hostaddr=192.0.2.7&sslrootcert=/ca", "name of the server"),
            ("postgresql://ada@one,two/ledger?sslrootcert=/ca", "several"),
            ("postgresql://ada@localhost,127.0.0.1/ledger", "several"),
            ("postgresql://ada@/ledger?options=-c%20fsync=off", "options"),
            ("postgresql://ada@/", "no database"),
            ("postgresql://ada@localhost", "no database"),
            ("postgresql:///led ger", "spaces"),
            (&long, "too long"),
            ("mysql://ada:hunter2@/ledger", "begin"),
            ("host=/run user=ada password=hunter2 dbname=ledger", "begin"),
            ("", "begin"),
        ] {
            let refused = text.parse::<ServerUrl>().unwrap_err();
            assert_eq!(refused.code(), "CS-7058", "{text}");
            let said = format!("{refused} {refused:?} {}", refused.advice());
            assert!(said.contains(why) && !said.contains("hunter2"), "{text}: {said}");
        }
    }
}
