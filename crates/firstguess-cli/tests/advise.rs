//! `advise`, `init` and `check --weights` as processes.

mod common;

use std::fs;
use std::path::Path;

use common::{firstguess, json, outcome, program};

const SPEC: &str = r#"
name = "deep-tanh"
[data]
dataset = "digits"
standardize = "feature"
samples = 80
[init]
scheme = "torch_default"
[network]
layers = [{ repeat = 24, layers = [{ dense = 48 }, "tanh"] }, { dense = 10 }]
[measure]
draws = 6
"#;

fn spec(folder: &Path) -> String {
    let path = folder.join("deep.toml");
    fs::write(&path, SPEC).expect("writable");
    path.display().to_string()
}

#[test]
fn advice_is_measured_and_says_what_it_is_worth() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    let found = json(&["advise", &spec, "--draws", "4"]);
    assert_eq!(found["present"]["trainable"], false);
    assert_eq!(found["recommended"]["trainable"], true);
    assert_eq!(found["recommended"]["layers"].as_array().unwrap().len(), 25);
    // Theory and measurement of the objective, before and after.
    for which in ["present", "recommended"] {
        let gradient = &found[which]["objective"]["gradient"];
        let [predicted, measured] =
            ["predicted", "measured"].map(|key| gradient[key].as_f64().unwrap());
        assert!((predicted - measured).abs() < 2.0, "{gradient}");
    }
    assert_eq!(found["verdict"]["status"], "fine");
    assert_eq!(found["check"]["measurement"]["draws"], 6);
    // The recommended spec is a spec: checked on its own it gives the same numbers.
    let text = firstguess(&["advise", &spec, "--draws", "4", "--quiet"]);
    assert_eq!(text.code, Some(0));
    assert!(text.stdout.contains("ADVICE") && text.stdout.lines().all(|l| l.chars().count() <= 80));
    let again = firstguess(&["advise", &spec, "--draws", "4", "--quiet", "--threads", "1"]);
    assert_eq!(text.stdout, again.stdout);
}

/// Greek is spelled out before lines are broken and columns laid out.
#[test]
fn plain_terminals_get_lines_that_fit_and_columns_that_align() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    let weights = folder.path().join("w.safetensors").to_str().unwrap().to_owned();
    json(&["init", &spec, "--scheme", "he_normal", "-o", &weights]);
    let plain = |arguments: &[&str]| {
        let shown = outcome(program(arguments).env("LANG", "C"));
        assert!(shown.stdout.is_ascii(), "{}", shown.stdout);
        let long = shown.stdout.lines().find(|line| line.len() > 80);
        assert_eq!(long, None, "{}", shown.stdout);
        shown.stdout
    };
    let text = plain(&["advise", &spec, "--draws", "2", "--quiet"]);
    let table = text.lines().skip_while(|line| !line.starts_with("  candidate"));
    let ends: Vec<usize> =
        table.take_while(|line| !line.contains("measured")).map(str::len).collect();
    assert!(ends.len() > 4 && ends.iter().all(|end| *end == ends[0]), "{text}");
    let found = plain(&["check", &spec, "--weights", &weights, "--quiet"]);
    assert!(found.contains("sqrt") || found.contains("sigma"), "{found}");
}

