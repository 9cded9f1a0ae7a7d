//! Networks with and without weights have the same law: two-sample tests of everything that is measured.
//!
//! Compiled with `FIRSTGUESS_LONG=1` they draw 20 000 networks of each kind, and pass. The smallest shift of a mean that a test sees
//! (4.5 standard errors of the difference) is then 0.045 standard deviations of the statistic; with `n` networks, 6.4/√n.

use super::super::draw::{Draw, Plan};
use super::super::engine::choose;
use super::super::estimate::Estimate;
use super::super::job::{Job, PASS_MEMORY, Programs};
use super::super::tangent::Sums;
use super::super::{MeasureError, Options, run};
use super::*;
use crate::math::stream::{Purpose, Seed, Stream};
use crate::net::{Masks, Program, Record, Source, Tape, Wanted, Weights};
use crate::spec::experiment::Engine;
use crate::spec::layer::Layer;
use crate::spec::{Architecture, InitScheme, Shape};
use rayon::prelude::*;

/// Normal inputs, the first `equal` of them copies of the next ones; labels 0, 1, 2 in turn.
fn data(examples: usize, features: usize, equal: usize) -> Dataset {
    let mut inputs = vec![0.0_f32; examples * features];
    Stream::new(Seed(21), 0, 0, Purpose::Data).fill_normal_f32(0, &mut inputs);
    let (copies, rest) = inputs.split_at_mut(equal * features);
    copies.copy_from_slice(&rest[..equal * features]);
    let labels = (0..examples).map(|a| u32::try_from(a % 3).unwrap()).collect();
    let shape = Shape::flat(features).unwrap();
    Dataset::new("normal", shape, inputs).unwrap().with_labels(labels, 3).unwrap()
}

fn network(json: &str, data: &Dataset, init: &str) -> (Network, Vec<LayerInit>) {
    let layers: Vec<Layer> = serde_json::from_str(json).unwrap();
    let network = Architecture { layers }.resolve(&data.shape()).unwrap();
    let scheme: InitScheme = serde_json::from_str(init).unwrap();
    let inits = network.weights().iter().map(|layer| scheme.layer(layer).unwrap()).collect();
    (network, inits)
}

fn ensemble(
    (network, init): &(Network, Vec<LayerInit>),
    data: &Dataset,
    engine: Engine,
    draws: usize,
) -> Vec<Draw> {
    // Independent samples: another seed for each engine.
    let seed = Seed(if engine == Engine::Direct { 1 } else { 2 });
    let options = Options { engine, ..Options::new(seed, draws) };
    let plan = Plan::new(network, true, 3);
    let program = Program::new(network, Record::Inputs);
    let (choice, _) = choose(network, init, data, &options, &program).unwrap();
    let programs = Programs::new(network);
    let job = Job::new(network, init, data, &options, &plan, &programs, &choice, PASS_MEMORY);
    (0..draws as u64).into_par_iter().map(|draw| job.measure(draw).unwrap()).collect()
}

/// Networks of each kind: so many in a usual run.
fn draws(usual: usize) -> usize {
    if option_env!("FIRSTGUESS_LONG").is_some() { 20_000 } else { usual }
}

/// Means within 4.5 standard errors, distribution functions within what is exceeded once in 10 000 times.
fn same_law(what: &str, direct: &[f64], conditioned: &[f64]) {
    let [a, b] = [direct, conditioned].map(|values| Estimate::mean(values.iter().copied()));
    let error = a.std_error.unwrap().hypot(b.std_error.unwrap());
    let distance = (a.value - b.value).abs();
    assert!(distance <= 4.5 * error, "{what}: {a:?} with weights, {b:?} without");
    let mut all: Vec<(f64, bool)> = direct.iter().map(|x| (*x, true)).collect();
    all.extend(conditioned.iter().map(|x| (*x, false)));
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut first, mut second, mut largest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (k, (value, of_first)) in all.iter().enumerate() {
        *(if *of_first { &mut first } else { &mut second }) += 1.0;
        // Discrete statistics: the functions differ only behind all equal values.
        if all.get(k + 1).is_none_or(|next| next.0 > *value) {
            let gap = first / direct.len() as f64 - second / conditioned.len() as f64;
            largest = largest.max(gap.abs());
        }
    }
    let size =
        (direct.len() * conditioned.len()) as f64 / (direct.len() + conditioned.len()) as f64;
    assert!(largest * size.sqrt() < 2.23, "{what}: the laws are {largest} apart");
}

