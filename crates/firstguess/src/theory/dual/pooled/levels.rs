//! The largest of several values `φ(h)` where `φ` turns: level sets instead of the order of `h`.
//!
//! ```text
//! E[∂p_a ∂p_b] = K E[φ'(u) φ'(v) H(φ(u), φ(v))^(K-1)],   H(s, t) = P(φ(u) ≤ s, φ(v) ≤ t)
//! ```
//!
//! `H` is a sum over the intervals of `{φ ≤ s}` and the gaps of `{φ ≤ t}` (derived in docs/theory/mean-field.md).

use super::pieces::{Piece, pieces};
use crate::math::quadrature::GaussLegendre;
use crate::math::roots;
use crate::math::special::{normal_cdf, normal_survival};
use crate::theory::NoTheory;
use crate::theory::dual::Pointwise;
use std::f64::consts::FRAC_1_PI;

/// Intervals of the line, ascending.
pub(super) type Intervals = Vec<(f64, f64)>;

/// A function with the pieces on which it rises, falls or stands still; `sign` -1 turns it upside down.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    function: Pointwise,
    sign: f64,
    pieces: Vec<Piece>,
}

impl Levels {
    /// `None` where the function, seen with this sign, is monotone: `(±1, None)` says in which direction.
    pub(super) fn new(function: &Pointwise, sign: f64) -> Result<(f64, Option<Self>), NoTheory> {
        let pieces = pieces(function)?;
        let rises = pieces.iter().any(|piece| piece.direction > 0);
        let falls = pieces.iter().any(|piece| piece.direction < 0);
        let jumps: Vec<f64> = function
            .kinks()
            .iter()
            .map(|kink| kink.value_jump)
            .filter(|jump| *jump != 0.0)
            .collect();
        let up = jumps.iter().any(|jump| *jump > 0.0);
        let down = jumps.iter().any(|jump| *jump < 0.0);
        if !(falls || down) {
            return Ok((sign, None));
        }
        if !(rises || up) {
            return Ok((-sign, None));
        }
        if up || down {
            return Err(NoTheory::new(format!(
                "the largest of several units of {function}: it both jumps and turns"
            )));
        }
        Ok((0.0, Some(Self { function: function.clone(), sign, pieces })))
    }

    fn height(&self, x: f64) -> f64 {
        self.sign * self.function.value(x)
    }

    /// Places where the level sets change their shape: turns, and where the function comes back to the height of one.
    pub(super) fn special_points(&self) -> Vec<f64> {
        let turns: Vec<f64> = self.pieces.iter().skip(1).map(|piece| piece.from).collect();
        let mut heights: Vec<f64> = turns.iter().map(|x| self.height(*x)).collect();
        // The limits on both sides, where they are finite.
        for end in [self.pieces.first().map(|p| p.from), self.pieces.last().map(|p| p.to)] {
            heights.extend(end.map(|x| self.height(x)).filter(|height| height.abs() < 1e3));
        }
        let mut points = turns;
        for piece in &self.pieces {
            points.extend(heights.iter().filter_map(|height| self.inverse(piece, *height)));
        }
        points.sort_by(f64::total_cmp);
        points.dedup_by(|a, b| (*a - *b).abs() <= 1e-12 * b.abs().max(1.0));
        points
    }

    /// The point of the piece at this height, if there is one.
    fn inverse(&self, piece: &Piece, height: f64) -> Option<f64> {
        let direction = f64::from(piece.direction) * self.sign;
        if direction == 0.0 {
            return None;
        }
        let value = self.sign * height;
        let rising = piece.direction > 0;
        let above = piece.samples.partition_point(|(_, v)| (*v < value) == rising && *v != value);
        let (low, high) = (piece.samples.get(above.checked_sub(1)?)?, piece.samples.get(above)?);
        let gap = |x: f64| self.function.value(x) - value;
        roots::brent_with_values(gap, (low.0, low.1 - value), (high.0, high.1 - value), 1e-15)
    }

    /// `{x : φ(x) ≤ height}`.
    ///
    /// Of units at the height of `own`, which stands at a point of that piece, those further left come first: ties on a
    /// flat stretch are broken by `x`.
    pub(super) fn below(&self, height: f64, own: Option<f64>, found: &mut Intervals) {
        found.clear();
        let last = self.pieces.len() - 1;
        for (index, piece) in self.pieces.iter().enumerate() {
            let from = if index == 0 { f64::NEG_INFINITY } else { piece.from };
            let to = if index == last { f64::INFINITY } else { piece.to };
            let (Some(&(_, first)), Some(&(_, end))) =
                (piece.samples.first(), piece.samples.last())
            else {
                continue;
            };
            let (first, end) = (self.sign * first, self.sign * end);
            let holds_own = own.filter(|x| *x > from && *x <= to);
            let direction = f64::from(piece.direction) * self.sign;
            let part = if direction == 0.0 {
                match own {
                    Some(x) if first == height => (from < x).then_some((from, to.min(x))),
                    _ => (first <= height).then_some((from, to)),
                }
            } else if direction > 0.0 {
                if let Some(x) = holds_own {
                    Some((from, x))
                } else if height >= end {
                    Some((from, to))
                } else {
                    self.inverse(piece, height).map(|x| (from, x))
                }
            } else if let Some(x) = holds_own {
                Some((x, to))
            } else if height >= first {
                Some((from, to))
            } else {
                self.inverse(piece, height).map(|x| (x, to))
            };
            let Some((low, high)) = part else { continue };
            match found.last_mut() {
                Some(before) if before.1 >= low => before.1 = high,
                _ => found.push((low, high)),
            }
        }
    }

