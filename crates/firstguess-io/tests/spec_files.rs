//! Spec files: the documented example, and a corpus of broken ones, each with one clear error in its place.

use firstguess::spec::layer::Layer;
use firstguess_io::{SpecFileError, load_spec, parse_spec};
use proptest::prelude::*;

const DOCUMENTED: &str = r#"name = "deep-relu"
[data]           # or: { synthetic = "gaussian", features = 784, classes = 10, samples = 1000, shift = 0.0 }
dataset = "digits"            # digits (embedded) | mnist | fashion_mnist | cifar10 | path to npz/csv/parquet
standardize = "feature"       # none | unit_range | global | channel | feature
[init]
scheme = "he_normal"          # he_* glorot_* lecun_* orthogonal delta_orthogonal torch_default critical gaussian_pair(2) explicit …
bias_variance = 0.0
[network]
layers = [ { dense = 512 }, "relu", { repeat = 20, layers = [ { dense = 512 }, "relu" ] }, { dense = 10 } ]
"#;

#[test]
fn the_documented_example_is_read_as_it_stands() -> Result<(), SpecFileError> {
    let spec = parse_spec(DOCUMENTED)?;
    assert_eq!(spec.name, "deep-relu");
    assert!(matches!(spec.network.layers[2], Layer::Repeat { count: 20, .. }));
    // The same with Windows' line ends and a byte order mark.
    assert_eq!(parse_spec(&DOCUMENTED.replace('\n', "\r\n"))?, spec);
    assert_eq!(parse_spec(&format!("\u{feff}{DOCUMENTED}"))?, spec);
    Ok(())
}

fn refusal(text: &str) -> SpecFileError {
    parse_spec(text).expect_err("this spec is broken")
}

/// Replaces a part of the documented example; what is wrong, the text pointed at, and the help must be as given.
#[track_caller]
fn broken(part: &str, by: &str, message: &str, place: &str, help: &str) {
    let text = DOCUMENTED.replace(part, by);
    assert_ne!(text, DOCUMENTED, "`{part}` is not in the example");
    let error = refusal(&text);
    assert!(error.message.contains(message), "message: {error:?}");
    assert!(!error.message.contains('\n'), "several lines: {error:?}");
    let found = error.span.clone().and_then(|span| text.get(span)).unwrap_or_default();
    assert_eq!(found, place, "{error:?}");
    assert!(error.help.clone().unwrap_or_default().contains(help), "help: {error:?}");
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    broken("scheme =", "shceme =", "unknown key `shceme`", "shceme", "did you mean `scheme`?");
    broken("[init]", "[innit]", "unknown key `innit`", "innit", "did you mean `init`?");
    broken("dataset =", "zzz =", "unknown key `zzz`", "zzz", "known keys: dataset");
    broken(
        "{ dense = 10 }",
        "{ dens = 10 }",
        "unknown key `dens`",
        "dens",
        "did you mean `dense`?",
    );
    broken(
        "\"feature\"",
        "\"features\"",
        "unknown value `features`",
        "\"features\"",
        "did you mean `feature`?",
    );
    broken("\"he_normal\"", "\"he_nromal\"", "did you mean `he_normal`", "\"he_nromal\"", "");
    broken("\"relu\", {", "\"rleu\", {", "did you mean `relu`", "\"rleu\"", "");
}

#[test]
fn wrong_types_and_numbers_point_at_the_value() {
    broken("bias_variance = 0.0", "bias_variance = \"0\"", "expected a number", "\"0\"", "");
    broken("{ dense = 10 }", "{ dense = 1.5 }", "expected a whole number", "1.5", "");
    broken("{ dense = 10 }", "{ dense = -3 }", "expected a whole number", "-3", "");
    broken("name = \"deep-relu\"", "name = 3", "expected a string", "3", "");
    for value in ["nan", "inf", "-1.0", "1e300"] {
        let by = format!("bias_variance = {value}");
        broken("bias_variance = 0.0", &by, "`bias_variance` must be finite", value, "");
    }
    broken("[network]", "gain = 0\n[network]", "`gain` must be positive", "0", "");
    broken("[network]", "[measure]\ndraws = 0\n[network]", "`draws` must be", "0", "two or more");
    broken("[init]", "shift = inf\n[init]", "`data.shift` must be finite", "inf", "");
    broken(
        "{ dense = 10 }",
        "{ dense = 10, weight_variance = nan }",
        "`weight_variance of layer 4` must be finite",
        "nan",
        "",
    );
}

