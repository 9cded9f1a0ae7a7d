//! Theory and measurement disagree.
//!
//! Theory speaks of infinitely wide networks and of inputs that all have the same correlation with each other. Real data
//! come in clusters, and real layers are narrow. Where the measured value leaves the prediction by more than four standard
//! errors and by more than width explains, trust the measurement.
//!
//! Where the correction to first order in 1/width is known (plain dense sequences), q is compared with the corrected mean,
//! and the logarithm of the gradient with the range between infinite and corrected width: a mean over several inputs lies
//! between the two.
//!
//! ## When
//!
//! Note, if q, γ or the gradient of some layer differs from its prediction by more than four standard errors and by more
//! than 10 % beyond what the finite width allows.
//!
//! ## What to do
//!
//! Nothing about the network; read the measured column. If the disagreement is large at the first layer, look at the data:
//! outliers, duplicates, features of very different scale.
//!
//! References: derived in docs/theory/mean-field.md.

use super::{Case, Evidence, Finding, Severity, short};
use crate::measure::{Estimate, LayerMeasurement};
use crate::theory::mean_field::Spread;
use crate::theory::predict::LayerPrediction;

/// Relative disagreement that is not worth a line.
const WORTH_SAYING: f64 = 0.1;

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let mut worst: Option<(f64, usize, &str, f64, Estimate)> = None;
    for (predicted, measured) in case.prediction.layers.iter().zip(&case.measurement.layers) {
        let Ok(infinite) = predicted.q() else { continue };
        let width = predicted.ln_q_variance.clone().unwrap_or(0.0).sqrt();
        let q = predicted.finite_width.as_ref().map_or(infinite, |at| at.q);
        if let Some(found) = gradient(predicted, measured)
            && worst.as_ref().is_none_or(|w| found.0 > w.0)
        {
            worst = Some(found);
        }
        let gamma = predicted.spread.as_ref().map_or(0.0, Spread::gamma);
        for (name, theory, value) in [("q", q, measured.q), ("γ", gamma, measured.gamma)] {
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
    let explanation = if case.prediction.layers.iter().any(|layer| layer.finite_width.is_ok()) {
        "Trust the measurement. The finite width is allowed for to first order; what is left comes from data whose pairs \
         of inputs are not what theory takes them for, or from a network too narrow for its depth."
    } else {
        "Trust the measurement. Theory takes the widths as infinite and all pairs of inputs as equally correlated; \
         structured data and narrow layers break that."
    };
    Some(Finding {
        id: "disagreement",
        severity: Severity::Note,
        title: format!(
            "theory and measurement disagree most on {name} of layer {index}: {} predicted, {} measured",
            short(theory),
            short(value.value)
        ),
        explanation: explanation.to_owned(),
        evidence: vec![Evidence::new(
            format!("{name} of layer {index}"),
            Some(theory),
            Some(value),
        )],
        remedy: None,
        references: &["bassi2026"],
    })
}

/// The squared gradient, by its logarithm: distance beyond what width explains, and what was compared.
fn gradient(
    predicted: &LayerPrediction,
    measured: &LayerMeasurement,
) -> Option<(f64, usize, &'static str, f64, Estimate)> {
    let at = predicted.finite_width.as_ref().ok()?;
    let infinite = predicted.ln_gradient.clone().ok()?;
    let found = measured.ln_cotangent_gradient;
    let error = found.std_error?;
    let (low, high) = (infinite.min(at.ln_gradient_mean), infinite.max(at.ln_gradient_mean));
    let outside = (low - found.value).max(found.value - high);
    // First order leaves a part of the variance unexplained.
    let allowed = WORTH_SAYING + 0.2 * at.ln_gradient_variance;
    (outside > 4.0 * error && outside > allowed).then_some((
        outside.exp_m1(),
        measured.index,
        "the logarithm of the squared gradient",
        if found.value < low { low } else { high },
        found,
    ))
}
