//! A uniform grid of cubics in f32, for training loops.

/// Relative error that a grid must reach before rounding: a quarter of a unit in the last place.
const TARGET: f64 = 1.5e-8;
/// Below this, f32 has no relative accuracy left to keep.
const FLOOR: f64 = 1e-37;
/// 1.5 · 2^23: added to a number below 2^22 in magnitude, leaves its nearest integer in the low mantissa bits.
const ROUNDER: f32 = 12_582_912.0;
/// The low mantissa bits, and what they hold for zero.
const MANTISSA: u32 = 0x7f_ffff;
const ZERO: u32 = 0x40_0000;
/// Cells per unit that are tried, in turn.
const DENSITIES: [u32; 5] = [32, 64, 128, 256, 512];
/// The grid covers `|x| ≤ 16`, as the table does.
const RANGE: u32 = 16;
const LIMIT: f32 = 16.0;
const DEGREE: usize = 3;

/// One function on a grid of cells centred on multiples of the step.
#[derive(Debug, Clone, PartialEq)]
struct Grid {
    per_unit: f32,
    /// The row of x = 0: the first for even functions, the middle one else.
    origin: u32,
    rows: Vec<[f32; 4]>,
}

/// `φ(x)/x` (odd) or `φ(x)`, and `φ'(x)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FastTable {
    odd: bool,
    value: Grid,
    derivative: Grid,
}

impl FastTable {
    /// `None` if no grid of reasonable size is accurate enough.
    pub(super) fn new(
        odd: bool,
        value: &dyn Fn(f64) -> f64,
        derivative: &dyn Fn(f64) -> f64,
    ) -> Option<Self> {
        let slope_at_zero = derivative(0.0);
        let scaled = |x: f64| if x == 0.0 { slope_at_zero } else { value(x) / x };
        let value: &dyn Fn(f64) -> f64 = if odd { &scaled } else { value };
        Some(Self { odd, value: Grid::new(odd, value)?, derivative: Grid::new(odd, derivative)? })
    }

    /// φ of each element; `exact` serves what lies off the grid.
    pub(super) fn fill_value(&self, x: &[f32], out: &mut [f32], exact: impl Fn(f32) -> f32) {
        if self.odd {
            self.value.fill::<true>(x, out, |p, x| p * x, exact);
        } else {
            self.value.fill::<false>(x, out, |p, _| p, exact);
        }
    }

    /// φ′ of each element.
    pub(super) fn fill_derivative(&self, x: &[f32], out: &mut [f32], exact: impl Fn(f32) -> f32) {
        if self.odd {
            self.derivative.fill::<true>(x, out, |p, _| p, exact);
        } else {
            self.derivative.fill::<false>(x, out, |p, _| p, exact);
        }
    }
}

impl Grid {
    fn new(even: bool, f: &dyn Fn(f64) -> f64) -> Option<Self> {
        DENSITIES.iter().find_map(|density| Self::with_density(even, *density, f))
    }

    fn with_density(even: bool, density: u32, f: &dyn Fn(f64) -> f64) -> Option<Self> {
        let density_f32 = density as f32;
        let half = RANGE * density;
        let (first, origin) = if even { (0.0, 0) } else { (-f64::from(half), half) };
        let step = 1.0 / f64::from(density);
        let cells = half + origin + 1;
        let mut rows = Vec::with_capacity(cells as usize);
        let basis = CellBasis::new();
        for cell in 0..cells {
            let centre = step * (first + f64::from(cell));
            // The outermost cells reach half a step beyond the range, where φ is still smooth.
            rows.push(basis.row(|t| {
                let x = centre + step * t;
                f(if even { x.abs() } else { x })
            })?);
        }
        Some(Self { per_unit: density_f32, origin, rows })
    }

