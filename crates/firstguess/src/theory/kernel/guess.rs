//! The first guess of a data set: what the kernel of the logits says of the shares of the classes.

use super::angle::{AngleSeries, angle_of};
use super::points::Points;
use crate::math::quadrature::GaussLegendre;
use crate::math::special::{ln_normal_cdf, normal_density};
use crate::theory::NoTheory;
use crate::theory::prejudice::{ClassGradients, GuessLaw};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::f64::consts::{FRAC_PI_2, PI};

/// The covariances of one logit over the inputs; the logits of different classes are independent.
#[derive(Debug, Clone)]
pub struct LogitKernel {
    points: Points,
    error: f64,
}

/// `K ≈ F Fᵀ + diag(rest)`, by pivoted Cholesky.
///
/// # References
///
/// `harbrecht2012`.
#[derive(Debug, Clone)]
pub struct Factor {
    /// `F`, `[inputs][rank]`.
    values: Vec<f64>,
    rank: usize,
    /// What the diagonal lacks, as standard deviations.
    rest: Vec<f64>,
}

/// Shares of the classes in some draws of the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassShares {
    /// `[draws][classes]`.
    pub shares: Vec<f64>,
    /// Number of classes.
    pub classes: usize,
    /// Squared gradients of the cross-entropy at the logits, for labels that know nothing of the network: means and medians
    /// over draws, inputs and labels, apart for the class that a draw favours.
    pub gradients: Result<ClassGradients, NoTheory>,
}

impl ClassShares {
    /// The shares of each draw.
    pub fn draws(&self) -> impl Iterator<Item = &[f64]> {
        self.shares.chunks_exact(self.classes)
    }

    /// The largest share of each draw.
    pub fn largest(&self) -> Vec<f64> {
        self.draws().map(|draw| draw.iter().copied().fold(0.0, f64::max)).collect()
    }
}

impl LogitKernel {
    pub(super) fn new(points: Points, error: f64) -> Self {
        Self { points, error }
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.points.len()
    }

    /// `K_ab`.
    pub fn covariance(&self, a: usize, b: usize) -> f64 {
        self.points.covariance(a, b)
    }

    /// `1 - c_ab`, with digits where `c_ab` is almost one.
    pub fn complement(&self, a: usize, b: usize) -> f64 {
        self.points.complement(a, b)
    }

    /// Estimated error of a covariance, relative to the variances.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Variance over networks of the share of one of two classes.
    ///
    /// ```text
    /// Var G₀ = (1/2πD²) Σ_ab arcsin c_ab
    /// ```
    ///
    /// Exact at infinite width for any inputs.
    ///
    /// # References
    ///
    /// Derived in docs/theory/mean-field.md.
    pub fn share_variance(&self) -> f64 {
        // asin(1 - ε) = π/2 - 2 asin √(ε/2).
        let mean = self.mean(FRAC_PI_2, |eps| FRAC_PI_2 - 2.0 * (0.5 * eps).sqrt().min(1.0).asin());
        mean / (2.0 * PI)
    }

