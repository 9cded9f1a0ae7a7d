//! A Gaussian pair: the activation, its weight law and what follows from the two.

use super::MapFields;
use crate::spec::gaussian_pair::{Branch, PairError, PairFamily, PairTable};
use crate::theory::NoTheory;
use crate::theory::gaussian_pair::{Criticality, LayerKurtosis, PairTheory, Validity};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What is known of one pair.
#[derive(Debug, Clone)]
pub struct PairAnswer {
    /// Tail exponent of its weights.
    pub theta: f64,
    /// Which of its two activations.
    pub branch: Branch,
    /// Units per layer, for the kurtosis.
    pub width: usize,
    /// What follows from it.
    pub theory: PairTheory,
    /// `σ_w²` and `σ_b²` that make it critical.
    pub critical: Result<(f64, f64), NoTheory>,
    /// The activation, tabulated.
    pub phi: Vec<PairPoint>,
    /// Excess kurtosis of each layer.
    pub kurtosis: Vec<LayerKurtosis>,
}

/// The activation at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairPoint {
    /// Where.
    pub x: f64,
    /// `φ(x)`.
    pub value: f64,
    /// `φ'(x)`.
    pub derivative: f64,
}

impl PairAnswer {
    /// Computes the pair, tabulated at `table` (by halves from -3 to 3 where that is empty).
    ///
    /// # Errors
    ///
    /// [`PairError`] for an exponent that has no pair, or sizes beyond the theory's.
    pub fn new(
        theta: f64,
        branch: Branch,
        table: &[f64],
        width: usize,
        depth: usize,
    ) -> Result<Self, PairError> {
        let pair = PairTable::new(PairFamily::Weibull { theta }, branch)?;
        let theory = PairTheory::new(&pair);
        let critical = match theory.critical {
            Criticality::Critical { weight_variance, bias_variance } => {
                Ok((weight_variance, bias_variance))
            }
            Criticality::Never { reason } => Err(NoTheory::new(reason)),
        };
        let halves = || (-6..=6).map(|i| f64::from(i) / 2.0).collect();
        let at: Vec<f64> = if table.is_empty() { halves() } else { table.to_vec() };
        let point = |x: f64| PairPoint { x, value: pair.value(x), derivative: pair.derivative(x) };
        let phi = at.into_iter().map(point).collect();
        // Criticality is what the pair is used for; without it, the pair itself.
        let weight_variance = critical.as_ref().map_or(1.0, |(weight, _)| *weight);
        let kurtosis = theory.kurtosis_by_depth(weight_variance, width, depth)?;
        Ok(Self { theta, branch, width, theory, critical, phi, kurtosis })
    }

    /// Name of the branch.
    pub const fn branch_name(&self) -> &'static str {
        match self.branch {
            Branch::Odd => "odd",
            Branch::Positive => "positive",
        }
    }
}

impl Serialize for PairAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("theta", self.theta)?;
        map.serialize_entry("branch", self.branch_name())?;
        map.serialize_entry("phi", &self.phi)?;
        map.finite("chi", self.theory.chi)?;
        map.finite("elasticity", self.theory.elasticity)?;
        map.finite("weight_second_moment", self.theory.weight_second_moment)?;
        let variances = self.critical.as_ref().map(|(weight_variance, bias_variance)| {
            serde_json::json!({ "weight_variance": weight_variance, "bias_variance": bias_variance })
        });
        map.maybe("critical", variances)?;
        map.serialize_entry("width", &self.width)?;
        map.serialize_entry("kurtosis", &self.kurtosis.iter().map(Layer).collect::<Vec<_>>())?;
        map.end()
    }
}

impl Serialize for PairPoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("x", self.x)?;
        map.finite("value", self.value)?;
        map.finite("derivative", self.derivative)?;
        map.end()
    }
}

struct Layer<'a>(&'a LayerKurtosis);

impl Serialize for Layer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("layer", &self.0.layer)?;
        map.finite("excess_kurtosis", self.0.excess_kurtosis)?;
        map.serialize_entry(
            "validity",
            match self.0.validity {
                Validity::Exact => "exact",
                Validity::LeadingOrder => "leading_order",
                Validity::Unreliable => "unreliable",
            },
        )?;
        map.end()
    }
}
