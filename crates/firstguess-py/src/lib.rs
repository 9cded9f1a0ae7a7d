//! The Rust half of the Python package: arguments to a question, the library's answer to JSON or arrays.
//!
//! Nothing is computed here. The Python half (`python/firstguess`) is what people import; this module is its `_core`.
#![allow(clippy::needless_pass_by_value, reason = "arguments arrive from Python by value")]

mod answers;
mod data;
mod losses;
mod observer;
mod report;
mod specs;
mod sweep;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What was wrong with the input, as the command line says it.
fn refuse(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The compiled core of firstguess.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::answers::{answer, findings};
    #[pymodule_export]
    use super::losses::loss;
    #[pymodule_export]
    use super::observer::Observer;
    #[pymodule_export]
    use super::report::{Picture, Report, record_baseline};
    #[pymodule_export]
    use super::specs::{check_spec, draw_weights};
    #[pymodule_export]
    use super::sweep::{Sweep, SweepFolder, chunk_columns, sweep_columns};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
