//! Weights as named tensors: the state of a `torch.nn.Sequential` of the same layers.
//!
//! A layer is named by its position among the layers written out, repeats included, from 0: `0.weight`, `0.bias`, `2.weight`.
//! Activations, pools, norms, dropout and flattening count, as modules of a `Sequential` do. A dense layer that stands on an
//! image inside the network needs an `nn.Flatten` before it, which counts as well; at the input it does not, because
//! perceptrons are fed vectors. In a residual block the names go on as `3.branch.0.weight` and `3.shortcut.0.weight`: a module
//! with these two `Sequential`s. Normalisations have their scale of ones, their shift of zeros and, of a batch norm, its running
//! statistics, so that a state can be loaded strictly.

use super::weights::Weights;
use crate::spec::layer::Norm;
use crate::spec::network::{Network, Node, Op, WeightLayer};

/// A tensor of a network's state.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// `0.weight`.
    pub name: String,
    /// As PyTorch has it: dense `[outputs, fan_in]`, convolution `[outputs, channels_in / groups, kernel, kernel]`.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// Where a layer with weights is, in the state of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct StateLayer {
    /// Name of the module: `0`, `3.branch.1`.
    pub module: String,
    /// The layer.
    pub layer: WeightLayer,
    /// Shape of its weight, as PyTorch has it.
    pub shape: Vec<usize>,
    /// Whether it is the last with weights in a residual branch.
    pub ends_branch: bool,
}

/// Every layer with weights, in the order of their index.
pub fn state_layers(network: &Network) -> Vec<StateLayer> {
    let mut found = Vec::new();
    walk(&network.nodes, "", true, &mut |module, node| match &node.op {
        Op::Dense(layer) => found.push(StateLayer {
            module: module.to_owned(),
            layer: *layer,
            shape: vec![layer.outputs, layer.fan_in],
            ends_branch: false,
        }),
        Op::Conv(layer, window) => found.push(StateLayer {
            module: module.to_owned(),
            layer: *layer,
            shape: vec![layer.outputs, layer.fan_in / layer.taps, window.kernel, window.kernel],
            ends_branch: false,
        }),
        _ => {}
    });
    let mut ends = Vec::new();
    network.visit(&mut |node| {
        if let Op::Residual { branch, .. } = &node.op {
            ends.extend(last_index(branch));
        }
    });
    for layer in &mut found {
        layer.ends_branch = ends.contains(&layer.layer.index);
    }
    found
}

fn last_index(nodes: &[Node]) -> Option<usize> {
    nodes.iter().rev().find_map(|node| match &node.op {
        Op::Dense(layer) | Op::Conv(layer, _) => Some(layer.index),
        Op::Residual { branch, .. } => last_index(branch),
        _ => None,
    })
}

/// The state of a network with these weights.
pub fn named_tensors(network: &Network, weights: &Weights<f32>) -> Vec<NamedTensor> {
    let mut state = Vec::new();
    walk(&network.nodes, "", true, &mut |module, node| {
        let mut push = |name: &str, shape: Vec<usize>, values: Vec<f32>| {
            state.push(NamedTensor { name: format!("{module}.{name}"), shape, values });
        };
        match &node.op {
            Op::Dense(layer) => {
                let Some(own) = weights.layers.get(layer.index - 1) else { return };
                let (rows, columns) = (layer.fan_in, layer.outputs);
                let mut turned = vec![0.0; own.weight.len()];
                for (at, value) in own.weight.iter().enumerate() {
                    turned[at % columns * rows + at / columns] = *value;
                }
                push("weight", vec![columns, rows], turned);
                push("bias", vec![columns], own.bias.clone());
            }
            Op::Conv(layer, window) => {
                let Some(own) = weights.layers.get(layer.index - 1) else { return };
                let side = window.kernel;
                let shape = vec![layer.outputs, layer.fan_in / layer.taps, side, side];
                push("weight", shape, own.weight.clone());
                push("bias", vec![layer.outputs], own.bias.clone());
            }
            Op::Norm(norm) => {
                let shape = match (norm, node.input.as_image()) {
                    // One number per channel over the batch or the group, per value within an example.
                    (Norm::Batch | Norm::Group(_), Some([channels, ..])) => vec![channels],
                    (Norm::Layer | Norm::Rms, Some(_)) => node.input.extents().to_vec(),
                    (_, None) => vec![node.input.size()],
                };
                let size = shape.iter().product();
                push("weight", shape.clone(), vec![1.0; size]);
                if *norm != Norm::Rms {
                    push("bias", shape.clone(), vec![0.0; size]);
                }
                if *norm == Norm::Batch {
                    push("running_mean", shape.clone(), vec![0.0; size]);
                    push("running_var", shape, vec![1.0; size]);
                }
            }
            _ => {}
        }
    });
    state
}

