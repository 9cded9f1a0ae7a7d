//! Theory and measurement disagree.
//!
//! Theory speaks of infinitely wide networks and of inputs that all have the same correlation with each other. Real data
//! come in clusters, and real layers are narrow. Where the measured value leaves the prediction by more than four standard
//! errors and by more than width explains, trust the measurement.
//!
//! ## When
//!
//! Note, if q or γ of some layer differs from its prediction by more than four standard errors and by more than 10 %
//! beyond what the finite width allows.
//!
//! ## What to do
//!
//! Nothing about the network; read the measured column. If the disagreement is large at the first layer, look at the data:
//! outliers, duplicates, features of very different scale.
//!
//! References: derived in docs/theory/mean-field.md.

use super::{Case, Evidence, Finding, Severity, short};

/// Relative disagreement that is not worth a line.
const WORTH_SAYING: f64 = 0.1;

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let mut worst: Option<(f64, usize, &str, f64, crate::measure::Estimate)> = None;
    for (predicted, measured) in case.prediction.layers.iter().zip(&case.measurement.layers) {
        let Ok(spread) = &predicted.spread else { continue };
        let width = predicted.ln_q_variance.clone().unwrap_or(0.0).sqrt();
        for (name, theory, value) in
            [("q", spread.q(), measured.q), ("γ", spread.gamma(), measured.gamma)]
        {
            let (Some(z), true) = (value.z_score(theory), theory > 1e-6) else { continue };
            let relative = (value.value / theory - 1.0).abs();
            // The mean of few draws may miss the rare networks that carry it: their spread is part of the error.
            let allowed = WORTH_SAYING + 3.0 * width / (case.measurement.draws as f64).sqrt();
            if z.abs() > 4.0 && relative > allowed && worst.as_ref().is_none_or(|w| relative > w.0)
            {
                worst = Some((relative, measured.index, name, theory, value));
            }
        }
    }
    let (_, index, name, theory, value) = worst?;
    Some(Finding {
        id: "disagreement",
        severity: Severity::Note,
        title: format!(
            "theory and measurement disagree most on {name} of layer {index}: {} predicted, {} measured",
            short(theory),
            short(value.value)
        ),
        explanation: "Trust the measurement. Theory takes the widths as infinite and all pairs of inputs as equally \
                      correlated; structured data and narrow layers break that."
            .to_owned(),
        evidence: vec![Evidence::new(format!("{name} of layer {index}"), Some(theory), Some(value))],
        remedy: None,
        references: &["bassi2026"],
    })
}
