//! What a command says: a fact line, what it rests on, and what to do next; or one JSON object.

use crate::{
    advice,
    error::{Error, Exit},
};
use countersign_report::{Line, visible};
use serde_json::{Value, json};

/// What a command has to say in the end.
pub(crate) struct Report {
    pub(crate) exit: Exit,
    pub(crate) body: Body,
}

/// In one of two forms; only the one asked for is made.
pub(crate) enum Body {
    Json(Value),
    Text(Page),
}

/// The form asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Text,
}

impl Report {
    pub(crate) fn new(format: Format, exit: Exit, text: impl FnOnce() -> Page, json: impl FnOnce() -> Value) -> Self {
        let body = match format {
            Format::Json => Body::Json(json()),
            Format::Text => Body::Text(text()),
        };
        Self { exit, body }
    }
}

/// Text for people. Everything that comes from outside is made free of control characters on its way in.
#[derive(Default)]
pub(crate) struct Page {
    /// For standard output.
    pub(crate) text: String,
    /// What failed, and advice, for standard error.
    pub(crate) notes: String,
}

impl Page {
    pub(crate) fn fact(text: &str) -> Self {
        Self::default().line(text)
    }

    pub(crate) fn line(mut self, text: &str) -> Self {
        self.text.push_str(&visible(text));
        self.text.push('\n');
        self
    }

    pub(crate) fn lines(mut self, lines: &[Line]) -> Self {
        self.text.push_str(&countersign_report::render(lines));
        self
    }

    /// Something that failed beside what was done.
    pub(crate) fn failed(mut self, text: &str) -> Self {
        self.notes.push_str(&visible(text));
        self.notes.push('\n');
        self
    }

    /// What to do next. Advice is our own text; the same advice is given once.
    pub(crate) fn next(mut self, advice: &str) -> Self {
        let line = format!("next: {advice}\n");
        if !advice.is_empty() && !self.notes.contains(&line) {
            self.notes.push_str(&line);
        }
        self
    }
}

/// The view of an error.
pub(crate) fn error_page(error: &Error) -> Page {
    let page = Page::fact(&format!("{error} [{}]", error.code()));
    let page = if matches!(error, Error::Unwritten(_)) { page.line("nothing was written") } else { page };
    page.next(advice::of(error.code()))
}

/// An error, or what stands for one inside a report.
pub(crate) fn error_json(error: &Error) -> Value {
    json!({ "code": error.code(), "message": error.to_string(), "next": advice::of(error.code()) })
}

/// The JSON of a command that failed.
pub(crate) fn failure_json(error: &Error) -> Value {
    let mut object = error_json(error);
    object["exit"] = json!(error.exit() as u8);
    if matches!(error, Error::Unwritten(_)) {
        object["written"] = json!(false);
    }
    json!({ "error": object })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_controls_the_terminal() {
        let page = Page::fact("a\u{1b}[2Jb\nc").lines(&[("label", "x\u{202e}y\u{7}".to_owned())]);
        assert_eq!(page.text, "a\\u{1b}[2Jb\\u{a}c\n  label  x\\u{202e}y\\u{7}\n");
        assert_eq!(visible("Grüße, 東京"), "Grüße, 東京");
    }

    #[test]
    fn the_same_advice_is_given_once() {
        assert_eq!(Page::fact("a").next("do").next("do").next("").next("rest").notes, "next: do\nnext: rest\n");
    }
}
