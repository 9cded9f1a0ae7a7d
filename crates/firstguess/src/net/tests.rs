//! Whole networks: gradients against differences, laws of wide layers, determinism, refusals.

mod gradients;
mod laws;
mod refusals;

use super::*;
use crate::math::stream::{Purpose, Seed, Stream};
use crate::spec::layer::Layer;
use crate::spec::scheme::LayerInit;
use crate::spec::{Architecture, InitScheme, Network, Shape};

/// A network from its layers as a spec file has them.
fn network(json: &str, input: &[usize]) -> Network {
    let layers: Vec<Layer> = serde_json::from_str(json).unwrap();
    Architecture { layers }.resolve(&Shape::from_extents(input).unwrap()).unwrap()
}

fn inits(network: &Network, init: &InitScheme) -> Vec<LayerInit> {
    network.weights().iter().map(|layer| init.layer(layer).unwrap()).collect()
}

fn normals<T: Scalar>(seed: u64, len: usize) -> Vec<T> {
    let mut values = vec![0.0; len];
    Stream::new(Seed(seed), 0, 0, Purpose::Test).fill_normal_f64(0, &mut values);
    values.into_iter().map(T::from_f64).collect()
}
