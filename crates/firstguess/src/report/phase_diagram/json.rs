//! JSON: the same object that `phase --json` prints.

use super::Format;
use crate::report::{Fields, SCHEMA_VERSION};
use crate::theory::critical::{CriticalPoint, NeutralityPoint};
use crate::theory::phase_diagram::{Cell, PhaseDiagram};
use crate::theory::{NoTheory, Predicted};
use serde_json::Value;

pub(super) const FORMAT: Format =
    Format { extension: "json", about: "one object with axes, cells and lines", render };

fn render(diagram: &PhaseDiagram) -> Vec<u8> {
    let mut text = fields(diagram).into_value().to_string().into_bytes();
    text.push(b'\n');
    text
}

/// The diagram in fields, null beside a reason where there is no number.
pub fn fields(diagram: &PhaseDiagram) -> Fields {
    let lines = diagram.bias_variances.iter();
    let edge: Vec<Value> =
        lines.clone().zip(&diagram.edge_of_chaos).map(|(b, points)| edge(*b, points)).collect();
    let neutral: Vec<Value> =
        lines.zip(&diagram.neutrality).map(|(b, point)| neutral(*b, point)).collect();
    let fields = Fields::new()
        .with("schema_version", SCHEMA_VERSION)
        .with("command", "phase")
        .with("activation", &diagram.activation)
        .with("pool", &diagram.pool);
    let fields = match &diagram.homogeneous {
        Some(both) => fields
            .number("forward_weight_variance", both.forward_weight_variance)
            .number("gradient_weight_variance", both.gradient_weight_variance)
            .number("remaining_factor_per_layer", both.eta),
        None => fields,
    };
    let fields = match &diagram.point {
        Some(point) => fields.with("point", cell(point)),
        None => fields,
    };
    fields
        .with("weight_variance", &diagram.weight_variances)
        .with("bias_variance", &diagram.bias_variances)
        .with("edge_of_chaos", edge)
        .with("neutrality", neutral)
        .with("cells", diagram.cells.iter().map(cell).collect::<Vec<_>>())
}

fn edge(bias: f64, points: &Result<Vec<CriticalPoint>, NoTheory>) -> Value {
    let values = points.as_ref().map_err(Clone::clone).map(|points| {
        let each = points.iter().map(|point| {
            Fields::new()
                .number("weight_variance", point.weight_variance)
                .predicted("q_star", &point.q_star)
                .number("q_slope", point.q_slope)
                .with("stable", point.stable)
                .into_value()
        });
        each.collect::<Vec<_>>()
    });
    Fields::new().with("bias_variance", bias).named("points", &values).into_value()
}

fn neutral(bias: f64, point: &Result<NeutralityPoint, NoTheory>) -> Value {
    let of = |field: fn(&NeutralityPoint) -> f64| -> Predicted {
        point.as_ref().map(field).map_err(Clone::clone)
    };
    Fields::new()
        .with("bias_variance", bias)
        .predicted("weight_variance", &of(|point| point.weight_variance))
        .predicted("q_star", &of(|point| point.q_star))
        .into_value()
}

fn cell(cell: &Cell) -> Value {
    let maybe = |fields: Fields, name: &str, value: Option<f64>, why: &str| match value {
        Some(value) => fields.number(name, value),
        None => fields.missing(name, &NoTheory::new(why)),
    };
    let none = "the activation has no such limit here";
    let fields = Fields::new()
        .number("weight_variance", cell.weight_variance)
        .number("bias_variance", cell.bias_variance);
    let fields = maybe(fields, "q_star", cell.q_star, "every variance is a fixed point");
    let fields = maybe(fields, "chi_1", cell.chi_1, none);
    let fields = maybe(fields, "c_star", cell.c_star(), none);
    let fields = maybe(fields, "one_minus_c_star", cell.c_star_complement, none);
    maybe(fields, "gamma_star", cell.gamma_star(), none)
        .with("phase", cell.phase)
        .with("prejudice", cell.prejudice)
        .into_value()
}
