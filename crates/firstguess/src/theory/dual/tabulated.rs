//! Moments of one function tabulated over `ln q` and the angle `θ = arccos c`, for questions that are asked many thousand
//! times: every number is a smooth function of both.

use super::{Correlation, Dual, Moments};
use crate::math::chebyshev::{ChebyshevBasis, clenshaw};
use std::collections::HashMap;
use std::f64::consts::{FRAC_1_PI, FRAC_PI_2};
use std::hash::Hash;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// Width of one piece in `ln q`, and nodes in it.
pub(in crate::theory) const PIECE: f64 = 1.25;
pub(in crate::theory) const NODES: usize = 16;

/// Nodes in the angle.
const ANGLES: usize = 40;

/// Coefficients that are left at the end of a converged piece, relative to the largest.
const CONVERGED: f64 = 3e-12;

/// The tables of one function, filled as they are asked for; clones share them.
///
/// # Accuracy
///
/// 1e-10 relative to the exact moments; pieces on which the polynomials do not converge are integrated directly.
#[derive(Debug, Clone, Default)]
pub(in crate::theory) struct MomentTable {
    pieces: Arc<Pieces<Piece>>,
    angles: Arc<Pieces<Option<AnglePiece>>>,
}

/// What is known of each interval of `ln q`.
type Pieces<T> = RwLock<HashMap<i64, Arc<T>>>;

/// `ln E φ²`, `E φ'²` and `d E φ²/dq`, both over `E φ²/q`, and `E φ/√(E φ²)` over one piece.
#[derive(Debug)]
enum Piece {
    Table([Vec<f64>; 4]),
    Direct,
}

/// `D/(q ε)` over `ln q` and `θ`: for each power of the angle a polynomial in `ln q`.
#[derive(Debug)]
struct AnglePiece {
    by_angle: Vec<Vec<f64>>,
}

/// `D/(q ε)` over the angle, at one variance.
#[derive(Debug, Clone)]
pub(in crate::theory) struct Row(Vec<f64>);

impl Row {
    /// `D/(q ε)` at `0 ≤ ε ≤ 1`.
    pub(in crate::theory) fn at(&self, complement: f64) -> f64 {
        clenshaw(&self.0, unit_of(complement))
    }
}

fn basis() -> &'static ChebyshevBasis {
    static BASIS: OnceLock<ChebyshevBasis> = OnceLock::new();
    BASIS.get_or_init(|| ChebyshevBasis::new(NODES))
}

fn angle_basis() -> &'static ChebyshevBasis {
    static BASIS: OnceLock<ChebyshevBasis> = OnceLock::new();
    BASIS.get_or_init(|| ChebyshevBasis::new(ANGLES))
}

/// The piece that holds `ln q`, and the place in it, in [-1, 1].
pub(in crate::theory) fn place(ln_q: f64) -> (i64, f64) {
    let position = ln_q / PIECE;
    let index = position.floor();
    #[expect(clippy::cast_possible_truncation, reason = "ln q of an f64 is below 710")]
    let key = index as i64;
    (key, 2.0 * (position - index) - 1.0)
}

fn nodes_of(key: i64) -> impl Iterator<Item = f64> {
    let start = key as f64 * PIECE;
    basis().nodes.iter().map(move |t| start + 0.5 * PIECE * (t + 1.0))
}

/// Finds or makes an entry; two threads that make it at once make the same one.
fn entry<K: Eq + Hash + Copy, T>(
    known: &RwLock<HashMap<K, Arc<T>>>,
    key: K,
    make: impl FnOnce() -> T,
) -> Arc<T> {
    if let Some(found) = known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Arc::clone(found);
    }
    let made = Arc::new(make());
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(known.entry(key).or_insert(made))
}

impl MomentTable {
    /// One-point moments at variance `exp(ln_q)`.
    pub(in crate::theory) fn moments(&self, phi: &Dual, ln_q: f64) -> Moments {
        let (key, t) = place(ln_q);
        let piece = entry(&self.pieces, key, || Piece::new(phi, key));
        let q = ln_q.exp();
        let Piece::Table([ln_second, slope, second_slope, mean]) = piece.as_ref() else {
            return phi.moments(q);
        };
        let second = clenshaw(ln_second, t).exp();
        Moments {
            mean: clenshaw(mean, t) * second.sqrt(),
            second,
            derivative_second: clenshaw(slope, t) * second / q,
            second_slope: clenshaw(second_slope, t) * second / q,
        }
    }

