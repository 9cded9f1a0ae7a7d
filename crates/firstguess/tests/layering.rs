//! The design's invariants about who may name whom, read off the library's source.
//!
//! Theory and measurement must not share code beyond the vocabulary (`spec`) and the numerics
//! (`math`): only then is their agreement evidence. And the library is pure: no file, network,
//! clock, process, environment or printing.
//!
//! Comments and string literals name nothing. Code under `#[cfg(test)]` is held to the layers, but
//! it may read the environment, print, and draw random numbers.

#[path = "layering/scan.rs"]
mod scan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use scan::{named_paths, root_names};

const MEASUREMENT: [&str; 3] = ["net", "measure", "train"];
/// The modules that may see theory and measurement together; `lib.rs` names everything.
const JUDGES: [&str; 8] =
    ["lib", "finding", "check", "advise", "report", "reproduce", "loss_doctor", "variance_panel"];
const FOUNDATIONS: [&str; 2] = ["spec", "math"];

const IMPURE: [&str; 6] = ["fs", "net", "env", "time", "process", "io"];
const PRINTING: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];

/// One source file: its module path below the crate root, and its text.
struct Source {
    module: Vec<String>,
    text: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn layer(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

/// What breaks the invariants in a set of sources, one line each.
fn violations(sources: &[Source]) -> Vec<String> {
    let root = sources.iter().find(|source| source.module.is_empty());
    let reexports = root.map(|root| root_names(&root.text)).unwrap_or_default();
    sources.iter().flat_map(|source| violations_in(source, &reexports)).collect()
}

fn violations_in(source: &Source, reexports: &BTreeMap<String, String>) -> Vec<String> {
    let layer = source.layer();
    let paths = named_paths(&source.text, &source.module);
    let mut found = Vec::new();
    let (mut sees_theory, mut sees_measurement) = (layer == "theory", MEASUREMENT.contains(&layer));
    let mut across = Vec::new();
    for path in &paths {
        let fault = |why: &str| format!("{layer}, line {}: {why} `{}`", path.line, path.text());
        match path.segments.first().map(String::as_str) {
            Some("crate") => {
                let Some(first) = path.segments.get(1) else { continue };
                let target = reexports.get(first).unwrap_or(first);
                if target == "theory" || MEASUREMENT.contains(&target.as_str()) {
                    across.push(format!("`{}` at line {}", path.text(), path.line));
                }
                sees_theory |= target == "theory";
                sees_measurement |= MEASUREMENT.contains(&target.as_str());
                let upward =
                    FOUNDATIONS.contains(&layer) && !FOUNDATIONS.contains(&target.as_str());
                // Macros and constants of the crate root belong to no layer.
                let is_layer = MEASUREMENT.contains(&target.as_str())
                    || JUDGES.contains(&target.as_str())
                    || ["theory", "sweep"].contains(&target.as_str());
                if upward && is_layer {
                    found.push(fault("a foundation names"));
                }
                if target == "*" && layer != "lib" {
                    found.push(fault("hides what it imports:"));
                }
                let to_stream = target == "math" && path.segments.iter().any(|s| s == "stream");
                if layer == "theory" && to_stream && !path.in_test {
                    found.push(fault("theory draws random numbers:"));
                }
            }
            Some("std") if !path.in_test => {
                let module = path.segments.get(1).map_or("", String::as_str);
                let trait_only = path.segments.get(1..).is_some_and(|rest| rest == ["io", "Write"]);
                if IMPURE.contains(&module) && !trait_only {
                    found.push(fault("not pure:"));
                }
            }
            Some(name) if !path.in_test && path.is_macro && PRINTING.contains(&name) => {
                found.push(fault("prints:"));
            }
            _ => {}
        }
        let random = ["Stream", "Seed"].iter().any(|name| path.segments.iter().any(|s| s == name));
        if layer == "theory" && random && !path.in_test {
            found.push(fault("theory draws random numbers:"));
        }
    }
    if sees_theory && sees_measurement && !JUDGES.contains(&layer) {
        let name = source.module.join("::");
        let named = across.join(", ");
        found.push(format!("`{name}` sees both theory and measurement: {named}"));
    }
    found
}

/// Every `.rs` file below `src`.
fn library() -> io::Result<Vec<Source>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = module_of(path.strip_prefix(&src).unwrap_or(&path));
                sources.push(Source { module, text: fs::read_to_string(&path)? });
            }
        }
    }
    Ok(sources)
}

