//! Real readers, through the PC/SC service.
//!
//! PC/SC calls block for as long as a card is silent, and cannot be called off. So one thread makes them all, and the
//! session waits for it with a time limit. When that runs out the thread is left to itself and the connection is dead;
//! the thread ends as soon as the call returns, or with the process.

use std::ffi::CString;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use pcsc::{Card, Context, Disposition, Protocol, Protocols, ShareMode, Transaction};
use zeroize::Zeroizing;

use crate::atr;
use crate::holders::possible_holders;
use crate::pinpad::{FEATURE_GET_TLV_PROPERTIES, feature_code, feature_request};
use crate::readers::{choose, establish, list};
use crate::transport::{ExtendedLength, OnEnd, Transport, TransportError};

/// Time limit for connecting, and for other programs to end a transaction.
const BEGIN_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for giving the card back.
const END_LIMIT: Duration = Duration::from_secs(5);
/// The service notices only after half a second or so that a card was taken out.
const REMOVAL_GLANCE: Duration = Duration::from_millis(50);
const REMOVAL_GLANCES: u32 = 20;
/// Property of a reader: the most data bytes of an APDU (PC/SC part 10, 2.6.14).
const MAX_APDU_DATA_SIZE: u8 = 0x0A;

/// A card in a real reader.
#[derive(Debug)]
pub struct PcscTransport {
    reader: String,
    /// `None` once the card has stopped answering.
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    extended: ExtendedLength,
}

/// Without `Debug`: a command may be a PIN.
enum Job {
    Begin,
    Control(u32, Vec<u8>),
    End(OnEnd),
    Transmit(Zeroizing<Vec<u8>>),
}

enum Done {
    /// The card is taken.
    Card(ExtendedLength),
    Data(Vec<u8>),
    Nothing,
}

type Answer = Result<Done, pcsc::Error>;

impl PcscTransport {
    /// Connects to the card in the reader of this name, or in the only reader whose name contains it; without a name,
    /// to the only card there is. Other programs may connect to the same card.
    ///
    /// # Errors
    /// Any [`TransportError`] but [`TransportError::Cancelled`].
    pub fn connect(reader: Option<&str>) -> Result<Self, TransportError> {
        let context = establish()?;
        let reader = choose(&list(&context)?, reader)?.name.clone();
        let name = CString::new(reader.as_str()).map_err(|_| TransportError::ReaderUnknown { name: reader.clone() })?;
        let (jobs, job_queue) = mpsc::channel();
        let (answer_queue, answers) = mpsc::channel();
        thread::Builder::new()
            .name("pcsc".to_owned())
            .spawn(move || work(&context, &name, &job_queue, &answer_queue))
            .map_err(|error| TransportError::Pcsc { code: 0, text: error.to_string() })?;
        let mut transport = Self { reader, jobs: Some(jobs), answers, extended: ExtendedLength::Impossible };
        transport.answer(BEGIN_LIMIT).map_err(|error| match error {
            TransportError::CardRemoved => TransportError::NoCard,
            error => held_by_another(error),
        })?;
        Ok(transport)
    }

    /// The whole name of the reader.
    pub fn reader(&self) -> &str {
        &self.reader
    }

    fn ask(&mut self, job: Job, limit: Duration) -> Result<Vec<u8>, TransportError> {
        let jobs = self.jobs.as_ref().ok_or(TransportError::CardUnresponsive { limit })?;
        // A thread that is gone shows as an answer that cannot come.
        let _ = jobs.send(job);
        self.answer(limit)
    }

    fn answer(&mut self, limit: Duration) -> Result<Vec<u8>, TransportError> {
        match self.answers.recv_timeout(limit) {
            Ok(Ok(Done::Card(extended))) => {
                self.extended = extended;
                Ok(Vec::new())
            }
            Ok(Ok(Done::Data(data))) => Ok(data),
            Ok(Ok(Done::Nothing)) => Ok(Vec::new()),
            Ok(Err(error)) => Err(fault(error)),
            Err(RecvTimeoutError::Timeout) => {
                self.jobs = None;
                Err(TransportError::CardUnresponsive { limit })
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(TransportError::Pcsc { code: 0, text: "the connection to the card has ended".to_owned() })
            }
        }
    }
}

