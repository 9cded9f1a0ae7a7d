//! Square roots of Gram matrices: `F Fᵀ = A Aᵀ`, `F` lower triangular.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

/// Smallest pivot, as a share of the squared length of its row, that a Gram matrix of f32 products may give.
///
/// Products are summed in f32 over a panel, panels in f64: a pivot is off by some 3e-7 of its row, 0.3 % of this one.
const SINGLE_PIVOT: f64 = 1e-4;

/// The same for products in f64, of values that are themselves good to 6e-8: their squared noise is 4e-15.
const DOUBLE_PIVOT: f64 = 1e-11;

/// Columns whose products are added up in one go.
const PANEL: usize = 512;

/// How the products of a layer were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// From the Cholesky factor of a Gram matrix of f32 products.
    Single,
    /// From one of f64 products: some rows nearly depend on the others.
    Double,
    /// From a QR factorization, which never squares the rows: exact at any rank.
    Orthogonal,
    /// From the weights: rows outnumber the live columns, or it is cheaper.
    Direct,
}

/// A lower triangular `F` with `F Fᵀ = A Aᵀ`.
#[derive(Debug)]
pub(super) struct Factor {
    pub(super) path: Path,
    lower: Mat<f64>,
}

impl Factor {
    /// The factor of `rows` rows of `columns` values; `None` where the rows outnumber the columns that are not all zero.
    pub(super) fn of(values: &[f32], rows: usize, columns: usize) -> Option<Self> {
        if rows > columns {
            return None;
        }
        if let Some(lower) = cholesky(&gram_single(values, rows, columns), SINGLE_PIVOT) {
            return Some(Self { path: Path::Single, lower });
        }
        if live_columns(values, columns).len() <= rows {
            return None;
        }
        let wide = Mat::from_fn(rows, columns, |i, j| f64::from(values[i * columns + j]));
        let mut gram = Mat::zeros(rows, rows);
        lower_product(gram.as_mut(), wide.as_ref());
        if let Some(lower) = cholesky(&gram, DOUBLE_PIVOT) {
            return Some(Self { path: Path::Double, lower });
        }
        let lower = wide.transpose().qr().thin_R().transpose().to_owned();
        Some(Self { path: Path::Orthogonal, lower })
    }

    pub(super) fn rows(&self) -> usize {
        self.lower.nrows()
    }

    /// `scale · F` in f32, row by row.
    #[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
    pub(super) fn single(&self, scale: f64, out: &mut Vec<f32>) {
        let n = self.rows();
        out.clear();
        out.resize(n * n, 0.0);
        for (i, row) in out.chunks_exact_mut(n.max(1)).enumerate() {
            for (j, f) in row.iter_mut().enumerate().take(i + 1) {
                *f = (scale * self.lower[(i, j)]) as f32;
            }
        }
    }

    /// `(C - T F⁻ᵀ) F⁻¹`, for `[gradients, rows]` matrices `C` and `T`.
    pub(super) fn condition(&self, products: &Mat<f64>, overlaps: &Mat<f64>) -> Mat<f64> {
        let mut known = overlaps.transpose().to_owned();
        self.lower.as_ref().solve_lower_triangular_in_place(known.as_mut());
        let mut coefficients = products.transpose() - &known;
        let upper = self.lower.as_ref().transpose();
        upper.solve_upper_triangular_in_place(coefficients.as_mut());
        coefficients.transpose().to_owned()
    }
}

/// Rows `Qᵀ` of the QR factorization whose `Rᵀ` is the factor, in f32, `[rows, columns]`.
#[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
pub(super) fn orthonormal_rows(values: &[f32], rows: usize, columns: usize, out: &mut Vec<f32>) {
    let tall = Mat::from_fn(columns, rows, |j, i| f64::from(values[i * columns + j]));
    let q = tall.qr().compute_thin_Q();
    out.clear();
    out.extend((0..rows * columns).map(|at| q[(at % columns, at / columns)] as f32));
}

/// The columns that are not zero in every row.
pub(super) fn live_columns(values: &[f32], columns: usize) -> Vec<usize> {
    let mut live = vec![false; columns];
    for row in values.chunks_exact(columns.max(1)) {
        for (live, x) in live.iter_mut().zip(row) {
            *live |= *x != 0.0;
        }
    }
    (0..columns).filter(|j| live[*j]).collect()
}

/// The lower half of `A Aᵀ`: products in f32 by panels of columns, sums over panels in f64.
fn gram_single(values: &[f32], rows: usize, columns: usize) -> Mat<f64> {
    let mut total = Mat::zeros(rows, rows);
    let mut part = Mat::<f32>::zeros(rows, rows);
    for start in (0..columns).step_by(PANEL) {
        let width = PANEL.min(columns - start);
        let panel =
            MatRef::from_row_major_slice_with_stride(&values[start..], rows, width, columns);
        lower_product(part.as_mut(), panel);
        for j in 0..rows {
            let (sums, terms) = (total.col_as_slice_mut(j), part.col_as_slice(j));
            for (sum, term) in sums[j..].iter_mut().zip(&terms[j..]) {
                *sum += f64::from(*term);
            }
        }
    }
    total
}

