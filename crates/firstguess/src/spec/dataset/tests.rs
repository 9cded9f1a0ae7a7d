//! Data sets: what is refused, and what each operation leaves.

use super::*;

fn flat(features: usize, inputs: &[f32]) -> Dataset {
    Dataset::new("test", Shape::flat(features).unwrap(), inputs.to_vec()).unwrap()
}

/// Five examples of two features, one of each class.
fn five() -> Dataset {
    let inputs: Vec<f32> = (0..10_u8).map(f32::from).collect();
    flat(2, &inputs).with_labels(vec![0, 1, 2, 3, 4], 5).unwrap()
}

/// Uneven values without structure: a linear congruential sequence scaled to [0, 1), squared and offset.
fn rough(shape: Shape, examples: usize) -> Dataset {
    let mut state = 12_345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        to_f32(0.3 + (f64::from(state >> 8) / f64::from(1 << 24)).powi(2))
    };
    let inputs = (0..examples * shape.size()).map(|_| next()).collect();
    Dataset::new("rough", shape, inputs).unwrap()
}

#[test]
fn ill_formed_sets_are_refused_with_the_place() {
    let shape = Shape::flat(2).unwrap();
    assert_eq!(Dataset::new("x", shape, vec![]), Err(DatasetError::Empty));
    assert_eq!(
        Dataset::new("x", shape, vec![0.0; 3]),
        Err(DatasetError::Length { values: 3, shape })
    );
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = Dataset::new("x", shape, vec![0.0, 1.0, 2.0, bad]).unwrap_err();
        assert!(matches!(error, DatasetError::NotFinite { example: 1, feature: 1, .. }), "{error}");
    }
    let data = flat(2, &[0.0; 4]);
    let labelled = |labels: &[u32], classes| data.clone().with_labels(labels.to_vec(), classes);
    assert_eq!(labelled(&[0], 1), Err(DatasetError::LabelCount { labels: 1, examples: 2 }));
    assert_eq!(labelled(&[0, 2], 2), Err(DatasetError::Label { example: 1, label: 2, classes: 2 }));
    assert_eq!(labelled(&[0, 0], 0), Err(DatasetError::Classes { classes: 0 }));
    assert!(labelled(&[0, 0], MAX_CLASSES).is_ok());
    assert!(labelled(&[0, 0], MAX_CLASSES + 1).is_err());
}

#[test]
fn take_and_subset_keep_inputs_and_labels_together() {
    let data = five();
    assert_eq!((data.examples(), data.features(), data.classes()), (5, 2, 5));
    assert_eq!(data.row(4), Some(&[8.0, 9.0][..]));
    assert_eq!(data.row(5), None);
    assert_eq!(data.row(usize::MAX), None);
    let first = data.take(2).unwrap();
    assert_eq!((first.inputs(), first.labels()), (&[0.0, 1.0, 2.0, 3.0][..], Some(&[0, 1][..])));
    assert_eq!(first.classes(), 5); // classes without examples stay classes
    assert_eq!(data.take(99).unwrap(), data);
    assert_eq!(data.take(0), Err(DatasetError::Empty));
    let chosen = data.subset(&[3, 3, 0]).unwrap();
    assert_eq!(chosen.inputs(), [6.0, 7.0, 6.0, 7.0, 0.0, 1.0]);
    assert_eq!(chosen.labels(), Some(&[3, 3, 0][..]));
    assert_eq!(data.subset(&[5]), Err(DatasetError::Index { index: 5, examples: 5 }));
    assert_eq!(data.subset(&[]), Err(DatasetError::Empty));
}

