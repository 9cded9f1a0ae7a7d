//! The law of the largest share with three or more classes.
//!
//! The mean is an integral, the law is not: it is sampled by a Korobov lattice (no random number), folded by the
//! tent map, top-down through the order statistics of the centres, so that the first coordinates carry the most.
//! Given all other centres the share grows with the largest one, which is stratified in closed form:
//!
//! ```text
//! G_(1) = P(s m_(1) + z > L),   L = max over the others of s m_j + x_j,   sf(m_(1)) uniform below sf(m_(2))
//! ```
//!
//! Only the top [`EXPLICIT`] centres are placed one by one. The bulk below enters through its mean log-factor and one normal
//! coordinate for the fluctuation of its mean.

use super::agreement::panels;
use super::binary::ln_normal_density;
use super::{Approximation, GuessFraction, PrejudiceError, checked_probability};
use crate::math::roots::brent;
use crate::math::special::{
    ln_normal_cdf, normal_density, normal_quantile, normal_survival, normal_upper_quantile,
};
use rayon::prelude::*;

/// Centres placed one by one, the largest included.
const EXPLICIT: usize = 64;
/// Residues of the index: each is a shifted lattice of its own, and their spread gives the error.
const BLOCKS: usize = 8;
/// Placements of all centres but the largest, per block.
const PLACEMENTS: usize = 512;
/// Points of the lattice.
const POINTS: usize = BLOCKS * PLACEMENTS;
/// Generator: coordinate `d` of point `i` is `i 1939^d / 4096`. Of all odd numbers below 4096 it has the least worst-case
/// error over periodic functions with square-integrable mixed derivatives, coordinate `d` weighted by `1/(d + 1)²`.
const GENERATOR: usize = 1939;
/// Strata of the largest centre per placement.
const STRATA: usize = 8;
/// Grid step of the best rival logit; its law has width `1/√(2 ln N)` at least.
const STEP: f64 = 0.125;
/// Beyond this many standard deviations a factor `Φ` is 1.
const NEGLIGIBLE: f64 = 8.5;

/// Law of the share of the favoured class, `max_k G_k`.
///
/// Made by [`GuessLaw::largest_share`](super::GuessLaw::largest_share): closed form for two classes and in the limits
/// `γ = 0`, `γ = ∞`; else a deterministic sample of 32 768 shares.
#[derive(Debug, Clone)]
pub struct LargestShare(Law);

#[derive(Debug, Clone)]
enum Law {
    Atom(f64),
    TwoClasses(GuessFraction),
    Sampled(Sample),
}

#[derive(Debug, Clone)]
struct Sample {
    /// Complements `1 - G_(1)`, ascending; then the same block by block.
    pooled: Vec<f64>,
    blocks: Vec<Vec<f64>>,
    /// Relative error charged for what the rule leaves out: the tables, and above [`EXPLICIT`] classes the bulk.
    simplification: f64,
}

impl Sample {
    /// A statistic of the whole sample; two standard errors from its spread over the blocks.
    fn estimate(&self, statistic: impl Fn(&[f64]) -> f64) -> Approximation {
        let value = statistic(&self.pooled);
        let count = self.blocks.len() as f64;
        let squares: f64 = self.blocks.iter().map(|block| (statistic(block) - value).powi(2)).sum();
        let spread = 2.0 * (squares / (count * (count - 1.0))).sqrt();
        Approximation { value, error: spread + self.simplification * value.abs() }
    }
}

impl LargestShare {
    pub(super) fn new(classes: usize, law: GuessFraction) -> Self {
        let gamma = law.gamma();
        if gamma == 0.0 {
            return Self(Law::Atom(1.0 / classes as f64));
        }
        if gamma == f64::INFINITY {
            return Self(Law::Atom(1.0));
        }
        if classes == 2 {
            return Self(Law::TwoClasses(law));
        }
        let sampler = Sampler::new(classes, gamma.sqrt());
        let blocks: Vec<Vec<f64>> = (0..BLOCKS)
            .into_par_iter()
            .map(|block| {
                let mut shares: Vec<f64> = (0..PLACEMENTS)
                    .flat_map(|row| sampler.complements(BLOCKS * row + block))
                    .collect();
                shares.sort_by(f64::total_cmp);
                shares
            })
            .collect();
        let mut pooled = blocks.concat();
        pooled.sort_by(f64::total_cmp);
        let simplification = if classes > EXPLICIT { 3e-5 } else { 1e-8 };
        Self(Law::Sampled(Sample { pooled, blocks, simplification }))
    }

    /// The `m` with `P(max_k G_k ≤ m) = probability`. Probabilities within 1e-4 of 0 or 1 give the extremes of the sample.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `probability` is NaN or outside [0, 1].
    pub fn quantile(&self, probability: f64) -> Result<Approximation, PrejudiceError> {
        let p = checked_probability(probability)?;
        Ok(match &self.0 {
            Law::Atom(share) => Approximation::exact(*share),
            Law::TwoClasses(law) => Approximation::exact(law.max_quantile(p)?),
            Law::Sampled(sample) => sample.estimate(|rest| 1.0 - sorted_quantile(rest, 1.0 - p)),
        })
    }

