//! The questions that need no network: each takes what the command line takes and returns the JSON that it prints.

use firstguess::finding::{RULES, Rule, find};
use firstguess::report::answer::{
    CiteAnswer, CriticalAnswer, Envelope, ExplainAnswer, GuessAnswer, PairAnswer, PredictAnswer,
};
use firstguess::report::phase_diagram::fields;
use firstguess::spec::Activation;
use firstguess::spec::gaussian_pair::Branch;
use firstguess::spec::layer::PoolKind;
use firstguess::theory::dual::{Dual, MAX_POOL};
use firstguess::theory::mean_field::LayerVariance;
use firstguess::theory::phase_diagram::{Axis, PhaseDiagram};
use firstguess::theory::prejudice::{GuessLaw, MAX_CLASSES};
use pyo3::prelude::*;
use serde::Serialize;

use crate::refuse;

/// Deepest network of equal layers, as on the command line.
const MAX_DEPTH: usize = 1_000_000;

/// Most points along one side of a phase diagram, as on the command line.
const MAX_RESOLUTION: usize = 1024;

fn json<T: Serialize>(command: &str, seed: u64, answer: &T) -> PyResult<String> {
    serde_json::to_string(&Envelope::new(command, seed, answer)).map_err(refuse)
}

fn activation(text: &str) -> PyResult<Activation> {
    text.parse::<Activation>().map_err(|error| refuse(format!("{error}\n  {}", error.hint())))
}

fn bounded(name: &str, value: f64, low: f64, high: f64, domain: &str) -> PyResult<f64> {
    // NaN lies in no range.
    if (low..=high).contains(&value) {
        return Ok(value.abs());
    }
    Err(refuse(format!("invalid value '{value}' for '{name}': must be {domain}")))
}

fn variance(name: &str, value: f64) -> PyResult<f64> {
    bounded(name, value, 0.0, 1e6, "finite, at least 0 and at most 1e6")
}

fn correlation(name: &str, value: f64) -> PyResult<f64> {
    bounded(name, value, 0.0, 1.0, "from 0 to 1")
}

fn count(name: &str, value: i64, low: usize, high: usize) -> PyResult<usize> {
    let found = usize::try_from(value).ok().filter(|value| (low..=high).contains(value));
    found.ok_or_else(|| {
        refuse(format!("invalid value '{value}' for '{name}': must be a whole number from {low} to {high}"))
    })
}

fn dual(
    activation: &Activation,
    pool: Option<(String, i64)>,
    pool_correlation: Option<f64>,
) -> PyResult<Dual> {
    let Some((kind, size)) = pool else { return Ok(Dual::new(activation)) };
    let kind = match kind.as_str() {
        "max" => PoolKind::Max,
        "average" | "avg" | "mean" => PoolKind::Average,
        "min" => PoolKind::Min,
        _ => return Err(refuse("the kind is one of max, average and min")),
    };
    let size = count("pool", size, 1, MAX_POOL)?;
    let correlation = correlation("pool_correlation", pool_correlation.unwrap_or(0.0))?;
    Dual::pooled(activation.into(), kind, size, correlation).map_err(refuse)
}

/// `firstguess predict --activation ... --json`.
#[pyfunction]
#[pyo3(signature = (activation, weight_variance, bias_variance, depth, pool, pool_correlation, input_correlation, seed))]
#[expect(clippy::too_many_arguments, reason = "the command line's flags")]
pub(crate) fn predict(
    py: Python<'_>,
    activation: &str,
    weight_variance: f64,
    bias_variance: f64,
    depth: i64,
    pool: Option<(String, i64)>,
    pool_correlation: Option<f64>,
    input_correlation: f64,
    seed: u64,
) -> PyResult<String> {
    let activation = self::activation(activation)?;
    let layer = LayerVariance {
        weight: variance("weight_variance", weight_variance)?,
        bias: variance("bias_variance", bias_variance)?,
    };
    let depth = count("depth", depth, 1, MAX_DEPTH)?;
    let c = correlation("input_correlation", input_correlation)?;
    let phi = dual(&activation, pool, pool_correlation)?;
    py.detach(|| {
        let answer = PredictAnswer::equal_layers(&activation, phi, layer, depth, c);
        json("predict", seed, &answer)
    })
}

