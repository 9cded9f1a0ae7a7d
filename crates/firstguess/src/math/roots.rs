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
    for_each_bracket(&mut f, grid, |f, from, to| {
        roots.extend(brent_with_values(f, from, to, tolerance));
        roots.len() < limit
    });
    roots
}

/// Roots of a function that is dear, bracketed by one that is cheap.
pub struct Sketched<R, F> {
    /// Has the signs of `exact` wherever that is larger than `error`.
    pub rough: R,
    /// What the roots are roots of.
    pub exact: F,
    /// Of `rough`.
    pub error: f64,
}

impl<R: FnMut(f64) -> f64, F: FnMut(f64) -> f64> Sketched<R, F> {
    /// [`all_roots`] of `exact`, where `rough` shows the sign changes.
    pub fn all_roots(self, grid: &[f64], tolerance: f64) -> Vec<f64> {
        self.some_roots(grid, tolerance, usize::MAX)
    }

    /// [`first_root`] of `exact`, where `rough` shows the sign change.
    pub fn first_root(self, grid: &[f64], tolerance: f64) -> Option<f64> {
        self.some_roots(grid, tolerance, 1).pop()
    }

    fn some_roots(self, grid: &[f64], tolerance: f64, limit: usize) -> Vec<f64> {
        let Self { mut rough, mut exact, error } = self;
        let mut roots = Vec::new();
        for_each_bracket(&mut rough, grid, |rough, from, to| {
            if let Some(near) = brent_with_values(rough, from, to, error) {
                roots.extend(polished(&mut exact, near, (from.0, to.0), error, tolerance));
            }
            roots.len() < limit
        });
        roots
    }
}

/// The root of `f` that is about `error` from `near`, in ever wider brackets within the cell; `None` if that shows no sign change.
fn polished(
    f: &mut impl FnMut(f64) -> f64,
    near: f64,
    (low, high): (f64, f64),
    error: f64,
    tolerance: f64,
) -> Option<f64> {
    let mut width = 4.0 * error.max(f64::EPSILON * near.abs());
    // A root on the grid may lie beside the cell that the rough values chose.
    let (low, high) = (low - width, high + width);
    loop {
        let (a, b) = ((near - width).max(low), (near + width).min(high));
        let (fa, fb) = (f(a), f(b));
        if fa == 0.0 || fb == 0.0 || (fa > 0.0) != (fb > 0.0) {
            return brent_with_values(f, (a, fa), (b, fb), tolerance);
        }
        if a <= low && b >= high {
            return None;
        }
        width *= 100.0;
    }
}

/// Calls `found(f, from, to)` for each cell of the ascending grid whose ends differ in sign or whose start is the first of all and
/// zero, until that says no more.
fn for_each_bracket<F: FnMut(f64) -> f64>(
    f: &mut F,
    grid: &[f64],
    mut found: impl FnMut(&mut F, (f64, f64), (f64, f64)) -> bool,
) {
    let mut previous: Option<(f64, f64)> = None;
    for &x in grid {
        let value = f(x);
        let bracket = match previous {
            Some((_, 0.0)) => None,
            Some(from) if value == 0.0 || (from.1 > 0.0) != (value > 0.0) => Some(from),
            None if value == 0.0 => Some((x, value)),
            _ => None,
        };
        if let Some(from) = bracket
            && !value.is_nan()
            && !found(f, from, (x, value))
        {
            return;
        }
        previous = (!value.is_nan()).then_some((x, value));
    }
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
    fn sketched_roots_are_those_of_the_exact_function() {
        // Roots on the grid and between; the sketch is off by less than its error, to either side.
        for shift in [-0.9e-6, 0.0, 0.9e-6] {
            let grid: Vec<f64> = (0..=10).map(f64::from).collect();
            let mut calls = 0;
            let sketched = Sketched {
                rough: |x: f64| (x - 3.0 + shift) * (x - 6.5 + shift),
                exact: |x: f64| {
                    calls += 1;
                    (x - 3.0) * (x - 6.5)
                },
                error: 1e-6,
            };
            let roots = sketched.all_roots(&grid, 1e-15);
            assert_eq!(roots.len(), 2, "{roots:?}");
            assert!((roots[0] - 3.0).abs() < 1e-14 && (roots[1] - 6.5).abs() < 1e-14, "{roots:?}");
            assert!(calls < 20, "{calls}");
        }
        // What is no root of the exact function is none.
        let sketched = Sketched { rough: |x: f64| x - 0.5, exact: |_| 1.0, error: 1e-6 };
        assert_eq!(sketched.first_root(&[0.0, 1.0], 1e-15), None);
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
