//! The toy case of docs/theory/losses.md in every intermediate, and the corners of each method.

use super::confident::ConfidentLearning;
use super::margins::{self, Margins, margin};
use super::*;
use crate::math::stream::Seed;

const TOY: [[f64; 3]; 14] = [
    [0.80, 0.15, 0.05],
    [0.70, 0.20, 0.10],
    [0.20, 0.75, 0.05],
    [0.60, 0.30, 0.10],
    [0.10, 0.80, 0.10],
    [0.15, 0.70, 0.15],
    [0.85, 0.10, 0.05],
    [0.05, 0.90, 0.05],
    [0.05, 0.15, 0.80],
    [0.10, 0.20, 0.70],
    [0.75, 0.05, 0.20],
    [0.05, 0.25, 0.70],
    [0.30, 0.40, 0.30],
    [0.34, 0.33, 0.33],
];
const TOY_LABELS: [u32; 14] = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0];

fn toy() -> Probabilities {
    Probabilities::new(3, TOY.concat(), TOY_LABELS.to_vec()).unwrap()
}

fn flagged(data: &Probabilities, method: Method) -> Vec<usize> {
    let flags = data.flag(&data.confident_learning(), method, &Pruning::default());
    (0..flags.len()).filter(|&i| flags[i]).collect()
}

#[test]
fn the_toy_case_in_every_intermediate() {
    let data = toy();
    let learning = data.confident_learning();
    for (threshold, wanted) in learning.thresholds.iter().zip([0.528, 0.625, 0.540]) {
        assert!((threshold.unwrap() - wanted).abs() < 1e-12, "{threshold:?}");
    }
    let confident: Vec<i64> = learning.confident.iter().map(|k| k.map_or(-1, i64::from)).collect();
    assert_eq!(confident, [0, 0, 1, 0, 1, 1, 0, 1, 2, 2, 0, 2, -1, -1]);
    assert_eq!(learning.joint, [[3, 1, 0], [1, 3, 0], [1, 0, 3]]);
    assert_eq!(learning.calibrated, [[4, 1, 0], [1, 3, 0], [1, 0, 4]]);
    assert_eq!(learning.label_counts, [5, 4, 5]);
    assert!((learning.estimated_error_rate() - 3.0 / 14.0).abs() < 1e-15);
    assert_eq!(Pruning::default().counts(&learning), [[4, 1, 1], [1, 3, 0], [0, 0, 4]]);
    for method in Method::ALL {
        let wanted: &[usize] =
            if method == Method::PredictedNeqGiven { &[2, 6, 10, 12] } else { &[2, 6, 10] };
        assert_eq!(flagged(&data, method), wanted, "{method}");
    }
    let flags = data.flag(&learning, Method::Both, &Pruning::default());
    assert_eq!(data.rank(&flags, Ranking::SelfConfidence), [6, 2, 10]);
    // Margins (.10 - .85, .20 - .75, .20 - .75): of equals the earlier first.
    assert_eq!(data.rank(&flags, Ranking::NormalizedMargin), [6, 2, 10]);
    let (low, high) = data.row_sums();
    assert!((low - 1.0).abs() < 1e-15 && (high - 1.0).abs() < 1e-15);
}

/// A class without labels has no threshold, draws no example to itself, and loses none.
#[test]
fn a_class_without_examples_is_out_of_reach() {
    let values = [0.7, 0.2, 0.1, 0.6, 0.3, 0.1, 0.1, 0.1, 0.8, 0.2, 0.7, 0.1, 0.1, 0.8, 0.1];
    let data = Probabilities::new(3, values.to_vec(), vec![0, 0, 0, 1, 1]).unwrap();
    let learning = data.confident_learning();
    assert_eq!(learning.thresholds[2], None);
    assert_eq!(learning.joint[2], [0, 0, 1]);
    assert_eq!(learning.calibrated, [[3, 0, 0], [0, 2, 0], [0, 0, 0]]);
    assert_eq!(Pruning::default().counts(&learning)[2][2], 1);
    assert_eq!(flagged(&data, Method::ConfidentLearning), [0_usize; 0]);
    assert_eq!(flagged(&data, Method::PredictedNeqGiven), [2]);
}

