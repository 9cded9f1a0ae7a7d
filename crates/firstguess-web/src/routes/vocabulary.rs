//! What the form offers: activations, pools, data sets, limits.

use firstguess::spec::activation::{Domain, Entry, Parameter, VOCABULARY};
use firstguess_io::{EMBEDDED, data_folder, known_sources};
use serde_json::{Value, json};

use crate::{SCHEMA_VERSION, limits};

pub(super) fn text() -> String {
    let folder = data_folder().ok();
    let fetched = known_sources().into_iter().filter(|source| {
        folder.as_ref().is_some_and(|folder| source.is_in(&folder.join(&source.name)))
    });
    let fetched = fetched.map(|source| source.name);
    let sets: Vec<String> = EMBEDDED.into_iter().map(str::to_owned).chain(fetched).collect();
    json!({
        "schema_version": SCHEMA_VERSION,
        "command": "vocabulary",
        "activations": VOCABULARY.iter().map(entry).collect::<Vec<_>>(),
        "pools": ["max", "average", "min"],
        "data": sets,
        "limits": limits::listed(),
    })
    .to_string()
}

fn entry(entry: &Entry) -> Value {
    let call = if entry.parameters.iter().all(|parameter| parameter.default.is_some()) {
        entry.name.to_owned()
    } else {
        let values: Vec<String> =
            entry.parameters.iter().map(|parameter| typical(parameter).to_string()).collect();
        format!("{}({})", entry.name, values.join(","))
    };
    let parameters = entry.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "default": parameter.default,
            "domain": domain(parameter.domain),
        })
    });
    json!({
        "name": entry.name,
        "call": call,
        "formula": entry.formula,
        "pytorch": entry.pytorch,
        "parameters": parameters.collect::<Vec<_>>(),
    })
}

/// A value to start from, where the vocabulary has no default.
fn typical(parameter: &Parameter) -> f64 {
    parameter.default.unwrap_or(match parameter.domain {
        Domain::UnitInterval => 0.5,
        _ => 3.0,
    })
}

fn domain(domain: Domain) -> &'static str {
    match domain {
        Domain::Positive => "above 0",
        Domain::PositiveOrInfinite => "above 0, or inf",
        Domain::UnitInterval => "above 0, at most 1",
        _ => "finite",
    }
}
