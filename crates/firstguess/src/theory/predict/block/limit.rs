//! Where infinitely many blocks lead.
//!
//! A block is a map of `(ln q, 1 - c)`. The variance does not depend on the correlation, so that the limit of infinite
//! depth is two roots, one after the other, as for plain layers:
//!
//! ```text
//! ln q' = F(ln q),   1 - c' = E(1 - c; q*),   χ = the factor on Σ δ² of one block, at q* and c*
//! ```
//!
//! A stream that grows for ever has its limit at `q → ∞`: the branch adds ever less to it, and both `χ` and the
//! correlation settle (derived in docs/theory/mean-field.md).

use super::{Block, BlockAt};
use crate::math::roots;
use crate::theory::mean_field::{LayerVariance, Spread};
use crate::theory::phase::{Phase, Prejudice, classified};
use crate::theory::{NoTheory, Predicted};

/// `ln q` between which a fixed point is looked for: 1e-30, where every function is straight, and 1e12.
const RANGE: (f64, f64) = (-69.1, 27.7);

/// Variances at which `1 - c*` and `χ` of a growing stream are read: what the branch adds still has eight digits at the
/// first, and is nothing at the second. Functions are there what they look like from far away.
const GROWN: f64 = 1e8;
const FAR: f64 = 1e24;

/// Smallest `1 - c` that is told from zero.
const LN_MERGED: f64 = -36.0;

/// Changes of `ln q` below this are rounding.
const ROUNDING: f64 = 1e-11;

/// The limit of infinitely many blocks, for centred, uncorrelated inputs of mean square 1.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockLimit {
    /// The variance between blocks: zero where it vanishes, infinite where it grows without bound, none where every value
    /// stays.
    pub q_star: Option<f64>,
    /// The factor of one block on squared gradients, where the signal settles.
    pub chi: Predicted,
    /// `1 - c*` between blocks.
    pub c_star_complement: Option<f64>,
    /// The phase.
    pub phase: Option<Phase>,
    /// The bias of the deep network.
    pub prejudice: Option<Prejudice>,
}

impl BlockLimit {
    /// `c*`.
    pub fn c_star(&self) -> Option<f64> {
        self.c_star_complement.map(|complement| 1.0 - complement)
    }

    /// `γ* = c*/(1 - c*)`, infinite where all inputs merge.
    pub fn gamma_star(&self) -> Option<f64> {
        self.c_star_complement.map(|complement| (1.0 - complement) / complement)
    }
}

/// What becomes of the variance.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Settles(f64),
    Vanishes,
    Grows,
    Kept(f64),
}

/// A block at one pair of variances, as the map of its two numbers.
struct Map<'a>(BlockAt<'a>);

impl Map<'_> {
    /// `(ln q', ln(1 - c'))` of `ln q` and `1 - c`; none where the block has no answer.
    fn step(&mut self, ln_q: f64, complement: f64) -> Option<(f64, f64)> {
        let spread = Spread::with_scale(complement, 1.0 - complement, ln_q);
        let after = self.0.step(spread).ok()?.spread;
        Some((after.ln_q(), after.complement().ln()))
    }

    fn chi(&mut self, ln_q: f64, complement: f64) -> Predicted {
        let spread = Spread::with_scale(complement, 1.0 - complement, ln_q);
        let chi = self.0.step(spread)?.chi?;
        if chi.is_finite() {
            return Ok(chi);
        }
        Err(NoTheory::new("an activation jumps: gradients have no second moment"))
    }

    /// `1 - c*` at this variance, and `χ` there.
    fn both(&mut self, ln_q: f64, start: f64) -> (Option<f64>, Predicted) {
        let complement = self.complement(ln_q, start);
        (complement, self.chi(ln_q, complement.unwrap_or(start)))
    }

    /// Follows `ln q` from `start`: an orbit of an increasing map is monotone and stops at the first root on its way.
    fn fate(&mut self, start: f64, complement: f64) -> Option<Fate> {
        // Equal inputs are the cheapest to ask about; batch norm has nothing to divide them by.
        let complement = if self.step(start, 0.0).is_some() { 0.0 } else { complement };
        let mut excess = |ln_q: f64| known(self.step(ln_q, complement)?.0 - ln_q);
        let here = excess(start)?;
        if here.abs() < ROUNDING {
            let elsewhere = [excess(start - 3.0)?, excess(start + 3.0)?];
            let kept = elsewhere.iter().all(|change| change.abs() < ROUNDING);
            return Some(if kept { Fate::Kept(start) } else { Fate::Settles(start) });
        }
        let direction = here.signum();
        let (mut edge, mut stride) = (start, 0.25);
        while (RANGE.0..RANGE.1).contains(&edge) {
            let next = edge + direction * stride;
            // A signal that leaves the range of a layer on its way has no limit that we know.
            if excess(next)? * direction < 0.0 {
                return root_between(excess, edge, next).map(Fate::Settles);
            }
            edge = next;
            // Close by, every bend of a function may hold a root.
            stride = if edge.abs() < 12.0 { 0.5 } else { 2.0 * stride };
        }
        Some(if direction > 0.0 { Fate::Grows } else { Fate::Vanishes })
    }

    /// `1 - c*` at this variance, reached from `start`.
    fn complement(&mut self, ln_q: f64, start: f64) -> Option<f64> {
        if start <= 0.0 {
            return Some(0.0);
        }
        let mut excess = |ln_eps: f64| known(self.step(ln_q, ln_eps.exp().min(1.0))?.1 - ln_eps);
        let here = excess(start.ln())?;
        if here == 0.0 || (start >= 1.0 && here.abs() < ROUNDING) {
            return Some(start);
        }
        let direction = here.signum();
        let (mut edge, mut stride) = (start.ln(), 0.5);
        loop {
            let next = (edge + direction * stride).min(0.0);
            if next <= LN_MERGED {
                return Some(0.0);
            }
            if excess(next)? * direction < 0.0 {
                return root_between(excess, edge, next).map(f64::exp);
            }
            // Negative correlations are not followed: centred inputs have none.
            if next >= 0.0 {
                return Some(1.0);
            }
            edge = next;
            // Far from one another inputs meet every bend; close by the map is a power.
            if edge < -6.0 {
                stride *= 1.5;
            }
        }
    }
}

