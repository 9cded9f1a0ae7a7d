//! What theory says of one network, layer by layer and at its end.

use super::dual::{Dual, Pointwise};
use super::mean_field::{self, LayerVariance, Spread, Step};
use super::phase::{Asymptotics, asymptotics};
use super::prejudice::GuessLaw;
use super::{NoTheory, Predicted};
use crate::spec::activation::Activation;
use crate::spec::dataset::Dataset;
use crate::spec::network::{Network, Op};
use crate::spec::scheme::LayerInit;

/// What theory needs to know of the inputs: how they spread around their mean, and where the mean is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputStatistics {
    /// `tr(S)/N₀`, `S` the unbiased covariance: the mean variance of a feature.
    pub variance: f64,
    /// `|x̄|²/N₀`, unbiased: the mean square of the features' means.
    pub offset_square: f64,
}

impl InputStatistics {
    /// Independent features of unit variance, centred.
    pub const WHITE: Self = Self { variance: 1.0, offset_square: 0.0 };

    /// The statistics of a data set, as a sample of the data that the network will see.
    pub fn of(data: &Dataset) -> Self {
        let (n, features) = (data.examples() as f64, data.features() as f64);
        let mean_square = data.mean_input().iter().map(|mean| mean * mean).sum::<f64>() / features;
        let second_moment = data.second_moment();
        let biased_variance = (second_moment - mean_square).max(0.0);
        let unbiased = if n > 1.0 { biased_variance * n / (n - 1.0) } else { biased_variance };
        let offset_square = (mean_square - unbiased / n).max(0.0);
        // Unbiased, the two add up to the mean square of an input. They still must where a negative offset was cut off: the
        // mean square is what the first layer's q shows.
        Self { variance: (second_moment - offset_square).max(0.0), offset_square }
    }

    /// `γ` of the inputs themselves, and of the first pre-activations where there are no biases.
    pub fn gamma(&self) -> f64 {
        self.offset_square / self.variance
    }
}

/// The prediction for one layer with weights.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPrediction {
    /// Position among the layers with weights, from 1.
    pub index: usize,
    /// `dense` or `conv`.
    pub kind: String,
    /// Output units (channels of a convolution).
    pub units: usize,
    /// `σ_w²`.
    pub weight_variance: f64,
    /// `σ_b²`.
    pub bias_variance: f64,
    /// The pre-activations, or why there is no theory for them.
    pub spread: Result<Spread, NoTheory>,
    /// `χ` from this layer to the next: the factor by which gradients change on the way back.
    pub chi: Predicted,
    /// `ln` of the gradient's second moment here, relative to the logits: the sum of `ln χ` from here on.
    pub ln_gradient: Predicted,
    /// Variance of `ln q` over networks, from the finite widths before this layer.
    pub ln_q_variance: Predicted,
}

/// The most frequent hidden transition: what the network would be if it went on for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Bulk {
    /// The elementwise function between two layers with weights.
    pub function: Pointwise,
    /// Variances of the layer after it.
    pub layer: LayerVariance,
    /// How many of the network's transitions are this one.
    pub count: usize,
    /// Its limit of infinite depth.
    pub limit: Asymptotics,
}

/// The bias of the untrained classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct PrejudicePrediction {
    /// `γ` of the logits.
    pub gamma: f64,
    /// Mean share of the class that gets most inputs.
    pub largest_share: f64,
    /// Probability that two inputs get the same class.
    pub agreement: f64,
    /// The largest share at `γ = 1`, where guesses begin to favour a class: the line between neutral and biased.
    pub neutral_share: f64,
}

/// What theory says of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The inputs it was made for.
    pub input: InputStatistics,
    /// Every layer with weights.
    pub layers: Vec<LayerPrediction>,
    /// The infinitely deep network of the same kind.
    pub bulk: Result<Bulk, NoTheory>,
    /// The first guess.
    pub prejudice: Result<PrejudicePrediction, NoTheory>,
    /// Mean cross-entropy at initialization.
    pub loss: Predicted,
}

