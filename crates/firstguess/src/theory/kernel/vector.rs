//! Maps of complements `1 - c` that vectorise: homogeneous functions, and Hermite series with coefficients per input.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]

use super::points::{Points, Row};
use crate::math::chebyshev::ChebyshevBasis;
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::FRAC_2_PI;
use std::sync::OnceLock;

/// Complements handled at once: four registers of the widest kind.
pub(super) const WIDTH: usize = 32;

/// What a map does to `WIDTH` complements of row `a`, from column `start` on.
pub(super) trait BlockMap: Copy + Sync {
    fn block(self, a: usize, start: usize, e: &mut [f64; WIDTH]);
}

struct RowPass<'a, M> {
    map: M,
    row: Row<'a>,
}

impl<M: BlockMap> WithSimd for RowPass<'_, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Row { index, complement } = self.row;
        let mut block = [0.0; WIDTH];
        let mut start = 0;
        while start < complement.len() {
            let count = WIDTH.min(complement.len() - start);
            block[..count].copy_from_slice(&complement[start..start + count]);
            self.map.block(index, start, &mut block);
            complement[start..start + count].copy_from_slice(&block[..count]);
            start += count;
        }
    }
}

/// Applies a map to every complement, rows in parallel.
pub(super) fn apply(points: &mut Points, map: impl BlockMap) {
    let arch = Arch::new();
    points.for_each_row(|row| arch.dispatch(RowPass { map, row }));
}

/// The same, then `repair(a, before, after)` on each row for what the map is not good for.
pub(super) fn apply_and_repair(
    points: &mut Points,
    map: impl BlockMap,
    repair: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) {
    let arch = Arch::new();
    points.for_each_row(|Row { index, complement }| {
        let before = complement.to_vec();
        arch.dispatch(RowPass { map, row: Row { index, complement: &mut *complement } });
        repair(index, &before, complement);
    });
}

/// `φ(x) = odd·x + even·|x|`: the angle alone decides, whatever the norms.
#[derive(Clone, Copy)]
pub(super) struct HomogeneousMap<'a> {
    /// `odd²/(odd² + even²)`.
    pub(super) odd: f64,
    /// `even²/(odd² + even²)`.
    pub(super) even: f64,
    pub(super) bend: &'a [f64; BEND_TERMS],
}

impl BlockMap for HomogeneousMap<'_> {
    /// ```text
    /// 1 - E|u||v| = ε' - (2/π)(sin θ - θ cos θ),   ε' = 1 - |c| = 1 - cos θ,   for u, v of unit variance
    /// ```
    #[inline(always)]
    fn block(self, _: usize, _: usize, e: &mut [f64; WIDTH]) {
        for value in e {
            let small = value.min(2.0 - *value);
            let x = 0.5 * small;
            let t = 4.0 * x - 1.0;
            let mut p = self.bend[BEND_TERMS - 1];
            for k in (0..BEND_TERMS - 1).rev() {
                p = p * t + self.bend[k];
            }
            let absolute = small - FRAC_2_PI * (x * x.sqrt() * p);
            *value = self.odd * *value + self.even * absolute;
        }
    }
}

/// Terms of the polynomial for the bend of `|x|`: 16 digits.
pub(super) const BEND_TERMS: usize = 22;

/// `(sin θ - θ cos θ)/s³`, `s = sin(θ/2)`, as a polynomial in `4s² - 1` for `s² ≤ ½`.
pub(super) fn bend() -> &'static [f64; BEND_TERMS] {
    static BEND: OnceLock<[f64; BEND_TERMS]> = OnceLock::new();
    BEND.get_or_init(|| {
        let basis = ChebyshevBasis::new(BEND_TERMS);
        let values: Vec<f64> = basis
            .nodes
            .iter()
            .map(|t| {
                let s = (0.25 * (t + 1.0)).sqrt();
                let theta = 2.0 * s.asin();
                let t2 = theta * theta;
                let bend = if theta < 0.1 {
                    // The next term is below 1e-19 of the first.
                    theta
                        * t2
                        * (1.0 / 3.0
                            - t2 * (1.0 / 30.0
                                - t2 * (1.0 / 840.0 - t2 * (1.0 / 45360.0 - t2 / 3_991_680.0))))
                } else {
                    theta.sin() - theta * theta.cos()
                };
                bend / (s * s * s)
            })
            .collect();
        monomials(&basis.coefficients(&values))
    })
}

