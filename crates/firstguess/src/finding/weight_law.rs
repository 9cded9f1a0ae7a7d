//! The weights do not follow the law that their scheme draws from.
//!
//! Whatever their scale, the values have the shape of another law: uniform instead of normal, a mean that is not zero, entries that
//! are independent where the scheme draws orthogonal matrices, or the other way round.
//!
//! ## When
//!
//! Error, if the values of all tensors of one law, each brought to variance one, have a Kolmogorov-Smirnov distance above
//! `2.7/√n` and 0.02 from it (a chance of one in a million); if the mean of a tensor is more than seven standard errors and 5 % of its
//! standard deviation from zero; if the rows of a matrix that should be orthogonal are not, or those of one that should not be
//! are.
//!
//! ## What to do
//!
//! Compare the initialiser that ran with the scheme in the model. The scale alone decides about signals and gradients of wide
//! networks: another law with the right scale is a fault of the book-keeping, not of the network.
//!
//! References: `saxe2014`.

use super::audited::{evidence, exact, which};
use super::{Evidence, Finding, Severity};
use crate::audit::{Audit, Pool, Role, TensorAudit};
use crate::measure::Estimate;
use crate::spec::weights::WeightFamily;

/// `√n` times the distance that chance reaches once in a million.
const CRITICAL: f64 = 2.7;

/// Distance that is no other law: rounding to half precision.
const NEGLIGIBLE: f64 = 0.02;

/// Standard errors of a mean, and share of the standard deviation, from which it is not zero.
const MEAN: (f64, f64) = (7.0, 0.05);

/// Coherence below which rows are orthogonal, and above which they are not.
const ORTHOGONAL: (f64, f64) = (0.2, 0.5);

/// Laws that are told apart by name.
const KNOWN: [WeightFamily; 5] = [
    WeightFamily::Normal,
    WeightFamily::Uniform,
    WeightFamily::TruncatedNormal,
    WeightFamily::Laplace,
    WeightFamily::Rademacher,
];

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let mut parts = Vec::new();
    let mut numbers = Vec::new();
    for pool in audit.pooled.iter().filter(|pool| pool.family.is_independent()) {
        if let Some((closest, distance)) = other_law(pool) {
            parts.push(format!("the weights are not {} but closer to {closest}", pool.family));
            let error = 0.5 / (pool.values.len() as f64).sqrt();
            let estimate = Estimate::new(distance, Some(error), pool.values.len() as u64);
            let quantity = format!("Kolmogorov-Smirnov distance from {}", pool.family);
            numbers.push(Evidence::new(quantity, Some(0.0), Some(estimate)));
        }
    }
    let shifted: Vec<&TensorAudit> = audit.weights().filter(|tensor| is_shifted(tensor)).collect();
    if !shifted.is_empty() {
        parts.push(format!("the mean of {} is not zero", which(&shifted, audit.weights().count())));
        numbers.extend(evidence(&shifted, "mean over root mean square", |tensor| {
            let s = &tensor.statistics;
            let n = (s.count as f64).sqrt();
            (Some(0.0), Estimate::new(s.mean / s.root_mean_square, Some(n.recip()), s.count as u64))
        }));
    }
    for (wanted, text) in [
        (true, "should be orthogonal and are not"),
        (false, "are orthogonal, which their law is not"),
    ] {
        let odd: Vec<&TensorAudit> =
            audit.weights().filter(|tensor| wrong_angles(tensor, wanted)).collect();
        if !odd.is_empty() {
            parts.push(format!("the rows of {} {text}", which(&odd, audit.weights().count())));
            numbers.extend(evidence(&odd, "coherence of the rows", |tensor| {
                let law = if wanted { 0.0 } else { 1.0 };
                (Some(law), exact(tensor.statistics.coherence.unwrap_or(f64::NAN)))
            }));
        }
    }
    if parts.is_empty() {
        return None;
    }
    Some(Finding {
        id: "weight-law",
        severity: Severity::Error,
        title: parts.join("; "),
        explanation:
            "Whatever their scale, these values were drawn from another law than the scheme's."
                .to_owned(),
        evidence: numbers,
        remedy: Some("compare the initialiser that ran with the scheme".to_owned()),
        references: &["saxe2014"],
    })
}

/// The law that the values are closer to, where they do not follow their own.
fn other_law(pool: &Pool) -> Option<(WeightFamily, f64)> {
    // A law of single points has no continuous distribution function to compare with.
    pool.family.density(0.5)?;
    let own = pool.distance(pool.family);
    let limit = (CRITICAL / (pool.values.len() as f64).sqrt()).max(NEGLIGIBLE);
    if own.is_nan() || own <= limit {
        return None;
    }
    let distance = |family: &WeightFamily| pool.distance(*family);
    let others = KNOWN.iter().filter(|family| **family != pool.family);
    let closest = others.min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    Some((*closest, own))
}

fn is_shifted(tensor: &TensorAudit) -> bool {
    let s = &tensor.statistics;
    let independent = tensor.expected.as_ref().is_none_or(|e| e.family.is_independent());
    let share = s.mean.abs() / s.root_mean_square;
    independent
        && !s.constant
        && s.is_finite()
        && share > MEAN.1
        && share * (s.count as f64).sqrt() > MEAN.0
}

fn wrong_angles(tensor: &TensorAudit, wanted: bool) -> bool {
    let (Some(expected), Some(coherence)) = (&tensor.expected, tensor.statistics.coherence) else {
        return false;
    };
    // The middle tap of a kernel that widens has more rows than can be orthogonal.
    let widens = expected.family == WeightFamily::DeltaOrthogonal
        && tensor.statistics.rows * expected.taps > expected.fan_in;
    if expected.role != Role::Weight || widens {
        return false;
    }
    match (wanted, expected.family) {
        (true, WeightFamily::Orthogonal | WeightFamily::DeltaOrthogonal) => {
            coherence > ORTHOGONAL.1
        }
        (false, family) => family.is_independent() && coherence < ORTHOGONAL.0,
        _ => false,
    }
}
