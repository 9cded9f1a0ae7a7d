//! Pictures by their structure: what is on them, and where.

use super::*;
use crate::math::stream::Seed;
use crate::measure::laboratory::Laboratory;
use crate::spec::experiment::MeasureSpec;
use crate::spec::{Activation, Architecture, InitScheme, Spec};
use crate::theory::critical::{edge_of_chaos, neutrality};
use crate::theory::dual::Dual;
use crate::theory::mean_field::LayerVariance;
use crate::theory::phase_diagram::{Axis as Range, PhaseDiagram};

/// One start tag: its name and attributes.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn class(&self, class: &str) -> bool {
        self.get("class").is_some_and(|all| all.split(' ').any(|each| each == class))
    }
}

/// The start tags of a well-formed drawing, in order; panics where tags do not match.
fn tags(svg: &str) -> Vec<Tag> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for part in svg.split('<').skip(1) {
        let inside = part.split_once('>').expect("a tag ends").0;
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (name, rest) = inside.split_once(' ').unwrap_or((inside, ""));
        let closed = rest.ends_with('/') || name.ends_with('/');
        let mut attributes = Vec::new();
        let mut rest = rest.trim_end_matches('/');
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a value ends");
            attributes.push((name.trim().to_owned(), value.to_owned()));
            rest = after;
        }
        let name = name.trim_end_matches('/').to_owned();
        if !closed {
            open.push(name.clone());
        }
        found.push(Tag { name, attributes });
    }
    assert!(open.is_empty(), "{open:?} never end");
    found
}

/// Text between tags of this name.
fn words(svg: &str, tag: &str) -> Vec<String> {
    svg.split(&format!("<{tag}"))
        .skip(1)
        .filter_map(|part| Some(part.split_once('>')?.1.split_once('<')?.0.to_owned()))
        .collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || ".-+eE".contains(c)))
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// The first path of the series of this name, as lines through places.
fn path(svg: &str, series: &str) -> Vec<Vec<(f64, f64)>> {
    let group = svg.split("<g ").find(|group| group.contains(&format!("data-name=\"{series}\"")));
    let group = group.unwrap_or_else(|| panic!("no series `{series}`"));
    let d = group.split(" d=\"").nth(1).expect("a path").split('"').next().unwrap_or_default();
    d.split('M')
        .skip(1)
        .map(|line| numbers(line).chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
        .collect()
}

/// Pixels to values, as the drawing says.
fn back(svg: &str) -> impl Fn((f64, f64)) -> (f64, f64) {
    let tags = tags(svg);
    let plot = tags.iter().find(|tag| tag.class("fg-plot")).expect("a plot");
    let frame = numbers(plot.get("data-frame").expect("a frame"));
    let x = numbers(plot.get("data-x").expect("an axis"));
    let y = numbers(plot.get("data-y").expect("an axis"));
    move |(px, py)| {
        let across = (px - frame[0]) / (frame[2] - frame[0]);
        let up = (frame[3] - py) / (frame[3] - frame[1]);
        (x[0] + across * (x[1] - x[0]), y[0] + up * (y[1] - y[0]))
    }
}

/// Distance of a place from lines through places.
fn distance(lines: &[Vec<(f64, f64)>], (x, y): (f64, f64)) -> f64 {
    let mut least = f64::INFINITY;
    for pair in lines.iter().flat_map(|line| line.windows(2)) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        let (dx, dy) = (bx - ax, by - ay);
        let t = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(1e-12);
        let t = t.clamp(0.0, 1.0);
        least = least.min((x - ax - t * dx).hypot(y - ay - t * dy));
    }
    least
}

fn diagram(
    activation: &str,
    weight: (f64, f64),
    bias: (f64, f64),
    points: usize,
) -> (Dual, PhaseDiagram) {
    let phi = Dual::new(&activation.parse::<Activation>().expect("known"));
    let axis = |(low, high)| Range { low, high, points };
    let diagram = PhaseDiagram::new(&phi, axis(weight), axis(bias));
    (phi, diagram)
}

