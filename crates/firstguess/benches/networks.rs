//! Finite networks: the direct engine, the random stream, and one training step.
//!
//! `benches/networks_torch.py` runs the same jobs in PyTorch, alternating with these in one run.

use divan::Bencher;
use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::net::loss::{LossGradient, cross_entropy_into};
use firstguess::net::{Masks, Program, Recipe, Record, Tape, Weights};
use firstguess::spec::layer::Layer;
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{Activation, Architecture, InitScheme, Network, Shape};
use rayon::prelude::*;

fn main() {
    divan::main();
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A bench cannot return an error: it would time nothing.
fn must<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

fn network(json: &str, input: Shape) -> Outcome<Network> {
    let layers: Vec<Layer> = serde_json::from_str(json)?;
    Ok(Architecture { layers }.resolve(&input)?)
}

fn he(network: &Network) -> Outcome<Vec<LayerInit>> {
    let scheme = InitScheme::new("he_normal".parse()?);
    Ok(network.weights().iter().map(|layer| scheme.layer(layer)).collect::<Result<_, _>>()?)
}

fn normals(len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    Stream::new(Seed(1), 0, 0, Purpose::Data).fill_normal_f32(0, &mut values);
    values
}

fn pool(threads: usize) -> rayon::ThreadPool {
    must(rayon::ThreadPoolBuilder::new().num_threads(threads).build())
}

/// 32 `ReLU` networks of width 1024 and depth 20 on 1000 inputs, class shares only.
#[divan::bench(args = [1, 2], sample_count = 2, sample_size = 1)]
fn direct_engine(bencher: Bencher<'_, '_>, threads: usize) {
    let network = must(
        Architecture::mlp(&Activation::Relu, 20, 1024, 1024).resolve(&must(Shape::flat(1024))),
    );
    let recipe = must(Recipe::new(&network, &must(he(&network))));
    let program = Program::new(&network, Record::Nothing);
    let input = normals(1000 * 1024);
    let pool = pool(threads);
    bencher.bench(|| {
        pool.install(|| {
            (0..32_u64)
                .into_par_iter()
                .map_init(
                    || Tape::new(&program),
                    |tape, draw| {
                        let drawing = recipe.draw(Seed(0), draw);
                        must(tape.forward_drawn(&drawing, &input, Masks::Off, |_| {}))[0]
                    },
                )
                .collect::<Vec<f32>>()
        })
    });
}

/// 4 Mi standard normals into a buffer that is there.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn fill_normals(bencher: Bencher<'_, '_>) {
    let mut out = vec![0.0_f32; 4 << 20];
    let stream = Stream::new(Seed(0), 0, 0, Purpose::Weights);
    bencher.bench_local(|| stream.fill_normal_f32(0, &mut out));
}

/// One network in training, with everything that a step needs.
struct Training<'p> {
    weights: Weights,
    gradient: Weights,
    loss: LossGradient,
    tape: Tape<'p>,
    classes: usize,
}

impl<'p> Training<'p> {
    fn new(network: &Network, program: &'p Program) -> Self {
        Self {
            weights: must(Weights::draw(network, &must(he(network)), Seed(0), 0)),
            gradient: must(Weights::zeros(network)),
            loss: LossGradient { values: Vec::new(), gradient: Vec::new() },
            tape: Tape::new(program),
            classes: network.logits(),
        }
    }

    fn forward(&mut self, input: &[f32], labels: &[u32]) {
        let logits = must(self.tape.forward(&self.weights, input, Masks::Off, |_| {}));
        must(cross_entropy_into(logits, self.classes, labels, &mut self.loss));
    }

    /// Forward, backward and update in one.
    fn descend(&mut self, input: &[f32], labels: &[u32]) {
        self.forward(input, labels);
        must(self.tape.descend(&mut self.weights, &self.loss.gradient, RATE, |_| {}));
    }

    /// Forward and backward: the gradient is left for others to add to.
    fn gradient(&mut self, input: &[f32], labels: &[u32]) {
        self.forward(input, labels);
        let Self { weights, gradient, loss, tape, .. } = self;
        must(tape.weight_gradient(weights, &loss.gradient, gradient));
    }
}

const RATE: f64 = 1e-4 / 64.0;

/// `into += scale · from`.
fn add(into: &mut Weights, scale: f32, from: &Weights) {
    for (into, from) in into.layers.iter_mut().zip(&from.layers) {
        let pairs = [(&mut into.weight, &from.weight), (&mut into.bias, &from.bias)];
        for (into, from) in pairs {
            for (into, from) in into.iter_mut().zip(from) {
                *into += scale * from;
            }
        }
    }
}

fn labels(count: usize) -> Vec<u32> {
    (0..10).cycle().take(count).collect()
}

/// 784-512-512-10, batch 64, forward, backward and plain SGD on one core.
#[divan::bench(sample_count = 30, sample_size = 20)]
fn mlp_step(bencher: Bencher<'_, '_>) {
    let network =
        must(Architecture::mlp(&Activation::Relu, 3, 512, 10).resolve(&must(Shape::flat(784))));
    let program = Program::new(&network, Record::WeightGradients);
    let mut training = Training::new(&network, &program);
    let (input, labels) = (normals(64 * 784), labels(64));
    bencher.bench_local(|| training.descend(&input, &labels));
}

const CNN: &str = r#"[{"conv":32},"relu",{"max_pool":2},{"conv":64},"relu",{"max_pool":2},"flatten",{"dense":10}]"#;

/// 3-32-64 channels under 3x3 kernels with pools and a dense head, 32x32 images, batch 64: forward, backward, SGD.
#[divan::bench(args = [1, 2], sample_count = 20, sample_size = 4)]
fn cnn_step(bencher: Bencher<'_, '_>, threads: usize) {
    let network = must(network(CNN, must(Shape::image(3, 32, 32))));
    let program = Program::new(&network, Record::WeightGradients);
    let (input, labels) = (normals(64 * 3 * 1024), labels(64));
    let mut first = Training::new(&network, &program);
    if threads == 1 {
        bencher.bench_local(|| first.descend(&input, &labels));
        return;
    }
    // Each of two threads takes half of the batch.
    let mut second = Training::new(&network, &program);
    let (pool, half) = (pool(2), 32 * 3 * 1024);
    bencher.bench_local(|| {
        pool.join(
            || first.gradient(&input[..half], &labels[..32]),
            || second.gradient(&input[half..], &labels[32..]),
        );
        add(&mut first.gradient, 1.0, &second.gradient);
        add(&mut first.weights, -1e-4 / 64.0, &first.gradient);
        second.weights.clone_from(&first.weights);
    });
}
