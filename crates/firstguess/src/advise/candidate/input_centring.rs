//! Inputs whose every feature is centred: an offset of the inputs favours a class before any layer has acted.

use super::{Case, Proposal};
use crate::spec::dataset::Standardize;

/// Drift ratio of the inputs below which there is nothing to centre.
const CENTRED: f64 = 0.01;

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let gamma = case.input().gamma();
    if gamma.is_nan() || gamma < CENTRED {
        return Err("the inputs are centred".to_owned());
    }
    let data = case.data.standardize(Standardize::Feature).map_err(|error| error.to_string())?;
    let mut spec = case.spec.clone();
    (spec.data.standardize, spec.data.shift) = (Standardize::Feature, 0.0);
    let proposal = Proposal::new(
        "the same, inputs standardized feature by feature",
        format!("the offset of the inputs alone gives γ = {gamma:.3} (francazi2024)"),
        spec,
    );
    Ok(Proposal { data: Some(data), ..proposal })
}