    /// The difference at variance `exp(ln_q)`, for `0 ≤ c ≤ 1`; `None` where the polynomials do not converge.
    pub(in crate::theory) fn row(&self, phi: &Dual, ln_q: f64) -> Option<Row> {
        let (key, t) = place(ln_q);
        let piece = entry(&self.angles, key, || AnglePiece::new(phi, key));
        let piece = piece.as_ref().as_ref()?;
        Some(Row(piece.by_angle.iter().map(|column| clenshaw(column, t)).collect()))
    }
}

impl Piece {
    fn new(phi: &Dual, key: i64) -> Self {
        let moments: Vec<(f64, Moments)> =
            nodes_of(key).map(|ln_q| (ln_q.exp(), phi.moments(ln_q.exp()))).collect();
        let fits = |f: &dyn Fn(f64, &Moments) -> f64| {
            let values: Vec<f64> = moments.iter().map(|(q, m)| f(*q, m)).collect();
            basis().coefficients(&values)
        };
        let table = [
            fits(&|_, m| m.second.ln()),
            fits(&|q, m| q * m.derivative_second / m.second),
            fits(&|q, m| q * m.second_slope / m.second),
            fits(&|_, m| m.mean / m.second.sqrt()),
        ];
        // The mean is a share of the root mean square: rounding around zero is no lack of convergence.
        let [rest @ .., mean] = &table;
        if rest.iter().all(|c| converged(c)) && tail(mean) <= CONVERGED {
            Self::Table(table)
        } else {
            Self::Direct
        }
    }
}

impl AnglePiece {
    fn new(phi: &Dual, key: i64) -> Option<Self> {
        let angles = angle_basis();
        let complements: Vec<f64> = angles.nodes.iter().map(|t| complement_of(*t)).collect();
        let rows: Vec<Vec<f64>> = nodes_of(key)
            .map(|ln_q| {
                let q = ln_q.exp();
                let at = phi.at(q);
                let values: Vec<f64> = complements
                    .iter()
                    .map(|eps| at.difference(Correlation::from_complement(*eps)) / (q * eps))
                    .collect();
                angles.coefficients(&values)
            })
            .collect();
        if !rows.iter().all(|row| converged(row)) {
            return None;
        }
        let column = |k: usize| -> Vec<f64> {
            rows.iter().map(|row| row.get(k).copied().unwrap_or(0.0)).collect()
        };
        Some(Self { by_angle: (0..ANGLES).map(|k| basis().coefficients(&column(k))).collect() })
    }
}

fn tail(coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().take(2).fold(0.0_f64, |a, c| a.max(c.abs()))
}

/// Whether the last coefficients are small against the largest.
pub(in crate::theory) fn converged(coefficients: &[f64]) -> bool {
    let largest = coefficients.iter().fold(0.0_f64, |a, c| a.max(c.abs()));
    largest.is_finite() && tail(coefficients) <= CONVERGED * largest
}

/// `1 - cos θ` for `θ = π/4 (t + 1)`.
fn complement_of(t: f64) -> f64 {
    let half = 0.25 * FRAC_PI_2 * (t + 1.0);
    2.0 * half.sin() * half.sin()
}

fn unit_of(complement: f64) -> f64 {
    4.0 * (0.5 * complement).sqrt().min(1.0).asin() / FRAC_PI_2 - 1.0
}

/// Variance, in squares of the function's own scale, beyond which it is what it looks like from far away: to 1e-3 at first, and
/// ever more so.
const FAR: f64 = 1e6;

/// What a function looks like from far away.
#[derive(Debug, Clone)]
enum Distant {
    /// Two straight lines.
    Straight(Box<Dual>),
    /// Two constants: their mean, and half of what lies between them.
    Step { mean: f64, half: f64 },
}

