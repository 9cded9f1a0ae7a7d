//! As much of JSON Schema as the explorer's schema uses; what it does not know it refuses.

use serde_json::Value;

/// Why a value is none of this kind, if it is not.
pub(crate) fn faults(kind: &str, value: &Value) -> Option<String> {
    let root: Value = serde_json::from_str(firstguess_web::SCHEMA).expect("JSON");
    let schema = root["$defs"].get(kind).unwrap_or_else(|| panic!("no kind {kind}"));
    check(&root, schema, value, kind).err()
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (rule, wanted) in schema.as_object().expect("a schema is an object") {
        let fault = |why: &str| Err(format!("{at}: {why}: {value}"));
        match rule.as_str() {
            "$ref" => {
                let name = wanted.as_str().and_then(|path| path.strip_prefix("#/$defs/"));
                let target = &root["$defs"][name.expect("a local reference")];
                check(root, target, value, at)?;
            }
            "type" => {
                let names = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                if !names.iter().any(|name| is(value, name.as_str().expect("a name"))) {
                    return fault(&format!("not {wanted}"));
                }
            }
            "const" if value != wanted => return fault(&format!("not {wanted}")),
            "enum" if !wanted.as_array().expect("a list").contains(value) => {
                return fault(&format!("none of {wanted}"));
            }
            "const" | "enum" => {}
            "anyOf" => {
                let tries = wanted.as_array().expect("a list").iter();
                let faults: Vec<String> =
                    tries.map_while(|one| check(root, one, value, at).err()).collect();
                if faults.len() == wanted.as_array().map_or(0, Vec::len) {
                    return Err(faults.join("; "));
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, wanted, item, &format!("{at}[{i}]"))?;
                }
            }
            "required" => {
                for name in wanted.as_array().expect("a list") {
                    let name = name.as_str().expect("a name");
                    if value.is_object() && value.get(name).is_none() {
                        return fault(&format!("`{name}` is missing"));
                    }
                }
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = wanted.get(name) {
                        check(root, schema, field, &format!("{at}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = &schema["properties"];
                let extra = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .find(|(name, _)| known.get(name).is_none());
                if let Some((name, _)) = extra {
                    return fault(&format!("`{name}` is not in the schema"));
                }
            }
            // The one pattern: letters of cells.
            "pattern" => {
                assert_eq!(wanted, "^[oexpn?]+$");
                let letters = value.as_str().unwrap_or_default();
                if letters.is_empty() || !letters.chars().all(|letter| "oexpn?".contains(letter)) {
                    return fault("not letters of cells");
                }
            }
            other => panic!("the test does not know the rule {other}"),
        }
    }
    Ok(())
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no such type: {other}"),
    }
}

#[test]
fn a_wrong_value_is_seen() {
    let good = serde_json::json!({ "error": { "code": "busy", "message": "later" } });
    assert_eq!(faults("error", &good), None);
    for bad in [
        serde_json::json!({}),
        serde_json::json!({ "error": { "code": "odd", "message": "" } }),
        serde_json::json!({ "error": { "code": "busy", "message": 3 } }),
        serde_json::json!({ "error": { "code": "busy", "message": "", "extra": 1 } }),
    ] {
        assert!(faults("error", &bad).is_some(), "{bad}");
    }
}
