//! The activations of the Gaussian pairs, `gaussian_odd(theta)` and `gaussian_positive(theta)`, and those of further families,
//! `gaussian_odd(sphere(3))`.

use std::fmt;
use std::sync::Arc;

use crate::spec::gaussian_pair::{Branch, PairError, PairFamily, PairTable};

/// The activation `φ` of a Gaussian pair: with weights `W` of its family, `W·φ(X)` is standard normal.
///
/// ```text
/// gaussian_odd(θ)       φ(x) = sgn(x) H(erf(|x|/√2))
/// gaussian_positive(θ)  φ(x) = H(Φ(x))
/// ```
///
/// `H` is the quantile function of `|φ(X)|`. A number is the exponent of Weibull weights `W = ±E^(1/θ)`, valid for θ = 2,
/// θ ≥ 2.005 and θ = ∞ (odd: the identity); the other families are named, as in `gaussian_odd(sphere(3))`. Copies share one
/// table; two are equal if family and branch are.
///
/// # Accuracy
///
/// That of [`PairTable`]: relative error ≤ 1e-12 for `|x| ≤ 16`.
///
/// # References
///
/// `wolinski2025` (arXiv:2205.12379); derived in docs/theory/gaussian-pairs.md.
///
/// # Examples
///
/// ```
/// use firstguess::spec::activation::{Activation, PairActivation};
/// use firstguess::spec::gaussian_pair::{Branch, PairError};
/// let phi = PairActivation::new(2.0, Branch::Odd)?;
/// // √2 sin(½π erf(x/√2))
/// assert!((phi.table().value(1.0) - 1.242_151_985_136_14).abs() < 1e-13);
/// assert_eq!("gaussian_odd(2)".parse(), Ok(Activation::GaussianPair(phi)));
/// # Ok::<(), PairError>(())
/// ```
#[derive(Clone)]
pub struct PairActivation {
    family: PairFamily,
    table: Arc<PairTable>,
}

impl PairActivation {
    /// Tabulates `φ_θ` of the Weibull family: below a millisecond for θ ≥ 2.05, some ten milliseconds next to 2.005.
    ///
    /// # Errors
    ///
    /// What [`PairTable::new`] refuses: θ < 2 has no partner, 2 < θ < 2.005 no table.
    pub fn new(theta: f64, branch: Branch) -> Result<Self, PairError> {
        Self::of(PairFamily::Weibull { theta }, branch)
    }

    /// Tabulates `φ` of any family.
    ///
    /// # Errors
    ///
    /// What [`PairTable::new`] refuses.
    pub fn of(family: PairFamily, branch: Branch) -> Result<Self, PairError> {
        Ok(Self { family, table: Arc::new(PairTable::new(family, branch)?) })
    }

    /// The weights that go with φ.
    pub fn family(&self) -> PairFamily {
        self.family
    }

    /// Odd or positive.
    pub fn branch(&self) -> Branch {
        self.table.branch()
    }

    /// The values, and the weights that go with them.
    pub fn table(&self) -> &PairTable {
        &self.table
    }

    /// The name in the vocabulary.
    pub(super) fn name(&self) -> &'static str {
        match self.branch() {
            Branch::Odd => "gaussian_odd",
            Branch::Positive => "gaussian_positive",
        }
    }

    /// Whether `φ(x) = x`.
    pub(super) fn is_identity(&self) -> bool {
        self.family == PairFamily::Weibull { theta: f64::INFINITY } && self.branch() == Branch::Odd
    }

    /// The infimum and the supremum.
    pub(super) fn range(&self) -> (f64, f64) {
        let bound = self.table.law().bound();
        match self.branch() {
            Branch::Odd => (-bound, bound),
            Branch::Positive => (0.0, bound),
        }
    }
}

impl PartialEq for PairActivation {
    fn eq(&self, other: &Self) -> bool {
        self.family == other.family && self.branch() == other.branch()
    }
}

impl fmt::Debug for PairActivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.family)
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::activation::{Activation, ActivationError, Parity};
    use crate::spec::gaussian_pair::PairError;

    fn activation(text: &str) -> Activation {
        text.parse().expect("a pair")
    }

    /// Entire series at forty digits, and the closed form at θ = 2.
    #[test]
    fn values_agree_with_their_references() {
        for (name, x, value) in [
            ("gaussian_odd(2)", 1.0, 1.24215198513614),
            ("gaussian_odd(2.5)", 0.25, 0.36636072707929757679),
            ("gaussian_odd(3)", 1.0, 1.1820518390548979630),
            ("gaussian_odd(3)", -4.0, -2.6131804929891755949),
            ("gaussian_odd(inf)", -0.7, -0.7),
            ("gaussian_positive(2.5)", -3.0, 0.00251948369484041),
            ("gaussian_positive(4)", 2.0, 2.193868262368563),
        ] {
            let found = activation(name).value(x);
            assert!((found / value - 1.0).abs() < 1e-13, "{name}({x}) = {found}");
        }
    }

    #[test]
    fn declared_shapes_are_those_of_the_branch() {
        let odd = activation("gaussian_odd(2)");
        assert_eq!(odd.range(), (-2.0_f64.sqrt(), 2.0_f64.sqrt()));
        assert_eq!((odd.parity(), odd.smooth()), (Parity::Odd, true));
        let positive = activation("gaussian_positive(3)");
        assert_eq!(positive.range(), (0.0, f64::INFINITY));
        assert_eq!(positive.parity(), Parity::Neither);
        assert!(activation("gaussian_odd(inf)").homogeneity().is_some());
        assert!(activation("gaussian_positive(inf)").homogeneity().is_none());
    }

    #[test]
    fn text_reads_back_and_bad_exponents_say_why() {
        for text in [
            "gaussian_odd(2)",
            "gaussian_odd(2.05)",
            "gaussian_positive(inf)",
            "gaussian_odd(sphere(3))",
            "gaussian_positive(bounded_power(2))",
            "gaussian_odd(generalized_gamma(1.5,3))",
        ] {
            assert_eq!(activation(text).to_string(), text);
        }
        assert_eq!(activation("gaussian_odd(inf)"), activation("Gaussian_Odd( infinity )"));
        assert_ne!(activation("gaussian_odd(3)"), activation("gaussian_odd(4)"));
        assert_ne!(activation("gaussian_odd(3)"), activation("gaussian_positive(3)"));
        let error = |text: &str| text.parse::<Activation>().expect_err(text);
        assert!(matches!(
            error("gaussian_odd(1.5)"),
            ActivationError::Pair { source: PairError::HeavyTails { .. }, .. }
        ));
        assert!(error("gaussian_odd(2.001)").to_string().contains("2.005"));
        // A Weibull law by its long name is the same.
        assert_eq!(activation("gaussian_odd(weibull(3))"), activation("gaussian_odd(3)"));
        for (text, why) in [
            ("gaussian_odd(normal)", "constant"),
            ("gaussian_odd(uniform)", "infinite slope"),
            ("gaussian_odd(student_t(5))", "heavier"),
            ("gaussian_odd(gamma(3))", "names no family"),
            ("gaussian_positive(sphere(0))", "dimension"),
        ] {
            assert!(error(text).to_string().contains(why), "{text}: {}", error(text));
        }
        for text in ["gaussian_odd(nan)", "gaussian_odd(0)", "gaussian_positive(-inf)"] {
            assert!(error(text).to_string().contains("`theta`"), "{text}: {}", error(text));
        }
        assert!(matches!(error("gaussian_odd"), ActivationError::ParameterCount { .. }));
    }
}