/// The lower half of `A Aᵀ`.
fn lower_product<T: faer::traits::ComplexField + faer::traits::Conjugate<Canonical = T>>(
    out: MatMut<'_, T>,
    a: MatRef<'_, T>,
) {
    // Below some hundred rows the recursion over triangles costs more than the upper half that it saves.
    if a.nrows() <= 96 {
        matmul(out, Accum::Replace, a, a.transpose(), T::one_impl(), Par::Seq);
        return;
    }
    triangular::matmul(
        out,
        BlockStructure::TriangularLower,
        Accum::Replace,
        a,
        BlockStructure::Rectangular,
        a.transpose(),
        BlockStructure::Rectangular,
        T::one_impl(),
        Par::Seq,
    );
}

/// The Cholesky factor, unless a pivot is below this share of its diagonal entry.
fn cholesky(gram: &Mat<f64>, smallest: f64) -> Option<Mat<f64>> {
    let factor = gram.llt(Side::Lower).ok()?;
    let lower = factor.L();
    // NaN passes no comparison.
    let sound = (0..gram.nrows()).all(|j| lower[(j, j)] * lower[(j, j)] >= smallest * gram[(j, j)]);
    (sound && (0..gram.nrows()).all(|j| gram[(j, j)] > 0.0)).then(|| lower.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};

    /// Rows `√c z₀ + √(1-c) z_i`.
    #[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
    fn correlated(rows: usize, columns: usize, apart: f64) -> Vec<f32> {
        let mut z = vec![0.0_f64; (rows + 1) * columns];
        Stream::new(Seed(5), 0, 0, Purpose::Test).fill_normal_f64(0, &mut z);
        let (common, own) = z.split_at(columns);
        let mix = |k: usize| (1.0 - apart).sqrt() * common[k % columns] + apart.sqrt() * own[k];
        (0..rows * columns).map(|k| mix(k) as f32).collect()
    }

    fn largest_error(factor: &Factor, values: &[f32], columns: usize) -> f64 {
        let n = factor.rows();
        let row = |i: usize| values[i * columns..(i + 1) * columns].iter().map(|x| f64::from(*x));
        let mut worst = 0.0_f64;
        for i in 0..n {
            for j in 0..n {
                let exact: f64 = row(i).zip(row(j)).map(|(a, b)| a * b).sum();
                let found: f64 =
                    (0..=i.min(j)).map(|k| factor.lower[(i, k)] * factor.lower[(j, k)]).sum();
                worst = worst.max((found - exact).abs() / columns as f64);
            }
        }
        worst
    }

    /// The further the rows are from independent, the more careful the path; every path reproduces the Gram matrix.
    #[test]
    fn factors_reproduce_the_gram_matrix_on_every_path() {
        for (apart, path, error) in [
            (1.0, Path::Single, 1e-6),
            (1e-2, Path::Single, 1e-6),
            (1e-6, Path::Double, 1e-12),
            (1e-13, Path::Orthogonal, 1e-12),
        ] {
            for (rows, columns) in [(1, 1), (3, 7), (40, 700), (120, 130)] {
                if rows == 1 && path != Path::Single {
                    continue;
                }
                let values = correlated(rows, columns, apart);
                let factor = Factor::of(&values, rows, columns).unwrap();
                assert_eq!(factor.path, path, "{apart} {rows} {columns}");
                let found = largest_error(&factor, &values, columns);
                assert!(found < error * 10.0, "{apart} {rows} {columns}: {found}");
            }
        }
    }

    #[test]
    fn rank_deficient_rows_are_recognised() {
        // Five rows on four live columns of nine.
        let mut values = correlated(5, 9, 1.0);
        for row in values.chunks_exact_mut(9) {
            row[4..].fill(0.0);
        }
        assert!(Factor::of(&values, 5, 9).is_none());
        assert_eq!(live_columns(&values, 9), [0, 1, 2, 3]);
        assert!(Factor::of(&values, 9, 5).is_none());
        // Two equal rows and one of zeros: QR takes them as they are.
        let mut values = correlated(4, 30, 1.0);
        values.copy_within(0..30, 30);
        values[60..90].fill(0.0);
        let factor = Factor::of(&values, 4, 30).unwrap();
        assert_eq!(factor.path, Path::Orthogonal);
        assert!(largest_error(&factor, &values, 30) < 1e-12);
        let mut rows = Vec::new();
        orthonormal_rows(&values, 4, 30, &mut rows);
        for (i, j) in (0..16).map(|pair| (pair / 4, pair % 4)) {
            let product: f32 = (0..30).map(|k| rows[i * 30 + k] * rows[j * 30 + k]).sum();
            assert!((product - f32::from(u8::from(i == j))).abs() < 1e-6);
        }
    }
}
