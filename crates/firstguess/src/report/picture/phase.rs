//! Phase diagrams: regions, the edge of chaos, the line of neutrality, and the reader's own point.

use super::Picture;
use super::chart::{Axis, Chart, Dash, Marks, Series};
use super::ink::Ink;
use super::layout::Panel;
use crate::theory::phase::{Phase, Prejudice};
use crate::theory::phase_diagram::{Cell, PhaseDiagram};

/// Regions in the order of the legend.
const REGIONS: [(Ink, &str); 6] = [
    (Ink::Ordered, "ordered: gradients vanish, one class takes all"),
    (Ink::Chaotic, "chaotic: gradients explode, one class takes all"),
    (Ink::Prejudiced, "chaotic, a class favoured"),
    (Ink::Neutral, "neutral: guesses split evenly"),
    (Ink::Critical, "edge of chaos: gradients keep their size"),
    (Ink::Unknown, "no theory"),
];

/// The first of them where inputs do not merge.
const ORDERED_APART: &str = "ordered: gradients vanish, a class favoured";

fn region(cell: &Cell, blocks: bool) -> Ink {
    // A cell on the edge itself belongs to one of its sides: the line says where the edge is.
    let chaotic = cell.chi_1.is_some_and(|chi| chi > 1.0);
    match (cell.phase, cell.prejudice) {
        // Norms and streams are critical over whole regions.
        (Some(Phase::EdgeOfChaos), _) if blocks => Ink::Critical,
        (_, Some(Prejudice::Neutrality)) => Ink::Neutral,
        (Some(Phase::Ordered), _) => Ink::Ordered,
        (Some(Phase::EdgeOfChaos), _) if !chaotic => Ink::Ordered,
        (Some(Phase::EdgeOfChaos), _) if cell.c_star_complement > Some(0.0) => Ink::Prejudiced,
        (_, Some(Prejudice::Prejudice)) => Ink::Prejudiced,
        (Some(Phase::Chaotic | Phase::EdgeOfChaos), _) => Ink::Chaotic,
        _ => Ink::Unknown,
    }
}

/// The phase diagram as a picture, with the point that was asked about, if one was.
pub fn phase_diagram(diagram: &PhaseDiagram) -> Picture {
    let (weights, biases) = (&diagram.weight_variances, &diagram.bias_variances);
    let mut series = regions(diagram);
    series.extend(lines(diagram));
    if let Some(point) = &diagram.point {
        let (weight, bias) = (point.weight_variance, point.bias_variance);
        let name = format!("σ_w² = {weight}, σ_b² = {bias}");
        series.push(Series::new(name, Ink::Text, Marks::Place(weight, bias)));
    }
    let ends = |values: &[f64]| {
        (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(1.0))
    };
    let ((left, right), (low, high)) = (ends(weights), ends(biases));
    let chart = Chart::over(
        Axis::exactly("weight variance × fan-in, σ_w²", left, right),
        Axis::exactly("bias variance, σ_b²", low, high),
        series,
    );
    let pool = diagram.pool.as_ref().map_or_else(String::new, |pool| format!(" then {pool}"));
    Picture {
        name: "phase",
        title: format!("Phases of {}{pool}", diagram.activation),
        description: description(diagram),
        panels: vec![Panel { title: None, chart, height: 400.0 }],
    }
}

fn description(diagram: &PhaseDiagram) -> String {
    let curves = &diagram.curves;
    let of = if diagram.blocks { "blocks" } else { "layers" };
    let mut text = format!("Infinitely deep and wide networks of equal {of}.");
    if !curves.edge_of_chaos.is_empty() || curves.homogeneous.is_some() {
        text += " On the edge of chaos gradients keep their size.";
    }
    if curves.edge_of_chaos.iter().any(|curve| !curve.stable) {
        text += " Where it is unstable, signals drift away from it; a border without a line is a jump of the signal.";
    }
    if !curves.neutrality.is_empty() {
        text += " Beyond the neutrality line guesses are split evenly among the classes.";
    }
    text
}

