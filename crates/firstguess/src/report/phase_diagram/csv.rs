//! Comma-separated: one tidy table of cells and of the points of both lines.

use super::Format;
use crate::theory::phase_diagram::PhaseDiagram;
use serde::Serialize;
use std::fmt::Write as _;

pub(super) const FORMAT: Format =
    Format { extension: "csv", about: "one row per cell and per point of a line", render };

const HEADER: &str = "kind,weight_variance,bias_variance,q_star,q_slope,stable,chi_1,c_star,one_minus_c_star,\
                      gamma_star,phase,prejudice";

/// `inf` is infinite, an empty field has no value.
fn render(diagram: &PhaseDiagram) -> Vec<u8> {
    let mut out = format!("{HEADER}\n");
    for cell in &diagram.cells {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "cell,{},{},{},,,{},{},{},{},{},{}",
            cell.weight_variance,
            cell.bias_variance,
            number(cell.q_star),
            number(cell.chi_1),
            number(cell.c_star()),
            number(cell.c_star_complement),
            number(cell.gamma_star()),
            name(cell.phase),
            name(cell.prejudice),
        );
    }
    for (bias, points) in diagram.bias_variances.iter().zip(&diagram.edge_of_chaos) {
        for point in points.iter().flatten() {
            let q_star = number(point.q_star.as_ref().ok().copied());
            let (weight, slope) = (point.weight_variance, number(Some(point.q_slope)));
            let _ = writeln!(
                out,
                "edge_of_chaos,{weight},{bias},{q_star},{slope},{},1,,,,,",
                point.stable
            );
        }
    }
    for (bias, point) in diagram.bias_variances.iter().zip(&diagram.neutrality) {
        let Ok(point) = point else { continue };
        let _ = writeln!(
            out,
            "neutrality,{},{bias},{},,,,0.5,0.5,1,,",
            point.weight_variance, point.q_star
        );
    }
    out.into_bytes()
}

fn number(value: Option<f64>) -> String {
    value.filter(|x| !x.is_nan()).map(|x| x.to_string()).unwrap_or_default()
}

/// As in JSON.
fn name(value: Option<impl Serialize>) -> String {
    let name = value.and_then(|value| serde_json::to_value(value).ok());
    name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
