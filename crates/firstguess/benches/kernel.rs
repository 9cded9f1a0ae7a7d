//! The kernel of a data set and phase diagrams: one bench per claim of docs/benchmarks.md, one thread each.

use divan::{Bencher, black_box};
use firstguess::spec::layer::PoolKind;
use firstguess::spec::{Activation, Architecture, Dataset, InitScheme, Shape};
use firstguess::theory::dual::{Dual, Pointwise};
use firstguess::theory::kernel::DataKernel;
use firstguess::theory::phase_diagram::{Axis, PhaseDiagram, PhaseTable};

fn main() {
    // Speed is claimed per core.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("no pool yet");
    divan::main();
}

const INPUTS: usize = 1000;
const FEATURES: usize = 64;

fn activation(name: &str) -> Activation {
    name.parse().unwrap_or(Activation::Relu)
}

fn inputs() -> Dataset {
    let mut state = 88_172_645_463_325_252_u64;
    let values = (0..INPUTS * FEATURES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect();
    Dataset::new("rough", Shape::flat(FEATURES).expect("valid"), values).expect("valid")
}

/// 1000 × 1000 through ten layers, statistics of every layer included.
#[divan::bench(args = ["relu", "tanh", "gelu"], sample_count = 10, sample_size = 1)]
fn kernel(bencher: Bencher<'_, '_>, name: &str) {
    let data = inputs();
    let network =
        Architecture::mlp(&activation(name), 10, 64, 10).resolve(&data.shape()).expect("valid");
    let init = InitScheme::explicit(1.7, 0.1);
    let inits = firstguess::layer_inits(&init, &network).expect("valid");
    bencher.bench_local(|| DataKernel::new(&network, &inits, black_box(&data)));
}

/// 256 × 256 cells with q*, c*, χ₁, γ* and phase, and both lines.
#[divan::bench(args = ["tanh", "relu+max_pool(4)"], sample_count = 5, sample_size = 1)]
fn phase_grid(bencher: Bencher<'_, '_>, name: &str) {
    let (name, pool) = name.split_once('+').map_or((name, None), |(a, _)| (a, Some(4)));
    let weights = Axis { low: 0.1, high: 4.0, points: 256 };
    let biases = Axis { low: 0.001, high: 0.2, points: 256 };
    bencher.bench_local(|| {
        let phi = match pool {
            Some(size) => {
                Dual::pooled(Pointwise::from(&activation(name)), PoolKind::Max, size, 0.0)
                    .expect("has a theory")
            }
            None => Dual::new(&activation(name)),
        };
        PhaseDiagram::new(&phi, black_box(weights), black_box(biases))
    });
}

/// The edge of chaos at 100 bias variances.
#[divan::bench(args = ["tanh", "gelu"])]
fn edge_curve(bencher: Bencher<'_, '_>, name: &str) {
    let biases = Axis { low: 0.002, high: 0.2, points: 100 }.values();
    bencher.bench_local(|| {
        let phi = Dual::new(&activation(name));
        PhaseTable::new(&phi).edge_of_chaos(black_box(&biases))
    });
}
