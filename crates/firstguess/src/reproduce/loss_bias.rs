//! Which losses correct a biased start, and which make it worse.

use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Marks, SERIES, Series};
use crate::spec::SpecError;
use crate::spec::loss::Loss;
use crate::theory::loss_bias::{critical_exponent, share_after};

pub(super) static FIGURE: Figure = Figure {
    id: "loss-bias",
    title: "Losses under a biased start: some correct it, some run away",
    sources: &["pellegrino2025", "pellegrino2025b"],
    about: "The model of biases alone: ten classes, one of them with a share of 0.9, steps of 0.05 along the force. Shares after so many steps \
        beside independent runs of the same model, and the exponent of the blurry loss at which correcting ends.",
    compute,
};

/// Loss; shares after 200, 1000 and 4000 steps from 0.9.
const STATED: [(&str, [f64; 3]); 7] = [
    ("ce", [0.1883, 0.1009, 0.1]),
    ("focal(2)", [0.1588, 0.1003, 0.1]),
    ("gce(0.7)", [0.8696, 0.6059, 0.1542]),
    ("blurry(0.1)", [0.3873, 0.1139, 0.1]),
    ("blurry(0.2)", [0.8635, 0.2964, 0.1070]),
    ("blurry(0.3)", [0.9642, 0.9997, 1.0]),
    ("piecewise_zero(0.05)", [0.9091, 0.9338, 0.9678]),
];

fn compute(_: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let steps: Vec<usize> = (0..=40).map(|k| 100 * k).collect();
    let mut table = Table::new("shares", &["loss", "steps", "share"]);
    let mut series = Vec::new();
    for (index, (name, stated)) in STATED.into_iter().enumerate() {
        let loss: Loss =
            name.parse().map_err(|_| SpecError::Conflict(format!("`{name}` is no loss")))?;
        for (after, stated) in [200, 1000, 4000].into_iter().zip(stated) {
            let what = format!("{name}: share after {after} steps");
            let ours = share_after(&loss, 10, 0.9, 0.05, after)?;
            found.claims.push(Claim::about(what, stated, 6e-5, ours));
        }
        let mut line = Vec::new();
        for after in &steps {
            let share = share_after(&loss, 10, 0.9, 0.05, *after)?;
            line.push((*after as f64, share));
            table.push(name, [*after as f64, share]);
        }
        if let Some(ink) = SERIES.get(index.saturating_sub(1)).filter(|_| index != 1) {
            series.push(Series::new(name, *ink, Marks::Line(line)));
        }
    }
    let what = "ten classes: critical exponent of the blurry loss";
    found.claims.push(Claim::about(what, 0.272, 5e-4, critical_exponent(10)));
    found.tables.push(table);
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Share of the favoured class of ten by the number of steps.",
        Chart::over(
            Axis::exactly("steps", 0.0, 4000.0),
            Axis::exactly("share of the favoured class", 0.0, 1.02),
            series,
        ),
    ));
    Ok(found)
}