impl Transport for PcscTransport {
    fn transmit(&mut self, command: &[u8], limit: Duration) -> Result<Vec<u8>, TransportError> {
        self.ask(Job::Transmit(Zeroizing::new(command.to_vec())), limit)
    }

    fn control(&mut self, code: u32, data: &[u8], limit: Duration) -> Result<Vec<u8>, TransportError> {
        self.ask(Job::Control(code, data.to_vec()), limit)
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        if self.jobs.is_none() {
            return Err(TransportError::CardUnresponsive { limit: BEGIN_LIMIT });
        }
        self.ask(Job::Begin, BEGIN_LIMIT).map(|_| ()).map_err(held_by_another)
    }

    fn end(&mut self, on_end: OnEnd) -> Result<(), TransportError> {
        self.ask(Job::End(on_end), END_LIMIT).map(|_| ())
    }

    fn extended_length(&self) -> ExtendedLength {
        self.extended
    }
}

impl Drop for PcscTransport {
    /// Lets the thread disconnect before the process ends, unless the card has stopped answering.
    fn drop(&mut self) {
        if self.jobs.take().is_some() {
            let _ = self.answers.recv_timeout(END_LIMIT);
        }
    }
}

/// PC/SC lets nobody connect to a card or take it before another program's transaction is over, however long that is.
fn held_by_another(error: TransportError) -> TransportError {
    match error {
        TransportError::CardUnresponsive { .. } => TransportError::SharingViolation { holders: possible_holders() },
        error => error,
    }
}

/// What a PC/SC error means to a session.
pub(crate) fn fault(error: pcsc::Error) -> TransportError {
    use pcsc::Error as E;
    match error {
        E::NoService | E::ServiceStopped | E::Shutdown => TransportError::NoService,
        E::NoReadersAvailable => TransportError::NoReader,
        E::NoSmartcard | E::RemovedCard | E::ReaderUnavailable | E::UnknownReader => TransportError::CardRemoved,
        E::ResetCard => TransportError::CardReset,
        E::UnpoweredCard | E::UnresponsiveCard => TransportError::CardMute,
        E::SharingViolation => TransportError::SharingViolation { holders: possible_holders() },
        E::Cancelled | E::SystemCancelled => TransportError::Cancelled,
        other => TransportError::Pcsc { code: other as u32, text: other.to_string() },
    }
}

/// The thread: connects, then does one job after another until the session is gone.
fn work(context: &Context, name: &CString, jobs: &Receiver<Job>, answers: &Sender<Answer>) {
    let connected = context.connect(name, ShareMode::Shared, Protocols::ANY);
    let mut card = match connected {
        Ok(card) => card,
        Err(error) => {
            let _ = answers.send(Err(error));
            return;
        }
    };
    // Nobody hears this if the session has given up waiting; then there are no jobs either.
    let _ = answers.send(Ok(Done::Nothing));
    let mut job = jobs.recv().ok();
    while let Some(current) = job.take() {
        let answer = match current {
            Job::Begin => match refresh(context, name, &mut card).and_then(|()| card.transaction()) {
                Ok(transaction) => {
                    let _ = answers.send(extended_length(&transaction).map(Done::Card));
                    job = work_in_transaction(transaction, jobs, answers);
                    continue;
                }
                Err(error) => Err(error),
            },
            Job::End(_) => Ok(Done::Nothing),
            other => talk(&card, &other),
        };
        if answers.send(answer).is_err() {
            break;
        }
        job = jobs.recv().ok();
    }
    // A card that was shown a PIN has been reset at the end of the transaction.
    let _ = card.disconnect(Disposition::LeaveCard);
}

/// Does jobs until the transaction is over. Returns the job that needs the card itself.
fn work_in_transaction(transaction: Transaction<'_>, jobs: &Receiver<Job>, answers: &Sender<Answer>) -> Option<Job> {
    loop {
        match jobs.recv().ok() {
            // A new transaction: dropping the old one ends it.
            Some(Job::Begin) => return Some(Job::Begin),
            Some(Job::End(on_end)) => {
                let disposition = match on_end {
                    OnEnd::LeaveCard => Disposition::LeaveCard,
                    OnEnd::ResetCard => Disposition::ResetCard,
                };
                let answer = transaction.end(disposition).map_err(|(_, error)| error).map(|()| Done::Nothing);
                let _ = answers.send(answer);
                return jobs.recv().ok();
            }
            Some(job) => {
                let _ = answers.send(talk(&transaction, &job));
            }
            None => return None,
        }
    }
}

