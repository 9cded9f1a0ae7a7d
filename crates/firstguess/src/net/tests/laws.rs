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

/// The two ways through a convolution, forward and back, in f32: shifted images and a matrix of patches.
#[test]
fn shifted_images_agree_with_unfolded_ones() {
    use super::conv::Conv;
    use crate::spec::layer::ConvWindow;
    for (channels, [height, width], outputs, kernel, padding, groups) in [
        (3, [32, 32], 32, 3, 1, 1),
        (32, [16, 16], 64, 3, 1, 1),
        (8, [7, 9], 20, 3, 0, 2),
        (6, [5, 6], 12, 4, 3, 3),
        (40, [4, 3], 70, 2, 1, 1),
        (1, [1, 1], 4, 3, 2, 1),
        (2, [3, 50], 5, 3, 1, 1),
    ] {
        let window = ConvWindow { kernel, stride: 1, padding, groups };
        let input = Shape::image(channels, height, width).unwrap();
        let side = |extent: usize| extent + 2 * padding + 1 - kernel;
        let output = Shape::image(outputs, side(height), side(width)).unwrap();
        let shifted = Conv::new(input, output, window);
        let unfolded = shifted.clone().unfolded();
        assert_ne!(shifted.patch_size(), unfolded.patch_size());
        let (batch, entries) = (3, outputs * shifted.fan_in());
        let weights = LayerWeights { weight: normals(1, entries), bias: normals(2, outputs) };
        let x: Vec<f32> = normals(3, batch * input.size());
        let g: Vec<f32> = normals(4, batch * output.size());
        let run = |conv: &Conv| {
            // What was left in the space by an earlier layer must not matter.
            let mut scratch = vec![f32::NAN; conv.patch_size() + 5];
            let (mut y, mut dx) = (vec![f32::NAN; g.len()], vec![f32::NAN; x.len()]);
            let mut dw = LayerWeights { weight: vec![1.0; entries], bias: vec![2.0; outputs] };
            conv.forward(&weights, &x, &mut y, &mut scratch);
            conv.input_gradient(&weights, &g, &mut dx, &mut scratch);
            conv.weight_gradient(-0.5, &x, &g, &mut dw, &mut scratch);
            [y, dx, dw.weight, dw.bias]
        };
        for (a, b) in run(&shifted).into_iter().zip(run(&unfolded)) {
            let scale = b.iter().fold(1.0, |scale: f32, b| scale.max(b.abs()));
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() <= 2e-6 * scale, "{kernel} {padding} {groups}: {a} vs {b}");
            }
        }
    }
}

/// Weights made in passing, whole layers or columns, give the pass and the gradients of those that are kept.
#[test]
fn weights_made_in_passing_are_those_that_are_kept() {
    let network = network(
        r#"[{"conv":8},"relu",{"max_pool":2},"flatten",{"dense":200},"batch_norm","tanh",{"dense":130},"gelu",{"dense":10}]"#,
        &[3, 8, 8],
    );
    let input: Vec<f64> = normals(7, 6 * 192);
    let along: Vec<f64> = normals(8, 60);
    for law in ["normal", "truncated_normal", "student_t(5)", "orthogonal", "delta_orthogonal"] {
        let weight_law = Some(law.parse().unwrap());
        let init = InitScheme { weight_law, ..InitScheme::explicit(2.0, 0.1) };
        let layers = inits(&network, &init);
        let program = Program::new(&network, Record::WeightGradients);
        let mut tape = Tape::new(&program);
        let weights = Weights::draw(&network, &layers, Seed(9), 3).unwrap();
        let mut kept = Vec::new();
        tape.forward(&weights, &input, Masks::Off, |view| kept.extend_from_slice(view.values))
            .unwrap();
        let wanted = || Wanted { weights: None, input: true };
        tape.backward(&weights, &along, wanted(), |view| kept.extend_from_slice(view.values))
            .unwrap();
        kept.extend_from_slice(tape.input_gradient().unwrap());

        let whole = Recipe::new(&network, &layers).unwrap();
        for (recipe, tolerance) in [(whole.clone(), 0.0), (whole.with_panel(64 * 130), 1e-12)] {
            let (drawing, mut made) = (recipe.draw(Seed(9), 3), Vec::new());
            tape.forward_drawn(&drawing, &input, Masks::Off, |view| {
                made.extend_from_slice(view.values);
            })
            .unwrap();
            tape.backward_drawn(&drawing, &along, wanted(), |view| {
                made.extend_from_slice(view.values);
            })
            .unwrap();
            made.extend_from_slice(tape.input_gradient().unwrap());
            assert_eq!(made.len(), kept.len());
            for (made, kept) in made.iter().zip(&kept) {
                let distance = (made - kept).abs();
                assert!(distance <= tolerance * kept.abs().max(1.0), "{law}: {made} vs {kept}");
            }
        }
    }
    let layers = inits(&network, &InitScheme::explicit(2.0, 0.1));
    assert!(matches!(Recipe::new(&network, &layers[1..]), Err(NetError::Length { .. })));
}

