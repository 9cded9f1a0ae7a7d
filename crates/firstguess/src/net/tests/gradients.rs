//! Every backward pass against central differences of the forward pass, in f64.

use super::*;

const MASKS: Masks = Masks::Draw { seed: Seed(5), draw: 2 };

/// `L = Σ r · logits` with fixed random `r`: every logit counts, and its gradient is `r`.
struct Probe<'n> {
    program: &'n Program,
    weights: Weights<f64>,
    input: Vec<f64>,
    along: Vec<f64>,
}

impl Probe<'_> {
    fn loss(&self) -> f64 {
        let mut tape = Tape::new(self.program);
        let logits = tape.forward(&self.weights, &self.input, MASKS, |_| {}).unwrap();
        logits.iter().zip(&self.along).map(|(z, r)| z * r).sum()
    }

    /// `(L(x + h) - L(x - h)) / 2h` in the coordinate that `place` points to.
    fn difference(&mut self, place: impl Fn(&mut Self) -> &mut f64) -> f64 {
        const H: f64 = 1e-5;
        let base = *place(self);
        *place(self) = base + H;
        let above = self.loss();
        *place(self) = base - H;
        let below = self.loss();
        *place(self) = base;
        (above - below) / (2.0 * H)
    }
}

/// Compares every gradient of a small network with differences; about a hundred coordinates of each tensor.
///
/// Differences at h = 1e-5 carry an error of h² |L'''| / 6 + 1e-16 |L| / h, about 1e-10: the tolerance of 2e-7, relative to
/// the largest gradient of the tensor or 1, would show a wrong factor in any term.
fn check(json: &str, input: &[usize], batch: usize) {
    let network = network(json, input);
    let program = Program::new(&network, Record::WeightGradients);
    let layers = inits(&network, &InitScheme::explicit(1.7, 0.3));
    let weights = Weights::draw(&network, &layers, Seed(3), 0).unwrap();
    let (inputs, logits) =
        (normals(1, batch * network.input.size()), normals(2, batch * network.logits()));
    let mut probe = Probe { program: &program, weights, input: inputs, along: logits };

    let mut tape = Tape::new(&program);
    let mut gradient = Weights::zeros(&network).unwrap();
    tape.forward(&probe.weights, &probe.input, MASKS, |_| {}).unwrap();
    let wanted = Wanted { weights: Some(&mut gradient), input: true };
    let mut seen = Vec::new();
    tape.backward(&probe.weights, &probe.along, wanted, |view| {
        // The bias gradient is the sum of the pre-activation gradient over examples and positions.
        let mut bias = vec![0.0; view.units];
        for (row, unit) in view.values.chunks_exact(view.positions).zip((0..view.units).cycle()) {
            bias[unit] += row.iter().sum::<f64>();
        }
        seen.push((view.index, bias));
    })
    .unwrap();

    let order: Vec<usize> = seen.iter().map(|(index, _)| *index).collect();
    assert_eq!(order, (1..=network.weight_layers).rev().collect::<Vec<_>>(), "{json}");
    for (index, bias) in &seen {
        close(json, &gradient.layers[index - 1].bias, bias, 1e-12);
    }
    let input_gradient = tape.input_gradient().unwrap().to_vec();
    compare(json, &input_gradient, |i| probe.difference(|probe| &mut probe.input[i]));
    for (l, layer) in gradient.layers.iter().enumerate() {
        compare(json, &layer.weight, |i| {
            probe.difference(|probe| &mut probe.weights.layers[l].weight[i])
        });
        compare(json, &layer.bias, |i| {
            probe.difference(|probe| &mut probe.weights.layers[l].bias[i])
        });
    }
}

fn compare(json: &str, gradient: &[f64], mut difference: impl FnMut(usize) -> f64) {
    let step = gradient.len().div_ceil(100);
    let (exact, numeric): (Vec<f64>, Vec<f64>) =
        (0..gradient.len()).step_by(step).map(|i| (gradient[i], difference(i))).unzip();
    close(json, &exact, &numeric, 2e-7);
}

fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    let scale = expected.iter().fold(1.0, |largest: f64, x| largest.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance * scale,
            "{what} [{i}]: {found} vs {expected}"
        );
    }
}

#[test]
fn dense_layers_and_activations() {
    for activation in [
        "linear",
        "relu",
        "leaky_relu(0.2)",
        "abs",
        "elu",
        "selu",
        "celu(2)",
        "gelu",
        "gelu_tanh",
        "silu",
        "mish",
        "softplus",
        "sigmoid",
        "tanh",
        "hard_tanh",
        "hard_swish",
        "erf",
        "sin",
        "relu6",
        "squared_relu",
        "shifted_relu",
        "sign",
        "log_periodic(0.5,2)",
        "gaussian_odd(2)",
        "gaussian_odd(3)",
        "gaussian_positive(3)",
        "x*sigmoid(1.702*x)",
    ] {
        check(
            &format!(
                r#"[{{"dense":7}},"{activation}",{{"dense":6}},"{activation}",{{"dense":3}}]"#
            ),
            &[5],
            4,
        );
    }
    check(r#"["tanh",{"dense":3},"tanh"]"#, &[2, 2, 3], 3);
    check(r#"[{"dense":1}]"#, &[1], 1);
}

#[test]
fn convolutions_with_stride_padding_and_groups() {
    let head = r#""tanh","global_average_pool",{"dense":2}"#;
    for conv in [
        r#"{"conv":4}"#,
        r#"{"conv":4,"kernel":1}"#,
        r#"{"conv":4,"kernel":1,"groups":2}"#,
        r#"{"conv":4,"kernel":1,"stride":2}"#,
        r#"{"conv":6,"kernel":3,"padding":0}"#,
        r#"{"conv":6,"kernel":3,"stride":2,"padding":1,"groups":2}"#,
        r#"{"conv":4,"kernel":2,"stride":3,"padding":2,"groups":4}"#,
        r#"{"conv":3,"kernel":5,"padding":4}"#,
        // At stride 1 and from four channels a group on, without unfolding.
        r#"{"conv":9,"kernel":5,"padding":4}"#,
        r#"{"conv":5,"kernel":2,"padding":1}"#,
        r#"{"conv":10,"groups":2}"#,
        r#"{"conv":16,"kernel":4,"padding":0,"groups":4}"#,
    ] {
        check(&format!("[{conv},{head}]"), &[4, 5, 6], 2);
    }
    check(
        r#"[{"conv":3},"relu",{"conv":4,"stride":2},"relu","flatten",{"dense":3}]"#,
        &[2, 5, 5],
        3,
    );
}

#[test]
fn pools_of_vectors_and_images() {
    for pool in ["max_pool", "average_pool", "min_pool"] {
        check(&format!(r#"[{{"dense":12}},"tanh",{{"{pool}":3}},{{"dense":2}}]"#), &[5], 3);
        // Windows that overlap, and windows with gaps that leave units out.
        for (size, stride) in [(3, 2), (2, 3), (2, 1)] {
            let pool = format!(r#"{{"{pool}":{size},"stride":{stride}}}"#);
            check(&format!(r#"[{{"dense":11}},"tanh",{pool},{{"dense":2}}]"#), &[5], 3);
            check(
                &format!(r#"[{{"conv":3}},"tanh",{pool},"flatten",{{"dense":2}}]"#),
                &[2, 6, 7],
                2,
            );
        }
        // Padding: windows at the border hold fewer values.
        for (size, stride, padding) in [(3, 2, 1), (2, 2, 1), (4, 3, 2), (3, 1, 1)] {
            let pool = format!(r#"{{"{pool}":{size},"stride":{stride},"padding":{padding}}}"#);
            check(&format!(r#"[{{"dense":11}},"tanh",{pool},{{"dense":2}}]"#), &[5], 3);
            check(
                &format!(r#"[{{"conv":3}},"tanh",{pool},"flatten",{{"dense":2}}]"#),
                &[2, 6, 7],
                2,
            );
        }
    }
}

#[test]
fn normalisations_through_their_statistics() {
    for norm in [r#""batch_norm""#, r#""layer_norm""#, r#""rms_norm""#, r#"{"group_norm":2}"#] {
        check(&format!(r#"[{{"dense":8}},{norm},"tanh",{norm},{{"dense":3}}]"#), &[5], 4);
        check(&format!(r#"[{{"conv":4}},{norm},"tanh","flatten",{{"dense":3}}]"#), &[2, 4, 3], 3);
    }
    check(r#"["batch_norm",{"dense":2}]"#, &[3], 4);
}

#[test]
fn residual_blocks_nested_with_and_without_shortcuts() {
    for block in [
        r#"{"residual":[{"dense":6},"tanh"]}"#,
        r#"{"residual":["tanh",{"dense":6}],"branch_scale":0.3}"#,
        r#"{"residual":[{"dense":4}],"shortcut":[{"dense":4},"tanh"],"branch_scale":"1/sqrt(depth)"}"#,
        r#"{"residual":[{"dense":6},{"residual":["tanh",{"dense":6}],"shortcut":["sin"]}],"branch_scale":-2.0}"#,
        // The branch is the identity: both terms are the input itself.
        r#"{"residual":[],"branch_scale":0.5}"#,
        // Three readers of one value.
        r#"{"residual":[{"residual":["tanh"]}],"shortcut":["sin"]}"#,
        r#"{"residual":[{"repeat":2,"layers":[{"residual":[{"dense":6},"tanh"]}]}]}"#,
    ] {
        check(&format!(r#"[{{"dense":6}},{block},"tanh",{{"dense":2}}]"#), &[5], 3);
        check(&format!(r#"[{block},{{"dense":2}}]"#), &[6], 3);
    }
}

#[test]
fn dropout_with_the_mask_of_the_forward_pass() {
    check(r#"[{"dropout":0.3},{"dense":30},"tanh",{"dropout":0.5},{"dense":2}]"#, &[20], 3);
}

#[test]
fn mixed_networks() {
    check(
        r#"[{"conv":4,"stride":2},"batch_norm","relu",
            {"residual":[{"conv":4},{"group_norm":2},"gelu",{"conv":4,"groups":2}],"branch_scale":"1/sqrt(depth)"},
            {"residual":["silu",{"conv":6,"kernel":3,"stride":2}],"shortcut":[{"conv":6,"kernel":1,"stride":2}]},
            {"max_pool":2,"stride":1},"flatten",{"dropout":0.25},"layer_norm",{"dense":8},"softplus",
            {"average_pool":2},"rms_norm",{"dense":3}]"#,
        &[3, 9, 8],
        3,
    );
}

/// With and without the inputs of the weight layers, the gradients at the weight layers have the same bits.
#[test]
fn what_is_recorded_changes_no_gradient() {
    let network = network(
        r#"[{"conv":4},"batch_norm","tanh",{"residual":[{"conv":4},"relu",{"conv":4}]},{"max_pool":2},"flatten",
            {"dense":9},"gelu",{"residual":["tanh",{"dense":9}]},{"dense":3}]"#,
        &[2, 6, 6],
    );
    let layers = inits(&network, &InitScheme::explicit(2.0, 0.1));
    let weights: Weights<f64> = Weights::draw(&network, &layers, Seed(1), 0).unwrap();
    let (input, along) = (normals(4, 5 * 72), normals(5, 5 * 3));
    let run = |record| {
        let program = Program::new(&network, record);
        let mut tape = Tape::new(&program);
        let mut seen = tape.forward(&weights, &input, MASKS, |_| {}).unwrap().to_vec();
        if record > Record::Nothing {
            let keep = |view: LayerView<'_, f64>| seen.extend_from_slice(view.values);
            tape.backward(&weights, &along, Wanted::default(), keep).unwrap();
            assert_eq!(tape.input_gradient(), None);
        }
        seen
    };
    let (forward, some, all) =
        (run(Record::Nothing), run(Record::Gradients), run(Record::WeightGradients));
    assert_eq!(forward, all[..15]);
    assert_eq!(some, all);
}
