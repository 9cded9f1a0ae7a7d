//! ONNX models of both exporters and several operator sets: what they compute, and the layers found in them.
//!
//! The files and onnxruntime's outputs are made by `onnx/generate.py`.

use std::path::{Path, PathBuf};

use firstguess::math::stream::Seed;
use firstguess::measure::{Options, run, run_found};
use firstguess::net::{Masks, Program, Record, Weights};
use firstguess::spec::Shape;
use firstguess::spec::experiment::MeasureSpec;
use firstguess_io::{NamedArray, OnnxModel, Translation};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx")
}

fn numbers(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).expect("test data")
}

struct Case {
    model: String,
    file: String,
    inputs: Vec<f32>,
    shape: Vec<usize>,
    outputs: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("outputs.json")).expect("test data");
    let all: Value = serde_json::from_str(&text).expect("test data");
    let mut cases = Vec::new();
    for (model, entry) in all.as_object().expect("test data") {
        if entry.get("arrays").is_some() {
            continue; // models of several inputs
        }
        for (file, outputs) in entry["files"].as_object().expect("test data") {
            cases.push(Case {
                model: model.clone(),
                file: file.clone(),
                inputs: numbers(&entry["inputs"]),
                shape: serde_json::from_value(entry["shape"].clone()).expect("test data"),
                outputs: numbers(outputs),
            });
        }
    }
    assert!(cases.len() > 25, "only {} files", cases.len());
    cases
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-4 * (1.0 + b.abs()), "{what}: {a} for {b}");
    }
}

#[test]
fn models_compute_what_onnxruntime_computes() {
    for case in cases() {
        let model = OnnxModel::load(&folder().join(&case.file)).expect("test data");
        let (found, shape) = model.run(&case.inputs, &case.shape).expect("test data");
        assert_eq!(shape[0], case.shape[0], "{}", case.file);
        close(&found, &case.outputs, &case.file);
    }
}

/// Models of several inputs: file, an array for each input, outputs.
fn several() -> Vec<(String, Vec<NamedArray>, Vec<f32>)> {
    let text = std::fs::read_to_string(folder().join("outputs.json")).expect("test data");
    let all: Value = serde_json::from_str(&text).expect("test data");
    let mut cases = Vec::new();
    for entry in all.as_object().expect("test data").values() {
        let Some(arrays) = entry.get("arrays").and_then(Value::as_object) else { continue };
        let array = |(name, array): (&String, &Value)| NamedArray {
            name: name.clone(),
            shape: serde_json::from_value(array["shape"].clone()).expect("test data"),
            values: serde_json::from_value(array["values"].clone()).expect("test data"),
        };
        let arrays: Vec<NamedArray> = arrays.iter().map(array).collect();
        for (file, outputs) in entry["files"].as_object().expect("test data") {
            cases.push((file.clone(), arrays.clone(), numbers(outputs)));
        }
    }
    assert_eq!(cases.len(), 4);
    cases
}

#[test]
fn models_of_several_inputs_compute_what_onnxruntime_computes() {
    for (file, arrays, outputs) in several() {
        let model = OnnxModel::load(&folder().join(&file)).expect("test data");
        let (found, shape) = model.run_arrays(&arrays).expect("fits");
        assert_eq!(shape[0], 2, "{file}");
        close(&found, &outputs, &file);
        let error = model.translate().unwrap_err().to_string();
        assert!(error.contains("takes 2 inputs"), "{file}: {error}");
        let error = model.run(&[0.0; 10], &[2, 5]).unwrap_err().to_string();
        assert!(error.contains("several inputs"), "{file}: {error}");
    }
}

