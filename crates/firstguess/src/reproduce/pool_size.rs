//! Larger pools favour classes more.

use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Ink, Marks, Series};
use crate::spec::Activation;
use crate::spec::layer::PoolKind;
use crate::theory::dual::Dual;
use crate::theory::mean_field::{LayerVariance, Spread, trajectory};

pub(super) static FIGURE: Figure = Figure {
    id: "pool-size",
    title: "γ after one hidden layer of ReLU grows with the size of its pool",
    sources: &["francazi2024"],
    about: "Theory of independent units under a pool, weight variance 2, no biases, uncorrelated inputs. The source shows histograms of \
        convolutional networks; the numbers are those of independent quadrature.",
    compute,
};

/// Size, γ under a maximum, γ under an average.
const STATED: [(usize, f64, f64); 5] = [
    (2, 1.041_469_22, 0.933_884_41),
    (3, 1.704_570_48, 1.400_826_62),
    (4, 2.429_258_51, 1.867_768_83),
    (9, 6.186_920_84, 4.202_479_86),
    (16, 10.571_761_97, f64::NAN),
];

fn compute(_: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let after_one_layer = |kind, size| -> Result<f64, ReproduceError> {
        let phi = Dual::pooled((&Activation::Relu).into(), kind, size, 0.0)?;
        let layer = LayerVariance { weight: 2.0, bias: 0.0 };
        let path = trajectory(&phi, layer, Spread::first_layer(layer, 1.0, 0.0), 2);
        Ok(path.layers.get(1).map_or(f64::NAN, Spread::gamma))
    };
    for (size, maximum, average) in STATED {
        for (kind, word, stated) in
            [(PoolKind::Max, "maximum", maximum), (PoolKind::Average, "average", average)]
        {
            if stated.is_finite() {
                let ours = after_one_layer(kind, size)?;
                let what = format!("{word} over {size} units: γ");
                found.claims.push(Claim::about(what, stated, 1e-7, ours));
            }
        }
    }
    let mut table = Table::new("drift", &["units", "maximum", "average"]);
    let (mut maximum, mut average) = (Vec::new(), Vec::new());
    for size in [1, 2, 3, 4, 6, 9, 12, 16, 25] {
        let both =
            [after_one_layer(PoolKind::Max, size)?, after_one_layer(PoolKind::Average, size)?];
        maximum.push((size as f64, both[0]));
        average.push((size as f64, both[1]));
        table.push(size.to_string(), both);
    }
    found.tables.push(table);
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Drift ratio of the second pre-activation by the number of units under the pool. At γ = 1 the class shares are uniform.",
        Chart::around(
            Axis::counts("units under the pool", 1, 25),
            "γ",
            vec![
                Series::new("maximum", Ink::Theory, Marks::Line(maximum)),
                Series::new("average", Ink::Measured, Marks::Line(average)),
            ],
        ),
    ));
    Ok(found)
}