#[test]
fn classes_are_selected_in_the_order_named() {
    let data = five();
    let two = data.select_classes(&[4, 1]).unwrap();
    assert_eq!(two.inputs(), [2.0, 3.0, 8.0, 9.0]);
    assert_eq!((two.labels(), two.classes()), (Some(&[1, 0][..]), 2));
    assert_eq!(two.class_counts(), [1, 1]);
    assert_eq!(data.select_classes(&[5]), Err(DatasetError::UnknownClass { class: 5, classes: 5 }));
    assert_eq!(data.select_classes(&[1, 1]), Err(DatasetError::RepeatedClass { class: 1 }));
    assert_eq!(data.select_classes(&[]), Err(DatasetError::Empty));
    let unlabelled = flat(1, &[0.0]);
    assert!(matches!(unlabelled.select_classes(&[0]), Err(DatasetError::Unlabelled { .. })));
    assert_eq!(unlabelled.class_counts(), Vec::<usize>::new());
}

#[test]
fn two_classes_by_parity_or_by_groups() {
    let parity = five().binarize(&Binarize::Parity).unwrap();
    assert_eq!((parity.labels(), parity.classes()), (Some(&[0, 1, 0, 1, 0][..]), 2));
    let groups = Binarize::Groups { zero: vec![3, 0], one: vec![2] };
    let grouped = five().binarize(&groups).unwrap();
    assert_eq!(grouped.labels(), Some(&[0, 1, 0][..]));
    assert_eq!(grouped.inputs(), [0.0, 1.0, 4.0, 5.0, 6.0, 7.0]);
    let overlap = Binarize::Groups { zero: vec![0], one: vec![0] };
    assert_eq!(five().binarize(&overlap), Err(DatasetError::RepeatedClass { class: 0 }));
    let text = serde_json::to_string(&groups).unwrap();
    assert_eq!(text, r#"{"groups":{"zero":[3,0],"one":[2]}}"#);
    assert_eq!(serde_json::to_string(&Binarize::Parity).unwrap(), r#""odd_even""#);
    assert_eq!(serde_json::from_str::<Binarize>(r#""parity""#).unwrap(), Binarize::Parity);
}

/// Each choice leaves mean 0 and variance 1 in the groups it names, and in no finer ones.
#[test]
fn standardize_acts_on_the_groups_it_names() {
    let data = rough(Shape::image(2, 3, 3).unwrap(), 50);
    // Mean and variance of the features that `keep` names, straight from the definition.
    let moments = |data: &Dataset, keep: &dyn Fn(usize) -> bool| {
        let values: Vec<f64> = data
            .inputs()
            .iter()
            .enumerate()
            .filter(|(i, _)| keep(i % 18))
            .map(|(_, &x)| f64::from(x))
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64)
    };
    let standard =
        |(mean, variance): (f64, f64)| mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6;

    let global = data.standardize(Standardize::Global).unwrap();
    assert!(standard(moments(&global, &|_| true)));
    assert!(!standard(moments(&global, &|f| f < 9)));
    let channel = data.standardize(Standardize::Channel).unwrap();
    assert!(standard(moments(&channel, &|f| f < 9)));
    assert!(standard(moments(&channel, &|f| f >= 9)));
    assert!(!standard(moments(&channel, &|f| f == 0)));
    let feature = data.standardize(Standardize::Feature).unwrap();
    assert!((0..18).all(|wanted| standard(moments(&feature, &|f| f == wanted))));
    assert_eq!(data.standardize(Standardize::None).unwrap(), data);
    // A vector is one channel.
    let vector = rough(Shape::flat(7).unwrap(), 20);
    assert_eq!(vector.standardize(Standardize::Channel), vector.standardize(Standardize::Global));
}

/// 0.1 has no exact binary form: a mean of many of them may be rounded, their differences must not be blown up.
#[test]
fn constant_features_become_zero_not_noise() {
    let inputs: Vec<f32> = (0..1001_u16).flat_map(|i| [0.1, f32::from(i)]).collect();
    let data = flat(2, &inputs).standardize(Standardize::Feature).unwrap();
    assert!(data.inputs().iter().step_by(2).all(|&x| x == 0.0));
    assert!((data.second_moment() - 0.5).abs() < 1e-6);
    let one = flat(3, &[5.0, -7.0, 0.0]);
    for how in [Standardize::Feature, Standardize::Channel, Standardize::Global] {
        assert!(one.standardize(how).unwrap().inputs().iter().all(|x| x.is_finite()));
    }
    assert_eq!(one.standardize(Standardize::Feature).unwrap().inputs(), [0.0; 3]);
}

/// The extremes of f32 stay finite: the sums are f64.
#[test]
fn standardize_survives_the_ends_of_the_range() {
    for scale in [f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1)] {
        let data = flat(1, &[scale, -scale, scale, -scale]);
        for how in [Standardize::Feature, Standardize::Global] {
            assert_eq!(data.standardize(how).unwrap().inputs(), [1.0, -1.0, 1.0, -1.0]);
        }
    }
}

/// Pixels from 0 to 255 become pixels from 0 to 1; the test part goes by the ends of the training part, and may lie outside.
#[test]
fn unit_range_maps_the_ends_of_the_set_it_was_fitted_to() {
    let train = flat(2, &[0.0, 255.0, 51.0, 102.0]);
    let same = train.standardize(Standardize::UnitRange).unwrap();
    assert_eq!(same.inputs(), [0.0, 1.0, 0.2, 0.4]);
    let scale = Standardizer::fit(&train, Standardize::UnitRange);
    assert_eq!(scale.apply(&flat(2, &[-51.0, 510.0])).unwrap().inputs(), [-0.2, 2.0]);
    let shifted = flat(1, &[-3.0, 5.0, 1.0]).standardize(Standardize::UnitRange).unwrap();
    assert_eq!(shifted.inputs(), [0.0, 1.0, 0.5]);
    assert_eq!(flat(2, &[7.0; 4]).standardize(Standardize::UnitRange).unwrap().inputs(), [0.0; 4]);
    let extreme = flat(1, &[f32::MAX, -f32::MAX]).standardize(Standardize::UnitRange).unwrap();
    assert_eq!(extreme.inputs(), [1.0, 0.0]);
}

#[test]
fn offset_compares_the_mean_with_the_spread() {
    // Mean (2, 4): |mean|² = 20; variances 1 and 4.
    let data = flat(2, &[1.0, 2.0, 3.0, 6.0]);
    assert_eq!(data.mean_input(), [2.0, 4.0]);
    assert_eq!(data.offset(), Ok(4.0));
    assert_eq!(data.second_moment(), 12.5);
    assert!(matches!(flat(2, &[1.0, 2.0]).offset(), Err(DatasetError::NoSpread { .. })));
    // tr Σ + |x̄|² = features · m₂ ties the three together on any data.
    let rough = rough(Shape::flat(11).unwrap(), 40);
    let length: f64 = rough.mean_input().iter().map(|m| m * m).sum();
    let spread = 11.0 * rough.second_moment() - length;
    assert!((rough.offset().unwrap() / (length / spread) - 1.0).abs() < 1e-12);
}

/// Centred features of variance 1, shifted by s, have γ₁ = s².
#[test]
fn a_shift_makes_its_square_the_offset() {
    let shape = Shape::flat(11).unwrap();
    let centred = rough(shape, 40).standardize(Standardize::Feature).unwrap();
    assert!(centred.offset().unwrap() < 1e-12);
    for s in [0.5, 1.0, -8.0] {
        let offset = centred.shifted(s).unwrap().offset().unwrap();
        assert!((offset / (s * s) - 1.0).abs() < 1e-5, "shift {s}: offset {offset}");
    }
    assert!(matches!(centred.shifted(f64::NAN), Err(DatasetError::NotFinite { .. })));
    assert!(matches!(centred.shifted(1e39), Err(DatasetError::NotFinite { .. })));
}

#[test]
fn names_in_a_spec_are_snake_case() {
    for (how, name) in [
        (Standardize::None, "\"none\""),
        (Standardize::Global, "\"global\""),
        (Standardize::Channel, "\"channel\""),
        (Standardize::Feature, "\"feature\""),
    ] {
        assert_eq!(serde_json::to_string(&how).unwrap(), name);
        assert_eq!(serde_json::from_str::<Standardize>(name).unwrap(), how);
    }
}