impl Prediction {
    /// `ln` of the gradient's second moment at the first layer relative to the logits.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where a layer on the way has none.
    pub fn ln_gradient(&self) -> Predicted {
        self.layers.first().map_or_else(
            || Err(NoTheory::new("no layer has weights")),
            |layer| layer.ln_gradient.clone(),
        )
    }
}

/// Predicts every layer of `network`, drawn as `inits` say (one per layer with weights, in order), on such inputs.
///
/// Valid as widths go to infinity, for inputs whose pairs share one correlation; finite width enters as the variance of
/// `ln q`. Where a layer has no theory, it and all after it say so.
///
/// # References
///
/// `poole2016`, `schoenholz2017`; the `(V, T)` form and the head are derived in docs/theory/mean-field.md and
/// docs/theory/guess-fraction.md.
pub fn predict(
    network: &Network,
    inits: &[LayerInit],
    input: InputStatistics,
    classes: usize,
) -> Prediction {
    let mut walk = Walk {
        input,
        spread: None,
        pending: Vec::new(),
        duals: Vec::new(),
        layers: Vec::new(),
        transitions: Vec::new(),
        ln_q_variance: 0.0,
        broken: None,
        width: 1,
    };
    for node in &network.nodes {
        walk.op(&node.op, inits);
    }
    let mut layers = walk.layers;
    let tail = match walk.broken {
        Some(reason) => Some(reason),
        None if !walk.pending.is_empty() => Some(NoTheory::new("an activation follows the logits")),
        None => None,
    };
    accumulate_gradients(&mut layers, tail.as_ref());
    let bulk = bulk(&walk.transitions, &walk.duals, &layers);
    let last = layers.last().map(|layer| layer.spread.clone());
    let head = match (tail, last) {
        (Some(reason), _) => Err(reason),
        (None, Some(spread)) => spread,
        (None, None) => Err(NoTheory::new("no layer has weights")),
    };
    let classes = classes.max(2);
    let prejudice = head.clone().and_then(|spread| prejudice(classes, spread.gamma()));
    let loss = head.and_then(|spread| loss_at_init(classes, spread.q()));
    Prediction { input, layers, bulk, prejudice, loss }
}

struct Walk {
    input: InputStatistics,
    spread: Option<Spread>,
    pending: Vec<Activation>,
    duals: Vec<Dual>,
    layers: Vec<LayerPrediction>,
    /// Index of the dual and variances of each transition between two layers with weights.
    transitions: Vec<(usize, LayerVariance)>,
    ln_q_variance: f64,
    broken: Option<NoTheory>,
    width: usize,
}

impl Walk {
    fn op(&mut self, op: &Op, inits: &[LayerInit]) {
        match op {
            Op::Activation(activation) => self.pending.push(activation.clone()),
            Op::Flatten => {}
            Op::Dense(weights) => {
                let Some(init) = inits.get(weights.index - 1) else { return };
                let layer =
                    LayerVariance { weight: init.weight_variance, bias: init.bias_variance };
                let outcome = match self.broken.clone() {
                    Some(reason) => Err(reason),
                    None => self.dense(layer),
                };
                let (spread, ln_q_variance) = match outcome {
                    Ok(spread) => (Ok(spread), Ok(self.ln_q_variance)),
                    Err(reason) => {
                        self.broken = Some(reason.clone());
                        (Err(reason.clone()), Err(reason))
                    }
                };
                self.layers.push(LayerPrediction {
                    index: weights.index,
                    kind: op.kind(),
                    units: weights.outputs,
                    weight_variance: layer.weight,
                    bias_variance: layer.bias,
                    spread,
                    chi: Err(NoTheory::new("no layer follows")),
                    ln_gradient: Err(NoTheory::new("no layer follows")),
                    ln_q_variance,
                });
                self.width = weights.outputs;
                self.pending.clear();
            }
            other => {
                self.broken.get_or_insert_with(|| {
                    NoTheory::new(format!("`{}` is measured, not yet predicted", other.kind()))
                });
            }
        }
    }

