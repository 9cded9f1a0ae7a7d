//! Mean ordered shares for any drift ratio, tabulated once for a number of classes.

use super::{GuessLaw, PrejudiceError, checked_gamma, ordered};
use crate::math::chebyshev::{ChebyshevBasis, clenshaw};
use std::f64::consts::FRAC_PI_2;

/// Nodes in the angle.
const NODES: usize = 22;

/// `E G_(r)` of the first few ranks as functions of `γ`: what [`GuessLaw::mean_ordered_fractions`] integrates at one `γ` in
/// tens of milliseconds, looked up in a microsecond.
///
/// The shares are smooth functions of the angle `θ = arctan(1/√γ)` at both ends: at `θ = π/2` all classes are alike, at
/// `θ = 0` one takes all. Polynomials in `θ` go through exact values at Chebyshev nodes.
///
/// # Accuracy
///
/// Absolute error ≤ 1e-4 for 2 to 1000 classes and every `γ`.
///
/// # References
///
/// Derived in docs/theory/guess-fraction.md.
///
/// # Examples
///
/// ```
/// # use firstguess::theory::prejudice::{GuessLaw, ShareTable};
/// let table = ShareTable::new(3, 3)?;
/// let exact = GuessLaw::new(3, 2.0)?.mean_ordered_fractions(3);
/// for (share, exact) in table.shares(2.0)?.iter().zip(exact) {
///     assert!((share - exact.value).abs() < 1e-4);
/// }
/// # Ok::<(), firstguess::theory::prejudice::PrejudiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ShareTable {
    classes: usize,
    /// Coefficients in `θ`, rank after rank.
    ranks: Vec<Vec<f64>>,
}

impl ShareTable {
    /// Tabulates the first `count` ranks, at most one per class. Takes seconds for ten ranks.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] as [`GuessLaw::new`].
    pub fn new(classes: usize, count: usize) -> Result<Self, PrejudiceError> {
        GuessLaw::new(classes, 1.0)?;
        let basis = ChebyshevBasis::new(NODES);
        let gammas: Vec<f64> =
            basis.nodes.iter().map(|t| (FRAC_PI_2 * (t + 1.0) / 2.0).tan().powi(-2)).collect();
        let ranks = (1..=count.min(classes)).map(|rank| {
            let at = |gamma: &f64| share(classes, rank, *gamma);
            let values = gammas.iter().map(at).collect::<Result<Vec<_>, _>>()?;
            Ok(basis.coefficients(&values))
        });
        Ok(Self { classes, ranks: ranks.collect::<Result<_, PrejudiceError>>()? })
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The mean share of each tabulated rank at this `γ` in [0, ∞], the largest first.
    ///
    /// # Errors
    ///
    /// [`PrejudiceError`] if `gamma` is negative or NaN.
    pub fn shares(&self, gamma: f64) -> Result<Vec<f64>, PrejudiceError> {
        let angle = checked_gamma(gamma)?.sqrt().recip().atan();
        let t = 2.0 * angle / FRAC_PI_2 - 1.0;
        Ok(self.ranks.iter().map(|rank| clenshaw(rank, t).clamp(0.0, 1.0)).collect())
    }

    /// The mean share of the favoured class, as [`GuessLaw::mean_max`]; NaN if no rank is tabulated.
    ///
    /// # Errors
    ///
    /// As [`shares`](Self::shares).
    pub fn mean_max(&self, gamma: f64) -> Result<f64, PrejudiceError> {
        Ok(self.shares(gamma)?.first().copied().unwrap_or(f64::NAN))
    }

    /// The chance that two inputs get the same class, as [`GuessLaw::agreement`].
    ///
    /// The mean share of the favoured class at the correlation `c` is the agreement at `√c`, so the agreement at `c` is
    /// looked up at `c²`, which is the drift ratio `γ²/(1 + 2γ)`.
    ///
    /// # Errors
    ///
    /// As [`shares`](Self::shares).
    pub fn agreement(&self, gamma: f64) -> Result<f64, PrejudiceError> {
        let squared =
            if gamma.is_infinite() { gamma } else { gamma * (gamma / (1.0 + 2.0 * gamma)) };
        self.mean_max(squared)
    }
}

/// One share; the coarse rule is enough for what is interpolated to four digits.
fn share(classes: usize, rank: usize, gamma: f64) -> Result<f64, PrejudiceError> {
    let law = GuessLaw::new(classes, gamma)?;
    if rank == 1 || classes == 2 {
        return Ok(law.mean_ordered_fraction(rank)?.value);
    }
    Ok(ordered::mean_share(classes, rank, gamma.sqrt(), ordered::COARSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabulated_shares_are_those_of_the_integrals() {
        for (classes, count) in [(2, 2), (3, 3), (10, 4), (100, 3), (1000, 2)] {
            let table = ShareTable::new(classes, count).unwrap();
            for gamma in [0.0, 1e-6, 0.03, 0.4, 1.7, 30.0, 1e4, f64::INFINITY] {
                let law = GuessLaw::new(classes, gamma).unwrap();
                let exact = law.mean_ordered_fractions(count);
                for (found, exact) in table.shares(gamma).unwrap().iter().zip(exact) {
                    let error = (found - exact.value).abs();
                    assert!(error < 1e-4, "{classes} classes, γ = {gamma}: {found}, {exact:?}");
                }
                let error = (table.agreement(gamma).unwrap() - law.agreement().value).abs();
                assert!(error < 1e-4, "agreement of {classes} classes, γ = {gamma}: {error:e}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused_and_no_class_counts_twice() {
        assert!(ShareTable::new(1, 1).is_err());
        let table = ShareTable::new(2, 10).unwrap();
        assert_eq!((table.classes(), table.shares(1.0).unwrap().len()), (2, 2));
        assert!(table.shares(-1.0).is_err() && table.shares(f64::NAN).is_err());
    }
}