/// Inputs that are zero throughout leave no trace, whether their weights are made or not: beyond the depth at which kernels cut a
/// product, with and without biases, whole and by panels.
#[test]
fn weights_that_meet_only_zeros_need_not_be_made() {
    let network = network(
        r#"[{"dense":700},"relu",{"dense":1300},"relu",{"dense":200},"relu",{"dense":130},"tanh",{"dense":10}]"#,
        &[600],
    );
    // Examples close to each other: a unit that is silent on one is silent on most.
    let one: Vec<f32> = normals(5, 600);
    let apart: Vec<f32> = normals(6, 140 * 600);
    let input: Vec<f32> = apart.iter().zip(one.iter().cycle()).map(|(x, y)| y + 0.1 * x).collect();
    let program = Program::new(&network, Record::Nothing);
    let mut tape = Tape::new(&program);
    for bias in [0.0, 0.1] {
        let layers = inits(&network, &InitScheme::explicit(2.0, bias));
        let weights = Weights::draw(&network, &layers, Seed(9), 3).unwrap();
        let (mut kept, mut silent) = (Vec::new(), 0.0_f64);
        tape.forward(&weights, &input, Masks::Off, |view| {
            kept.extend_from_slice(view.values);
            if view.index == 2 {
                let dead =
                    |unit: usize| (0..140_usize).all(|row| view.values[row * 1300 + unit] <= 0.0);
                silent = (0..1300).filter(|unit| dead(*unit)).count() as f64 / 1300.0;
            }
        })
        .unwrap();
        assert!(silent > 0.2, "{silent} of the second layer is silent");
        let whole = Recipe::new(&network, &layers).unwrap();
        for recipe in [whole.clone(), whole.with_panel(64 * 1300)] {
            let mut made = Vec::new();
            tape.forward_drawn(&recipe.draw(Seed(9), 3), &input, Masks::Off, |view| {
                made.extend_from_slice(view.values);
            })
            .unwrap();
            assert_eq!(made.len(), kept.len());
            // Elsewhere the kernels cut a product by the size of the caches.
            let tolerance = if cfg!(target_arch = "x86_64") { 0.0 } else { 1e-5 };
            for (made, kept) in made.iter().zip(&kept) {
                assert!((made - kept).abs() <= tolerance, "{made} vs {kept}");
            }
        }
    }
}