    /// Probability that two of these inputs, drawn at random with repetition, get the same class: `E Σ_k G_k²`.
    ///
    /// ```text
    /// (1/D²) Σ_ab A_N(c_ab)
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoTheory`] for fewer than two classes or more than the law of the guess fraction takes.
    ///
    /// # Accuracy
    ///
    /// 1e-9.
    ///
    /// # References
    ///
    /// Derived in docs/theory/guess-fraction.md.
    pub fn agreement(&self, classes: usize) -> Result<f64, NoTheory> {
        let table = AgreementTable::new(classes)?;
        Ok(self.mean(1.0, |eps| table.at(eps)))
    }

    /// The correlation at which a homogeneous data set of unlimited size would agree as often as these inputs do.
    ///
    /// The mean largest share of that data set stands in for that of these inputs where no sample is drawn: exact where
    /// all pairs share one correlation, an approximation elsewhere.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] as for [`LogitKernel::agreement`], or where the inputs agree less often than independent ones.
    pub fn matched_correlation(&self, classes: usize) -> Result<f64, NoTheory> {
        let table = AgreementTable::new(classes)?;
        let n = self.inputs() as f64;
        if n < 2.0 {
            return Err(NoTheory::new("one input always agrees with itself"));
        }
        // Pairs of different inputs only: a large data set has no others.
        let target = (self.mean(1.0, |eps| table.at(eps)) * n - 1.0) / (n - 1.0);
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        if target < table.at(1.0) {
            return Err(NoTheory::new("these inputs agree less often than independent ones"));
        }
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if table.at(middle) > target { low = middle } else { high = middle }
        }
        Ok(1.0 - 0.5 * (low + high))
    }

    /// Mean over all pairs of a function of `1 - c_ab`, which is `same` for an input with itself.
    fn mean(&self, same: f64, f: impl Fn(f64) -> f64 + Sync) -> f64 {
        let sums = self.points.rows(|_, row| row.iter().map(|e| f(*e)).sum::<f64>());
        let n = self.inputs() as f64;
        (same * n + 2.0 * sums.iter().sum::<f64>()) / (n * n)
    }

    /// The leading part of the kernel, up to `max_rank` columns or until what is left is below `tolerance` of the trace.
    ///
    /// What is left of the diagonal is kept and drawn independently for each input, so that every variance stays exact.
    pub fn factor(&self, tolerance: f64, max_rank: usize) -> Factor {
        let n = self.inputs();
        let max_rank = max_rank.clamp(1, n.max(1));
        let mut rest = self.points.second.clone();
        let trace: f64 = rest.iter().sum();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        while columns.len() < max_rank.min(n) {
            let left: f64 = rest.iter().sum();
            if left <= tolerance * trace {
                break;
            }
            let pivot = (1..n).fold(0, |best, i| if rest[i] > rest[best] { i } else { best });
            let root = rest[pivot].sqrt();
            if root.is_nan() || root <= 0.0 {
                break;
            }
            let at_pivot: Vec<f64> = columns.iter().map(|column| column[pivot]).collect();
            let mut column: Vec<f64> = (0..n)
                .into_par_iter()
                .map(|i| {
                    let known: f64 = columns.iter().zip(&at_pivot).map(|(c, p)| c[i] * p).sum();
                    (self.covariance(i, pivot) - known) / root
                })
                .collect();
            column[pivot] = root;
            for (left, x) in rest.iter_mut().zip(&column) {
                *left = (*left - x * x).max(0.0);
            }
            rest[pivot] = 0.0;
            columns.push(column);
        }
        let rank = columns.len();
        let mut values = vec![0.0; n * rank];
        for (j, column) in columns.iter().enumerate() {
            for (i, x) in column.iter().enumerate() {
                values[i * rank + j] = *x;
            }
        }
        Factor { values, rank, rest: rest.into_iter().map(f64::sqrt).collect() }
    }
}

impl Factor {
    /// Number of columns.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.rest.len()
    }

    /// Part of the summed variances that no column explains.
    pub fn unexplained(&self) -> f64 {
        let rest: f64 = self.rest.iter().map(|r| r * r).sum();
        let explained: f64 = self.values.iter().map(|x| x * x).sum();
        if rest == 0.0 { 0.0 } else { rest / (rest + explained) }
    }

    /// Standard normals that one draw of the logits takes.
    pub fn normals_per_draw(&self, classes: usize) -> usize {
        (self.rank + self.inputs()).saturating_mul(classes)
    }

    /// Draws the logits of every input, `classes` independent Gaussian vectors of covariance `K`, and counts who wins.
    ///
    /// `normals` holds [`Factor::normals_per_draw`] standard normals per draw: theory draws none itself. Ties go to the
    /// first class.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] if `classes` is zero or `normals` is not a whole number of draws.
    pub fn class_shares(&self, normals: &[f64], classes: usize) -> Result<ClassShares, NoTheory> {
        let per_draw = self.normals_per_draw(classes);
        if per_draw == 0 || !normals.len().is_multiple_of(per_draw) {
            return Err(NoTheory::new(format!(
                "{} normals are not a whole number of draws of {per_draw}",
                normals.len()
            )));
        }
        let n = self.inputs();
        let draws: Vec<(Vec<f64>, Pull)> = normals
            .par_chunks_exact(per_draw)
            .map(|normals| {
                let (common, own) = normals.split_at(self.rank * classes);
                let mut logits = vec![0.0; n * classes];
                for ((line, noise), rest) in
                    logits.chunks_exact_mut(classes).zip(own.chunks_exact(classes)).zip(&self.rest)
                {
                    line.iter_mut().zip(noise).for_each(|(x, z)| *x = rest * z);
                }
                if self.rank > 0 {
                    matmul(
                        MatMut::from_row_major_slice_mut(&mut logits, n, classes),
                        Accum::Add,
                        MatRef::from_row_major_slice(&self.values, n, self.rank),
                        MatRef::from_row_major_slice(common, self.rank, classes),
                        1.0,
                        Par::Seq,
                    );
                }
                let mut counts = vec![0.0; classes];
                for line in logits.chunks_exact(classes) {
                    let best = (1..classes).fold(0, |b, k| if line[k] > line[b] { k } else { b });
                    counts[best] += 1.0;
                }
                let pull = Pull::of(&logits, &counts);
                (counts.into_iter().map(|count| count / n as f64).collect(), pull)
            })
            .collect();
        let gradients = Pull::gather(&draws, classes);
        let shares = draws.into_iter().flat_map(|(shares, _)| shares).collect();
        Ok(ClassShares { shares, classes, gradients })
    }
}

/// `|p - e_y|²` of every input of one draw: for the favoured class, and for one of the others in turn.
struct Pull {
    favoured: Vec<f64>,
    other: Vec<f64>,
    /// Mean over all other classes.
    other_mean: f64,
}

impl Pull {
    fn of(logits: &[f64], counts: &[f64]) -> Self {
        let classes = counts.len();
        let best = (1..classes).fold(0, |b, k| if counts[k] > counts[b] { k } else { b });
        let inputs = logits.len() / classes;
        let mut pull = Self {
            favoured: Vec::with_capacity(inputs),
            other: Vec::with_capacity(inputs),
            other_mean: 0.0,
        };
        if classes < 2 {
            return pull;
        }
        let rest = (classes - 1) as f64;
        for (input, line) in logits.chunks_exact(classes).enumerate() {
            let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = line.iter().map(|x| (x - largest).exp()).sum();
            let p = |k: usize| (line[k] - largest).exp() / total;
            // Σ_j p_j² over all but one, and the complement of that one, each without cancelling.
            let squares: f64 = (0..classes).map(|k| p(k) * p(k)).sum();
            let of = |y: usize| {
                let missing: f64 = (0..classes).filter(|k| *k != y).map(p).sum();
                missing * missing + (squares - p(y) * p(y)).max(0.0)
            };
            pull.favoured.push(of(best));
            // Σ_{y≠best} (Σp² - 2 p_y + 1).
            pull.other_mean += squares + 1.0 - 2.0 * (1.0 - p(best)) / rest;
            let turn = input % (classes - 1);
            pull.other.push(of(if turn < best { turn } else { turn + 1 }));
        }
        pull.other_mean /= inputs.max(1) as f64;
        pull
    }

    fn gather(draws: &[(Vec<f64>, Self)], classes: usize) -> Result<ClassGradients, NoTheory> {
        if classes < 2 || draws.is_empty() {
            return Err(NoTheory::new("gradients by class need two classes and a draw"));
        }
        let median = |of: fn(&Self) -> &[f64]| {
            let mut values: Vec<f64> =
                draws.iter().flat_map(|(_, pull)| of(pull).iter().copied()).collect();
            let middle = values.len() / 2;
            let (_, found, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
            *found
        };
        let mean = |of: fn(&Self) -> f64| {
            draws.iter().map(|(_, pull)| of(pull)).sum::<f64>() / draws.len() as f64
        };
        Ok(ClassGradients {
            favoured_mean: mean(|pull| {
                pull.favoured.iter().sum::<f64>() / pull.favoured.len() as f64
            }),
            unfavoured_mean: mean(|pull| pull.other_mean),
            favoured_median: median(|pull| &pull.favoured),
            unfavoured_median: median(|pull| &pull.other),
        })
    }
}

/// Error of the series for the agreement.
const TOLERANCE: f64 = 1e-10;

/// `A_N` as a function of the angle, negative correlations included.
enum AgreementTable {
    Two,
    More(AngleSeries),
}

impl AgreementTable {
    fn new(classes: usize) -> Result<Self, NoTheory> {
        match classes {
            0 | 1 => Err(NoTheory::new("agreement needs two classes")),
            2 => Ok(Self::Two),
            _ => AngleSeries::new(TOLERANCE, |angle| agreement(classes, angle)).map(Self::More),
        }
    }

    /// `A_N` at `c = 1 - complement`.
    fn at(&self, complement: f64) -> f64 {
        let angle = angle_of(complement);
        match self {
            Self::Two => 1.0 - angle / PI,
            Self::More(series) => series.at(angle),
        }
    }
}

/// `A_N(cos θ)`; the law of the guess fraction has it for `c ≥ 0`.
fn agreement(classes: usize, angle: f64) -> Result<f64, NoTheory> {
    if angle <= FRAC_PI_2 {
        // γ = c/(1 - c) with 1 - c = 2 sin²(θ/2).
        let gamma = angle.cos().max(0.0) / (2.0 * (0.5 * angle).sin().powi(2));
        let law = GuessLaw::new(classes, gamma).map_err(|e| NoTheory::new(e.to_string()))?;
        return Ok(law.agreement().value);
    }
    Ok(negative_agreement(classes, angle))
}

/// `A_N(c)` for `c < 0`, where two inputs agree less often than by chance.
///
/// ```text
/// A_N = N ∬ φ₂(x, y; c) Φ₂(x, y; c)^(N-1) dx dy
/// x = ρ R + α S,  y = ρ R - α S  with narrow R,   Φ₂ = Φ(x)Φ(y) - (1/2π) ∫_{π/2}^{θ} exp(-½[m²/cos²(τ/2) + d²/sin²(τ/2)]) dτ
/// ```
fn negative_agreement(classes: usize, angle: f64) -> f64 {
    let n = classes as f64;
    let (alpha, rho) = ((0.5 * angle).sin(), (0.5 * angle).cos());
    // Both have to win: x + y lies in the upper tail of its narrow law.
    let index = (2.0 * n.ln()).sqrt().max(1.0);
    let rule = GaussLegendre::cached(12);
    let panels = |low: f64, high: f64, width: f64| {
        let count = ((high - low) / width).ceil().max(1.0);
        let step = (high - low) / count;
        let mut nodes = Vec::new();
        let mut start = low;
        while start < high - 0.5 * step {
            for (x, w) in rule.nodes.iter().zip(&rule.weights) {
                nodes.push((start + 0.5 * step * (x + 1.0), 0.5 * step * w));
            }
            start += step;
        }
        nodes
    };
    let offsets = panels(0.0, 9.0, 1.5 / index);
    let centres = panels(-9.0, 9.0, 1.5 / index);
    let mut sum = 0.0;
    for &(s, ws) in &offsets {
        for &(r, wr) in &centres {
            let (m, d) = (rho * r, alpha * s);
            let ln_below = ln_bivariate_cdf(m, d, angle);
            // Twice: s < 0 exchanges x and y.
            let weight = 2.0 * ws * wr * normal_density(s) * normal_density(r);
            sum += weight * ((n - 1.0) * ln_below).exp();
        }
    }
    n * sum
}

/// `ln Φ₂(m + d, m - d; cos θ)` for `θ > π/2`.
fn ln_bivariate_cdf(m: f64, d: f64, angle: f64) -> f64 {
    let cdf = crate::math::bivariate_normal::bivariate_normal_cdf(m + d, m - d, angle.cos());
    if cdf > 0.0 {
        cdf.ln()
    } else {
        // Beneath the smallest number either factor is.
        ln_normal_cdf(m + d) + ln_normal_cdf(m - d)
    }
}