/// `firstguess critical --json`.
#[pyfunction]
#[pyo3(signature = (activation, bias_variance, pool, pool_correlation, seed))]
pub(crate) fn critical(
    py: Python<'_>,
    activation: &str,
    bias_variance: f64,
    pool: Option<(String, i64)>,
    pool_correlation: Option<f64>,
    seed: u64,
) -> PyResult<String> {
    let activation = self::activation(activation)?;
    let bias_variance = variance("bias_variance", bias_variance)?;
    let phi = dual(&activation, pool, pool_correlation)?;
    py.detach(|| json("critical", seed, &CriticalAnswer::new(&activation, phi, bias_variance)))
}

/// `firstguess guess --json`.
#[pyfunction]
#[pyo3(signature = (classes, gamma, correlation, seed))]
pub(crate) fn guess(
    py: Python<'_>,
    classes: i64,
    gamma: Option<f64>,
    correlation: Option<f64>,
    seed: u64,
) -> PyResult<String> {
    let classes = count("classes", classes, 2, MAX_CLASSES)?;
    let law = match (gamma, correlation) {
        (Some(gamma), None) => {
            let domain = "at least 0; `inf` is allowed";
            GuessLaw::new(classes, bounded("gamma", gamma, 0.0, f64::INFINITY, domain)?)
        }
        (None, Some(c)) => {
            GuessLaw::from_correlation(classes, self::correlation("correlation", c)?)
        }
        _ => return Err(refuse("give either `gamma` or `correlation`")),
    };
    let law = law.map_err(refuse)?;
    py.detach(|| json("guess", seed, &GuessAnswer::new(law).map_err(refuse)?))
}

/// `firstguess pair --json`.
#[pyfunction]
#[pyo3(signature = (theta, branch, table, width, depth, seed))]
pub(crate) fn pair(
    py: Python<'_>,
    theta: f64,
    branch: &str,
    table: Vec<f64>,
    width: i64,
    depth: i64,
    seed: u64,
) -> PyResult<String> {
    let branch = match branch {
        "odd" => Branch::Odd,
        "positive" => Branch::Positive,
        other => {
            return Err(refuse(format!("invalid value '{other}' for 'branch': odd or positive")));
        }
    };
    let width = count("width", width, 1, firstguess::spec::network::MAX_UNITS)?;
    let depth = count("depth", depth, 1, MAX_DEPTH)?;
    py.detach(|| {
        let answer = PairAnswer::new(theta, branch, &table, width, depth).map_err(refuse)?;
        json("pair", seed, &answer)
    })
}

/// `firstguess phase --json`.
#[pyfunction]
#[pyo3(signature = (activation, weight_variance, bias_variance, resolution, pool, pool_correlation))]
pub(crate) fn phase(
    py: Python<'_>,
    activation: &str,
    weight_variance: (f64, f64),
    bias_variance: (f64, f64),
    resolution: i64,
    pool: Option<(String, i64)>,
    pool_correlation: Option<f64>,
) -> PyResult<String> {
    let activation = self::activation(activation)?;
    let points = count("resolution", resolution, 2, MAX_RESOLUTION)?;
    let axis = |name: &str, (low, high): (f64, f64)| {
        let (low, high) = (variance(name, low)?, variance(name, high)?);
        if low < high {
            return Ok(Axis { low, high, points });
        }
        Err(refuse(format!("invalid value '{low}:{high}' for '{name}': the first end must be below the second")))
    };
    let (weight, bias) =
        (axis("weight_variance", weight_variance)?, axis("bias_variance", bias_variance)?);
    let phi = dual(&activation, pool, pool_correlation)?;
    py.detach(|| Ok(fields(&PhaseDiagram::new(&phi, weight, bias)).into_value().to_string()))
}

/// `firstguess explain --json`.
#[pyfunction]
#[pyo3(signature = (finding, seed))]
pub(crate) fn explain(finding: Option<&str>, seed: u64) -> PyResult<String> {
    let rules: Vec<&Rule> = match finding {
        Some(id) => vec![find(id).map_err(refuse)?],
        None => RULES.iter().collect(),
    };
    json("explain", seed, &ExplainAnswer::new(&rules))
}

/// `firstguess cite --json`.
#[pyfunction]
#[pyo3(signature = (key, seed))]
pub(crate) fn cite(key: Option<&str>, seed: u64) -> PyResult<String> {
    json("cite", seed, &CiteAnswer::new(key).map_err(refuse)?)
}

/// Names of the findings.
#[pyfunction]
pub(crate) fn findings() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.id).collect()
}
