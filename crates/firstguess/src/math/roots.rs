//! Roots of scalar functions: every sign change on a grid, then Brent's method.

/// Finds a root of `f` in `[a, b]`, where `f(a)` and `f(b)` differ in sign (Brent 1973).
///
/// Stops when the bracket is below `tolerance + 4 ε |x|` or the value is exactly zero. Returns `None` if the signs agree or a value is NaN.
pub fn brent(mut f: impl FnMut(f64) -> f64, a: f64, b: f64, tolerance: f64) -> Option<f64> {
    let (fa, fb) = (f(a), f(b));
    brent_with_values(f, (a, fa), (b, fb), tolerance)
}

/// [`brent`] with the end values already known.
pub fn brent_with_values(
    mut f: impl FnMut(f64) -> f64,
    (mut a, mut fa): (f64, f64),
    (mut b, mut fb): (f64, f64),
    tolerance: f64,
) -> Option<f64> {
    if fa.is_nan() || fb.is_nan() {
        return None;
    }
    if fa == 0.0 {
        return Some(a);
    }
    if fb == 0.0 {
        return Some(b);
    }
    if (fa > 0.0) == (fb > 0.0) {
        return None;
    }
    let (mut c, mut fc) = (a, fa);
    let mut step = b - a;
    let mut previous_step = step;
    for _ in 0..200 {
        if (fb > 0.0) == (fc > 0.0) {
            (c, fc) = (a, fa);
            step = b - a;
            previous_step = step;
        }
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let limit = 2.0 * f64::EPSILON * b.abs() + 0.5 * tolerance;
        let half = 0.5 * (c - b);
        if half.abs() <= limit || fb == 0.0 {
            return Some(b);
        }
        if previous_step.abs() >= limit && fa.abs() > fb.abs() {
            let s = fb / fa;
            let (mut p, mut q) = if a == c {
                (2.0 * half * s, 1.0 - s)
            } else {
                let (q, r) = (fa / fc, fb / fc);
                (
                    s * (2.0 * half * q * (q - r) - (b - a) * (r - 1.0)),
                    (q - 1.0) * (r - 1.0) * (s - 1.0),
                )
            };
            if p > 0.0 {
                q = -q;
            } else {
                p = -p;
            }
            if 2.0 * p < (3.0 * half * q - (limit * q).abs()).min((previous_step * q).abs()) {
                previous_step = step;
                step = p / q;
            } else {
                step = half;
                previous_step = half;
            }
        } else {
            step = half;
            previous_step = half;
        }
        (a, fa) = (b, fb);
        b += if step.abs() > limit { step } else { limit.copysign(half) };
        fb = f(b);
        if fb.is_nan() {
            return None;
        }
    }
    Some(b)
}

/// Every root of `f` that a sign change on the ascending `grid` shows, polished by [`brent`].
///
/// Two roots inside one grid cell are missed: choose the grid by what is known of `f`. Cells with a NaN end are skipped.
pub fn all_roots(f: impl FnMut(f64) -> f64, grid: &[f64], tolerance: f64) -> Vec<f64> {
    some_roots(f, grid, tolerance, usize::MAX)
}

/// The first of [`all_roots`]; the rest of the grid is not looked at.
pub fn first_root(f: impl FnMut(f64) -> f64, grid: &[f64], tolerance: f64) -> Option<f64> {
    some_roots(f, grid, tolerance, 1).pop()
}

fn some_roots(
    mut f: impl FnMut(f64) -> f64,
    grid: &[f64],
    tolerance: f64,
    limit: usize,
) -> Vec<f64> {
    let mut roots = Vec::new();
    let mut previous: Option<(f64, f64)> = None;
    for &x in grid {
        let value = f(x);
        if let Some((x0, f0)) = previous {
            if f0 != 0.0
                && let Some(root) = brent_with_values(&mut f, (x0, f0), (x, value), tolerance)
            {
                roots.push(root);
            }
        } else if value == 0.0 {
            roots.push(x);
        }
        if roots.len() >= limit {
            break;
        }
        previous = (!value.is_nan()).then_some((x, value));
    }
    roots
}

/// `n ≥ 2` points from `low` to `high`, evenly spaced in the logarithm.
pub fn log_grid(low: f64, high: f64, n: usize) -> Vec<f64> {
    let step = (high / low).ln() / (n.max(2) - 1) as f64;
    (0..n.max(2)).map(|i| low * (step * i as f64).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brent_solves_smooth_and_flat_equations() {
        let root = brent(|x| x.cos() - x, 0.0, 1.0, 0.0).expect("signs differ");
        assert!((root - 0.739_085_133_215_160_6).abs() < 1e-15);
        let flat = brent(|x| (x - 0.3).powi(9), 0.0, 1.0, 1e-12).expect("signs differ");
        assert!((flat - 0.3).abs() < 1e-2);
        assert_eq!(brent(|x| x * x + 1.0, -1.0, 1.0, 0.0), None);
        assert_eq!(brent(|_| f64::NAN, -1.0, 1.0, 0.0), None);
    }

    #[test]
    fn all_roots_finds_each_sign_change_once() {
        let grid: Vec<f64> = (0..=100).map(|i| f64::from(i) / 10.0).collect();
        let roots = all_roots(f64::sin, &grid, 0.0);
        assert_eq!(roots.len(), 4, "{roots:?}"); // 0, π, 2π, 3π
        for (k, root) in roots.iter().enumerate() {
            assert!((root - std::f64::consts::PI * k as f64).abs() < 1e-14);
        }
    }
}
