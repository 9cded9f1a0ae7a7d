//! Reading and writing the families of pairs as text.

use super::{PairError, PairFamily};
use crate::spec::weights::WeightFamily;
use std::fmt;
use std::str::FromStr;

/// How each family is written, with or without a Gaussian partner.
const FORMS: [&str; 10] = [
    "weibull(3) or 3",
    "sphere(3)",
    "bounded_power(2)",
    "generalized_gamma(1.5,3)",
    "rademacher",
    "uniform",
    "normal",
    "laplace",
    "student_t(5)",
    "sparse(0.1)",
];

impl fmt::Display for PairFamily {
    /// A Weibull family by its exponent alone, the others by the name of their weight law.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weibull { theta } => write!(f, "{}", shortest(*theta)),
            Self::Sphere { dimension } => write!(f, "sphere({dimension})"),
            Self::Bounded { exponent } => write!(f, "bounded_power({})", shortest(*exponent)),
            Self::GeneralizedGamma { shape, power } => {
                write!(f, "generalized_gamma({},{})", shortest(*shape), shortest(*power))
            }
            Self::Gaussian => f.write_str("normal"),
            Self::Laplace => f.write_str("laplace"),
            Self::StudentT => f.write_str("student_t"),
            Self::LogNormal => f.write_str("log_normal"),
            Self::Sparse { zero_probability } => {
                write!(f, "sparse({})", shortest(*zero_probability))
            }
        }
    }
}

/// The shortest text that reads back as the same number, with an exponent where that is shorter.
fn shortest(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

impl FromStr for PairFamily {
    type Err = PairError;

    /// Reads `3`, `weibull(3)`, `sphere(3)`, `bounded_power(2)`, `generalized_gamma(1.5,3)`, `rademacher`, `uniform` and, to
    /// be refused with the reason by [`super::PairWeights::new`], the names of laws without a partner.
    fn from_str(text: &str) -> Result<Self, PairError> {
        let text = text.trim();
        let unknown = || PairError::UnknownFamily {
            text: text.chars().take(60).flat_map(char::escape_debug).collect(),
            known: FORMS.join(", "),
        };
        if let Ok(theta) = text.parse() {
            return Ok(Self::Weibull { theta });
        }
        let lower = text.to_ascii_lowercase();
        let (name, arguments) = match lower.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix(')').ok_or_else(unknown)?),
            None => (lower.as_str(), ""),
        };
        let numbers: Vec<f64> = arguments
            .split(',')
            .filter(|argument| !arguments.is_empty() || !argument.is_empty())
            .map(|argument| argument.trim().parse().map_err(|_| unknown()))
            .collect::<Result<_, _>>()?;
        Ok(match (name, &numbers[..]) {
            ("weibull", [theta]) => Self::Weibull { theta: *theta },
            ("sphere", [dimension]) => Self::Sphere { dimension: whole(*dimension)? },
            ("bounded_power" | "bounded", [exponent]) => Self::Bounded { exponent: *exponent },
            ("generalized_gamma", [shape, power]) => {
                Self::GeneralizedGamma { shape: *shape, power: *power }
            }
            ("rademacher" | "sign", []) => Self::Weibull { theta: f64::INFINITY },
            ("uniform", []) => Self::Bounded { exponent: 1.0 },
            ("normal" | "gaussian" | "truncated_normal", []) => Self::Gaussian,
            ("laplace", []) => Self::Laplace,
            ("student_t", [] | [_]) => Self::StudentT,
            ("log_normal", _) => Self::LogNormal,
            ("sparse", [zero_probability]) => Self::Sparse { zero_probability: *zero_probability },
            _ => return Err(unknown()),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "guarded: a whole number that an u32 holds"
)]
fn whole(dimension: f64) -> Result<u32, PairError> {
    if dimension.fract() == 0.0 && (0.0..=1e9).contains(&dimension) {
        return Ok(dimension as u32);
    }
    Err(PairError::OutOfDomain {
        parameter: "dimension",
        domain: "a whole number between 2 and 10000",
        value: dimension,
    })
}

impl PairFamily {
    /// The law that networks draw these weights from, up to scale; `None` for the families without a partner.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::spec::{gaussian_pair::PairFamily, weights::WeightFamily};
    /// let maxwell = PairFamily::Sphere { dimension: 3 }.weight_family();
    /// assert_eq!(maxwell, Some(WeightFamily::Sphere { dimension: 3 }));
    /// assert_eq!(PairFamily::StudentT.weight_family(), None);
    /// ```
    pub fn weight_family(&self) -> Option<WeightFamily> {
        let law = match *self {
            Self::Weibull { theta } if theta == f64::INFINITY => WeightFamily::Rademacher,
            Self::Weibull { theta } => WeightFamily::SymmetricWeibull { shape: theta },
            Self::Sphere { dimension } => WeightFamily::Sphere { dimension },
            Self::Bounded { exponent } => WeightFamily::BoundedPower { exponent },
            Self::GeneralizedGamma { shape, power } => {
                WeightFamily::GeneralizedGamma { shape, power }
            }
            _ => return None,
        };
        law.check().is_ok().then_some(law)
    }
}

#[cfg(test)]
mod tests {
    use super::super::PairWeights;
    use super::*;

    #[test]
    fn families_read_back_as_written() {
        for text in
            ["3", "2.05", "inf", "sphere(3)", "bounded_power(2)", "generalized_gamma(1.5,3)"]
        {
            let family: PairFamily = text.parse().expect(text);
            assert_eq!(family.to_string(), text);
            assert!(family.weight_family().is_some(), "{text}");
        }
        assert_eq!("weibull(3)".parse(), Ok(PairFamily::Weibull { theta: 3.0 }));
        assert_eq!("Rademacher".parse(), Ok(PairFamily::Weibull { theta: f64::INFINITY }));
    }

    #[test]
    fn what_is_no_family_is_refused_with_the_forms() {
        for text in
            ["", "weibull", "weibull(", "sphere(2.5)", "sphere(x)", "gamma(1,2)", "weibull(1,2)"]
        {
            let error = text.parse::<PairFamily>().expect_err(text).to_string();
            assert!(
                error.contains("whole number") || error.contains("sphere(3)"),
                "{text}: {error}"
            );
        }
        for (text, why) in [
            ("1.5", "heavier"),
            ("normal", "constant"),
            ("student_t(5)", "heavier"),
            ("log_normal(1)", "heavier"),
            ("sparse(0.5)", "zero"),
            ("generalized_gamma(0.2,3)", "negative"),
        ] {
            let family: PairFamily = text.parse().expect(text);
            let error = PairWeights::new(family).expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
