//! The page by its structure: self-contained, safe, small, and with everything in it.

use crate::report::picture::tests::report;

/// Elements that end by themselves.
const VOID: [&str; 4] = ["meta", "input", "br", "link"];

/// Panics where tags do not match; gives the names of all elements.
fn elements(html: &str) -> Vec<String> {
    let (mut found, mut open): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "at {}", &after[..after.len().min(80)]);
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
            open.push(name.clone());
        }
        if name == "script" || name == "style" {
            // Their text is not markup.
            let end = rest.find(&format!("</{name}>")).expect("it ends");
            rest = &rest[end..];
        }
        found.push(name);
    }
    assert!(open.is_empty(), "{open:?} never end");
    found
}

#[test]
fn a_page_is_one_file_with_the_verdict_first() {
    let report = report();
    let html = report.to_html();
    assert_eq!(html, report.to_html());
    assert!(html.len() < 300_000, "{} bytes", html.len());
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    let found = elements(&html);
    for (name, count) in [("h1", 1), ("main", 1), ("figure", 8), ("nav", 1)] {
        assert_eq!(found.iter().filter(|each| *each == name).count(), count, "{name}");
    }
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(
        place("class=\"verdict") < place("id=\"findings\"")
            && place("id=\"findings\"") < place("id=\"charts\"")
    );
    // Every finding, its evidence and what to do.
    for finding in &report.findings {
        assert!(html.contains(&format!("firstguess explain {}", finding.id)));
        for key in finding.references {
            assert!(html.contains(&format!("id=\"ref-{key}\"")), "{key}");
        }
    }
    let rows = html.matches("<tr data-layer=").count();
    assert_eq!(rows, report.measurement.layers.len());
    // Every link has its target.
    for part in html.split("href=\"#").skip(1) {
        let target = part.split('"').next().unwrap_or_default();
        assert!(html.contains(&format!("id=\"{target}\"")), "{target}");
    }
    // Identities are unique.
    let mut ids: Vec<&str> =
        html.split(" id=\"").skip(1).filter_map(|part| part.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    let data = html.split("id=\"fg-data\">").nth(1).and_then(|part| part.split("</script>").next());
    let data: serde_json::Value = serde_json::from_str(data.expect("data")).expect("JSON");
    assert_eq!(data.as_array().map(Vec::len), Some(8));
}

#[test]
fn hostile_names_stay_text() {
    let mut report = report();
    let hostile =
        "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u{202e}";
    report.name = hostile.repeat(500);
    report.data.name = hostile.to_owned();
    report.network.layers = hostile.to_owned();
    report.network.init = hostile.to_owned();
    for finding in &mut report.findings {
        finding.title = hostile.to_owned();
        finding.explanation = hostile.to_owned();
        finding.remedy = Some(format!("`{hostile}` {hostile}"));
        for evidence in &mut finding.evidence {
            evidence.quantity = hostile.to_owned();
        }
    }
    let html = report.to_html();
    let found = elements(&html);
    assert_eq!(found.iter().filter(|name| *name == "script").count(), 2);
    assert!(
        !found.iter().any(|name| name == "img")
            && !html.contains("<img")
            && !html.contains('\u{202e}')
    );
    assert!(html.len() < 300_000);
}

/// Thousands of layers are thinned, not cut off.
#[test]
fn deep_networks_stay_below_half_a_megabyte() {
    let mut report = report();
    let (layer, theory) =
        (report.measurement.layers[2].clone(), report.prediction.layers[2].clone());
    report.measurement.layers = (1..=5000)
        .map(|index| crate::measure::LayerMeasurement { index, ..layer.clone() })
        .collect();
    report.prediction.layers = (1..=5000)
        .map(|index| crate::theory::predict::LayerPrediction { index, ..theory.clone() })
        .collect();
    let html = report.to_html();
    assert!(html.len() < 500_000, "{} bytes", html.len());
    assert!(html.contains("<tr data-layer=\"1\">") && html.contains("<tr data-layer=\"5000\">"));
    assert!(html.contains("of 5000 layers, evenly spaced"));
}

#[test]
fn what_is_not_known_is_said() {
    let mut report = report();
    report.findings.clear();
    report.measurement.layers.clear();
    report.prediction.layers.clear();
    let html = report.to_html();
    elements(&html);
    assert!(html.contains("No layer has weights.") && html.contains("None: nothing about"));
    let shown = html.split("<script").next().unwrap_or_default();
    assert!(!shown.contains("NaN"));
}
