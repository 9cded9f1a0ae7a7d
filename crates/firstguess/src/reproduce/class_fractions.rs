//! The law of the share of inputs that an untrained network gives to a class.

use super::{Claim, Figure, Findings, ReproduceError, Setting, Table};
use crate::math::special::normal_cdf;
use crate::math::stream::{Purpose, Stream};
use crate::report::picture::Picture;
use crate::report::picture::{Axis, Chart, Marks, SERIES, Series};
use crate::theory::prejudice::{GuessFraction, GuessLaw};

/// Draws of each simulated law.
const DRAWS: u32 = 100_000;
/// Bars of its histogram.
const BINS: usize = 40;

pub(super) static FIGURE: Figure = Figure {
    id: "class-fractions",
    title: "Law of the class shares of untrained networks at three drift ratios",
    sources: &["francazi2024", "bassi2026"],
    about: "Two classes: 100 000 draws of Φ(√γ δ) against the closed law; γ = 1 is where it is uniform. Then the probability \
        that two inputs get the same of N classes, against independent quadrature and simulation.",
    compute,
};

fn compute(setting: &mut Setting<'_>) -> Result<Findings, ReproduceError> {
    let mut found = Findings::default();
    let mut densities = Table::new("densities", &["share", "gamma_0.05", "gamma_1", "gamma_10"]);
    let gammas = [0.05, 1.0, 10.0];
    let mut series = Vec::new();
    for ((layer, gamma), ink) in (0_u32..).zip(gammas).zip(SERIES) {
        let law = GuessFraction::new(gamma)?;
        let mut normals = vec![0.0; DRAWS as usize];
        Stream::new(setting.seed, 0, layer, Purpose::Logits).fill_normal_f64(0, &mut normals);
        let mut shares: Vec<f64> = normals.iter().map(|z| normal_cdf(gamma.sqrt() * z)).collect();
        shares.sort_by(f64::total_cmp);
        let n = f64::from(DRAWS);
        let distance = shares.iter().zip(0_u32..).fold(0.0_f64, |worst, (share, rank)| {
            let law = law.cdf(*share);
            worst.max((law - f64::from(rank) / n).abs()).max((law - f64::from(rank + 1) / n).abs())
        });
        // Exceeded by one sample in a thousand.
        let bound = 1.95 / n.sqrt();
        let what = format!("γ = {gamma}: KS distance of the sample from the law");
        found.claims.push(Claim::at_most(what, bound, distance));
        let bars = histogram(&shares);
        let name = format!("γ = {gamma}");
        series.push(Series::new(format!("{name}, drawn"), ink, Marks::Points(bars)));
        let line = grid().map(|share| (share, law.density(share))).collect();
        series.push(Series::new(name, ink, Marks::Line(line)));
    }
    let uniform = GuessFraction::new(1.0)?;
    let apart = grid().map(|share| (uniform.cdf(share) - share).abs()).fold(0.0, f64::max);
    found.claims.push(Claim::at_most("γ = 1: distance of the law from uniform", 1e-14, apart));

    let mild = 1.0 / (std::f64::consts::PI - 1.0);
    for (classes, gamma, name, value, tolerance) in [
        (2, 0.01, "0.01", 0.503_152, 1e-6),
        (2, 0.1, "0.1", 0.528_977, 1e-6),
        (2, mild, "1/(π-1)", 0.603_115, 1e-6),
        (10, 0.0, "0", 0.1, 1e-12),
    ] {
        let what = format!("{classes} classes, γ = {name}: same guess for two inputs");
        let ours = GuessLaw::new(classes, gamma)?.agreement().value;
        found.claims.push(Claim::about(what, value, tolerance, ours));
    }
    for share in grid() {
        let mut row = Vec::new();
        for gamma in gammas {
            row.push(GuessFraction::new(gamma)?.density(share));
        }
        densities.push(share.to_string(), row);
    }
    found.tables.push(densities);
    found.pictures.push(Picture::new(
        FIGURE.id,
        FIGURE.title,
        "Density of the share of inputs that go to one of two classes, over random networks. Below γ = 1 most networks split \
         the inputs evenly, above it most favour a class.",
        Chart::over(
            Axis::exactly("share of the inputs", 0.0, 1.0),
            Axis::exactly("density", 0.0, 4.0),
            series,
        ),
    ));
    Ok(found)
}

/// Shares that leave out the ends, where densities may be infinite.
fn grid() -> impl Iterator<Item = f64> {
    (1..200).map(|k| f64::from(k) / 200.0)
}

/// Densities in the middle of each bin, with their errors.
fn histogram(sorted: &[f64]) -> Vec<(f64, f64, f64)> {
    let width = 1.0 / BINS as f64;
    (0..BINS)
        .map(|bin| {
            let [low, high] = [bin, bin + 1].map(|edge| {
                let edge = edge as f64 * width;
                sorted.partition_point(|share| *share < edge)
            });
            let part = (high - low) as f64 / sorted.len() as f64;
            let error = (part * (1.0 - part) / sorted.len() as f64).sqrt();
            ((bin as f64 + 0.5) * width, part / width, error / width)
        })
        .collect()
}
