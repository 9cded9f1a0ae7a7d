//! Runs side by side: bands over seeds and paired tests.

use crate::math::incomplete::incomplete_beta;
use crate::math::roots::brent;
use crate::measure::Estimate;
use serde::Serialize;

/// Mean over seeds with its 95 % confidence interval.
///
/// The interval is that of Student's t. Where the quantity is a share ([`share_band`]) it is cut at 0 and 1, outside of which no
/// share lies; it is then no longer symmetric about the mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// The mean.
    pub mean: f64,
    /// Lower end; absent with one seed.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Seeds.
    pub n: usize,
}

/// Difference of two arms over the seeds they share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    /// Mean of second minus first, with its 95 % confidence interval.
    pub difference: Band,
    /// Two-sided p of the paired t test; absent where the differences have no spread.
    pub p_value: Option<f64>,
    /// The same after Holm's correction for the comparisons made together.
    pub p_holm: Option<f64>,
}

/// Mean and `t`-interval of one value per seed; `None` without values.
pub fn band(values: &[f64]) -> Option<Band> {
    if values.is_empty() {
        return None;
    }
    let estimate = Estimate::mean(values.iter().copied());
    let half = estimate.std_error.map(|error| error * student_quantile(values.len() - 1, 0.975));
    Some(Band {
        mean: estimate.value,
        low: half.map(|half| estimate.value - half),
        high: half.map(|half| estimate.value + half),
        n: values.len(),
    })
}

/// [`band`] of shares, from 0 to 1: an end of the interval beyond them is put there.
pub fn share_band(values: &[f64]) -> Option<Band> {
    let cut = |end: Option<f64>| end.map(|end| end.clamp(0.0, 1.0));
    band(values).map(|band| Band { low: cut(band.low), high: cut(band.high), ..band })
}

/// The paired t test of `second - first`, values in the same order of seeds; pairs with a missing side are left out.
pub fn paired(first: &[Option<f64>], second: &[Option<f64>]) -> Option<Paired> {
    let differences: Vec<f64> =
        first.iter().zip(second).filter_map(|(a, b)| Some((*b)? - (*a)?)).collect();
    let estimate = Estimate::mean(differences.iter().copied());
    let t = estimate.std_error.filter(|error| *error > 0.0).map(|error| estimate.value / error);
    let p_value = t.map(|t| two_sided(t, differences.len() - 1));
    Some(Paired { difference: band(&differences)?, p_value, p_holm: None })
}

/// Holm's step-down correction, in place of `p_holm`.
pub fn correct(tests: &mut [&mut Paired]) {
    let mut order: Vec<usize> = (0..tests.len()).filter(|i| tests[*i].p_value.is_some()).collect();
    order.sort_by(|a, b| {
        let p = |i: &usize| tests[*i].p_value.unwrap_or(1.0);
        p(a).total_cmp(&p(b))
    });
    let (count, mut largest) = (order.len(), 0.0_f64);
    for (rank, i) in order.into_iter().enumerate() {
        let p = tests[i].p_value.unwrap_or(1.0);
        largest = largest.max((p * (count - rank) as f64).min(1.0));
        tests[i].p_holm = Some(largest);
    }
}

/// `P(|T| > |t|)` for Student's t with `freedom` degrees of freedom.
///
/// ```text
/// I_x(ν/2, 1/2),   x = ν/(ν + t²)
/// ```
pub fn two_sided(t: f64, freedom: usize) -> f64 {
    let nu = freedom as f64;
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    incomplete_beta(0.5 * nu, 0.5, nu / (nu + square), square / (nu + square))
}

/// The `p` quantile of Student's t, `p` in (1/2, 1).
pub fn student_quantile(freedom: usize, p: f64) -> f64 {
    let tail = 2.0 * (1.0 - p);
    // In the logarithm: with one degree of freedom quantiles reach far.
    brent(|ln_t| two_sided(ln_t.exp(), freedom) - tail, -20.0, 40.0, 1e-13)
        .map_or(f64::INFINITY, f64::exp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, StudentsT};

    #[test]
    fn quantiles_and_probabilities_are_those_of_statrs() {
        for freedom in [1, 2, 3, 7, 30, 400] {
            let law = StudentsT::new(0.0, 1.0, freedom as f64).unwrap();
            for p in [0.6, 0.9, 0.975, 0.999] {
                let found = student_quantile(freedom, p);
                assert!((found / law.inverse_cdf(p) - 1.0).abs() < 1e-7, "{freedom} {p}: {found}");
                assert!((two_sided(found, freedom) - 2.0 * (1.0 - p)).abs() < 1e-10);
            }
        }
        assert_eq!(two_sided(0.0, 5), 1.0);
    }

    /// Accuracies of 1 and nearly 1: the interval of t would end above 1.
    #[test]
    fn bands_of_shares_end_where_shares_do() {
        let values = [1.0, 0.999, 0.95];
        let (free, cut) = (band(&values).unwrap(), share_band(&values).unwrap());
        assert!(free.high.unwrap() > 1.0);
        assert_eq!((cut.mean, cut.low, cut.high), (free.mean, free.low, Some(1.0)));
        assert_eq!(share_band(&[0.0, 0.2]).unwrap().low, Some(0.0));
        assert_eq!(share_band(&[0.4]).unwrap().high, None);
    }

    /// R: t.test(c(1.1,2.3,0.7,1.9), c(0.8,2.0,0.9,1.2), paired = TRUE): t = 1.4958, p = 0.2316.
    #[test]
    fn a_paired_test_by_hand() {
        let first = [0.8, 2.0, 0.9, 1.2].map(Some);
        let second = [1.1, 2.3, 0.7, 1.9].map(Some);
        let found = paired(&first, &second).unwrap();
        assert!((found.difference.mean - 0.275).abs() < 1e-12);
        // Differences .3 .3 -.2 .7: standard deviation .36856, t = .275 / .18428 = 1.49229.
        let t = 0.275 / (0.135_833_333_333_f64 / 4.0).sqrt();
        assert!((found.p_value.unwrap() - two_sided(t, 3)).abs() < 1e-9);
        let missing =
            paired(&[Some(1.0), None, Some(2.0)], &[Some(2.0), Some(1.0), Some(3.0)]).unwrap();
        assert_eq!((missing.difference.n, missing.p_value), (2, None));
        assert!(paired(&[None], &[Some(1.0)]).is_none());
    }

    #[test]
    fn holm_multiplies_by_what_is_left_and_keeps_the_order() {
        let one = |p| Paired { difference: band(&[1.0]).unwrap(), p_value: Some(p), p_holm: None };
        let (mut a, mut b, mut c) = (one(0.01), one(0.04), one(0.03));
        correct(&mut [&mut a, &mut b, &mut c]);
        let found = [a, b, c].map(|test| test.p_holm.unwrap());
        for (found, expected) in found.into_iter().zip([0.03, 0.06, 0.06]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }
}
