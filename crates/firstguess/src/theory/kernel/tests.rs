//! Against the scalar kernels, the mean-field recursion, published values and simulated networks.

use super::element::Element;
use super::points::Points;
use super::*;
use crate::spec::activation::Activation;
use crate::spec::network::Architecture;
use crate::spec::scheme::InitScheme;
use crate::spec::shape::Shape;
use crate::theory::dual::{Correlation, Dual};
use crate::theory::mean_field::{LayerVariance, Spread, trajectory};

/// Uneven numbers in (-1, 1) without structure.
fn rough(count: usize) -> Vec<f64> {
    let mut state = 88_172_645_463_325_252_u64;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
        })
        .collect()
}

/// Approximately normal data of unit variance, plus a shift.
fn gaussian_data(examples: usize, shape: Shape, shift: f64) -> Dataset {
    let raw = rough(examples * shape.size() * 12);
    let values = raw
        .chunks_exact(12)
        .map(|c| {
            #[expect(clippy::cast_possible_truncation, reason = "data are in f32")]
            let x = (c.iter().sum::<f64>() * 0.5 + shift) as f32;
            x
        })
        .collect();
    Dataset::new("rough", shape, values).unwrap()
}

fn activation(name: &str) -> Activation {
    name.parse().unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Points with the given variances and correlations `c(a, b)`.
fn points(variances: &[f64], c: impl Fn(usize, usize) -> f64 + Sync) -> Points {
    let mut points = Points::new(variances.to_vec(), vec![0.0; variances.len()]);
    points.map(|a, b, _| {
        let (qa, qb) = (variances[a], variances[b]);
        let gap = qa.sqrt() - qb.sqrt();
        0.5 * gap * gap + (qa * qb).sqrt() * (1.0 - c(a, b))
    });
    points
}

fn network(json: &str, shape: Shape) -> Network {
    Architecture { layers: serde_json::from_str(json).unwrap() }.resolve(&shape).unwrap()
}

fn kernel(network: &Network, weight: f64, bias: f64, data: &Dataset) -> DataKernel {
    let init = InitScheme::explicit(weight, bias);
    let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
    DataKernel::new(network, &inits, data)
}

const CORRELATIONS: [f64; 10] =
    [-1.0, -1.0 + 1e-7, -0.7, -0.1, 0.0, 0.4, 0.95, 0.999, 1.0 - 1e-12, 1.0];

fn largest_error(name: &str, variances: &[f64], element: &mut Element) -> f64 {
    let dual = Dual::new(&activation(name));
    let mut worst = 0.0_f64;
    for c in CORRELATIONS {
        let mut set = points(variances, |_, _| c);
        element.apply(&mut set).unwrap();
        for a in 0..variances.len() {
            for b in 0..a {
                let expected = dual.cross_kernel(variances[a], variances[b], c);
                let scale = (set.second[a] * set.second[b]).sqrt();
                let error = (set.covariance(a, b) - expected).abs() / scale;
                worst = worst.max(error);
                assert!(
                    error < 1e-9,
                    "{name} {} {} {c}: {} {expected} ({error:e})",
                    variances[a],
                    variances[b],
                    set.covariance(a, b)
                );
            }
        }
    }
    worst
}

/// Every method against the scalar kernel, at variances that differ a little and a lot.
#[test]
fn every_elementwise_kernel_agrees_with_the_scalar_one() {
    for name in [
        "linear",
        "relu",
        "leaky_relu(0.1)",
        "abs",
        "erf",
        "sin",
        "sign",
        "gelu",
        "tanh",
        "silu",
        "mish",
        "softplus",
        "sigmoid",
        "gelu_tanh",
        "squared_relu",
        "shifted_relu",
        "hard_tanh",
        "relu6",
        "hard_swish",
        "elu(1)",
        "selu",
        "celu(0.5)",
    ] {
        let function = Pointwise::from(&activation(name));
        let worst = largest_error(name, &[0.9, 0.5, 0.9000001, 2.1], &mut Element::new(&function));
        println!("{name}: {worst:e}");
    }
}
#[test]
fn timing() {
    for name in ["relu", "tanh", "elu(1)", "hard_tanh"] {
        let shape = Shape::flat(64).unwrap();
        let data = gaussian_data(1000, shape, 0.3);
        let net = Architecture::mlp(&activation(name), 10, 64, 10).resolve(&shape).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let start = std::time::Instant::now();
            let k = pool.install(|| kernel(&net, 1.7, 0.05, &data));
            let t = start.elapsed();
            let s = k.layers[9].statistics.clone().unwrap();
            println!(
                "{name} {threads} threads {t:?} gamma {} q {} err {:e}",
                s.gamma(),
                s.q,
                k.layers[9].error
            );
        }
    }
}
