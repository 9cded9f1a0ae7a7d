//! Where a function bends: jumps of value, slope and curvature, and the scale of the smooth bends between them.

use super::analysis::{OFFSET, Sample, clean, nudge};
use crate::spec::activation::Kink;

/// What a scan found out about smoothness.
#[derive(Debug, Clone, Default)]
pub(super) struct Smoothness {
    /// Jumps of value or slope, ascending.
    pub(super) kinks: Vec<Kink>,
    /// The kinks and the jumps of curvature, ascending.
    pub(super) breakpoints: Vec<f64>,
    /// The distance over which the function bends elsewhere.
    pub(super) length_scale: f64,
}

/// Why a scan gave up.
pub(super) enum Unfit {
    Pole { at: f64 },
    TooManyJumps,
}

/// More jumps than this are taken for noise or for an oscillation that the scan cannot follow.
pub(super) const MAX_JUMPS: usize = 512;

/// Scans the cells between ascending samples.
pub(super) fn scan(f: &impl Fn(f64) -> Sample, samples: &[Sample]) -> Result<Smoothness, Unfit> {
    let mut jumps = Vec::new();
    let mut steepest = f64::INFINITY;
    for pair in samples.windows(2) {
        find(f, pair[0], pair[1], 3, &mut jumps, &mut steepest);
        if jumps.len() > MAX_JUMPS {
            return Err(Unfit::TooManyJumps);
        }
    }
    let mut found = Smoothness::default();
    for at in jumps {
        if is_pole(f, at) {
            return Err(Unfit::Pole { at });
        }
        if found.breakpoints.last().is_some_and(|last| at - last <= 4.0 * nudge(at)) {
            continue;
        }
        found.breakpoints.push(at);
        let kink = kink(f, at);
        if kink.value_jump != 0.0 || kink.slope_jump != 0.0 {
            found.kinks.push(kink);
        }
    }
    bends(f, &mut found)?;
    found.length_scale = found.length_scale.min(steepest);
    Ok(found)
}

/// Whether the value keeps growing towards `at`, at least like 1/distance.
fn is_pole(f: &impl Fn(f64) -> Sample, at: f64) -> bool {
    let value = |steps: f64| f(at + steps * nudge(at)).value.abs();
    let near = value(-1.0).max(value(1.0));
    let far = value(-64.0).max(value(64.0));
    !(value(0.0).is_finite() && near <= 1.0 + 8.0 * far)
}

/// Appends the jumps of value or slope between two samples, in ascending order.
fn find(
    f: &impl Fn(f64) -> Sample,
    a: Sample,
    b: Sample,
    depth: usize,
    jumps: &mut Vec<f64>,
    steepest: &mut f64,
) {
    let (left, right) = match close_in(f, a, b) {
        Change::Smooth => return,
        Change::Steep(width) => {
            *steepest = steepest.min(width);
            return;
        }
        Change::Jump(left, right) => (left, right),
    };
    let at = simplest_between(left.x, right.x);
    // A second jump may hide on either side, unless this one is a vertical tangent, which looks like one from nearby.
    let more = depth > 0 && !(is_vertical(f, at, -1.0) || is_vertical(f, at, 1.0));
    let (before, after) = (f(at - nudge(at)), f(at + nudge(at)));
    if more && before.x > a.x {
        find(f, a, before, depth - 1, jumps, steepest);
    }
    jumps.push(at);
    if more && after.x < b.x {
        find(f, after, b, depth - 1, jumps, steepest);
    }
}

enum Change {
    /// The change shrinks with the cell.
    Smooth,
    /// It does so only below about this width.
    Steep(f64),
    /// It does not shrink: the last bracket around it.
    Jump(Sample, Sample),
}

/// Where a cell is cut: not in the middle, so that a symmetric jump at a round number does not cancel.
const SPLIT: f64 = 0.487_1;

/// Bisects towards the largest jump of value or slope.
///
/// Over a smooth stretch the slope's deviation from a straight line falls with the square of the cell; at a jump it
/// stays.
fn close_in(f: &impl Fn(f64) -> Sample, a: Sample, b: Sample) -> Change {
    /// Halvings after which a smooth deviation is a millionth.
    const TRIAL: u32 = 10;
    let between = |a: Sample, b: Sample| f(a.x + SPLIT * (b.x - a.x));
    let (mut left, mut middle, mut right) = (a, between(a, b), b);
    let start = residual(left, right) + turn(left, middle, right);
    let (mut largest, mut steep_width) = (f64::INFINITY, 0.0);
    for halving in 0_u32.. {
        let (gap, bend) = (residual(left, right), turn(left, middle, right));
        let rest = gap + bend;
        let width = right.x - left.x;
        let slopes = 1.0 + left.slope.abs() + right.slope.abs();
        if gap <= 1e-12 * (1.0 + left.value.abs() + right.value.abs())
            && bend.max(or_infinite((right.slope - left.slope).abs())) <= 1e-10 * slopes
        {
            return if steep_width > 0.0 { Change::Steep(steep_width) } else { Change::Smooth };
        }
        if halving == TRIAL {
            if rest < 4.0 * start / f64::from(1 << TRIAL) || rest < 1e-10 * slopes {
                return Change::Smooth;
            }
            // A change by a twentieth over so small a cell is steep for a smooth function.
            largest = if rest > 0.05 * slopes { 0.0 } else { f64::INFINITY };
        }
        if halving >= TRIAL && rest > 0.5 * largest {
            largest = largest.max(rest);
            steep_width = width;
        }
        if middle.x <= left.x || middle.x >= right.x || width < 1e-15 {
            break;
        }
        let (before, after) = (between(left, middle), between(middle, right));
        if pull(left, before, middle) >= pull(middle, after, right) {
            (middle, right) = (before, middle);
        } else {
            (left, middle) = (middle, after);
        }
    }
    Change::Jump(left, right)
}

