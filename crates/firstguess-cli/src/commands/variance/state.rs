//! The pilots done so far, in a file, so that a search that was cut off goes on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use firstguess::train::variance_search::{GainPoint, VarianceSearch};
use firstguess_io::write_atomically;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Format of the file.
const VERSION: u32 = 1;

/// Before the bits of a number.
const BITS: &str = "f64:";

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// Everything that the pilots depend on.
    question: String,
    points: Vec<GainPoint>,
}

/// Pilots of one question.
pub(super) struct State {
    path: Option<PathBuf>,
    stored: Stored,
}

impl State {
    /// Reads the file if there is one. One of another question is refused, not overwritten.
    pub(super) fn open(path: Option<&Path>, search: &VarianceSearch<'_>) -> anyhow::Result<Self> {
        let question = question(search);
        let fresh = Stored { version: VERSION, question, points: Vec::new() };
        let Some(path) = path else { return Ok(Self { path: None, stored: fresh }) };
        let stored = match fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh,
            read => {
                let shown = path.display();
                let text = read.with_context(|| format!("`{shown}` could not be read"))?;
                let old: Stored = serde_json::from_str(&text)
                    .and_then(|value| serde_json::from_value(from_bits(value)))
                    .with_context(|| format!("`{shown}` has no pilots of a search"))?;
                if old.version != VERSION || old.question != fresh.question {
                    bail!(
                        "`{shown}` has the pilots of another search; give another file, or delete it"
                    );
                }
                old
            }
        };
        Ok(Self { path: Some(path.to_owned()), stored })
    }

    pub(super) fn points(&self) -> &[GainPoint] {
        &self.stored.points
    }

    /// One more.
    pub(super) fn keep(&mut self, point: &GainPoint) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        self.stored.points.push(point.clone());
        let text = to_bits(serde_json::to_value(&self.stored)?).to_string();
        write_atomically(path, text.as_bytes()).with_context(|| "the pilots were not kept")
    }
}

/// Every number that is no integer as the bits of its double, so that a search that goes on gives the same bytes: the parser of
/// decimals may be off in the last bit.
fn to_bits(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or(Value::Null, |x| format!("{BITS}{:016x}", x.to_bits()).into())
        }
        other => inside(other, to_bits),
    }
}

/// The way back.
fn from_bits(value: Value) -> Value {
    match &value {
        Value::String(text) => {
            let bits = text.strip_prefix(BITS).and_then(|hex| u64::from_str_radix(hex, 16).ok());
            bits.map_or(value, |bits| f64::from_bits(bits).into())
        }
        _ => inside(value, from_bits),
    }
}

fn inside(value: Value, f: fn(Value) -> Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(f).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, f(value))).collect(),
        other => other,
    }
}

/// What fixes a pilot beside its gain; the data by a checksum of their bits.
fn question(search: &VarianceSearch<'_>) -> String {
    let labels = search.data.labels().unwrap_or_default();
    let values = search.data.inputs().iter().map(|x| x.to_bits());
    let sum = values.chain(labels.iter().copied()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, word| {
        (hash ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!(
        "{:?} {:?} {:?} {:?} batch {} steps {} shorten {} seed {} seeds {} biases {} {} data {} {sum:016x}",
        search.network.nodes,
        search.base,
        search.loss,
        search.optimizer,
        search.batch,
        search.steps,
        search.shorten,
        search.seed.0,
        search.seeds,
        search.train_biases,
        search.include_biases,
        search.data.name()
    )
}