/// Calls `f` with the name of each node, nested ones included, shortcut before branch.
fn walk<'a>(nodes: &'a [Node], prefix: &str, at_input: bool, f: &mut impl FnMut(&str, &'a Node)) {
    let mut position = 0;
    for (order, node) in nodes.iter().enumerate() {
        let first = at_input && order == 0;
        if matches!(node.op, Op::Dense(_)) && node.input.as_image().is_some() && !first {
            position += 1;
        }
        let module = format!("{prefix}{position}");
        f(&module, node);
        if let Op::Residual { branch, shortcut, .. } = &node.op {
            walk(shortcut, &format!("{module}.shortcut."), false, f);
            walk(branch, &format!("{module}.branch."), false, f);
        }
        position += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::Seed;
    use crate::spec::network::Architecture;
    use crate::spec::scheme::InitScheme;
    use crate::spec::shape::Shape;

    fn network(json: &str, shape: &[usize]) -> Network {
        let layers = serde_json::from_str(json).unwrap();
        Architecture { layers }.resolve(&Shape::from_extents(shape).unwrap()).unwrap()
    }

    fn state(network: &Network) -> Vec<NamedTensor> {
        let init = InitScheme::explicit(2.0, 1.0);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        named_tensors(network, &Weights::draw(network, &inits, Seed(3), 0).unwrap())
    }

    #[test]
    fn names_are_those_of_a_sequential() {
        let net = network(
            r#"[{"conv":4},"batch_norm","relu",{"residual":["relu",{"conv":4}],"shortcut":[{"conv":4,"kernel":1}]},
                {"max_pool":2},{"dense":5},"layer_norm",{"dense":3}]"#,
            &[1, 4, 4],
        );
        let named: Vec<(String, Vec<usize>)> =
            state(&net).into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
        let expected = [
            ("0.weight", vec![4, 1, 3, 3]),
            ("0.bias", vec![4]),
            ("1.weight", vec![4]),
            ("1.bias", vec![4]),
            ("1.running_mean", vec![4]),
            ("1.running_var", vec![4]),
            ("3.shortcut.0.weight", vec![4, 4, 1, 1]),
            ("3.shortcut.0.bias", vec![4]),
            ("3.branch.1.weight", vec![4, 4, 3, 3]),
            ("3.branch.1.bias", vec![4]),
            ("6.weight", vec![5, 16]),
            ("6.bias", vec![5]),
            ("7.weight", vec![5]),
            ("7.bias", vec![5]),
            ("8.weight", vec![3, 5]),
            ("8.bias", vec![3]),
        ];
        let expected = expected.map(|(name, shape)| (name.to_owned(), shape));
        assert_eq!(named, expected);
        let layers = state_layers(&net);
        let modules: Vec<&str> = layers.iter().map(|layer| &layer.module[..]).collect();
        assert_eq!(modules, ["0", "3.shortcut.0", "3.branch.1", "6", "8"]);
        let ends: Vec<bool> = layers.iter().map(|layer| layer.ends_branch).collect();
        assert_eq!(ends, [false, false, true, false, false]);
    }

    /// A perceptron is fed vectors: no flattening is counted before it; and its matrices are turned.
    #[test]
    fn dense_weights_are_turned() {
        let net = network(r#"[{"dense":3},"tanh",{"dense":2}]"#, &[1, 2, 2]);
        let init = InitScheme::explicit(1.0, 0.0);
        let inits: Vec<_> = net.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let weights = Weights::<f32>::draw(&net, &inits, Seed(0), 0).unwrap();
        let state = named_tensors(&net, &weights);
        assert_eq!((state[0].name.as_str(), state[2].name.as_str()), ("0.weight", "2.weight"));
        assert_eq!(state[0].shape, [3, 4]);
        for output in 0..3 {
            for input in 0..4 {
                let own = weights.layers[0].weight[input * 3 + output];
                assert_eq!(state[0].values[output * 4 + input], own);
            }
        }
    }
}
