use super::*;
use crate::math::quadrature::GaussLegendre;

/// Every independent law, with parameters on both sides of each change of behaviour.
fn laws() -> Vec<WeightFamily> {
    let names = "normal uniform truncated_normal rademacher weibull(0.7) weibull(1) weibull(2) weibull(3) weibull(10) \
                 student_t(2.5) student_t(5) student_t(50) laplace sphere(1) sphere(2) sphere(3) sphere(8) \
                 bounded_power(0.5) bounded_power(1) bounded_power(2) bounded_power(7) \
                 generalized_gamma(0.4,3) generalized_gamma(1.5,2.5) generalized_gamma(20,2)";
    names.split_whitespace().map(|name| name.parse().expect(name)).collect()
}

fn edge(law: WeightFamily) -> f64 {
    match law {
        WeightFamily::Uniform => 3f64.sqrt(),
        WeightFamily::TruncatedNormal => TRUNCATION / TRUNCATED_STD,
        WeightFamily::BoundedPower { exponent } => power_edge(exponent),
        WeightFamily::StudentT { .. } => 60f64.exp(),
        _ => 8f64.exp(),
    }
}

/// `∫ 2 f(t) t^z dt` from `low` to the end of the support, by quadrature in `ln t`.
fn integral(law: WeightFamily, z: f64, low: f64) -> f64 {
    let rule = GaussLegendre::new(24);
    let (start, end) = (low.ln(), edge(law).ln());
    let panels = 400;
    let width = (end - start) / f64::from(panels);
    let integrand = |s: f64| {
        let t = s.exp();
        2.0 * law.density(t).expect("a density") * t.powf(z + 1.0)
    };
    (0..panels)
        .map(|i| start + width * f64::from(i))
        .map(|a| rule.integrate(a, a + width, integrand))
        .sum()
}

#[test]
fn names_come_back_from_text_and_json() {
    for entry in WEIGHT_FAMILIES {
        let family: WeightFamily = entry.example().parse().expect(entry.name);
        assert_eq!(family.entry().name, entry.name, "the table and the enum are out of step");
        assert_eq!(family.to_string(), entry.example());
        let json = serde_json::to_string(&family).expect("json");
        assert_eq!(json, format!("\"{}\"", entry.example()));
        assert_eq!(serde_json::from_str::<WeightFamily>(&json).expect("json"), family);
        assert_eq!(family.check(), Ok(()));
    }
    let spaced: WeightFamily = " weibull ( 2.5 ) ".parse().expect("spaces are harmless");
    assert_eq!(spaced, WeightFamily::SymmetricWeibull { shape: 2.5 });
}

#[test]
fn what_is_wrong_is_said_with_the_nearest_name() {
    let message = |text: &str| text.parse::<WeightFamily>().expect_err(text).to_string();
    assert_eq!(message("Uniforn"), "unknown weight law `Uniforn`: did you mean `uniform`?");
    assert_eq!(message("student(5)"), "unknown weight law `student`: did you mean `student_t`?");
    assert_eq!(message("sphere"), "weight law `sphere` needs its dimension, as in `sphere(3)`");
    assert_eq!(message("normal(2)"), "weight law `normal` takes no parameter, got `(2)`");
    assert_eq!(message("weibull(x)"), "weight law `weibull(x)` is not of the form `weibull(3)`");
    assert_eq!(
        message("sphere(2.5)"),
        "dimension of weight law `sphere` must be a whole number from 1 to 10000, got 2.5"
    );
    for text in [
        "",
        "(",
        ")",
        "weibull(",
        "weibull()",
        "weibull(3",
        "weibull(3))",
        "weibull(1,2)",
        "generalized_gamma(2)",
        "generalized_gamma(1,2,3)",
        "generalized_gamma(0,3)",
        "generalized_gamma",
        "student_t(2)",
        "student_t(NaN)",
        "student_t(inf)",
        "weibull(-1)",
        "weibull(0)",
        "bounded_power(1e300)",
        "sphere(0)",
        "sphere(-3)",
        "sphere(1e9)",
        "laplace()",
    ] {
        assert!(text.parse::<WeightFamily>().is_err(), "`{text}` was accepted");
    }
    let by_hand = WeightFamily::StudentT { degrees_of_freedom: f64::NAN };
    assert!(matches!(by_hand.check(), Err(WeightError::OutOfDomain { family: "student_t", .. })));
    assert!(WeightFamily::Sphere { dimension: 0 }.check().is_err());
}

