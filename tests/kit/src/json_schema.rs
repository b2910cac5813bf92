//! JSON Schema 2020-12 as far as the schemas of this product use it. The validators of others bring second versions of
//! what the product depends on. A keyword or pattern that is not known here ends the test instead of passing unseen.

use serde_json::{Map, Value};

/// A schema.
#[derive(Debug)]
pub struct Schema(Value);

impl Schema {
    /// Reads a schema.
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("a schema is JSON"))
    }

    /// The schema itself.
    pub fn document(&self) -> &Value {
        &self.0
    }

    /// Holds a value to the whole schema. Says what does not fit.
    pub fn validate(&self, value: &Value) -> Result<(), String> {
        self.check(&self.0, value)
    }

    /// Holds a value to a definition in `$defs`. Says what does not fit.
    pub fn validate_definition(&self, name: &str, value: &Value) -> Result<(), String> {
        let definition = self.0["$defs"].get(name).unwrap_or_else(|| panic!("no definition {name}"));
        self.check(definition, value).map_err(|fault| format!("{name}: {fault}"))
    }

    fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{what}: {value}"));
        let schema = schema.as_object().expect("a schema is an object");
        for (keyword, wanted) in schema {
            match keyword.as_str() {
                "$defs" | "$id" | "$schema" | "default" | "description" | "title" => {}
                "$ref" => {
                    let name = text(wanted).strip_prefix("#/$defs/").expect("a reference to a definition");
                    self.validate_definition(name, value)?;
                }
                "anyOf" | "oneOf" => {
                    let faults: Vec<_> = list(wanted).iter().filter_map(|one| self.check(one, value).err()).collect();
                    let fits = list(wanted).len() - faults.len();
                    if fits == 0 || (keyword == "oneOf" && fits > 1) {
                        return Err(format!("{fits} alternatives fit: {}", faults.join("; ")));
                    }
                }
                "const" => {
                    if wanted != value {
                        return fail("another constant");
                    }
                }
                "enum" => {
                    if !list(wanted).contains(value) {
                        return fail("not one of the values");
                    }
                }
                "type" => {
                    if !is_of_type(text(wanted), value) {
                        return fail(&format!("not {wanted}"));
                    }
                }
                "pattern" => {
                    if value.as_str().is_some_and(|value| !matches(text(wanted), value)) {
                        return fail("not in the form");
                    }
                }
                "minimum" => {
                    if integer(value).is_some_and(|number| Some(number) < integer(wanted)) {
                        return fail("too small");
                    }
                }
                "maximum" => {
                    if integer(value).is_some_and(|number| Some(number) > integer(wanted)) {
                        return fail("too large");
                    }
                }
                "minItems" | "minLength" | "minProperties" => {
                    if length(keyword, value).is_some_and(|length| length < count(wanted)) {
                        return fail("too short");
                    }
                }
                "maxItems" | "maxLength" | "maxProperties" => {
                    if length(keyword, value).is_some_and(|length| length > count(wanted)) {
                        return fail("too long");
                    }
                }
                "items" => value.as_array().into_iter().flatten().try_for_each(|item| self.check(wanted, item))?,
                "required" => {
                    let missing = list(wanted).iter().find(|name| value.get(text(name)).is_none());
                    if let Some(name) = missing.filter(|_| value.is_object()) {
                        return fail(&format!("no member {name}"));
                    }
                }
                "propertyNames" => {
                    for (name, _) in value.as_object().into_iter().flatten() {
                        self.check(wanted, &name.as_str().into())?;
                    }
                }
                "properties" => {
                    for (name, member) in value.as_object().into_iter().flatten() {
                        if let Some(schema) = wanted.get(name) {
                            self.check(schema, member).map_err(|fault| format!("{name}: {fault}"))?;
                        }
                    }
                }
                "additionalProperties" => {
                    let known = schema.get("properties").and_then(Value::as_object);
                    let known = |name: &str| known.is_some_and(|known| known.contains_key(name));
                    for (name, member) in value.as_object().into_iter().flatten().filter(|(name, _)| !known(name)) {
                        if *wanted == false {
                            return fail(&format!("unknown member {name}"));
                        }
                        self.check(wanted, member).map_err(|fault| format!("{name}: {fault}"))?;
                    }
                }
                other => panic!("the keyword {other} is not checked here"),
            }
        }
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text in the schema")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list in the schema")
}

fn count(value: &Value) -> usize {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).expect("a count in the schema")
}

