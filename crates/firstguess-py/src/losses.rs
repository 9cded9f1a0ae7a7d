//! Losses by their names in specs: what the modules of `firstguess.torch` are compared with.

use firstguess::spec::Loss;
use firstguess::spec::loss::Row;
use pyo3::prelude::*;

use crate::refuse;

/// Value and gradient of a loss at one row of logits.
#[pyfunction]
#[pyo3(signature = (loss, logits, label))]
pub(crate) fn loss(loss: &str, logits: Vec<f64>, label: usize) -> PyResult<(f64, Vec<f64>)> {
    let loss: Loss = loss.parse().map_err(refuse)?;
    if label >= logits.len() {
        return Err(refuse(format!("label {label} of {} classes", logits.len())));
    }
    let mut gradient = vec![0.0; logits.len()];
    let value = loss.evaluate(&Row::new(logits), label, &mut gradient);
    Ok((value, gradient))
}
