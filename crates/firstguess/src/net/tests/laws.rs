//! What whole networks obey, and the layers against their definitions.

use super::*;
use crate::spec::network::Op;
use rayon::prelude::*;

fn forward(json: &str, shape: &[usize], input: &[f64], weights: Option<&Weights<f64>>) -> Vec<f64> {
    // A dense layer after the one looked at makes the network well-formed; its input is what is returned.
    let network = network(json, shape);
    let drawn = inits(&network, &InitScheme::explicit(1.0, 0.5));
    let weights =
        weights.cloned().unwrap_or_else(|| Weights::draw(&network, &drawn, Seed(0), 0).unwrap());
    let program = Program::new(&network, Record::Nothing);
    let mut seen = Vec::new();
    Tape::new(&program)
        .forward(&weights, input, Masks::Off, |view| seen = view.input.unwrap().to_vec())
        .unwrap();
    seen
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-12, "[{i}]: {found} vs {expected}");
    }
}

/// He initialization keeps the second moment of ReLU pre-activations in expectation, at every width and depth.
///
/// 2000 networks of width 128 and 6 layers: `q_6 / q_1` has variance 25/128 for one input, so the standard error is 1% and an error
/// of 4% in the variance of five layers (0.8% in one) is seen. |z| < 4 fails by luck once in 16 000.
#[test]
fn he_weights_keep_the_second_moment_of_relu() {
    const DRAWS: usize = 2000;
    let network = Architecture::mlp(&"relu".parse().unwrap(), 6, 128, 128)
        .resolve(&Shape::flat(20).unwrap())
        .unwrap();
    let layers = inits(&network, &InitScheme::new("he_normal".parse().unwrap()));
    let program = Program::new(&network, Record::Nothing);
    let input: Vec<f32> = normals(8, 20);
    let expected = 2.0 * input.iter().map(|x| f64::from(x * x)).sum::<f64>() / 20.0;
    let last: Vec<f64> = (0..DRAWS)
        .into_par_iter()
        .map_init(
            || (Weights::zeros(&network).unwrap(), Tape::new(&program)),
            |(weights, tape), draw| {
                weights.redraw(&layers, Seed(11), draw as u64).unwrap();
                let logits = tape.forward(weights, &input, Masks::Off, |_| {}).unwrap();
                logits.iter().map(|h| f64::from(h * h)).sum::<f64>() / 128.0
            },
        )
        .collect();
    let mean = last.iter().sum::<f64>() / DRAWS as f64;
    let variance = last.iter().map(|q| (q - mean).powi(2)).sum::<f64>() / (DRAWS - 1) as f64;
    let z = (mean - expected) / (variance / DRAWS as f64).sqrt();
    assert!(z.abs() < 4.0, "{mean} vs {expected}: z = {z}");
}

