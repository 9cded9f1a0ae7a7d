//! The weights of a finite network, drawn from a seed.

use super::error::NetError;
use super::program::MAX_BYTES;
use super::sample::{SampleError, delta_orthogonal, orthogonal};
use super::scalar::Scalar;
use crate::math::stream::{Purpose, Seed, Stream};
use crate::spec::network::{Network, Op};
use crate::spec::scheme::LayerInit;
use crate::spec::weights::WeightFamily;
use std::ops::Range;

/// The weights and biases of one layer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerWeights<T = f32> {
    /// Dense: `[fan_in, outputs]`. Convolution: `[outputs, channels_in / groups, kernel, kernel]`. Row-major.
    pub weight: Vec<T>,
    /// `[outputs]`.
    pub bias: Vec<T>,
}

/// All weights of a network; also the shape of their gradient.
///
/// A draw depends on the seed, the number of the draw and the layer's index alone, not on what was drawn before or on
/// which thread.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::Seed;
/// use firstguess::net::Weights;
/// use firstguess::spec::{Activation, Architecture, InitScheme, Shape};
/// let network = Architecture::mlp(&Activation::Tanh, 3, 64, 10).resolve(&Shape::flat(64)?)?;
/// let init = InitScheme::explicit(2.0, 0.1);
/// let layers = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
/// let mut weights: Weights = Weights::zeros(&network)?;
/// weights.redraw(&layers, Seed(0), 7)?;
/// assert_eq!(weights, Weights::draw(&network, &layers, Seed(0), 7)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Weights<T = f32> {
    /// In the order of the layers' `index`, which starts at 1.
    pub layers: Vec<LayerWeights<T>>,
    geometry: Vec<Geometry>,
}

/// The shape of the weights of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) fan_in: usize,
    pub(super) outputs: usize,
    /// Side of the kernel of a convolution.
    pub(super) kernel: Option<usize>,
}

impl<T: Scalar> Weights<T> {
    /// Weights and biases of zero.
    ///
    /// # Errors
    ///
    /// [`NetError::Memory`] above [`MAX_BYTES`], or if the machine has not got them.
    pub fn zeros(network: &Network) -> Result<Self, NetError> {
        let needed = network.parameters().saturating_mul(size_of::<T>() as u64);
        if needed > MAX_BYTES {
            return Err(NetError::Memory {
                what: "a draw of the weights",
                needed,
                available: format!("the {MAX_BYTES} that it may take"),
            });
        }
        let geometry = geometry(network);
        let layers = geometry
            .iter()
            .map(|layer| {
                Ok(LayerWeights {
                    weight: zeros("the weights", layer.fan_in * layer.outputs)?,
                    bias: zeros("the biases", layer.outputs)?,
                })
            })
            .collect::<Result<_, NetError>>()?;
        Ok(Self { layers, geometry })
    }

    /// The weights of one draw; `inits` has one entry for each layer with weights, in the order of their index.
    ///
    /// # Errors
    ///
    /// As [`Weights::zeros`] and [`Weights::redraw`].
    pub fn draw(
        network: &Network,
        inits: &[LayerInit],
        seed: Seed,
        draw: u64,
    ) -> Result<Self, NetError> {
        let mut weights = Self::zeros(network)?;
        weights.redraw(inits, seed, draw)?;
        Ok(weights)
    }

    /// Overwrites every weight and bias with those of another draw.
    ///
    /// The variance asked for is kept exactly in expectation, by orthogonal layers too: their gain follows from it.
    ///
    /// # Errors
    ///
    /// [`NetError::Length`] unless there is one `init` per layer; [`NetError::Sample`] for a law that cannot be drawn.
    pub fn redraw(&mut self, inits: &[LayerInit], seed: Seed, draw: u64) -> Result<(), NetError> {
        if inits.len() != self.layers.len() {
            return Err(NetError::Length {
                what: "the initialization, in layers,",
                expected: self.layers.len().to_string(),
                found: inits.len(),
            });
        }
        for (position, init) in inits.iter().enumerate() {
            let (layer, geometry) = (&mut self.layers[position], self.geometry[position]);
            let source = LayerSource { geometry, init, index: position + 1, seed, draw };
            source.weight(&mut layer.weight)?;
            source.bias(&mut layer.bias)?;
        }
        Ok(())
    }

    /// Sets every entry to zero, as before gradients are added up in it.
    pub fn clear(&mut self) {
        for layer in &mut self.layers {
            layer.weight.fill(T::ZERO);
            layer.bias.fill(T::ZERO);
        }
    }
}

/// The shape of every layer with weights, in the order of their index.
pub(super) fn geometry(network: &Network) -> Vec<Geometry> {
    let mut geometry = Vec::with_capacity(network.weight_layers);
    network.visit(&mut |node| match &node.op {
        Op::Dense(layer) => {
            geometry.push(Geometry { fan_in: layer.fan_in, outputs: layer.outputs, kernel: None });
        }
        Op::Conv(layer, window) => geometry.push(Geometry {
            fan_in: layer.fan_in,
            outputs: layer.outputs,
            kernel: Some(window.kernel),
        }),
        _ => {}
    });
    geometry
}

