//! Published values, finite differences, extreme logits, and the model that has biases alone.

use super::*;

const LOGITS: [f64; 4] = [1.0, 2.0, 0.5, -1.0];

fn loss(text: &str) -> Loss {
    text.parse().unwrap()
}

fn evaluate(loss: &Loss, logits: &[f64], label: usize) -> (f64, Vec<f64>) {
    let mut gradient = vec![f64::NAN; logits.len()];
    let value = loss.evaluate(&Row::new(logits.iter().copied()), label, &mut gradient);
    (value, gradient)
}

/// Every loss with parameters that are not its defaults, plain and smoothed.
fn every_loss() -> Vec<Loss> {
    let mut all: Vec<Loss> = VOCABULARY.iter().map(|entry| loss(entry.name)).collect();
    for text in [
        "focal(0.5)",
        "focal(0)",
        "gce(0.3)",
        "sce(6,0.1)",
        "nfl(2)",
        "nce_rce(10,0.1)",
        "anl_fl(1,2,0,2)",
        "agce(1.8,3)",
        "agce(1,0.5)",
        "blurry(0.1)",
        "blurry(0.6)",
        "blurry(0)",
        "piecewise_zero(0)",
        "piecewise_zero(0.2)",
    ] {
        all.push(loss(text));
    }
    let smoothed: Vec<Loss> =
        all.iter().map(|loss| loss.clone().with_label_smoothing(0.2).unwrap()).collect();
    all.extend(smoothed);
    all
}

/// docs/theory/losses.md, section 2: six decimals.
#[test]
fn values_and_gradients_of_the_table() {
    let table: &[(&str, usize, f64, [f64; 4])] = &[
        ("ce", 1, 0.495182, [0.224208, -0.390540, 0.135989, 0.030343]),
        ("focal(2)", 0, 0.899880, [-0.870434, 0.683810, 0.152579, 0.034045]),
        ("blurry(0.3)", 0, 0.954749, [-0.273176, 0.214607, 0.047885, 0.010685]),
        ("blurry(0.3)", 3, 1.224865, [-0.003815, -0.010370, -0.002314, 0.016499]),
        ("blurry(0.5)", 1, 0.386578, [0.131697, -0.229399, 0.079879, 0.017823]),
        ("blurry(0.5)", 0, 0.707977, [-0.092720, 0.072841, 0.016253, 0.003627]),
        ("blurry(0.5)", 3, 0.608836, [-0.029198, -0.079367, -0.017709, 0.126274]),
        ("blurry(0.5,detach_weight)", 3, 0.608836, [0.039055, 0.106164, 0.023688, -0.168907]),
        ("piecewise_zero(0.05)", 3, 0.0, [0.0; 4]),
        ("mae", 0, 0.775792, [-0.173939, 0.136646, 0.030490, 0.006803]),
        ("gce(0.7)", 0, 0.926971, [-0.272396, 0.213994, 0.047748, 0.010654]),
        ("sce(0.1,1)", 0, 7.294828, [-1.679614, 1.319499, 0.294420, 0.065694]),
        ("nce", 0, 0.199871, [-0.100949, 0.043054, 0.030363, 0.027531]),
        ("nce_rce(1,1)", 3, 9.398094, [0.099075, 0.161994, 0.084667, -0.345736]),
        ("nnce", 0, 0.743420, [-0.013148, 0.004221, 0.004439, 0.004488]),
        ("agce(6,1.5)", 0, 1.994587, [-0.433949, 0.340909, 0.076067, 0.016973]),
    ];
    for (text, label, value, gradient) in table {
        let found = evaluate(&loss(text), &LOGITS, *label);
        assert!((found.0 - value).abs() < 6e-7, "{text}: {} vs {value}", found.0);
        for (found, expected) in found.1.iter().zip(gradient) {
            assert!((found - expected).abs() < 6e-7, "{text}: {found} vs {expected}");
        }
    }
}