    /// `P(max_k G_k > share)`; NaN for NaN.
    pub fn survival(&self, share: f64) -> Approximation {
        match &self.0 {
            _ if share.is_nan() => Approximation { value: f64::NAN, error: f64::NAN },
            Law::Atom(atom) => Approximation::exact(if share < *atom { 1.0 } else { 0.0 }),
            Law::TwoClasses(law) => Approximation::exact(law.max_survival(share)),
            Law::Sampled(sample) => sample.estimate(|rests| {
                let above = rests.partition_point(|rest| *rest < 1.0 - share);
                above as f64 / rests.len() as f64
            }),
        }
    }

    /// Mean and mean square of the share, by the same rule: `E max_k G_k`, `E (max_k G_k)²`.
    ///
    /// [`GuessLaw::mean_max`](super::GuessLaw::mean_max) is the accurate mean; this one tells how good the sample is.
    pub fn sampled_moments(&self) -> [Approximation; 2] {
        match &self.0 {
            Law::Atom(share) => [*share, share * share].map(Approximation::exact),
            Law::TwoClasses(law) => {
                [law.mean_max(), law.expect(|g| g.max(1.0 - g).powi(2))].map(Approximation::exact)
            }
            Law::Sampled(sample) => [1, 2].map(|power| {
                let mean = |rests: &[f64]| {
                    let sum: f64 = rests.iter().map(|rest| (1.0 - rest).powi(power)).sum();
                    sum / rests.len() as f64
                };
                sample.estimate(mean)
            }),
        }
    }
}

/// Quantile of an ascending sample, midpoints joined by straight lines.
fn sorted_quantile(sample: &[f64], p: f64) -> f64 {
    let last = sample.len() - 1;
    let position = (p * sample.len() as f64 - 0.5).clamp(0.0, last as f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to an index of the sample"
    )]
    let index = position as usize;
    let next = (index + 1).min(last);
    sample[index] + (position - index as f64) * (sample[next] - sample[index])
}

/// Places centres and turns them into shares.
struct Sampler {
    classes: usize,
    slope: f64,
    /// Generating vector of the lattice, one entry per coordinate.
    generators: Vec<usize>,
    ln_cdf: Table,
    inverse_mills: Table,
}

impl Sampler {
    fn new(classes: usize, slope: f64) -> Self {
        let explicit = classes.min(EXPLICIT);
        let generators =
            std::iter::successors(Some(1), |z| Some(z * GENERATOR % POINTS)).take(explicit + 1);
        let generators = generators.collect();
        let mills = |x: f64| (ln_normal_density(x) - ln_normal_cdf(x)).exp();
        Self {
            classes,
            slope,
            generators,
            ln_cdf: Table::new(|x| (ln_normal_cdf(x), mills(x))),
            inverse_mills: Table::new(|x| (mills(x), -mills(x) * (x + mills(x)))),
        }
    }

    /// `1 - G_(1)` for one placement of the other centres and [`STRATA`] values of the largest.
    fn complements(&self, index: usize) -> Vec<f64> {
        let coordinate = |d: usize| {
            let u = ((index * self.generators[d]) % POINTS) as f64 + 0.5;
            let folded = 1.0 - (2.0 * u / POINTS as f64 - 1.0).abs();
            folded.clamp(0.25 / POINTS as f64, 1.0 - 0.25 / POINTS as f64)
        };
        let n = self.classes as f64;
        let explicit = self.classes.min(EXPLICIT);
        // Upper tail probabilities: ln(1 - p_(2)) solves its own law, then each next one divides what is left.
        let mut ln_rest = -second_spacing(n, coordinate(0));
        let second_tail = -ln_rest.exp_m1();
        let mut centres = vec![normal_upper_quantile(second_tail)];
        for j in 2..explicit {
            ln_rest += coordinate(j).ln() / (n - j as f64);
            centres.push(if ln_rest > -0.5 {
                normal_upper_quantile(-ln_rest.exp_m1())
            } else {
                normal_quantile(ln_rest.exp())
            });
        }
        let bulk = if self.classes > explicit {
            let lowest = centres[centres.len() - 1];
            self.bulk(lowest, n - explicit as f64, coordinate(explicit))
        } else {
            Vec::new()
        };
        let rival = self.best_rival(&centres, &bulk);
        let mass: f64 = rival.iter().map(|(_, w)| w).sum();
        (0..STRATA)
            .map(|stratum| {
                let v = (stratum as f64 + coordinate(1)) / STRATA as f64;
                let lead = normal_upper_quantile(second_tail * v) - centres[0];
                let logit = self.slope * lead;
                let behind: f64 = rival.iter().map(|(t, w)| w * normal_survival(logit - t)).sum();
                behind / mass
            })
            .collect()
    }

