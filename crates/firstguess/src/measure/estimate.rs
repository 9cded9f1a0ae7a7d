//! A measured number with its standard error, and the running sums that give it.
//!
//! Errors are always over independent draws of the network: units of one network share its random norms and centres, so
//! their number never enters.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A measured number, its standard error over independent draws, and the number of draws.
///
/// Serialized as `{ "value", "std_error", "n" }`. What is not finite becomes null, and a fourth field `reason` says why.
///
/// # Examples
///
/// ```
/// use firstguess::measure::estimate::Estimate;
/// let mean = Estimate::mean([1.0, 2.0, 3.0, 4.0]);
/// assert_eq!(mean.value, 2.5);
/// assert!((mean.std_error.unwrap() - (5.0_f64 / 12.0).sqrt()).abs() < 1e-15);
/// // One draw says nothing about its own error.
/// assert_eq!(Estimate::mean([1.0]).std_error, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number; NaN where there is none.
    pub value: f64,
    /// Its standard error, `None` where that is unknown.
    pub std_error: Option<f64>,
    /// Independent draws behind it.
    pub n: u64,
    /// Why the value or its error is missing, where one is.
    pub reason: Option<&'static str>,
}

/// One draw has no spread.
const ONE_DRAW: &str = "a standard error needs two draws";
/// Nothing was added.
const NO_DRAW: &str = "no draw gave a value";
/// Infinity or NaN among the draws.
const NOT_FINITE: &str = "a draw gave infinity or NaN";
/// The denominator of a ratio vanished.
const ZERO_DENOMINATOR: &str = "the denominator is zero in every draw";

impl Estimate {
    /// The mean of one value per draw, with the standard error `s/√n`.
    pub fn mean(values: impl IntoIterator<Item = f64>) -> Self {
        let mut running = Running::default();
        values.into_iter().for_each(|value| running.push(value));
        running.mean()
    }

    /// Mean numerator over mean denominator, of one pair per draw; the error as in [`RunningRatio::estimate`].
    pub fn ratio(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut running = RunningRatio::default();
        pairs.into_iter().for_each(|(top, bottom)| running.push(top, bottom));
        running.estimate()
    }

    /// No value, for this reason.
    pub const fn missing(reason: &'static str) -> Self {
        Self { value: f64::NAN, std_error: None, n: 0, reason: Some(reason) }
    }

    /// A value and its error, checked: what is not finite is marked with its reason.
    pub fn new(value: f64, std_error: Option<f64>, n: u64) -> Self {
        let std_error = std_error.filter(|error| error.is_finite());
        let reason = if n == 0 {
            Some(NO_DRAW)
        } else if !value.is_finite() {
            Some(NOT_FINITE)
        } else if std_error.is_some() {
            None
        } else if n == 1 {
            Some(ONE_DRAW)
        } else {
            Some("the standard error is not finite")
        };
        Self { value: if n == 0 { f64::NAN } else { value }, std_error, n, reason }
    }

    /// Whether there is a value at all.
    pub fn is_known(&self) -> bool {
        self.value.is_finite()
    }

    /// How many standard errors the measured value lies above `theory`; `None` where value or error is unknown.
    ///
    /// An error of exactly zero gives 0 for equality and an infinity otherwise.
    pub fn z_score(&self, theory: f64) -> Option<f64> {
        let error = self.std_error?;
        let distance = self.value - theory;
        if distance.is_nan() {
            return None;
        }
        Some(if distance == 0.0 { 0.0 } else { distance / error })
    }
}

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 3 + usize::from(self.reason.is_some());
        let mut state = serializer.serialize_struct("Estimate", fields)?;
        state.serialize_field("value", &Some(self.value).filter(|value| value.is_finite()))?;
        state.serialize_field("std_error", &self.std_error)?;
        state.serialize_field("n", &self.n)?;
        match self.reason {
            Some(reason) => state.serialize_field("reason", reason)?,
            None => state.skip_field("reason")?,
        }
        state.end()
    }
}

