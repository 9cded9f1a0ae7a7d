use super::*;
use crate::advise::code::FRAMEWORKS;
use crate::advise::family::Family;
use crate::report::{Style, in_ascii};
use crate::spec::Shape;
use crate::spec::activation::Activation;
use crate::spec::experiment::{DataSpec, MeasureSpec};

fn asked(activation: &str, family: Family, depth: usize, width: usize, data: &str) -> Spec {
    let data: DataSpec = serde_json::from_str(data).unwrap();
    let shape = data.synthesize(0).unwrap().shape();
    let activation: Activation = activation.parse().unwrap();
    Spec {
        name: "asked".to_owned(),
        data,
        init: InitScheme::new("torch_default".parse().unwrap()),
        network: family.layers(&activation, [depth, width, 10], &shape).unwrap(),
        measure: MeasureSpec { draws: 6, ..MeasureSpec::default() },
    }
}

const CLOUD: &str = r#"{ "synthetic": "gaussian", "features": 32, "classes": 10, "samples": 80 }"#;

fn advice(spec: &Spec) -> Advice {
    let data = spec.data.synthesize(0).unwrap();
    let found = advise(spec, &data, Wishes { draws: 6, ..Wishes::default() }, &mut ()).unwrap();
    // At any width, in colour or in ASCII.
    for width in [80, 110] {
        let text = found.to_terminal(Style { width, color: false, unicode: true });
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    }
    assert!(in_ascii(&found.to_terminal(Style::default())).is_ascii());
    assert!(found.to_json()["recommended"]["objective"]["gradient"]["measured"].is_number());
    found
}

/// The framework's default dies over thirty layers of any of these; the advice lives.
#[test]
fn deep_perceptrons_become_trainable() {
    for activation in ["tanh", "relu", "gelu", "silu", "elu", "erf", "leaky_relu(0.2)"] {
        let found = advice(&asked(activation, Family::Mlp, 30, 128, CLOUD));
        assert!(!found.present().objective.trainable(), "{activation}");
        let best = found.recommended();
        assert!(best.id != "present", "{activation}");
        let after = best.objective.gradient.value();
        let before = found.present().objective.gradient.value();
        // The variance of narrow GELU and SiLU networks drifts: better by far is what can be had.
        if ["gelu", "silu"].contains(&activation) {
            assert!(after < 0.25 * before, "{activation}: {after} of {before}");
        } else {
            assert!(best.objective.gradient.met(), "{activation}: {:?}", best.objective);
        }
    }
}

/// The expected numbers: χ = π/(π - 1) per layer, over 19 layers e^7.3; and the bias goes.
#[test]
fn a_centred_relu_has_no_bias_and_gradients_explode_and_the_advice_says_so() {
    let found = advice(&asked("relu", Family::Mlp, 20, 256, CLOUD));
    let best = &found.recommended().objective;
    let centred = found.changes.iter().find(|change| change.id == "activation_centring").unwrap();
    let o = &centred.objective;
    assert!(o.largest_share.value() < best.largest_share.value() - 0.1, "{o:?}");
    let pi = std::f64::consts::PI;
    let expected = 19.0 * (pi / (pi - 1.0)).ln();
    // The head is drawn alike; what the mean field of a drifting mean adds is small.
    assert!((o.ln_gradient.unwrap() - expected).abs() < 1.5, "{o:?} {expected}");
    assert!(!o.trainable() && best.trainable());
    let notes = found.notes().join("\n");
    assert!(notes.contains("the bias goes and the gradients explode"), "{notes}");
    assert!(found.better_still().all(|change| change.id != "activation_centring"));
}

/// A global mean over 64 positions leaves each a 64th of the gradient's square, and there are 64: nothing is lost.
#[test]
fn a_pool_over_positions_is_no_loss_of_gradient() {
    let noise: DataSpec = serde_json::from_str(
        r#"{ "synthetic": "gaussian", "features": 64, "classes": 10, "samples": 60 }"#,
    )
    .unwrap();
    let pixels = noise.synthesize(0).unwrap().inputs().to_vec();
    let data = Dataset::new("noise", Shape::image(1, 8, 8).unwrap(), pixels).unwrap();
    let network = Family::Cnn.layers(&Activation::Tanh, [6, 16, 10], &data.shape()).unwrap();
    let spec = Spec { network, ..asked("tanh", Family::Mlp, 2, 8, CLOUD) };
    let found = advise(&spec, &data, Wishes { draws: 6, ..Wishes::default() }, &mut ()).unwrap();
    let delta = found.candidates.iter().find(|found| found.id == "orthogonal_critical").unwrap();
    // Delta-orthogonal kernels have no borders: theory loses nothing at all.
    assert!(delta.objective.gradient.predicted.unwrap() < 0.05, "{:?}", delta.objective);
    assert!(delta.objective.gradient.met(), "{:?}", delta.objective);
    let best = &found.recommended().objective;
    assert!(best.trainable() && !found.present().objective.trainable(), "{best:?}");
}

