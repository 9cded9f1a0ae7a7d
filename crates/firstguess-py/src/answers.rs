//! Questions that need no array: asked as on the command line, and answered by it.

use firstguess::finding::RULES;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What `firstguess ARGUMENTS --json` prints; `ValueError` with what it says of wrong ones.
#[pyfunction]
#[pyo3(signature = (arguments))]
pub(crate) fn answer(py: Python<'_>, arguments: Vec<String>) -> PyResult<String> {
    py.detach(|| firstguess_cli::answer(&arguments)).map_err(PyValueError::new_err)
}

/// Names of the findings.
#[pyfunction]
pub(crate) fn findings() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.id).collect()
}