/// As found, what the evaluator says; drawn anew with its tables; and what is wrong with arrays that do not fit.
#[test]
fn several_inputs_are_looked_at_as_one_example() {
    let measure = MeasureSpec { seed: 3, draws: 4, ..MeasureSpec::default() };
    for (file, mut arrays, outputs) in several() {
        let model = OnnxModel::load(&folder().join(&file)).expect("test data");
        arrays.push(NamedArray { name: "y".to_owned(), shape: vec![2], values: vec![0.0, 1.0] });
        let study = model.study_arrays(&file, "batch.npz", &arrays, None, &measure).expect("fits");
        let report = study.check(&measure, &mut ()).expect("runs");
        assert_eq!((report.data.name.as_str(), report.data.examples), ("batch.npz", 2), "{file}");
        let classes = outputs.len() / 2;
        let loss: f64 = (0..2)
            .map(|row| {
                let scores = &outputs[row * classes..(row + 1) * classes];
                let sum: f64 = scores.iter().map(|s| f64::from(*s).exp()).sum();
                sum.ln() - f64::from(scores[row])
            })
            .sum();
        let as_found = report.model.as_ref().and_then(|m| m.as_found.as_ref()).expect("looked at");
        assert!((as_found.cross_entropy.value - loss / 2.0).abs() < 1e-4, "{file}");
        assert_eq!(report.measurement.layers.len(), 3, "{file}");
        for layer in &report.measurement.layers {
            assert!(layer.q.value > 0.0 && layer.q.std_error.is_some_and(|e| e > 0.0), "{file}");
        }
        let summary = report.model.as_ref().expect("a model");
        let reasons: Vec<_> = summary.modules.iter().filter_map(|m| m.no_theory.as_ref()).collect();
        assert!(reasons.iter().all(|why| why.contains("is fed 2 inputs")), "{file}: {reasons:?}");
        assert_eq!(reasons.len(), 3, "{file}");
        let names = summary.notes.join("\n");
        assert!(names.contains("inputs: `") && names.contains("no theory of "), "{file}: {names}");
        // Made up, where nothing is given.
        let study = model.study(&file, None, Some(20), &measure).expect("made up");
        let made_up = study.check(&measure, &mut ()).expect("runs");
        let notes = made_up.model.as_ref().expect("a model").notes.join("\n");
        let masked = file.starts_with("masked");
        for words in if masked {
            ["whole numbers below 30, all as likely", "`attention_mask` is all ones"]
        } else {
            ["`image` is standard normal", "`vector` is standard normal"]
        } {
            assert!(notes.contains(words), "{file} lacks {words}: {notes}");
        }
        assert!(made_up.measurement.prejudice.largest_share.value > 0.3, "{file}");

        let refused = |arrays: &[NamedArray], words: &[&str]| {
            let study = model.study_arrays(&file, "batch.npz", arrays, None, &measure);
            let error = study.map(|_| ()).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{file} lacks {word}: {error}");
            }
        };
        let second = arrays[1].name.clone();
        refused(&arrays[..1], &[&format!("no array `{second}`"), "numpy.savez"]);
        let mut changed = arrays.clone();
        changed[1].shape = vec![1, 2];
        changed[1].values.truncate(2);
        let words =
            if file == "masked_opset17.onnx" { "as many examples" } else { "the data have [1, 2]" };
        refused(&changed, &[words, &second]);
        let mut changed = arrays.clone();
        changed[0].values[1] = if masked { 0.5 } else { f64::NAN };
        refused(&changed, &[if masked { "whole numbers" } else { "finite" }]);
        if masked {
            let ids = arrays.iter().position(|array| array.name == "input_ids").expect("tokens");
            let mut changed = arrays.clone();
            changed[ids].values[1] = 30.0;
            refused(&changed, &["Gather (node", "index 30 of 30"]);
        }
    }
}

fn text(translation: &Translation) -> String {
    let layers: Vec<_> = translation.architecture.layers.iter().map(ToString::to_string).collect();
    layers.join(" | ")
}