    /// `P(φ(h) ≤ φ(x))` with ties broken by `x`, for `h ~ N(0, root²)`.
    pub(super) fn share_below(&self, x: f64, root: f64, scratch: &mut Intervals) -> f64 {
        self.below(self.height(x), Some(x), scratch);
        measure(scratch, root)
    }

    /// `H(φ(x), φ(y))` for a pair at the angle of `straddle`.
    pub(super) fn joint_share(
        &self,
        (x, y): (f64, f64),
        root: f64,
        straddle: &Straddle,
        scratch: &mut [Intervals; 2],
    ) -> f64 {
        let (mut s, mut t) = (self.height(x), self.height(y));
        let (mut low, mut high) = (x, y);
        if s > t {
            (s, t) = (t, s);
            (low, high) = (high, low);
        }
        let [inner, outer] = scratch;
        self.below(s, Some(low), inner);
        self.below(t, Some(high), outer);
        let mut straddling = 0.0;
        let mut gap_start = f64::NEG_INFINITY;
        for &(a, b) in outer.iter().chain(&[(f64::INFINITY, f64::INFINITY)]) {
            if a > gap_start {
                for &(c, d) in inner.iter() {
                    straddling +=
                        straddle.rectangle((c / root, d / root), (gap_start / root, a / root));
                }
            }
            gap_start = b;
        }
        (measure(inner, root) - straddling).max(0.0)
    }
}

fn measure(intervals: &Intervals, root: f64) -> f64 {
    intervals
        .iter()
        .map(|&(low, high)| {
            let (a, b) = (low / root, high / root);
            if a > 0.0 {
                normal_survival(a) - normal_survival(b)
            } else {
                normal_cdf(b) - normal_cdf(a)
            }
        })
        .sum()
}

/// Panels in `-ln sin β`, with their points: the first ones carry wide gaps, the last ones narrow gaps.
const PANELS: [(f64, f64); 9] = [
    (0.0, 0.7),
    (0.7, 1.4),
    (1.4, 2.2),
    (2.2, 3.1),
    (3.1, 4.1),
    (4.1, 5.3),
    (5.3, 7.0),
    (7.0, 10.0),
    (10.0, 16.0),
];
const PER_PANEL: usize = 10;

/// `P(u ≤ a, v > b)` at one angle for all `a ≤ b`, to an absolute 1e-12: the rule does not depend on the gap.
#[derive(Debug, Clone)]
pub(super) struct Straddle {
    /// `(weight, rate of m², rate of d²)`, the last ascending.
    nodes: Vec<(f64, f64, f64)>,
}

impl Straddle {
    pub(super) fn new(complement: f64) -> Self {
        let sine = (0.5 * complement).sqrt().min(1.0);
        let rule = GaussLegendre::cached(PER_PANEL);
        let mut nodes = Vec::with_capacity(PANELS.len() * PER_PANEL + 1);
        let mut push = |weight: f64, s: f64| {
            let square = (1.0 - s) * (1.0 + s);
            if square > 0.0 {
                nodes.push((FRAC_1_PI * weight / square.sqrt(), 0.5 / square, 0.5 / (s * s)));
            }
        };
        for (low, high) in PANELS {
            let (half, middle) = (0.5 * (high - low), 0.5 * (high + low));
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                let s = sine * (-(middle + half * x)).exp();
                push(half * w * s, s);
            }
        }
        // What is left next to β = 0.
        let s = sine * (-16.0_f64).exp();
        push(s, s);
        Self { nodes }
    }

    /// `P(u ≤ a, v > b)`, `a ≤ b`.
    fn straddles(&self, a: f64, b: f64) -> f64 {
        if a == f64::NEG_INFINITY || b == f64::INFINITY {
            return 0.0;
        }
        let (m, d) = (0.5 * (a + b), 0.5 * (b - a));
        let (m2, d2) = (m * m, d * d);
        let mut sum = 0.0;
        for (weight, rate_m, rate_d) in &self.nodes {
            let exponent = rate_m * m2 + rate_d * d2;
            if rate_d * d2 > 45.0 {
                break;
            }
            sum += weight * (-exponent).exp();
        }
        sum
    }

    /// `P(u in first, v in second)` for intervals that do not overlap.
    fn rectangle(&self, first: (f64, f64), second: (f64, f64)) -> f64 {
        let ((a, b), (c, d)) = if first.1 <= second.0 {
            (first, second)
        } else {
            ((-first.1, -first.0), (-second.1, -second.0))
        };
        let inner = self.straddles(b, c);
        if inner == 0.0 {
            return 0.0;
        }
        inner - self.straddles(a, c) - self.straddles(b, d) + self.straddles(a, d)
    }
}