/// What the trapezoid of the slopes leaves of the change of value.
fn residual(a: Sample, b: Sample) -> f64 {
    let drift = 0.5 * (a.slope + b.slope) * (b.x - a.x);
    // Sums inside the expression may have rounded at the size of 1, even where the value is small.
    let size = 1.0 + a.value.abs() + b.value.abs() + drift.abs();
    let rounding = 8.0 * f64::EPSILON * size;
    let rest = or_infinite((b.value - a.value - drift).abs() - rounding);
    rest.max(0.0)
}

/// Twice the distance of the slope between two samples from the chord.
fn turn(a: Sample, middle: Sample, b: Sample) -> f64 {
    2.0 * or_infinite((middle.slope - a.slope - SPLIT * (b.slope - a.slope)).abs())
}

/// To choose a half, a jump of value counts as the slope that it would take: around a pole or a vertical tangent the
/// slopes of both sides agree.
fn pull(a: Sample, middle: Sample, b: Sample) -> f64 {
    // A value that moves against both slopes has jumped, or passed a pole.
    let change = b.value - a.value;
    if (change > 0.0 && a.slope < 0.0 && b.slope < 0.0)
        || (change < 0.0 && a.slope > 0.0 && b.slope > 0.0)
    {
        return f64::INFINITY;
    }
    residual(a, b) / (b.x - a.x) + turn(a, middle, b)
}

fn or_infinite(x: f64) -> f64 {
    if x.is_nan() { f64::INFINITY } else { x }
}

/// A number with few digits in a bracket a few roundings wide, if there is one.
fn simplest_between(low: f64, high: f64) -> f64 {
    let slack = 4.0 * f64::EPSILON * low.abs().max(high.abs()) + 1e-17;
    simplest_within(0.5 * (low + high), 0.5 * (high - low) + slack)
}

fn simplest_within(middle: f64, slack: f64) -> f64 {
    [1.0, 8.0, 10.0, 1e3, 1e6]
        .into_iter()
        .map(|scale| (middle * scale).round() / scale)
        .find(|rounded| (rounded - middle).abs() <= slack)
        .unwrap_or(middle)
        + 0.0 // turns -0 into 0
}

/// Whether the slope keeps growing towards `at` from the given side.
fn is_vertical(f: &impl Fn(f64) -> Sample, at: f64, side: f64) -> bool {
    let slope = |steps: f64| f(at + side * steps * nudge(at)).slope.abs();
    slope(1.0) > 4.0 * slope(64.0) + 1e3
}

fn kink(f: &impl Fn(f64) -> Sample, at: f64) -> Kink {
    let step = nudge(at);
    let (left, right) = (f(at - step), f(at + step));
    if is_vertical(f, at, -1.0) || is_vertical(f, at, 1.0) {
        // Here the value still moves by the root of the step.
        let scale = 1.0 + left.value.abs() + right.value.abs();
        let value_jump = clean(right.value - left.value, 1e-2 * scale);
        return Kink { at, value_jump, slope_jump: f64::INFINITY };
    }
    let slopes = left.slope.abs() + right.slope.abs();
    let drift = (left.slope + right.slope) * step;
    let tolerance = 1e-7 * (left.value.abs() + right.value.abs()) + 1e-3 * slopes * step;
    let value_jump = clean(right.value - left.value - drift, tolerance);
    let jump_over = |steps: f64| f(at + steps * step).slope - f(at - steps * step).slope;
    let near = jump_over(1.0);
    // A jump that shrinks with the distance is a bend, as that of |x|^1.5 at zero.
    let slope_jump = if near.abs() < 0.5 * jump_over(64.0).abs() {
        0.0
    } else {
        // The curvature of both sides leaves with the distance.
        clean(2.0 * near - jump_over(2.0), 1e-7 * slopes)
    };
    Kink { at, value_jump, slope_jump }
}

