//! `check` as a process: the verdicts on the example networks, and everything that it must refuse.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};

use common::{Outcome, firstguess, outcome, program};
use serde_json::Value;
use tempfile::TempDir;

/// A network that takes a moment.
const SMALL: &str = r#"
[data]
dataset = "digits"
standardize = "feature"
samples = 60

[init]
scheme = "he_normal"

[network]
layers = [{ dense = 32 }, "relu", { dense = 10 }]

[measure]
draws = 12
"#;

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// The report of a check that ends with this code, and says nothing on stderr.
#[track_caller]
fn report(arguments: &[&str], code: i32) -> Value {
    let Outcome { code: found, stdout, stderr } =
        firstguess(&[&["check"], arguments, &["--json"]].concat());
    assert_eq!((found, stderr.as_str()), (Some(code), ""), "{arguments:?}: {stdout}");
    for token in ["NaN", "Infinity", ": inf", ": nan"] {
        assert!(!stdout.contains(token), "{token} in {stdout}");
    }
    let report: Value = serde_json::from_str(&stdout).expect("exactly one JSON object");
    assert_eq!((&report["schema_version"], &report["command"]), (&1.into(), &"check".into()));
    report
}

/// The number that this path of fields leads to.
#[track_caller]
fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number at {path}"))
}

fn severity<'a>(report: &'a Value, id: &str) -> Option<&'a str> {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["id"] == id)?["severity"].as_str()
}

/// Deep He-ReLU: biased, at the edge of chaos, and therefore no error.
#[test]
fn the_embedded_example_is_biased_and_fine() {
    let report = report(&[], 0);
    assert_eq!(report["name"], "he-relu");
    assert_eq!(severity(&report, "biased-start"), Some("note"));
    assert_eq!(report["prediction"]["phase"], "edge_of_chaos");
    for (at, share) in [
        ("predicted", number(&report, "/prediction/guess/largest_share")),
        ("measured", number(&report, "/measurement/prejudice/largest_share/value")),
    ] {
        assert!(share > 0.5, "{at}: {share}");
    }
    // Without a file and with the example's own file: one report.
    assert_eq!(report, self::report(&[&example("he_relu")], 0));
}

/// PyTorch's default on deep ReLU: ln 10 to 1 %, one class for 95 % of the inputs, and gradients that cannot mend it.
#[test]
fn the_default_of_pytorch_freezes_its_bias() {
    let report = report(&[&example("torch_default_relu")], 1);
    assert_eq!(severity(&report, "frozen-bias"), Some("error"));
    assert_eq!(report["prediction"]["phase"], "ordered");
    let ln_10 = std::f64::consts::LN_10;
    for loss in [
        number(&report, "/prediction/loss"),
        number(&report, "/measurement/loss/cross_entropy/value"),
    ] {
        assert!((loss / ln_10 - 1.0).abs() < 0.01, "{loss}");
    }
    for share in [
        number(&report, "/prediction/guess/largest_share"),
        number(&report, "/measurement/prejudice/largest_share/value"),
    ] {
        assert!(share >= 0.95, "{share}");
    }
}

#[test]
fn critical_tanh_is_fine() {
    let report = report(&[&example("critical_tanh")], 0);
    assert_eq!(report["prediction"]["phase"], "edge_of_chaos");
    assert!((number(&report, "/prediction/weight_variance") - 1.76095464).abs() < 1e-7);
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.iter().all(|finding| finding["severity"] == "note"), "{findings:?}");
}

/// tanh with gain 1.891 at depth 50: gradients grow by 10^5.8 in the mean square.
#[test]
fn chaotic_tanh_explodes() {
    let report = report(&[&example("chaotic_tanh")], 1);
    assert_eq!(severity(&report, "exploding-gradients"), Some("error"));
    assert_eq!(report["prediction"]["phase"], "chaotic");
    let predicted = number(&report, "/prediction/ln_gradient") / std::f64::consts::LN_10;
    assert!((predicted - 5.8).abs() < 0.3, "{predicted}");
    // A gradient's mean square is carried by few of the 32 networks: the measured exponent scatters by some tenths.
    let measured = number(&report, "/measurement/layers/0/cotangent_gradient/value").log10();
    assert!((measured - predicted).abs() < 1.0, "{measured}");
}

#[test]
fn fail_on_decides_the_exit_status() {
    let torch = example("torch_default_relu");
    let check = |fail_on: &str| {
        firstguess(&["check", &torch, "--draws", "4", "--samples", "40", "--fail-on", fail_on]).code
    };
    assert_eq!((check("error"), check("warning"), check("never")), (Some(1), Some(1), Some(0)));
}

