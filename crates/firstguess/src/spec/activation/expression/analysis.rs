//! What can be found out about an expression by evaluating it: symmetry, range, straight pieces, and whether it can
//! serve as an activation at all.

use super::jumps::{self, MAX_JUMPS, Smoothness, Unfit};
use super::program::Program;
use crate::spec::activation::error::shown;
use crate::spec::activation::{ActivationError, Kink, Parity, Segment};

/// Expressions must be finite on `[-REACH, REACH]`; a Gaussian of standard deviation 3 stays inside.
const REACH: f64 = 40.0;
/// Half the width of the range scanned on the fine grid.
const CORE: f64 = 12.0;
/// Spacing of the scan inside the core; outside it is eight times as wide.
const STEP: f64 = 1.0 / 64.0;
/// The grid is shifted by this, so that kinks at round numbers fall inside a cell.
pub(super) const OFFSET: f64 = 0.003_718_281_8;

#[derive(Debug, Clone)]
pub(super) struct Analysis {
    pub(super) smoothness: Smoothness,
    pub(super) parity: Parity,
    pub(super) pieces: Option<Vec<Segment>>,
    pub(super) range: (f64, f64),
}

/// A point of the graph with its slope.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) x: f64,
    pub(super) value: f64,
    pub(super) slope: f64,
}

impl Analysis {
    pub(super) fn new(program: &Program, text: &str) -> Result<Self, ActivationError> {
        let f = |x: f64| {
            let (value, slope) = program.dual(x);
            Sample { x, value, slope }
        };
        let not_finite = |at: f64| ActivationError::NotFinite { text: shown(text), at };
        if !f(0.0).value.is_finite() {
            return Err(not_finite(0.0));
        }
        // Before the scan: exp(x^2) overflows within its reach, which says less.
        if grows_like_a_gaussian(&f) {
            return Err(ActivationError::InfiniteMoments { text: shown(text) });
        }
        let samples: Vec<Sample> = grid().into_iter().map(f).collect();
        // The failure nearest to zero tells most.
        if let Some(bad) = samples
            .iter()
            .filter(|s| !(s.value.is_finite() && s.slope.is_finite()))
            .min_by(|a, b| a.x.abs().total_cmp(&b.x.abs()))
        {
            return Err(not_finite(bad.x));
        }
        let smoothness = jumps::scan(&f, &samples).map_err(|unfit| match unfit {
            Unfit::Pole { at } => not_finite(at),
            Unfit::TooManyJumps => {
                ActivationError::TooRough { text: shown(text), limit: MAX_JUMPS }
            }
        })?;
        Ok(Self {
            parity: parity(&f),
            pieces: pieces(&f, &samples, &smoothness),
            range: range(&f, &samples, &smoothness.kinks),
            smoothness,
        })
    }
}

fn grid() -> Vec<f64> {
    let mut grid = Vec::new();
    let mut x = -REACH;
    while x < REACH {
        grid.push(x + OFFSET);
        x += if x.abs() < CORE { STEP } else { 8.0 * STEP };
    }
    grid
}

/// A distance at which two sides of a jump are told apart.
pub(super) fn nudge(x: f64) -> f64 {
    1e-9 * x.abs().max(1.0)
}

/// Zero where a difference is within its tolerance.
pub(super) fn clean(difference: f64, tolerance: f64) -> f64 {
    if difference.abs() <= tolerance { 0.0 } else { difference }
}

fn parity(f: &impl Fn(f64) -> Sample) -> Parity {
    let (mut odd, mut even) = (true, true);
    for i in 0..200 {
        let x = 0.007 + 0.0613 * f64::from(i);
        let (left, right) = (f(-x).value, f(x).value);
        let tolerance = 1e-12 * (left.abs() + right.abs());
        odd &= (left + right).abs() <= tolerance;
        even &= (left - right).abs() <= tolerance;
    }
    match (odd, even) {
        (true, false) => Parity::Odd,
        (false, true) => Parity::Even,
        _ => Parity::Neither,
    }
}