/// Rows of the weights of a dense layer: what its inputs meet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows<'a> {
    /// So many: every one.
    All(usize),
    /// These.
    Some(&'a [u32]),
}

impl Rows<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::All(rows) => rows,
            Self::Some(rows) => rows.len(),
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u64> {
        let (all, some): (_, &[u32]) = match self {
            Self::All(rows) => (rows as u64, &[]),
            Self::Some(rows) => (0, rows),
        };
        (0..all).chain(some.iter().map(|row| u64::from(*row)))
    }
}

/// One layer of one draw.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerSource<'a> {
    pub(super) geometry: Geometry,
    pub(super) init: &'a LayerInit,
    pub(super) index: usize,
    pub(super) seed: Seed,
    pub(super) draw: u64,
}

impl LayerSource<'_> {
    fn stream(&self, purpose: Purpose) -> Stream {
        Stream::new(self.seed, self.draw, u32::try_from(self.index).unwrap_or(u32::MAX), purpose)
    }

    fn fail(&self, source: SampleError) -> NetError {
        NetError::Sample { index: self.index, source }
    }

    /// The whole weight tensor.
    pub(super) fn weight<T: Scalar>(&self, out: &mut [T]) -> Result<(), NetError> {
        let (init, Geometry { fan_in, outputs, kernel }) = (self.init, self.geometry);
        let stream = self.stream(Purpose::Weights);
        let drawn = match (init.family, kernel) {
            (WeightFamily::DeltaOrthogonal, Some(kernel)) => {
                let channels = fan_in / (kernel * kernel);
                let gain = orthogonal_gain(init.weight_variance, outputs, channels);
                delta_orthogonal(outputs, channels, [kernel; 2], gain, &stream)
            }
            // Without positions there is no centre: the delta-orthogonal scheme draws dense layers orthogonal.
            (WeightFamily::Orthogonal | WeightFamily::DeltaOrthogonal, kernel) => {
                let gain = orthogonal_gain(init.weight_variance, outputs, fan_in);
                // The transpose of a Haar matrix is Haar: either layout is drawn as it is stored.
                let (rows, columns) = match kernel {
                    None => (fan_in, outputs),
                    Some(_) => (outputs, fan_in),
                };
                orthogonal(rows, columns, gain, &stream)
            }
            _ => {
                let std = init.weight_std(fan_in);
                return T::draw(init.family, std, &stream, 0, out).map_err(|e| self.fail(e));
            }
        };
        convert(&drawn.map_err(|e| self.fail(e))?, out);
        Ok(())
    }

    /// Some rows and columns of the weights of a dense layer: the same values as in the whole.
    pub(super) fn part<T: Scalar>(
        &self,
        rows: Rows<'_>,
        columns: Range<usize>,
        out: &mut [T],
    ) -> Result<(), NetError> {
        let Geometry { fan_in, outputs, .. } = self.geometry;
        if out.len() == fan_in * outputs {
            return self.weight(out);
        }
        let (stream, std) = (self.stream(Purpose::Weights), self.init.weight_std(fan_in));
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(columns.len())) {
            let first = row * outputs as u64 + columns.start as u64;
            T::draw(self.init.family, std, &stream, first, out).map_err(|e| self.fail(e))?;
        }
        Ok(())
    }

    pub(super) fn bias<T: Scalar>(&self, out: &mut [T]) -> Result<(), NetError> {
        let uniform = self.init.uniform_bias;
        let family = if uniform { WeightFamily::Uniform } else { WeightFamily::Normal };
        let (stream, std) = (self.stream(Purpose::Bias), self.init.bias_variance.sqrt());
        T::draw(family, std, &stream, 0, out).map_err(|e| self.fail(e))
    }
}

/// The gain of a semi-orthogonal matrix whose entries have variance `weight_variance / inputs`.
///
/// From `E W_ij² = gain² / max(rows, columns)`.
fn orthogonal_gain(weight_variance: f64, outputs: usize, inputs: usize) -> f64 {
    (weight_variance * outputs.max(inputs) as f64 / inputs as f64).sqrt()
}

fn convert<T: Scalar>(from: &[f32], to: &mut [T]) {
    for (w, single) in to.iter_mut().zip(from) {
        *w = T::from_f64(f64::from(*single));
    }
}

/// `len` zeros, or an error where the allocator would abort.
pub(super) fn zeros<T: Clone + Default>(
    what: &'static str,
    len: usize,
) -> Result<Vec<T>, NetError> {
    let mut values = Vec::new();
    grow(&mut values, what, len)?;
    Ok(values)
}

/// Makes `values` at least `len` long; a buffer that is long enough stays as it is.
pub(super) fn grow<T: Clone + Default>(
    values: &mut Vec<T>,
    what: &'static str,
    len: usize,
) -> Result<(), NetError> {
    let Some(missing) = len.checked_sub(values.len()) else { return Ok(()) };
    values.try_reserve_exact(missing).map_err(|_| NetError::Memory {
        what,
        needed: len as u64 * size_of::<T>() as u64,
        available: "the machine has left".to_owned(),
    })?;
    values.resize(len, T::default());
    Ok(())
}
