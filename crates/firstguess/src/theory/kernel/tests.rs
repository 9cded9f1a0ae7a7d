//! Against the scalar kernels, the mean-field recursion, published values and simulated networks.

use super::element::Element;
use super::points::Points;
use super::*;
use crate::spec::activation::Activation;
use crate::spec::network::Architecture;
use crate::spec::scheme::InitScheme;
use crate::spec::shape::Shape;
use crate::theory::dual::{Dual, Pointwise};
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
    points.map(|a, b, _| 1.0 - c(a, b));
    points.free_origins();
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

const CORRELATIONS: [f64; 6] = [-1.0, -0.7, 0.2, 0.95, 1.0 - 1e-12, 1.0];

fn largest_error(name: &str, variances: &[f64], element: &mut Element) -> f64 {
    let dual = Dual::new(&activation(name));
    let mut worst = 0.0_f64;
    for c in CORRELATIONS {
        if name == "sign" && c < -0.999 {
            continue; // acos makes 1e-8 of the rounding of a distance
        }
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
        let worst = largest_error(name, &[0.9, 0.9000001, 2.1], &mut Element::new(&function));
        assert!(worst < 1e-9, "{name}: {worst:e}");
    }
}

/// Inputs with one variance and one correlation follow the mean-field recursion.
#[test]
fn homogeneous_data_reproduce_the_trajectory() {
    let shape = Shape::flat(16).unwrap();
    let mut inputs = vec![0.0_f32; 16 * 16];
    for a in 0..16 {
        inputs[a * 17] = 4.0;
    }
    let data = Dataset::new("orthogonal", shape, inputs).unwrap();
    for name in ["relu", "tanh", "gelu", "elu(1)", "hard_tanh", "leaky_relu(0.2)"] {
        for (weight, bias) in [(1.6, 0.1), (2.0, 0.0)] {
            let phi = activation(name);
            let depth = 6;
            let net = Architecture::mlp(&phi, depth, 32, 10).resolve(&shape).unwrap();
            let found = kernel(&net, weight, bias, &data);
            let layer = LayerVariance { weight, bias };
            let path = trajectory(&Dual::new(&phi), layer, Spread::new(weight, bias), depth);
            for (l, expected) in path.layers.iter().enumerate() {
                let s = found.layers[l].statistics.as_ref().unwrap();
                let close = |x: f64, y: f64| (x - y).abs() < 1e-9 * expected.q();
                assert!(
                    close(s.v, expected.v()) && close(s.t, expected.t()),
                    "{name} layer {l}: {s:?} {expected:?}"
                );
                assert!((s.mean_correlation - expected.c()).abs() < 1e-9);
                // Finite sets of D inputs: T_D = T + V/D.
                assert!(close(s.centre_variance, expected.t() + expected.v() / 16.0));
                if l > 0 {
                    let chi = found.layers[l - 1].chi.clone().unwrap();
                    assert!((chi / path.chi[l - 1] - 1.0).abs() < 1e-9, "{name} {l}: {chi}");
                }
            }
        }
    }
}

/// As all inputs merge, the spread keeps its digits far beyond `c = 1 - 1e-16`.
#[test]
fn the_spread_survives_deep_ordered_networks() {
    let shape = Shape::flat(16).unwrap();
    let mut inputs = vec![0.0_f32; 16 * 16];
    for a in 0..16 {
        inputs[a * 17] = 4.0;
    }
    let data = Dataset::new("orthogonal", shape, inputs).unwrap();
    for (name, depth) in [("tanh", 60), ("relu", 60)] {
        let phi = activation(name);
        let net = Architecture::mlp(&phi, depth, 32, 10).resolve(&shape).unwrap();
        let found = kernel(&net, 0.9, 0.3, &data);
        let layer = LayerVariance { weight: 0.9, bias: 0.3 };
        let path = trajectory(&Dual::new(&phi), layer, Spread::new(0.9, 0.3), depth);
        let (s, expected) =
            (found.layers[depth - 1].statistics.clone().unwrap(), path.layers[depth - 1]);
        assert!(expected.gamma() > 1e17, "{name}: {}", expected.gamma());
        assert!((s.gamma() / expected.gamma() - 1.0).abs() < 1e-6, "{name}: {}", s.gamma());
    }
}

