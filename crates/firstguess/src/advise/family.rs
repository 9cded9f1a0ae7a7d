//! Networks of a kind, from an activation and a depth: what advice is asked for where there is no spec.

use crate::spec::activation::Activation;
use crate::spec::error::SpecError;
use crate::spec::layer::{BranchScale, ConvWindow, Layer, Norm, OwnVariances};
use crate::spec::network::Architecture;
use crate::spec::shape::Shape;

/// Kinds of networks. Depth counts layers with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Dense layers of equal width.
    Mlp,
    /// 3×3 convolutions of equal width, averaged over positions at the end.
    Cnn,
    /// A stream of pre-activation blocks of two layers each: 3×3 convolutions on images, else dense.
    Resnet,
    /// The perceptron half of a pre-norm transformer: blocks of a layer norm and two dense layers, four times as wide between.
    PreLn,
}

impl Family {
    /// Width where none is given.
    pub const fn default_width(self) -> usize {
        match self {
            Self::Mlp => 256,
            Self::Cnn => 32,
            Self::Resnet | Self::PreLn => 64,
        }
    }

    /// The layers.
    ///
    /// # Errors
    ///
    /// [`SpecError::Conflict`] for convolutions on data that are no images, and for a stream too short for one block.
    pub fn layers(
        self,
        activation: &Activation,
        [depth, width, classes]: [usize; 3],
        input: &Shape,
    ) -> Result<Architecture, SpecError> {
        let image = input.as_image().is_some();
        let act = || Layer::Activation(activation.clone());
        let head = dense(classes);
        let blocks = depth.saturating_sub(2) / 2;
        if matches!(self, Self::Resnet | Self::PreLn) && blocks == 0 {
            return Err(SpecError::Conflict(format!(
                "a residual network has a layer before its blocks, two in each and one behind them: depth 4 at least, got {depth}"
            )));
        }
        let stream = |residual: Vec<Layer>| Layer::Repeat {
            count: blocks,
            layers: vec![Layer::Residual {
                branch: residual,
                shortcut: Vec::new(),
                branch_scale: BranchScale::Factor(1.0),
            }],
        };
        let layers = match self {
            Self::Mlp => return Ok(Architecture::mlp(activation, depth, width, classes)),
            Self::Cnn if !image => {
                return Err(SpecError::Conflict(format!(
                    "convolutions need images, the data have shape {input}; use --architecture mlp or resnet"
                )));
            }
            Self::Cnn => {
                let mut layers = Vec::new();
                if depth > 1 {
                    layers
                        .push(Layer::Repeat { count: depth - 1, layers: vec![conv(width), act()] });
                }
                layers.extend([Layer::GlobalAveragePool, head]);
                layers
            }
            Self::Resnet => {
                let layer = || if image { conv(width) } else { dense(width) };
                let mut layers = vec![layer(), stream(vec![act(), layer(), act(), layer()]), act()];
                if image {
                    layers.push(Layer::GlobalAveragePool);
                }
                layers.push(head);
                layers
            }
            Self::PreLn => {
                let norm = Layer::Norm(Norm::Layer);
                let inner = dense(width.saturating_mul(4));
                let branch = vec![norm.clone(), inner, act(), dense(width)];
                vec![dense(width), stream(branch), norm, head]
            }
        };
        Ok(Architecture { layers })
    }
}

fn dense(units: usize) -> Layer {
    Layer::Dense { units, own: OwnVariances::default() }
}

fn conv(channels: usize) -> Layer {
    let window = ConvWindow { kernel: 3, stride: 1, padding: 1, groups: 1 };
    Layer::Conv { channels, window, own: OwnVariances::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_layers_with_weights() {
        let image = Shape::image(1, 8, 8).unwrap();
        let flat = Shape::flat(64).unwrap();
        for (family, shape, depth) in [
            (Family::Mlp, flat, 7),
            (Family::Mlp, image, 1),
            (Family::Cnn, image, 7),
            (Family::Cnn, image, 1),
            (Family::Resnet, image, 8),
            (Family::Resnet, flat, 8),
            (Family::PreLn, flat, 8),
        ] {
            let layers = family.layers(&Activation::Silu, [depth, 16, 10], &shape).unwrap();
            let network = layers.resolve(&shape).unwrap();
            assert_eq!((network.weight_layers, network.logits()), (depth, 10), "{family:?}");
        }
        assert!(Family::Cnn.layers(&Activation::Relu, [4, 8, 10], &flat).is_err());
        assert!(Family::Resnet.layers(&Activation::Relu, [3, 8, 10], &flat).is_err());
    }
}