/// Every law that a spec file can name, in a dense layer and in a kernel, at the variance asked for times gain²; biases too.
///
/// 131 072 and 73 728 weights, |z| < 4.5 by the law's own kurtosis: an error of 3 % in the variance of a normal is seen.
#[test]
fn every_law_of_the_spec_reaches_the_weights_at_its_variance() {
    use crate::spec::weights::WEIGHT_FAMILIES;
    let network = network(r#"[{"conv":256,"kernel":3},"flatten",{"dense":32}]"#, &[32, 4, 4]);
    for entry in WEIGHT_FAMILIES {
        let law = entry.example();
        for (asked, weight, bias) in [
            (r#""scheme":"explicit","weight_variance":1.7,"bias_variance":0.3"#, 1.7, 0.3),
            (r#""scheme":"he_normal","gain":1.5,"bias_variance":4.0"#, 4.5, 4.0),
        ] {
            let json = format!(r#"{{{asked},"weight_law":"{law}"}}"#);
            let init: InitScheme = serde_json::from_str(&json).unwrap();
            init.validate().unwrap();
            let layers = inits(&network, &init);
            let drawn: Weights = Weights::draw(&network, &layers, Seed(21), 0).unwrap();
            let square = |values: &[f32]| {
                values.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / values.len() as f64
            };
            for (layer, fan_in) in drawn.layers.iter().zip([288.0, 4096.0]) {
                let found = fan_in * square(&layer.weight) / weight;
                // Orthogonal matrices have a fixed norm.
                let kurtosis = layers[0].family.kurtosis().unwrap_or(1.0);
                let error = ((kurtosis - 1.0) / layer.weight.len() as f64).sqrt();
                assert!((found - 1.0).abs() < 4.5 * error + 1e-5, "{json}: {found} times");
            }
            let (found, error) = (square(&drawn.layers[0].bias) / bias, (2.0 / 256_f64).sqrt());
            assert!((found - 1.0).abs() < 4.5 * error, "{json}: bias {found} times");
        }
    }
}

/// A step of descent is the weights less the rate times the gradient, which may replace or be added to another.
#[test]
fn descending_subtracts_the_gradient() {
    let network = network(
        r#"[{"conv":6},"tanh",{"conv":6,"stride":2},{"residual":["relu",{"conv":6}]},"flatten",{"dense":9},"gelu",{"dense":3}]"#,
        &[2, 6, 6],
    );
    let layers = inits(&network, &InitScheme::explicit(2.0, 0.1));
    let program = Program::new(&network, Record::WeightGradients);
    let mut tape = Tape::new(&program);
    let mut weights: Weights<f64> = Weights::draw(&network, &layers, Seed(1), 0).unwrap();
    let (input, along) = (normals(4, 5 * 72), normals(5, 5 * 3));
    tape.forward(&weights, &input, Masks::Off, |_| {}).unwrap();

    let mut added = Weights::zeros(&network).unwrap();
    let wanted = Wanted { weights: Some(&mut added), input: false };
    tape.backward(&weights, &along, wanted, |_| {}).unwrap();
    let mut replaced = weights.clone();
    tape.weight_gradient(&weights, &along, &mut replaced).unwrap();
    let before = weights.clone();
    tape.descend(&mut weights, &along, 0.25, |_| {}).unwrap();
    let flat = |weights: &Weights<f64>| -> Vec<f64> {
        let tensors = weights.layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]);
        tensors.flatten().copied().collect()
    };
    let (added, replaced, before, after) =
        (flat(&added), flat(&replaced), flat(&before), flat(&weights));
    for (i, gradient) in added.iter().enumerate() {
        assert!((gradient - replaced[i]).abs() < 1e-13, "{gradient} vs {}", replaced[i]);
        assert!((before[i] - 0.25 * gradient - after[i]).abs() < 1e-13, "{i}");
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
    // Nothing is in the padding for extremes, zeros are for means.
    close(&run(r#"{"max_pool":2,"padding":1}"#), &[3.0, 4.0, 1.0, 9.0]);
    close(&run(r#"{"min_pool":3,"stride":3,"padding":1}"#), &[-1.0, -5.0, 2.0]);
    close(&run(r#"{"average_pool":2,"padding":1}"#), &[1.5, 1.5, -2.0, 5.5]);

    let image: Vec<f64> = (0..24).map(f64::from).collect();
    let run = |pool: &str| {
        forward(&format!(r#"[{pool},"flatten",{{"dense":1}}]"#), &[2, 3, 4], &image, None)
    };
    close(
        &run(r#"{"max_pool":2,"stride":1}"#),
        &[5., 6., 7., 9., 10., 11., 17., 18., 19., 21., 22., 23.],
    );
    close(&run(r#"{"average_pool":2}"#), &[2.5, 4.5, 14.5, 16.5]);
    close(&run(r#"{"max_pool":3,"stride":2,"padding":1}"#), &[5., 7., 9., 11., 17., 19., 21., 23.]);
    close(
        &run(r#"{"average_pool":2,"padding":1}"#),
        &[0.0, 0.75, 0.75, 3.0, 7.5, 4.5, 3.0, 6.75, 3.75, 9.0, 19.5, 10.5],
    );
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