fn integer(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

/// How long a value of the kind is that the keyword speaks of.
fn length(keyword: &str, value: &Value) -> Option<usize> {
    match keyword {
        "minItems" | "maxItems" => value.as_array().map(Vec::len),
        "minLength" | "maxLength" => value.as_str().map(|text| text.chars().count()),
        _ => value.as_object().map(Map::len),
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

/// Whether a text has the form of one of the patterns that the schemas use.
fn matches(pattern: &str, text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let lower = |octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    let identifier = |text: &str| {
        let inner = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-');
        (1..=64).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
    };
    // `0` stands for a digit.
    let like = |form: &str, text: &str| {
        form.len() == text.len()
            && form.bytes().zip(text.bytes()).all(|(form, octet)| match form {
                b'0' => octet.is_ascii_digit(),
                form => form == octet,
            })
    };
    match pattern {
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$" => like("0000-00-00T00:00:00Z", text),
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$" => {
            like("0000-00-00", text) || like("0000-00-00T00:00:00Z", text)
        }
        "^CS-[0-9]{4}$" => text.strip_prefix("CS-").is_some_and(|number| like("0000", number)),
        "^[0-9a-f]{32}$" => text.len() == 32 && text.bytes().all(lower),
        "^[0-9a-f]{64}$" => text.len() == 64 && text.bytes().all(lower),
        "^([0-9a-f]{2})*$" => text.len().is_multiple_of(2) && text.bytes().all(lower),
        "^([0-9A-Fa-f]{2})+$" => {
            !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|octet| octet.is_ascii_hexdigit())
        }
        "^[0-7]{4}$" => text.len() == 4 && text.bytes().all(|octet| matches!(octet, b'0'..=b'7')),
        "^[0-9]+(\\.[0-9]+){0,2}$" => text.split('.').count() <= 3 && text.split('.').all(digits),
        "^[0-2](\\.[0-9]+)+$" => text
            .split_once('.')
            .is_some_and(|(first, rest)| matches!(first, "0" | "1" | "2") && rest.split('.').all(digits)),
        "^[0-9]+ *[A-Za-z]+( *[0-9]+ *[A-Za-z]+)*$" => {
            let marks = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b' ');
            let (first, last) = (text.bytes().next(), text.bytes().next_back());
            marks
                && first.is_some_and(|octet| octet.is_ascii_digit())
                && last.is_some_and(|octet| octet.is_ascii_alphabetic())
        }
        "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$" => identifier(text),
        "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,63})?$" => {
            text.split('/').count() <= 2 && text.split('/').all(identifier)
        }
        "^(policy|eku|subject|email|upn|dns|uri|certificate):.+$" => {
            text.split_once(':').is_some_and(|(kind, value)| {
                ["policy", "eku", "subject", "email", "upn", "dns", "uri", "certificate"].contains(&kind)
                    && !value.is_empty()
            })
        }
        other => panic!("the pattern {other} is not checked here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_refused() {
        let schema = Schema::parse(
            r##"{"type": "object", "required": ["a"], "additionalProperties": {"$ref": "#/$defs/word"},
                "propertyNames": {"maxLength": 2}, "maxProperties": 3,
                "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 9},
                    "b": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"enum": [1, "x"]}},
                    "c": {"oneOf": [{"type": "null"}, {"const": 5}, {"type": "integer"}]}},
                "$defs": {"word": {"type": "string", "pattern": "^([0-9a-f]{2})*$", "minLength": 2}}}"##,
        );
        for good in [json!({"a": 1}), json!({"a": 9, "b": [1, "x"], "c": null}), json!({"a": 2, "d": "beef"})] {
            assert_eq!(schema.validate(&good), Ok(()));
        }
        for bad in [
            json!([]),
            json!({}),
            json!({"a": 0}),
            json!({"a": 10}),
            json!({"a": u64::MAX}),
            json!({"a": "1"}),
            json!({"a": 1, "b": []}),
            json!({"a": 1, "b": [1, 1, 1]}),
            json!({"a": 1, "b": [2]}),
            json!({"a": 1, "c": 5}),
            json!({"a": 1, "c": true}),
            json!({"a": 1, "d": "Beef"}),
            json!({"a": 1, "d": ""}),
            json!({"a": 1, "ddd": "beef"}),
            json!({"a": 1, "d": "beef", "e": "beef", "f": "beef"}),
        ] {
            assert!(schema.validate(&bad).is_err(), "{bad}");
        }
    }
}
