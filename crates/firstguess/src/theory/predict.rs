//! What theory says of one network, layer by layer and at its end.

mod backward;
mod block;
mod bulk;
mod critical;
mod field;
mod finite_width;
mod on_data;
mod step;
mod walk;

use super::dual::Dual;
use super::kernel::LayerStatistics;
use super::mean_field::{LayerVariance, Spread};
use super::prejudice::{ClassGradients, GuessLaw, class_gradients};
use super::{NoTheory, Predicted};
use crate::spec::dataset::Dataset;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use backward::{Back, Gradient, backward};
use field::Fluctuation;
use walk::Walk;

pub use block::{Block, BlockLimit, RepeatedBlock};
pub use bulk::Bulk;
pub use critical::{NetworkCritical, network_critical};
pub use finite_width::FiniteWidth;
pub use on_data::KernelGap;

/// What theory needs to know of the inputs: how they spread around their mean, and where the mean is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputStatistics {
    /// `tr(S)/N₀`, `S` the unbiased covariance: the mean variance of a feature.
    pub variance: f64,
    /// `|x̄|²/N₀`, unbiased: the mean square of the features' means.
    pub offset_square: f64,
    /// Of images, the mean product of two different pixels of one channel and one input; 0 for vectors.
    pub position_covariance: f64,
    /// The same for two inputs.
    pub position_offset: f64,
}

impl InputStatistics {
    /// Independent features of unit variance, centred.
    pub const WHITE: Self =
        Self { variance: 1.0, offset_square: 0.0, position_covariance: 0.0, position_offset: 0.0 };

    /// The statistics of a data set, as a sample of the data that the network will see.
    pub fn of(data: &Dataset) -> Self {
        let (n, features) = (data.examples() as f64, data.features() as f64);
        let mean_square = data.mean_input().iter().map(|mean| mean * mean).sum::<f64>() / features;
        let biased_variance = (data.second_moment() - mean_square).max(0.0);
        let variance = if n > 1.0 { biased_variance * n / (n - 1.0) } else { biased_variance };
        let offset_square = (mean_square - variance / n).max(0.0);
        let (position_covariance, position_offset) = between_positions(data);
        Self { variance, offset_square, position_covariance, position_offset }
    }

    /// `γ` of the inputs themselves, and of the first pre-activations where there are no biases.
    pub fn gamma(&self) -> f64 {
        self.offset_square / self.variance
    }
}

/// Mean product of two different pixels of a channel: of one input, and of two.
fn between_positions(data: &Dataset) -> (f64, f64) {
    let Some([channels, height, width]) = data.shape().as_image() else { return (0.0, 0.0) };
    let (positions, n) = (height * width, data.examples() as f64);
    if positions < 2 {
        return (0.0, 0.0);
    }
    let pairs = (positions * (positions - 1) * channels) as f64;
    // Σ_{α≠α'} x_α x_α' = (Σ x_α)² - Σ x_α², channel by channel.
    let mixed = |values: &mut dyn Iterator<Item = f64>| {
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in values {
            sum += value;
            squares += value * value;
        }
        sum * sum - squares
    };
    let same: f64 = data
        .inputs()
        .chunks_exact(positions)
        .map(|plane| mixed(&mut plane.iter().map(|x| f64::from(*x))))
        .sum::<f64>()
        / (n * pairs);
    let mean: f64 = data
        .mean_input()
        .chunks_exact(positions)
        .map(|plane| mixed(&mut plane.iter().copied()))
        .sum::<f64>()
        / pairs;
    // The mean input holds each input once with itself.
    let between = if n > 1.0 { (n * mean - same) / (n - 1.0) } else { mean };
    (same, between)
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
    /// The pre-activations, or why there is no theory for them. Positions of a convolution count as further inputs.
    pub spread: Result<Spread, NoTheory>,
    /// `χ` from this layer to the next one by index: the factor by which the squared norm of the gradient, summed over
    /// units and positions, changes on the way back. In a branch the next layer may stand after it.
    pub chi: Predicted,
    /// `ln` of the gradient's second moment here, relative to the logits: the sum of `ln χ` from here on.
    pub ln_gradient: Predicted,
    /// Variance of `ln q` over networks, from the finite widths before this layer.
    pub ln_q_variance: Predicted,
    /// The same layer at its own width, to first order in 1/width.
    pub finite_width: Result<FiniteWidth, NoTheory>,
    /// What the kernel of the actual inputs says, where it was carried this far.
    pub on_data: Option<LayerStatistics>,
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
    /// Variance over networks of the share of one class, `E Σ_k G_k²/N - 1/N²`.
    pub share_variance: f64,
    /// The largest share at `γ = 1`, where guesses begin to favour a class: the line between neutral and biased.
    pub neutral_share: f64,
    /// Squared loss gradients at the logits, by favoured and other class, for labels that know nothing of the network.
    pub class_gradients: Result<ClassGradients, NoTheory>,
}