    /// The unplaced centres, all below `top`: nodes descending, weights summing to their `count`.
    fn bulk(&self, top: f64, count: f64, uniform: f64) -> Vec<(f64, f64)> {
        let mills = self.inverse_mills.at(top.max(-8.9));
        let variance = (1.0 - mills * (top + mills)).max(0.0);
        // The mean moves by stretching the distances to `top`, by a log-normal factor of mean 1: a plain shift would lift
        // the bulk above the placed centres.
        let spread = (variance / count).sqrt() / (top + mills);
        let stretch = (spread * (normal_quantile(uniform) - 0.5 * spread)).exp();
        let near = top - 1.5;
        let mut nodes = panels(near, top, 1.5, 12);
        nodes.extend(panels((near - 7.0).min(-7.0), near, 16.0, 20));
        nodes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mass: f64 = nodes.iter().map(|(m, w)| w * normal_density(*m)).sum();
        for (m, w) in &mut nodes {
            *w *= count * normal_density(*m) / mass;
            *m = top - (top - *m) * stretch;
        }
        nodes
    }

    /// Density of the largest logit among the other classes, on a grid: `P' = P Σ φ/Φ`.
    fn best_rival(&self, centres: &[f64], bulk: &[(f64, f64)]) -> Vec<(f64, f64)> {
        // Logits are counted from s m_(2): absolute ones would lose the noise beside a huge slope.
        let mut density = Vec::with_capacity(128);
        for step in 0..=137 {
            let t = NEGLIGIBLE - STEP * f64::from(step);
            let (mut ln_p, mut rate) = (0.0, 0.0);
            let single = centres.iter().map(|m| (*m, 1.0));
            for (m, weight) in single.chain(bulk.iter().copied()) {
                let x = t + self.slope * (centres[0] - m);
                // Descending centres: all that follow are further behind.
                if x > NEGLIGIBLE + 0.5 {
                    break;
                }
                ln_p += weight * self.ln_cdf.at(x);
                rate += weight * self.inverse_mills.at(x);
                if ln_p < -60.0 {
                    break;
                }
            }
            if ln_p < -60.0 {
                break; // P only falls from here
            }
            density.push((t, ln_p.exp() * rate));
        }
        density
    }
}

/// `-ln(1 - p)` of the second smallest of `n` uniform numbers at its quantile `u`.
fn second_spacing(n: f64, u: f64) -> f64 {
    // P(p_(2) > p) = (1 - p)^(n-1) (1 + (n-1) p), with p = 1 - exp(-x/(n-1)).
    let rest = n - 1.0;
    let excess = |x: f64| (-x).exp() * (1.0 - rest * (-x / rest).exp_m1()) - (1.0 - u);
    brent(excess, 0.0, 80.0, 1e-14).unwrap_or(0.0) / rest
}

/// A smooth function on [-9.5, 9.5] from values and slopes on a grid: cubic Hermite, error below 1e-9.
struct Table(Vec<(f64, f64)>);

impl Table {
    const END: f64 = 9.5;
    const PER_UNIT: f64 = 64.0;

    fn new(f: impl Fn(f64) -> (f64, f64)) -> Self {
        let node = |i: i32| {
            let (value, slope) = f(f64::from(i) / Self::PER_UNIT);
            (value, slope / Self::PER_UNIT)
        };
        Self((-608..=609).map(node).collect())
    }

    fn at(&self, x: f64) -> f64 {
        let position = (x.clamp(-Self::END, Self::END) + Self::END) * Self::PER_UNIT;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the table"
        )]
        let index = position as usize;
        let t = position - index as f64;
        let ((v0, s0), (v1, s1)) = (self.0[index], self.0[index + 1]);
        let rise = v1 - v0;
        v0 + t * (s0 + t * (3.0 * rise - 2.0 * s0 - s1 + t * (s0 + s1 - 2.0 * rise)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::special::normal_cdf;

    #[test]
    fn the_tables_follow_their_functions() {
        let sampler = Sampler::new(3, 1.0);
        for i in -900..=900 {
            let x = f64::from(i) / 100.0 + 0.0037;
            let ln_cdf = ln_normal_cdf(x);
            assert!((sampler.ln_cdf.at(x) - ln_cdf).abs() < 1e-9, "{x}");
            let mills = normal_density(x) / normal_cdf(x);
            assert!((sampler.inverse_mills.at(x) - mills).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn the_second_spacing_inverts_its_law() {
        for n in [3.0_f64, 10.0, 50_000.0] {
            for u in [1e-6, 0.3, 0.999] {
                let p = -(-second_spacing(n, u)).exp_m1();
                let cdf = 1.0 - (1.0 - p).powf(n - 1.0) * (1.0 + (n - 1.0) * p);
                assert!((cdf - u).abs() < 1e-11, "{n} {u} {cdf}");
            }
        }
    }

    #[test]
    fn quantiles_of_a_plain_sample() {
        let sample: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
        for p in [0.01, 0.5, 0.777] {
            assert!((sorted_quantile(&sample, p) - p).abs() < 1e-15);
        }
        assert_eq!(sorted_quantile(&sample, 0.0), 0.005);
        assert_eq!(sorted_quantile(&sample, 1.0), 0.995);
    }
}