/// The layers of each model, whichever exporter wrote it.
fn expected(model: &str, file: &str) -> Option<String> {
    let norms = file.contains("preserved");
    Some(match model {
        "mlp" => "flatten | dense 12 | relu | dense 12 | tanh | dense 5".to_owned(),
        "activations" => {
            let names = [
                "gelu", "gelu_tanh", "silu", "mish", "hard_swish", "elu(0.7)", "selu", "celu(1.5)", "leaky_relu(0.1)", "softplus",
                "sigmoid", "tanh", "hard_tanh", "relu6",
            ];
            names.map(|name| format!("dense 8 | {name} | ")).concat() + "dense 4"
        }
        "cnn" => "conv 4 3x3 | relu | max_pool 2 | conv 8 3x3 | gelu | average_pool 2 | global_average_pool | flatten | dense 3".to_owned(),
        "resnet" => {
            let norm = if norms { ", batch_norm" } else { "" };
            let first = if norms { " | batch_norm" } else { "" };
            format!(
                "conv 4 3x3{first} | relu | residual [conv 4 3x3{norm}, relu, conv 4 3x3{norm}] | relu | residual [conv 6 3x3{norm}, relu, \
                 conv 6 3x3{norm}] | relu | global_average_pool | flatten | dense 3"
            )
        }
        "norms" => {
            // Only the older exporter keeps the batch normalisation behind the dense layer apart in evaluation mode.
            let batch = if file.contains("dynamo") { "" } else { " | batch_norm" };
            format!("conv 4 3x3 | group_norm 2 | silu | flatten | dense 8{batch} | relu | dense 8 | rms_norm | dense 8 | layer_norm | dense 4")
        }
        "padded" => "conv 6 3x3 | relu | max_pool 3 | conv 5 3x3 | tanh | average_pool 2 | flatten | dense 4".to_owned(),
        "prenorm" => {
            let block = "residual [layer_norm, dense 16, gelu, dense 8]";
            format!("dense 8 | {block} | {block} | layer_norm | dense 4")
        }
        _ => return None,
    })
}

#[test]
fn layers_are_found_however_they_are_written() {
    for case in cases() {
        let model = OnnxModel::load(&folder().join(&case.file)).expect("test data");
        let Some(expected) = expected(&case.model, &case.file) else {
            let error = model.translate().unwrap_err().to_string();
            let word = if case.model == "concatenated" { "Concat (node `" } else { " (node `" };
            assert!(error.contains(word), "{}: {error}", case.file);
            continue;
        };
        let found = model.translate().expect("test data");
        assert_eq!(text(&found), expected, "{}", case.file);
        let folded = found.notes.iter().any(|note| note.contains("folded"));
        assert_eq!(
            folded,
            case.model == "resnet" && !case.file.contains("preserved"),
            "{}: {:?}",
            case.file,
            found.notes
        );
        let softmax = found.notes.iter().any(|note| note.contains("Softmax"));
        assert_eq!(softmax, case.model == "norms", "{}: {:?}", case.file, found.notes);
    }
}

/// Our own network, with the weights found, computes what the file does: nothing was lost on the way.
#[test]
fn networks_with_the_weights_found_compute_the_same() {
    let mut compared = 0;
    for case in cases() {
        // Networks normalise over the batch at hand, files in evaluation mode with running statistics; the last layer of
        // `norms` is a softmax.
        if case.model == "concatenated"
            || case.model == "tokens"
            || case.model == "norms"
            || case.file == "resnet_preserved.onnx"
        {
            continue;
        }
        let found = OnnxModel::load(&folder().join(&case.file))
            .expect("test data")
            .translate()
            .expect("test data");
        let network = found
            .architecture
            .resolve(&Shape::from_extents(&case.shape[1..]).expect("test data"))
            .expect("test data");
        let mut weights: Weights = Weights::zeros(&network).expect("test data");
        assert_eq!(weights.layers.len(), found.weights.len(), "{}", case.file);
        for (layer, read) in weights.layers.iter_mut().zip(&found.weights) {
            assert_eq!(layer.weight.len(), read.weight.len(), "{}: {}", case.file, read.name);
            layer.weight.copy_from_slice(&read.weight);
            if let Some(bias) = &read.bias {
                layer.bias.copy_from_slice(bias);
            }
        }
        let program = Program::new(&network, Record::Nothing);
        let mut tape = firstguess::net::Tape::new(&program);
        let logits = tape.forward(&weights, &case.inputs, Masks::Off, |_| ()).expect("test data");
        close(logits, &case.outputs, &case.file);
        compared += 1;
    }
    assert!(compared >= 19, "only {compared} compared");
}

