//! Every finding fires where it should, with its severity, and is silent where it should be: on real draws of small networks.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::collections::BTreeSet;

use firstguess::finding::{Case, RULES, Severity, judge};
use firstguess::math::stream::Seed;
use firstguess::measure::{Options, run};
use firstguess::report::{Report, Style, in_ascii};
use firstguess::spec::experiment::{DataSpec, MeasureSpec};
use firstguess::spec::{Architecture, InitScheme, Spec};
use firstguess::theory::predict::{InputStatistics, predict};

/// A perceptron on independent normal inputs.
#[derive(Debug, Clone, Copy)]
struct Net {
    activation: &'static str,
    init: &'static str,
    depth: usize,
    width: usize,
    shift: f64,
}

const fn net(activation: &'static str, init: &'static str, depth: usize, width: usize) -> Net {
    Net { activation, init, depth, width, shift: 0.0 }
}

impl Net {
    fn spec(self) -> Spec {
        let data = format!(
            r#"{{ "synthetic": "gaussian", "features": 64, "classes": 10, "samples": 200, "shift": {} }}"#,
            self.shift
        );
        let data: DataSpec = serde_json::from_str(&data).unwrap();
        let init: InitScheme = serde_json::from_str(self.init).unwrap();
        Spec {
            name: "case".to_owned(),
            data,
            init,
            network: Architecture::mlp(
                &self.activation.parse().unwrap(),
                self.depth,
                self.width,
                10,
            ),
            measure: MeasureSpec { seed: 3, draws: 8, ..MeasureSpec::default() },
        }
    }

    fn check(self) -> Report {
        let spec = self.spec();
        let data = spec.data.synthesize(3).unwrap();
        let report = firstguess::check(&spec, &data, &mut ()).unwrap();
        legible(&report);
        report
    }
}

/// At any width, in colour or in ASCII: nothing sticks out, nothing is lost.
fn legible(report: &Report) {
    for width in [80, 110] {
        let plain = report.to_terminal(Style { width, color: false, unicode: true });
        for line in plain.lines() {
            assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
        }
        let ascii = report.to_terminal(Style { width, color: false, unicode: false });
        assert!(ascii.is_ascii() && !ascii.contains('?'), "{ascii}");
        let color = report.to_terminal(Style { width, color: true, unicode: true });
        assert_eq!(without_color(&color), plain);
        for finding in &report.findings {
            assert!(plain.contains(finding.id) && !finding.evidence.is_empty(), "{}", finding.id);
            assert!(
                finding.severity == Severity::Note || finding.remedy.is_some(),
                "{}",
                finding.id
            );
        }
    }
}

fn without_color(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\x1b');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        plain.push_str(part.split_once('m').unwrap().1);
    }
    plain
}

const HE: &str = r#"{ "scheme": "he_normal" }"#;
const TORCH: &str = r#"{ "scheme": "torch_default" }"#;
const CRITICAL: &str = r#"{ "scheme": "critical", "bias_variance": 0.05 }"#;
const LECUN: &str = r#"{ "scheme": "lecun_normal" }"#;

