//! `check` and `predict` of ONNX models, as a process.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Outcome, firstguess, json, outcome, program};
use firstguess_io::{Tensor, save_tensors};
use serde_json::Value;
use tempfile::TempDir;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../firstguess-io/tests/onnx")
}

fn model(name: &str) -> String {
    models().join(name).to_string_lossy().into_owned()
}

fn check(name: &str, more: &[&str]) -> Value {
    let path = model(name);
    json(
        &[
            &["check", &path, "--quiet", "--draws", "6", "--samples", "40", "--fail-on", "never"],
            more,
        ]
        .concat(),
    )
}

fn notes(report: &Value) -> String {
    let notes = report["model"]["notes"].as_array().expect("notes");
    notes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn weights_are_looked_at_as_found_and_drawn_anew_beside_theory() {
    let report = check("mlp_opset17.onnx", &[]);
    assert_eq!(report["name"], "mlp_opset17");
    let layers = report["measurement"]["layers"].as_array().expect("layers");
    let found = &report["model"]["as_found"];
    assert_eq!(layers.len(), 3);
    for field in ["q", "c", "gamma"] {
        let values = found[field].as_array().expect("a number per layer");
        assert!(
            values.len() == 3 && values.iter().all(|v| v["value"].is_f64()),
            "{field}: {found}"
        );
    }
    for field in ["largest_share", "cross_entropy", "ln_gradient"] {
        assert!(found[field]["value"].is_f64(), "{field}: {found}");
    }
    // Drawn anew: standard errors and gradients; theory beside them.
    assert!(
        layers[0]["q"]["std_error"].is_f64() && layers[0]["cotangent_gradient"]["value"].is_f64()
    );
    for layer in report["prediction"]["layers"].as_array().expect("layers") {
        assert!(layer["q"].is_f64() && layer["kind"] == "dense", "{layer}");
    }
    let module = &report["model"]["modules"][0];
    assert_eq!((module["path"].as_str(), module["class"].as_str()), (Some("1"), Some("Gemm")));
    assert!(module["redraw"].as_str().expect("words").contains("uniform"), "{module}");
    assert!(notes(&report).contains("standard normal"), "{}", notes(&report));
}

/// What theory says of weights drawn by torch is what it says of the scheme of that name.
#[test]
fn the_law_read_off_the_weights_is_the_one_they_were_drawn_by() {
    let folder = TempDir::new().expect("a folder");
    let spec = folder.path().join("prenorm.toml").to_string_lossy().into_owned();
    let of_model = check("prenorm_opset17.onnx", &["--write-spec", &spec]);
    let of_spec =
        json(&["check", &spec, "--quiet", "--draws", "6", "--samples", "40", "--fail-on", "never"]);
    let (a, b) = (&of_model["prediction"]["layers"], &of_spec["prediction"]["layers"]);
    for (a, b) in a.as_array().expect("layers").iter().zip(b.as_array().expect("layers")) {
        for field in ["q", "gamma", "weight_variance"] {
            let (a, b) = (a[field].as_f64(), b[field].as_f64());
            let close = a.zip(b).is_none_or(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0));
            assert!(close && a.is_some() == b.is_some(), "{field}: {a:?} {b:?}");
        }
    }
    let text = fs::read_to_string(&spec).expect("written");
    assert!(text.contains("layer_norm") && text.contains("gelu"), "{text}");
}

#[test]
fn batch_normalisations_that_were_folded_are_found() {
    let ids = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().expect("findings");
        findings.iter().filter_map(|f| f["id"].as_str().map(str::to_owned)).collect()
    };
    let folded = check("resnet_opset17.onnx", &[]);
    assert!(ids(&folded).contains(&"folded-batch-norm".to_owned()), "{:?}", ids(&folded));
    let kept = check("resnet_preserved.onnx", &[]);
    assert!(!ids(&kept).contains(&"folded-batch-norm".to_owned()), "{:?}", ids(&kept));
    assert!(notes(&kept).contains("batch normalisations take"), "{}", notes(&kept));
    // It is a warning for gates, and one that can be left out.
    let path = model("resnet_opset17.onnx");
    let call =
        ["check", &path, "--quiet", "--draws", "2", "--samples", "8", "--fail-on", "warning"];
    let only = |more: &[&str]| firstguess(&[&call[..], more].concat()).code;
    assert_eq!(only(&["--select", "folded-batch-norm"]), Some(1));
    assert_eq!(
        only(&[
            "--ignore",
            "folded-batch-norm,exploding-gradients,vanishing-gradients,frozen-bias,input-offset"
        ]),
        Some(0)
    );
}

