//! Finite networks: the direct engine, the random stream, and one training step.
//!
//! `benches/networks_torch.py` runs the same jobs in PyTorch, alternating with these in one run.

use divan::Bencher;
use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::net::{Masks, Program, Record, Tape, Wanted, Weights, loss};
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
#[divan::bench(args = [1, 2], sample_count = 3, sample_size = 1)]
fn direct_engine(bencher: Bencher<'_, '_>, threads: usize) {
    let network =
        must(Architecture::mlp(&Activation::Relu, 20, 1024, 1024).resolve(&must(Shape::flat(1024))));
    let init = must(he(&network));
    let program = Program::new(&network, Record::Nothing);
    let input = normals(1000 * 1024);
    let pool = pool(threads);
    bencher.bench(|| {
        pool.install(|| {
            (0..32_u64)
                .into_par_iter()
                .map_init(
                    || (must(Weights::zeros(&network)), Tape::new(&program)),
                    |(weights, tape), draw| {
                        must(weights.redraw(&init, Seed(0), draw));
                        must(tape.forward(weights, &input, Masks::Off, |_| {}))[0]
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
    tape: Tape<'p>,
    classes: usize,
}

impl<'p> Training<'p> {
    fn new(network: &Network, program: &'p Program) -> Self {
        Self {
            weights: must(Weights::draw(network, &must(he(network)), Seed(0), 0)),
            gradient: must(Weights::zeros(network)),
            tape: Tape::new(program),
            classes: network.logits(),
        }
    }

    /// Forward, cross-entropy, backward: the gradient of the batch's sum is left in `gradient`.
    fn gradient(&mut self, input: &[f32], labels: &[u32]) {
        let logits = must(self.tape.forward(&self.weights, input, Masks::Off, |_| {}));
        let loss = must(loss::cross_entropy(logits, self.classes, labels));
        self.gradient.clear();
        let wanted = Wanted { weights: Some(&mut self.gradient), ..Wanted::default() };
        must(self.tape.backward(&self.weights, &loss.gradient, wanted, |_| {}));
    }

    fn update(&mut self, rate: f32) {
        for (layer, gradient) in self.weights.layers.iter_mut().zip(&self.gradient.layers) {
            for (w, g) in layer.weight.iter_mut().zip(&gradient.weight) {
                *w -= rate * g;
            }
            for (b, g) in layer.bias.iter_mut().zip(&gradient.bias) {
                *b -= rate * g;
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
    bencher.bench_local(|| {
        training.gradient(&input, &labels);
        training.update(1e-4 / 64.0);
    });
}

const CNN: &str = r#"[{"conv":32},"relu",{"max_pool":2},{"conv":64},"relu",{"max_pool":2},"flatten",{"dense":10}]"#;

/// 3-32-64 channels under 3x3 kernels with pools and a dense head, 32x32 images, batch 64: forward, backward, SGD.
/// Two threads share the batch.
#[divan::bench(args = [1, 2], sample_count = 20, sample_size = 4)]
fn cnn_step(bencher: Bencher<'_, '_>, threads: usize) {
    let network = must(network(CNN, must(Shape::image(3, 32, 32))));
    let program = Program::new(&network, Record::WeightGradients);
    let mut parts: Vec<_> = (0..threads).map(|_| Training::new(&network, &program)).collect();
    let share = 64 / threads;
    let (input, labels) = (normals(64 * 3 * 1024), labels(64));
    let pool = pool(threads);
    bencher.bench_local(|| {
        pool.install(|| {
            parts
                .par_iter_mut()
                .zip(input.par_chunks_exact(share * 3072).zip(labels.par_chunks_exact(share)))
                .for_each(|(part, (input, labels))| part.gradient(input, labels));
            if let [first, second] = &mut parts[..] {
                for (sum, term) in first.gradient.layers.iter_mut().zip(&second.gradient.layers) {
                    for (sum, term) in sum.weight.iter_mut().zip(&term.weight) {
                        *sum += term;
                    }
                    for (sum, term) in sum.bias.iter_mut().zip(&term.bias) {
                        *sum += term;
                    }
                }
                second.gradient.clone_from(&first.gradient);
            }
            parts.par_iter_mut().for_each(|part| part.update(1e-4 / 64.0));
        });
    });
}