/// `theory/phase.rs` is the module `theory::phase`; `theory/mod.rs` is `theory`; `lib.rs` the root.
fn module_of(file: &Path) -> Vec<String> {
    let without: PathBuf = file.with_extension("");
    let mut parts: Vec<String> =
        without.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

#[test]
fn the_library_keeps_its_layers_and_does_no_io() -> io::Result<()> {
    let sources = library()?;
    assert!(sources.iter().any(|source| source.module.is_empty()), "lib.rs was not found");
    assert!(sources.iter().any(|source| source.layer() == "math"), "math was not found");
    let found = violations(&sources);
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn the_crate_root_globs_nothing() -> io::Result<()> {
    // A glob would hide from this test where a name comes from.
    let sources = library()?;
    let roots = sources.iter().filter(|source| source.module.is_empty());
    let paths = roots.flat_map(|root| named_paths(&root.text, &[]));
    let globs: Vec<String> =
        paths.map(|path| path.text()).filter(|path| path.ends_with('*')).collect();
    assert!(globs.is_empty(), "{globs:?}");
    Ok(())
}

/// The violations of one planted file beside a `lib.rs` that re-exports one name of each side.
fn planted(module: &str, text: &str) -> Vec<String> {
    let source = |module: &str, text: &str| Source {
        module: module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        text: text.to_owned(),
    };
    let root = "pub mod theory; pub mod measure;\n\
                pub use theory::predict::Prediction;\n\
                pub use measure::{run::Measurement, Estimate as Measured};\n";
    violations(&[source("", root), source(module, text)])
}

#[test]
fn planted_crossings_between_the_layers_are_found() {
    for (module, text) in [
        ("theory::phase", "use crate::measure::Estimate;"),
        ("theory::phase", "use crate::{math::roots, net::Tensor};"),
        ("theory::phase", "fn f() { let t = crate::train::lab(); }"),
        ("theory::phase", "use super::super::net::Tensor;"),
        ("theory::phase", "mod tests { use super::super::super::net::Tensor; }"),
        ("theory", "#[cfg(test)]\nmod tests { use crate::measure::run; }"),
        ("theory", "use crate::Measured;"),
        ("net::dense", "use crate::theory as t;"),
        ("net::dense", "use crate::Prediction;"),
        ("measure", "use super::theory::*;"),
        ("measure", "use crate::{self, theory};"),
        ("train::dynamics", "pub(crate) use crate :: theory :: dual ;"),
        ("sweep", "use crate::{theory::predict, measure::run};"),
        ("spec::loss", "use crate::theory::dual;"),
        ("spec", "use crate::finding::Finding;"),
        ("math::stats", "use crate::measure::Estimate;"),
        ("measure", "use crate::*;"),
    ] {
        assert_eq!(planted(module, text).len(), 1, "{module}: {text}");
    }
}

#[test]
fn planted_io_and_printing_are_found() {
    for text in [
        "use std::fs;",
        "use std::{fmt, time::Instant};",
        "fn f() { let home = std::env::var(\"HOME\"); }",
        "fn f() { ::std::process::exit(1); }",
        "use std::io::stdout;",
        "fn f() { println!(\"{}\", 1); }",
        "fn f() { eprint !{\"x\"} }",
        "fn f() { std::println!(\"x\"); }",
    ] {
        assert_eq!(planted("report::terminal", text).len(), 1, "{text}");
    }
}

#[test]
fn planted_random_numbers_in_theory_are_found() {
    for text in [
        "use crate::math::stream::normal;",
        "use crate::math::{roots, stream};",
        "use crate::spec::Seed;",
        "fn f(s: &mut Stream) {}",
    ] {
        assert_eq!(planted("theory::dual", text).len(), 1, "{text}");
        assert_eq!(planted("measure::ensemble", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_is_allowed_passes() {
    for (module, text) in [
        ("theory::phase", "use crate::{math::roots, spec::Activation}; use super::dual;"),
        ("theory::phase", "//! [`crate::measure`]\n/* crate::net /* nested */ */ fn f() {}"),
        ("theory::phase", "const S: &str = \"crate::net\"; const R: &str = r#\"crate::\"net\"#;"),
        ("theory::phase", "fn f<'a>(x: &'a str) -> char { let c = '\"'; '\\'' }"),
        ("theory", "#[cfg(test)]\nmod tests { use crate::math::stream::Stream; }"),
        ("theory::net_of_points", "fn net() {} fn g() { net(); }"),
        (
            "measure",
            "#[cfg(test)] mod tests { fn f() { println!(\"{:?}\", std::env::var(\"A\")); } }",
        ),
        ("finding::vanishing", "use crate::{theory::Prediction, measure::Measurement};"),
        ("check", "use crate::{Prediction, Measured};"),
        ("report::svg", "use std::fmt::Write; use std::io::Write as _;"),
        ("spec::data", "use crate::math::stats; use crate::spec::SpecError;"),
        ("net", "fn f() { let theory = 1; x.theory::<u8>(); }"),
    ] {
        assert_eq!(planted(module, text), Vec::<String>::new(), "{module}: {text}");
    }
}
