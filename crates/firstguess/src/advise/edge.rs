//! The critical variances of a network at the smallest bias variance that is of use.

use super::candidate::{obstacle, only_activation};
use super::layers;
use super::objective::{Objective, Rank};
use crate::check::{concrete_init, layer_inits};
use crate::spec::Spec;
use crate::spec::dataset::Dataset;
use crate::spec::layer::OwnVariances;
use crate::spec::network::Network;
use crate::spec::scheme::InitScheme;
use crate::theory::critical::{CriticalPoint, edge_of_chaos};
use crate::theory::dual::Dual;
use crate::theory::predict::{InputStatistics, network_critical, predict};

/// Bias variances that are tried, from the least prejudiced on.
const BIAS_VARIANCES: [f64; 10] = [0.0, 1e-4, 1e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3];

/// The point at which weights are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edge {
    pub(super) weight_variance: f64,
    pub(super) bias_variance: f64,
    /// The variance at rest, where there is one to aim at.
    pub(super) q_star: Option<f64>,
    /// Whether that one repels: networks of finite width leave it.
    pub(super) repels: bool,
}

impl Edge {
    /// The first of the bias variances whose network is trainable by theory, at its own depth, width and inputs; where none is,
    /// the best of them.
    pub(super) fn find(spec: &Spec, network: &Network, data: &Dataset) -> Result<Self, String> {
        if network.residual_blocks > 0 {
            return Err(
                "a residual stream has no edge of chaos: every block multiplies gradients by 1 + χ"
                    .to_owned(),
            );
        }
        let input = InputStatistics::of(data);
        if obstacle(network).is_some() || only_activation(network).is_err() {
            return Self::of_whole_network(network, input);
        }
        let dual = Dual::new(&only_activation(network)?);
        let mut best: Option<(Rank, Self)> = None;
        let mut reason = String::new();
        for bias_variance in BIAS_VARIANCES {
            let points = match edge_of_chaos(&dual, bias_variance) {
                Ok(points) => points,
                Err(why) => {
                    if reason.is_empty() {
                        reason = why.reason;
                    }
                    continue;
                }
            };
            for point in points {
                let edge = Self::at(&point, bias_variance, dual.homogeneous().is_some());
                let Some(objective) = edge.predicted(spec, data, input) else { continue };
                // Prejudice rises with the bias variance: the order of the list.
                let rank =
                    Rank::from([objective.rank()[0], objective.rank()[1], objective.rank()[2], 0]);
                if best.as_ref().is_none_or(|(found, _)| rank < *found) {
                    best = Some((rank, edge));
                }
            }
            if best.as_ref().is_some_and(|(rank, _)| *rank == [0; 4]) {
                break;
            }
        }
        best.map(|(_, edge)| edge).ok_or(reason)
    }

    fn at(point: &CriticalPoint, bias_variance: f64, homogeneous: bool) -> Self {
        let q_star = point.q_star.clone().ok().filter(|q| *q > bias_variance && !homogeneous);
        let repels = q_star.is_some() && !point.stable;
        Self { weight_variance: point.weight_variance, bias_variance, q_star, repels }
    }

    /// Not critical: signals keep this variance.
    pub(super) fn keeping(weight_variance: f64, variance: f64) -> Self {
        Self { weight_variance, bias_variance: 0.0, q_star: Some(variance), repels: false }
    }

    fn predicted(&self, spec: &Spec, data: &Dataset, input: InputStatistics) -> Option<Objective> {
        let spec = self.spec(spec, data);
        let network = spec.network.resolve(&data.shape()).ok()?;
        let init = concrete_init(&spec.init, &network).ok()?;
        let inits = layer_inits(&init, &network).ok()?;
        Some(Objective::at_width(&network, &predict(&network, &inits, input, data.classes())))
    }

    /// Where the gradient comes through the whole network unchanged: pools, norms and several activations included.
    fn of_whole_network(network: &Network, input: InputStatistics) -> Result<Self, String> {
        let init = InitScheme::explicit(1.0, 0.0);
        let inits = layer_inits(&init, network).map_err(|error| error.to_string())?;
        let found = network_critical(network, &inits, input, 0.0).gradient;
        let found = found.map_err(|why| why.reason)?;
        let weight_variance = found
            .into_iter()
            .min_by(|a, b| a.ln().abs().total_cmp(&b.ln().abs()))
            .ok_or("no weight variance is critical")?;
        Ok(Self { weight_variance, bias_variance: 0.0, q_star: None, repels: false })
    }

    /// The question with these variances.
    ///
    /// Where the variance has a place to rest, the first layer takes it there at once: `σ_w² E x² + σ_b² = q*`.
    pub(super) fn spec(&self, asked: &Spec, data: &Dataset) -> Spec {
        let mut spec = asked.clone();
        spec.init = InitScheme::explicit(self.weight_variance, self.bias_variance);
        layers::strip(&mut spec.network.layers);
        let inputs = data.second_moment();
        if let Some(q) = self.q_star.filter(|_| inputs > 0.0) {
            let own = OwnVariances {
                weight_variance: Some(((q - self.bias_variance) / inputs).min(1e6)),
                bias_variance: None,
            };
            layers::set_first(&mut spec.network.layers, own);
        }
        spec
    }
}
