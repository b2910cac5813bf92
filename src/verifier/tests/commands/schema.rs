//! What `--json` prints, held to docs/schema/verifier.schema.json.
//!
//! The validators of others bring second versions of what the product depends on, so here is one for the keywords that
//! the schema uses. A keyword or pattern that it does not know fails the test instead of passing unseen.

use serde_json::{Map, Value};
use std::path::Path;

const FILE: &str = "docs/schema/verifier.schema.json";

/// Panics unless the value is what the command prints, or a failure.
pub(crate) fn check(command: &str, value: &Value) {
    let schema = schema();
    let definition = if value.get("error").is_some() { "failure" } else { command };
    let validator = Validator { definitions: schema["$defs"].as_object().unwrap() };
    if let Err(fault) = validator.definition(definition, value) {
        panic!("{command} prints what {FILE} does not have: {fault}\n{value:#}");
    }
}

fn schema() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FILE);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

struct Validator<'a> {
    definitions: &'a Map<String, Value>,
}

impl Validator<'_> {
    fn definition(&self, name: &str, value: &Value) -> Result<(), String> {
        let schema = self.definitions.get(name).unwrap_or_else(|| panic!("no definition {name}"));
        self.validate(schema, value).map_err(|fault| format!("{name}: {fault}"))
    }

    /// JSON Schema 2020-12, as far as it is used.
    fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{what}: {value}"));
        let schema = schema.as_object().unwrap();
        for (keyword, wanted) in schema {
            match keyword.as_str() {
                "$ref" => self.definition(wanted.as_str().unwrap().strip_prefix("#/$defs/").unwrap(), value)?,
                "anyOf" | "oneOf" => {
                    let faults: Vec<_> =
                        wanted.as_array().unwrap().iter().filter_map(|one| self.validate(one, value).err()).collect();
                    let fits = wanted.as_array().unwrap().len() - faults.len();
                    if fits == 0 || (keyword == "oneOf" && fits > 1) {
                        return Err(format!("{fits} alternatives fit: {}", faults.join("; ")));
                    }
                }
                "const" if wanted != value => return fail("another constant"),
                "enum" if !wanted.as_array().unwrap().contains(value) => return fail("not one of the values"),
                "type" if !is_of_type(wanted.as_str().unwrap(), value) => return fail(&format!("not {wanted}")),
                "pattern" if !value.as_str().is_some_and(|text| matches(wanted.as_str().unwrap(), text)) => {
                    return fail("not in the form");
                }
                "minimum" if value.as_i64().is_some_and(|number| number < wanted.as_i64().unwrap()) => {
                    return fail("too small");
                }
                "maximum" if value.as_i64().is_some_and(|number| number > wanted.as_i64().unwrap()) => {
                    return fail("too large");
                }
                "items" => value.as_array().into_iter().flatten().try_for_each(|item| self.validate(wanted, item))?,
                "required" => {
                    let missing =
                        wanted.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                    if let Some(name) = missing {
                        return fail(&format!("no member {name}"));
                    }
                }
                "minProperties" if (value.as_object().map_or(0, Map::len) as u64) < wanted.as_u64().unwrap() => {
                    return fail("too few members");
                }
                "maxProperties" if (value.as_object().map_or(0, Map::len) as u64) > wanted.as_u64().unwrap() => {
                    return fail("too many members");
                }
                "properties" => {
                    for (name, member) in value.as_object().into_iter().flatten() {
                        if let Some(schema) = wanted.get(name) {
                            self.validate(schema, member).map_err(|fault| format!("{name}: {fault}"))?;
                        }
                    }
                }
                "additionalProperties" => {
                    assert_eq!(wanted, false);
                    let known = schema["properties"].as_object().unwrap();
                    let unknown = value.as_object().into_iter().flatten().find(|(name, _)| !known.contains_key(*name));
                    if let Some((name, _)) = unknown {
                        return fail(&format!("unknown member {name}"));
                    }
                }
                "const" | "enum" | "type" | "pattern" | "minimum" | "maximum" | "minProperties" | "maxProperties" => {}
                other => panic!("the keyword {other} is not checked here"),
            }
        }
        Ok(())
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("the type {other} is not checked here"),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let hex = |length: Option<usize>| {
        length.is_none_or(|length| text.len() == length)
            && text.len().is_multiple_of(2)
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match pattern {
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$" => {
            text.len() == 20 && text.parse::<countersign::Time>().is_ok()
        }
        "^CS-[0-9]{4}$" => {
            text.len() == 7 && text.strip_prefix("CS-").is_some_and(|code| code.bytes().all(|b| b.is_ascii_digit()))
        }
        "^[0-9a-f]{32}$" => hex(Some(32)),
        "^[0-9a-f]{64}$" => hex(Some(64)),
        "^([0-9a-f]{2})*$" => hex(None),
        "^[0-7]{4}$" => text.len() == 4 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7')),
        other => panic!("the pattern {other} is not checked here"),
    }
}

#[test]
fn the_validator_refuses_what_the_schema_does() {
    let schema = schema();
    let validator = Validator { definitions: schema["$defs"].as_object().unwrap() };
    let good = serde_json::json!({ "code": "CS-0001", "message": "", "remedy": "nothing" });
    assert_eq!(validator.definition("reason", &good), Ok(()));
    for (member, value) in [("code", "CS-1"), ("remedy", "pray"), ("more", "x")] {
        let mut bad = good.clone();
        bad[member] = value.into();
        assert!(validator.definition("reason", &bad).is_err(), "{bad}");
    }
    let mut bad = good.clone();
    bad.as_object_mut().unwrap().remove("message");
    assert!(validator.definition("reason", &bad).is_err());
    bad["message"] = 1.into();
    assert!(validator.definition("reason", &bad).is_err());
}

#[test]
fn the_document_has_every_command_of_the_help() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json.md");
    let document = std::fs::read_to_string(document).unwrap();
    let schema = schema();
    let help = crate::support::Site::new().run(&["--help"]).output;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut count = 0;
    for line in commands {
        // A name stands in the third column; what continues a description stands further right.
        let Some(name) =
            line.strip_prefix("  ").and_then(|rest| rest.split(' ').next()).filter(|name| !name.is_empty())
        else {
            continue;
        };
        if name == "help" {
            continue;
        }
        count += 1;
        assert!(document.contains(&format!("### `{name}")), "{name} in docs/json.md");
        assert!(schema["$defs"][name].is_object(), "{name} in {FILE}");
    }
    assert_eq!(count, 17, "{help}");
}