/// Straight pieces between the kinks, if that is all there is.
fn pieces(
    f: &impl Fn(f64) -> Sample,
    samples: &[Sample],
    smoothness: &Smoothness,
) -> Option<Vec<Segment>> {
    // A finite scale is a smooth bend somewhere, perhaps between two samples.
    if smoothness.length_scale.is_finite()
        || smoothness.kinks.iter().any(|kink| kink.slope_jump.is_infinite())
        || smoothness.breakpoints.len() > smoothness.kinks.len()
    {
        return None;
    }
    let mut bounds = vec![f64::NEG_INFINITY];
    bounds.extend(smoothness.kinks.iter().map(|kink| kink.at));
    bounds.push(f64::INFINITY);
    // The scan ends at 40: a straight tail must stay so much further out.
    let beyond = [-1e6, -1e3, 1e3, 1e6].map(f);
    let mut pieces: Vec<Segment> = Vec::new();
    for pair in bounds.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let first = f(match (start.is_finite(), end.is_finite()) {
            (true, true) => 0.5 * (start + end),
            (true, false) => start + 1.0,
            (false, true) => end - 1.0,
            (false, false) => 1.0,
        });
        let (slope, intercept) = (first.slope, first.value - first.slope * first.x);
        let straight = samples
            .iter()
            .chain(&beyond)
            .filter(|s| s.x > start + nudge(s.x) && s.x < end - nudge(s.x))
            .all(|s| {
                let line = slope * s.x + intercept;
                (s.slope - slope).abs() <= 1e-12 * (1.0 + slope.abs())
                    && (s.value - line).abs() <= 1e-12 * (1.0 + line.abs() + intercept.abs())
            });
        if !straight {
            return None;
        }
        let rounding = 1e-14 * (1.0 + slope.abs() * first.x.abs());
        pieces.push(Segment { start, slope: slope + 0.0, intercept: clean(intercept, rounding) });
    }
    Some(pieces)
}

fn range(f: &impl Fn(f64) -> Sample, samples: &[Sample], kinks: &[Kink]) -> (f64, f64) {
    let upper = supremum(&|x| f(x), samples, kinks);
    let mirrored: Vec<Sample> = samples.iter().map(|s| mirror(*s)).collect();
    let lower = -supremum(&|x| mirror(f(x)), &mirrored, kinks);
    (lower + 0.0, upper + 0.0) // no -0
}

fn mirror(s: Sample) -> Sample {
    Sample { x: s.x, value: -s.value, slope: -s.slope }
}

fn supremum(f: &impl Fn(f64) -> Sample, samples: &[Sample], kinks: &[Kink]) -> f64 {
    let far = |from: i32, to: i32| {
        (from..=to)
            .flat_map(|power| [f(-10f64.powi(power)).value, f(10f64.powi(power)).value])
            .filter(|value| !value.is_nan())
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let mut best = far(2, 6).max(f(0.0).value);
    for kink in kinks {
        for x in [kink.at - nudge(kink.at), kink.at, kink.at + nudge(kink.at)] {
            best = best.max(f(x).value);
        }
    }
    for pair in samples.windows(2) {
        let (mut a, mut b) = (pair[0], pair[1]);
        best = best.max(a.value).max(b.value);
        // A maximum inside the cell: only a cell that comes near the best can hold it.
        if a.slope > 0.0 && b.slope < 0.0 && a.value + a.slope * (b.x - a.x) > best {
            for _ in 0..50 {
                let middle = f(0.5 * (a.x + b.x));
                if middle.slope > 0.0 { a = middle } else { b = middle }
            }
            best = best.max(a.value).max(b.value);
        }
    }
    let farther = far(7, 12);
    if farther > best + 1e-3 * (1.0 + best.abs()) { f64::INFINITY } else { best.max(farther) }
}

/// Whether `ln|f|` grows like `x²`: then `E[f(√q z)²]` is infinite for large `q`.
///
/// Doubling `x` multiplies the increments of `ln|f|` by 1 for powers, 2 for exponentials, 4 for `exp(x²)`.
fn grows_like_a_gaussian(f: &impl Fn(f64) -> Sample) -> bool {
    [-1.0, 1.0].into_iter().any(|side| {
        let mut logs: Vec<f64> = Vec::new();
        for doubling in 0..12 {
            let value = f(side * 0.625 * f64::from(1 << doubling)).value;
            if !value.is_finite() {
                break;
            }
            logs.push(value.abs().max(1e-300).ln());
        }
        let [.., third_last, second_last, last] = logs[..] else { return false };
        let (now, before) = (last - second_last, second_last - third_last);
        // Only growth beyond e²⁰: a zero crossing makes the logarithm jump too.
        last > 20.0 && before > 0.0 && now > 3.4 * before
    })
}