fn talk(card: &Card, job: &Job) -> Answer {
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    match job {
        Job::Control(code, data) => Ok(Done::Data(card.control((*code).into(), data, &mut buffer)?.to_vec())),
        Job::Transmit(command) => match card.transmit(command, &mut buffer) {
            // Drivers say in more than one way that a card did not answer.
            Ok(reply) if reply.len() < 2 => why_no_answer(card).map_or(Ok(Done::Data(reply.to_vec())), Err),
            Ok(reply) => Ok(Done::Data(reply.to_vec())),
            Err(error @ (pcsc::Error::NotTransacted | pcsc::Error::CommError)) => {
                Err(why_no_answer(card).unwrap_or(error))
            }
            Err(error) => Err(error),
        },
        Job::Begin | Job::End(_) => Ok(Done::Nothing),
    }
}

/// A card that did not answer is most often one on its way out of the reader; `None` if it is still there.
fn why_no_answer(card: &Card) -> Option<pcsc::Error> {
    for _ in 0..REMOVAL_GLANCES {
        if let Err(error) = card.status2_owned() {
            return Some(error);
        }
        thread::sleep(REMOVAL_GLANCE);
    }
    None
}

/// Connects again if the card was reset, or taken out and put in, or the reader was.
fn refresh(context: &Context, name: &CString, card: &mut Card) -> Result<(), pcsc::Error> {
    if card.status2_owned().is_err()
        && card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard).is_err()
    {
        *card = context.connect(name, ShareMode::Shared, Protocols::ANY)?;
    }
    Ok(())
}

fn extended_length(card: &Card) -> Result<ExtendedLength, pcsc::Error> {
    let status = card.status2_owned()?;
    let short_reader = reader_data_size(card).is_some_and(|size| (1..=256).contains(&size));
    Ok(if status.protocol2() != Some(Protocol::T1) || short_reader {
        ExtendedLength::Impossible
    } else if atr::offers_extended_length(status.atr()) {
        ExtendedLength::Offered
    } else {
        ExtendedLength::Unstated
    })
}

/// The most data bytes that the reader carries, where it says so.
fn reader_data_size(card: &Card) -> Option<u32> {
    let mut buffer = [0; 1024];
    let features = card.control(feature_request().into(), &[], &mut buffer).ok()?;
    let code = feature_code(features, FEATURE_GET_TLV_PROPERTIES).ok()??;
    let mut rest = card.control(code.into(), &[], &mut buffer).ok()?;
    while let [tag, length, after @ ..] = rest {
        let (value, next) = after.split_at_checked(usize::from(*length))?;
        if *tag == MAX_APDU_DATA_SIZE {
            return Some(u32::from_le_bytes(value.try_into().ok()?));
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use pcsc::Error;

    use super::*;

    #[test]
    fn what_the_service_reports_has_a_code_of_its_own() {
        for (error, code) in [
            (Error::NoService, "CS-5001"),
            (Error::ServiceStopped, "CS-5001"),
            (Error::Shutdown, "CS-5001"),
            (Error::NoReadersAvailable, "CS-5002"),
            (Error::NoSmartcard, "CS-5006"),
            (Error::RemovedCard, "CS-5006"),
            (Error::ReaderUnavailable, "CS-5006"),
            (Error::UnknownReader, "CS-5006"),
            (Error::ResetCard, "CS-5007"),
            (Error::SharingViolation, "CS-5008"),
            (Error::Cancelled, "CS-5010"),
            (Error::SystemCancelled, "CS-5010"),
            (Error::UnpoweredCard, "CS-5011"),
            (Error::UnresponsiveCard, "CS-5011"),
            (Error::InternalError, "CS-5012"),
            (Error::ProtoMismatch, "CS-5012"),
        ] {
            assert_eq!(fault(error).code(), code, "{error:?}");
        }
    }
}