/// Two paths that are joined have no layer: the measurement goes on, theory says where it ends.
#[test]
fn what_the_vocabulary_lacks_is_measured_and_named() {
    for file in ["concatenated_opset17.onnx", "concatenated_dynamo.onnx"] {
        let report = check(file, &[]);
        let layers = report["measurement"]["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 3, "{file}");
        assert!(layers.iter().all(|l| l["q"]["value"].is_f64() && l["q"]["std_error"].is_f64()));
        assert!(report["measurement"]["prejudice"]["largest_share"]["value"].is_f64());
        let why = report["model"]["modules"][2]["no_theory"].as_str().expect("a reason");
        assert!(why.contains("Concat (node"), "{why}");
        assert!(report["prediction"]["layers"][2]["q"].is_null());
        assert!(notes(&report).contains("joins several paths"), "{}", notes(&report));
    }
}

#[test]
fn inputs_may_be_given_and_must_fit() {
    let report = check("cnn_opset17.onnx", &[]);
    assert_eq!(report["data"]["shape"], serde_json::json!([3, 8, 8]));
    // 4 × 4 images from a table of sixteen columns.
    let folder = TempDir::new().expect("a folder");
    let row = |i: usize| (0..16).map(|j| ((i * 7 + j * 3) % 11).to_string()).collect::<Vec<_>>();
    let rows: Vec<String> = (0..30).map(|i| format!("{},{}", row(i).join(","), i % 5)).collect();
    let header: Vec<String> = (0..16).map(|i| format!("x{i}")).collect();
    let table = folder.path().join("table.csv").to_string_lossy().into_owned();
    fs::write(&table, format!("{},label\n{}\n", header.join(","), rows.join("\n")))
        .expect("written");
    let report = check("mlp_opset17.onnx", &["--data", &table]);
    assert_eq!(
        (report["data"]["examples"].as_u64(), report["data"]["classes"].as_u64()),
        (Some(30), Some(5))
    );
    let scaled = check("mlp_opset17.onnx", &["--data", &table, "--standardize", "feature"]);
    let second = scaled["measurement"]["input"]["second_moment"].as_f64().expect("a number");
    assert!((second - 1.0).abs() < 0.1, "{second}");
    let path = model("cnn_opset17.onnx");
    let Outcome { code, stderr, .. } = firstguess(&["check", &path, "--data", "digits"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("[3, 8, 8]") && stderr.contains("[1, 8, 8]"), "{stderr}");
}

#[test]
fn the_report_depends_on_the_seed_and_not_on_the_threads() {
    for file in ["concatenated_opset17.onnx", "cnn_opset17.onnx"] {
        let one = check(file, &["--threads", "1"]);
        assert_eq!(one, check(file, &["--threads", "2"]), "{file}");
        assert_ne!(one["measurement"], check(file, &["--seed", "5"])["measurement"], "{file}");
    }
}

#[test]
fn theory_alone_and_the_text_for_people() {
    let path = model("prenorm_opset17.onnx");
    let predicted = json(&["predict", &path]);
    assert_eq!(predicted["layers"].as_array().map(Vec::len), Some(6));
    assert!(predicted["layers"][5]["q"].is_f64());
    let concatenated = model("concatenated_opset17.onnx");
    let part = json(&["predict", &concatenated]);
    let why = part["layers"][2]["q_reason"].as_str().expect("a reason");
    assert!(part["layers"][2]["q"].is_null() && why.contains("Concat (node"), "{why}");
    let Outcome { code, stdout, stderr } =
        firstguess(&["check", &concatenated, "--draws", "4", "--samples", "40"]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    for word in ["as found", "left", "Concat", "operator set 17"] {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
}

#[test]
fn findings_of_a_model_go_into_sarif() {
    let folder = TempDir::new().expect("a folder");
    let sarif = folder.path().join("out.sarif");
    let path = model("resnet_opset17.onnx");
    let file = sarif.to_string_lossy().into_owned();
    firstguess(&["check", &path, "--quiet", "--draws", "2", "--samples", "8", "--sarif", &file]);
    let log: Value =
        serde_json::from_str(&fs::read_to_string(&sarif).expect("written")).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let folded = results.iter().find(|r| r["ruleId"] == "folded-batch-norm").expect("the finding");
    assert_eq!(
        folded["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        path.as_str()
    );
}

#[test]
fn files_that_lie_are_one_error_each() {
    let folder = TempDir::new().expect("a folder");
    let here = folder.path();
    let good = fs::read(models().join("mlp_opset17.onnx")).expect("test data");
    fs::write(here.join("cut.onnx"), &good[..good.len() / 2]).expect("written");
    fs::write(here.join("empty.onnx"), b"").expect("written");
    fs::write(here.join("text.onnx"), b"layers = [1, 2]").expect("written");
    fs::copy(models().join("mlp_dynamo.onnx"), here.join("lonely.onnx")).expect("copied");
    fs::create_dir(here.join("folder.onnx")).expect("made");
    for name in
        ["cycle", "enormous", "outside", "absolute", "batchless", "nan", "unknown_first", "open"]
    {
        fs::copy(
            models().join("hostile").join(format!("{name}.onnx")),
            here.join(format!("{name}.onnx")),
        )
        .expect("copied");
    }
    let before = fs::read_dir(here).expect("a folder").count();
    for (call, words) in [
        ("check cut.onnx", &["ONNX"][..]),
        ("check empty.onnx", &["ONNX", "no graph"]),
        ("check text.onnx", &["ONNX"]),
        ("check absent.onnx", &["absent.onnx", "cannot read"]),
        ("check folder.onnx", &["folder.onnx", "cannot read"]),
        ("check lonely.onnx", &["mlp_dynamo.onnx.data"]),
        ("check cycle.onnx", &["before anything makes it"]),
        ("check enormous.onnx", &["at most", "elements"]),
        ("check outside.onnx", &["outside the model's folder"]),
        ("check absolute.onnx", &["outside the model's folder"]),
        ("check batchless.onnx", &["class scores"]),
        ("check nan.onnx", &["NaN"]),
        ("check unknown_first.onnx", &["NonMaxSuppression (node `strange`)"]),
        ("check open.onnx", &["size is open", "--data"]),
        ("predict cut.onnx", &["ONNX"]),
        ("predict open.onnx", &["size is open"]),
        ("check cut.onnx --data digits", &["ONNX"]),
    ] {
        let arguments: Vec<&str> = call.split(' ').collect();
        let Outcome { code, stdout, stderr } = outcome(program(&arguments).current_dir(here));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "`{call}`: {stderr}");
        assert_eq!(stderr.matches("error:").count(), 1, "`{call}`: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "`{call}` lacks {word}: {stderr}");
        }
        for leak in ["panicked", "RUST_BACKTRACE", ".rs:"] {
            assert!(!stderr.contains(leak), "`{call}`: {stderr}");
        }
        assert!(stderr.len() < 2500, "`{call}`: {} bytes", stderr.len());
    }
    assert_eq!(fs::read_dir(here).expect("a folder").count(), before);
}

/// A model of two inputs takes an archive with an array for each, and says so where it gets something else.
#[test]
fn models_of_several_inputs_take_an_array_for_each() {
    let made_up = check("masked_opset17.onnx", &[]);
    assert_eq!(made_up["measurement"]["layers"].as_array().map(Vec::len), Some(3));
    assert_eq!(made_up["model"]["modules"][0]["class"], "Gather");
    assert!(notes(&made_up).contains("`attention_mask` is all ones"), "{}", notes(&made_up));
    assert_eq!(made_up, check("masked_opset17.onnx", &["--threads", "1"]));

    let folder = TempDir::new().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let tensor = |name: &str, shape: &[usize], of: &dyn Fn(usize) -> f32| Tensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        values: (0..shape.iter().product()).map(of).collect(),
    };
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    let ids = tensor("input_ids", &[40, 5], &|i| (i * 7 % 30) as f32);
    let mask = tensor("attention_mask", &[40, 5], &|i| if i % 5 < 3 { 1.0 } else { 0.0 });
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    let labels = tensor("labels", &[40], &|i| (i % 3) as f32);
    let write = |name: &str, tensors: &[Tensor]| {
        save_tensors(&file(name), tensors, &[]).expect("written");
        file(name).to_string_lossy().into_owned()
    };
    let whole = write("whole.npz", &[ids.clone(), mask.clone(), labels]);
    let report = check("masked_opset17.onnx", &["--data", &whole]);
    let data = &report["data"];
    assert_eq!((data["examples"].as_u64(), data["classes"].as_u64()), (Some(40), Some(3)));
    assert!(report["model"]["as_found"]["cross_entropy"]["value"].is_f64());
    let why = report["model"]["modules"][2]["no_theory"].as_str().expect("a reason");
    assert!(why.contains("`input_ids`, `attention_mask`"), "{why}");

    let part = write("part.npz", &[ids]);
    let path = model("masked_opset17.onnx");
    for (more, words) in [
        (
            &["--data", &part][..],
            &["no array `attention_mask`", "they have `input_ids`", "input_ids=..."][..],
        ),
        (&["--data", "digits"], &["digits"]),
        (&["--data", &whole, "--standardize", "global"], &["--standardize"]),
    ] {
        let Outcome { code, stderr, .. } = firstguess(&[&["check", &path], more].concat());
        assert_eq!(code, Some(2), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "lacks {word}: {stderr}");
        }
    }
    // Theory has no word for it, and says why.
    let predicted = json(&["predict", &path]);
    let why = predicted["layers"][0]["q_reason"].as_str().expect("a reason");
    assert!(why.contains("is fed 2 inputs"), "{why}");
}

/// An operator that is not run leaves what lies before it: layers are measured, what is behind is named with its law.
#[test]
fn behind_an_unknown_operator_layers_are_named() {
    let path = models().join("hostile/unknown_middle.onnx").to_string_lossy().into_owned();
    let report =
        json(&["check", &path, "--quiet", "--draws", "4", "--samples", "40", "--fail-on", "never"]);
    assert_eq!(report["measurement"]["layers"].as_array().map(Vec::len), Some(1));
    assert!(report["measurement"]["layers"][0]["q"]["value"].is_f64());
    let notes = notes(&report);
    assert!(notes.contains("NonMaxSuppression (node `strange`)"), "{notes}");
    assert!(notes.contains("not measured, behind them: head"), "{notes}");
    assert!(report["measurement"]["prejudice"]["largest_share"]["value"].is_null());
    assert!(report["verdict"]["headline"].as_str().expect("words").contains("Only a part"));
}

/// Advice on a file and on the spec written of it are the same: before it is the law of the weights found.
#[test]
fn advice_starts_from_the_law_of_the_weights_found() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let row = |i: usize| (0..16).map(|j| ((i * 7 + j * 3) % 11).to_string()).collect::<Vec<_>>();
    let rows: Vec<String> = (0..30).map(|i| format!("{},{}", row(i).join(","), i % 4)).collect();
    let header: Vec<String> = (0..16).map(|i| format!("x{i}")).collect();
    let (table, spec) = (at("table.csv"), at("prenorm.toml"));
    fs::write(&table, format!("{},label\n{}\n", header.join(","), rows.join("\n")))
        .expect("written");
    let path = model("prenorm_opset17.onnx");
    let of_model = json(&["advise", &path, "--data", &table, "--draws", "2", "--quiet"]);
    check("prenorm_opset17.onnx", &["--data", &table, "--write-spec", &spec]);
    let of_spec = json(&["advise", &spec, "--draws", "2", "--quiet"]);
    for which in ["present", "recommended"] {
        assert_eq!(of_model[which]["layers"], of_spec[which]["layers"], "{which}");
        assert_eq!(of_model[which]["objective"], of_spec[which]["objective"], "{which}");
    }
    assert_eq!(of_model["present"]["layers"][0]["weight_law"], "uniform");
    let found = of_model["present"]["layers"][0]["weight_variance"].as_f64().expect("a number");
    assert!((found - 1.0 / 3.0).abs() < 1e-9, "{found}");
    let layers = of_model["model"]["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 6);
    assert_eq!((&layers[1]["path"], &layers[1]["has_bias"]), (&"1.up".into(), &true.into()));
    // Without data on standard normal inputs, and as source text.
    let made_up = json(&["advise", &path, "--draws", "2", "--samples", "24", "--quiet"]);
    assert_eq!(made_up["check"]["data"]["examples"], 24);
    let notes = made_up["model"]["notes"].to_string();
    assert!(notes.contains("standard normal") && notes.contains("operator set 17"), "{notes}");
    let text = ["advise", &path, "--draws", "2", "--samples", "24", "--code", "torch", "--quiet"];
    assert!(firstguess(&text).stdout.contains("def init_("));
}

#[test]
fn what_no_spec_can_hold_is_neither_advised_nor_drawn() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("w.safetensors");
    let output = file.to_string_lossy().into_owned();
    for (name, operators) in [
        ("tokens_opset17.onnx", &["MatMul (node `/embed/MatMul`)", "ReduceMean (node"][..]),
        ("concatenated_dynamo.onnx", &["Concat (node `node_cat`)"]),
    ] {
        let path = model(name);
        for call in [&["advise", &path][..], &["init", &path, "-o", &output]] {
            let Outcome { code, stdout, stderr } = firstguess(call);
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{call:?}");
            for said in operators.iter().chain(&["no spec can hold", "firstguess check"]) {
                assert!(stderr.contains(said), "{call:?}: {stderr}");
            }
        }
    }
    assert!(!file.exists());
    // Commands that take specs alone say how to get one.
    let refused = firstguess(&["train", &model("mlp_opset17.onnx")]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--write-spec"), "{}", refused.stderr);
}

/// Names and shapes are those of the file; the law is the scheme's, not that of the weights found.
#[test]
fn drawn_weights_fit_the_file() {
    let folder = TempDir::new().expect("a folder");
    let output = folder.path().join("w.safetensors").to_string_lossy().into_owned();
    let path = model("prenorm_preserved.onnx");
    let made = json(&["init", &path, "--scheme", "he_uniform", "-o", &output]);
    let first = &made["tensors"][2];
    assert_eq!(
        (&first["name"], &first["shape"]),
        (&"1.up.weight".into(), &serde_json::json!([16, 8]))
    );
    assert!(made["notes"].to_string().contains("normalisations"), "{}", made["notes"]);
    let audit = json(&["check", "--weights", &output, "--scheme", "he_uniform"]);
    assert_eq!(audit["findings"], serde_json::json!([]));
    let first = fs::read(&output).expect("written");
    json(&["init", &path, "--scheme", "he_uniform", "-o", &output]);
    assert_eq!(first, fs::read(&output).expect("written"));
    // The model's own law, and what is advised: drawn anew, refined on its inputs.
    json(&["init", &path, "-o", &output]);
    assert_ne!(first, fs::read(&output).expect("written"));
    let refined = json(&["init", &path, "--scheme", "advised", "--lsuv", "-o", &output]);
    assert!(refined["scheme"].as_str().expect("words").starts_with("advised: "));
    let folded =
        json(&["init", &model("resnet_opset17.onnx"), "--scheme", "he_normal", "-o", &output]);
    assert!(folded["notes"].to_string().contains("folded-batch-norm"), "{}", folded["notes"]);
}