impl Distant {
    fn of(exact: &Dual) -> Option<Self> {
        if let Some(straight) = exact.tangent_at_infinity() {
            return Some(Self::Straight(Box::new(straight)));
        }
        if exact.pooling().is_some() {
            return None;
        }
        let end = |x: f64| {
            let (value, further) = (exact.function().value(x), exact.function().value(100.0 * x));
            (value.is_finite() && value == further).then_some(value)
        };
        let (left, right) = (end(-1e9)?, end(1e9)?);
        Some(Self::Step { mean: 0.5 * (left + right), half: 0.5 * (right - left) })
    }

    /// Moments at variance `q`; the slope of a step is what is left of the function's own.
    fn moments(&self, q: f64, exact: &Dual) -> Moments {
        match self {
            Self::Straight(unit) => {
                let unit = unit.moments(1.0);
                Moments { mean: q.sqrt() * unit.mean, second: q * unit.second, ..unit }
            }
            Self::Step { mean, half } => Moments {
                mean: *mean,
                second: mean * mean + half * half,
                derivative_second: exact.moments(q).derivative_second,
                second_slope: 0.0,
            },
        }
    }

    fn difference(&self, q: f64, at: Correlation) -> f64 {
        match self {
            Self::Straight(unit) => q * unit.at(1.0).difference(at),
            // half² (1 - 2/π asin c)
            Self::Step { half, .. } => {
                let angle = 2.0 * (0.5 * at.complement).sqrt().min(1.0).asin();
                half * half * 2.0 * FRAC_1_PI * angle
            }
        }
    }
}

/// A function that answers from its tables, and from far away as what it looks like from there.
#[derive(Debug, Clone)]
pub(super) struct Tabulated {
    exact: Box<Dual>,
    table: MomentTable,
    distant: Option<Distant>,
    far: f64,
}

impl Tabulated {
    pub(super) fn new(exact: Dual) -> Self {
        let scale = exact.function().length_scale().max(1.0);
        let distant = Distant::of(&exact);
        Self {
            exact: Box::new(exact),
            table: MomentTable::default(),
            distant,
            far: FAR * scale * scale,
        }
    }

    pub(super) fn exact(&self) -> &Dual {
        &self.exact
    }

    fn distant(&self, q: f64) -> Option<&Distant> {
        self.distant.as_ref().filter(|_| q > self.far)
    }

    pub(super) fn moments(&self, q: f64) -> Moments {
        match self.distant(q) {
            Some(distant) => distant.moments(q, &self.exact),
            None => self.table.moments(&self.exact, q.ln()),
        }
    }

    pub(super) fn at(&self, q: f64) -> TabulatedAt<'_> {
        TabulatedAt { of: self, q, moments: self.moments(q), row: OnceLock::new() }
    }
}

/// [`Tabulated`] at one variance.
#[derive(Debug, Clone)]
pub(super) struct TabulatedAt<'a> {
    of: &'a Tabulated,
    q: f64,
    moments: Moments,
    row: OnceLock<Option<Row>>,
}

impl TabulatedAt<'_> {
    pub(super) fn moments(&self) -> Moments {
        self.moments
    }

    pub(super) fn kernel(&self, at: Correlation) -> f64 {
        let Moments { mean, second, .. } = self.moments;
        // Independent units of two inputs: `second - D` would leave rounding where the mean is zero.
        if at.c == 0.0 && self.of.exact.pooling().is_none() {
            return mean * mean;
        }
        second - self.difference(at)
    }

    pub(super) fn slope(&self, at: Correlation) -> f64 {
        self.of.exact.at(self.q).slope(at)
    }

    pub(super) fn difference(&self, at: Correlation) -> f64 {
        if at.complement == 0.0 {
            return 0.0;
        }
        if let Some(distant) = self.of.distant(self.q) {
            return distant.difference(self.q, at);
        }
        let row = self.row.get_or_init(|| self.of.table.row(&self.of.exact, self.q.ln()));
        match row {
            Some(row) if (0.0..=1.0).contains(&at.complement) => {
                self.q * at.complement * row.at(at.complement)
            }
            _ => self.of.exact.at(self.q).difference(at),
        }
    }
}