#[test]
fn sizes_and_shapes_point_at_the_layer() {
    for size in ["0", "1000000000", "9223372036854775807"] {
        let by = format!("{{ dense = {size} }}, \"relu\" ] }}, {{ dense = 10 }} ]");
        let part = "{ dense = 512 }, \"relu\" ] }, { dense = 10 } ]";
        broken(part, &by, "layer 3.1: `dense` must be between 1 and", size, "");
        // Even where nothing is known of the inputs.
        let text = DOCUMENTED.replace(part, &by).replace("\"digits\"", "\"other.npz\"");
        assert!(refusal(&text).message.contains("layer 3.1: `dense` must be between 1 and"));
    }
    broken("repeat = 20", "repeat = 100000", "layer 3: `repeat` must be", "100000", "");
    broken("\"relu\", {", "{ conv = 8 }, {", "takes an image", "{ conv = 8 }", "");
    broken(
        "layers = [ { dense = 512 }, \"relu\" ]",
        "layers = [ { residual = [ { dense = 7 } ] } ]",
        "takes a branch that ends in the shape of its shortcut",
        "{ residual = [ { dense = 7 } ] }",
        "",
    );
    broken(
        "layers = [ { dense = 512 }, \"relu\" ]",
        "layers = []",
        "layer 3: `layers of a repeat` must be between 1",
        "{ repeat = 20, layers = [] }",
        "",
    );
}

#[test]
fn conflicts_point_at_the_key_they_name() {
    broken(
        "[network]",
        "weight_variance = 2.0\n[network]",
        "goes with scheme `explicit`",
        "2.0",
        "",
    );
    broken("dataset =", "synthetic = \"gaussian\"\ndataset =", "not both", "[data]", "");
}

#[test]
fn broken_syntax_says_where() {
    broken("[network]", "[network", "", "", "");
    let truncated = DOCUMENTED.trim_end().trim_end_matches(" ]");
    assert!(refusal(truncated).span.is_some());
    for cut in 0..DOCUMENTED.trim_end().len() {
        if let Some(part) = DOCUMENTED.get(..cut) {
            assert!(parse_spec(part).is_err(), "cut at {cut}");
        }
    }
    for text in ["", " \n\t", "# nothing\n"] {
        let error = refusal(text);
        assert!(error.help.is_some_and(|help| help.contains("[init]")), "{text:?}");
    }
    assert!(refusal("[init]\nscheme = \"he_normal\"").message.contains("`network` is missing"));
}

#[test]
fn deep_nesting_is_refused_and_ends_soon() {
    let bomb = "{ repeat = 50000, layers = [".repeat(10) + &"] }".repeat(10);
    let hostile = [
        "a = ".to_owned() + &"[".repeat(500_000),
        "a = ".to_owned() + &"{a=".repeat(300_000),
        "a.".repeat(500_000) + "b = 1",
        format!("[{}b]", "a.".repeat(300_000)),
        format!("a = {{ {}b = 1 }}", "a.".repeat(300_000)),
        DOCUMENTED.replace("\"relu\", {", &("\"".to_owned() + &"(".repeat(1000) + "x\", {")),
        DOCUMENTED.replace("{ dense = 10 }", &bomb),
        DOCUMENTED.replace(
            "{ dense = 10 }",
            &("{ residual = [".repeat(60) + "\"relu\"" + &"] }".repeat(60)),
        ),
        "x".repeat(2 << 20),
    ];
    for text in hostile {
        let error = refusal(&text);
        assert!(error.message.len() < 600, "{}", error.message);
    }
}

#[test]
fn files_that_are_no_text_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    for (bytes, expected) in [
        (&b"name = \"\xff\""[..], "is not UTF-8 text: byte 8"),
        (b"", "the spec is empty"),
        (&vec![b' '; (1 << 20) + 1], "is larger than 1048576 bytes"),
        (b"\0\0\0\0", ""),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = load_spec(&path).unwrap_err().to_string();
        assert!(error.contains("spec.toml") && error.contains(expected), "{error}");
    }
    let error = load_spec(folder.path()).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    assert!(load_spec(&folder.path().join("none.toml")).is_err());
    std::fs::write(&path, DOCUMENTED).unwrap();
    let file = load_spec(&path).unwrap();
    assert_eq!((file.spec, file.text.as_str()), (parse_spec(DOCUMENTED).unwrap(), DOCUMENTED));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any text gives an answer, and a place inside it.
    #[test]
    fn no_text_makes_it_panic(text in r#"([\[\]{}=.,"'# \n]|[a-z]{1,3}|[-+]?[0-9]{1,4}|nan|dense|layers|network|repeat|é){0,60}"#) {
        if let Err(SpecFileError { span: Some(span), .. }) = parse_spec(&text) {
            prop_assert!(text.get(span).is_some());
        }
    }

    /// Any one edit of a good spec.
    #[test]
    fn no_edit_makes_it_panic(at in 0..DOCUMENTED.len(), cut in 0..12_usize, insert in r#"[\[\]{}="a-z0-9.\- ]{0,6}"#) {
        let end = (at + cut).min(DOCUMENTED.len());
        prop_assume!(DOCUMENTED.is_char_boundary(at) && DOCUMENTED.is_char_boundary(end));
        let text = format!("{}{insert}{}", &DOCUMENTED[..at], &DOCUMENTED[end..]);
        if let Err(SpecFileError { span: Some(span), message, .. }) = parse_spec(&text) {
            prop_assert!(text.get(span).is_some() && !message.is_empty());
        }
    }
}
