//! `critical` and `predict` for one point: well under a millisecond of computing.

use divan::{Bencher, black_box};
use firstguess::spec::Activation;
use firstguess::theory::critical::{edge_of_chaos, neutrality};
use firstguess::theory::dual::Dual;
use firstguess::theory::mean_field::{LayerVariance, Spread, trajectory};
use firstguess::theory::phase::asymptotics;

fn main() {
    divan::main();
}

const NAMES: [&str; 9] = [
    "relu",
    "tanh",
    "erf",
    "gelu",
    "silu",
    "selu",
    "hard_tanh",
    "squared_relu",
    "x*sigmoid(1.702*x)",
];

fn activation(name: &str) -> Activation {
    name.parse().unwrap_or(Activation::Relu)
}

/// What `firstguess critical` computes: every edge-of-chaos point and the neutrality point at one bias variance.
#[divan::bench(args = NAMES)]
fn critical(bencher: Bencher<'_, '_>, name: &str) {
    let activation = activation(name);
    bencher.bench(|| {
        let dual = Dual::new(&activation);
        (edge_of_chaos(&dual, black_box(0.05)), neutrality(&dual, black_box(0.05)))
    });
}

/// Every fixed point, slopes, c*, depth scales and the phase of one point.
#[divan::bench(args = NAMES)]
fn limits(bencher: Bencher<'_, '_>, name: &str) {
    let activation = activation(name);
    let layer = LayerVariance { weight: 1.5, bias: 0.1 };
    bencher.bench(|| {
        asymptotics(&Dual::new(&activation), black_box(layer), Spread::first_layer(layer, 1.0, 0.0))
    });
}

/// What `firstguess predict` computes: the limits, and the path through 20 layers.
#[divan::bench(args = NAMES)]
fn predict(bencher: Bencher<'_, '_>, name: &str) {
    let activation = activation(name);
    let layer = LayerVariance { weight: 1.5, bias: 0.1 };
    let first = Spread::first_layer(layer, 1.0, 0.0);
    bencher.bench(|| {
        let dual = Dual::new(&activation);
        (asymptotics(&dual, black_box(layer), first), trajectory(&dual, layer, first, 20))
    });
}
