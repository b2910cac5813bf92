//! `readers`: what the PC/SC service sees.

use crate::{
    advice,
    context::Context,
    error::{Error, Exit},
    output::{Page, Report},
};
use countersign_card::{Error as CardError, Options, Piv, Reader, ReaderState};
use countersign_report::Line;
use serde_json::{Value, json};

/// What a card is.
pub(super) enum Kind {
    Piv,
    Other,
    /// It could not be asked.
    Unknown(CardError),
}

pub(super) fn run(context: &Context<'_>) -> Result<Report, Error> {
    let readers = context.cards.readers()?;
    if readers.is_empty() {
        return Err(CardError::from(countersign_card::TransportError::NoReader).into());
    }
    let readers: Vec<(Reader, Option<Kind>)> = readers
        .into_iter()
        .map(|reader| {
            let kind = kind(&reader, context);
            (reader, kind)
        })
        .collect();
    Ok(Report::new(
        context.format,
        Exit::Done,
        || page(&readers),
        || {
            json!({
                "readers": readers.iter().map(|(reader, kind)| view(reader, kind.as_ref())).collect::<Value>(),
            })
        },
    ))
}

/// Asks a card what it is, unless another program has it for itself.
pub(super) fn kind(reader: &Reader, context: &Context<'_>) -> Option<Kind> {
    let ReaderState::Card { exclusive, .. } = &reader.state else {
        return None;
    };
    if *exclusive {
        return Some(Kind::Unknown(countersign_card::TransportError::SharingViolation { holders: Vec::new() }.into()));
    }
    let selected = context
        .cards
        .connect(&reader.name)
        .map_err(CardError::from)
        .and_then(|connection| Piv::select(connection, Options::default()));
    Some(match selected {
        Ok(_) => Kind::Piv,
        Err(CardError::NotPiv { .. }) => Kind::Other,
        Err(error) => Kind::Unknown(error),
    })
}

fn page(readers: &[(Reader, Option<Kind>)]) -> Page {
    readers.iter().fold(Page::default(), |page, (reader, kind)| {
        let mut lines: Vec<Line> = Vec::new();
        match &reader.state {
            ReaderState::Empty => lines.push(("card", "none".to_owned())),
            ReaderState::Mute => lines.push(("card", "one that does not answer to power".to_owned())),
            ReaderState::Card { atr, exclusive } => {
                lines.push(("card", kind_words(kind.as_ref())));
                lines.push(("ATR", hex(atr)));
                if *exclusive {
                    lines.push(("", "in use by another program alone".to_owned()));
                }
            }
            _ => lines.push(("card", "not known".to_owned())),
        }
        let next = match (&reader.state, kind) {
            (ReaderState::Mute, _) => advice::of("CS-5011"),
            (_, Some(Kind::Unknown(error))) => advice::of(error.code()),
            _ => "",
        };
        page.line(&reader.name).lines(&lines).next(next)
    })
}

fn kind_words(kind: Option<&Kind>) -> String {
    match kind {
        Some(Kind::Piv) => "PIV".to_owned(),
        Some(Kind::Other) => "not PIV".to_owned(),
        Some(Kind::Unknown(error)) => format!("could not be asked: {error} [{}]", error.code()),
        None => "not known".to_owned(),
    }
}

fn view(reader: &Reader, kind: Option<&Kind>) -> Value {
    let state = match &reader.state {
        ReaderState::Card { .. } => "card",
        ReaderState::Empty => "empty",
        ReaderState::Mute => "mute",
        _ => "unknown",
    };
    let mut view = json!({ "name": reader.name, "state": state });
    if let ReaderState::Card { atr, exclusive } = &reader.state {
        view["atr"] = json!(hex(atr));
        view["exclusive"] = json!(exclusive);
    }
    match kind {
        Some(Kind::Piv) => view["kind"] = json!("piv"),
        Some(Kind::Other) => view["kind"] = json!("other"),
        Some(Kind::Unknown(error)) => {
            view["error"] =
                json!({ "code": error.code(), "message": error.to_string(), "next": advice::of(error.code()) });
        }
        None => {}
    }
    view
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
