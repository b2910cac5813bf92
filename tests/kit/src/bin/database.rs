//! An empty database on a server of PostgreSQL of its own, for as long as standard input is open.
//!
//! ```text
//! database
//! ```
//!
//! Prints the URL by which the database's owner connects.

use countersign_testkit::Postgres;
use std::io::{self, Read as _};

fn main() -> io::Result<()> {
    let server = Postgres::start();
    println!("{}", server.url("owner", &server.database()));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
