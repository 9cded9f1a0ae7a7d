//! Reports and baselines.

use firstguess::finding::{Baseline, Selection, Severity};
use firstguess::report::Style;
use firstguess::report::picture::{Picture as Drawn, Theme};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::refuse;

/// A finished report.
#[pyclass(frozen, module = "firstguess._core")]
pub(crate) struct Report {
    pub(crate) report: firstguess::Report,
}

#[pymethods]
impl Report {
    /// Title.
    #[getter]
    fn name(&self) -> &str {
        &self.report.name
    }

    /// One sentence for someone who reads nothing else.
    #[getter]
    fn headline(&self) -> String {
        self.report.headline()
    }

    /// The gravest severity among the findings that count.
    #[getter]
    fn worst(&self) -> Option<&'static str> {
        self.report.worst().map(name)
    }

    /// The report as one JSON object.
    fn to_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.report.to_json().to_string())
    }

    /// The report as text for a terminal.
    #[pyo3(signature = (width, color, unicode))]
    fn to_text(&self, width: usize, color: bool, unicode: bool) -> String {
        self.report.to_terminal(Style { width, color, unicode })
    }

    /// The findings as one SARIF log; `location` is the file that describes the network.
    #[pyo3(signature = (location))]
    fn to_sarif(&self, location: &str) -> String {
        format!("{:#}\n", self.report.to_sarif(location))
    }

    /// The report as one self-contained HTML page.
    fn to_html(&self, py: Python<'_>) -> String {
        py.detach(|| self.report.to_html())
    }

    /// Its pictures.
    fn pictures(&self, py: Python<'_>) -> Vec<Picture> {
        let drawn = py.detach(|| self.report.pictures());
        drawn.into_iter().map(|picture| Picture { picture }).collect()
    }

    /// The report with the findings that count: those selected, not ignored, and not in the baseline.
    #[pyo3(signature = (select, ignore, baseline))]
    fn narrow(
        &self,
        select: Vec<String>,
        ignore: Vec<String>,
        baseline: Option<&str>,
    ) -> PyResult<Self> {
        let selection = Selection::new(&select, &ignore).map_err(refuse)?;
        let baseline = baseline.map(Baseline::from_json).transpose().map_err(refuse)?;
        let mut report = self.report.clone();
        report.narrow(&selection, baseline.as_ref());
        Ok(Self { report })
    }
}

/// One picture, drawn without any library of Python's.
#[pyclass(frozen, module = "firstguess._core")]
pub(crate) struct Picture {
    picture: Drawn,
}

#[pymethods]
impl Picture {
    /// Its name among the pictures of a report.
    #[getter]
    fn name(&self) -> &'static str {
        self.picture.name()
    }

    /// What it shows, in one line.
    #[getter]
    fn title(&self) -> &str {
        self.picture.title()
    }

    /// How to read it.
    #[getter]
    fn description(&self) -> &str {
        self.picture.description()
    }

    /// The text of an SVG file.
    fn to_svg(&self) -> String {
        self.picture.to_svg()
    }

    /// The bytes of a PNG file of `720 * scale` pixels across.
    #[pyo3(signature = (dark, scale))]
    fn to_png<'py>(&self, py: Python<'py>, dark: bool, scale: f64) -> Bound<'py, PyBytes> {
        let theme = if dark { Theme::Dark } else { Theme::Light };
        PyBytes::new(py, &py.detach(|| self.picture.to_png(theme, scale)))
    }
}

const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// The text of a baseline file with the findings of this report in it.
#[pyfunction]
#[pyo3(signature = (baseline, report))]
pub(crate) fn record_baseline(baseline: Option<&str>, report: &Report) -> PyResult<String> {
    let baseline = baseline.map(Baseline::from_json).transpose().map_err(refuse)?;
    let mut baseline = baseline.unwrap_or_default();
    baseline.record(&report.report.name, &report.report.findings);
    Ok(baseline.to_json())
}