/// Distances below this, relative to `q`, are rounding of activations in f32, of either engine its own.
const RESOLVED: f64 = 1e-10;

/// The statistics of one layer of one network.
fn statistics(draw: &Draw, layer: usize, spread: bool) -> Vec<(&'static str, f64)> {
    let found = &draw.layers[layer];
    let moments = found.moments.unwrap();
    let mut all = vec![("ln q", moments.ln_q)];
    if let (true, Some((v, t))) = (spread, moments.v_and_t) {
        // Between networks of 200 narrow layers `1 - c` spreads over ten decades, down to what f32 leaves of it.
        all.push(("c", 1.0 - (v / (v + t)).max(RESOLVED)));
        all.push(("gamma", (t / v).min(1.0 / RESOLVED)));
        all.push(("class pair", found.pairs.as_ref().unwrap().product(0, 1)));
    }
    for (name, gradient) in
        ["ln |g|²", "ln |g|² of a random gradient"].into_iter().zip(found.gradients)
    {
        all.push((name, gradient.map_or(f64::NAN, |g| g.mean.ln())));
    }
    if let Some(dead) = found.dead {
        all.push(("dead units", dead));
    }
    all
}

fn compare(
    name: &str,
    case: &(Network, Vec<LayerInit>),
    data: &Dataset,
    usual: usize,
    spread: bool,
) {
    let draws = draws(usual);
    let direct = ensemble(case, data, Engine::Direct, draws);
    let conditioned = ensemble(case, data, Engine::Conditioned, draws);
    let depth = case.0.weight_layers;
    let mut layers = vec![0, 1, depth / 2, depth - 2, depth - 1];
    layers.sort_unstable();
    layers.dedup();
    for layer in layers {
        let [a, b] = [&direct, &conditioned].map(|ensemble| {
            ensemble.iter().map(|draw| statistics(draw, layer, spread)).collect::<Vec<_>>()
        });
        for (position, (statistic, _)) in a[0].iter().enumerate() {
            let [a, b] =
                [&a, &b].map(|all| all.iter().map(|draw| draw[position].1).collect::<Vec<f64>>());
            same_law(&format!("{name}, layer {}, {statistic}", layer + 1), &a, &b);
        }
    }
    let shares = |ensemble: &[Draw]| -> Vec<f64> {
        let largest = |draw: &Draw| *draw.guesses.as_ref().unwrap().counts().iter().max().unwrap();
        ensemble.iter().map(|draw| largest(draw) as f64).collect()
    };
    same_law(&format!("{name}, largest share"), &shares(&direct), &shares(&conditioned));
    let loss = |ensemble: &[Draw]| -> Vec<f64> {
        ensemble.iter().map(|draw| draw.guesses.as_ref().unwrap().loss().unwrap()).collect()
    };
    same_law(&format!("{name}, loss"), &loss(&direct), &loss(&conditioned));
}

fn mlp(depth: usize, width: usize, activation: &str) -> String {
    format!(
        r#"[{{"repeat":{},"layers":[{{"dense":{width}}},"{activation}"]}},{{"dense":3}}]"#,
        depth - 1
    )
}

const HE: &str = r#"{"scheme":"he_normal"}"#;

/// Shifts of 0.16 standard deviations are seen at 1600 networks.
#[test]
fn a_relu_network_has_the_same_law_with_and_without_weights() {
    let data = data(6, 20, 0);
    compare("relu", &network(&mlp(5, 32, "relu"), &data, HE), &data, 1600, true);
}

/// Two of seven inputs are copies with other labels: their gradients differ, their signals do not.
#[test]
fn copies_of_inputs_leave_the_law_as_it_is() {
    let data = data(7, 20, 2);
    compare("copies", &network(&mlp(4, 24, "relu"), &data, HE), &data, 1200, true);
}

