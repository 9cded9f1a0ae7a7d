use super::*;

/// Central differences confirm every named derivative away from the breakpoints.
#[test]
fn derivatives_agree_with_central_differences() {
    for entry in VOCABULARY {
        let activation = entry.with_parameters(example(entry)).expect("the example is valid");
        for i in 0..400 {
            let x = -9.97 + 0.05 * f64::from(i);
            // log_periodic bends on the scale of |x|.
            let h = 1e-5 * x.abs().min(1.0);
            if activation.breakpoints().iter().any(|at| (at - x).abs() < 2.0 * h) {
                continue;
            }
            let difference = (activation.value(x + h) - activation.value(x - h)) / (2.0 * h);
            let derivative = activation.derivative(x);
            let error = (derivative - difference).abs();
            // Truncation h²/6·φ''' and rounding ε/h, both below 1e-9 here.
            assert!(error < 1e-8 * (1.0 + derivative.abs()), "{activation} at {x}: {error:e}");
        }
    }
}

/// Parameters to test an entry with: none where it has defaults.
fn example(entry: &Entry) -> &'static [f64] {
    match entry.name {
        "leaky_relu" => &[0.1],
        "elu" | "celu" => &[1.7],
        "log_periodic" => &[0.99, 3.0],
        "gaussian_odd" => &[2.5],
        "gaussian_positive" => &[2.0],
        _ => &[],
    }
}

