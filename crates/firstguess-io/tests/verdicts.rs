//! The verdicts that the tool exists for, on the embedded digits.

#![expect(clippy::unwrap_used, reason = "a test helper may panic")]

use firstguess::finding::Severity;
use firstguess::report::{Report, Style};
use firstguess::spec::experiment::{DataSpec, MeasureSpec};
use firstguess::spec::{Architecture, InitScheme, Spec};
use firstguess_io::load_dataset;

fn check(activation: &str, depth: usize, width: usize, init: &str, draws: usize) -> Report {
    let init: InitScheme = serde_json::from_str(init).unwrap();
    let spec = Spec {
        name: format!("{activation} {depth}"),
        data: DataSpec { samples: Some(200), ..DataSpec::default() },
        init,
        network: Architecture::mlp(&activation.parse().unwrap(), depth, width, 10),
        measure: MeasureSpec { seed: 0, draws, ..MeasureSpec::default() },
    };
    let source = load_dataset("digits", None).unwrap();
    let data = spec.data.prepare(&source, spec.measure.seed).unwrap();
    let report = firstguess::check(&spec, &data, &mut ()).unwrap();
    // A rendering without a panic, whatever the numbers are.
    assert!(report.to_terminal(Style::default()).contains(activation));
    report
}

fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn relu_with_the_framework_default_is_frozen() {
    let report = check("relu", 20, 256, r#"{"scheme":"torch_default"}"#, 16);
    let loss = report.measurement.loss.cross_entropy.value;
    assert!((loss / 10.0_f64.ln() - 1.0).abs() < 0.01, "loss {loss}");
    assert!(report.measurement.prejudice.largest_share.value >= 0.95);
    assert_eq!(report.worst(), Some(Severity::Error));
    assert!(ids(&report).contains(&"frozen-bias") && ids(&report).contains(&"blind-loss"));
}

#[test]
fn he_relu_is_biased_at_the_edge_and_fine() {
    let report = check("relu", 20, 256, r#"{"scheme":"he_normal"}"#, 32);
    assert!(report.worst() < Some(Severity::Error), "{:?}", ids(&report));
    assert!(ids(&report).contains(&"biased-start"), "{:?}", ids(&report));
}

#[test]
fn tanh_at_the_edge_of_chaos_is_fine() {
    let report = check("tanh", 20, 256, r#"{"scheme":"critical","bias_variance":0.05}"#, 32);
    assert!(report.worst() <= Some(Severity::Note), "{:?}", ids(&report));
}

/// Gain 1.891, depth 50: the forward variance is perfectly stable, gradients grow by about 10^5.8.
#[test]
fn tanh_with_a_generous_gain_explodes_backward() {
    let report = check("tanh", 50, 256, r#"{"scheme":"lecun_normal","gain":1.891}"#, 16);
    assert_eq!(report.worst(), Some(Severity::Error));
    assert!(ids(&report).contains(&"exploding-gradients"), "{:?}", ids(&report));
    let decades = report.prediction.ln_gradient().unwrap() / std::f64::consts::LN_10;
    assert!((decades - 5.8).abs() < 0.2, "predicted {decades}");
}
