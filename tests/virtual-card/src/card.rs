//! The card in its reader: takes commands from vpcd, lets faults happen, keeps the log.

use std::{
    io::{self, Read as _},
    net::{Ipv4Addr, TcpStream},
    os::linux::net::TcpStreamExt as _,
    process,
};

use vpicc::{Connection, VSmartCard};

use crate::{
    applet::Applet,
    args::Args,
    faults::{self, Fault, Kind},
    lenient,
    log::Log,
};

/// Exit status of a card that left on order.
const LEFT: i32 = 3;

/// Serves the reader until it goes away.
pub(crate) fn run(args: Args) -> io::Result<()> {
    let applet = Applet::start(args.state.as_deref())?;
    let log = Log::open(args.log.as_deref())?;
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, args.port))?;
    stream.set_nodelay(true)?;
    let mut card =
        Card { applet, faults: args.faults, log, strict: args.strict, stream: stream.try_clone()?, failure: None };
    let mut connection = Connection::from(stream);
    loop {
        // vpcd writes a length and then the rest; without this each command waits 40 ms for an acknowledgement. The
        // system turns it off again by itself, so it is said each time.
        card.stream.set_quickack(true)?;
        match connection.poll(&mut card) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result?,
        }
        if let Some(failure) = card.failure.take() {
            return Err(failure);
        }
    }
}

struct Card {
    applet: Applet,
    faults: Vec<Fault>,
    log: Log,
    strict: bool,
    stream: TcpStream,
    /// The interface of vpicc has no room for errors: they wait here for the loop.
    failure: Option<io::Error>,
}

impl VSmartCard for Card {
    fn power_on(&mut self) {
        self.note(|card| card.log.event("power-on"));
    }

    fn power_off(&mut self) {
        self.note(|card| card.log.event("power-off"));
        self.lose_power();
    }

    fn reset(&mut self) {
        self.note(|card| card.log.event("reset"));
        self.lose_power();
    }

    fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        let instruction = command.get(1).copied().unwrap_or_default();
        match faults::due(&mut self.faults, instruction) {
            Some(Kind::Answer(status)) => {
                self.note(|card| card.log.command(command, &format!("{status:04X}")));
                return status.to_be_bytes().to_vec();
            }
            Some(Kind::Leave) => {
                self.note(|card| card.log.command(command, "left"));
                process::exit(LEFT);
            }
            Some(Kind::Stall) => {
                self.note(|card| card.log.command(command, "stalled"));
                self.stall();
            }
            Some(Kind::Reset) => {
                self.note(|card| card.log.event("fault: reset"));
                self.lose_power();
            }
            None => {}
        }
        let answer =
            if self.strict { self.applet.execute(command) } else { self.applet.execute(&lenient::complete(command)) };
        let Ok(answer) = answer else {
            // The applet's panic message is on stderr already; to the reader the card is gone.
            self.note(|card| card.log.command(command, "left"));
            process::exit(LEFT);
        };
        let status = answer.iter().rev().take(2).rev().map(|byte| format!("{byte:02X}")).collect::<String>();
        self.note(|card| card.log.command(command, &status));
        answer
    }
}

impl Card {
    fn lose_power(&mut self) {
        self.note(|card| card.applet.lose_power().map_err(|_| io::Error::other("the applet crashed")));
    }

    fn note(&mut self, action: impl FnOnce(&mut Self) -> io::Result<()>) {
        if let Err(error) = action(self) {
            self.failure.get_or_insert(error);
        }
    }

    /// Waits until the reader is gone: reading from it is how that is noticed.
    fn stall(&mut self) -> ! {
        let mut ignored = [0; 256];
        while matches!(self.stream.read(&mut ignored), Ok(1..)) {}
        process::exit(LEFT)
    }
}
