//! What can be found out about an expression by evaluating it: kinks, symmetry, range, scale, and whether it can serve
//! as an activation at all.

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
const OFFSET: f64 = 0.003_718_281_8;

#[derive(Debug, Clone)]
pub(super) struct Analysis {
    pub(super) kinks: Vec<Kink>,
    pub(super) parity: Parity,
    pub(super) pieces: Option<Vec<Segment>>,
    pub(super) range: (f64, f64),
    pub(super) length_scale: f64,
}

/// A grid point with value and slope.
#[derive(Clone, Copy)]
struct Sample {
    x: f64,
    value: f64,
    slope: f64,
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
        let samples: Vec<Sample> = grid().into_iter().map(f).collect();
        // The failure nearest to zero tells most.
        if let Some(bad) = samples
            .iter()
            .filter(|s| !(s.value.is_finite() && s.slope.is_finite()))
            .min_by(|a, b| a.x.abs().total_cmp(&b.x.abs()))
        {
            return Err(not_finite(bad.x));
        }
        if grows_like_a_gaussian(&f) {
            return Err(ActivationError::InfiniteMoments { text: shown(text) });
        }
        let size = samples.iter().fold(0.0, |size: f64, s| size.max(s.value.abs()));
        let mut kinks: Vec<Kink> = Vec::new();
        for pair in samples.windows(2) {
            for at in jumps(&f, pair[0], pair[1], 3) {
                // A pole seen from nearby is far above anything that the grid shows.
                let near = [f(at), f(at - nudge(at)), f(at + nudge(at))];
                if near.iter().any(|s| !s.value.is_finite() || s.value.abs() > 1e6 * (1.0 + size)) {
                    return Err(not_finite(at));
                }
                if kinks.last().is_none_or(|last| at - last.at > 2.0 * nudge(at)) {
                    kinks.push(kink(&f, at));
                }
            }
        }
        Ok(Self {
            parity: parity(&f),
            pieces: pieces(&f, &samples, &kinks),
            range: range(&f, &samples, &kinks),
            length_scale: length_scale(&f, &kinks),
            kinks,
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
fn nudge(x: f64) -> f64 {
    1e-9 * x.abs().max(1.0)
}

/// Where the value or the slope jumps between two grid points, in ascending order.
///
/// Bisection follows the larger change. Over a smooth stretch the change halves with the cell; at a jump it stays.
fn jumps(f: &impl Fn(f64) -> Sample, a: Sample, b: Sample, depth: usize) -> Vec<f64> {
    let Some((left, right)) = close_in(f, a, b) else { return Vec::new() };
    let at = simplest_between(left.x, right.x);
    let mut found = Vec::new();
    // A second jump may hide in the same cell, on either side.
    if depth > 0 {
        let (before, after) = (at - nudge(at), at + nudge(at));
        if before > a.x {
            found.extend(jumps(f, a, f(before), depth - 1));
        }
        found.push(at);
        if after < b.x {
            found.extend(jumps(f, f(after), b, depth - 1));
        }
    } else {
        found.push(at);
    }
    found
}

/// The two ends of the last bracket around a jump, or `None` where the change dies out.
fn close_in(f: &impl Fn(f64) -> Sample, a: Sample, b: Sample) -> Option<(Sample, Sample)> {
    /// Halvings after which a smooth change is a thousandth.
    const TRIAL: u32 = 10;
    let local = 1.0 + a.slope.abs().max(b.slope.abs());
    let change = |a: Sample, b: Sample| {
        // A slope carries the value along; only the rest of the change counts as a jump.
        let drift = 0.5 * (a.slope + b.slope) * (b.x - a.x);
        let value = (b.value - a.value - drift).abs();
        let slope = (b.slope - a.slope).abs();
        if value.is_nan() || slope.is_nan() { f64::INFINITY } else { value + slope }
    };
    let start = change(a, b);
    if start <= 1e-10 * local {
        return None;
    }
    let (mut left, mut right) = (a, b);
    for halving in 1.. {
        let middle = f(0.5 * (left.x + right.x));
        let width = right.x - left.x;
        if middle.x <= left.x || middle.x >= right.x || width < 1e-14 * left.x.abs().max(1.0) {
            break;
        }
        if change(left, middle) >= change(middle, right) {
            right = middle;
        } else {
            left = middle;
        }
        let rest = change(left, right);
        if rest <= 1e-10 * local || (halving == TRIAL && rest < 4.0 * start / f64::from(1 << TRIAL))
        {
            return None;
        }
    }
    // At a width of 1e-14 even a slope that turns over 1e-6 has stopped changing.
    (change(left, right) > 1e-7 * local).then_some((left, right))
}

/// A number with few digits between two neighbours, if there is one.
fn simplest_between(low: f64, high: f64) -> f64 {
    let middle = 0.5 * (low + high);
    let slack = 1e-12 * middle.abs().max(1.0);
    for scale in [1.0, 8.0, 10.0, 1e3, 1e6, 1e9] {
        let rounded = (middle * scale).round() / scale;
        if rounded >= low - slack && rounded <= high + slack {
            return rounded;
        }
    }
    middle
}

fn kink(f: &impl Fn(f64) -> Sample, at: f64) -> Kink {
    let step = nudge(at);
    let (left, right) = (f(at - step), f(at + step));
    let (far_left, far_right) = (f(at - 64.0 * step), f(at + 64.0 * step));
    // A slope that keeps growing towards the point is that of a vertical tangent.
    let vertical = |near: Sample, far: Sample| near.slope.abs() > 4.0 * far.slope.abs() + 1e3;
    let slope_jump = if vertical(left, far_left) || vertical(right, far_right) {
        f64::INFINITY
    } else {
        clean(right.slope - left.slope, left.slope.abs() + right.slope.abs(), 1e-7)
    };
    let drift = (left.slope + right.slope) * step;
    let value_jump = if slope_jump.is_finite() {
        clean(right.value - left.value - drift, left.value.abs() + right.value.abs(), 1e-7)
    } else {
        // Near a vertical tangent the value still moves by the root of the step.
        clean(right.value - left.value, 1.0 + left.value.abs() + right.value.abs(), 1e-2)
    };
    Kink { at, value_jump, slope_jump }
}

/// Zero where the jump is noise.
fn clean(jump: f64, scale: f64, tolerance: f64) -> f64 {
    if jump.abs() <= tolerance * scale { 0.0 } else { jump }
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
fn pieces(f: &impl Fn(f64) -> Sample, samples: &[Sample], kinks: &[Kink]) -> Option<Vec<Segment>> {
    if kinks.iter().any(|kink| kink.slope_jump.is_infinite()) {
        return None;
    }
    let bounds: Vec<f64> = std::iter::once(f64::NEG_INFINITY)
        .chain(kinks.iter().map(|kink| kink.at))
        .chain(std::iter::once(f64::INFINITY))
        .collect();
    // The scan ends at 40: a straight tail must stay so much further out.
    let beyond = [-1e6, -1e3, 1e3, 1e6].map(f);
    let mut pieces: Vec<Segment> = Vec::new();
    for pair in bounds.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let first = f(if start.is_finite() && end.is_finite() {
            0.5 * (start + end)
        } else if start.is_finite() {
            start + 1.0
        } else if end.is_finite() {
            end - 1.0
        } else {
            1.0
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
        let intercept = clean(intercept, 1.0 + slope.abs() * first.x.abs(), 1e-14);
        pieces.push(Segment { start, slope, intercept });
    }
    Some(pieces)
}

fn range(f: &impl Fn(f64) -> Sample, samples: &[Sample], kinks: &[Kink]) -> (f64, f64) {
    let upper = supremum(&|x| f(x), samples, kinks);
    let mirrored: Vec<Sample> = samples.iter().map(|s| mirror(*s)).collect();
    (-supremum(&|x| mirror(f(x)), &mirrored, kinks), upper)
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
    let mut best = far(2, 6);
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
            for _ in 0..40 {
                let middle = f(0.5 * (a.x + b.x));
                if middle.slope > 0.0 { a = middle } else { b = middle }
            }
            best = best.max(a.value).max(b.value);
        }
    }
    let farther = far(7, 12);
    if farther > best + 1e-3 * (1.0 + best.abs()) { f64::INFINITY } else { best.max(farther) }
}

/// The scale on which the slope's bend changes, `2.6·min(max|f''| / max|f'''|)` over windows of width 2; 1 for `tanh`.
fn length_scale(f: &impl Fn(f64) -> Sample, kinks: &[Kink]) -> f64 {
    const H: f64 = 1.0 / 512.0;
    /// `max|tanh'''| / max|tanh''|` is 2 / 0.7698.
    const TANH: f64 = 2.598;
    let mut scale = f64::INFINITY;
    let size = (-12..=12).map(|x| f(f64::from(x) + OFFSET).slope.abs()).fold(1e-300, f64::max);
    for window in -6..6 {
        let start = 2.0 * f64::from(window) + OFFSET;
        let (mut second, mut third) = (0.0_f64, 0.0_f64);
        let (mut before, mut here) = (f(start - H), f(start));
        for i in 1..=1024 {
            let next = f(start + f64::from(i) * H);
            let clear = kinks.iter().all(|k| k.at < before.x - H || k.at > next.x + H);
            if clear {
                second = second.max(((next.slope - before.slope) / (2.0 * H)).abs());
                third = third.max(((next.slope - 2.0 * here.slope + before.slope) / (H * H)).abs());
            }
            (before, here) = (here, next);
        }
        // Below this the differences are rounding noise, or bends too faint to matter.
        if third > 1e-5 * size && second > 0.0 {
            scale = scale.min(TANH * second / third);
        }
    }
    scale
}

/// Whether `ln|f|` grows like `x²`: then `E[f(√q z)²]` is infinite for large `q`.
///
/// Doubling `x` multiplies the increments of `ln|f|` by 1 for powers, 2 for exponentials, 4 for `exp(x²)`.
fn grows_like_a_gaussian(f: &impl Fn(f64) -> Sample) -> bool {
    [-1.0, 1.0].into_iter().any(|side| {
        let mut logs: Vec<f64> = Vec::new();
        for doubling in 0..8 {
            let value = f(side * 10.0 * f64::from(1 << doubling)).value;
            if !value.is_finite() {
                break;
            }
            logs.push(value.abs().max(1e-300).ln());
        }
        let n = logs.len();
        n >= 3 && {
            let (last, previous) = (logs[n - 1] - logs[n - 2], logs[n - 2] - logs[n - 3]);
            last > 1.0 && last > 3.4 * previous && logs[n - 1] > 0.0
        }
    })
}