    #[inline]
    fn fill<const EVEN: bool>(
        &self,
        x: &[f32],
        out: &mut [f32],
        finish: impl Fn(f32, f32) -> f32,
        exact: impl Fn(f32) -> f32,
    ) {
        const BLOCK: usize = 64;
        for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            // Three passes, of which the compiler vectorises the first and the last; the look-up stays scalar.
            let mut cells = [0_u32; BLOCK];
            let mut offsets = [0.0_f32; BLOCK];
            let mut outside = 0_u32;
            for ((x, cell), t) in x.iter().zip(&mut cells).zip(&mut offsets) {
                // The step is a power of two: the place, and its distance t from the centre, are exact.
                let place = if EVEN { x.abs() } else { *x } * self.per_unit;
                let rounded = place + ROUNDER;
                *cell = (rounded.to_bits() & MANTISSA).wrapping_sub(ZERO).wrapping_add(self.origin);
                *t = place - (rounded - ROUNDER);
                // True for NaN as well, whose magnitude bits are the largest.
                outside |= u32::from(x.abs().to_bits() > LIMIT.to_bits());
            }
            let mut powers = [[0.0_f32; BLOCK]; DEGREE + 1];
            for (i, cell) in cells.iter().enumerate().take(x.len()) {
                // Off the grid any row will do: `exact` overwrites what it gives.
                let row = self.rows.get(*cell as usize).unwrap_or(&[0.0; DEGREE + 1]);
                for (power, value) in powers.iter_mut().zip(row) {
                    power[i] = *value;
                }
            }
            let [a, b, c, d] = &powers;
            for (i, (x, out)) in x.iter().zip(out.iter_mut()).enumerate() {
                let t = offsets[i];
                let p = (a[i] + b[i] * t) + (c[i] + d[i] * t) * (t * t);
                *out = finish(p, *x);
            }
            let inside = outside == 0;
            if !inside {
                for (x, out) in x.iter().zip(out.iter_mut()) {
                    if x.abs() <= LIMIT {
                        continue;
                    }
                    *out = exact(*x);
                }
            }
        }
    }
}

/// Interpolation at Chebyshev points of [-½, ½], turned into powers.
struct CellBasis {
    nodes: [f64; DEGREE + 1],
    /// Row `j`: powers of the Lagrange polynomial of node `j`.
    lagrange: [[f64; DEGREE + 1]; DEGREE + 1],
}

impl CellBasis {
    fn new() -> Self {
        let nodes: [f64; DEGREE + 1] = std::array::from_fn(|j| {
            -0.5 * (std::f64::consts::PI * (j as f64 + 0.5) / (DEGREE + 1) as f64).cos()
        });
        let lagrange = std::array::from_fn(|j| {
            let mut powers = [0.0; DEGREE + 1];
            powers[0] = 1.0;
            let mut degree = 0;
            for (i, node) in nodes.iter().enumerate() {
                if i == j {
                    continue;
                }
                let scale = 1.0 / (nodes[j] - node);
                for k in (0..=degree + 1).rev() {
                    let below = if k > 0 { powers[k - 1] } else { 0.0 };
                    let here = if k <= degree { powers[k] } else { 0.0 };
                    powers[k] = scale * (below - node * here);
                }
                degree += 1;
            }
            powers
        });
        Self { nodes, lagrange }
    }

    /// The powers of one cell in f32, or `None` if they miss the target between the nodes.
    #[expect(clippy::cast_possible_truncation, reason = "the grid is f32 by purpose")]
    fn row(&self, f: impl Fn(f64) -> f64) -> Option<[f32; 4]> {
        let mut powers = [0.0; DEGREE + 1];
        for (node, lagrange) in self.nodes.iter().zip(&self.lagrange) {
            let value = f(*node);
            for (power, l) in powers.iter_mut().zip(lagrange) {
                *power += value * l;
            }
        }
        for t in [-0.5, 0.0, 0.45] {
            let (expected, got) = (f(t), powers.iter().rev().fold(0.0, |sum, p| sum * t + p));
            // False for a NaN on either side.
            let close = (got - expected).abs() <= TARGET * expected.abs() + FLOOR;
            if !close {
                return None;
            }
        }
        let mut row = [0.0; 4];
        for (out, power) in row.iter_mut().zip(powers) {
            *out = power as f32;
        }
        Some(row)
    }
}
