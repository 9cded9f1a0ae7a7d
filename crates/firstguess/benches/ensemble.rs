//! Ensembles of networks whose weights are never drawn.
//!
//! `benches/ensemble_torch.py` runs the same jobs in PyTorch, alternating with these in one run.

use divan::Bencher;
use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::measure::{Options, run};
use firstguess::spec::experiment::Engine;
use firstguess::spec::{Activation, Architecture, Dataset, InitScheme, Shape};

fn main() {
    divan::main();
}

/// A bench cannot return an error: it would time nothing.
fn must<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

/// Normal inputs, or the little-endian f32 values in the file that this variable names.
fn inputs(examples: usize, features: usize, variable: &str) -> Dataset {
    let mut values = vec![0.0_f32; examples * features];
    match std::env::var_os(variable) {
        Some(path) => {
            let bytes = must(std::fs::read(path));
            for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(4)) {
                *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
        None => Stream::new(Seed(1), 0, 0, Purpose::Data).fill_normal_f32(0, &mut values),
    }
    must(Dataset::new("bench", must(Shape::flat(features)), values))
}

fn shares(bencher: Bencher<'_, '_>, data: &Dataset, depth: usize, draws: usize, engine: Engine) {
    let network =
        must(Architecture::mlp(&Activation::Relu, depth, 1024, 10).resolve(&data.shape()));
    let he = InitScheme::explicit(2.0, 0.0);
    let init: Vec<_> = network.weights().iter().map(|layer| must(he.layer(layer))).collect();
    let options = Options { engine, ..Options::shares_only(Seed(0), draws) };
    let pool = must(rayon::ThreadPoolBuilder::new().num_threads(2).build());
    bencher.bench(|| pool.install(|| must(run(&network, &init, data, &options, &mut ()))));
}

/// 32 networks of width 1024 and depth 20 on 64 normal inputs.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn without_weights_64(bencher: Bencher<'_, '_>) {
    shares(bencher, &inputs(64, 1024, "FIRSTGUESS_NONE"), 20, 32, Engine::Conditioned);
}

/// The same with weights.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn with_weights_64(bencher: Bencher<'_, '_>) {
    shares(bencher, &inputs(64, 1024, "FIRSTGUESS_NONE"), 20, 32, Engine::Direct);
}

/// 1000 networks of width 1024 and depth 10 on 128 digits, class shares only.
#[divan::bench(sample_count = 2, sample_size = 1)]
fn shares_of_128_digits(bencher: Bencher<'_, '_>) {
    shares(bencher, &inputs(128, 64, "FIRSTGUESS_BENCH_DIGITS"), 10, 1000, Engine::Auto);
}