/// Coefficients of powers from those of Chebyshev polynomials; the series falls fast enough for nothing to be lost.
fn monomials(chebyshev: &[f64]) -> [f64; BEND_TERMS] {
    let mut sum = [0.0; BEND_TERMS];
    let (mut previous, mut current) = ([0.0; BEND_TERMS], [0.0; BEND_TERMS]);
    current[0] = 1.0;
    for (k, c) in chebyshev.iter().enumerate() {
        for (total, power) in sum.iter_mut().zip(&current) {
            *total += c * power;
        }
        let factor = if k == 0 { 1.0 } else { 2.0 };
        let mut next = [0.0; BEND_TERMS];
        for j in 0..BEND_TERMS {
            let shifted = if j == 0 { 0.0 } else { factor * current[j - 1] };
            next[j] = shifted - if k == 0 { 0.0 } else { previous[j] };
        }
        (previous, current) = (current, next);
    }
    sum
}

/// `φ(√q_a z)/√M_a = Σ_n a_n(q_a) h_n(z)`, the coefficients of every input in rows by term.
#[derive(Clone, Copy)]
pub(super) struct HermiteMap<'a> {
    /// `[terms][stride]`: terms that a parity excludes are left out.
    pub(super) rows: &'a [f64],
    pub(super) stride: usize,
    /// Powers go up by two, from one (odd function) or from zero (even function).
    pub(super) powers: Powers,
}

/// Which powers of `c` the rows of a series stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Powers {
    /// 0, 1, 2, ...
    All,
    /// 1, 3, 5, ...
    Odd,
    /// 0, 2, 4, ...
    Even,
}

impl BlockMap for HermiteMap<'_> {
    /// With `A_n = a_n(q_a) a_n(q_b)`, and the sums over suffixes taken in Horner's scheme, nothing cancels as `c → 1`:
    ///
    /// ```text
    /// ε' = ½ Σ (a_n(q_a) - a_n(q_b))² + Σ A_n (1 - cⁿ),   Σ A_n (1 - xⁿ) = (1 - x) Σ_m x^m Σ_{n>m} A_n
    /// ```
    #[inline(always)]
    fn block(self, a: usize, start: usize, e: &mut [f64; WIDTH]) {
        let (mut x, mut rest) = ([0.0; WIDTH], [0.0; WIDTH]);
        for i in 0..WIDTH {
            let (eps, c) = (e[i], 1.0 - e[i]);
            let squared = self.powers != Powers::All;
            x[i] = if squared { c * c } else { c };
            rest[i] = if squared { eps * (2.0 - eps) } else { eps };
        }
        let (mut suffix, mut sum, mut gaps) = ([0.0; WIDTH], [0.0; WIDTH], [0.0; WIDTH]);
        for row in self.rows.chunks_exact(self.stride).skip(1).rev() {
            let mine = row[a];
            let theirs = &row[start..start + WIDTH];
            for i in 0..WIDTH {
                suffix[i] += mine * theirs[i];
                sum[i] = sum[i] * x[i] + suffix[i];
                let gap = mine - theirs[i];
                gaps[i] += gap * gap;
            }
        }
        let first = &self.rows[..self.stride];
        for i in 0..WIDTH {
            let theirs = first[start + i];
            let gap = first[a] - theirs;
            let bent = rest[i] * sum[i];
            let turned = if self.powers == Powers::Odd {
                e[i] * (suffix[i] + first[a] * theirs) + (1.0 - e[i]) * bent
            } else {
                bent
            };
            e[i] = (0.5 * (gaps[i] + gap * gap) + turned).clamp(0.0, 2.0);
        }
    }
}