/// `data_shift.csv`: σ_w² = 2, σ_b² = 0, centred inputs of unit variance shifted by s; tolerance 1e-5.
#[test]
fn shifted_data_have_their_published_drift() {
    let shape = Shape::flat(16).unwrap();
    for (name, shift, hidden, gamma) in [
        ("relu", 1.0, 1, 1.55753),
        ("tanh", 1.0, 1, 0.761565),
        ("relu", 4.0, 3, 20.158237),
        ("tanh", 4.0, 3, 4.203872),
    ] {
        // Rows of a Hadamard matrix without the constant one: orthogonal, centred over the features.
        let inputs = (1..16_u32)
            .flat_map(|a| {
                (0..16_u32).map(move |i| if (a & i).count_ones() % 2 == 0 { 1.0 } else { -1.0 })
            })
            .map(|x: f32| x + shift)
            .collect();
        let data = Dataset::new("hadamard", shape, inputs).unwrap();
        let net = Architecture::mlp(&activation(name), hidden + 1, 32, 10).resolve(&shape).unwrap();
        let found = kernel(&net, 2.0, 0.0, &data).layers[hidden].statistics.clone().unwrap();
        assert!((found.gamma() - gamma).abs() < 1e-5 * gamma, "{name} {shift}: {}", found.gamma());
    }
}

fn bits(kernel: &DataKernel) -> Vec<u64> {
    let layers = kernel.layers.iter().flat_map(|layer| {
        let s = layer.statistics.as_ref().unwrap();
        [s.q, s.v, s.t, s.mean_correlation]
    });
    layers.map(f64::to_bits).collect()
}

#[test]
fn threads_change_no_bit() {
    let shape = Shape::image(3, 4, 4).unwrap();
    let data =
        gaussian_data(60, shape, 0.2).with_labels((0..60).map(|i| i % 3).collect(), 3).unwrap();
    let net = network(
        r#"[{"conv":16},"tanh","flatten",{"dense":20},"relu","batch_norm",{"dense":20},"hard_tanh",{"dense":3}]"#,
        shape,
    );
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let k = kernel(&net, 1.8, 0.1, &data);
            let logits = k.logits.clone().unwrap();
            let factor = logits.factor(1e-9, 40);
            let normals = rough(3 * factor.normals_per_draw(3));
            let shares = factor.class_shares(&normals, 3).unwrap().shares;
            let mut all = bits(&k);
            all.extend(shares.iter().map(|x| x.to_bits()));
            all.push(logits.agreement(3).unwrap().to_bits());
            all
        })
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(5));
}

fn statistics_of(json: &str, shape: Shape, data: &Dataset, layer: usize) -> LayerStatistics {
    let found = kernel(&network(json, shape), 2.0, 0.0, data);
    found.layers[layer].statistics.clone().unwrap()
}

