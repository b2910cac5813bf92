//! What a row says: cells under columns that are named as the flags of `issue`.

use crate::args::Issue;
use clap::{ArgAction, Args, Command, FromArgMatches, error::ErrorKind};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use std::{ffi::OsString, fmt};

/// The column with the caller's own name of a row.
const REFERENCE: &str = "reference";
/// Columns of this kind are named after an entitlement.
const ENTITLEMENT: &str = "entitlement.";
/// Flags that are about a command, not about a token.
const NOT_OF_A_ROW: [&str; 4] = ["dry-run", "for-newer-verifier", "out", "profile"];

/// A value under the name of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) column: String,
    pub(super) text: String,
}

/// The cells of a row, in their order. A column may come several times where its flag may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cells(pub(super) Vec<Cell>);

impl Cells {
    /// The row of a line of JSON: an object.
    pub(super) fn from_json(line: &str) -> Result<Self, String> {
        let Value::Members(members) = serde_json::from_str(line).map_err(|fault| fault.to_string())? else {
            return Err("expected an object".to_owned());
        };
        let mut cells = Vec::new();
        for (name, value) in members {
            match value {
                Value::Members(of) if name == "entitlement" => {
                    for (entitlement, value) in of {
                        push(&mut cells, format!("{ENTITLEMENT}{entitlement}"), value)?;
                    }
                }
                value => push(&mut cells, name, value)?,
            }
        }
        Ok(Self(cells))
    }

    /// How the caller names the row.
    pub(super) fn reference(&self) -> &str {
        self.0.iter().find(|cell| cell.column == REFERENCE).map_or("", |cell| &cell.text)
    }
}

fn push(cells: &mut Vec<Cell>, column: String, value: Value) -> Result<(), String> {
    match value {
        Value::Nothing => {}
        Value::Text(text) => cells.push(Cell { column, text }),
        Value::Several(values) => {
            for value in values {
                match value {
                    Value::Text(text) => cells.push(Cell { column: column.clone(), text }),
                    _ => return Err(format!("{column}: expected texts and numbers in the list")),
                }
            }
        }
        Value::Members(_) => return Err(format!("{column}: expected a text, a number or a list")),
    }
    Ok(())
}

/// JSON whose members keep their order, each once.
enum Value {
    Nothing,
    Text(String),
    Several(Vec<Value>),
    Members(Vec<(String, Value)>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::Several(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(serde::de::Error::custom(format!("{name:?} stands there twice")));
            }
            members.push((name, value));
        }
        Ok(Value::Members(members))
    }
}

/// Reads cells as the command line reads flags.
pub(super) struct Columns {
    flags: Command,
}

impl Columns {
    pub(super) fn new() -> Self {
        let mut flags = Issue::augment_args(Command::new("row").no_binary_name(true));
        flags.build();
        Self { flags }
    }

    /// Why a column is none, if so.
    pub(super) fn fault(&self, column: &str) -> Option<String> {
        let is_known = column == REFERENCE || column.starts_with(ENTITLEMENT) || self.flag(column).is_some();
        let all = self.flags.get_arguments().filter_map(|flag| flag.get_long()).filter(|name| is_of_row(name));
        let names = || all.map(|name| name.replace('-', "_")).collect::<Vec<_>>().join(", ");
        (!is_known)
            .then(|| format!("there is no column {column:?}; they are {REFERENCE}, {}, {ENTITLEMENT}NAME", names()))
    }

    fn flag(&self, column: &str) -> Option<&clap::Arg> {
        let name = column.replace('_', "-");
        self.flags.get_arguments().find(|flag| flag.get_long() == Some(name.as_str())).filter(|_| is_of_row(&name))
    }

    /// The terms that a row states.
    pub(super) fn terms(&mut self, cells: &Cells) -> Result<Issue, String> {
        let mut arguments: Vec<OsString> = Vec::with_capacity(cells.0.len());
        for Cell { column, text } in &cells.0 {
            if text.is_empty() || column == REFERENCE {
                continue;
            }
            if let Some(name) = column.strip_prefix(ENTITLEMENT) {
                arguments.push(format!("--entitlement={name}={text}").into());
                continue;
            }
            let flag = self.flag(column).ok_or_else(|| self.fault(column).unwrap_or_default())?;
            let name = flag.get_long().unwrap_or_default();
            match (flag.get_action(), text.as_str()) {
                (ArgAction::SetTrue, "true") => arguments.push(format!("--{name}").into()),
                (ArgAction::SetTrue, "false") => {}
                (ArgAction::SetTrue, _) => return Err(format!("{column}: expected true or false")),
                _ => arguments.push(format!("--{name}={text}").into()),
            }
        }
        let matches = self.flags.try_get_matches_from_mut(arguments).map_err(|error| said(&error))?;
        Issue::from_arg_matches(&matches).map_err(|error| said(&error))
    }
}

fn is_of_row(name: &str) -> bool {
    name != "help" && !NOT_OF_A_ROW.contains(&name)
}

/// What clap says, in one line.
fn said(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    if error.kind() == ErrorKind::ArgumentConflict { format!("{line} in one row") } else { line }
}