/// What theory says of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The inputs it was made for.
    pub input: InputStatistics,
    /// Inputs whose own kernel stands behind the layers and the first guess; `None` where all pairs of inputs are taken to
    /// share one correlation.
    pub kernel_inputs: Option<usize>,
    /// Where and why the kernel of the inputs ends before the logits; `None` where it does not, or was not asked for.
    pub kernel_gap: Option<KernelGap>,
    /// Every layer with weights.
    pub layers: Vec<LayerPrediction>,
    /// The infinitely deep network of the same kind.
    pub bulk: Result<Bulk, NoTheory>,
    /// The block that it repeats and where that leads, where norms, dropout or residual branches leave no plain layers to go
    /// on with.
    pub block: Result<RepeatedBlock, NoTheory>,
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
    /// [`NoTheory`] where a layer on the way back has none.
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
    let mut walk = Walk::new(inits);
    let mut tape = Vec::new();
    let start = Walk::input(network, input);
    let output = walk.sequence(&network.nodes, Ok(start), Fluctuation::NONE, &mut tape);
    walk.layers.sort_by_key(|layer| layer.index);
    let mut layers = walk.layers;
    let head = output.and_then(|field| {
        if field.is_plain_gaussian() {
            Ok(field)
        } else {
            Err(NoTheory::new("the logits are not Gaussian: a layer other than weights comes last"))
        }
    });
    let gradient = head.as_ref().map(|field| Gradient::unit(field.positions()));
    fill_gradients(&mut layers, &tape, gradient.map_err(Clone::clone));
    correct_for_width(&mut layers, network, &walk.transitions, &walk.duals);
    let bulk = match walk.not_plain {
        Some(reason) => Err(reason),
        None => Bulk::of(&walk.transitions, &walk.duals, &layers),
    };
    let block = match &bulk {
        Ok(_) => Err(NoTheory::new("its depth repeats plain layers")),
        Err(_) => RepeatedBlock::of(network, inits),
    };
    let head = head.map(|field| field.mean());
    let classes = classes.max(2);
    let prejudice = head.clone().and_then(|spread| prejudice(classes, network.logits(), spread));
    let loss = head.and_then(|spread| loss_at_init(classes, spread.q()));
    Prediction {
        input,
        kernel_inputs: None,
        kernel_gap: None,
        layers,
        bulk,
        block,
        prejudice,
        loss,
    }
}

fn correct_for_width(
    layers: &mut [LayerPrediction],
    network: &Network,
    transitions: &[(usize, LayerVariance)],
    duals: &[Dual],
) {
    let found = finite_width::corrections(&network.nodes, layers, transitions, duals);
    for (layer, correction) in layers.iter_mut().zip(found) {
        layer.finite_width = correction;
    }
}

/// Gradients of every layer, and their ratios from each layer to the next.
fn fill_gradients(
    layers: &mut [LayerPrediction],
    tape: &[Back],
    gradient: Result<Gradient, NoTheory>,
) {
    let absent = NoTheory::new("the backward pass does not reach this layer");
    let count = layers.iter().map(|layer| layer.index).max().unwrap_or(0);
    let mut found: Vec<Predicted> = vec![Err(absent); count];
    // What is left at the input is not asked for.
    let _ = backward(tape, gradient, &mut found);
    for layer in &mut *layers {
        let own = layer.index.checked_sub(1).and_then(|at| found.get(at));
        if let Some(own) = own {
            layer.ln_gradient.clone_from(own);
        }
        if let (Some(Ok(own)), Some(Ok(next))) = (own, found.get(layer.index)) {
            layer.chi = Ok((own - next).exp());
        } else if let Some(Err(reason)) = found.get(layer.index) {
            layer.chi = Err(reason.clone());
        }
    }
}