/// Finding, severity, where it fires, where it does not.
fn cases() -> Vec<(&'static str, Severity, Net, Net)> {
    use Severity::{Error, Note, Warning};
    let fine = net("relu", HE, 6, 128);
    let neutral = net("tanh", LECUN, 2, 128);
    let wide = r#"{ "scheme": "explicit", "weight_variance": 10000.0 }"#;
    let hot = r#"{ "scheme": "explicit", "weight_variance": 9.0 }"#;
    let cold = r#"{ "scheme": "explicit", "weight_variance": 0.3 }"#;
    let nothing = r#"{ "scheme": "explicit", "weight_variance": 0.0, "bias_variance": 0.1 }"#;
    let absurd = r#"{ "scheme": "explicit", "weight_variance": 1000000.0 }"#;
    vec![
        ("frozen-bias", Error, net("relu", TORCH, 12, 64), fine),
        ("blind-loss", Note, net("relu", TORCH, 12, 64), net("relu", HE, 12, 128)),
        ("biased-start", Note, net("relu", HE, 12, 128), neutral),
        ("exploding-gradients", Error, net("tanh", hot, 20, 64), net("tanh", CRITICAL, 10, 128)),
        ("vanishing-gradients", Error, net("tanh", cold, 20, 64), net("tanh", CRITICAL, 10, 128)),
        ("constant-output", Error, net("relu", nothing, 2, 32), fine),
        ("dead-units", Error, net("max(x-4,0)", LECUN, 2, 64), fine),
        ("saturated-units", Error, net("tanh", wide, 2, 64), neutral),
        ("input-offset", Warning, Net { shift: 1.0, ..fine }, fine),
        ("narrow-network", Warning, net("relu", HE, 20, 20), fine),
        ("non-finite", Error, net("relu", absurd, 20, 64), fine),
        (
            "unstable-variance",
            Warning,
            net("silu", CRITICAL, 4, 128),
            net("tanh", CRITICAL, 4, 128),
        ),
    ]
}

#[test]
fn each_finding_fires_and_stays_silent() {
    let mut seen: BTreeSet<&str> = BTreeSet::from(["disagreement"]);
    for (id, severity, fires, silent) in cases() {
        let report = fires.check();
        let found = report.findings.iter().find(|finding| finding.id == id);
        let ids: Vec<&str> = report.findings.iter().map(|finding| finding.id).collect();
        let found = found.unwrap_or_else(|| panic!("{id} is missing for {fires:?}: {ids:?}"));
        assert_eq!(found.severity, severity, "{id}: {found:?}");
        let other = silent.check();
        assert!(other.findings.iter().all(|finding| finding.id != id), "{id} for {silent:?}");
        seen.insert(id);
    }
    // A named loss, or a model instead of a spec.
    let others = ["loss-unfit", "folded-batch-norm"];
    // Rules of weights in files stand behind the others and have tests of their own.
    let judged = RULES.iter().map(|rule| rule.id).take_while(|id| *id != "uninitialised-memory");
    let plain = judged.filter(|id| !others.contains(id));
    assert_eq!(seen, plain.collect(), "a finding without a case here");
}

/// A prediction that is made for other weights than are drawn.
#[test]
fn disagreement_fires_on_a_wrong_prediction_only() {
    let spec = net("tanh", CRITICAL, 6, 128).spec();
    let data = spec.data.synthesize(3).unwrap();
    let network = spec.network_for(&data).unwrap();
    let drawn = firstguess::layer_inits(&InitScheme::explicit(1.76, 0.05), &network).unwrap();
    let options = Options { gaussianity: false, ..Options::new(Seed(3), 32) };
    let measurement = run(&network, &drawn, &data, &options, &mut ()).unwrap();
    let found = |weight_variance: f64| {
        let init = InitScheme::explicit(weight_variance, 0.05);
        let inits = firstguess::layer_inits(&init, &network).unwrap();
        let prediction = predict(&network, &inits, InputStatistics::of(&data), 10);
        let case = Case {
            network: Some(&network),
            prediction: &prediction,
            measurement: &measurement,
            loss: None,
            model: None,
        };
        judge(&case).into_iter().find(|finding| finding.id == "disagreement")
    };
    let wrong = found(2.4).expect("thirty-six percent too much weight variance");
    assert_eq!(wrong.severity, Severity::Note);
    assert!(found(1.76).is_none());
}

#[test]
fn manual_pages_survive_ascii() {
    for rule in RULES {
        let page = in_ascii(&rule.page());
        assert!(page.is_ascii(), "{}", rule.id);
        assert!(!page.contains('?') || rule.page().contains('?'), "{}: {page}", rule.id);
    }
}