/// Twelve units see twenty inputs, and ten: the second loses rank where units die.
#[test]
fn more_inputs_than_live_units_leave_the_law_as_it_is() {
    for examples in [20, 10] {
        let data = data(examples, 15, 0);
        let case = network(&mlp(4, 12, "relu"), &data, HE);
        compare(&format!("{examples} inputs"), &case, &data, 600, true);
    }
}

/// Near the edge of chaos 200 layers leave correlations of 1 - 10⁻⁴, which f32 still resolves: all statistics compare.
/// Deep in the ordered phase all inputs end in the same numbers: of the spread only rounding is left. Shifts of 0.37
/// standard deviations are seen at 300 networks.
#[test]
fn two_hundred_ordered_layers_have_the_same_law() {
    let data = data(4, 10, 0);
    let json = mlp(200, 16, "tanh");
    for (weight, spread) in [(1.6, true), (0.9, false)] {
        let init =
            format!(r#"{{"scheme":"explicit","weight_variance":{weight},"bias_variance":0.05}}"#);
        let case = network(&json, &data, &init);
        compare(&format!("σ_w² = {weight}"), &case, &data, 300, spread);
        let seen = run(
            &case.0,
            &case.1,
            &data,
            &Options { engine: Engine::Conditioned, ..Options::new(Seed(0), 4) },
            &mut (),
        )
        .unwrap();
        let careful: u64 = seen
            .sampling
            .layers
            .iter()
            .map(|layer| layer.forward.gram_f64 + layer.forward.qr)
            .sum();
        assert!(careful > 0, "correlations near one need care: {:?}", seen.sampling);
        assert!(seen.layers.iter().all(|layer| layer.q.is_known() && layer.ln_gradient.is_known()));
    }
}

/// Whatever has no weights may stand between; biases may have any law.
#[test]
fn norms_residual_sums_and_uniform_biases_leave_the_law_as_it_is() {
    let data = data(6, 20, 0);
    let json = r#"[{"dense":24},"gelu",{"residual":[{"dense":24},"batch_norm","tanh",{"dense":24}]},"layer_norm",
        {"max_pool":2},{"dense":16},"relu",{"dense":3}]"#;
    let init = r#"{"scheme":"torch_default","weight_law":"normal"}"#;
    let case = network(json, &data, init);
    assert!(case.1[0].uniform_bias && case.1[0].family == WeightFamily::Normal);
    compare("mixed", &case, &data, 800, true);
}

/// Mean square logit, and mean square gradient of `|h|²/2` at the first layer.
fn first(
    tape: &mut Tape<'_>,
    source: &mut Source<'_, f32>,
    data: &Dataset,
    mean: impl Fn(&[f32]) -> f64,
) -> [f64; 2] {
    tape.run_forward(source, data.inputs(), Masks::Off, |_| {}).unwrap();
    let logits = tape.logits().to_vec();
    let mut last = 0.0;
    tape.run_backward(source, &logits, None, false, |view| last = mean(view.values)).unwrap();
    [mean(&logits), last]
}