/// `w(p)` of the same source, four decimals.
#[test]
fn weights_of_the_table() {
    let at = [0.01_f64, 0.05, 0.1, 0.3, 0.5, 0.9];
    let table: &[(&str, [f64; 6])] = &[
        ("blurry(0.1)", [0.3404, 0.5191, 0.6114, 0.7798, 0.8684, 0.9791]),
        ("blurry(0.3)", [-0.0958, 0.0412, 0.1550, 0.4452, 0.6433, 0.9383]),
        ("blurry(0.5)", [-0.1303, -0.1113, -0.0478, 0.2180, 0.4620, 0.8987]),
        ("focal(2)", [1.0713, 1.1871, 1.2245, 0.9957, 0.5966, 0.0290]),
        ("gce(0.7)", [0.0398, 0.1228, 0.1995, 0.4305, 0.6156, 0.9289]),
    ];
    for (text, weights) in table {
        for (p, expected) in at.iter().zip(weights) {
            let found = loss(text).weight(p.ln()).unwrap();
            assert!((found - expected).abs() < 6e-5, "{text} at {p}: {found} vs {expected}");
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_values() {
    use crate::math::stream::{Purpose, Seed, Stream};
    let mut worst: f64 = 0.0;
    for (number, loss) in every_loss().iter().enumerate() {
        for (size, classes) in (0_u32..).zip([2_usize, 3, 5, 10, 40]) {
            let stream = Stream::new(Seed(3), number as u64, size, Purpose::Test);
            let mut logits = vec![0.0; classes];
            stream.fill_normal_f64(0, &mut logits);
            for logit in &mut logits {
                *logit *= 2.0;
            }
            let label = (number + size as usize) % classes;
            let (_, gradient) = evaluate(loss, &logits, label);
            let mut row = Row::new(logits.iter().copied());
            // The jump of the piecewise-zero loss has no slope.
            if let LossKind::PiecewiseZero(cut) = loss.kind()
                && row.probabilities().iter().any(|p| (p / cut.c.max(1e-9)).ln().abs() < 1e-3)
            {
                continue;
            }
            for (k, slope) in gradient.into_iter().enumerate() {
                let mut at = |h: f64| {
                    row.set(
                        logits.iter().enumerate().map(|(j, z)| if j == k { z + h } else { *z }),
                    );
                    loss.evaluate(&row, label, &mut vec![0.0; classes])
                };
                let step = 1e-4;
                let difference = (8.0 * (at(step) - at(-step))
                    - (at(2.0 * step) - at(-2.0 * step)))
                    / (12.0 * step);
                let error = (slope - difference).abs() / (1.0 + difference.abs());
                worst = worst.max(error);
                assert!(error < 1e-9, "{loss}, class {k}: {slope} vs {difference}");
            }
        }
    }
    assert!(worst > 0.0);
}

/// With the weight detached the gradient is that of the weight times the cross-entropy, the weight held.
#[test]
fn a_detached_weight_is_a_constant() {
    let blurry = evaluate(&loss("blurry(0.4,detach_weight)"), &LOGITS, 2).1;
    let gce = evaluate(&loss("gce(0.4)"), &LOGITS, 2).1;
    for (a, b) in blurry.iter().zip(&gce) {
        assert!((a - b).abs() < 1e-15, "{a} vs {b}");
    }
    let p: f64 = Row::new(LOGITS).p(2);
    let focal = evaluate(&loss("focal(3,detach_weight)"), &LOGITS, 2).1;
    for (a, b) in focal.iter().zip(evaluate(&Loss::CROSS_ENTROPY, &LOGITS, 2).1) {
        assert!((a - (1.0 - p).powi(3) * b).abs() < 1e-15);
    }
    assert!(loss("ce").with_detached_weight().is_err());
}

#[test]
fn extreme_logits_give_numbers() {
    let rows: [&[f64]; 8] = [
        &[1e4, -1e4, 0.0],
        &[-1e4, 1e4, 1e4],
        &[1e4, 1e4, 1e4],
        &[-1e4, -1e4, 1e4],
        &[40.0, 0.0, 0.0],
        &[800.0, 0.0, -800.0],
        &[3e38, -3e38, 0.0],
        &[0.0, 1e-300, -1e-300],
    ];
    for loss in every_loss() {
        for row in rows {
            for label in 0..3 {
                let (value, gradient) = evaluate(&loss, row, label);
                // Squares of 3e38 are in range too: f64.
                assert!(value.is_finite(), "{loss} at {row:?}, {label}: {value}");
                assert!(gradient.iter().all(|g| g.is_finite()), "{loss} at {row:?}: {gradient:?}");
                let total: f64 = gradient.iter().sum();
                let size: f64 = gradient.iter().map(|g| g.abs()).sum();
                let moved = !matches!(loss.kind(), LossKind::LogitMse);
                assert!(!moved || total.abs() <= 1e-12 * (1.0 + size), "{loss}: sums to {total}");
            }
        }
    }
    assert_eq!(evaluate(&loss("blurry(0.3)"), &[1e4, 0.0], 1).0, 0.0);
}

/// Updates of a model that has one bias per class, `db = -.05 G`: the share of the favoured class after so many steps.
///
/// G is the mean over balanced labels of the gradient rows; the reference values come from the formula in π.
#[test]
fn a_model_of_biases_alone_follows_the_published_trajectories() {
    let from = |start: f64, text: &str, expected: [f64; 3]| {
        let loss = loss(text);
        let mut bias = [((1.0 - start) / 9.0_f64).ln(); 10];
        bias[0] = start.ln();
        let (mut row, mut gradient) = (Row::default(), [0.0; 10]);
        let mut done = 0;
        for (steps, expected) in [200, 1000, 4000].into_iter().zip(expected) {
            while done < steps {
                row.set(bias.iter().copied());
                let mut force = [0.0; 10];
                for label in 0..10 {
                    loss.evaluate(&row, label, &mut gradient);
                    for (sum, g) in force.iter_mut().zip(&gradient) {
                        *sum += g / 10.0;
                    }
                }
                for (b, force) in bias.iter_mut().zip(force) {
                    *b -= 0.05 * force;
                }
                done += 1;
            }
            row.set(bias.iter().copied());
            let found = row.p(0);
            assert!((found - expected).abs() < 6e-5, "{text} from {start}: {found} vs {expected}");
        }
    };
    from(0.9, "ce", [0.1883, 0.1009, 0.1]);
    from(0.9, "focal(2)", [0.1588, 0.1003, 0.1]);
    from(0.9, "gce(0.7)", [0.8696, 0.6059, 0.1542]);
    from(0.9, "mae", [0.9, 0.9, 0.9]);
    from(0.9, "blurry(0.1)", [0.3873, 0.1139, 0.1]);
    from(0.9, "blurry(0.2)", [0.8635, 0.2964, 0.1070]);
    from(0.9, "blurry(0.25)", [0.9431, 0.9995, 1.0]);
    from(0.9, "blurry(0.3)", [0.9642, 0.9997, 1.0]);
    from(0.9, "pz(0.05)", [0.9091, 0.9338, 0.9678]);
    from(0.3, "blurry(0.28)", [0.2899, 0.2572, 0.1960]);
    from(0.3, "blurry(0.3)", [0.3043, 0.3223, 0.4182]);
    from(0.3, "pz(0.05)", [0.1369, 0.1005, 0.1]);
    from(0.3, "pz(0.1)", [0.4602, 0.7918, 0.9497]);
}

#[test]
fn text_reads_back_and_slips_are_named() {
    for loss in every_loss() {
        assert_eq!(loss.to_string().parse::<Loss>().unwrap(), loss, "{loss}");
    }
    assert_eq!(loss("BL( g = 0.3 )"), loss("blurry(0.3)"));
    assert_eq!(loss("ce(label_smoothing=0.1)").to_string(), "cross_entropy(label_smoothing=0.1)");
    for (text, expected) in [
        ("blury(0.3)", "did you mean `blurry`"),
        ("", "unknown loss"),
        ("blurry(0.3", "does not end in `)`"),
        ("blurry(0.3,4)", "got more"),
        ("blurry(x)", "not a number"),
        ("blurry(nan)", "must be from 0"),
        ("gce(0)", "must be from 0.001"),
        ("blurry(gg=1)", "did you mean `g`"),
        ("mae(detach_weight)", "goes with focal and blurry"),
        ("ce(label_smoothing=1)", "in [0, 1)"),
        ("ce(1)", "takes no parameters"),
        ("blurry(detach_weight=2)", "true or false"),
    ] {
        let error = text.parse::<Loss>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for (text, expected) in [
        ("ce@dlay(3)", "did you mean `delay`"),
        ("ce@delay", "delay(EPOCHS)"),
        ("ce@ramp(3,1)", "START <= END"),
        ("ce@guard(2)", "from 0 to 1"),
        ("ce@delay(-1)", "from 0 to 1e6"),
    ] {
        let error = text.parse::<LossSchedule>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let guarded: LossSchedule = "pz(0.05)@guard(0.3)".parse().unwrap();
    assert_eq!((guarded.share(9.0, false), guarded.share(0.0, true)), (0.0, 1.0));
    let delayed: LossSchedule = "pz@delay(4)".parse().unwrap();
    assert_eq!((delayed.share(3.99, true), delayed.share(4.0, false)), (0.0, 1.0));
}

#[test]
fn samples_are_masked_and_reversed_where_the_theory_says() {
    let (blurry, cut) = (loss("blurry(0.3)"), loss("pz(0.05)"));
    assert_eq!(blurry.pull(0.036_f64.ln()), Pull::Towards);
    assert_eq!(blurry.pull(0.035_f64.ln()), Pull::Away);
    assert_eq!(blurry.pull(-1e30), Pull::Away);
    assert_eq!(
        (cut.pull(0.0501_f64.ln()), cut.pull(0.0499_f64.ln())),
        (Pull::Towards, Pull::Masked)
    );
    assert_eq!(loss("mae").pull(-1e5), Pull::Towards);
    assert_eq!(loss("blurry(0.3,detach_weight)").pull(-1e5), Pull::Towards);
    let backs_off = |text| loss(text).backs_off();
    assert!(
        backs_off("bl")
            && backs_off("pz")
            && !backs_off("bl(0)")
            && !backs_off("pz(0)")
            && !backs_off("ce")
    );
}