/// Finds the smallest scale `max|f''| / max|f'''|`, in units of that of `tanh`, and the jumps of `f''` on the way.
///
/// A difference quotient over `h` sees a jump of `f''` as a third derivative of size `1/h`: there the scale shrinks
/// with `h` for ever.
fn bends(f: &impl Fn(f64) -> Sample, found: &mut Smoothness) -> Result<(), Unfit> {
    /// At most this many jumps of curvature are looked for.
    const MOST: usize = 16;
    const FINEST: f64 = 2e-6;
    // Near a singularity such as that of |x|^1.5 the scale has no lower limit: leave a margin.
    const MARGIN: f64 = 1.0 / 64.0;
    let mut gaps: Vec<(f64, f64)> =
        found.breakpoints.iter().map(|at| (*at, 4.0 * nudge(*at))).collect();
    for kink in found.kinks.iter().filter(|kink| kink.slope_jump.is_infinite()) {
        gaps.push((kink.at, MARGIN));
    }
    for _ in 0..MOST {
        let mut h = 1.0 / 256.0;
        let (mut scale, mut at) = coarse_scale(f, &gaps, h);
        while scale < 16.0 * h && h > FINEST {
            h = (scale / 64.0).clamp(h / 64.0, h / 4.0);
            let window = difference_quotients(f, &gaps, at - 256.0 * h, 512, h);
            if window.third == 0.0 {
                break;
            }
            (scale, at) = (window.scale(), window.at);
        }
        found.length_scale = scale;
        if h > FINEST {
            return Ok(());
        }
        if let Some((known, _)) =
            gaps.iter().copied().find(|(known, _)| (known - at).abs() < MARGIN)
        {
            gaps.push((known, MARGIN));
            continue;
        }
        // A pole or a vertical tangent that the bisection lost on its way is where the slope is largest.
        let peak = steepest_near(f, at, 16.0 * h);
        let singular = is_vertical(f, peak, -1.0) || is_vertical(f, peak, 1.0);
        let at = if singular { peak } else { simplest_within(at, 4.0 * h) };
        gaps.push((at, if singular { MARGIN } else { 4.0 * h }));
        let place = found.breakpoints.partition_point(|known| *known < at);
        found.breakpoints.insert(place, at);
        if singular {
            if is_pole(f, at) {
                return Err(Unfit::Pole { at });
            }
            let place = found.kinks.partition_point(|known| known.at < at);
            found.kinks.insert(place, kink(f, at));
        }
    }
    Ok(())
}

/// Where `|f'|` is largest within a radius, if it has one peak there.
fn steepest_near(f: &impl Fn(f64) -> Sample, middle: f64, radius: f64) -> f64 {
    let steepness = |x: f64| or_infinite(f(x).slope.abs());
    let (mut low, mut high) = (middle - radius, middle + radius);
    for _ in 0..120 {
        let third = (high - low) / 3.0;
        if steepness(low + third) > steepness(high - third) {
            high -= third;
        } else {
            low += third;
        }
    }
    simplest_between(low, high)
}

/// The largest second and third derivative of a stretch, by differences of the exact slope.
struct Bend {
    second: f64,
    third: f64,
    /// Where the third is largest.
    at: f64,
}

impl Bend {
    fn scale(&self) -> f64 {
        /// `max|tanh'''| / max|tanh''|` is 2 / 0.7698.
        const TANH: f64 = 2.598;
        if self.third > 0.0 { TANH * self.second / self.third } else { f64::INFINITY }
    }
}

fn difference_quotients(
    f: &impl Fn(f64) -> Sample,
    gaps: &[(f64, f64)],
    start: f64,
    steps: u32,
    h: f64,
) -> Bend {
    let mut bend = Bend { second: 0.0, third: 0.0, at: start };
    let (mut before, mut here) = (f(start - h), f(start));
    for i in 1..=steps {
        let next = f(start + f64::from(i) * h);
        let clear = |&(at, gap): &(f64, f64)| at < before.x - h - gap || at > next.x + h + gap;
        if gaps.iter().all(clear) {
            bend.second = bend.second.max(((next.slope - before.slope) / (2.0 * h)).abs());
            let third = ((next.slope - 2.0 * here.slope + before.slope) / (h * h)).abs();
            // Rounding of the slopes, not a bend.
            let noise = 16.0 * f64::EPSILON * (before.slope.abs() + here.slope.abs()) / (h * h);
            if third > bend.third && third > noise {
                (bend.third, bend.at) = (third, here.x);
            }
        }
        (before, here) = (here, next);
    }
    bend
}

/// The smallest scale over windows of width 2 that bend noticeably, and where.
fn coarse_scale(f: &impl Fn(f64) -> Sample, gaps: &[(f64, f64)], h: f64) -> (f64, f64) {
    let windows: Vec<Bend> = (-6..6)
        .map(|i| difference_quotients(f, gaps, 2.0 * f64::from(i) + 1.0 + OFFSET, 512, h))
        .collect();
    let size = (-12..=12).map(|x| f(f64::from(x) + OFFSET).slope.abs()).fold(0.0, f64::max);
    let most = windows.iter().map(|w| w.third).fold(0.0, f64::max);
    windows
        .iter()
        .filter(|w| w.third > 1e-5 * size && w.third > 1e-2 * most)
        .map(|w| (w.scale(), w.at))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((f64::INFINITY, 0.0))
}
