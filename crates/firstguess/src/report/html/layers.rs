//! The table of layers: every number of each, theory beside measurement.

use super::super::Report;
use super::super::text::{estimate, number};
use super::{escaped, text};
use crate::measure::{Estimate, LayerMeasurement};
use crate::theory::mean_field::Spread;
use crate::theory::predict::LayerPrediction;
use std::fmt::Write as _;

/// Rows at most.
const ROWS: usize = 160;

/// One quantity and where its two numbers come from.
struct Column {
    name: &'static str,
    title: &'static str,
    theory: Option<fn(&LayerPrediction) -> Option<f64>>,
    measured: fn(&LayerMeasurement) -> Estimate,
    /// Works that its theory rests on.
    source: &'static str,
}

const COLUMNS: [Column; 8] = [
    Column {
        name: "q",
        title: "mean square pre-activation",
        theory: Some(|layer| layer.q().ok()),
        measured: |layer| layer.q,
        source: "poole2016",
    },
    Column {
        name: "c",
        title: "correlation of two inputs",
        theory: Some(|layer| layer.spread.as_ref().ok().map(Spread::c)),
        measured: |layer| layer.c,
        source: "poole2016",
    },
    Column {
        name: "γ",
        title: "drift ratio: common offset over spread",
        theory: Some(|layer| layer.spread.as_ref().ok().map(Spread::gamma)),
        measured: |layer| layer.gamma,
        source: "francazi2024",
    },
    Column {
        name: "gradient",
        title: "mean square gradient relative to the logits",
        theory: Some(|layer| layer.ln_gradient.as_ref().ok().map(|ln| ln.exp())),
        measured: |layer| layer.cotangent_gradient,
        source: "schoenholz2017",
    },
    Column {
        name: "dead",
        title: "share of units with zero slope at every input",
        theory: None,
        measured: |layer| layer.dead_fraction,
        source: "",
    },
    Column {
        name: "saturated",
        title: "share of values where the activation is nearly flat",
        theory: None,
        measured: |layer| layer.saturated_fraction,
        source: "",
    },
    Column {
        name: "constant",
        title: "share of units with one value for every input",
        theory: None,
        measured: |layer| layer.constant_units,
        source: "",
    },
    Column {
        name: "kurtosis",
        title: "excess kurtosis over networks; 0 for a normal law",
        theory: Some(|_| Some(0.0)),
        measured: |layer| layer.excess_kurtosis,
        source: "lee2018",
    },
];

pub(super) fn section(report: &Report, out: &mut String) {
    *out +=
        "<section id=\"layers\" aria-labelledby=\"layers-h\">\n<h2 id=\"layers-h\">Layers</h2>\n";
    let layers = &report.measurement.layers;
    let count = layers.len().max(report.prediction.layers.len());
    if count == 0 {
        *out += "<p>No layer has weights.</p>\n</section>\n";
        return;
    }
    let shown = shown(count);
    let part = if shown.len() < count {
        format!("{} of {count} layers, evenly spaced. ", shown.len())
    } else {
        String::new()
    };
    let _ = writeln!(
        out,
        "<p>{part}Theory of infinite width beside the measurement ± standard error; a dash where there is no number. \
         {}</p>",
        escaped(&validity(report))
    );
    *out += "<div class=\"wide\" role=\"region\" aria-label=\"Table of layers\" tabindex=\"0\"><table id=\"fg-layers\">\n<thead>\n<tr>\
             <th scope=\"col\" rowspan=\"2\">Layer</th>";
    for column in &COLUMNS {
        let span = if column.theory.is_some() { 2 } else { 1 };
        let _ = write!(
            out,
            "<th scope=\"colgroup\" colspan=\"{span}\" title=\"{}\" data-source=\"{}\">{}</th>",
            column.title, column.source, column.name
        );
    }
    *out += "</tr>\n<tr>";
    for column in &COLUMNS {
        if column.theory.is_some() {
            *out += "<th scope=\"col\">theory</th>";
        }
        *out += "<th scope=\"col\">measured</th>";
    }
    *out += "</tr>\n</thead>\n<tbody>\n";
    for position in shown {
        row(report, position, out);
    }
    *out += "</tbody></table></div>\n";
    modules(report, out);
    *out += "</section>\n";
}

fn shown(count: usize) -> Vec<usize> {
    if count <= ROWS {
        return (0..count).collect();
    }
    (0..ROWS).map(|i| i * (count - 1) / (ROWS - 1)).collect()
}

/// On what the theory of the layers rests.
pub(super) fn validity(report: &Report) -> String {
    match (report.prediction.kernel_inputs, &report.prediction.kernel_gap) {
        (Some(inputs), _) => format!(
            "Theory here is the exact kernel of {inputs} of these inputs at infinite width, for the mean over networks."
        ),
        (None, Some(gap)) => format!("Theory here is that of infinite width; {gap}."),
        (None, None) => {
            "Theory here takes all pairs of inputs for alike, at infinite width.".to_owned()
        }
    }
}

fn row(report: &Report, position: usize, out: &mut String) {
    let predicted = report.prediction.layers.get(position);
    let measured = report.measurement.layers.get(position);
    let module = report.model.as_ref().and_then(|model| model.modules.get(position));
    let index = measured
        .map(|layer| layer.index)
        .or(predicted.map(|layer| layer.index))
        .unwrap_or(position + 1);
    let name = module.map_or_else(
        || {
            let kind = measured.map_or("layer", |layer| layer.kind);
            let units = measured
                .map(|layer| layer.units)
                .or(predicted.map(|layer| layer.units))
                .unwrap_or(0);
            format!("{kind} {units}")
        },
        |module| module.path.clone(),
    );
    let _ = write!(
        out,
        "<tr data-layer=\"{index}\"><th scope=\"row\">{index} <small>{}</small></th>",
        text(&name)
    );
    for column in &COLUMNS {
        if let Some(theory) = column.theory {
            let value = predicted.and_then(theory).map_or_else(|| "–".to_owned(), number);
            let _ = write!(out, "<td>{value}</td>");
        }
        let value =
            measured.map_or_else(|| "–".to_owned(), |layer| dashed(&(column.measured)(layer)));
        let _ = write!(out, "<td>{value}</td>");
    }
    *out += "</tr>\n";
}

fn dashed(e: &Estimate) -> String {
    if e.is_known() { estimate(e) } else { "–".to_owned() }
}

/// How the modules of a model that was handed in were drawn.
fn modules(report: &Report, out: &mut String) {
    let Some(model) = &report.model else { return };
    let _ = writeln!(
        out,
        "<details><summary>How the {} modules were drawn anew</summary>\n<p>{}</p>\n<div class=\"wide\" role=\"region\" \
         aria-label=\"Modules\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Module</th><th scope=\"col\">Class</th>\
         <th scope=\"col\">Parameters</th><th scope=\"col\">Drawn anew</th><th scope=\"col\">Theory</th></tr></thead>\n<tbody>",
        model.modules.len(),
        super::longer_text(&model.redraw),
    );
    for position in shown(model.modules.len()) {
        let Some(module) = model.modules.get(position) else { continue };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{} <small>{}</small></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            module.index,
            text(&module.path),
            text(&module.class),
            module.parameters,
            text(&module.redraw),
            module
                .no_theory
                .as_deref()
                .map_or_else(|| "yes".to_owned(), |why| format!("none: {}", text(why))),
        );
    }
    *out += "</tbody></table></div>\n</details>\n";
}