/// Running mean and central moments up to the fourth, one value per draw, without a second pass.
///
/// # References
///
/// Welford 1962; the update of the third and fourth moments as in Pébay 2008 (SAND2008-6212).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Running {
    n: u64,
    mean: f64,
    /// `Σ (x - mean)^k` for k = 2, 3, 4.
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Running {
    /// Adds the value of one draw.
    pub fn push(&mut self, value: f64) {
        let before = self.n as f64;
        self.n += 1;
        let n = self.n as f64;
        let delta = value - self.mean;
        let step = delta / n;
        let term = delta * step * before;
        self.mean += step;
        self.m4 += term * step * step * (n * n - 3.0 * n + 3.0) + 6.0 * step * step * self.m2
            - 4.0 * step * self.m3;
        self.m3 += term * step * (n - 2.0) - 3.0 * step * self.m2;
        self.m2 += term;
    }

    /// Number of draws.
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// The mean with `s/√n`.
    pub fn mean(&self) -> Estimate {
        let n = self.n as f64;
        let error = (self.n > 1).then(|| (self.m2 / (n - 1.0) / n).sqrt());
        Estimate::new(self.mean, error, self.n)
    }

    /// The variance (divisor `n - 1`) with its distribution-free standard error.
    ///
    /// ```text
    /// s² = M₂/(n-1),   Var s² ≈ (M₄/n - s⁴ (n-3)/(n-1)) / n
    /// ```
    ///
    /// The error is itself noisy for heavy-tailed draws; it needs three or more.
    pub fn variance(&self) -> Estimate {
        if self.n < 2 {
            return Estimate { n: self.n, ..Estimate::missing("a variance needs two draws") };
        }
        let n = self.n as f64;
        let variance = self.m2 / (n - 1.0);
        let spread = (self.m4 / n - variance * variance * (n - 3.0) / (n - 1.0)) / n;
        let mut estimate =
            Estimate::new(variance, (self.n > 2).then(|| spread.max(0.0).sqrt()), self.n);
        if self.n == 2 {
            estimate.reason = Some("the error of a variance needs three draws");
        }
        estimate
    }
}

/// Running ratio of two means, one pair per draw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RunningRatio {
    n: u64,
    top: f64,
    bottom: f64,
    top_top: f64,
    top_bottom: f64,
    bottom_bottom: f64,
}

impl RunningRatio {
    /// Adds numerator and denominator of one draw.
    pub fn push(&mut self, top: f64, bottom: f64) {
        self.n += 1;
        let n = self.n as f64;
        let (top_before, bottom_before) = (top - self.top, bottom - self.bottom);
        self.top += top_before / n;
        self.bottom += bottom_before / n;
        self.top_top += top_before * (top - self.top);
        self.bottom_bottom += bottom_before * (bottom - self.bottom);
        self.top_bottom += top_before * (bottom - self.bottom);
    }

