//! `phase --from DIR`: a diagram whose cells are the points of a sweep.

use std::path::Path;

use anyhow::{Context, bail};
use firstguess::spec::Activation;
use firstguess::sweep::{Column, ColumnData, Command, Table};
use firstguess::theory::NoTheory;
use firstguess::theory::critical::{edge_of_chaos, homogeneous_criticality, neutrality};
use firstguess::theory::dual::Dual;
use firstguess::theory::phase::{Phase, Prejudice};
use firstguess::theory::phase_diagram::{Axis, Cell, Curves, PhaseDiagram};
use firstguess::theory::predict::Block;

use crate::commands::sweep::existing;

/// A measured factor on gradients this near to 1 per layer counts as critical: over 20 layers it changes them by half.
const CRITICAL: f64 = 0.02;

/// Measured correlations this near to 1 count as 1, as in computed diagrams.
const MERGED: f64 = 1e-2;

/// Rows and columns of a diagram at most.
const MOST: usize = 4096;

/// The diagram of one activation's points. Cells that the sweep has not, or without an answer, are empty.
///
/// A sweep of `phase-point` or `predict` gives what theory says of infinite depth. One of `check` gives what was measured:
/// q and c at the logits, and the factor on gradients per layer, from which the phase is read.
pub(super) fn diagram(folder: &Path, wanted: Option<&Activation>) -> anyhow::Result<PhaseDiagram> {
    let folder = existing(folder)?;
    let command = folder.grid().command();
    let read: fn(&Columns<'_>, usize) -> Cell = match command {
        Command::PhasePoint | Command::Predict => computed,
        Command::Check => measured,
        other => bail!(
            "`{}` holds a sweep of `{}`, whose answers have no phase. Sweep phase-point, predict or check",
            folder.path().display(),
            other.name()
        ),
    };
    let table = folder.table(None)?;
    let columns = Columns(&table);
    let axis = |names: [&'static str; 2]| {
        let found = names.iter().find(|name| folder.grid().fields().any(|field| field == **name));
        let found = found.with_context(|| {
            format!("the sweep in `{}` has no field `{}`", folder.path().display(), names[0])
        })?;
        anyhow::Ok(*found)
    };
    let (across, up) = (
        axis(["weight_variance", "init.weight_variance"])?,
        axis(["bias_variance", "init.bias_variance"])?,
    );
    let rows = chosen(&columns, wanted)?;
    one_point_per_cell(&folder, &columns, &rows.rows, &[across, up, "activation"])?;
    let values = |name: &str| -> anyhow::Result<Vec<f64>> {
        let mut values: Vec<f64> =
            rows.rows.iter().filter_map(|row| columns.number(name, *row)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.is_empty() || values.len() > MOST {
            bail!("`{name}` has {} values; a diagram has from 1 to {MOST}", values.len());
        }
        Ok(values)
    };
    let (weights, biases) = (values(across)?, values(up)?);
    let mut cells: Vec<Cell> =
        biases.iter().flat_map(|bias| weights.iter().map(|weight| empty(*weight, *bias))).collect();
    for row in rows.rows {
        let place = |name: &str, values: &[f64]| {
            let value = columns.number(name, row)?;
            values.iter().position(|other| *other == value)
        };
        let (Some(column), Some(line)) = (place(across, &weights), place(up, &biases)) else {
            continue;
        };
        if columns.text("status", row) == Some("ok") {
            let found = read(&columns, row);
            cells[line * weights.len() + column] =
                Cell { weight_variance: weights[column], bias_variance: biases[line], ..found };
        }
    }
    // Theory's lines over the cells, whatever these are.
    let phi = rows.activation.parse::<Activation>().ok().map(|activation| Dual::new(&activation));
    let blocks = rows.activation.starts_with(Block::NAMED);
    let unknown = || {
        NoTheory::new(if blocks {
            "not drawn over a sweep of blocks: `firstguess phase MODEL` has it".to_owned()
        } else {
            format!("`{}` is no activation that theory knows", rows.activation)
        })
    };
    let pooled = folder.grid().fields().any(|field| field == "pool");
    let phi = phi.filter(|_| !pooled).ok_or_else(|| {
        if pooled { NoTheory::new("not drawn over a sweep with pools") } else { unknown() }
    });
    let curves = match &phi {
        Ok(phi) if weights.len() > 1 && biases.len() > 1 => curves(phi, &weights, &biases),
        _ => Curves::default(),
    };
    let line = |bias: &f64| phi.as_ref().map_err(Clone::clone).map(|phi| (phi, *bias));
    Ok(PhaseDiagram {
        activation: rows.activation.clone(),
        blocks,
        pool: None,
        edge_of_chaos: biases
            .iter()
            .map(|bias| line(bias).and_then(|(phi, bias)| edge_of_chaos(phi, bias)))
            .collect(),
        neutrality: biases
            .iter()
            .map(|bias| line(bias).and_then(|(phi, bias)| neutrality(phi, bias)))
            .collect(),
        homogeneous: phi
            .ok()
            .as_ref()
            .and_then(homogeneous_criticality)
            .filter(|both| both.eta != 1.0),
        curves,
        point: None,
        weight_variances: weights,
        bias_variances: biases,
        cells,
    })
}

/// Both lines of theory, as they are drawn over the cells.
fn curves(phi: &Dual, weights: &[f64], biases: &[f64]) -> Curves {
    let ends = |values: &[f64]| Axis { low: values[0], high: values[values.len() - 1], points: 2 };
    PhaseDiagram::new(phi, ends(weights), ends(biases)).curves
}

/// The columns of a table by name.
struct Columns<'a>(&'a Table);