/// Closed forms against quadrature of the density: norm, variance, kurtosis, fractional and negative moments.
#[test]
fn moments_are_those_of_the_density() {
    for law in laws() {
        let kurtosis = law.kurtosis().expect("independent");
        let moment = |z| law.absolute_moment(z).expect("independent");
        assert!((moment(0.0) - 1.0).abs() < 1e-13, "{law}");
        assert!((moment(2.0) - 1.0).abs() < 1e-12, "{law}: {}", moment(2.0));
        if kurtosis.is_finite() {
            assert!((moment(4.0) / kurtosis - 1.0).abs() < 1e-12, "{law}: {}", moment(4.0));
        } else {
            assert_eq!(moment(4.0), f64::INFINITY);
        }
        if law == WeightFamily::Rademacher {
            continue;
        }
        for z in [-0.3, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0] {
            if moment(z).is_finite() && moment(z + 0.4).is_finite() {
                let quadrature = integral(law, z, 1e-40);
                assert!((quadrature / moment(z) - 1.0).abs() < 1e-8, "{law}, {z}: {quadrature}");
            }
        }
    }
}

#[test]
fn distribution_functions_are_those_of_the_density() {
    for law in laws() {
        let cdf = |x| law.cdf(x).expect("independent");
        assert_eq!(
            (cdf(f64::NEG_INFINITY), cdf(0.0), cdf(f64::INFINITY)),
            (0.0, 0.5, 1.0),
            "{law}"
        );
        assert!(cdf(f64::NAN).is_nan());
        for t in [1e-3, 0.2, 0.7, 1.0, 1.3, 1.7, 2.2, 4.0, 9.0] {
            let survival = law.absolute_survival(t).expect("independent");
            if law == WeightFamily::Rademacher {
                continue;
            }
            assert_eq!(cdf(-t), 0.5 * survival);
            assert!((cdf(t) + cdf(-t) - 1.0).abs() < 1e-15);
            let quadrature = if t < edge(law) { integral(law, 0.0, t) } else { 0.0 };
            assert!(
                (quadrature - survival).abs() <= 1e-9 * survival.max(1e-12),
                "{law} at {t}: {survival} vs {quadrature}"
            );
        }
    }
    let cdf = |x| WeightFamily::Rademacher.cdf(x).expect("independent");
    assert_eq!((cdf(-1.1), cdf(-1.0), cdf(0.9), cdf(1.0)), (0.0, 0.5, 0.5, 1.0));
}

/// Laws with two names agree: different code, one law.
#[test]
fn coinciding_laws_coincide() {
    let pairs = [
        ("sphere(1)", "normal"),
        ("sphere(2)", "weibull(2)"),
        ("weibull(1)", "laplace"),
        ("bounded_power(1)", "uniform"),
        ("generalized_gamma(1,3)", "weibull(3)"),
        ("generalized_gamma(1.5,2)", "sphere(3)"),
    ];
    for (first, second) in pairs {
        let (a, b): (WeightFamily, WeightFamily) =
            (first.parse().expect(first), second.parse().expect(second));
        for x in [-3.0, -1.0, -0.1, 0.4, 1.6, 5.0] {
            let (p, q) = (a.cdf(x).expect("law"), b.cdf(x).expect("law"));
            assert!((p - q).abs() < 1e-14, "{first}, {second}: {p} {q}");
            let (f, g) = (a.density(x).expect("law"), b.density(x).expect("law"));
            assert!((f - g).abs() < 1e-13, "{first}, {second}: {f} {g}");
        }
        assert!((a.kurtosis().expect("law") - b.kurtosis().expect("law")).abs() < 1e-12);
    }
}

/// Kurtosis of the normal law cut at two standard deviations, and its deviation: independent 40-digit arithmetic.
#[test]
fn the_truncated_normal_has_its_exact_constants() {
    let kurtosis = WeightFamily::TruncatedNormal.kurtosis().expect("law");
    assert!((kurtosis - 2.365_536_717_129_649_5).abs() < 1e-14, "{kurtosis}");
    let variance = 1.0 - 2.0 * TRUNCATION * normal_density(TRUNCATION) / kept();
    assert!((TRUNCATED_STD - variance.sqrt()).abs() < 1e-15);
}

#[test]
fn hostile_arguments_give_no_panic_and_no_nan_from_numbers() {
    for law in laws() {
        for x in [0.0, -0.0, 1e-320, 1e300, f64::MAX, f64::INFINITY, -1e300] {
            assert!(!law.cdf(x).expect("law").is_nan(), "{law} cdf({x})");
            assert!(!law.density(x).is_some_and(f64::is_nan), "{law} density({x})");
        }
        for z in [-1e300, -10.0, 700.0, 1e300, f64::INFINITY] {
            assert!(!law.absolute_moment(z).expect("law").is_nan(), "{law} moment {z}");
        }
    }
    for law in [WeightFamily::Orthogonal, WeightFamily::DeltaOrthogonal] {
        assert_eq!((law.kurtosis(), law.cdf(0.0), law.density(0.0)), (None, None, None));
        assert_eq!(law.absolute_moment(2.0), None);
    }
}