#[test]
fn what_is_critical_already_stays() {
    let mut spec = asked("relu", Family::Mlp, 12, 128, CLOUD);
    spec.init = InitScheme::new("he_normal".parse().unwrap());
    let found = advice(&spec);
    assert_eq!(found.recommended().id, "present");
    assert!(found.headline().starts_with("Keep"), "{}", found.headline());
    for id in ["critical", "he"] {
        let missing = found.unavailable.iter().find(|missing| missing.id == id).unwrap();
        assert_eq!(missing.reason, "the same as `present`");
    }
}

#[test]
fn residual_streams_are_scaled() {
    let image = r#"{ "synthetic": "gaussian", "features": 64, "classes": 10, "samples": 60 }"#;
    for family in [Family::Resnet, Family::PreLn] {
        let mut spec = asked("relu", family, 42, 32, image);
        spec.init = InitScheme::new("he_normal".parse().unwrap());
        let found = advice(&spec);
        let scaled = found.candidates.iter().find(|c| c.id == "residual_scaling").unwrap();
        let o = &scaled.objective;
        if family == Family::Resnet {
            assert!(o.gradient.value() < 1.5 && o.variance.value() < 3.0, "{o:?}");
            assert!(o.rank() < found.present().objective.rank());
        }
        let ends = scaled.layers.iter().filter(|layer| layer.weight_variance < 0.2).count();
        assert_eq!(ends, 20);
        assert!(found.unavailable.iter().any(|missing| missing.id == "critical"));
    }
}

#[test]
fn an_offset_of_the_inputs_is_seen_and_its_centring_offered() {
    let shifted = r#"{ "synthetic": "gaussian", "features": 32, "classes": 10, "samples": 80, "shift": 2.0 }"#;
    let found = advice(&asked("tanh", Family::Mlp, 6, 64, shifted));
    let centred = found.changes.iter().find(|change| change.id == "input_centring").unwrap();
    let share = |o: &Objective| o.largest_share.value();
    assert!(share(&centred.objective) < share(&found.recommended().objective) - 0.1);
    assert!(found.better_still().any(|change| change.id == "input_centring"));
}

#[test]
fn a_loss_that_cannot_correct_the_start_gets_a_warm_up() {
    let spec = asked("relu", Family::Mlp, 6, 64, CLOUD);
    let data = spec.data.synthesize(0).unwrap();
    let loss: LossSchedule = "blurry(0.6)".parse().unwrap();
    let wishes = Wishes { loss: Some(&loss), draws: 4 };
    let found = advise(&spec, &data, wishes, &mut ()).unwrap();
    let notes = found.notes().join("\n");
    assert!(notes.contains("train with blurry(0.6)@"), "{notes}");
}

#[test]
fn every_framework_has_source_text_for_every_recommendation() {
    for (activation, family) in [("tanh", Family::Mlp), ("relu", Family::Resnet)] {
        let found = advice(&asked(activation, family, 10, 32, CLOUD));
        for framework in FRAMEWORKS {
            for candidate in &found.candidates {
                let text = framework.snippet(candidate).unwrap();
                assert!(text.ends_with('\n') && text.contains("firstguess"), "{text}");
                assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
            }
        }
    }
}

/// Weibull weights are no framework's.
#[test]
fn laws_without_a_snippet_are_refused_with_a_way_out() {
    let found = advice(&asked("tanh", Family::Mlp, 5, 32, CLOUD));
    let pair = found.changes.iter().find(|change| change.id == "gaussian_pair").unwrap();
    let error = FRAMEWORKS[0].snippet(pair).unwrap_err();
    assert!(error.contains("firstguess init"), "{error}");
}