fn prejudice(
    classes: usize,
    outputs: usize,
    logits: Spread,
) -> Result<PrejudicePrediction, NoTheory> {
    let gamma = logits.gamma();
    let law = |gamma: f64| {
        GuessLaw::new(classes, gamma).map_err(|error| NoTheory::new(error.to_string()))
    };
    let ours = law(gamma)?;
    Ok(PrejudicePrediction {
        gamma,
        largest_share: ours.mean_max().value,
        agreement: ours.agreement().value,
        share_variance: ours.agreement().value / classes as f64 - (classes as f64).powi(-2),
        neutral_share: law(1.0)?.mean_max().value,
        class_gradients: if outputs == 2 {
            class_gradients(logits.v(), logits.t()).map_err(|e| NoTheory::new(e.to_string()))
        } else {
            Err(NoTheory::new(
                "only two logits have a closed form: for more the kernel of the data is sampled",
            ))
        },
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
    use crate::spec::Activation;
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

    fn of_layers(json: &str, init: &InitScheme, input: &Shape) -> Prediction {
        let layers = serde_json::from_str(json).unwrap();
        let network = Architecture { layers }.resolve(input).unwrap();
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        predict(&network, &inits, InputStatistics::WHITE, 10)
    }

    fn gammas(prediction: &Prediction) -> Vec<f64> {
        prediction.layers.iter().map(|layer| layer.spread.clone().unwrap().gamma()).collect()
    }

    const HE: InitScheme = InitScheme::explicit(2.0, 0.0);

    #[test]
    fn what_has_no_theory_says_so_and_so_does_all_that_follows() {
        let flat = Shape::flat(64).unwrap();
        for json in [
            // The stream of post-activations.
            r#"[{"dense":64},{"residual":["relu",{"dense":64}]},"relu",{"residual":[{"dense":64}]},"relu",{"dense":10}]"#,
            r#"[{"dense":64},"relu",{"dropout":0.2},"relu",{"dense":64},{"dense":10}]"#,
            r#"["relu",{"dense":64},{"dense":10}]"#,
        ] {
            let p = of_layers(json, &HE, &flat);
            let last = p.layers.last().unwrap();
            assert!(last.spread.is_err() && last.ln_q_variance.is_err(), "{json}");
            assert!(p.prejudice.is_err() && p.ln_gradient().is_err() && p.loss.is_err(), "{json}");
        }
        let p = of_layers(r#"[{"dense":64},"relu",{"dense":10},"relu"]"#, &HE, &flat);
        assert!(p.prejudice.is_err() && p.ln_gradient().is_err());
        assert!(p.layers[1].spread.is_ok());
    }

    #[test]
    fn normalisations_give_their_table() {
        let flat = Shape::flat(64).unwrap();
        let of = |block: &str| {
            let json =
                format!(r#"[{{"repeat":12,"layers":[{{"dense":256}},{block}]}},{{"dense":10}}]"#);
            of_layers(&json, &HE, &flat)
        };
        let plain = of(r#""relu""#);
        // Layer and RMS norm before ReLU leave the drift alone.
        for norm in ["layer_norm", "rms_norm"] {
            let before = of(&format!(r#""{norm}","relu""#));
            for (a, b) in gammas(&before).iter().zip(gammas(&plain)) {
                assert!((a - b).abs() < 1e-12 * (1.0 + b), "{norm}: {a} {b}");
            }
            // The first layer comes in at q = 2, all others at 1.
            assert!((before.ln_gradient().unwrap() + 2.0_f64.ln()).abs() < 1e-12);
            assert!(before.bulk.is_err() && plain.bulk.is_ok());
        }
        // After ReLU, layer norm removes what ReLU has made, and gradients grow towards π/(π - 1) at c = 1.
        let after = of(r#""relu","layer_norm""#);
        assert_eq!(gammas(&after), vec![0.0; 13]);
        let expected = std::f64::consts::PI / (std::f64::consts::PI - 1.0);
        for layer in &after.layers[..12] {
            assert!((layer.chi.clone().unwrap() - expected).abs() < 1e-12);
        }
        // Batch norm before ReLU: the same mild drift in every layer.
        let batch = of(r#""batch_norm","relu""#);
        for gamma in &gammas(&batch)[1..] {
            assert!((gamma - 1.0 / (std::f64::consts::PI - 1.0)).abs() < 1e-12);
        }
        for layer in &batch.layers[1..12] {
            assert!((layer.chi.clone().unwrap() - expected).abs() < 1e-12);
        }
        // After ReLU: neutral on the batch that it is taken over.
        let neutral = of(r#""relu","batch_norm""#);
        assert_eq!(gammas(&neutral)[1..], vec![0.0; 12][..]);
    }

    /// A stream of Gaussian sums: `1 + s² χ` per block, and the correlations of `residual.rs`.
    #[test]
    fn residual_streams_add_moments_and_gradients() {
        let flat = Shape::flat(64).unwrap();
        let p = of_layers(
            r#"[{"dense":256,"weight_variance":1.0},
                {"repeat":50,"layers":[{"residual":[{"dense":256,"weight_variance":1.0},"relu",{"dense":256,"weight_variance":1.0}]}]},
                {"dense":10,"weight_variance":1.0}]"#,
            &HE,
            &flat,
        );
        let last = p.layers.last().unwrap().spread.clone().unwrap();
        assert!((last.c() - 0.924512).abs() < 1e-6, "{last:?}");
        assert!((last.ln_q() - 50.0 * 1.5_f64.ln()).abs() < 1e-10);
        assert!((p.ln_gradient().unwrap() - 50.0 * 1.5_f64.ln()).abs() < 1e-10);
        // Inside a branch the gradient is that of the stream after it, through what is left of the branch.
        let inner = p.layers[100].ln_gradient.clone().unwrap();
        assert!(inner.abs() < 1e-12, "{inner}");
        assert!((p.layers[99].ln_gradient.clone().unwrap() - 0.5_f64.ln()).abs() < 1e-12);
        // Scaled by 1/√L the gain is bounded.
        let scaled = of_layers(
            r#"[{"dense":256},{"repeat":50,"layers":[{"residual":["relu",{"dense":256}],"branch_scale":"1/sqrt(depth)"}]},{"dense":10}]"#,
            &HE,
            &flat,
        );
        let gain = scaled.ln_gradient().unwrap();
        assert!((gain - 2.0_f64.ln() - 50.0 * (1.0_f64 / 50.0).ln_1p()).abs() < 1e-10, "{gain}");
    }

    /// Pools, dropout and nesting reach the same numbers as the maps they are made of.
    #[test]
    fn pools_and_dropout_enter_the_walk() {
        let flat = Shape::flat(64).unwrap();
        let p = of_layers(
            r#"[{"dense":256},"relu",{"max_pool":2},{"dense":256},{"max_pool":2},"relu",{"dense":10}]"#,
            &HE,
            &flat,
        );
        // The largest of ReLUs is ReLU of the largest.
        assert!((gammas(&p)[1] - 1.041469).abs() < 1e-6);
        assert!((gammas(&p)[2] - 2.435551).abs() < 2e-6);
        assert!((p.ln_gradient().unwrap() - 2.0 * 1.5_f64.ln()).abs() < 1e-12);
        let dropped = of_layers(
            r#"[{"dense":256},"tanh",{"dropout":0.01},{"dense":10}]"#,
            &InitScheme::explicit(1.7609546, 0.05),
            &flat,
        );
        let spread = dropped.layers[1].spread.clone().unwrap();
        let plain = of_layers(
            r#"[{"dense":256},"tanh",{"dense":10}]"#,
            &InitScheme::explicit(1.7609546, 0.05),
            &flat,
        );
        let before = plain.layers[1].spread.clone().unwrap();
        assert!(((spread.q() - 0.05) * 0.99 - (before.q() - 0.05)).abs() < 1e-12);
        assert!((spread.t() - before.t()).abs() < 1e-15);
    }

    /// One position is a vector; many equal ones, away from the border, keep to the map of a dense layer.
    #[test]
    fn convolutions_keep_to_the_dense_maps_away_from_the_border() {
        let image = Shape::image(3, 9, 9).unwrap();
        let conv = of_layers(
            r#"[{"conv":64,"kernel":3,"padding":0},"tanh",{"conv":64,"kernel":3,"padding":0},"tanh","flatten",{"dense":10}]"#,
            &InitScheme::explicit(1.9, 0.1),
            &image,
        );
        let dense = of_layers(
            r#"[{"dense":64},"tanh",{"dense":64},"tanh",{"dense":10}]"#,
            &InitScheme::explicit(1.9, 0.1),
            &Shape::flat(64).unwrap(),
        );
        for (a, b) in conv.layers.iter().zip(&dense.layers) {
            let (a, b) = (a.spread.clone().unwrap(), b.spread.clone().unwrap());
            assert!((a.q() / b.q() - 1.0).abs() < 1e-13 && (a.c() - b.c()).abs() < 1e-13);
        }
        // A padded border takes its share, but not from a delta-orthogonal kernel.
        let padded = r#"[{"conv":27,"kernel":3},"relu",{"conv":64,"kernel":3},"relu","flatten",{"dense":10}]"#;
        let he = of_layers(padded, &HE, &image);
        let share = (25.0 / 27.0_f64).powi(2);
        let q = he.layers[0].spread.clone().unwrap().q();
        assert!((q - 2.0 * share).abs() < 1e-13, "{q}");
        assert!(he.ln_gradient().unwrap() < 0.0);
        let delta = of_layers(
            r#"[{"conv":27,"kernel":3},"relu",{"conv":27,"kernel":3},"relu","flatten",{"dense":10}]"#,
            &InitScheme { gain: 2.0_f64.sqrt(), ..InitScheme::new(Scheme::DeltaOrthogonal) },
            &image,
        );
        // 3 channels into 27: σ_w² = 2/9 at the centre tap; then He's 2, and no position loses anything.
        let deep = delta.layers[1].spread.clone().unwrap();
        assert!((deep.q() - 2.0 / 9.0).abs() < 1e-12, "{deep:?} {:?}", delta.layers[0]);
    }

    /// White images through a global average: `k(0)` is all that positions share.
    #[test]
    fn a_global_average_keeps_what_positions_share() {
        let image = Shape::image(3, 6, 6).unwrap();
        let p = of_layers(
            r#"[{"conv":64,"kernel":1,"padding":0},"relu","global_average_pool",{"dense":10}]"#,
            &HE,
            &image,
        );
        let logits = p.layers[1].spread.clone().unwrap();
        // E ReLU² = 1 and k(0) = 1/π at q = 2.
        let shared = 1.0 / std::f64::consts::PI;
        let q = 2.0 * (1.0 + 35.0 * shared) / 36.0;
        assert!((logits.q() / q - 1.0).abs() < 1e-12, "{logits:?} {q}");
        assert!((logits.t() / (2.0 * shared) - 1.0).abs() < 1e-12, "{logits:?}");
        // Windows of n = 4, 6 or 9 positions of nine: (n + n(n-1) k(0))/81, on average.
        let padded = of_layers(
            r#"[{"conv":64,"kernel":1,"padding":0},"relu",{"average_pool":3,"stride":1,"padding":1},"flatten",{"dense":10}]"#,
            &HE,
            &image,
        );
        let (n, square) = ((16.0 / 6.0_f64).powi(2), (44.0 / 6.0_f64).powi(2));
        let logits = padded.layers[1].spread.clone().unwrap();
        let q = 2.0 * (n + (square - n) * shared) / 81.0;
        assert!((logits.q() / q - 1.0).abs() < 1e-12, "{logits:?} {q}");
        assert!((logits.t() / (2.0 * square * shared / 81.0) - 1.0).abs() < 1e-12, "{logits:?}");
        let max =
            of_layers(r#"[{"conv":64},"relu",{"max_pool":2},"flatten",{"dense":10}]"#, &HE, &image);
        assert!(max.layers[1].spread.clone().unwrap_err().reason.contains("measured"));
    }
}
