//! Gradients of the weights and the empirical tangent kernel, from Gram matrices: no weight gradient is ever formed.
//!
//! ```text
//! |dL/dW_l|² = Σ_ab (A Aᵀ)_ab (G Gᵀ)_ab,    Θ_ab = Σ_l ((A Aᵀ)_ab + 1) (G Gᵀ)_ab
//! ```
//!
//! with `A` the inputs of layer `l` and `G` the gradients at its outputs, both `[batch, …]`. With weights or without: the
//! same sums.

use super::conditioned::{Sampler, Scratch};
use super::engine::{Choice, choose};
use super::estimate::Estimate;
use super::run::{MeasureError, Options, check};
use crate::math::stream::{Purpose, Stream};
use crate::net::gemm::{Matrix, MatrixMut, Product, multiply};
use crate::net::{
    LayerView, Masks, NetError, Program, Record, Source, Tape, WeightKind, Weights, loss,
};
use crate::spec::Dataset;
use crate::spec::network::{Network, Op};
use crate::spec::scheme::LayerInit;
use rayon::prelude::*;

/// What an ensemble of networks says about its first step of training.
#[derive(Debug, Clone, PartialEq)]
pub struct TangentMeasurement {
    /// `|dL/dW_l|²` of the mean cross-entropy over the data, layer by layer; without values where there are no labels.
    pub weight_gradients: Vec<Estimate>,
    /// The trace over logits of the tangent kernel, `[examples, examples]` row by row, biases included.
    pub kernel: Vec<Estimate>,
}

/// Inputs whose kernel is measured at most: it has as many squared entries.
const MAX_EXAMPLES: usize = 1000;

/// Measures weight gradients and the tangent kernel of dense networks.
///
/// Each network gives the kernel contracted with one standard normal vector over the logits, the same for all inputs:
/// its mean over networks is the trace `Σ_k Θ^kk`.
///
/// # Errors
///
/// [`MeasureError::Tangent`] for convolutions and for more than a thousand inputs; else as [`run`](super::run), overflow
/// included.
///
/// # Examples
///
/// One linear layer with one logit: `Θ_ab = x_a·x_b + 1` times the square of a normal number, 1 on average.
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::measure::{Options, tangent};
/// use firstguess::spec::{Activation, Architecture, Dataset, InitScheme, Shape};
///
/// let data = Dataset::new("two", Shape::flat(2)?, vec![1.0, 2.0, 3.0, -1.0])?;
/// let network = Architecture::mlp(&Activation::Linear, 1, 1, 1).resolve(&data.shape())?;
/// let init = InitScheme::explicit(1.0, 0.0);
/// let init = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
/// let found = tangent::run(&network, &init, &data, &Options::new(Seed(0), 200))?;
/// assert!(found.kernel[0].z_score(6.0).unwrap().abs() < 4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// `jacot2018`; the sums are derived in docs/theory/ensembles.md.
pub fn run(
    network: &Network,
    init: &[LayerInit],
    data: &Dataset,
    options: &Options,
) -> Result<TangentMeasurement, MeasureError> {
    check(network, data, options)?;
    let mut conv = false;
    network.visit(&mut |node| conv |= matches!(node.op, Op::Conv(..)));
    let examples = data.examples();
    if conv || examples > MAX_EXAMPLES {
        let problem = if conv { "a convolution".to_owned() } else { format!("{examples} inputs") };
        return Err(MeasureError::Tangent { problem });
    }
    let program = Program::new(network, Record::WeightGradients);
    let (choice, _) = choose(network, init, data, options, &program)?;
    let drawn: Vec<Result<Sums, NetError>> = (0..options.draws as u64)
        .into_par_iter()
        .map(|draw| {
            let mut tape = Tape::new(&program);
            match &choice {
                Choice::Direct => {
                    let weights = Weights::draw(network, init, options.seed, draw)?;
                    Sums::of(&mut tape, &mut Source::Kept(&weights), data, options, draw)
                }
                Choice::Conditioned(law) => {
                    let mut scratch = Scratch::default();
                    let mut sampler = Sampler::new(law, &mut scratch, options.seed, draw);
                    Sums::of(&mut tape, &mut Source::Sampled(&mut sampler), data, options, draw)
                }
            }
        })
        .collect();
    let drawn = drawn.into_iter().collect::<Result<Vec<_>, _>>()?;
    let over = |of: &dyn Fn(&Sums) -> f64| Estimate::mean(drawn.iter().map(of));
    let weight_gradients = (0..network.weight_layers)
        .map(|layer| match data.labels() {
            Some(_) => over(&|sums| sums.squares[layer]),
            None => Estimate::missing("the data have no labels"),
        })
        .collect();
    let kernel = (0..examples * examples).map(|pair| over(&|sums| sums.kernel[pair])).collect();
    Ok(TangentMeasurement { weight_gradients, kernel })
}

/// The sums of one network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sums {
    pub(super) squares: Vec<f64>,
    pub(super) kernel: Vec<f64>,
}

impl Sums {
    pub(super) fn of(
        tape: &mut Tape<'_>,
        source: &mut Source<'_, f32>,
        data: &Dataset,
        options: &Options,
        draw: u64,
    ) -> Result<Self, NetError> {
        let masks = Masks::Draw { seed: options.seed, draw };
        let logits = tape.run_forward(source, data.inputs(), masks, |_| {})?;
        let (examples, width) = (data.examples(), logits.len() / data.examples());
        let of_loss = match data.labels() {
            Some(labels) => Some(loss::cross_entropy(logits, width, labels)?.gradient),
            None => None,
        };
        let mut squares = Vec::new();
        if let Some(gradient) = of_loss {
            let batch = (examples * examples) as f64;
            tape.run_backward(source, &gradient, None, false, |view| {
                let [inputs, gradients] = grams(&view);
                let sum: f64 = inputs.iter().zip(&gradients).map(|(k, g)| product(*k, *g)).sum();
                squares.push(sum / batch);
            })?;
            squares.reverse();
        }
        let mut along = vec![0.0_f32; width];
        Stream::new(options.seed, draw, 0, Purpose::Probe).fill_normal_f32(0, &mut along);
        let mut kernel = vec![0.0; examples * examples];
        tape.run_backward(source, &along.repeat(examples), None, false, |view| {
            let [inputs, gradients] = grams(&view);
            for (sum, (k, g)) in kernel.iter_mut().zip(inputs.iter().zip(&gradients)) {
                *sum += (f64::from(*k) + 1.0) * f64::from(*g);
            }
        })?;
        Ok(Self { squares, kernel })
    }
}

fn product(a: f32, b: f32) -> f64 {
    f64::from(a) * f64::from(b)
}

/// `A Aᵀ` and `G Gᵀ` of one layer.
fn grams(view: &LayerView<'_>) -> [Vec<f32>; 2] {
    debug_assert_eq!(view.kind, WeightKind::Dense);
    [view.input.unwrap_or_default(), view.values].map(|rows| {
        let (batch, width) = (view.batch, rows.len() / view.batch);
        let mut gram = vec![0.0; batch * batch];
        let rows = Matrix::new(rows, batch, width);
        multiply(Product::Replace, rows, rows.transposed(), MatrixMut::new(&mut gram, batch));
        gram
    })
}