/// Rows of zeros are confident of nothing; a threshold of zero is lifted above what counts as equal.
#[test]
fn rows_of_zeros_are_never_flagged() {
    let data = Probabilities::new(2, vec![0.0; 8], vec![0, 0, 1, 1]).unwrap();
    let learning = data.confident_learning();
    assert_eq!(learning.thresholds, [Some(2e-6); 2]);
    assert!(learning.confident.iter().all(Option::is_none));
    for method in Method::ALL {
        assert_eq!(flagged(&data, method), [0_usize; 0], "{method}");
    }
    assert_eq!(data.row_sums(), (0.0, 0.0));
}

/// The label wins where another class is ahead by less than 1e-6.
#[test]
fn a_lead_below_the_tolerance_flags_nobody() {
    let at = |lead: f64| {
        let rows = vec![0.5 - lead, 0.5 + lead, 0.1, 0.9];
        flagged(&Probabilities::new(2, rows, vec![0, 1]).unwrap(), Method::PredictedNeqGiven)
    };
    assert_eq!(at(4e-7), [0_usize; 0]);
    assert_eq!(at(1e-6), [0]);
}

#[test]
fn raised_diagonals_are_paid_by_the_others_of_the_column() {
    let learning = ConfidentLearning {
        thresholds: vec![Some(0.5); 3],
        confident: vec![],
        joint: vec![],
        calibrated: vec![vec![1, 4, 2], vec![0, 5, 0], vec![0, 0, 0]],
        label_counts: vec![7, 5, 0],
    };
    let keep = |n| Pruning { min_examples_per_class: n, noise_fraction: 1.0 }.counts(&learning);
    assert_eq!(keep(1), [[1, 0, 0], [4, 5, 0], [2, 0, 1]]);
    // Two more for class 0: one from each of 4 and 2; half of three each, rounded down, for three more.
    assert_eq!(keep(3), [[3, 0, 0], [3, 5, 0], [1, 0, 3]]);
    assert_eq!(keep(4), [[4, 0, 0], [2, 5, 0], [0, 0, 4]]);
    let half = Pruning { min_examples_per_class: 1, noise_fraction: 0.5 }.counts(&learning);
    assert_eq!(half, [[4, 0, 0], [2, 5, 0], [1, 0, 1]]);
}

#[test]
fn inputs_that_are_no_probabilities_are_refused_with_the_place() {
    let new = |classes, values: &[f64], labels: &[u32]| {
        Probabilities::new(classes, values.to_vec(), labels.to_vec()).unwrap_err().to_string()
    };
    assert!(new(1, &[1.0], &[0]).contains("at least 2 columns"));
    assert!(new(2, &[], &[]).contains("no examples"));
    assert!(new(2, &[0.5; 3], &[0]).contains("do not fill"));
    assert!(new(2, &[0.5; 4], &[0]).contains("1 labels for 2 rows"));
    assert!(new(2, &[0.5; 4], &[0, 2]).contains("label 2 of example 1"));
    for bad in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
        let message = new(2, &[0.5, 0.5, 0.5, bad], &[0, 1]);
        assert!(message.contains("class 1 for example 1"), "{message}");
    }
    let truth = Detection::against_truth(&[false], &[0], &[5], 2).unwrap_err().to_string();
    assert!(truth.contains("true label 5"), "{truth}");
}

#[test]
fn methods_have_names_and_slips_a_suggestion() {
    for method in Method::ALL {
        assert_eq!(method.name().parse::<Method>(), Ok(method));
        assert_eq!(serde_json::to_value(method).unwrap(), method.name());
    }
    assert_eq!("prune-by-class".parse::<Method>(), Ok(Method::PruneByClass));
    let error = "prune_by_clas".parse::<Method>().unwrap_err().to_string();
    assert!(error.contains("did you mean `prune_by_class`"), "{error}");
}

