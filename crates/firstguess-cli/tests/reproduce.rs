//! `firstguess reproduce`: the list, one figure, a folder.

mod common;

use std::fs;

use common::{firstguess, json};

#[test]
fn the_list_names_every_figure_and_its_sources() {
    let list = json(&["reproduce"]);
    let figures = list["figures"].as_array().expect("a list");
    assert!(figures.len() >= 14, "{figures:?}");
    let works = json(&["cite"]);
    let known: Vec<&str> =
        works["references"].as_array().unwrap().iter().filter_map(|w| w["key"].as_str()).collect();
    for figure in figures {
        for source in figure["sources"].as_array().unwrap() {
            assert!(known.contains(&source.as_str().unwrap()), "{source} is in no bibliography");
        }
    }
}

#[test]
fn a_folder_holds_pictures_tables_and_an_index_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/figures");
    let at = path.to_str().unwrap();
    let answer = json(&["reproduce", "loss-bias", "pool-size", "-o", at, "--quiet"]);
    let index = fs::read_to_string(path.join("index.md")).unwrap();
    let figures = answer["figures"].as_array().unwrap();
    // In the order of the list, whatever that of the question.
    assert_eq!(figures[0]["figure"], "pool-size");
    for figure in figures {
        assert_eq!(figure["holds"], true, "{figure}");
        assert!(figure["claims"].as_array().unwrap().iter().all(|claim| claim["holds"] == true));
        for file in figure["files"].as_array().unwrap() {
            let file = file.as_str().unwrap();
            assert!(fs::metadata(path.join(file)).unwrap().len() > 100, "{file}");
            assert!(index.contains(file), "{file} is not in the index");
        }
    }
    assert!(!index.contains("does not hold"));
}

#[test]
fn what_cannot_be_reproduced_is_refused() {
    let unknown = firstguess(&["reproduce", "phase-diagram"]);
    assert_eq!(unknown.code, Some(2));
    let text = unknown.stderr;
    assert!(text.contains("did you mean `phase-diagrams`?") && text.contains("all"), "{text}");
    let nothing = firstguess(&["reproduce", "-o", "somewhere"]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("reproduce all"), "{}", nothing.stderr);
}
