//! A TOML file that a person wrote: every fault has its place, and one fault does not hide the next.

use core::fmt;
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// In which file.
    pub file: PathBuf,
    /// The line and the character in it, counted from 1, where that is known.
    pub position: Option<(usize, usize)>,
}

/// `FILE, line 3, column 7`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.position.map_or(Ok(()), |(line, column)| write!(f, ", line {line}, column {column}"))
    }
}

/// What is wrong, and where.
pub(crate) type Fault = (Place, String);

/// Where each key of a document stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    file: PathBuf,
    /// By the keys that lead there from the root; an element of an array by its index.
    positions: BTreeMap<Vec<String>, (usize, usize)>,
}

impl Places {
    /// The place of a key or, where the document does not have it, of the table that would.
    pub(crate) fn of(&self, path: &[&str]) -> Place {
        let mut path: Vec<_> = path.iter().map(|key| (*key).to_owned()).collect();
        while !path.is_empty() && !self.positions.contains_key(&path) {
            path.pop();
        }
        Place { file: self.file.clone(), position: self.positions.get(&path).copied() }
    }

    /// Whether the document has a key.
    pub(crate) fn has(&self, path: &[&str]) -> bool {
        self.positions.contains_key(&path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())
    }
}

/// Reads the text of a file as a document of this kind. The document, or everything that is wrong with it.
pub(crate) fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<(T, Places), Vec<Fault>> {
    let lines = Lines::new(file, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(lines.faults(&errors));
    }
    match T::deserialize(Deserializer::from(root.clone())) {
        Ok(document) => {
            let mut places = Places { file: file.to_owned(), positions: BTreeMap::new() };
            lines.collect(root.get_ref(), &[], &mut places.positions);
            Ok((document, places))
        }
        Err(error) => {
            let mut errors: Vec<_> =
                pieces(&root).into_iter().filter_map(|piece| T::deserialize(Deserializer::from(piece)).err()).collect();
            if errors.is_empty() {
                errors.push(error);
            }
            Err(lines.faults(&errors))
        }
    }
}

/// Documents that have one key of one table each, or one element of one array: so that each can be refused by itself.
fn pieces<'a>(root: &Spanned<DeTable<'a>>) -> Vec<Spanned<DeTable<'a>>> {
    let mut pieces = Vec::new();
    for (key, value) in root.get_ref() {
        let mut add = |content: DeValue<'a>| {
            let table = DeTable::from_iter([(key.clone(), Spanned::new(value.span(), content))]);
            pieces.push(Spanned::new(root.span(), table));
        };
        match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => {
                for (key, value) in table {
                    add(DeValue::Table(DeTable::from_iter([(key.clone(), value.clone())])));
                }
            }
            DeValue::Array(array) if !array.is_empty() => {
                array.iter().for_each(|element| add(DeValue::Array([element.clone()].into_iter().collect())));
            }
            other => add(other.clone()),
        }
    }
    pieces
}

/// A text and how places in it are counted.
struct Lines<'a> {
    file: &'a Path,
    text: &'a str,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a Path, text: &'a str) -> Self {
        let starts = core::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        Self { file, text, starts }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or_default();
        (line, 1 + self.text.get(start..offset).map_or(0, |before| before.chars().count()))
    }

    /// One fault a line: what a parser says after the first one is rarely true.
    fn faults(&self, errors: &[toml::de::Error]) -> Vec<Fault> {
        let mut faults: Vec<Fault> = errors
            .iter()
            .map(|error| {
                let position = error.span().map(|span| self.position(span.start));
                (Place { file: self.file.to_owned(), position }, error.message().trim().replace('\n', " "))
            })
            .collect();
        let line = |fault: &Fault| fault.0.position.map(|(line, _)| line);
        faults.sort_by_key(line);
        faults.dedup_by(|later, earlier| line(later).is_some() && line(later) == line(earlier));
        faults
    }

    fn collect(&self, table: &DeTable<'_>, path: &[String], positions: &mut BTreeMap<Vec<String>, (usize, usize)>) {
        for (key, value) in table {
            let path = [path, &[key.get_ref().to_string()]].concat();
            positions.insert(path.clone(), self.position(key.span().start));
            self.collect_within(value.get_ref(), &path, positions);
        }
    }

    fn collect_within(
        &self,
        value: &DeValue<'_>,
        path: &[String],
        positions: &mut BTreeMap<Vec<String>, (usize, usize)>,
    ) {
        match value {
            DeValue::Table(table) => self.collect(table, path, positions),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    let path = [path, &[index.to_string()]].concat();
                    positions.insert(path.clone(), self.position(element.span().start));
                    self.collect_within(element.get_ref(), &path, positions);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Document {
        #[allow(dead_code)]
        cards: Vec<Card>,
        #[allow(dead_code)]
        card: Card,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Card {
        #[allow(dead_code)]
        size: u8,
        #[allow(dead_code)]
        name: String,
    }

    fn faults(text: &str) -> Vec<(usize, usize)> {
        let faults = parse::<Document>(Path::new("x.toml"), text).unwrap_err();
        faults.into_iter().map(|(place, _)| place.position.unwrap()).collect()
    }

    #[test]
    fn one_fault_does_not_hide_the_next() {
        assert_eq!(
            faults("[card]\nsize = 300\nname = 5\n[[cards]]\n[[cards]]\nnmae = \"x\"\n"),
            [(2, 8), (3, 8), (6, 1)]
        );
        assert_eq!(faults("card = { name = \"ä\", size = -1 }"), [(1, 29)]);
        let lines = |text| faults(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("[card\nsize = 1\n"), [1]);
        assert_eq!(lines("[card]\nsize 1\nname 2\n"), [2, 3]);
    }

    #[test]
    fn keys_have_places() {
        let text = "[card]\nsize = 3\n\n[[cards]]\n[[cards]]\n  name = \"x\"\n";
        let (_, places) = parse::<Document>(Path::new("x.toml"), text).unwrap();
        let position = |path: &[&str]| places.of(path).position;
        assert_eq!(position(&["card", "size"]), Some((2, 1)));
        assert_eq!(position(&["card", "name"]), position(&["card"]));
        assert_eq!(position(&["cards", "1", "name"]), Some((6, 3)));
        assert_eq!(position(&["cards", "1"]).map(|(line, _)| line), Some(5));
        assert_eq!(position(&["nothing"]), None);
        assert!(places.has(&["card", "size"]) && !places.has(&["card", "name"]));
        assert_eq!(places.of(&["card", "size"]).to_string(), "x.toml, line 2, column 1");
        assert_eq!(places.of(&[]).to_string(), "x.toml");
    }
}
