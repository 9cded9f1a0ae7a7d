//! Tensors that share their random numbers.

use super::{Role, TensorAudit};
use crate::net::NamedTensor;
use serde::Serialize;

/// Two tensors with the same random numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Duplicate {
    /// Name of the first.
    pub first: String,
    /// Name of the second.
    pub second: String,
    /// Whether they are equal bit by bit, in shape and values.
    pub identical: bool,
    /// Correlation of their leading values.
    pub correlation: f64,
}

/// Leading values that are compared.
const LEADING: usize = 512;

/// Fewer say nothing.
const LEAST: usize = 24;

/// Correlation from which random numbers are shared: nine standard errors at the fewest values is above one, so that small
/// tensors must agree exactly.
const SHARED: f64 = 0.9;

/// Tensors beyond which not each is compared with each.
const EACH_WITH_EACH: usize = 3000;

pub(super) fn find(tensors: &[NamedTensor], audited: &[TensorAudit]) -> Vec<Duplicate> {
    let random: Vec<usize> = (0..tensors.len())
        .filter(|at| {
            let found = &audited[*at];
            let random = matches!(found.role, Role::Weight | Role::Embedding | Role::Bias);
            // Whole rows that repeat are a finding of their own.
            let s = &found.statistics;
            random && !s.constant && s.is_finite() && s.count >= LEAST && s.zeros * 2 < s.count
        })
        .collect();
    let heads: Vec<Vec<f64>> = random.iter().map(|at| head(&tensors[*at].values)).collect();
    let reach = if random.len() > EACH_WITH_EACH { 16 } else { usize::MAX };
    let mut found = Vec::new();
    for a in 0..random.len() {
        // One partner is enough: a third copy is a copy of the first.
        let partner = (a.saturating_sub(reach)..a).find_map(|b| {
            let correlation = correlation(&heads[a], &heads[b]);
            (correlation >= SHARED).then_some((b, correlation))
        });
        if let Some((b, correlation)) = partner {
            let (first, second) = (&tensors[random[b]], &tensors[random[a]]);
            found.push(Duplicate {
                first: first.name.clone(),
                second: second.name.clone(),
                identical: first.shape == second.shape && first.values == second.values,
                correlation,
            });
        }
    }
    found
}

/// The leading values.
fn head(values: &[f32]) -> Vec<f64> {
    values.iter().take(LEADING).map(|x| f64::from(*x)).collect()
}

/// Of as many values as both have.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { dot(a, b) / norm } else { 0.0 }
}