#[test]
fn detection_is_none_where_it_has_no_value() {
    let nothing = Detection::new(&[false, false], &[false, false]);
    assert_eq!((nothing.f1(), nothing.precision(), nothing.recall()), (None, None, None));
    assert_eq!((nothing.specificity(), nothing.balanced_accuracy()), (Some(1.0), None));
    // 2 of 3 wrong ones found, 1 false alarm among 5 right ones.
    let flags = [true, true, false, true, false, false, false, false];
    let wrong = [true, true, true, false, false, false, false, false];
    let found = Detection::new(&flags, &wrong);
    assert_eq!(found.f1(), Some(2.0 / 3.0));
    assert_eq!(found.balanced_accuracy(), Some(f64::midpoint(2.0 / 3.0, 0.8)));
}

/// The two examples of the AUM library's README.
#[test]
fn areas_are_means_of_margins_over_visits() {
    assert_eq!(margin(&[0.5, -1.0, 2.0], 0), -1.5);
    assert!(margin(&[0.5], 0).is_nan() && margin(&[0.5, 1.0], 2).is_nan());
    let mut margins = Margins::new(3);
    for (example, value) in [(0, 1.26), (1, 1.77), (0, 1.15), (1, 0.52), (9, 1.0)] {
        margins.record(example, value);
    }
    let areas = margins.areas();
    assert!((areas[0].unwrap() - 1.205).abs() < 1e-12);
    assert!((areas[1].unwrap() - 1.145).abs() < 1e-12);
    assert_eq!(areas[2], None);
}

#[test]
fn threshold_samples_of_two_runs_are_disjoint_and_as_many_as_a_class() {
    let sets: Vec<Vec<usize>> =
        (0..12).map(|run| margins::threshold_samples(1000, 10, run, Seed(3))).collect();
    assert!(sets[..11].iter().all(|set| set.len() == 90 && set.is_sorted()));
    let mut all: Vec<usize> = sets.concat();
    all.sort_unstable();
    all.dedup();
    // ⌊1000/11⌋ = 90: eleven disjoint sets, and no twelfth.
    assert_eq!((all.len(), sets[11].len()), (990, 0));
    assert_eq!(sets[0], margins::threshold_samples(1000, 10, 0, Seed(3)));
    assert_ne!(sets[0], margins::threshold_samples(1000, 10, 0, Seed(4)));
    assert_eq!([margins::threshold_sets(1000, 10), margins::threshold_sets(10, 10)], [11, 0]);
    assert!(margins::threshold_samples(10, 10, 0, Seed(0)).is_empty());
}

/// Of 200 threshold samples two (1 %) may lie above an example that is let be; the third largest decides.
#[test]
fn an_example_is_flagged_below_the_top_percent_of_the_threshold_samples() {
    let mut areas: Vec<Option<f64>> = (0..200_u8).map(|i| Some(f64::from(i))).collect();
    areas.extend([Some(196.5), Some(197.0), Some(198.5), None]);
    let samples: Vec<usize> = (0..200).collect();
    let run = margins::flag(&areas, &samples);
    assert_eq!(run.threshold, Some(197.0));
    assert_eq!(run.flagged[200..], [Some(true), Some(false), Some(false), None]);
    assert!(run.flagged[..200].iter().all(Option::is_none));
    let without = margins::flag(&areas, &[]);
    assert!(without.threshold.is_none() && without.flagged.iter().all(Option::is_none));
    // In the second run 201 is a threshold sample: only the first run counts for it.
    let second = margins::flag(&areas, &[201]);
    let share = margins::flagged_share(&[run, second]);
    assert_eq!(share[200..], [Some(1.0), Some(0.0), Some(0.0), None]);
    assert_eq!(share[0], Some(1.0));
}