/// Byte for byte, in text and in JSON; another seed gives other digits.
#[test]
fn the_number_of_threads_leaves_no_trace() {
    let (_folder, spec) = file("spec.toml", SMALL.as_bytes());
    for form in [&[][..], &["--json"]] {
        let with = |more: &[&str]| {
            let outcome = firstguess(&[&["check", &spec], form, more].concat());
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            outcome.stdout
        };
        let one = with(&["--threads", "1"]);
        assert!(one == with(&["--threads", "2"]), "two threads differ from one");
        assert!(one == with(&["--threads", "5"]), "five threads differ from one");
        assert_eq!(one, with(&["--threads", "2", "--seed", "0"]));
        assert_ne!(one, with(&["--threads", "1", "--seed", "1"]));
    }
}

/// A file in a folder of its own, which lives as long as the first of the pair.
fn file(name: &str, bytes: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let path = path.display().to_string();
    (folder, path)
}

/// Exit 2, nothing on stdout, one error with these words on stderr, no panic, and no file left behind.
#[track_caller]
fn refused(arguments: &[&str], folder: &Path, words: &[&str]) {
    let before = files(folder);
    let started = outcome(program(&[&["check"], arguments].concat()).current_dir(folder));
    let Outcome { code, stdout, stderr } = started;
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?} lacks {word}:\n{stderr}");
    }
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
    for leak in ["panicked", "RUST_BACKTRACE", "unwrap", ".rs:"] {
        assert!(!stderr.contains(leak), "{leak} in {stderr}");
    }
    assert!(stderr.len() < 2000, "{stderr}");
    assert_eq!(files(folder), before, "{arguments:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    names.sort();
    names
}

/// [`refused`] for a spec of this content.
#[track_caller]
fn refused_spec(content: &[u8], words: &[&str]) {
    let (folder, _) = file("spec.toml", content);
    refused(&["spec.toml"], folder.path(), words);
}

/// [`SMALL`] with one text put in the place of another.
fn slip(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    SMALL.replacen(from, to, 1)
}

#[test]
fn unknown_words_are_refused_with_the_nearest_known_one() {
    for (from, to, nearest) in [
        ("scheme", "shceme", "`scheme`"),
        ("[network]", "[netwrok]", "`network`"),
        ("standardize =", "standardise =", "`standardize`"),
        ("draws", "drawz", "`draws`"),
        ("\"relu\"", "\"rleu\"", "`relu`"),
        ("he_normal", "he_nomral", "`he_normal`"),
        ("{ dense = 32 }", "{ dnese = 32 }", "`dense`"),
    ] {
        refused_spec(slip(from, to).as_bytes(), &["did you mean", nearest, "spec.toml:"]);
    }
    refused_spec(slip("\"digits\"", "\"dgits\"").as_bytes(), &["`dgits`", "digits"]);
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    for size in ["0", "-5", "nan", "inf", "1e3", "2.5", "\"32\"", "99999999999999999999"] {
        refused_spec(slip("32", size).as_bytes(), &["spec.toml:"]);
    }
    for size in ["1000000000", "1048577"] {
        refused_spec(slip("32", size).as_bytes(), &["between 1 and 1048576", size]);
    }
    let repeated = "{ repeat = 1000000000, layers = [{ dense = 32 }, \"relu\"] }";
    refused_spec(slip("{ dense = 32 }, \"relu\"", repeated).as_bytes(), &["between 1 and 50000"]);
    let nested =
        "{ repeat = 50000, layers = [{ repeat = 50000, layers = [{ dense = 32 }, \"relu\"] }] }";
    refused_spec(slip("{ dense = 32 }, \"relu\"", nested).as_bytes(), &["50000"]);
    // Each layer is allowed, a thousand million weights and more are not.
    let wide = "{ dense = 1000000 }, \"relu\", { dense = 1000000 }, \"relu\"";
    // (Normal weights need not be drawn: `auto` measures such a network without them.)
    let wide = slip("{ dense = 32 }, \"relu\"", wide)
        .replace("draws = 12", "draws = 12\nengine = \"direct\"");
    refused_spec(wide.as_bytes(), &["more than the"]);
    for (from, to) in [("draws = 12", "draws = 0"), ("samples = 60", "samples = 0")] {
        refused_spec(slip(from, to).as_bytes(), &["between 1 and"]);
    }
    for variance in ["nan", "inf", "-1.0", "1e300"] {
        let explicit = format!("scheme = \"explicit\"\nweight_variance = {variance}");
        refused_spec(slip("scheme = \"he_normal\"", &explicit).as_bytes(), &["weight_variance"]);
    }
    let here = tempfile::tempdir().expect("a folder");
    for draws in ["0", "-1", "nan", "1e9", "10000001", ""] {
        refused(&["--draws", draws], here.path(), &["--draws", "from 1 to 10000000"]);
    }
    for samples in ["0", "-1", "1000001"] {
        refused(&["--samples", samples], here.path(), &["--samples", "from 1 to 1000000"]);
    }
}

