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
        _ => &[],
    }
}