    fn dense(&mut self, layer: LayerVariance) -> Result<Spread, NoTheory> {
        let Some(spread) = self.spread else {
            if !self.pending.is_empty() {
                return Err(NoTheory::new(
                    "an activation acts on the raw inputs, which are not Gaussian",
                ));
            }
            let first = Spread::first_layer(layer, self.input.variance, self.input.offset_square);
            self.spread = Some(first);
            return Ok(first);
        };
        let function = Pointwise::new(std::mem::take(&mut self.pending));
        let known = self.duals.iter().position(|dual| *dual.function() == function);
        let dual = known.unwrap_or_else(|| {
            self.duals.push(Dual::of(function));
            self.duals.len() - 1
        });
        let Step { next, chi } = mean_field::step(&self.duals[dual], layer, spread)?;
        // Of one layer of finite width; a bias dilutes what comes in.
        let q = spread.q();
        if q.is_finite() && q > 0.0 {
            let added =
                mean_field::log_variance_per_layer(&self.duals[dual], q) / self.width as f64;
            let second = layer.weight * self.duals[dual].moments(q).second;
            let share = second / (second + layer.bias);
            let elasticity =
                layer.weight * self.duals[dual].moments(q).second_slope * q / (second + layer.bias);
            self.ln_q_variance =
                elasticity * elasticity * self.ln_q_variance + share * share * added;
        }
        if let Some(previous) = self.layers.last_mut() {
            previous.chi = Ok(chi);
        }
        self.transitions.push((dual, layer));
        self.spread = Some(next);
        Ok(next)
    }
}

/// `ln` of the product of `χ` from each layer to the logits.
fn accumulate_gradients(layers: &mut [LayerPrediction], tail: Option<&NoTheory>) {
    let mut sum: Predicted = tail.map_or(Ok(0.0), |reason| Err(reason.clone()));
    for (position, layer) in layers.iter_mut().enumerate().rev() {
        // The last layer is the reference itself.
        if let (Ok(so_far), Ok(chi)) = (&sum, &layer.chi) {
            sum = Ok(so_far + chi.ln());
        } else if position > 0 && sum.is_ok() && layer.spread.is_err() {
            sum = layer.spread.clone().map(|_| 0.0);
        }
        layer.ln_gradient.clone_from(&sum);
    }
}

fn bulk(
    transitions: &[(usize, LayerVariance)],
    duals: &[Dual],
    layers: &[LayerPrediction],
) -> Result<Bulk, NoTheory> {
    // The head has its own width; inner transitions say what the depth does.
    let inner =
        if transitions.len() > 1 { &transitions[..transitions.len() - 1] } else { transitions };
    let mut counts: Vec<((usize, LayerVariance), usize)> = Vec::new();
    for transition in inner {
        match counts.iter_mut().find(|(known, _)| known == transition) {
            Some((_, count)) => *count += 1,
            None => counts.push((*transition, 1)),
        }
    }
    let mut best: Option<((usize, LayerVariance), usize)> = None;
    for entry in counts {
        if best.is_none_or(|(_, count)| entry.1 > count) {
            best = Some(entry);
        }
    }
    let Some(((dual, layer), count)) = best else {
        return Err(NoTheory::new("a network of one layer has no depth"));
    };
    let first = layers
        .first()
        .ok_or_else(|| NoTheory::new("no layer has weights"))
        .and_then(|layer| layer.spread.clone())?;
    let dual = &duals[dual];
    Ok(Bulk {
        function: dual.function().clone(),
        layer,
        count,
        limit: asymptotics(dual, layer, first),
    })
}

fn prejudice(classes: usize, gamma: f64) -> Result<PrejudicePrediction, NoTheory> {
    let law = |gamma: f64| {
        GuessLaw::new(classes, gamma).map_err(|error| NoTheory::new(error.to_string()))
    };
    let ours = law(gamma)?;
    Ok(PrejudicePrediction {
        gamma,
        largest_share: ours.mean_max().value,
        agreement: ours.agreement().value,
        neutral_share: law(1.0)?.mean_max().value,
    })
}

