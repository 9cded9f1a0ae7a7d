//! φ beyond the table of a pair: what the tail's saddle points give, tabulated the first time that it is asked for.
//!
//! Integrals at large variances look there a million times, and each saddle point is a root.

use crate::math::chebyshev::{ChebyshevBasis, clenshaw};

/// Each piece reaches so many times as far as the one before.
const RATIO: f64 = 4.0;
/// Pieces: from 16 to 4e9. Beyond, there are saddle points.
const PIECES: u8 = 14;
/// Nodes of a piece, on which `ln φ` is nearly straight in `ln x`.
const NODES: usize = 20;

/// `ln φ` and `ln φ'` as Chebyshev series in `ln x`, piece by piece.
///
/// # Accuracy
///
/// Relative error of value and slope below 1e-12 of what was tabulated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FarTable {
    start: f64,
    pieces: Vec<[Vec<f64>; 2]>,
}

impl FarTable {
    /// Tabulates `exact`, value and slope, both positive, from `start` on.
    pub(super) fn new(start: f64, exact: impl Fn(f64) -> (f64, f64)) -> Self {
        let basis = ChebyshevBasis::new(NODES);
        let pieces = (0..PIECES).map(|piece| {
            let (values, slopes): (Vec<f64>, Vec<f64>) = basis
                .nodes
                .iter()
                .map(|t| {
                    let steps = f64::from(piece) + 0.5 * (t + 1.0);
                    let (value, slope) = exact(start * RATIO.powf(steps));
                    (value.ln(), slope.ln())
                })
                .unzip();
            [values, slopes].map(|logarithms| basis.coefficients(&logarithms))
        });
        Self { start, pieces: pieces.collect() }
    }

    /// Value and slope at `x`; `None` where the table has ended.
    pub(super) fn at(&self, x: f64) -> Option<(f64, f64)> {
        let steps = (x / self.start).ln() / RATIO.ln();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "pieces are counted from zero; beyond the last there is none"
        )]
        let piece = steps.max(0.0) as usize;
        let t = 2.0 * (steps - piece as f64) - 1.0;
        let [value, slope] = self.pieces.get(piece)?.each_ref().map(|c| clenshaw(c, t).exp());
        Some((value, slope))
    }
}
