//! `critical` and `predict` for one point: well under a millisecond of computing.

use divan::{Bencher, black_box};
use firstguess::spec::Activation;
use firstguess::theory::critical::edge_of_chaos;
use firstguess::theory::dual::Dual;
use firstguess::theory::mean_field::{LayerVariance, Spread};
use firstguess::theory::phase::asymptotics;

fn main() {
    divan::main();
}

const NAMES: [&str; 4] = ["relu", "tanh", "gelu", "selu"];

fn activation(name: &str) -> Activation {
    name.parse().unwrap_or(Activation::Relu)
}

/// All edge-of-chaos points at one bias variance.
#[divan::bench(args = NAMES)]
fn critical(bencher: Bencher<'_, '_>, name: &str) {
    let activation = activation(name);
    bencher.bench(|| edge_of_chaos(&Dual::new(&activation), black_box(0.05)));
}

/// Every fixed point, slopes, c*, depth scales and the phase of one point.
#[divan::bench(args = NAMES)]
fn predict(bencher: Bencher<'_, '_>, name: &str) {
    let activation = activation(name);
    let layer = LayerVariance { weight: 1.9, bias: 0.05 };
    bencher.bench(|| {
        asymptotics(&Dual::new(&activation), black_box(layer), Spread::first_layer(layer, 1.0, 0.0))
    });
}