/// The lines of the picture are those of theory, by other roots than those that drew them: every line point of theory lies
/// within a pixel of the drawn line, and every place of the drawn line maps back to a point of theory within a pixel.
#[test]
fn the_lines_of_a_phase_diagram_are_those_of_theory_to_a_pixel() {
    let cases = [
        ("tanh", (0.0, 4.0), (0.0, 0.2)),
        ("tanh", (0.9, 1.3), (0.0, 0.01)),
        ("gelu", (0.0, 4.0), (0.0, 0.5)),
        ("silu", (1.5, 5.0), (0.0, 1.0)),
        ("hard_tanh", (0.0, 5.0), (0.0, 0.4)),
        ("sin", (0.0, 6.0), (0.0, 2.0)),
    ];
    for (activation, weight, bias) in cases {
        // The grid itself is coarse: the lines must not depend on it.
        let (phi, diagram) = diagram(activation, weight, bias, 7);
        let svg = phase_diagram(&diagram).to_svg();
        let values = back(&svg);
        let (origin, far) = (values((0.0, 0.0)), values((1.0, 1.0)));
        let per_pixel = ((far.0 - origin.0).abs(), (far.1 - origin.1).abs());
        let pixel = |w: f64, b: f64| ((w - origin.0) / per_pixel.0, (origin.1 - b) / per_pixel.1);
        let mut edge = Vec::new();
        for name in ["edge of chaos", "edge of chaos, unstable"] {
            if svg.contains(&format!("data-name=\"{name}\"")) {
                edge.extend(path(&svg, name));
            }
        }
        let mut seen = 0;
        for step in 0..=200 {
            let b = bias.0 + (bias.1 - bias.0) * f64::from(step) / 200.0;
            for point in edge_of_chaos(&phi, b).unwrap_or_default() {
                if (weight.0..=weight.1).contains(&point.weight_variance) {
                    seen += 1;
                    let off = distance(&edge, pixel(point.weight_variance, b));
                    assert!(off < 1.0, "{activation} edge at {b}: {off} pixels off, {point:?}");
                }
            }
        }
        assert!(seen > 50, "{activation}: {seen} points of the edge");
        // And back: no line where theory has none.
        for place in edge.iter().flatten() {
            let (w, b) = values(*place);
            // Theory a pixel up and down, branch by branch.
            let rows = (-5..=5).map(|step| (b + 0.2 * f64::from(step) * per_pixel.1).max(0.0));
            let mut branches: Vec<Vec<(f64, f64)>> = Vec::new();
            for row in rows {
                for (branch, point) in
                    edge_of_chaos(&phi, row).unwrap_or_default().iter().enumerate()
                {
                    branches.resize(branches.len().max(branch + 1), Vec::new());
                    branches[branch].push(pixel(point.weight_variance, row));
                }
            }
            let off = distance(&branches, *place);
            assert!(off < 1.0, "{activation}: the drawn edge passes ({w}, {b}), {off} pixels off");
        }
        let neutral: Vec<_> = if svg.contains("data-name=\"neutrality") {
            path(&svg, "neutrality, c* = ½")
        } else {
            Vec::new()
        };
        for step in 1..=100 {
            let b = bias.0 + (bias.1 - bias.0) * f64::from(step) / 100.0;
            let Ok(point) = neutrality(&phi, b) else { continue };
            if (weight.0..=weight.1).contains(&point.weight_variance) {
                let off = distance(&neutral, pixel(point.weight_variance, b));
                assert!(off < 1.0, "{activation} neutrality at {b}: {off} pixels off");
            }
        }
        for place in neutral.iter().flatten() {
            let (w, b) = values(*place);
            let point = neutrality(&phi, b.max(1e-9)).expect("a line needs points");
            let off = (point.weight_variance - w).abs() / per_pixel.0;
            assert!(
                off < 1.0 || b < 2.0 * per_pixel.1,
                "{activation} neutrality passes ({w}, {b})"
            );
        }
    }
}

#[test]
fn a_phase_diagram_shows_its_regions_lines_and_the_point() {
    let (phi, diagram) = diagram("tanh", (0.0, 4.0), (0.0, 0.2), 40);
    let marked = diagram.with_point(&phi, LayerVariance { weight: 2.0, bias: 0.1 });
    let picture = phase_diagram(&marked);
    let svg = picture.to_svg();
    let names: Vec<String> =
        tags(&svg).iter().filter_map(|tag| tag.get("data-name").map(ToOwned::to_owned)).collect();
    assert_eq!(
        names,
        [
            "ordered: gradients vanish, one class takes all",
            "chaotic, a class favoured",
            "neutral: guesses split evenly",
            "edge of chaos",
            "neutrality, c* = ½",
            "σ_w² = 2, σ_b² = 0.1"
        ]
    );
    let said = words(&svg, "text ");
    for text in [
        "Phases of tanh",
        "weight variance × fan-in, σ_w²",
        "bias variance, σ_b²",
        "edge of chaos",
        "0.20",
        "4.0",
    ] {
        assert!(said.iter().any(|word| word == text), "no `{text}` in {said:?}");
    }
    assert_eq!(words(&svg, "title")[0], "Phases of tanh");
    assert!(words(&svg, "desc")[0].starts_with("Infinitely deep"));
    assert!(svg.contains("prefers-color-scheme:dark"));
    // The point is where it should be.
    let circle = tags(&svg).into_iter().rfind(|tag| tag.name == "circle").expect("a point");
    let at = |name: &str| circle.get(name).and_then(|value| value.parse().ok()).unwrap_or(f64::NAN);
    let (w, b) = back(&svg)((at("cx"), at("cy")));
    assert!((w - 2.0).abs() < 0.01 && (b - 0.1).abs() < 0.001, "({w}, {b})");
    // A homogeneous activation has an upright line, a pooled one two.
    let (_, relu) = self::diagram("relu", (0.0, 4.0), (0.0, 0.2), 5);
    assert!(phase_diagram(&relu).to_svg().contains("gradients keep their size, σ_w² = 2.0000"));
}