#[test]
fn files_that_are_no_specs_are_refused() {
    refused_spec(b"", &["empty", "scheme"]);
    refused_spec(b"  \n\t\n", &["empty"]);
    refused_spec(b"# a comment alone\n", &["init"]);
    refused_spec(b"[init]\nscheme = \"\xff\xfe\"\n", &["UTF-8"]);
    refused_spec(&[0; 64], &["spec.toml"]);
    refused_spec(&vec![b'a'; 3 << 20], &["larger than"]);
    // Cut off anywhere before the layers are closed.
    let end = SMALL.find("]\n\n[measure]").expect("the end of the layers");
    for cut in (8..end).step_by(11) {
        refused_spec(&SMALL.as_bytes()[..cut], &["spec.toml"]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    refused(&["nowhere.toml"], folder.path(), &["nowhere.toml", "cannot be read"]);
    refused(&["."], folder.path(), &["`.`", "cannot be read"]);
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let (folder, _) = file("spec.toml", SMALL.as_bytes());
    let rows = |labels: &[&str]| {
        let mut table = "a,b,label\n".to_owned();
        for (row, label) in labels.iter().enumerate() {
            table.push_str(&format!("{row},0.5,{label}\n"));
        }
        table
    };
    for (name, labels, words) in [
        ("negative.csv", vec!["0", "-1"], vec!["line 3", "-1", "whole numbers from 0"]),
        ("huge.csv", vec!["0", "4000000000"], vec!["line 3", "4000000000"]),
        ("half.csv", vec!["0.5", "1"], vec!["line 2", "0.5"]),
        ("many.csv", vec!["0", "10"], vec!["10 logits for 11 classes"]),
        ("missing.csv", vec!["0", ""], vec!["line 3"]),
    ] {
        std::fs::write(folder.path().join(name), rows(&labels)).expect("written");
        refused(&["spec.toml", "--data", name], folder.path(), &words);
    }
    for (name, content, words) in [
        ("nan.csv", &b"a,b,label\n1,nan,0\n2,3,1\n"[..], vec!["finite"]),
        ("text.csv", b"a,b,label\n1,two,0\n", vec!["line 2", "two"]),
        ("ragged.csv", b"a,b,label\n1,2,0\n1,0\n", vec!["line 3"]),
        ("header.csv", b"a,b,label\n", vec!["header.csv"]),
        ("empty.csv", b"", vec!["empty"]),
        ("empty.npz", b"", vec!["empty"]),
        ("bytes.csv", b"a,b,label\n1,\xff,0\n", vec!["bytes.csv"]),
        ("cut.npz", b"PK\x03\x04\x14\0\0\0", vec!["cut.npz", "zip"]),
        ("cut.npy", b"\x93NUMPY\x01\0", vec!["cut.npy"]),
        ("what.xyz", b"hello", vec!["unknown format"]),
    ] {
        std::fs::write(folder.path().join(name), content).expect("written");
        refused(&["spec.toml", "--data", name], folder.path(), &words);
    }
    refused(&["spec.toml", "--data", "nowhere.npz"], folder.path(), &["nowhere.npz", "digits"]);
    refused(&["spec.toml", "--data", "."], folder.path(), &["a folder"]);
}

/// Labels in an npz as NumPy writes it: without compression, one array per member.
#[test]
fn labels_of_an_npz_are_checked() {
    let (folder, _) = file("spec.toml", SMALL.as_bytes());
    let inputs: Vec<u8> = (0..8_u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    for (label, words) in [(-1_i64, ["`y`", "-1"]), (10, ["10 logits", "11 classes"])] {
        let labels: Vec<u8> = [0, 1, 2, label].iter().flat_map(|l| l.to_le_bytes()).collect();
        let members =
            [("x.npy", npy("<f4", "(4, 2)", &inputs)), ("y.npy", npy("<i8", "(4,)", &labels))];
        std::fs::write(folder.path().join("data.npz"), stored_zip(&members)).expect("written");
        refused(&["spec.toml", "--data", "data.npz"], folder.path(), &words);
    }
}

fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A zip archive of stored members.
fn stored_zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let number = |n: usize| u32::try_from(n).expect("small").to_le_bytes();
    for (name, content) in members {
        let offset = bytes.len();
        // Version 2.0, no flags, stored, no date.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend(crc32(content).to_le_bytes());
        common.extend(number(content.len()));
        common.extend(number(content.len()));
        common.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        common.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(content);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(number(offset));
        directory.extend(name.as_bytes());
    }
    let start = bytes.len();
    let count = u16::try_from(members.len()).expect("few").to_le_bytes();
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(count);
    end.extend(count);
    end.extend(number(directory.len()));
    end.extend(number(start));
    end.extend([0, 0]);
    bytes.extend(directory);
    bytes.extend(end);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// A spec that arrives through a pipe is as good as a file.
#[cfg(unix)]
#[test]
fn a_spec_may_come_through_a_pipe() {
    let mut child = program(&["check", "/dev/stdin", "--json"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(SMALL.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(number(&report, "/measurement/draws"), 12.0);
}