impl Columns<'_> {
    fn column(&self, name: &str) -> Option<&Column> {
        self.0.columns.iter().find(|column| column.name == name)
    }

    fn number(&self, name: &str, row: usize) -> Option<f64> {
        match &self.column(name)?.data {
            ColumnData::Number(cells) => *cells.get(row)?,
            ColumnData::Integer(cells) => cells.get(row)?.map(|value| value as f64),
            ColumnData::Text(_) | ColumnData::Flag(_) => None,
        }
    }

    fn text(&self, name: &str, row: usize) -> Option<&str> {
        match &self.column(name)?.data {
            ColumnData::Text(cells) => cells.get(row)?.as_deref(),
            _ => None,
        }
    }

    /// The activation of a point: asked about, or found in its spec.
    fn activation(&self, row: usize) -> Option<&str> {
        self.text("activation", row).or_else(|| self.text("repeated_activation", row))
    }

    fn shown(&self, name: &str, row: usize) -> String {
        let number = || self.number(name, row).map(|value| value.to_string());
        self.text(name, row).map(str::to_owned).or_else(number).unwrap_or_default()
    }

    fn rows(&self) -> usize {
        match self.column("point").map(|column| &column.data) {
            Some(ColumnData::Integer(cells)) => cells.len(),
            _ => 0,
        }
    }
}

/// The points of one activation.
struct Chosen {
    activation: String,
    rows: Vec<usize>,
}

fn chosen(columns: &Columns<'_>, wanted: Option<&Activation>) -> anyhow::Result<Chosen> {
    let mut there: Vec<&str> =
        (0..columns.rows()).filter_map(|row| columns.activation(row)).collect();
    there.sort_unstable();
    there.dedup();
    let same = |name: &str| {
        wanted.is_none_or(|wanted| name.parse::<Activation>().is_ok_and(|found| found == *wanted))
    };
    let fitting: Vec<&str> = there.iter().copied().filter(|name| same(name)).collect();
    let [activation] = fitting[..] else {
        bail!(
            "the sweep has points of {}; choose one: --activation NAME",
            if there.is_empty() { "no activation".to_owned() } else { there.join(", ") }
        );
    };
    let rows = (0..columns.rows()).filter(|row| {
        let found = columns.activation(*row);
        // A failed check has no activation.
        found == Some(activation) || found.is_none()
    });
    Ok(Chosen { activation: activation.to_owned(), rows: rows.collect() })
}

/// Refuses a sweep in which something else varies.
fn one_point_per_cell(
    folder: &firstguess_io::sweep::SweepFolder,
    columns: &Columns<'_>,
    rows: &[usize],
    axes: &[&str],
) -> anyhow::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    for field in folder.grid().fields().filter(|field| !axes.contains(field)) {
        let one = columns.shown(field, *first);
        if let Some(other) = rows.iter().find(|row| columns.shown(field, **row) != one) {
            bail!(
                "`{field}` varies in the sweep ({one}, {}): a cell would have several points. Sweep one value of it",
                columns.shown(field, *other)
            );
        }
    }
    Ok(())
}

const fn empty(weight_variance: f64, bias_variance: f64) -> Cell {
    Cell {
        weight_variance,
        bias_variance,
        q_star: None,
        chi_1: None,
        c_star_complement: None,
        phase: None,
        prejudice: None,
    }
}

/// What theory says of infinite depth.
fn computed(columns: &Columns<'_>, row: usize) -> Cell {
    let number = |name: &str| columns.number(name, row);
    let phase = [Phase::Ordered, Phase::EdgeOfChaos, Phase::Chaotic];
    let prejudice = [Prejudice::Neutrality, Prejudice::Prejudice, Prejudice::DeepPrejudice];
    Cell {
        q_star: number("q_star"),
        chi_1: number("chi_1"),
        c_star_complement: number("one_minus_c_star").or_else(|| number("c_star").map(|c| 1.0 - c)),
        phase: named(&phase, columns.text("phase", row)),
        prejudice: named(&prejudice, columns.text("prejudice", row)),
        ..empty(0.0, 0.0)
    }
}

/// The value that is written so in JSON.
fn named<T: Copy + serde::Serialize>(all: &[T], name: Option<&str>) -> Option<T> {
    let name = name?;
    all.iter()
        .copied()
        .find(|value| serde_json::to_value(value).is_ok_and(|text| text.as_str() == Some(name)))
}

/// What a network of finite depth shows.
fn measured(columns: &Columns<'_>, row: usize) -> Cell {
    let number = |name: &str| columns.number(name, row);
    let factors =
        number("weight_layers").map(|layers| layers - 1.0).filter(|factors| *factors > 0.0);
    let chi = number("ln_first_gradient")
        .zip(number("ln_last_gradient"))
        .zip(factors)
        .map(|((first, last), factors)| ((first - last) / factors).exp());
    let complement = number("last_c").map(|c| 1.0 - c);
    Cell {
        q_star: number("last_q"),
        chi_1: chi,
        c_star_complement: complement,
        phase: chi.map(|chi| match chi {
            chi if (chi - 1.0).abs() <= CRITICAL => Phase::EdgeOfChaos,
            chi if chi < 1.0 => Phase::Ordered,
            _ => Phase::Chaotic,
        }),
        prejudice: complement.zip(number("last_gamma")).map(|(complement, gamma)| {
            if complement < MERGED {
                Prejudice::DeepPrejudice
            } else if gamma >= 1.0 {
                Prejudice::Prejudice
            } else {
                Prejudice::Neutrality
            }
        }),
        ..empty(0.0, 0.0)
    }
}
