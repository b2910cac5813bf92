//! Where cards come from: the PC/SC service, or a script in tests.

use countersign_card::{ExtendedLength, OnEnd, PcscTransport, Reader, Transport, TransportError};
use std::{sync::atomic::AtomicBool, time::Duration};

/// Readers, and the cards in them.
pub trait Cards {
    /// All readers.
    fn readers(&self) -> Result<Vec<Reader>, TransportError>;

    /// Waits until a card is in a reader, or in the named one, and tells which reader it is.
    fn wait(&self, reader: Option<&str>, timeout: Duration) -> Result<Reader, TransportError>;

    /// Connects to the card in a reader.
    fn connect(&self, reader: &str) -> Result<Connection, TransportError>;
}

/// A connection to a card, whatever carries it.
pub struct Connection(pub Box<dyn Transport>);

impl Transport for Connection {
    fn transmit(&mut self, command: &[u8], limit: Duration) -> Result<Vec<u8>, TransportError> {
        self.0.transmit(command, limit)
    }

    fn control(&mut self, code: u32, data: &[u8], limit: Duration) -> Result<Vec<u8>, TransportError> {
        self.0.control(code, data, limit)
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.0.begin()
    }

    fn end(&mut self, on_end: OnEnd) -> Result<(), TransportError> {
        self.0.end(on_end)
    }

    fn extended_length(&self) -> ExtendedLength {
        self.0.extended_length()
    }
}

/// The cards of the PC/SC service.
#[derive(Clone, Copy, Debug)]
pub struct PcscCards;

impl Cards for PcscCards {
    fn readers(&self) -> Result<Vec<Reader>, TransportError> {
        countersign_card::readers()
    }

    fn wait(&self, reader: Option<&str>, timeout: Duration) -> Result<Reader, TransportError> {
        // Whoever no longer wants to wait interrupts the program.
        countersign_card::wait_for_card(reader, timeout, &AtomicBool::new(false))
    }

    fn connect(&self, reader: &str) -> Result<Connection, TransportError> {
        Ok(Connection(Box::new(PcscTransport::connect(Some(reader))?)))
    }
}
