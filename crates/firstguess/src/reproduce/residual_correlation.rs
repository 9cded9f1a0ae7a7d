//! Correlations in residual networks rise slowly.

use super::ensemble::{layers, measure, orthogonal_inputs};
use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Ink, Marks, Series, point};
use crate::spec::{InitScheme, Shape};
use crate::theory::mean_field::LayerVariance;
use crate::theory::predict::{InputStatistics, predict};

pub(super) static FIGURE: Figure = Figure {
    id: "residual-correlation",
    title: "Correlation of two inputs by residual block",
    sources: &["yang2017"],
    about: "x + V relu(W x), both weight variances 1, orthogonal inputs: the recursion to block 100, and eight networks of width 1000 to block 20.",
    compute,
};

fn stack(blocks: usize, width: usize) -> String {
    format!(
        r#"[{{"repeat":{blocks},"layers":[{{"residual":[{{"dense":{width}}},"relu",{{"dense":{width}}}]}}]}},{{"dense":10}}]"#
    )
}

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let network = layers(&stack(101, 1000))?.resolve(&Shape::flat(1000)?)?;
    let inits = crate::layer_inits(&InitScheme::explicit(1.0, 0.0), &network)?;
    let path = predict(&network, &inits, InputStatistics::WHITE, 10);
    // The first layer of a block sees the stream that the block before left.
    let after = |blocks: usize| -> Result<f64, ReproduceError> {
        Ok(path.layers[2 * blocks].spread.clone()?.c())
    };
    for (blocks, c) in [
        (1, 0.106_103),
        (2, 0.195_121),
        (5, 0.391_824),
        (10, 0.586_326),
        (50, 0.924_512),
        (100, 0.973_871),
    ] {
        let what = format!("correlation after {blocks} blocks");
        found.claims.push(Claim::about(what, c, 1e-6, after(blocks)?));
    }
    let data = orthogonal_inputs(16, 1000)?;
    let layer = LayerVariance { weight: 1.0, bias: 0.0 };
    let measured = measure(&layers(&stack(21, 1000))?, layer, &data, 8, false, setting)?;
    let mut table = Table::new("correlation", &["blocks", "theory", "measured", "std_error"]);
    let (mut line, mut points) = (Vec::new(), Vec::new());
    for blocks in 1..=100 {
        let theory = after(blocks)?;
        line.push((blocks as f64, theory));
        let mut row = vec![theory];
        if blocks <= 20 {
            let c = measured.layers[2 * blocks].c;
            points.push(point(blocks as f64, &c));
            row.extend([c.value, c.std_error.unwrap_or(f64::NAN)]);
            if [1, 2, 5, 10, 20].contains(&blocks) {
                let what = format!("after {blocks} blocks, networks");
                found.claims.push(Claim::about(what, theory, 0.01, c));
            }
        } else {
            row.extend([f64::NAN; 2]);
        }
        table.push(blocks.to_string(), row);
    }
    found.tables.push(table);
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "A plain ReLU network at the same depth has merged its inputs; the stream keeps them apart for a hundred blocks.",
        Chart::over(
            Axis::counts("blocks", 1, 100),
            Axis::exactly("correlation", 0.0, 1.02),
            vec![
                Series::new("theory", Ink::Theory, Marks::Line(line)),
                Series::new("measured", Ink::Measured, Marks::Points(points)),
            ],
        ),
    ));
    Ok(found)
}