/// Mean cross-entropy of `K` independent normal logits of variance `q`, to second order in `q`.
///
/// ```text
/// E[ln Σ exp(h_k) - h_y] = ln K + (1 - 1/K) q/2 + O(q²)
/// ```
fn loss_at_init(classes: usize, q: f64) -> Predicted {
    if q > 0.3 {
        return Err(NoTheory::new("the expansion in small logits holds for q ≤ 0.3 only"));
    }
    let k = classes as f64;
    Ok(k.ln() + 0.5 * (1.0 - 1.0 / k) * q)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::network::Architecture;
    use crate::spec::scheme::{InitScheme, Scheme};
    use crate::spec::shape::Shape;

    fn predicted(activation: &str, depth: usize, init: &InitScheme) -> Prediction {
        let activation: Activation = activation.parse().unwrap();
        let network = Architecture::mlp(&activation, depth, 256, 10)
            .resolve(&Shape::flat(64).unwrap())
            .unwrap();
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        predict(&network, &inits, InputStatistics::WHITE, 10)
    }

    /// Few inputs that happen to point apart: the offset is cut off at zero, the mean square stays what it is.
    #[test]
    fn the_mean_square_of_the_inputs_survives_a_negative_offset() {
        let rows = vec![1.0, 0.5, -1.0, 0.0, 0.25, -2.0];
        let data = Dataset::new("apart", Shape::flat(2).unwrap(), rows).unwrap();
        let input = InputStatistics::of(&data);
        assert_eq!(input.offset_square, 0.0);
        assert!((input.variance - data.second_moment()).abs() < 1e-15);
        let shifted = data.shifted(3.0).unwrap();
        let input = InputStatistics::of(&shifted);
        assert!(input.offset_square > 5.0);
        assert!((input.variance + input.offset_square - shifted.second_moment()).abs() < 1e-12);
    }

    #[test]
    fn he_relu_keeps_variance_and_gradient_and_grows_its_bias() {
        let p = predicted("relu", 20, &InitScheme::new("he_normal".parse().unwrap()));
        assert_eq!(p.layers.len(), 20);
        let last = p.layers[19].spread.clone().unwrap();
        assert!((last.gamma() / 17.015705 - 1.0).abs() < 1e-6);
        assert!((last.q() - 2.0).abs() < 1e-12);
        assert!(p.ln_gradient().unwrap().abs() < 1e-12);
        // 5/N per layer behind it, for 19 layers of 256 units.
        let variance = p.layers[19].ln_q_variance.clone().unwrap();
        assert!((variance - 19.0 * 5.0 / 256.0).abs() < 1e-9, "{variance}");
        let prejudice = p.prejudice.unwrap();
        assert!(prejudice.largest_share > prejudice.neutral_share);
    }

    /// PyTorch's default: σ_w² = 1/3, so gradients shrink six-fold per layer and every input gets one class.
    #[test]
    fn torch_default_relu_is_ordered_and_biased() {
        let p = predicted("relu", 20, &InitScheme::new(Scheme::TorchDefault));
        let expected = 19.0 * (1.0_f64 / 6.0).ln();
        assert!((p.ln_gradient().unwrap() - expected).abs() < 1e-9);
        assert!(p.prejudice.unwrap().largest_share > 0.99);
        assert!((p.loss.unwrap() / 10.0_f64.ln() - 1.0).abs() < 0.01);
    }

    #[test]
    fn what_has_no_theory_says_so_and_so_does_all_that_follows() {
        let layers = serde_json::from_str(
            r#"[{"dense":64},"relu","batch_norm",{"dense":64},"relu",{"dense":10}]"#,
        )
        .unwrap();
        let network = Architecture { layers }.resolve(&Shape::flat(64).unwrap()).unwrap();
        let init = InitScheme::explicit(2.0, 0.0);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let p = predict(&network, &inits, InputStatistics::WHITE, 10);
        assert!(p.layers[0].spread.is_ok());
        assert!(p.layers[1].spread.is_err() && p.layers[2].spread.is_err());
        assert!(p.prejudice.is_err() && p.ln_gradient().is_err());
    }
}