/// Stated figures: N = 48, six inputs, depth 5, `L = |h|²/2`: `E g₁²` per unit is 21.8 with explicit weights and 2.28 with
/// fresh ones, 9.55 times less. Ratios are compared, as the scale is that of the inputs; 2000 networks see 15 % of it.
#[test]
fn gradients_that_depend_on_the_weights_are_not_those_of_fresh_weights() {
    let data = data(6, 48, 0);
    let case = network(r#"[{"repeat":4,"layers":[{"dense":48},"relu"]},{"dense":48}]"#, &data, HE);
    let (network, inits) = &case;
    let law = Law::new(network, inits, &data, true, false);
    let program = Program::new(network, Record::Inputs);
    let count = draws(2000);
    let of_draw = |draw: u64| -> [f64; 4] {
        let mean = |values: &[f32]| {
            values.iter().map(|x| f64::from(x * x)).sum::<f64>() / values.len() as f64
        };
        let weights = Weights::draw(network, inits, Seed(1), draw).unwrap();
        let mut tape = Tape::new(&program);
        let [q, explicit] = first(&mut tape, &mut Source::Kept(&weights), &data, mean);
        // Backward with the weights of another network.
        let others = Weights::draw(network, inits, Seed(7), draw).unwrap();
        tape.forward(&weights, data.inputs(), Masks::Off, |_| {}).unwrap();
        let logits = tape.logits().to_vec();
        let mut fresh = 0.0;
        tape.backward(&others, &logits, Wanted::default(), |view| fresh = mean(view.values))
            .unwrap();
        let mut scratch = Scratch::default();
        let mut sampler = Sampler::new(&law, &mut scratch, Seed(2), draw);
        let [_, conditioned] =
            first(&mut Tape::new(&program), &mut Source::Sampled(&mut sampler), &data, mean);
        [q, explicit, fresh, conditioned]
    };
    let all: Vec<[f64; 4]> = (0..count as u64).into_par_iter().map(of_draw).collect();
    let [q, explicit, fresh, conditioned] =
        [0, 1, 2, 3].map(|k| Estimate::mean(all.iter().map(|draw| draw[k])));
    let z = (explicit.value - conditioned.value)
        / explicit.std_error.unwrap().hypot(conditioned.std_error.unwrap());
    assert!(z.abs() < 4.5, "{explicit:?} vs {conditioned:?}");
    // But for the correlation of norm and live units, fresh weights give back what entered.
    assert!((fresh.value / q.value - 1.0).abs() < 0.25, "{fresh:?} vs {q:?}");
    for known in [explicit, conditioned] {
        let ratio = known.value / fresh.value;
        let relative =
            (known.std_error.unwrap() / known.value).hypot(fresh.std_error.unwrap() / fresh.value);
        assert!((ratio / 9.55 - 1.0).abs() < 4.5 * relative + 0.02, "{ratio}, {relative}");
    }
    same_law(
        "ln |g|²",
        &all.iter().map(|draw| draw[1].ln()).collect::<Vec<_>>(),
        &all.iter().map(|draw| draw[3].ln()).collect::<Vec<_>>(),
    );
}

#[test]
fn what_cannot_be_left_out_is_said() {
    let flat = data(6, 16, 0);
    let asked = Options { engine: Engine::Conditioned, ..Options::new(Seed(0), 2) };
    let refused = |case: &(Network, Vec<LayerInit>), data: &Dataset| match run(
        &case.0,
        &case.1,
        data,
        &asked,
        &mut (),
    ) {
        Err(error @ MeasureError::Engine { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let uniform = network(&mlp(3, 8, "relu"), &flat, r#"{"scheme":"he_uniform"}"#);
    let error = refused(&uniform, &flat);
    assert!(error.contains("layer 1 has uniform weights") && error.contains("`auto`"), "{error}");
    let shape = Shape::image(1, 4, 4).unwrap();
    let images = Dataset::new("images", shape, vec![0.5; 64]).unwrap();
    let conv = network(r#"[{"conv":4},"relu","flatten",{"dense":3}]"#, &images, HE);
    assert!(refused(&conv, &images).contains("layer 1 is a convolution"));
    // `auto` takes the other way.
    for (case, data) in [(&uniform, &flat), (&conv, &images)] {
        let options = Options { engine: Engine::Auto, ..asked };
        let found = run(&case.0, &case.1, data, &options, &mut ()).unwrap();
        assert_eq!(found.sampling.engine, "direct");
    }
}

/// Wide layers and few inputs: `auto` leaves the weights out, and the number of threads leaves no trace.
#[test]
fn auto_takes_the_cheaper_engine_on_any_number_of_threads() {
    let data = data(8, 100, 0);
    let case = network(&mlp(4, 512, "relu"), &data, HE);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = Options::new(Seed(4), 7);
        pool.install(|| run(&case.0, &case.1, &data, &options, &mut ()).unwrap())
    };
    let one = with(1);
    assert_eq!(one.sampling.engine, "conditioned");
    assert_eq!(one.sampling.layers[1].forward.gram_f32, 7);
    // The three logits are cheaper with their weights.
    assert_eq!(one.sampling.layers[3].forward.direct, 7);
    let json = |found| serde_json::to_string(&found).unwrap();
    assert_eq!(json(one), json(with(3)));
    let asked = Options { engine: Engine::Direct, ..Options::new(Seed(4), 7) };
    assert_eq!(run(&case.0, &case.1, &data, &asked, &mut ()).unwrap().sampling.engine, "direct");
}

/// Weight gradients by their Gram matrices are those that the tape adds up, and both engines have the same law of them and
/// of the tangent kernel.
#[test]
fn weight_gradients_and_tangent_kernels_have_the_same_law() {
    let data = data(5, 12, 1);
    let case =
        network(&mlp(4, 24, "tanh"), &data, r#"{"scheme":"lecun_normal","bias_variance":0.1}"#);
    let (network, inits) = &case;
    let program = Program::new(network, Record::WeightGradients);
    let options = Options::new(Seed(3), 1);
    let weights = Weights::draw(network, inits, Seed(3), 0).unwrap();
    let mut tape = Tape::new(&program);
    let found = Sums::of(&mut tape, &mut Source::Kept(&weights), &data, &options, 0).unwrap();
    let logits = tape.forward(&weights, data.inputs(), Masks::Off, |_| {}).unwrap().to_vec();
    let mut gradient = Weights::zeros(network).unwrap();
    let loss = crate::net::loss::cross_entropy(&logits, 3, data.labels().unwrap()).unwrap();
    let wanted = Wanted { weights: Some(&mut gradient), input: false };
    tape.backward(&weights, &loss.gradient, wanted, |_| {}).unwrap();
    for (layer, square) in gradient.layers.iter().zip(&found.squares) {
        let expected: f64 = layer.weight.iter().map(|g| f64::from(g * g)).sum::<f64>() / 25.0;
        assert!((square / expected - 1.0).abs() < 1e-4, "{square} vs {expected}");
    }
    // One input alone, one direction: the kernel's diagonal is the squared gradient of all weights and biases.
    let mut along = vec![0.0_f32; 3];
    Stream::new(Seed(3), 0, 0, Purpose::Probe).fill_normal_f32(0, &mut along);
    gradient.clear();
    tape.forward(&weights, &data.inputs()[..12], Masks::Off, |_| {}).unwrap();
    let wanted = Wanted { weights: Some(&mut gradient), input: false };
    tape.backward(&weights, &along, wanted, |_| {}).unwrap();
    let every = gradient.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias));
    let expected: f64 = every.map(|g| f64::from(g * g)).sum();
    assert!((found.kernel[0] / expected - 1.0).abs() < 1e-4, "{} vs {expected}", found.kernel[0]);

    let count = draws(1500) as u64;
    let law = Law::new(network, inits, &data, true, false);
    let [direct, conditioned] = [true, false].map(|with_weights| -> Vec<Sums> {
        let one = |draw: u64| {
            let mut tape = Tape::new(&program);
            if with_weights {
                let weights = Weights::draw(network, inits, Seed(3), draw).unwrap();
                return Sums::of(&mut tape, &mut Source::Kept(&weights), &data, &options, draw)
                    .unwrap();
            }
            let mut scratch = Scratch::default();
            let mut sampler = Sampler::new(&law, &mut scratch, Seed(4), draw);
            let options = Options::new(Seed(4), 1);
            Sums::of(&mut tape, &mut Source::Sampled(&mut sampler), &data, &options, draw).unwrap()
        };
        (0..count).into_par_iter().map(one).collect()
    });
    let of = |pick: &dyn Fn(&Sums) -> f64| {
        [&direct, &conditioned].map(|all| all.iter().map(pick).collect::<Vec<f64>>())
    };
    for layer in 0..4 {
        let [a, b] = of(&|sums| sums.squares[layer].ln());
        same_law(&format!("ln |dL/dW|² of layer {}", layer + 1), &a, &b);
    }
    for pair in [0, 1, 7, 24] {
        let [a, b] = of(&|sums| sums.kernel[pair]);
        same_law(&format!("tangent kernel, pair {pair}"), &a, &b);
    }
}
