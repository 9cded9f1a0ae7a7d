//! The critical weight variances of a function.

use super::MapFields;
use crate::spec::Activation;
use crate::theory::critical::{
    CriticalPoint, HomogeneousCriticality, NeutralityPoint, edge_of_chaos, homogeneous_criticality,
    neutrality,
};
use crate::theory::{NoTheory, dual::Dual};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Where a function, at a bias variance, is critical.
#[derive(Debug, Clone)]
pub struct CriticalAnswer {
    /// The activation alone.
    pub activation: Activation,
    /// The activation with its pool.
    pub phi: Dual,
    /// `σ_b²`.
    pub bias_variance: f64,
    /// Every point of the edge of chaos.
    pub edge_of_chaos: Result<Vec<CriticalPoint>, NoTheory>,
    /// Where two inputs keep correlation ½.
    pub neutrality: Result<NeutralityPoint, NoTheory>,
    /// Where signals and gradients are critical at different weight variances.
    pub homogeneous: Option<HomogeneousCriticality>,
}

impl CriticalAnswer {
    /// Finds the points of `phi`, which is `activation` and perhaps a pool.
    pub fn new(activation: &Activation, phi: Dual, bias_variance: f64) -> Self {
        Self {
            activation: activation.clone(),
            bias_variance,
            edge_of_chaos: edge_of_chaos(&phi, bias_variance),
            neutrality: neutrality(&phi, bias_variance),
            homogeneous: homogeneous_criticality(&phi).filter(|both| both.eta != 1.0),
            phi,
        }
    }
}

impl Serialize for CriticalAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("activation", &self.activation)?;
        map.serialize_entry("pool", &self.phi.pooling().map(|pooling| pooling.to_string()))?;
        map.serialize_entry("bias_variance", &self.bias_variance)?;
        if let Some(both) = &self.homogeneous {
            map.finite("forward_weight_variance", both.forward_weight_variance)?;
            map.finite("gradient_weight_variance", both.gradient_weight_variance)?;
            map.finite("remaining_factor_per_layer", both.eta)?;
        }
        let points = self.edge_of_chaos.as_deref().unwrap_or_default();
        map.serialize_entry("edge_of_chaos", &points.iter().map(Point).collect::<Vec<_>>())?;
        if let Err(why) = &self.edge_of_chaos {
            map.serialize_entry("edge_of_chaos_reason", &why.reason)?;
        }
        map.maybe("neutrality", self.neutrality.as_ref().map(Neutral))?;
        map.end()
    }
}

struct Point<'a>(&'a CriticalPoint);

impl Serialize for Point<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("weight_variance", self.0.weight_variance)?;
        map.number("q_star", &self.0.q_star)?;
        map.finite("q_slope", self.0.q_slope)?;
        map.serialize_entry("stable", &self.0.stable)?;
        map.end()
    }
}

struct Neutral<'a>(&'a NeutralityPoint);

impl Serialize for Neutral<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("weight_variance", self.0.weight_variance)?;
        map.finite("q_star", self.0.q_star)?;
        map.end()
    }
}