/// `check` on the file's weights: what the evaluator and our own network give, layer by layer, and what is drawn anew where the
/// vocabulary does not reach.
#[test]
fn studies_agree_with_our_own_networks() {
    let measure = MeasureSpec { seed: 3, draws: 4, ..MeasureSpec::default() };
    for file in
        ["mlp_dynamo.onnx", "padded_opset17.onnx", "cnn_opset11.onnx", "prenorm_dynamo.onnx"]
    {
        let model = OnnxModel::load(&folder().join(file)).expect("test data");
        let study = model.study(file, None, Some(20), &measure).expect("test data");
        let (network, inits) = study.network().expect("all in the vocabulary");
        let found = model.translate().expect("test data");
        let mut weights: Weights = Weights::zeros(network).expect("test data");
        for (layer, read) in weights.layers.iter_mut().zip(&found.weights) {
            layer.weight.copy_from_slice(&read.weight);
            if let Some(bias) = &read.bias {
                layer.bias.copy_from_slice(bias);
            }
        }
        let options = Options::new(Seed(3), 4);
        let own = run_found(network, &weights, study.data(), &options).expect("fits");
        let report = study.check(&measure, &mut ()).expect("runs");
        let as_found = report.model.as_ref().and_then(|m| m.as_found.as_ref()).expect("looked at");
        for (layer, q) in own.layers.iter().zip(&as_found.q) {
            assert!(
                (layer.q.value / q.value - 1.0).abs() < 1e-4,
                "{file}: {} {}",
                layer.q.value,
                q.value
            );
        }
        let share = as_found.largest_share.value;
        assert_eq!(share, own.prejudice.largest_share.value, "{file}");
        let gradient = as_found.ln_gradient.expect("two gradients").value;
        assert_eq!(gradient, own.layers[0].ln_cotangent_gradient.value, "{file}");
        let anew = run(network, inits, study.data(), &options, &mut ()).expect("fits");
        for (a, b) in anew.layers.iter().zip(&report.measurement.layers) {
            assert_eq!(a.q, b.q, "{file}");
        }
    }
}

/// Dense layers on tokens and attention: measured, each with the reason why theory does not reach it.
#[test]
fn sequences_are_measured_without_theory() {
    let measure = MeasureSpec { seed: 3, draws: 4, ..MeasureSpec::default() };
    for file in ["tokens_opset11.onnx", "tokens_dynamo.onnx"] {
        let model = OnnxModel::load(&folder().join(file)).expect("test data");
        let study = model.study(file, None, Some(20), &measure).expect("test data");
        let report = study.check(&measure, &mut ()).expect("runs");
        let layers = &report.measurement.layers;
        assert_eq!(layers.len(), 3, "{file}");
        assert!(layers.iter().all(|layer| layer.q.value > 0.0 && layer.q.std_error.is_some()));
        assert_eq!((layers[0].positions, layers[1].units), (5, 24), "{file}");
        // The activation is found behind a layer that the vocabulary has not.
        assert!(layers[0].dead_fraction.is_known(), "{file}");
        let model = report.model.as_ref().expect("a model");
        let reasons: Vec<_> = model.modules.iter().filter_map(|m| m.no_theory.as_ref()).collect();
        assert_eq!(reasons.len(), 3, "{file}");
        assert!(reasons[0].contains("every position of a sequence"), "{file}: {}", reasons[0]);
        assert!(model.notes.iter().any(|note| note.contains("attention")), "{:?}", model.notes);
    }
}

#[test]
fn damaged_files_are_refused_in_words() {
    let bytes = std::fs::read(folder().join("mlp_opset17.onnx")).expect("test data");
    for cut in [0, 1, 10, bytes.len() / 2, bytes.len() - 1] {
        let error =
            OnnxModel::parse(&bytes[..cut], None).map(|model| model.translate().map(|_| ()));
        assert!(!matches!(error, Ok(Ok(()))), "{cut} bytes");
    }
    let error = OnnxModel::parse(b"not an onnx file at all", None).unwrap_err().to_string();
    assert!(error.contains("ONNX"), "{error}");
    let error = OnnxModel::parse(
        &std::fs::read(folder().join("mlp_dynamo.onnx")).expect("test data"),
        None,
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("mlp_dynamo.onnx.data"), "{error}");
    // Every byte turned over: an error or a model, never a panic.
    for position in (0..bytes.len()).step_by(7) {
        for flip in [0xff_u8, 0x01, 0x80] {
            let mut damaged = bytes.clone();
            damaged[position] ^= flip;
            if let Ok(model) = OnnxModel::parse(&damaged, None) {
                let _outcome = model.translate();
            }
        }
    }
}
