//! One table of φ_θ within a millisecond, and its f32 evaluation against tanh.
//!
//! `benches/pair_against_torch.py` sets the last group beside `torch.tanh` in one run.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::net::activation;
use firstguess::spec::Activation;
use firstguess::spec::gaussian_pair::{Branch, PairFamily, PairTable};
use firstguess::theory::gaussian_pair::PairTheory;

fn main() {
    divan::main();
}

/// φ_θ and φ_θ′ on |x| ≤ 16, odd branch.
#[divan::bench(args = [2.05, 2.5, 3.0, 4.0, 10.0, 100.0])]
fn table(theta: f64) -> bool {
    PairTable::new(PairFamily::Weibull { theta: black_box(theta) }, Branch::Odd).is_ok()
}

/// The same for the positive branch, which covers both half-lines.
#[divan::bench(args = [2.05, 3.0])]
fn positive_table(theta: f64) -> bool {
    PairTable::new(PairFamily::Weibull { theta: black_box(theta) }, Branch::Positive).is_ok()
}

/// χ, elasticity and the rest from a table.
#[divan::bench(args = [2.05, 3.0])]
fn constants(bencher: Bencher<'_, '_>, theta: f64) {
    if let Ok(table) = PairTable::new(PairFamily::Weibull { theta }, Branch::Odd) {
        bencher.bench(|| PairTheory::new(black_box(&table)));
    }
}

const ELEMENTS: usize = 1 << 16;

/// The forward pass of an activation layer on normal pre-activations.
#[divan::bench(args = ["gaussian_odd(2)", "gaussian_odd(3)", "gaussian_positive(3)", "tanh"])]
fn forward(bencher: Bencher<'_, '_>, name: &str) {
    let phi: Activation = name.parse().unwrap_or(Activation::Relu);
    let mut x = vec![0.0_f32; ELEMENTS];
    Stream::new(Seed(0), 0, 0, Purpose::Test).fill_normal_f32(0, &mut x);
    let mut y = vec![0.0_f32; ELEMENTS];
    bencher
        .counter(ItemsCount::new(ELEMENTS))
        .bench_local(|| activation::forward(&phi, black_box(&x), black_box(&mut y)));
}