#[test]
fn png_files_are_whole_and_of_the_size_asked_for() {
    let (_, diagram) = diagram("tanh", (0.0, 4.0), (0.0, 0.2), 10);
    let picture = phase_diagram(&diagram);
    for (scale, width) in [(1.0, 720), (0.5, 360), (f64::NAN, 720)] {
        let png = picture.to_png(Theme::Dark, scale);
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xaeB`\x82"));
        let found = u32::from_be_bytes([png[16], png[17], png[18], png[19]]);
        assert_eq!(found, width);
        assert!(png.len() < 200_000, "{} bytes", png.len());
    }
    assert_ne!(picture.to_png(Theme::Dark, 0.5), picture.to_png(Theme::Light, 0.5));
}

/// A small check with everything in it.
pub(crate) fn report() -> crate::Report {
    let spec = Spec {
        name: "small".to_owned(),
        data: serde_json::from_str(
            r#"{ "synthetic": "gaussian", "features": 16, "classes": 4, "samples": 40 }"#,
        )
        .expect("data"),
        init: InitScheme::explicit(1.0, 0.1),
        network: Architecture::mlp(&Activation::Tanh, 6, 24, 4),
        measure: MeasureSpec { seed: 3, draws: 24, ..MeasureSpec::default() },
    };
    let data = spec.data.synthesize(spec.measure.seed).expect("data");
    crate::check(&spec, &data, &mut ()).expect("a report")
}

#[test]
fn a_report_has_its_pictures() {
    let report = report();
    let pictures = report.pictures();
    let names: Vec<&str> = pictures.iter().map(Picture::name).collect();
    assert_eq!(
        names,
        ["signal", "correlation", "drift", "gradient", "gaussianity", "guess", "shares", "classes"]
    );
    for picture in &pictures {
        let svg = picture.to_svg();
        let tags = tags(&svg);
        assert!(svg.starts_with("<svg xmlns=") && !svg.contains("NaN"));
        assert!(tags[0].get("role") == Some("img") && tags[0].get("aria-labelledby").is_some());
        assert!(words(&svg, "title").iter().chain(&words(&svg, "desc")).all(|text| text.len() > 4));
        assert_eq!(picture.to_svg(), svg);
        // Marks stay within the picture.
        for tag in tags.iter().filter(|tag| tag.name == "circle") {
            let x: f64 = tag.get("cx").and_then(|x| x.parse().ok()).expect("a number");
            assert!((0.0..=720.0).contains(&x));
        }
    }
    let gradient = report.picture("gradient").expect("measured").to_svg();
    let tags = tags(&gradient);
    // Five hidden layers and the logits, and the sample in the legend.
    assert_eq!(tags.iter().filter(|tag| tag.name == "circle").count(), 7);
    assert!(report.picture("nothing").is_none());
}

/// A measured point is where its value says.
#[test]
fn points_and_errors_are_in_their_places() {
    let report = report();
    let svg = report.picture("correlation").expect("measured").to_svg();
    let values = back(&svg);
    let discs: Vec<(f64, f64)> = tags(&svg)
        .iter()
        .filter(|tag| tag.name == "circle")
        .skip(1)
        .map(|tag| {
            let at = |name: &str| tag.get(name).and_then(|v| v.parse().ok()).unwrap_or(f64::NAN);
            values((at("cx"), at("cy")))
        })
        .collect();
    for ((layer, c), measured) in discs.into_iter().zip(&report.measurement.layers) {
        assert!((layer - measured.index as f64).abs() < 0.01);
        assert!((c - measured.c.value).abs() < 0.005, "{c} for {}", measured.c.value);
    }
}

#[test]
fn narrow_networks_are_drawn_by_width() {
    let laboratory = Laboratory { networks: 60, ..Laboratory::new(Activation::Tanh, Seed(1)) };
    let cells = laboratory.run(&[3, 10], &[2, 5], &mut ()).expect("cells");
    let svg = gaussianity(&cells, "tanh").expect("a picture").to_svg();
    let names: Vec<String> =
        tags(&svg).iter().filter_map(|tag| tag.get("data-name").map(ToOwned::to_owned)).collect();
    assert!(
        names.contains(&"width 3".to_owned()) && names.contains(&"width 10".to_owned()),
        "{names:?}"
    );
    assert!(gaussianity(&[], "nothing").is_none());
}