    /// Number of draws.
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// Mean numerator over mean denominator, with the error of the delta method.
    ///
    /// ```text
    /// r = ā/b̄,   Var r ≈ Σ (a_i - r b_i - (ā - r b̄))² / (n (n-1) b̄²)
    /// ```
    ///
    /// Bias of order 1/n, below the error by a factor √n. Where the denominator varies much from draw to draw (deep
    /// networks), the ratio rests on few draws and the error is underestimated: look at the mean of logarithms too.
    pub fn estimate(&self) -> Estimate {
        if self.n > 0 && self.bottom == 0.0 {
            return Estimate { n: self.n, ..Estimate::missing(ZERO_DENOMINATOR) };
        }
        let n = self.n as f64;
        let ratio = self.top / self.bottom;
        let error = (self.n > 1).then(|| {
            // In units of the means: products of second moments near the ends of the f64 range would overflow.
            let squares = self.top_top / self.bottom / self.bottom
                - 2.0 * ratio * (self.top_bottom / self.bottom / self.bottom)
                + ratio * ratio * (self.bottom_bottom / self.bottom / self.bottom);
            (squares.max(0.0) / (n * (n - 1.0))).sqrt()
        });
        Estimate::new(ratio, error, self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};

    fn normals(layer: u32, n: usize) -> Vec<f64> {
        let mut out = vec![0.0; n];
        Stream::new(Seed(1), 0, layer, Purpose::Test).fill_normal_f64(0, &mut out);
        out
    }

    /// The running sums against the definitions in two passes, far from the origin.
    #[test]
    fn running_moments_equal_their_definitions() {
        let values: Vec<f64> = normals(0, 500).iter().map(|z| 1e4 + z + 0.3 * z * z).collect();
        let mut running = Running::default();
        for &value in &values {
            running.push(value);
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let moment = |k| values.iter().map(|x| (x - mean).powi(k)).sum::<f64>();
        assert!((running.mean - mean).abs() < 1e-10);
        for (k, found) in [(2, running.m2), (3, running.m3), (4, running.m4)] {
            assert!((found / moment(k) - 1.0).abs() < 1e-8, "k = {k}: {found} vs {}", moment(k));
        }
        let estimate = running.mean();
        let expected = (moment(2) / (n - 1.0) / n).sqrt();
        assert!((estimate.std_error.unwrap() / expected - 1.0).abs() < 1e-9);
        assert_eq!(estimate.n, 500);
    }

    /// The stated errors are the spread of the estimates: 1000 repetitions see an error of 10 % (4.5 standard errors).
    #[test]
    fn stated_errors_match_the_spread_over_repetitions() {
        let (repeats, n) = (1000, 40);
        let top = normals(1, repeats * n);
        let bottom = normals(2, repeats * n);
        let mut spread = [Running::default(); 3];
        let mut stated = [Running::default(); 3];
        for (a, b) in top.chunks(n).zip(bottom.chunks(n)) {
            let mut running = Running::default();
            for &x in a {
                running.push(x);
            }
            // Numerator and denominator share a fluctuation, as T and V of one network do.
            let ratio =
                Estimate::ratio(a.iter().zip(b).map(|(a, b)| (2.0 + 0.5 * a, 4.0 + a + 0.5 * b)));
            for (k, estimate) in [running.mean(), running.variance(), ratio].iter().enumerate() {
                spread[k].push(estimate.value);
                stated[k].push(estimate.std_error.unwrap().powi(2));
            }
        }
        for (k, (spread, stated)) in spread.iter().zip(&stated).enumerate() {
            let quotient = spread.variance().value / stated.mean().value;
            assert!((quotient - 1.0).abs() < 0.2, "estimator {k}: {quotient}");
        }
        for (k, truth) in [0.0, 1.0, 0.5].into_iter().enumerate() {
            let z = spread[k].mean().z_score(truth).unwrap();
            assert!(z.abs() < 4.0, "estimator {k}: z = {z}");
        }
    }

    #[test]
    fn unknown_errors_and_values_are_null_with_a_reason() {
        let json = |estimate: Estimate| serde_json::to_string(&estimate).unwrap();
        assert_eq!(json(Estimate::mean([1.0, 3.0])), r#"{"value":2.0,"std_error":1.0,"n":2}"#);
        assert_eq!(
            json(Estimate::mean([1.5])),
            r#"{"value":1.5,"std_error":null,"n":1,"reason":"a standard error needs two draws"}"#
        );
        for (estimate, n, reason) in [
            (Estimate::mean([]), 0, NO_DRAW),
            (Estimate::mean([1.0, f64::INFINITY]), 2, NOT_FINITE),
            (Estimate::mean([f64::NAN]), 1, NOT_FINITE),
            (Estimate::ratio([(1.0, 0.0), (2.0, 0.0)]), 2, ZERO_DENOMINATOR),
            (Estimate::ratio([]), 0, NO_DRAW),
            (Estimate::missing("why"), 0, "why"),
        ] {
            assert_eq!(
                json(estimate),
                format!(r#"{{"value":null,"std_error":null,"n":{n},"reason":"{reason}"}}"#)
            );
            assert_eq!(estimate.z_score(1.0), None);
        }
        assert!(Running::default().variance().reason.is_some());
    }

    #[test]
    fn z_scores_count_standard_errors() {
        let estimate = Estimate::mean([1.0, 3.0]);
        assert_eq!(estimate.z_score(4.0), Some(-2.0));
        let exact = Estimate::mean([1.0, 1.0]);
        assert_eq!(exact.std_error, Some(0.0));
        assert_eq!((exact.z_score(1.0), exact.z_score(0.0)), (Some(0.0), Some(f64::INFINITY)));
    }

    /// A ratio does not change with the units of its parts, up to the ends of the range.
    #[test]
    fn ratios_survive_extreme_units() {
        let pairs = [(1.0, 2.0), (1.5, 2.5), (0.7, 1.1)];
        let plain = Estimate::ratio(pairs);
        for scale in [1e-140, 1e140] {
            let scaled = Estimate::ratio(pairs.map(|(a, b)| (a * scale, b * scale)));
            assert!((scaled.value / plain.value - 1.0).abs() < 1e-12);
            let errors = scaled.std_error.unwrap() / plain.std_error.unwrap();
            assert!((errors - 1.0).abs() < 1e-9, "{scale}: {errors}");
        }
    }
}
