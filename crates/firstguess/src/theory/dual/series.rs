//! Hermite series of a smooth function: every correlation from one pass over the nodes.

use super::{Correlation, Pointwise};
use crate::math::quadrature::GaussianRule;
use crate::spec::activation::Parity;
use std::sync::OnceLock;

/// Terms kept at most. At 256 the series of tanh has 15 digits up to q ≈ 4.
const TERMS: usize = 256;

/// Terms computed before convergence is looked at again.
const BLOCK: usize = 32;

/// Where the mass that is left, relative to `E φ²`, counts as rounding.
const CONVERGED: f64 = 4e-16;

/// `φ(√q z) = Σ a_n h_n(z)` in normalised Hermite polynomials, kept as `a_n²`.
///
/// ```text
/// E[φ(u)φ(v)] = Σ a_n² cⁿ,   ½E[(φ(u)-φ(v))²] = Σ a_n² (1 - cⁿ),   q E[φ'(u)φ'(v)] = Σ n a_n² cⁿ⁻¹
/// ```
#[derive(Debug, Clone)]
pub(super) struct Series {
    squares: Vec<f64>,
    q: f64,
}

/// Normalised Hermite polynomials times the weights of the rule, on its points.
struct Basis {
    points: Vec<f64>,
    rows: Vec<f64>,
}

fn basis() -> &'static Basis {
    static BASIS: OnceLock<Basis> = OnceLock::new();
    BASIS.get_or_init(|| {
        let rule = GaussianRule::new(&[-6.0, -3.0, 0.0, 3.0, 6.0], 64);
        let n = rule.points.len();
        let mut rows = Vec::with_capacity(TERMS * n);
        let (mut previous, mut current) = (vec![0.0; n], vec![1.0; n]);
        for term in 0..TERMS {
            rows.extend(current.iter().zip(&rule.weights).map(|(value, weight)| value * weight));
            let (order, next) = ((term as f64).sqrt(), 1.0 / (term as f64 + 1.0).sqrt());
            for ((z, before), now) in rule.points.iter().zip(&mut previous).zip(&mut current) {
                let after = (z * *now - order * *before) * next;
                (*before, *now) = (*now, after);
            }
        }
        Basis { points: rule.points, rows }
    })
}

impl Series {
    /// The series at variance `q`, or `None` if [`TERMS`] terms leave more than rounding.
    pub(super) fn of(
        function: &Pointwise,
        q: f64,
        second_moment: f64,
        parity: Parity,
    ) -> Option<Self> {
        let basis = basis();
        let root = q.sqrt();
        let values = function.values(basis.points.iter().map(|z| root * z));
        let n = values.len();
        let mut squares = Vec::with_capacity(TERMS);
        let mut steep = f64::INFINITY;
        while squares.len() < TERMS && steep > CONVERGED * second_moment {
            steep = 0.0;
            for term in squares.len()..squares.len() + BLOCK {
                let absent = match parity {
                    Parity::Odd => term % 2 == 0,
                    Parity::Even => term % 2 == 1,
                    Parity::Neither => false,
                };
                let coefficient =
                    if absent { 0.0 } else { dot(&basis.rows[term * n..(term + 1) * n], &values) };
                squares.push(coefficient * coefficient);
                // The slope weighs the n-th term by n: it converges last.
                steep += (term + 1) as f64 * coefficient * coefficient;
            }
        }
        // A function that oscillates fast has no low terms at all: an empty start is not convergence.
        let found: f64 = squares.iter().sum();
        let complete = (found - second_moment).abs() <= 1e-13 * second_moment;
        (complete && steep <= CONVERGED * second_moment).then_some(Self { squares, q })
    }

    /// From `a_n²`, all that are not negligible at the correlations asked for.
    pub(super) fn from_squares(squares: Vec<f64>, q: f64) -> Self {
        Self { squares, q }
    }

    pub(super) fn kernel(&self, c: f64) -> f64 {
        self.squares.iter().rev().fold(0.0, |sum, square| sum * c + square)
    }

    pub(super) fn slope(&self, c: f64) -> f64 {
        let sum =
            (1..self.squares.len()).rev().fold(0.0, |sum, n| sum * c + n as f64 * self.squares[n]);
        sum / self.q
    }

    pub(super) fn difference(&self, at: Correlation) -> f64 {
        if at.complement > 0.5 {
            let mut power = 1.0;
            let mut sum = 0.0;
            for square in &self.squares {
                sum += square * (1.0 - power);
                power *= at.c;
            }
            return sum;
        }
        let ln_c = (-at.complement).ln_1p();
        let terms = self.squares.iter().enumerate().skip(1);
        terms.map(|(n, square)| -square * (n as f64 * ln_c).exp_m1()).sum()
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let tail: f64 = a
        .chunks_exact(8)
        .remainder()
        .iter()
        .zip(b.chunks_exact(8).remainder())
        .map(|(x, y)| x * y)
        .sum();
    lanes.iter().sum::<f64>() + tail
}
