//! The applet on a thread of its own, so that it can lose its power at any time.

use std::{
    fs, io,
    path::Path,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use apdu_dispatch::{dispatch::ApduDispatch, interchanges};

use crate::platform::{Piv, Storage};

const WRONG_LENGTH: [u8; 2] = [0x67, 0x00];

/// A running applet.
pub(crate) struct Applet {
    events: Sender<Event>,
    answers: Receiver<Vec<u8>>,
}

enum Event {
    Command(Vec<u8>),
    PowerLost,
}

/// Ends the applet's thread: what the applet does with a command that it cannot take, such as key import.
#[derive(Debug)]
pub(crate) struct Crashed;

impl Applet {
    /// Opens the storage and starts.
    pub(crate) fn start(state: Option<&Path>) -> io::Result<Self> {
        let state = state.map(Path::to_path_buf);
        if let Some(folder) = &state {
            fs::create_dir_all(folder)?;
        }
        let (events, incoming) = mpsc::channel();
        let (outgoing, answers) = mpsc::channel();
        thread::Builder::new()
            .name("applet".into())
            // The applet's buffers live on the stack.
            .stack_size(16 << 20)
            .spawn(move || {
                let mut storage = Storage::open(state.as_deref());
                while storage.with_applet(|piv| until_power_is_lost(piv, &incoming, &outgoing)) {}
            })?;
        Ok(Self { events, answers })
    }

    /// Forgets all that a reset of the card has to forget.
    pub(crate) fn lose_power(&self) -> Result<(), Crashed> {
        self.events.send(Event::PowerLost).map_err(|_| Crashed)
    }

    /// Executes one command of ISO/IEC 7816-4 and returns data and status.
    pub(crate) fn execute(&self, command: &[u8]) -> Result<Vec<u8>, Crashed> {
        self.events.send(Event::Command(command.to_vec())).map_err(|_| Crashed)?;
        self.answers.recv().map_err(|_| Crashed)
    }
}

/// Returns whether to go on with new power.
fn until_power_is_lost(piv: &mut Piv<'_>, events: &Receiver<Event>, answers: &Sender<Vec<u8>>) -> bool {
    let (contact, contactless) = (interchanges::Channel::new(), interchanges::Channel::new());
    let (mut reader, card_side) = contact.split().expect("a new channel");
    let (_, unused) = contactless.split().expect("a new channel");
    let mut dispatch = ApduDispatch::new(card_side, unused);
    let mut used = false;
    while let Ok(event) = events.recv() {
        let answer = match event {
            // The daemon resets often; there is nothing to forget before the first command.
            Event::PowerLost if !used => continue,
            Event::PowerLost => return true,
            Event::Command(command) => match interchanges::Data::from_slice(&command) {
                Ok(command) => {
                    used = true;
                    reader.request(command).expect("the last command was answered");
                    dispatch.poll(&mut [piv]);
                    reader.take_response().expect("the dispatcher answers at once").to_vec()
                }
                Err(_) => WRONG_LENGTH.to_vec(),
            },
        };
        if answers.send(answer).is_err() {
            return false;
        }
    }
    false
}
