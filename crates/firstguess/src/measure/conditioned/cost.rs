//! What a draw costs with and without weights.
//!
//! Measured on one core with AVX-512: products of matrices 200 operations in a nanosecond, of triangles and thin
//! matrices 170, factorizations in f64 17, normals 1.2. Other machines differ in speed more than in these ratios.

use crate::spec::network::WeightLayer;

const PRODUCT: f64 = 200.0;
const THIN: f64 = 170.0;
const FACTOR: f64 = 17.0;
const NORMALS: f64 = 1.2;

/// Sizes of one measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Inputs, and distinct ones among them.
    pub(super) examples: usize,
    pub(super) distinct: usize,
    /// Gradients carried backward through each network.
    pub(super) signals: usize,
}

/// Nanoseconds of one layer with its weights drawn, kept for the way back or not.
pub(super) fn direct(layer: &WeightLayer, sizes: Sizes, kept: bool) -> f64 {
    let weights = layer.fan_in as f64 * layer.outputs as f64;
    let pass = 2.0 * sizes.examples as f64 * weights / PRODUCT;
    let draws = if kept { 1.0 } else { 1.0 + sizes.signals as f64 };
    pass * (1.0 + sizes.signals as f64) + draws * weights / NORMALS
}

/// Nanoseconds of one layer sampled from its Gram matrix, given its output and backward.
pub(super) fn conditioned(layer: &WeightLayer, sizes: Sizes) -> f64 {
    let (inputs, outputs) = (layer.fan_in as f64, layer.outputs as f64);
    let (n, g) = (sizes.distinct as f64, sizes.examples as f64);
    let forward =
        n * n * (inputs + outputs) / THIN + n * n * n / 3.0 / FACTOR + n * outputs / NORMALS;
    let narrow = outputs.min(g);
    let backward = (2.0 * g * n * outputs + g * narrow * (outputs + inputs) + 4.0 * g * n * inputs)
        / THIN
        + (g * g * g / 3.0 + 2.0 * g * n * n) / FACTOR
        + (n * outputs + narrow * inputs) / NORMALS;
    forward + backward * sizes.signals as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Activation, Architecture, Shape};

    fn cheaper_without_weights(width: usize, examples: usize, signals: usize) -> bool {
        let network = Architecture::mlp(&Activation::Relu, 3, width, 10)
            .resolve(&Shape::flat(width).unwrap())
            .unwrap();
        let layer = network.weights()[1];
        let sizes = Sizes { examples, distinct: examples, signals };
        conditioned(&layer, sizes) < direct(&layer, sizes, true)
    }

    /// Measured forward: at width 1024 seven times faster with 64 inputs, level with 512.
    #[test]
    fn few_inputs_through_wide_layers_go_without_weights() {
        assert!(cheaper_without_weights(1024, 64, 0));
        assert!(cheaper_without_weights(1024, 64, 2));
        assert!(cheaper_without_weights(4096, 256, 0));
        // With gradients, per layer: 4096 units and 500 inputs 166 ms against 260, 1000 inputs 690 against 465; 2048 and 500 level.
        assert!(cheaper_without_weights(4096, 500, 2));
        assert!(!cheaper_without_weights(4096, 1000, 2));
        assert!(!cheaper_without_weights(1024, 1000, 0));
        assert!(!cheaper_without_weights(128, 500, 2));
    }
}
