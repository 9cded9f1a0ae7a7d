//! Which narrow deep networks stay Gaussian.

use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::measure::laboratory::Laboratory;
use crate::report::picture::gaussianity;
use crate::spec::SpecError;
use crate::spec::activation::Activation;
use crate::spec::weights::WeightFamily;

pub(super) static FIGURE: Figure = Figure {
    id: "gaussian-pairs",
    title: "Narrow deep networks: which stay Gaussian",
    sources: &["wolinski2025"],
    about: "20 000 networks of width 3 and of width 10, layers 3, 10 and 50: distance of the pre-activations from N(0, 1). The figures beside \
        ours are simulations with exact activation tables, 60 000 networks. The source says that its pairs stay Gaussian; that holds for the \
        positive branch, for the odd one only next to θ = 2.",
    compute,
};

/// Activation, weights, variance of weights; then raw distances at width 3, layers 3, 10, 50, and at width 10, layer 50.
type Row = (&'static str, &'static str, f64, [f64; 4]);

const ROWS: [Row; 6] = [
    ("gaussian_odd(3)", "weibull(3)", 1.0, [0.0160, 0.0565, 0.0815, 0.0156]),
    ("gaussian_odd(10)", "weibull(10)", 1.0, [0.0336, 0.151, 0.394, 0.220]),
    ("gaussian_positive(3)", "weibull(3)", 1.0, [0.0017, 0.0022, 0.0023, 0.0020]),
    ("tanh", "normal", 2.5362, [0.0308, 0.0557, 0.0595, 0.0117]),
    ("relu", "normal", 2.0, [0.190, 0.425, 0.500, 0.452]),
    ("sign", "normal", 1.0, [0.0013, 0.0028, 0.0007, 0.0013]),
];

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let mut table = Table::new(
        "distances",
        &["pair", "width", "layer", "stated", "ks_raw", "noise_floor", "excess_kurtosis"],
    );
    for (name, law, variance, stated) in ROWS {
        let activation: Activation =
            name.parse().map_err(|_| SpecError::Conflict(format!("`{name}` is no activation")))?;
        let weights: WeightFamily =
            law.parse().map_err(|_| SpecError::Conflict(format!("`{law}` is no weight law")))?;
        // A pair's weight law has the second moment that makes it exact; its partner is scaled for variance 1 of the product.
        let second = crate::theory::dual::Dual::new(&activation).moments(1.0).second;
        let exact = name.starts_with("gaussian");
        let laboratory = Laboratory {
            weights,
            weight_variance: if exact { 1.0 / second } else { variance },
            networks: 20_000,
            ..Laboratory::new(activation, setting.seed)
        };
        let cells = laboratory.run(&[3, 10], &[3, 10, 50], setting.progress)?;
        let compared = cells.iter().filter(|cell| cell.width == 3 || cell.layer == 50);
        for (cell, stated) in compared.zip(stated) {
            let measured = &cell.gaussianity;
            let (ours, floor) = (measured.ks_raw.value, measured.noise_floor.value);
            let what = format!("{name}, width {}, layer {}", cell.width, cell.layer);
            let claim = if stated < 0.003 {
                // At the noise of the sample: no more can be seen.
                Claim::at_most(what, 2.3 * floor, measured.ks_raw)
            } else {
                Claim::about(what, stated, 0.05 * stated + floor, measured.ks_raw)
            };
            found.claims.push(claim);
            let (width, layer) = (cell.width as f64, cell.layer as f64);
            table.push(name, [width, layer, stated, ours, floor, measured.excess_kurtosis.value]);
        }
        let subject = format!("{name} with {law} weights, 20 000 networks");
        let file = match name {
            "gaussian_odd(3)" => "gaussianity-odd-3",
            "gaussian_positive(3)" => "gaussianity-positive-3",
            "relu" => "gaussianity-relu",
            _ => continue,
        };
        found.pictures.extend(gaussianity(&cells, &subject).map(|picture| picture.renamed(file)));
    }
    found.tables.push(table);
    Ok(found)
}