#[test]
fn an_activation_and_a_depth_are_enough() {
    for (kind, depth) in [("mlp", "12"), ("cnn", "6"), ("resnet", "10"), ("preln", "10")] {
        let found = json(&[
            "advise",
            "--activation",
            "gelu",
            "--depth",
            depth,
            "--architecture",
            kind,
            "--width",
            "12",
            "--samples",
            "40",
            "--draws",
            "2",
            "--loss",
            "blurry(0.6)",
        ]);
        assert!(found["headline"].as_str().unwrap().len() > 20, "{kind}");
        assert_eq!(found["loss"]["verdict"], "runaway", "{kind}");
    }
    for (arguments, expected) in [
        (&["advise"][..], "MODEL"),
        (&["advise", "--activation", "tanh"], "--depth"),
        (
            &["advise", "--activation", "tanh", "--depth", "3", "--architecture", "resnet"],
            "depth 4 at least",
        ),
        (&["advise", "--activation", "tanh", "--depth", "3", "--width", "99999999999"], "--width"),
        (&["advise", "nowhere.toml"], "nowhere.toml"),
    ] {
        let refused = firstguess(arguments);
        assert_eq!(refused.code, Some(2), "{arguments:?}");
        assert!(refused.stderr.contains(expected), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn drawn_files_are_deterministic_and_pass_their_own_audit() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for ending in ["safetensors", "npz"] {
        let [first, second] = ["a", "b"].map(|name| at(&format!("{name}.{ending}")));
        for file in [&first, &second] {
            let made = json(&["init", &spec, "--scheme", "he_uniform", "--seed", "7", "-o", file]);
            assert_eq!(made["tensors"][0]["name"], "0.weight");
            assert_eq!(made["tensors"][0]["shape"], serde_json::json!([48, 64]));
        }
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
        let audit = json(&["check", "--weights", &first, "--scheme", "he_uniform"]);
        assert_eq!(audit["findings"], serde_json::json!([]));
        // Against the model's own scheme they are √6 too large.
        let refused = firstguess(&["check", &spec, "--weights", &first, "--json"]);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stdout.contains("√6 too large"), "{}", refused.stdout);
        let ignored =
            ["check", &spec, "--weights", &first, "--ignore", "weight-scale,bias-scale,fan-mode"];
        assert_eq!(firstguess(&ignored).code, Some(0));
    }
    let refined = at("refined.safetensors");
    let made = json(&["init", &spec, "--scheme", "orthogonal", "--lsuv", "-o", &refined]);
    assert!(
        made["refined"]["after"]
            .as_array()
            .unwrap()
            .iter()
            .all(|q| (q.as_f64().unwrap() - 1.0).abs() < 0.02)
    );
    let advised = at("advised.safetensors");
    json(&["init", &spec, "--scheme", "advised", "-o", &advised]);
    assert!(fs::read(&advised).unwrap().len() > 24 * 48 * 48 * 4);
    let refused = firstguess(&["init", &spec, "-o", &at("weights.bin")]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains(".safetensors"), "{}", refused.stderr);
    let plain = firstguess(&["check", "--weights", &advised]);
    assert_eq!(plain.code, Some(0), "{}", plain.stdout);
}

/// Damaged and forged files end with status 2 and a sentence.
#[test]
fn hostile_weight_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.safetensors");
    let header = |json: &str, data: usize| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    let entry = |shape: &str, from: usize, to: usize| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let overlap = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let cases: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![1, 2, 3],
        u64::MAX.to_le_bytes().to_vec(),
        header("{", 0),
        header("[]", 0),
        header(&entry("[2]", 0, 4), 4),
        header(&entry("[1]", 0, 400), 4),
        header(&entry("[1]", 4, 8), 8),
        header(&entry("[18446744073709551615,18446744073709551615]", 0, 4), 4),
        header(&entry("[-1]", 0, 4), 4),
        header(&entry("[1]", 4, 0), 4),
        header(&entry("[1]", 0, 4), 40),
        header(twice, 4),
        header(overlap, 4),
        header(r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, 8),
        b"PK\x03\x04 no archive".to_vec(),
        b"\x80\x02}q\x00(X\x06\x00\x00\x00".to_vec(),
    ];
    for (at, bytes) in cases.into_iter().enumerate() {
        fs::write(&file, &bytes).unwrap();
        let refused = firstguess(&["check", "--weights", file.to_str().unwrap()]);
        assert_eq!(refused.code, Some(2), "case {at}: {}", refused.stdout);
        assert!(
            refused.stderr.starts_with("error: ") && refused.stderr.contains("w.safetensors"),
            "case {at}: {}",
            refused.stderr
        );
    }
}