/// The convolution against its definition, every tap and position by itself.
#[test]
fn convolutions_agree_with_nested_loops() {
    for (channels_in, side, conv) in [
        (4, [5, 7], r#"{"conv":6,"kernel":3,"stride":2,"padding":1,"groups":2}"#),
        (3, [6, 4], r#"{"conv":2,"kernel":4,"stride":1,"padding":3}"#),
        (2, [5, 5], r#"{"conv":4,"kernel":1,"stride":1,"padding":0}"#),
        (2, [9, 8], r#"{"conv":2,"kernel":2,"stride":5,"padding":1,"groups":2}"#),
    ] {
        let json = format!(r#"[{conv},"flatten",{{"dense":1}}]"#);
        let shape = [channels_in, side[0], side[1]];
        let network = network(&json, &shape);
        let layers = inits(&network, &InitScheme::explicit(1.0, 0.5));
        let weights: Weights<f64> = Weights::draw(&network, &layers, Seed(2), 0).unwrap();
        let input = normals(3, 2 * network.input.size());
        let found = forward(&json, &shape, &input, Some(&weights));

        let Op::Conv(_, window) = &network.nodes[0].op else { panic!("not a convolution") };
        let [outputs, rows, columns] = network.nodes[0].output.as_image().unwrap();
        let (per_group, out_per_group) = (channels_in / window.groups, outputs / window.groups);
        let k = window.kernel;
        let mut expected = Vec::new();
        for example in input.chunks(network.input.size()) {
            for o in 0..outputs {
                for y in 0..rows {
                    for x in 0..columns {
                        let mut h = weights.layers[0].bias[o];
                        for c in 0..per_group {
                            for (i, j) in (0..k * k).map(|tap| (tap / k, tap % k)) {
                                let channel = o / out_per_group * per_group + c;
                                let row = (y * window.stride + i).checked_sub(window.padding);
                                let column = (x * window.stride + j).checked_sub(window.padding);
                                let (Some(row), Some(column)) = (row, column) else { continue };
                                if row < side[0] && column < side[1] {
                                    let w = weights.layers[0].weight
                                        [((o * per_group + c) * k + i) * k + j];
                                    h += w * example[(channel * side[0] + row) * side[1] + column];
                                }
                            }
                        }
                        expected.push(h);
                    }
                }
            }
        }
        close(&found, &expected);
    }
}

#[test]
fn pools_take_what_they_say() {
    let flat = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0];
    let run = |pool: &str| forward(&format!(r#"[{pool},{{"dense":1}}]"#), &[7], &flat, None);
    close(&run(r#"{"max_pool":2}"#), &[3.0, 4.0, 9.0]);
    close(&run(r#"{"min_pool":2}"#), &[-1.0, 1.0, -5.0]);
    close(&run(r#"{"average_pool":2}"#), &[1.0, 2.5, 2.0]);
    close(&run(r#"{"max_pool":3,"stride":2}"#), &[4.0, 4.0, 9.0]);

    let image: Vec<f64> = (0..24).map(f64::from).collect();
    let run = |pool: &str| {
        forward(&format!(r#"[{pool},"flatten",{{"dense":1}}]"#), &[2, 3, 4], &image, None)
    };
    close(
        &run(r#"{"max_pool":2,"stride":1}"#),
        &[5., 6., 7., 9., 10., 11., 17., 18., 19., 21., 22., 23.],
    );
    close(&run(r#"{"average_pool":2}"#), &[2.5, 4.5, 14.5, 16.5]);
    close(&run(r#""global_average_pool""#), &[5.5, 17.5]);
}

/// Where several units share the extreme, the first one takes the whole gradient.
#[test]
fn ties_go_to_the_first_unit() {
    for pool in ["max_pool", "min_pool"] {
        let network = network(&format!(r#"[{{"{pool}":3}},{{"dense":1}}]"#), &[6]);
        let program = Program::new(&network, Record::Gradients);
        let mut weights: Weights<f64> = Weights::zeros(&network).unwrap();
        weights.layers[0].weight = vec![2.0, 5.0];
        let mut tape = Tape::new(&program);
        tape.forward(&weights, &[7.0; 6], Masks::Off, |_| {}).unwrap();
        tape.backward(&weights, &[1.0], Wanted { weights: None, input: true }, |_| {}).unwrap();
        assert_eq!(tape.input_gradient(), Some(&[2.0, 0.0, 0.0, 5.0, 0.0, 0.0][..]));
    }
}

#[test]
fn normalisations_agree_with_their_formulas() {
    let input: Vec<f64> = normals::<f64>(6, 3 * 12).iter().map(|x| 3.0 * x + 10.0).collect();
    let at =
        |example: usize, channel: usize, position: usize| (example * 4 + channel) * 3 + position;
    let every = |keep: &dyn Fn(usize, usize) -> bool| -> Vec<usize> {
        let mut places = Vec::new();
        for example in 0..3 {
            for channel in 0..4 {
                if keep(example, channel) {
                    places.extend((0..3).map(|position| at(example, channel, position)));
                }
            }
        }
        places
    };
    for (name, norm, centred, same) in [
        (
            "batch",
            r#""batch_norm""#,
            true,
            (|a, b| a.1 == b.1) as fn((usize, usize), (usize, usize)) -> bool,
        ),
        ("layer", r#""layer_norm""#, true, |a, b| a.0 == b.0),
        ("rms", r#""rms_norm""#, false, |a, b| a.0 == b.0),
        ("group", r#"{"group_norm":2}"#, true, |a, b| a.0 == b.0 && a.1 / 2 == b.1 / 2),
    ] {
        let found =
            forward(&format!(r#"[{norm},"flatten",{{"dense":1}}]"#), &[4, 1, 3], &input, None);
        let mut expected = vec![0.0; input.len()];
        for example in 0..3 {
            for channel in 0..4 {
                let group = every(&|e, c| same((example, channel), (e, c)));
                let count = group.len() as f64;
                let mean = group.iter().map(|i| input[*i]).sum::<f64>() / count;
                let mean = if centred { mean } else { 0.0 };
                let variance =
                    group.iter().map(|i| (input[*i] - mean).powi(2)).sum::<f64>() / count;
                for position in 0..3 {
                    let i = at(example, channel, position);
                    expected[i] = (input[i] - mean) / (variance + 1e-5).sqrt();
                }
            }
        }
        assert_eq!(found.len(), expected.len(), "{name}");
        close(&found, &expected);
    }
}

/// 100 000 units kept with probability 0.7: the standard error of the kept share is 0.0015, and 0.0034 of the mean.
#[test]
fn dropout_keeps_its_share_and_the_mean() {
    let network = network(r#"[{"dropout":0.3},{"dense":1}]"#, &[1000]);
    let program = Program::new(&network, Record::Nothing);
    let weights: Weights<f64> = Weights::zeros(&network).unwrap();
    let mut tape = Tape::new(&program);
    let ones = vec![1.0; 100_000];
    let mut run = |masks| {
        let mut seen = Vec::new();
        tape.forward(&weights, &ones, masks, |view| seen = view.input.unwrap().to_vec()).unwrap();
        seen
    };
    let masks = |draw| Masks::Draw { seed: Seed(4), draw };
    let kept = run(masks(0));
    assert!(kept.iter().all(|x| *x == 0.0 || *x == 1.0 / 0.7));
    let share = kept.iter().filter(|x| **x > 0.0).count() as f64 / 1e5;
    assert!((share - 0.7).abs() < 4.0 * 0.0015, "{share}");
    assert_eq!(run(masks(0)), kept);
    assert_ne!(run(masks(1)), kept);
    assert_eq!(run(Masks::Off), ones);
}

/// The logits of one draw, and the gradients of all its weights under cross-entropy.
fn logits_and_gradients<T: Scalar>(
    network: &Network,
    layers: &[LayerInit],
    program: &Program,
    input: &[T],
) -> Vec<f64> {
    let weights: Weights<T> = Weights::draw(network, layers, Seed(9), 3).unwrap();
    let mut tape = Tape::new(program);
    let mut all: Vec<f64> = tape
        .forward(&weights, input, Masks::Off, |_| {})
        .unwrap()
        .iter()
        .map(|z| z.to_f64())
        .collect();
    let labels: Vec<u32> = (0..6).collect();
    let loss = loss::cross_entropy(tape.logits(), 10, &labels).unwrap();
    let mut gradient = Weights::zeros(network).unwrap();
    let wanted = Wanted { weights: Some(&mut gradient), input: false };
    tape.backward(&weights, &loss.gradient, wanted, |_| {}).unwrap();
    all.extend(gradient.layers.iter().flat_map(|layer| &layer.weight).map(|g| g.to_f64()));
    all
}

#[test]
fn single_and_double_precision_compute_the_same_network() {
    let network = network(
        r#"[{"conv":8},"relu",{"max_pool":2},{"residual":[{"conv":8},"batch_norm","tanh"]},"flatten",{"dense":32},"gelu",
            "layer_norm",{"dense":10}]"#,
        &[3, 8, 8],
    );
    let layers = inits(&network, &InitScheme::new("he_normal".parse().unwrap()));
    let program = Program::new(&network, Record::WeightGradients);
    let input: Vec<f32> = normals(7, 6 * 192);
    let wide: Vec<f64> = input.iter().map(|x| f64::from(*x)).collect();
    let (single, double) = (
        logits_and_gradients(&network, &layers, &program, &input),
        logits_and_gradients(&network, &layers, &program, &wide),
    );
    // Six layers of f32 rounding; a maximum may flip between near-equal units, none does here.
    for (a, b) in single.iter().zip(&double) {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} vs {b}");
    }
}

#[test]
fn draws_have_the_same_bits_on_any_number_of_threads() {
    let network = network(
        r#"[{"conv":8},"relu",{"dropout":0.2},{"max_pool":2},"flatten",{"dense":70},"batch_norm","tanh",{"dense":10}]"#,
        &[3, 8, 8],
    );
    let layers = inits(&network, &InitScheme::explicit(2.0, 0.1));
    let program = Program::new(&network, Record::WeightGradients);
    let input: Vec<f32> = normals(7, 9 * 192);
    let along: Vec<f32> = normals(8, 90);
    let run = |threads: usize| -> Vec<u32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let draws: Vec<Vec<u32>> = pool.install(|| {
            (0..12_u64)
                .into_par_iter()
                .map_init(
                    || (Weights::zeros(&network).unwrap(), Tape::new(&program)),
                    |(weights, tape), draw| {
                        weights.redraw(&layers, Seed(1), draw).unwrap();
                        let masks = Masks::Draw { seed: Seed(1), draw };
                        let mut bits = Vec::new();
                        let mut keep =
                            |values: &[f32]| bits.extend(values.iter().map(|x| x.to_bits()));
                        tape.forward(weights, &input, masks, |view| keep(view.values)).unwrap();
                        tape.backward(weights, &along, Wanted::default(), |view| keep(view.values))
                            .unwrap();
                        bits
                    },
                )
                .collect()
        });
        draws.concat()
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

/// A tape that has seen other batches, larger and smaller, computes what a new one does.
#[test]
fn a_used_tape_is_as_good_as_a_new_one() {
    let network = network(
        r#"[{"conv":4},"tanh",{"residual":[{"conv":4,"groups":2},"batch_norm"]},{"average_pool":2},"flatten",{"dense":3}]"#,
        &[2, 4, 4],
    );
    let layers = inits(&network, &InitScheme::explicit(1.5, 0.1));
    let weights: Weights<f64> = Weights::draw(&network, &layers, Seed(1), 0).unwrap();
    let program = Program::new(&network, Record::Gradients);
    let mut used = Tape::new(&program);
    for batch in [5, 2, 7, 5] {
        let (input, along) = (normals(batch as u64, batch * 32), normals(1, batch * 3));
        let run = |tape: &mut Tape<'_, f64>| {
            let mut all = tape.forward(&weights, &input, Masks::Off, |_| {}).unwrap().to_vec();
            let wanted = Wanted { weights: None, input: true };
            tape.backward(&weights, &along, wanted, |view| all.extend(view.values)).unwrap();
            all.extend(tape.input_gradient().unwrap());
            all
        };
        assert_eq!(run(&mut used), run(&mut Tape::new(&program)), "batch {batch}");
    }
}

/// The estimate is what the buffers hold, to the byte.
#[test]
fn memory_is_what_was_announced() {
    let network = network(
        r#"[{"conv":4},"relu",{"max_pool":2},{"residual":[{"conv":4},"batch_norm","tanh"]},"flatten","layer_norm",
            {"dense":30},"gelu",{"dense":3}]"#,
        &[2, 8, 8],
    );
    let weights: Weights<f32> = Weights::zeros(&network).unwrap();
    let mut announced = Vec::new();
    for record in [Record::Nothing, Record::Gradients, Record::Inputs, Record::WeightGradients] {
        let program = Program::new(&network, record);
        let mut tape = Tape::new(&program);
        tape.forward(&weights, &[1.0; 6 * 128], Masks::Off, |_| {}).unwrap();
        let floats: usize = tape
            .values
            .iter()
            .chain(&tape.gradients)
            .chain([&tape.term, &tape.patches, &tape.again])
            .map(Vec::capacity)
            .sum();
        let indices: usize = tape.saved.iter().map(|saved| saved.indices.len()).sum();
        // Of a batch norm two more vectors of sums come and go.
        let statistics: usize = tape.saved.iter().map(|saved| saved.inverse_std.len()).sum();
        let held = (4 * (floats + indices) + 8 * (statistics + 2 * 4)) as u64;
        assert_eq!(program.bytes::<f32>(6), held, "{record:?}");
        announced.push(held);
    }
    assert!(announced.is_sorted() && announced[0] < announced[2], "{announced:?}");
}

/// Orthogonal layers of both layouts keep the variance they are asked for: rows (or columns) of equal length.
#[test]
fn orthogonal_layers_are_isometries_in_their_layout() {
    let network =
        network(r#"[{"conv":24,"kernel":3},"flatten",{"dense":5},{"dense":9}]"#, &[8, 3, 3]);
    for (scheme, fan_in) in [("orthogonal", 72.0), ("delta_orthogonal", 72.0)] {
        let mut layers = inits(&network, &InitScheme::new(scheme.parse().unwrap()));
        layers[0].weight_variance = 0.7;
        let weights: Weights<f64> = Weights::draw(&network, &layers, Seed(0), 0).unwrap();
        for (layer, (init, [fan_in, outputs])) in
            weights.layers.iter().zip(layers.iter().zip([[fan_in, 24.0], [216.0, 5.0], [5.0, 9.0]]))
        {
            let squares: f64 = layer.weight.iter().map(|w| w * w).sum();
            let expected = init.weight_variance * outputs;
            assert!((squares - expected).abs() < 1e-4 * expected, "{scheme} {fan_in}: {squares}");
        }
        // [fan_in, outputs]: the five columns are orthonormal.
        let dense = &weights.layers[1].weight;
        for (i, j) in (0..25).map(|pair| (pair / 5, pair % 5)) {
            let product: f64 = dense.chunks(5).map(|row| row[i] * row[j]).sum();
            assert!((product - f64::from(u8::from(i == j))).abs() < 1e-5, "{i} {j}: {product}");
        }
    }
}
