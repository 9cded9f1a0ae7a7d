use super::*;
use crate::spec::activation::Activation;
use proptest::prelude::*;

fn parse(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> ActivationError {
    Expression::parse(text).expect_err(text)
}

/// The rules that other parsers get wrong.
#[test]
fn operators_bind_as_in_mathematics() {
    for (text, x, value) in [
        ("-x^2", 3.0, -9.0),
        ("2^-x^2", 2.0, 0.0625),
        ("2^3^x", 2.0, 512.0),
        ("x-2-3", 1.0, -4.0),
        ("8/x/2", 2.0, 2.0),
        ("2*-x", 3.0, -6.0),
        ("-x*2+1", 3.0, -5.0),
        ("x+2*x^2", 3.0, 21.0),
        ("--x", 3.0, 3.0),
        ("+x", 3.0, 3.0),
        ("sin(x+2+3)", 0.5, -0.705_540_325_570_391_9),
        ("min(max(x,1),max(2,x-9))", 5.0, 2.0),
        ("1.5e1*x+.5", 2.0, 30.5),
        ("e*x", 1.0, std::f64::consts::E),
        ("(((x)))", 4.0, 4.0),
        ("x**2", 3.0, 9.0),
    ] {
        let found = parser::parse(text).expect("grammatical").dual(x).0;
        assert!((found - value).abs() < 1e-14 * value.abs(), "{text} at {x}: {found}");
    }
}

#[test]
fn every_function_has_the_slope_of_its_graph() {
    for name in function_names() {
        // Two arguments: both sides of the smaller and the larger.
        let inside = match name {
            "ln" | "log" | "log2" | "log10" | "sqrt" | "log1p" => "2+tanh(x)",
            "asin" | "acos" | "atanh" => "0.9*tanh(x)",
            "tan" => "tanh(x)",
            "acosh" | "cbrt" => "2+x^2",
            "min" | "max" => "sin(x),0.3*x",
            _ => "0.8*x+0.1",
        };
        let expression = parse(&format!("{name}({inside})"));
        for i in 0..60 {
            let x = -2.97 + 0.1 * f64::from(i);
            let h = 1e-5;
            if expression.breakpoints().iter().any(|at| (at - x).abs() < 2.0 * h) {
                continue;
            }
            let at = |x: f64| expression.value_and_derivative(x).0;
            let difference = (at(x + h) - at(x - h)) / (2.0 * h);
            let slope = expression.value_and_derivative(x).1;
            assert!(
                (slope - difference).abs() < 1e-8 * (1.0 + slope.abs()),
                "{name} at {x}: {slope} {difference}"
            );
        }
    }
}

#[test]
fn kinks_and_jumps_are_found_where_they_are() {
    let pi = std::f64::consts::PI;
    for (text, expected) in [
        ("abs(x)+0*x", vec![(0.0, 0.0, 2.0)]),
        ("abs(x-pi)", vec![(pi, 0.0, 2.0)]),
        ("sign(x-1)", vec![(1.0, 2.0, 0.0)]),
        ("max(x,0)+max(x-0.001,0)", vec![(0.0, 0.0, 1.0), (0.001, 0.0, 1.0)]),
        ("abs(abs(x)-1)", vec![(-1.0, 0.0, 2.0), (0.0, 0.0, -2.0), (1.0, 0.0, 2.0)]),
        ("10*x^2+0.001*abs(x)", vec![(0.0, 0.0, 0.002)]),
        ("1000*tanh(x)+abs(x-1)", vec![(1.0, 0.0, 2.0)]),
        ("exp(-abs(x))", vec![(0.0, 0.0, -2.0)]),
        ("max(x-30.7,0)", vec![(30.7, 0.0, 1.0)]),
        // Steep, but smooth.
        ("tanh(50*x)", vec![]),
        ("tanh(1e5*x)", vec![]),
        ("sin(100*x)", vec![]),
        ("x^3+tanh(20*x)", vec![]),
        ("exp(-x^2)", vec![]),
    ] {
        let kinks = parse(text).kinks().to_vec();
        assert_eq!(kinks.len(), expected.len(), "{text}: {kinks:?}");
        for (kink, (at, value_jump, slope_jump)) in kinks.iter().zip(expected) {
            assert!((kink.at - at).abs() <= 1e-14 * at.abs(), "{text}: {kink:?}");
            assert!((kink.value_jump - value_jump).abs() < 1e-12, "{text}: {kink:?}");
            assert!((kink.slope_jump - slope_jump).abs() < 1e-9, "{text}: {kink:?}");
        }
    }
    // Vertical tangents, and joints of curvature.
    for text in ["sqrt(abs(x))", "cbrt(x)", "sqrt(abs(x-pi))"] {
        assert!(
            matches!(parse(text).kinks(), [kink] if kink.slope_jump == f64::INFINITY),
            "{text}"
        );
    }
    for text in ["x*abs(x)", "max(x,0)^2", "elu(x)+x", "abs(x)^1.5"] {
        let expression = parse(text);
        assert_eq!((expression.kinks(), expression.breakpoints()), (&[][..], &[0.0][..]), "{text}");
    }
}

#[test]
fn the_length_scale_follows_the_sharpest_bend() {
    for (text, scale, tolerance) in [
        ("tanh(x)+0", 1.0, 0.01),
        ("tanh(20*x)", 0.05, 0.01),
        ("tanh(1000*x)", 0.001, 0.01),
        ("x^3+tanh(20*x)", 0.05, 0.01),
        ("sin(3*x)", 2.598 / 3.0, 0.01),
        ("tanh(1e5*x)", 1e-5, 0.8),
    ] {
        let found = parse(text).length_scale();
        assert!((found / scale - 1.0).abs() < tolerance, "{text}: {found}");
    }
    for polynomial in ["x^2", "max(x,0)^2", "abs(x)+x^2"] {
        assert_eq!(parse(polynomial).length_scale(), f64::INFINITY, "{polynomial}");
    }
}

#[test]
fn ranges_are_found() {
    for (text, low, high) in [
        ("exp(-x^2)", 0.0, 1.0),
        ("x*exp(-x)^0+sin(x)*0", f64::NEG_INFINITY, f64::INFINITY),
        ("log(1+x^2)", 0.0, f64::INFINITY),
        ("1-1/(1+abs(x))", 0.0, 1.0),
        ("x*exp(-x^2/2)", -0.606_530_659_712_633_4, 0.606_530_659_712_633_4),
        ("3*sin(x)-1", -4.0, 2.0),
        ("x*sin(x)", f64::NEG_INFINITY, f64::INFINITY),
    ] {
        let (found_low, found_high) = parse(text).range();
        for (found, exact) in [(found_low, low), (found_high, high)] {
            assert!(found == exact || (found - exact).abs() < 1e-9, "{text}: {found} {exact}");
        }
    }
}

#[test]
fn functions_unfit_as_activations_are_refused_with_the_place() {
    for (text, place) in [
        ("log(x)", 0.0),
        ("1/x", 0.0),
        ("sin(x)/x", 0.0),
        ("1/(x-1)", 1.0),
        ("1/(x-1)^2", 1.0),
        ("1/(x+0.3)^3", -0.3),
        ("1/(x-pi)", std::f64::consts::PI),
        ("log(abs(x))", 0.0),
    ] {
        match error(text) {
            ActivationError::NotFinite { at, .. } => {
                assert!((at - place).abs() < 1e-12, "{text}: {at}");
            }
            other => panic!("{text}: {other}"),
        }
    }
    for text in ["sqrt(x)", "tan(x)", "x^0.5", "x^x", "asin(x)", "1/(x^2-2)", "1/cos(x)"] {
        assert!(
            matches!(error(text), ActivationError::NotFinite { .. }),
            "{text}: {}",
            error(text)
        );
    }
    for text in ["exp(x^2)", "exp(0.001*x^2)", "sinh(x^3)", "x*exp(x^2/2)", "exp(exp(x))"] {
        assert!(
            matches!(error(text), ActivationError::InfiniteMoments { .. }),
            "{text}: {}",
            error(text)
        );
    }
    for fine in ["exp(x)", "sinh(x)", "x^7", "x-640", "exp(abs(x)^1.5)"] {
        parse(fine);
    }
    for text in ["2", "pi*e", "cos(2)"] {
        assert!(matches!(error(text), ActivationError::Constant { .. }), "{text}");
    }
    for text in ["relu(sin(100*x))", "sin(exp(x))"] {
        assert!(matches!(error(text), ActivationError::TooRough { .. }), "{text}");
    }
}

#[test]
fn grammar_errors_point_at_the_place() {
    for (text, at) in [
        ("2x", 2),
        ("tanh(x", 7),
        ("x+", 3),
        ("x)", 2),
        ("x y", 3),
        ("x + é", 5),
        ("(x", 3),
        ("x*(1+)", 6),
        ("tanh x", 6),
        ("1e400*x", 1),
        ("x\0", 2),
        ("x,x", 2),
        ("1.2.3*x", 4),
    ] {
        match error(text) {
            ActivationError::Syntax { position, .. } => assert_eq!(position, at, "{text}"),
            other => panic!("{text}: {other}"),
        }
    }
    assert_eq!(
        error("x*sinn(x)").to_string(),
        "unknown function `sinn` at character 3; did you mean `sin`?"
    );
    assert!(matches!(error("x*y"), ActivationError::UnknownVariable { position: 3, .. }));
    assert!(matches!(error("max(x)"), ActivationError::ArgumentCount { takes: 2, got: 1, .. }));
    assert!(matches!(error("sin(x,x)"), ActivationError::ArgumentCount { takes: 1, got: 2, .. }));
    assert!(matches!(error("sin()+x"), ActivationError::ArgumentCount { got: 0, .. }));
}

#[test]
fn hostile_texts_are_refused_without_harm() {
    let many = "(".repeat(10_000);
    assert!(matches!(error(&many), ActivationError::TooLong { .. }));
    let deep = format!("{}x{}", "(".repeat(400), ")".repeat(400));
    assert!(matches!(error(&deep), ActivationError::TooDeep { .. }));
    assert!(matches!(error(&format!("{}x", "-".repeat(900))), ActivationError::TooDeep { .. }));
    assert!(matches!(error(&"x^".repeat(400)), ActivationError::TooDeep { .. }));
    let tall = format!("{}x{}", "x+(".repeat(40), ")".repeat(40));
    assert!(matches!(error(&tall), ActivationError::TooDeep { .. }));
    let long = vec!["x"; 499].join("+");
    assert_eq!(parse(&long).value_and_derivative(2.0), (998.0, 499.0));
    for text in
        ["\u{202e}x", "x\u{0}", "👍(x)", "ﬁ(x)", "x\u{301}", "\\", "{x}", "x;rm", "'", "\u{feff}x"]
    {
        let message = text.parse::<Activation>().expect_err(text).to_string();
        assert!(message.chars().all(|c| !c.is_control()), "{message:?}");
    }
}

/// A random expression: its text with parentheses only where the grammar needs them, and its value by direct
/// evaluation of the tree.
#[derive(Debug, Clone)]
enum Tree {
    X,
    Number(u32),
    Negate(Box<Tree>),
    Call(&'static str, fn(f64) -> f64, Box<Tree>),
    Binary(char, Box<Tree>, Box<Tree>),
}

impl Tree {
    fn value(&self, x: f64) -> f64 {
        match self {
            Self::X => x,
            Self::Number(n) => f64::from(*n) / 8.0,
            Self::Negate(a) => -a.value(x),
            Self::Call(_, f, a) => f(a.value(x)),
            Self::Binary(op, a, b) => {
                let (a, b) = (a.value(x), b.value(x));
                match op {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    '/' => a / b,
                    _ => a.powf(b),
                }
            }
        }
    }

    fn strength(&self) -> u8 {
        match self {
            Self::Binary('+' | '-', ..) => 1,
            Self::Binary('*' | '/', ..) => 2,
            Self::Negate(_) => 3,
            Self::Binary(..) => 4,
            _ => 5,
        }
    }

    /// In parentheses if it binds less than `needed`.
    fn text(&self, needed: u8) -> String {
        let bare = match self {
            Self::X => "x".to_owned(),
            Self::Number(n) => format!("{}", f64::from(*n) / 8.0),
            Self::Negate(a) => format!("-{}", a.text(3)),
            Self::Call(name, _, a) => format!("{name}({})", a.text(0)),
            Self::Binary(op, a, b) => {
                let own = self.strength();
                // Powers group from the right and take a sign there; the others group from the left.
                let (left, right) = if *op == '^' { (5, 3) } else { (own, own + 1) };
                let right = if *op == '^' && b.strength() == 3 { 3 } else { right.max(own.min(4)) };
                format!("{}{op}{}", a.text(left), b.text(right))
            }
        };
        if self.strength() < needed { format!("({bare})") } else { bare }
    }
}

type Unary = (&'static str, fn(f64) -> f64);

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![Just(Tree::X), (0_u32..100).prop_map(Tree::Number)];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let unary: Vec<Unary> =
            vec![("sin", f64::sin), ("tanh", f64::tanh), ("abs", f64::abs), ("exp", f64::exp)];
        prop_oneof![
            inner.clone().prop_map(|a| Tree::Negate(Box::new(a))),
            (proptest::sample::select(unary), inner.clone()).prop_map(|((name, f), a)| Tree::Call(
                name,
                f,
                Box::new(a)
            )),
            (proptest::sample::select(vec!['+', '-', '*', '/', '^']), inner.clone(), inner)
                .prop_map(|(op, a, b)| Tree::Binary(op, Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    /// The program computes what the tree means, whatever the parentheses left out.
    #[test]
    fn parsing_inverts_printing(tree in trees(), x in -3.0_f64..3.0) {
        let text = tree.text(0);
        let program = parser::parse(&text);
        prop_assert!(program.is_ok(), "{text}: {program:?}");
        let found = program.map_or(f64::NAN, |p| p.dual(x).0);
        let expected = tree.value(x);
        prop_assert!(
            found == expected || (found.is_nan() && expected.is_nan()),
            "{text} at {x}: {found} {expected}"
        );
    }

    /// Whatever is accepted is finite where it was promised to be, and reads back from its own text.
    #[test]
    fn accepted_expressions_keep_their_promises(tree in trees(), x in -40.0_f64..40.0) {
        if let Ok(expression) = Expression::parse(&tree.text(0)) {
            prop_assert!(!expression.value_and_derivative(x).1.is_nan(), "{}", expression.text());
            prop_assert_eq!(&Expression::parse(expression.text())?, &expression);
            let (low, high) = expression.range();
            prop_assert!(low <= high);
        }
    }

    /// Any text: an activation or an error that can be shown.
    #[test]
    fn no_text_does_harm(text in "\\PC{0,40}") {
        if let Err(error) = text.parse::<Activation>() {
            prop_assert!(!error.to_string().is_empty() && !error.hint().is_empty());
        }
    }

    #[test]
    fn no_expression_like_text_does_harm(text in "[x0-9e.+*/^(),a-z -]{0,60}") {
        let _ = text.parse::<Activation>();
    }

    /// Any bit pattern through any activation.
    #[test]
    fn no_float_does_harm(bits: u64, a: u64, b: u64) {
        let (x, a, b) = (f64::from_bits(bits), f64::from_bits(a), f64::from_bits(b));
        for entry in crate::spec::activation::VOCABULARY {
            let count = entry.parameters.len();
            if let Ok(activation) = entry.with_parameters(&[a, b][..count]) {
                let (value, slope) = activation.value_and_derivative(x);
                prop_assert!(!x.is_nan() || (value.is_nan() && slope.is_nan()));
                prop_assert_eq!(activation.to_string().parse::<Activation>()?, activation);
            }
        }
    }
}
