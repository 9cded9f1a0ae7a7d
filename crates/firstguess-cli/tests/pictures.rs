//! Pictures, pages and wide terminals, as users get them.

mod common;

use std::fs;
use std::path::Path;

use common::{Outcome, firstguess, json, outcome, program};

const SPEC: &str = r#"
name = "tall <b>&amp; wide</b>"
[data]
dataset = "digits"
standardize = "feature"
samples = 60
[init]
scheme = "torch_default"
[network]
layers = [{ repeat = 12, layers = [{ dense = 24 }, "relu"] }, { dense = 10 }]
[measure]
draws = 12
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("model.toml"), SPEC).expect("written");
        Self(folder)
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.path().join(folder)).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_check_writes_its_page_and_its_pictures() {
    let place = Place::new();
    let (model, page, pictures) = (place.at("model.toml"), place.at("r.html"), place.at("p"));
    let call = ["check", &model, "--html", &page, "--plot", &pictures];
    let Outcome { code, stdout, stderr } = firstguess(&call);
    // A deep network of PyTorch's default: the verdict stays what it was.
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.contains("NOT OK") && stderr.contains("drew signal, correlation"), "{stderr}");
    let html = fs::read_to_string(&page).expect("written");
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    assert!(html.len() < 500_000 && !html.contains("http://") && !html.contains("https://"));
    assert!(html.contains("tall &lt;b&gt;&amp;amp; wide") && !html.contains("<b>"));
    assert!(
        html.contains("firstguess explain frozen-bias")
            && html.contains("scheme = &quot;explicit&quot;")
    );
    let drawn = [
        "classes.svg",
        "correlation.svg",
        "drift.svg",
        "gaussianity.svg",
        "gradient.svg",
        "guess.svg",
        "shares.svg",
        "signal.svg",
    ];
    assert_eq!(place.names("p"), drawn);
    // The same bytes again, on one thread, and a page in place of the old one.
    let again = firstguess(&[&call[..], &["--threads", "1", "--quiet"]].concat());
    assert_eq!((again.code, again.stderr.as_str()), (Some(1), ""));
    assert_eq!(fs::read_to_string(&page).expect("written"), html);
    assert_eq!(place.names(""), ["model.toml", "p", "r.html"]);
    let raster = place.at("png");
    let call = [
        "check",
        &model,
        "--plot",
        &raster,
        "--plot-format",
        "png",
        "--json",
        "--fail-on",
        "never",
    ];
    let outcome = firstguess(&call);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    for name in place.names("png") {
        let bytes = fs::read(Path::new(&raster).join(&name)).expect("written");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5000);
    }
}

#[test]
fn a_folder_that_cannot_be_is_refused_and_nothing_is_left_behind() {
    let place = Place::new();
    let model = place.at("model.toml");
    let outcome = firstguess(&["check", &model, "--plot", &model]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    assert!(outcome.stderr.contains("it is a file"), "{}", outcome.stderr);
    let nowhere = place.at("no/such/r.html");
    let outcome = firstguess(&["check", &model, "--html", &nowhere]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("does not exist"), "{}", outcome.stderr);
    let outcome = firstguess(&["check", "missing.toml", "--plot", &place.at("p")]);
    assert_eq!(outcome.code, Some(2));
    assert_eq!(place.names(""), ["model.toml"]);
}

#[test]
fn phase_diagrams_are_drawn_with_the_readers_point() {
    let place = Place::new();
    let (svg, png) = (place.at("d.svg"), place.at("d.PNG"));
    let small = ["phase", "--activation", "tanh", "--resolution", "20", "--point", "2,0.1"];
    let outcome = firstguess(&[&small[..], &["-o", &svg]].concat());
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("wrote the picture"), "{}", outcome.stderr);
    let drawn = fs::read_to_string(&svg).expect("written");
    assert!(drawn.starts_with("<svg") && drawn.contains("σ_w² = 2, σ_b² = 0.1"));
    assert_eq!(firstguess(&[&small[..], &["-o", &png]].concat()).code, Some(0));
    assert!(fs::read(&png).expect("written").starts_with(b"\x89PNG"));
    let point = &json(&small)["point"];
    assert_eq!((&point["weight_variance"], &point["phase"]), (&2.0.into(), &"chaotic".into()));
    let text = firstguess(&small).stdout;
    assert!(text.contains("at σ_w² = 2, σ_b² = 0.1: chaotic, prejudiced"), "{text}");
    for wrong in ["2", "2;0.1", "-1,0", "a,b"] {
        let call = ["phase", "--activation", "tanh", "--point", wrong];
        assert_eq!(firstguess(&call).code, Some(2), "{wrong}");
    }
}

/// The same words at every width; more columns and longer curves where there is room.
#[test]
fn wide_terminals_show_more() {
    let place = Place::new();
    let model = place.at("model.toml");
    let calls: [&[&str]; 3] = [
        &["check", &model],
        &["phase", "--activation", "tanh", "--resolution", "200"],
        &["guess", "--gamma", "3", "--classes", "2"],
    ];
    for call in calls {
        let at = |columns: &str, language: &str| {
            let found = outcome(program(call).env("COLUMNS", columns).env("LANG", language));
            for line in found.stdout.lines() {
                let width: usize = columns.parse().expect("a number");
                assert!(line.chars().count() <= width, "{line}");
            }
            found.stdout
        };
        let (narrow, wide, plain) = (at("80", "C.UTF-8"), at("140", "C.UTF-8"), at("140", "C"));
        let longest = |text: &str| text.lines().map(|line| line.chars().count()).max();
        assert!(longest(&wide) > Some(100) && longest(&narrow) <= Some(80), "{wide}");
        assert!(plain.is_ascii(), "{plain}");
        assert_eq!(at("1000", "C.UTF-8"), wide);
        assert_eq!(at("80", "C.UTF-8"), firstguess(call).stdout);
    }
}

/// What the other commands measure is drawn too.
#[test]
fn trainings_searches_and_laboratories_are_drawn() {
    let place = Place::new();
    let model = place.at("model.toml");
    let shallow =
        SPEC.replace("repeat = 12", "repeat = 1").replace("samples = 60", "samples = 200");
    fs::write(place.0.path().join("model.toml"), shallow).expect("written");
    let folder = place.at("p");
    let calls: [&[&str]; 3] = [
        &["train", &model, "--arms", "spec,he_normal", "--steps", "20", "--seeds", "2"],
        &[
            "variance",
            &model,
            "--steps",
            "60",
            "--seeds",
            "2",
            "--scan",
            "3",
            "--lr",
            "0.1",
            "--tolerance",
            "0.05",
        ],
        &[
            "gaussianity",
            "--activation",
            "tanh",
            "--widths",
            "3,10",
            "--depths",
            "2,5",
            "--networks",
            "50",
        ],
    ];
    for call in calls {
        let outcome = firstguess(&[call, &["--plot", &folder]].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("drew "), "{}", outcome.stderr);
    }
    assert_eq!(place.names("p"), ["gaussianity.svg", "training.svg", "variance.svg"]);
    let training = fs::read_to_string(Path::new(&folder).join("training.svg")).expect("written");
    for words in
        ["Largest class share", "Accuracy", "Cross-entropy", "he_normal", "data-name=\"spec\""]
    {
        assert!(training.contains(words), "{words}");
    }
}
