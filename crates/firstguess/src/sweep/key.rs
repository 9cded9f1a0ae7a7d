//! The content key of a point: a hash of everything that its answer depends on.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::NUMERICAL_VERSION;
use super::axis::number;

/// JSON in one form only: keys sorted, no blanks, `2.0` as `2`, `-0` as `0`.
///
/// # Examples
///
/// ```
/// use firstguess::sweep::canonical;
/// let value = serde_json::json!({ "b": [2.0, -0.0], "a": 0.1 });
/// assert_eq!(canonical(&value), r#"{"a":0.1,"b":[2,0]}"#);
/// ```
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    // Writing to a string cannot fail.
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (position, (key, value)) in entries.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Number(found) if found.is_f64() => {
            let _ = write!(text, "{}", found.as_f64().map_or(Value::Null, number));
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}

/// 32 hexadecimal digits of SHA-256 over the canonical question and what it is asked of.
pub(super) fn key(question: &Value, data: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("firstguess point\nnumerical version {NUMERICAL_VERSION}\n{data}\n"));
    hash.update(canonical(question));
    let digest = hash.finalize();
    digest.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