/// Section 9 of the theory: normalisation before and after a ReLU.
#[test]
fn normalisations_have_their_known_effect_on_drift() {
    let shape = Shape::flat(64).unwrap();
    // Rows of a Hadamard matrix: orthogonal inputs, so that batches lose nothing but the mean.
    let inputs = (1..64_u32)
        .flat_map(|a| {
            (0..64_u32).map(move |i| if (a & i).count_ones() % 2 == 0 { 1.0 } else { -1.0 })
        })
        .collect();
    let data = Dataset::new("hadamard", shape, inputs).unwrap();
    let block = |inner: &str, count: usize| {
        let body = format!("[{{\"dense\":64}},{inner}]");
        format!("[{{\"repeat\":{count},\"layers\":{body}}},{{\"dense\":8}}]")
    };
    let gamma = |inner: &str, count: usize| {
        statistics_of(&block(inner, count), shape, &data, count).gamma()
    };
    // Plain ReLU, and layer norm before it, grow alike.
    for count in 1..4 {
        let plain = gamma(r#""relu""#, count);
        for norm in [r#""layer_norm","relu""#, r#""rms_norm","relu""#] {
            let found = gamma(norm, count);
            assert!((found / plain - 1.0).abs() < 1e-12, "{norm} {count}: {found} {plain}");
        }
    }
    assert!((gamma(r#""relu""#, 1) - 0.46694221).abs() < 1e-8);
    // Layer norm after it: nothing is left.
    assert!(gamma(r#""relu","layer_norm""#, 3).abs() < 1e-12);
    // Batch norm before: 1/(π - 1) up to the -1/(D - 1) that centring a batch of 63 leaves; after: exactly balanced.
    let mild = gamma(r#""batch_norm","relu""#, 3);
    assert!((mild - 0.46694221).abs() < 0.03, "{mild}");
    let found = kernel(&network(&block(r#""relu","batch_norm""#, 2), shape), 2.0, 0.0, &data);
    let s = found.layers[2].statistics.clone().unwrap();
    assert!(s.centre_variance.abs() < 1e-12 * s.q && (s.q - 2.0).abs() < 1e-12);
    // Gradients through batch norm grow by π/(π - 1) per layer, for large batches.
    let found = kernel(&network(&block(r#""batch_norm","relu""#, 3), shape), 2.0, 0.0, &data);
    let chi = found.layers[1].chi.clone().unwrap();
    assert!((chi - 1.46694221).abs() < 0.05, "{chi}");
}

/// `residual.csv` in the form of Yang and Schoenholz: the recursion written out for one pair.
#[test]
fn residual_blocks_follow_their_recursion() {
    let shape = Shape::flat(16).unwrap();
    let data = gaussian_data(6, shape, 0.4);
    let json = r#"[{"dense":16},{"repeat":3,"layers":[{"residual":["tanh",{"dense":16}],"branch_scale":0.5}]},{"dense":4}]"#;
    let net = network(json, shape);
    let found = kernel(&net, 1.5, 0.2, &data);
    let dual = Dual::new(&activation("tanh"));
    let dot = |a: usize, b: usize| {
        let (x, y) = (data.row(a).unwrap(), data.row(b).unwrap());
        x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>() / 16.0
    };
    let (mut qa, mut qb, mut k) =
        (1.5 * dot(0, 0) + 0.2, 1.5 * dot(1, 1) + 0.2, 1.5 * dot(0, 1) + 0.2);
    for _ in 0..3 {
        let c = k / (qa * qb).sqrt();
        let add = |q1: f64, q2: f64, c: f64| 0.25 * (1.5 * dual.cross_kernel(q1, q2, c) + 0.2);
        k += add(qa, qb, c);
        (qa, qb) = (qa + add(qa, qa, 1.0), qb + add(qb, qb, 1.0));
    }
    let logits = found.logits.unwrap();
    assert!((logits.covariance(0, 1) - (1.5 * k + 0.2)).abs() < 1e-10);
    assert!((logits.covariance(1, 1) - (1.5 * qb + 0.2)).abs() < 1e-10);
    // Each block multiplies the squared gradient by 1 + s² σ_w² E φ'².
    assert_eq!(found.layers.iter().filter(|l| l.kind == "residual").count(), 3);
}

/// A kernel of one position and one with padding, by hand.
#[test]
fn convolutions_sum_over_their_window() {
    let shape = Shape::image(2, 3, 3).unwrap();
    let data = gaussian_data(5, shape, 0.3);
    let net = network(
        r#"[{"conv":8},"relu",{"conv":8,"stride":2,"padding":1},"flatten",{"dense":3}]"#,
        shape,
    );
    let found = kernel(&net, 1.7, 0.1, &data).logits.unwrap();
    let dual = Dual::new(&activation("relu"));
    let raw = |a: usize, b: usize, p: usize| {
        let (x, y) = (data.row(a).unwrap(), data.row(b).unwrap());
        (0..2).map(|c| f64::from(x[c * 9 + p]) * f64::from(y[c * 9 + p])).sum::<f64>() / 2.0
    };
    let near = |y: usize, x: usize| {
        (0..3).flat_map(move |i| (0..3).map(move |j| (y + i, x + j))).filter_map(|(y, x)| {
            let (y, x) = (y.checked_sub(1)?, x.checked_sub(1)?);
            (y < 3 && x < 3).then_some(3 * y + x)
        })
    };
    let first = |a: usize, b: usize, p: usize| {
        1.7 * near(p / 3, p % 3).map(|p| raw(a, b, p)).sum::<f64>() / 9.0 + 0.1
    };
    let relu = |a: usize, b: usize, p: usize| {
        let (qa, qb) = (first(a, a, p), first(b, b, p));
        dual.cross_kernel(qa, qb, first(a, b, p) / (qa * qb).sqrt())
    };
    let second = |a: usize, b: usize, y: usize, x: usize| {
        1.7 * near(2 * y, 2 * x).map(|p| relu(a, b, p)).sum::<f64>() / 9.0 + 0.1
    };
    for (a, b) in [(0, 1), (2, 2), (4, 3)] {
        // The dense layer after the ReLU-free second convolution is a mean over its four positions.
        let flat: f64 = (0..2)
            .flat_map(|y| (0..2).map(move |x| (y, x)))
            .map(|(y, x)| second(a, b, y, x))
            .sum::<f64>()
            / 4.0;
        let expected = 1.7 * flat + 0.1;
        assert!((found.covariance(a, b) - expected).abs() < 1e-12, "{a} {b}");
    }
}

/// A mean over positions and a map of channels commute, zeros in the padding or not: pooled as numbers, and as a kernel.
#[test]
fn padded_averages_divide_by_the_whole_window() {
    let shape = Shape::image(3, 4, 4).unwrap();
    let of = |layers: &str| {
        let json = format!(r#"[{layers},"flatten",{{"dense":3}}]"#);
        kernel(&network(&json, shape), 1.7, 0.0, &gaussian_data(6, shape, 0.3)).logits.unwrap()
    };
    let numbers = of(r#"{"average_pool":3,"stride":2,"padding":1},{"conv":8,"kernel":1}"#);
    let pooled = of(r#"{"conv":8,"kernel":1},{"average_pool":3,"stride":2,"padding":1}"#);
    assert!((numbers.covariance(0, 1) - pooled.covariance(0, 1)).abs() < 1e-12);
}

/// A global average is the mean over all pairs of positions, whichever way it is computed.
#[test]
fn averages_over_positions_use_their_covariances() {
    let shape = Shape::image(3, 4, 4).unwrap();
    let data = gaussian_data(6, shape, 0.3);
    // One position is left after the pool of 4: the same as the global average, and as a mean of the inputs.
    let global = r#"[{"conv":8,"kernel":1},"global_average_pool",{"dense":3}]"#;
    let pooled =
        r#"[{"conv":8,"kernel":1},{"average_pool":2},{"average_pool":2},"flatten",{"dense":3}]"#;
    let inputs = r#"["global_average_pool",{"dense":8},{"dense":3}]"#;
    let of = |json: &str| kernel(&network(json, shape), 1.3, 0.2, &data).logits.unwrap();
    let (global, pooled, inputs) = (of(global), of(pooled), of(inputs));
    for a in 0..6 {
        for b in 0..=a {
            assert!((global.covariance(a, b) - pooled.covariance(a, b)).abs() < 1e-13);
            assert!((global.covariance(a, b) - inputs.covariance(a, b)).abs() < 1e-12);
        }
    }
    // Too small a budget: the layers before are there, the reason is given.
    let net = network(r#"[{"conv":8},"relu",{"conv":8},"global_average_pool",{"dense":3}]"#, shape);
    let init = InitScheme::explicit(2.0, 0.0);
    let inits: Vec<_> = net.weights().iter().map(|w| init.layer(w).unwrap()).collect();
    let short = DataKernel::bounded(&net, &inits, &data, 1000);
    assert!(short.layers[1].statistics.is_ok());
    assert!(short.logits.unwrap_err().reason.contains("covariances of all 16 positions"));
    assert!(short.layers[2].statistics.is_err());
    assert!(DataKernel::bounded(&net, &inits, &data, 1_000_000).logits.is_ok());
}

/// Blank inputs have no variance at all; zero is a point like any other.
#[test]
fn blank_inputs_are_carried_along() {
    for name in ["relu", "tanh", "sigmoid", "elu(1)", "hard_tanh", "sign", "softplus", "silu"] {
        let function = Pointwise::from(&activation(name));
        let dual = Dual::new(&activation(name));
        let mut set = points(&[0.0, 0.7, 30.0, 0.0], |_, _| 0.0);
        Element::new(&function).apply(&mut set).unwrap();
        for (a, b, q) in [(1, 0, 0.7), (2, 0, 30.0), (3, 0, 0.0)] {
            let expected = function.value(0.0) * dual.moments(q).mean;
            let found = set.covariance(a, b);
            assert!((found - expected).abs() < 1e-9, "{name} {a}: {found} {expected}");
        }
    }
}

/// Pools of independent units after any homogeneous function, against the published drift of one layer.
#[test]
fn pools_of_units_have_their_known_drift() {
    let shape = Shape::flat(16).unwrap();
    let inputs = (0..16 * 16).map(|i| if i % 17 == 0 { 4.0 } else { 0.0 }).collect();
    let data = Dataset::new("orthogonal", shape, inputs).unwrap();
    for (pool, gamma) in [
        (r#""relu",{"max_pool":2}"#, 1.04146922),
        (r#""relu",{"max_pool":4}"#, 2.42925851),
        (r#""relu",{"average_pool":2}"#, 0.93388441),
        (r#""relu",{"average_pool":4}"#, 1.86776883),
        (r#"{"max_pool":2}"#, 0.46694221),
        (r#"{"max_pool":4}"#, 2.15493355),
    ] {
        let json = format!(r#"[{{"dense":16}},{pool},{{"dense":4}}]"#);
        let found = statistics_of(&json, shape, &data, 1);
        assert!((found.gamma() / gamma - 1.0).abs() < 1e-8, "{pool}: {}", found.gamma());
    }
    // Gradients: 1 - 2^-K for ReLU under a maximum, 1/(2K) under a mean.
    for (pool, slope) in [(r#"{"max_pool":2}"#, 0.75), (r#"{"average_pool":4}"#, 0.125)] {
        let json = format!(r#"[{{"dense":16}},"relu",{pool},{{"dense":4}}]"#);
        let found = kernel(&network(&json, shape), 2.0, 0.0, &data);
        assert!((found.layers[0].chi.clone().unwrap() / (2.0 * slope) - 1.0).abs() < 1e-12);
    }
}

/// Two classes in closed form, three against the law for one correlation, and independence at none.
#[test]
fn agreement_covers_every_correlation() {
    let same = |c: f64| LogitKernel::new(points(&[1.0, 2.0, 0.5], |_, _| c), 0.0);
    for c in [-0.45, -0.1, 0.0, 0.3, 0.9, 1.0] {
        let kernel = same(c);
        // Nine pairs, three of them of an input with itself.
        let pair = |classes: usize| (9.0 * kernel.agreement(classes).unwrap() - 3.0) / 6.0;
        assert!((pair(2) - 0.5 - c.asin() / std::f64::consts::PI).abs() < 1e-12);
        if c >= 0.0 {
            for classes in [3, 10] {
                let law = crate::theory::prejudice::GuessLaw::from_correlation(
                    classes,
                    c.min(0.999_999_999_999),
                );
                let expected = law.unwrap().agreement().value;
                assert!(
                    (pair(classes) - expected).abs()
                        < 2e-6 * (1.0 - c) + 2e-6 * f64::from(u8::from(c == 1.0)) + 1e-9,
                    "{classes} {c}: {} {expected}",
                    pair(classes)
                );
            }
        }
        assert!(
            (kernel.share_variance() - (0.5 * kernel.agreement(2).unwrap() - 0.25)).abs() < 1e-12
        );
    }
    // Opposite inputs never agree among three classes or more... of which the largest is one's smallest.
    let opposite = LogitKernel::new(points(&[1.0, 1.0], |_, _| -1.0), 0.0);
    assert!((opposite.agreement(3).unwrap() - 0.5).abs() < 1e-9);
    // The derivative of A₃ is continuous where the two methods meet.
    let at = |c: f64| (9.0 * same(c).agreement(3).unwrap() - 3.0) / 6.0;
    let (left, right) = ((at(0.0) - at(-1e-3)) / 1e-3, (at(1e-3) - at(0.0)) / 1e-3);
    assert!((left - right).abs() < 1e-3, "{left} {right}");
}

/// From the smallest to the largest variances, in one table or series each; the scalar kernel is the reference, in closed form
/// where the function has one.
#[test]
fn variances_of_every_size_are_tabulated() {
    let closed =
        "relu leaky_relu(0.1) erf gelu sin abs squared_relu relu6 hard_tanh sign".split(' ');
    for (name, variances) in closed.map(|name| (name, vec![1e-12, 0.5, 1e6])).chain([
        ("tanh", vec![1e-12, 1e-12 * 1.1]),
        ("tanh", vec![1e-3, 3.0]),
        ("tanh", vec![20.0, 45.0]),
        ("silu", vec![1e-12, 1.2e-12]),
        ("silu", vec![300.0, 200.0]),
        ("mish", vec![9e5, 1e6]),
        ("tanh", vec![9e5, 1e6]),
        ("elu(1)", vec![1e-12, 1.3e-12]),
        ("elu(1)", vec![900.0, 1000.0]),
    ]) {
        let function = Pointwise::from(&activation(name));
        let worst = largest_error(name, &variances, &mut Element::new(&function));
        let series = ["tanh", "silu", "mish", "elu(1)"].contains(&name);
        assert!(worst < if series { 1e-9 } else { 1e-12 }, "{name} {variances:?}: {worst:e}");
    }
}

/// Edges of panels that double away from the place where a function of this width turns.
fn panels(turn: f64, width: f64) -> Vec<f64> {
    let mut edges = vec![-12.0, 12.0, turn.clamp(-12.0, 12.0)];
    let mut step = width;
    while step < 24.0 {
        edges.extend([turn - step, turn + step].into_iter().filter(|e| e.abs() < 12.0));
        step *= 2.0;
    }
    edges.extend((-3..=3).map(|k| 3.0 * f64::from(k)));
    edges.sort_by(f64::total_cmp);
    edges.dedup_by(|a, b| *a - *b < 1e-13);
    edges
}

/// `E[φ(u)φ(v)]` by nested Gauss–Legendre rules of hundreds of nodes that share no code with the kernels.
fn nested(function: &Pointwise, qa: f64, qb: f64, c: f64) -> f64 {
    let (ra, rb) = (qa.sqrt(), qb.sqrt());
    // 1 - c² from the given c: the reference knows no complement.
    let rest = ((1.0 - c) * (1.0 + c)).max(0.0).sqrt();
    let rule = crate::math::quadrature::GaussLegendre::cached(16);
    let integrate = |edges: &[f64], f: &dyn Fn(f64) -> f64| -> f64 {
        let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        edges.windows(2).map(|p| rule.integrate(p[0], p[1], |z| density(z) * f(z))).sum()
    };
    let outer = panels(0.0, 0.5 / ra.max(rb).max(1.0));
    integrate(&outer, &|u| {
        let inner = if rest == 0.0 {
            function.value(rb * c * u)
        } else {
            let edges = panels(-c * u / rest, 0.5 / (rb * rest).max(1.0));
            integrate(&edges, &|z| function.value(rb * (c * u + rest * z)))
        };
        function.value(ra * u) * inner
    })
}

/// The functions without a closed form against plain quadrature, over all eighteen decades and both ends of `c`.
#[test]
fn smooth_kernels_agree_with_nested_quadrature() {
    for name in ["tanh", "silu", "mish"] {
        let function = Pointwise::from(&activation(name));
        for q in [1e-12, 1e-2, 1.0, 30.0, 1e6] {
            let variances = [q, 1.3 * q];
            let mut element = Element::new(&function);
            for c in CORRELATIONS {
                let mut set = points(&variances, |_, _| c);
                element.apply(&mut set).unwrap();
                let scale = (set.second[0] * set.second[1]).sqrt();
                let expected = nested(&function, variances[1], variances[0], c);
                let error = (set.covariance(1, 0) - expected).abs() / scale;
                assert!(error < 1e-9, "{name} {q} {c}: {error:e}");
                let own = nested(&function, q, q, 1.0);
                assert!((set.second[0] / own - 1.0).abs() < 1e-9, "{name} {q}: {own}");
            }
        }
    }
}

#[test]
fn what_has_no_theory_says_so() {
    let shape = Shape::flat(8).unwrap();
    let data = gaussian_data(4, shape, 0.0);
    for (json, reason) in [
        (r#"[{"dense":8},"gelu",{"max_pool":2},{"dense":4}]"#, "one variance"),
        (r#"[{"dense":8},"relu",{"max_pool":2},"tanh",{"dense":4}]"#, "not Gaussian"),
        (r#"[{"dense":8},{"residual":["relu"]},{"dense":4}]"#, "neither has weights"),
        (r#"[{"dense":8},{"residual":[{"dense":8},"relu"]},"relu",{"dense":4}]"#, "not Gaussian"),
        (r#"[{"dense":8},"relu","layer_norm","tanh",{"dense":4}]"#, "not Gaussian"),
        (r#"[{"dense":8},"relu",{"dense":4},"relu"]"#, "follows the last layer"),
        (r#"[{"dense":8},{"dropout":0.5},"relu",{"dense":4}]"#, "dropped"),
        (r#"[{"dense":8},"relu",{"max_pool":2,"padding":1},{"dense":4}]"#, "with padding"),
    ] {
        let found = kernel(&network(json, shape), 2.0, 0.0, &data);
        let error = found.logits.expect_err(json);
        assert!(error.reason.contains(reason), "{json}: {error}");
        assert!(found.layers[0].statistics.is_ok());
    }
    let image = Shape::image(2, 4, 4).unwrap();
    let pictures = gaussian_data(4, image, 0.0);
    for (json, reason) in [
        (r#"[{"conv":8},"relu",{"max_pool":2},"flatten",{"dense":4}]"#, "neighbouring positions"),
        (r#"[{"conv":8,"groups":2},"flatten",{"dense":4}]"#, "groups"),
    ] {
        let error = kernel(&network(json, image), 2.0, 0.0, &pictures).logits.expect_err(json);
        assert!(error.reason.contains(reason), "{json}: {error}");
    }
    // Other shapes of data, no inits, and a single input: answers, not panics.
    let net = network(r#"[{"dense":8},"relu",{"dense":4}]"#, shape);
    assert!(DataKernel::new(&net, &[], &data).logits.is_err());
    let five = gaussian_data(3, Shape::flat(5).unwrap(), 0.0);
    assert!(kernel(&net, 2.0, 0.0, &five).logits.is_err());
    let single = kernel(&net, 2.0, 0.0, &gaussian_data(1, shape, 0.0));
    assert_eq!(single.layers[1].statistics.as_ref().unwrap().v, 0.0);
    assert!((single.logits.unwrap().share_variance() - 0.25).abs() < 1e-15);
}