impl Block {
    /// The limit with all layers of the block drawn with the same variances.
    pub fn limit(&self, layer: LayerVariance) -> BlockLimit {
        Map(self.at(layer)).limit(layer)
    }

    /// The limit with every layer as it is drawn.
    pub fn own_limit(&self) -> BlockLimit {
        Map(self.as_drawn()).limit(self.first_layer())
    }

    /// `d ln q'/d ln q` of one block, which at a fixed point is its slope in `q` too.
    pub(in crate::theory) fn variance_slope(
        &self,
        layer: LayerVariance,
        ln_q: f64,
        complement: f64,
    ) -> f64 {
        let mut map = Map(self.at(layer));
        let mut after = |at: f64| map.step(at, complement).map_or(f64::NAN, |found| found.0);
        let h = 1e-4;
        (after(ln_q + h) - after(ln_q - h)) / (2.0 * h)
    }
}

impl Map<'_> {
    /// From the pre-activations of a first layer.
    fn limit(&mut self, first: LayerVariance) -> BlockLimit {
        let first = Spread::first_layer(first, 1.0, 0.0);
        // Without weights and biases nothing enters; a stream of its own starts from the inputs.
        let (start, complement) =
            if first.q() > 0.0 { (first.ln_q(), first.complement()) } else { (0.0, 1.0) };
        let fate = self.fate(start, complement);
        let (q_star, (merged, chi)) = match fate {
            None => (None, (None, Err(NoTheory::new("the signal leaves the range of a layer")))),
            Some(Fate::Settles(ln_q)) => (Some(ln_q.exp()), self.both(ln_q, complement)),
            Some(Fate::Kept(ln_q)) => (None, self.both(ln_q, complement)),
            Some(Fate::Vanishes) => (Some(0.0), self.both(RANGE.0, complement)),
            Some(Fate::Grows) => (Some(f64::INFINITY), self.far_out(complement)),
        };
        let (phase, prejudice) = classified(chi.as_ref().ok().copied(), merged);
        BlockLimit { q_star, chi, c_star_complement: merged, phase, prejudice }
    }

    /// `1 - c*` and `χ` of a stream that has grown without bound.
    fn far_out(&mut self, start: f64) -> (Option<f64>, Predicted) {
        self.0.answer_from_tables();
        let far = FAR.ln();
        // A stream that grows by a factor has left its biases behind; one on which ever less is added has not.
        let grows_by = self.step(far, start).map_or(0.0, |after| after.0 - far);
        let read = if grows_by > ROUNDING { far } else { GROWN.ln() };
        let merged = self.complement(read, start);
        let chi = self.chi(far, merged.unwrap_or(start));
        // What is still added there is nothing.
        (merged, chi.map(|chi| if (chi - 1.0).abs() < ROUNDING { 1.0 } else { chi }))
    }
}

/// The root between two places at which the excess has different signs.
fn root_between(mut excess: impl FnMut(f64) -> Option<f64>, a: f64, b: f64) -> Option<f64> {
    roots::brent(|x| excess(x).unwrap_or(f64::NAN), a.min(b), a.max(b), 1e-14)
}

/// A number, however large; 0/0 is none.
fn known(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}