/// Cells of one kind, neighbours of a row joined.
fn regions(diagram: &PhaseDiagram) -> Vec<Series> {
    let (columns, mut rows) = (edges(&diagram.weight_variances), edges(&diagram.bias_variances));
    // Without any bias odd functions are a case of their own, on a line without a width.
    let first = usize::from(diagram.bias_variances.len() > 2 && rows.first() == Some(&0.0));
    if first == 1 {
        rows[1] = 0.0;
    }
    let mut of_kind: Vec<Vec<(f64, f64, f64, f64)>> = vec![Vec::new(); REGIONS.len()];
    for row in first..diagram.bias_variances.len() {
        let mut run: Option<(Ink, usize)> = None;
        for column in 0..=diagram.weight_variances.len() {
            let here = diagram.cell(column, row).map(|cell| region(cell, diagram.blocks));
            if let Some((ink, start)) = run.filter(|(ink, _)| Some(*ink) != here) {
                let kind = REGIONS.iter().position(|(known, _)| *known == ink);
                let rectangle = (columns[start], columns[column], rows[row], rows[row + 1]);
                if let Some(cells) = kind.and_then(|kind| of_kind.get_mut(kind)) {
                    // The same run in the row below makes one rectangle of both.
                    let below = cells.iter_mut().rev().find(|cell| {
                        cell.0 == rectangle.0 && cell.1 == rectangle.1 && cell.3 == rectangle.2
                    });
                    match below {
                        Some(cell) => cell.3 = rectangle.3,
                        None => cells.push(rectangle),
                    }
                }
                run = None;
            }
            if run.is_none() {
                run = here.map(|ink| (ink, column));
            }
        }
    }
    // Noise of its own, such as dropout's, keeps inputs apart where gradients vanish.
    let apart = diagram.cells.iter().any(|cell| {
        cell.phase == Some(Phase::Ordered) && cell.prejudice == Some(Prejudice::Prejudice)
    });
    REGIONS
        .iter()
        .zip(of_kind)
        .map(|((ink, name), cells)| {
            let name = if *ink == Ink::Ordered && apart { ORDERED_APART } else { *name };
            Series::new(name, *ink, Marks::Cells(cells))
        })
        .collect()
}

/// Borders of cells: midway between the values, and the outermost values themselves.
fn edges(values: &[f64]) -> Vec<f64> {
    let first = values.first().copied();
    let last = values.last().copied();
    let between = values.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
    first.into_iter().chain(between).chain(last).collect()
}

fn lines(diagram: &PhaseDiagram) -> Vec<Series> {
    let mut series = Vec::new();
    let curves = &diagram.curves;
    for stable in [true, false] {
        let mut points = Vec::new();
        for curve in curves.edge_of_chaos.iter().filter(|curve| curve.stable == stable) {
            if !points.is_empty() {
                points.push((f64::NAN, f64::NAN));
            }
            points.extend(&curve.points);
        }
        let name = if stable { "edge of chaos" } else { "edge of chaos, unstable" };
        let dash = if stable { Dash::Solid } else { Dash::Dashed };
        series.push(Series::new(name, Ink::Text, Marks::Line(points)).dashed(dash));
    }
    if let Some(both) = &curves.homogeneous {
        let (low, high) = (
            diagram.bias_variances.first().copied().unwrap_or(0.0),
            diagram.bias_variances.last().copied().unwrap_or(1.0),
        );
        let upright = |weight: f64| Marks::Line(vec![(weight, low), (weight, high)]);
        let gradient = both.gradient_weight_variance;
        let name = format!("gradients keep their size, σ_w² = {gradient:.4}");
        series.push(Series::new(name, Ink::Text, upright(gradient)));
        if both.eta != 1.0 {
            let forward = both.forward_weight_variance;
            let name = format!("signals keep their size, σ_w² = {forward:.4}");
            series.push(Series::new(name, Ink::Text, upright(forward)).dashed(Dash::Dashed));
        }
    }
    let mut points = Vec::new();
    for piece in &curves.neutrality {
        if !points.is_empty() {
            points.push((f64::NAN, f64::NAN));
        }
        points.extend(piece);
    }
    series.push(
        Series::new("neutrality, c* = ½", Ink::Theory, Marks::Line(points)).dashed(Dash::Dotted),
    );
    series
}
