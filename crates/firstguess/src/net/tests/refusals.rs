//! What cannot be computed is an error that says where.

use super::error::{NonFinite, Pass};
use super::*;

fn mlp(weight_variance: f64, depth: usize) -> (Network, Vec<LayerInit>) {
    let network = Architecture::mlp(&"linear".parse().unwrap(), depth, 16, 2)
        .resolve(&Shape::flat(4).unwrap())
        .unwrap();
    let layers = inits(&network, &InitScheme::explicit(weight_variance, 0.0));
    (network, layers)
}

#[test]
fn overflow_names_the_layer_where_it_began() {
    let (network, layers) = mlp(1e6, 40);
    let program = Program::new(&network, Record::Gradients);
    let weights: Weights = Weights::draw(&network, &layers, Seed(0), 0).unwrap();
    let mut tape = Tape::new(&program);
    let mut last = 0;
    let error =
        tape.forward(&weights, &[1.0; 8], Masks::Off, |view| last = view.index).unwrap_err();
    let NetError::NonFinite { pass, kind, index, found } = error.clone() else {
        panic!("{error:?}");
    };
    // 1000 per layer: the 13th is beyond 3e38. Layers before it were observed, it was not.
    assert_eq!((pass, kind.as_str(), found), (Pass::Forward, "dense", NonFinite::Infinity));
    assert!((12..=14).contains(&index) && last == index - 1, "{index} after {last}");
    assert!(error.to_string().contains("smaller weight variance"), "{error}");

    // No half-run state is left behind.
    assert!(tape.logits().is_empty());
    let error = tape.backward(&weights, &[1.0; 4], Wanted::default(), |_| {}).unwrap_err();
    assert!(matches!(error, NetError::NotRecorded(_)), "{error:?}");

    // In f64 the same network has room.
    let weights: Weights<f64> = Weights::draw(&network, &layers, Seed(0), 0).unwrap();
    let mut tape = Tape::new(&program);
    assert!(tape.forward(&weights, &[1.0; 8], Masks::Off, |_| {}).is_ok());
}