/// A name and four points (x, φ, φ').
type Reference = (&'static str, [(f64, f64, f64); 4]);

/// PyTorch's definitions in 30-digit arithmetic (mpmath).
const REFERENCE: [Reference; 14] = [
    (
        "elu(1.5)",
        [
            (-6.5, -1.4977448412105336, 0.0022551587894663587),
            (-1.25, -1.0702428047097148, 0.42975719529028515),
            (0.75, 0.75, 1.0),
            (3.5, 3.5, 1.0),
        ],
    ),
    (
        "selu",
        [
            (-6.5, -1.7554561453931989, 0.0026431954541779823),
            (-1.25, -1.254395446337865, 0.50370389450951182),
            (0.75, 0.78802574051661037, 1.0507009873554805),
            (3.5, 3.6774534557441817, 1.0507009873554805),
        ],
    ),
    (
        "celu(1.5)",
        [
            (-6.5, -1.4803144068945886, 0.013123728736940963),
            (-1.25, -0.84810268723938267, 0.43459820850707822),
            (0.75, 0.75, 1.0),
            (3.5, 3.5, 1.0),
        ],
    ),
    (
        "gelu",
        [
            (-6.5, -2.6104003795084266e-10, -1.6950517937572626e-9),
            (-1.25, -0.13206221708356907, -0.12266158306942212),
            (0.75, 0.58002948571734885, 0.9992257217392351),
            (3.5, 3.4991857982233757, 1.0028217603536246),
        ],
    ),
    (
        "gelu_tanh",
        [
            (-6.5, -6.2782587725914021e-13, -6.5834737677646346e-12),
            (-1.25, -0.1322857970302854, -0.12249263224964863),
            (0.75, 0.5799605551656203, 0.9989382561374143),
            (3.5, 3.4993838023446263, 1.0024226437601164),
        ],
    ),
    (
        "silu",
        [
            (-6.5, -0.009757684668790445, -0.0082418543489618307),
            (-1.25, -0.27837517353163607, 0.0063191550846875812),
            (0.75, 0.50938402438154473, 0.8425999444967535),
            (3.5, 3.3974071923702529, 1.0702733528277181),
        ],
    ),
    (
        "mish",
        [
            (-6.5, -0.0097650086920713296, -0.0082553536168061339),
            (-1.25, -0.30841396114152768, -0.014697562473019539),
            (0.75, 0.61001833521829339, 0.98575835571668806),
            (3.5, 3.4939907151175192, 1.0099393249951331),
        ],
    ),
    (
        "softplus",
        [
            (-6.5, 0.0015023101597542838, 0.0015011822567369915),
            (-1.25, 0.25192908134537289, 0.22270013882530885),
            (0.75, 1.1368710061148999, 0.67917869917539297),
            (3.5, 3.5297504182726206, 0.97068776924864368),
        ],
    ),
    (
        "sigmoid",
        [
            (-6.5, 0.0015011822567369915, 0.0014989287085690496),
            (-1.25, 0.22270013882530885, 0.17310478699249702),
            (0.75, 0.67917869917539297, 0.21789499376181403),
            (3.5, 0.97068776924864368, 0.02845302387973556),
        ],
    ),
    (
        "tanh",
        [
            (-6.5, -0.99999547935140419, 9.0412767553505711e-6),
            (-1.25, -0.8482836399575129, 0.28041486618043263),
            (0.75, 0.63514895238728732, 0.59658580828133143),
            (3.5, 0.99817789761119871, 0.0036408847204873061),
        ],
    ),
    (
        "erf",
        [
            (-6.5, -1.0, 5.0525800030626525e-19),
            (-1.25, -0.92290012825645823, 0.23652112244729079),
            (0.75, 0.71115563365351513, 0.64293106919520733),
            (3.5, 0.99999925690162766, 5.3994267773847825e-6),
        ],
    ),
    (
        "sin",
        [
            (-6.5, -0.21511998808781552, 0.9765876257280235),
            (-1.25, -0.94898461935558621, 0.31532236239526867),
            (0.75, 0.68163876002333417, 0.73168886887382089),
            (3.5, -0.35078322768961985, -0.93645668729079634),
        ],
    ),
    (
        "hard_swish",
        [
            (-6.5, 0.0, 0.0),
            (-1.25, -0.36458333333333333, 0.083333333333333333),
            (0.75, 0.46875, 0.75),
            (3.5, 3.5, 1.0),
        ],
    ),
    (
        "log_periodic(0.99,3)",
        [
            (-6.5, -5.2986488308029235, 1.4488520115556187),
            (-1.25, -1.5340658455706187, 2.1800098504548515),
            (0.75, 0.58366690866503937, 1.2791057443639591),
            (3.5, 2.891888447060292, 0.15894176731588618),
        ],
    ),
];

#[test]
fn values_agree_with_arbitrary_precision() {
    for (name, rows) in REFERENCE {
        let activation: Activation = name.parse().expect("in the vocabulary");
        for (x, value, slope) in rows {
            let found = activation.value_and_derivative(x);
            // Relative, so that the tails count: erfc(6.5/√2) turns a rounding of its argument into 40 of its own.
            let close = |a: f64, b: f64| (a - b).abs() <= 2e-14 * b.abs() + 1e-24;
            assert!(close(found.0, value), "{name}({x}) = {}", found.0);
            assert!(close(found.1, slope), "{name}'({x}) = {}", found.1);
        }
    }
}

/// The same functions spelt out in `x`, differentiated by dual numbers.
#[test]
fn spelt_out_expressions_agree_with_the_named_activations() {
    for (name, spelt_out) in [
        ("relu", "max(x,0)"),
        ("leaky_relu(0.1)", "max(x,0)+0.1*min(x,0)"),
        ("elu(1.5)", "max(x,0)+1.5*(exp(min(x,0))-1)"),
        ("celu(0.5)", "max(x,0)+0.5*(exp(min(x,0)/0.5)-1)"),
        ("selu", "1.0507009873554805*(max(x,0)+1.6732632423543772*(exp(min(x,0))-1))"),
        ("gelu", "x*(1+erf(x/sqrt(2)))/2"),
        ("gelu_tanh", "x*(1+tanh(sqrt(2/pi)*(x+0.044715*x^3)))/2"),
        ("silu", "x/(1+exp(-x))"),
        ("mish", "x*tanh(log(1+exp(x)))"),
        ("softplus", "log(1+exp(x))"),
        ("sigmoid", "1/(1+e^-x)"),
        ("tanh", "(exp(x)-exp(-x))/(exp(x)+exp(-x))"),
        ("hard_tanh", "min(max(x,-1),1)"),
        ("hard_swish", "x*min(max(x+3,0),6)/6"),
        ("erf", "1-erfc(x)"),
        ("sin", "cos(x-pi/2)"),
        ("relu6", "min(max(x,0),6)"),
        ("squared_relu", "max(0,x)**2"),
        ("shifted_relu", "max(x,0)-1/sqrt(pi)"),
    ] {
        let named: Activation = name.parse().expect("in the vocabulary");
        let expression: Activation = spelt_out.parse().expect("a valid expression");
        assert!(matches!(expression, Activation::Expression(_)), "{spelt_out}");
        for i in 0..400 {
            let x = -9.983 + 0.05 * f64::from(i);
            let (value, slope) = named.value_and_derivative(x);
            let (spelt_value, spelt_slope) = expression.value_and_derivative(x);
            // The spelt-out forms cancel: 1e-13 allows for sums of terms up to 10.
            let close = |a: f64, b: f64| (a - b).abs() < 1e-13 * (1.0 + b.abs());
            assert!(close(spelt_value, value) && close(spelt_slope, slope), "{spelt_out} at {x}");
        }
        assert_eq!(expression.parity(), named.parity(), "{spelt_out}");
        let kinks = (expression.kinks(), named.kinks());
        assert_eq!(kinks.0.len(), kinks.1.len(), "{spelt_out}: {kinks:?}");
        for (found, exact) in kinks.0.iter().zip(&kinks.1) {
            assert!((found.at - exact.at).abs() < 1e-12, "{spelt_out}: {kinks:?}");
            assert!((found.slope_jump - exact.slope_jump).abs() < 1e-8, "{spelt_out}: {kinks:?}");
            assert!((found.value_jump - exact.value_jump).abs() < 1e-12, "{spelt_out}: {kinks:?}");
        }
        let breakpoints = (expression.breakpoints(), named.breakpoints());
        assert_eq!(breakpoints.0.len(), breakpoints.1.len(), "{spelt_out}: {breakpoints:?}");
        let (found, exact) = (expression.range(), named.range());
        for (found, exact) in [(found.0, exact.0), (found.1, exact.1)] {
            assert!(found == exact || (found - exact).abs() < 1e-6, "{spelt_out}: {found} {exact}");
        }
        assert_eq!(
            expression.homogeneity().is_some(),
            named.homogeneity().is_some(),
            "{spelt_out}"
        );
        assert_eq!(
            expression.piecewise_linear().map(|pieces| pieces.len()),
            named.piecewise_linear().map(|pieces| pieces.len()),
            "{spelt_out}"
        );
    }
}

/// Declared shapes hold for the function itself.
#[test]
fn declared_properties_hold() {
    for entry in VOCABULARY {
        let activation = entry.with_parameters(example(entry)).expect("the example is valid");
        let (low, high) = activation.range();
        let (mut lowest, mut highest) = (f64::INFINITY, f64::NEG_INFINITY);
        for i in -40_000..=40_000 {
            let x = 1e-3 * f64::from(i) + 1e-7;
            let value = activation.value(x);
            (lowest, highest) = (lowest.min(value), highest.max(value));
            match activation.parity() {
                Parity::Odd => assert_eq!(activation.value(-x), -value, "{activation} at {x}"),
                Parity::Even => assert_eq!(activation.value(-x), value, "{activation} at {x}"),
                Parity::Neither => {}
            }
            if let Some(slopes) = activation.homogeneity() {
                let slope = if x > 0.0 { slopes.positive_slope } else { slopes.negative_slope };
                assert!((value - slope * x).abs() <= 1e-15 * value.abs(), "{activation} at {x}");
            }
            if let Some(pieces) = activation.piecewise_linear() {
                let piece = pieces.iter().rev().find(|piece| piece.start < x).expect("from -∞");
                let line = piece.slope * x + piece.intercept;
                assert!((value - line).abs() <= 1e-15 * (1.0 + value.abs()), "{activation} at {x}");
            }
        }
        assert!(lowest >= low && highest <= high, "{activation}: {lowest} {highest}");
        assert!(low.is_infinite() || lowest - low < 1e-6, "{activation}: {lowest} > {low}");
        assert!(high.is_infinite() || high - highest < 1e-6, "{activation}: {highest} < {high}");
        for kink in activation.kinks() {
            let step = 1e-7;
            let (left, right) = (
                activation.value_and_derivative(kink.at - step),
                activation.value_and_derivative(kink.at + step),
            );
            assert!((right.0 - left.0 - kink.value_jump).abs() < 1e-6, "{activation}: {kink:?}");
            assert!((right.1 - left.1 - kink.slope_jump).abs() < 1e-6, "{activation}: {kink:?}");
        }
    }
}

/// PyTorch's autograd at the kinks.
#[test]
fn derivatives_at_kinks_follow_pytorch() {
    for (name, x, slope) in [
        ("relu", 0.0, 0.0),
        ("leaky_relu(0.1)", 0.0, 0.1),
        ("abs", 0.0, 0.0),
        ("elu(2)", 0.0, 2.0),
        ("celu(2)", 0.0, 1.0),
        ("hard_tanh", 1.0, 0.0),
        ("hard_tanh", -1.0, 0.0),
        ("relu6", 0.0, 0.0),
        ("relu6", 6.0, 0.0),
        ("hard_swish", -3.0, 0.0),
        ("hard_swish", 3.0, 1.0),
        ("sign", 0.0, 0.0),
    ] {
        let activation: Activation = name.parse().expect("in the vocabulary");
        assert_eq!(activation.derivative(x), slope, "{name} at {x}");
    }
}

#[test]
fn extreme_arguments_give_limits_and_nan_gives_nan() {
    for entry in VOCABULARY {
        let activation = entry.with_parameters(example(entry)).expect("the example is valid");
        let (value, slope) = activation.value_and_derivative(f64::NAN);
        assert!(value.is_nan() && slope.is_nan(), "{activation}");
        for x in [1e300, -1e300, 1e-300, -0.0] {
            let (value, slope) = activation.value_and_derivative(x);
            let overflows = activation == Activation::SquaredRelu && x > 1e200;
            assert!(value.is_finite() || overflows, "{activation}({x:e}) = {value}");
            assert!(slope.is_finite() || overflows, "{activation}'({x:e}) = {slope}");
        }
        // sin and log_periodic have no limit at infinity.
        if !matches!(activation, Activation::Sin | Activation::LogPeriodic { .. }) {
            let (value, slope) = activation.value_and_derivative(f64::NEG_INFINITY);
            assert!(!value.is_nan() && !slope.is_nan(), "{activation}(-∞) = {value}, {slope}");
        }
    }
}

#[test]
fn the_canonical_text_reads_back() {
    for entry in VOCABULARY {
        let activation = entry.with_parameters(example(entry)).expect("the example is valid");
        let text = activation.to_string();
        assert_eq!(text.parse::<Activation>().as_ref(), Ok(&activation), "{text}");
        let json = serde_json::to_string(&activation).expect("a string");
        assert_eq!(json, format!("\"{text}\""));
        let back: Activation = serde_json::from_str(&json).expect("reads back");
        assert_eq!(back, activation);
        for alias in entry.aliases {
            assert_eq!(text::find(alias).map(|found| found.name), Some(entry.name), "{alias}");
        }
        assert_eq!(VOCABULARY.iter().filter(|other| other.name == entry.name).count(), 1);
    }
    for (given, canonical) in [
        ("ReLU", "relu"),
        ("LeakyReLU(0.2)", "leaky_relu(0.2)"),
        ("leaky_relu(0.01)", "leaky_relu"),
        ("leaky_relu(1/4)", "leaky_relu(0.25)"),
        (" Elu( 2.0 ) ", "elu(2)"),
        ("celu(1e-30)", "celu(1e-30)"),
        ("swish", "silu"),
        ("tanh()", "tanh"),
        ("tanh(x)", "tanh"),
        ("x", "linear"),
        ("shifted_relu", "shifted_relu"),
        ("log_periodic(0.5, 2*pi)", "log_periodic(0.5,6.283185307179586)"),
        ("x * sigmoid( 1.702 *x)", "x*sigmoid(1.702*x)"),
        ("tanh(2*x)**2", "tanh(2*x)^2"),
    ] {
        let activation: Activation = given.parse().expect("valid");
        assert_eq!(activation.to_string(), canonical);
        assert_eq!(canonical.parse::<Activation>(), Ok(activation));
    }
}

#[test]
fn mistakes_are_named_with_a_way_out() {
    let error = |text: &str| text.parse::<Activation>().expect_err(text);
    for (typo, meant) in [
        ("gellu", "gelu"),
        ("rellu", "relu"),
        ("leakyrelu_", "leaky_relu"),
        ("sigmod", "sigmoid"),
        ("hardtan", "hard_tanh"),
        ("softplu", "softplus"),
    ] {
        match error(typo) {
            ActivationError::UnknownName { suggestion, .. } => {
                assert_eq!(suggestion, Some(meant), "{typo}");
            }
            other => panic!("{typo}: {other}"),
        }
        assert!(error(typo).to_string().contains(meant) && error(typo).hint().contains("mish"));
    }
    for text in [
        "leaky_relu(inf)",
        "leaky_relu(nan)",
        "celu(0)",
        "celu(-1)",
        "log_periodic(0,1)",
        "log_periodic(1.5,1)",
        "log_periodic(1,0)",
    ] {
        assert!(matches!(error(text), ActivationError::ParameterDomain { .. }), "{text}");
    }
    for text in ["relu(1)", "leaky_relu(1,2)", "log_periodic(1)", "log_periodic"] {
        assert!(matches!(error(text), ActivationError::ParameterCount { .. }), "{text}");
        assert!(!error(text).hint().is_empty());
    }
    assert_eq!(error("  "), ActivationError::Empty);
    assert_eq!(error("celu(-1)").to_string(), "`alpha` of `celu` must be finite and > 0, got -1");
}
