//! Of how many inputs the kernel is, and where it ends.

mod common;

use common::{firstguess, json};

fn spec(folder: &tempfile::TempDir, name: &str, data: &str, layers: &str) -> String {
    let path = folder.path().join(name);
    let text = format!(
        r#"name = "kernel"
[data]
dataset = "digits"
standardize = "feature"
{data}
[init]
scheme = "he_normal"
[network]
layers = [{layers}]
"#
    );
    std::fs::write(&path, text).expect("writes");
    path.to_string_lossy().into_owned()
}

/// As many inputs as asked for, or a refusal that says what fits.
#[test]
fn predict_takes_as_many_inputs_as_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let two = r#"binarize = "odd_even""#;
    let dense =
        spec(&folder, "dense.toml", two, r#""flatten", { dense = 64 }, "relu", { dense = 2 }"#);
    let usual = json(&["predict", &dense, "--quiet"]);
    assert_eq!(usual["kernel_inputs"], 500);
    let many = json(&["predict", &dense, "--samples", "1500", "--quiet"]);
    assert_eq!(many["kernel_inputs"], 1500);
    assert!(many["kernel_inputs_reason"].is_null());
    // Two classes: E Σ G² = 2 (Var G + ¼), and the agreement leaves out each input with itself.
    let guess = &many["guess"];
    let number = |field: &str| guess[field].as_f64().expect("a number");
    let together = 2.0 * (number("share_variance") + 0.25);
    let agreement = (1500.0 * together - 1.0) / 1499.0;
    assert!((number("agreement") - agreement).abs() < 1e-12, "{guess}");
    assert!(number("share_variance") > 0.005 && number("share_variance") < 0.25);

    let pooled = spec(
        &folder,
        "pooled.toml",
        "",
        r#"{ conv = 8, kernel = 3 }, "relu", "global_average_pool", { dense = 10 }"#,
    );
    let refused = firstguess(&["predict", &pooled, "--samples", "1500"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("at most 2 GiB are held, enough for 256 inputs"),
        "{}",
        refused.stderr
    );
    let few = json(&["predict", &pooled, "--samples", "40", "--quiet"]);
    assert_eq!(few["kernel_inputs"], 40);
}

/// Idealised numbers never stand beside the kernel's without a word.
#[test]
fn the_end_of_the_kernel_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let layers = r#""flatten", { dense = 64 }, "gelu", { max_pool = 2 }, { dense = 64 }, "tanh", { dense = 10 }"#;
    let path = spec(&folder, "pool.toml", "", layers);
    let why = "from layer 2 on all pairs of inputs are taken for equally correlated";
    let told = json(&["predict", &path, "--quiet"]);
    assert!(told["kernel_inputs"].is_null());
    assert!(
        told["kernel_inputs_reason"].as_str().is_some_and(|text| text.starts_with(why)),
        "{told}"
    );
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(firstguess(&["predict", &path]).stdout).contains(why));
    let check = ["check", &path, "--draws", "8", "--samples", "100"];
    assert!(words(firstguess(&check).stdout).contains(why));
    let report = json(&check);
    let reason = report["prediction"]["kernel_inputs_reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with(why), "{report}");

    // More inputs than the kernel takes by itself.
    let two = r#"binarize = "odd_even""#;
    let dense =
        spec(&folder, "dense.toml", two, r#""flatten", { dense = 16 }, "relu", { dense = 10 }"#);
    let many = firstguess(&["check", &dense, "--draws", "8", "--samples", "1200"]).stdout;
    assert!(words(many.clone()).contains("the first 1000 of the 1200 inputs"), "{many}");
}
