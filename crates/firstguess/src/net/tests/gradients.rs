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
        "log_periodic(0.5,2)",
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