#[test]
fn gradients_that_overflow_name_their_layer_too() {
    let (network, layers) = mlp(1e6, 40);
    let program = Program::new(&network, Record::WeightGradients);
    let weights: Weights = Weights::draw(&network, &layers, Seed(0), 0).unwrap();
    let mut tape = Tape::new(&program);
    // A zero input stays zero: only the gradients grow.
    tape.forward(&weights, &[0.0; 8], Masks::Off, |_| {}).unwrap();
    let error = tape.backward(&weights, &[1.0; 4], Wanted::default(), |_| {}).unwrap_err();
    assert!(
        matches!(error, NetError::NonFinite { pass: Pass::Backward, index: 25..=30, .. }),
        "{error:?}"
    );
    let error = tape.backward(&weights, &[f32::NAN; 4], Wanted::default(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("NaN at `loss`"), "{error}");
}

#[test]
fn an_activation_outside_its_domain_is_named() {
    for (activation, found) in [("exp(x)", "infinity"), ("exp(x)-exp(x-1)", "NaN")] {
        let network = network(&format!(r#"[{{"dense":8}},"{activation}",{{"dense":2}}]"#), &[4]);
        let layers = inits(&network, &InitScheme::explicit(1e6, 0.0));
        let program = Program::new(&network, Record::Nothing);
        let weights: Weights = Weights::draw(&network, &layers, Seed(0), 0).unwrap();
        let error = Tape::new(&program)
            .forward(&weights, &[3.0; 4], Masks::Off, |_| {})
            .unwrap_err()
            .to_string();
        let expected = format!("gives {found} at `{activation}` after weight layer 1");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn inputs_weights_and_gradients_must_fit() {
    let (network, layers) = mlp(1.0, 3);
    let weights: Weights = Weights::draw(&network, &layers, Seed(0), 0).unwrap();
    let program = Program::new(&network, Record::Gradients);
    let mut tape = Tape::new(&program);
    for (input, expected) in [
        (vec![], "a positive multiple of 4"),
        (vec![0.0; 7], "a positive multiple of 4"),
        (vec![0.0, f32::NAN, 0.0, 0.0], "input value 1 is NaN"),
        (vec![f32::INFINITY; 4], "input value 0 is inf"),
    ] {
        let error = tape.forward(&weights, &input, Masks::Off, |_| {}).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let (deeper, _) = mlp(1.0, 4);
    for other in [&deeper, &super::network(r#"[{"dense":3},{"dense":3},{"dense":3}]"#, &[4])] {
        let other = Weights::zeros(other).unwrap();
        let error = tape.forward(&other, &[0.0; 4], Masks::Off, |_| {}).unwrap_err();
        assert!(matches!(error, NetError::Length { .. }), "{error:?}");
    }
    tape.forward(&weights, &[0.0; 4], Masks::Off, |_| {}).unwrap();
    let error = tape.backward(&weights, &[1.0; 3], Wanted::default(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("must have 2 values, got 3"), "{error}");
    let mut gradient = Weights::zeros(&network).unwrap();
    let wanted = Wanted { weights: Some(&mut gradient), input: false };
    let error = tape.backward(&weights, &[1.0; 2], wanted, |_| {}).unwrap_err();
    assert!(error.to_string().contains("Record::WeightGradients"), "{error}");

    let nothing = Program::new(&network, Record::Nothing);
    let mut tape = Tape::new(&nothing);
    tape.forward(&weights, &[0.0; 4], Masks::Off, |_| {}).unwrap();
    let error = tape.backward(&weights, &[1.0; 2], Wanted::default(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("Record::Gradients"), "{error}");

    let error = Weights::<f32>::draw(&network, &layers[1..], Seed(0), 0).unwrap_err();
    assert!(matches!(error, NetError::Length { found: 2, .. }), "{error:?}");
    let mut bad = layers;
    bad[1].weight_variance = f64::NAN;
    let error = Weights::<f32>::draw(&network, &bad, Seed(0), 0).unwrap_err();
    assert!(matches!(error, NetError::Sample { index: 2, .. }), "{error:?}");
}

#[test]
fn what_does_not_fit_in_memory_is_refused_before_it_is_allocated() {
    let wide = network(r#"[{"dense":1000000},{"dense":1000000},{"dense":2}]"#, &[10]);
    let error = Weights::<f32>::zeros(&wide).unwrap_err();
    assert!(error.to_string().contains("a draw of the weights needs 4000"), "{error}");

    let long = network(r#"[{"repeat":24000,"layers":[{"dense":1},"tanh"]}]"#, &[1]);
    let program = Program::new(&long, Record::WeightGradients);
    let weights: Weights = Weights::zeros(&long).unwrap();
    assert_eq!(program.bytes::<f32>(usize::MAX), u64::MAX);
    // 24 000 layers of two values each, 60 000 examples, 4 bytes: 11.5 GB.
    let error =
        Tape::new(&program).forward(&weights, &vec![0.0; 60_000], Masks::Off, |_| {}).unwrap_err();
    assert!(matches!(error, NetError::Memory { .. }), "{error:?}");
}

#[test]
fn one_example_has_no_batch_statistics() {
    let network = network(r#"[{"dense":4},"batch_norm",{"dense":2}]"#, &[4]);
    let program = Program::new(&network, Record::Nothing);
    let weights: Weights = Weights::zeros(&network).unwrap();
    let mut tape = Tape::new(&program);
    let error = tape.forward(&weights, &[1.0; 4], Masks::Off, |_| {}).unwrap_err();
    assert_eq!(error, NetError::BatchTooSmall { index: 1 });
    // Two equal ones have, and stay finite.
    assert_eq!(tape.forward(&weights, &[1.0; 8], Masks::Off, |_| {}).unwrap(), [0.0; 4]);
}
