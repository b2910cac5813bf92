//! What `--json` prints, held to docs/schema/verifier.schema.json.

use countersign_testkit::Schema;
use serde_json::Value;
use std::path::Path;

const FILE: &str = "docs/schema/verifier.schema.json";

/// Panics unless the value is what the command prints, or a failure.
pub(crate) fn check(command: &str, value: &Value) {
    let definition = if value.get("error").is_some() { "failure" } else { command };
    if let Err(fault) = schema().validate_definition(definition, value) {
        panic!("{command} prints what {FILE} does not have: {fault}\n{value:#}");
    }
}

fn schema() -> Schema {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FILE);
    Schema::parse(&std::fs::read_to_string(file).unwrap())
}

#[test]
fn the_schema_refuses_what_no_command_prints() {
    let schema = schema();
    let good = serde_json::json!({ "code": "CS-0001", "message": "", "remedy": "nothing" });
    assert_eq!(schema.validate_definition("reason", &good), Ok(()));
    for (member, value) in [("code", "CS-1"), ("remedy", "pray"), ("more", "x")] {
        let mut bad = good.clone();
        bad[member] = value.into();
        assert!(schema.validate_definition("reason", &bad).is_err(), "{bad}");
    }
    let mut bad = good.clone();
    bad.as_object_mut().unwrap().remove("message");
    assert!(schema.validate_definition("reason", &bad).is_err());
    bad["message"] = 1.into();
    assert!(schema.validate_definition("reason", &bad).is_err());
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
        assert!(schema.document()["$defs"][name].is_object(), "{name} in {FILE}");
    }
    assert_eq!(count, 17, "{help}");
}
