//! `firstguess gaussianity`: narrow deep networks against the normal law; and what `pair --scan` shares with it.

use firstguess::math::stream::Seed;
use firstguess::measure::laboratory::{Cell, Laboratory};
use firstguess::report::picture;
use firstguess::theory::dual::Dual;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::args::{GaussianityArgs, LaboratoryArgs};
use crate::commands::pictures::Folder;
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::json::Fields;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, given};

pub(crate) fn run(args: &GaussianityArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let folder = Folder::of(&args.plot)?;
    let activation = args.activation.activation.clone();
    let second = Dual::new(&activation).moments(1.0).second;
    let weight_variance = match args.weight_variance {
        Some(weight_variance) => weight_variance,
        // Normalised activations have mean square 1.
        None if args.rms_norm => (1.0 - args.bias_variance).max(0.0),
        None => keeping(second, args)?,
    };
    let laboratory = Laboratory {
        weights: args.weight_law,
        weight_variance,
        bias_variance: args.bias_variance,
        rms_normalized: args.rms_norm,
        ..Laboratory::new(activation, Seed(out.settings().seed.unwrap_or_default()))
    };
    let scan = Scan::new(laboratory, &args.laboratory, out)?;
    if let Some(folder) = &folder {
        let picture = picture::gaussianity(&scan.cells, &scan.subject());
        folder.write(picture.as_slice(), out)?;
    }
    if out.json() {
        out.object("gaussianity", &scan)?;
    } else {
        scan.headline(out)?;
        out.lines(&format!("{}\n\n", scan.subject()))?;
        scan.table(None, out)?;
        out.note(LEGEND)?;
    }
    Ok(ExitStatus::Fine)
}

/// The weight variance that keeps the variance of the pre-activations at 1.
fn keeping(second: f64, args: &GaussianityArgs) -> anyhow::Result<f64> {
    let weight_variance = (1.0 - args.bias_variance) / second;
    anyhow::ensure!(
        args.bias_variance < 1.0 && weight_variance.is_finite() && weight_variance <= 1e6,
        "no weight variance keeps variance 1 with {} and bias variance {}; give --weight-variance",
        args.activation.activation,
        given(args.bias_variance)
    );
    Ok(weight_variance)
}

pub(crate) const LEGEND: &str = "KS: distance from N(0, 1), raw and after division by the root mean square; noise: what a \
    normal sample of this size shows on average. A/floor: Anderson-Darling over its mean for a normal sample (2.5 is \
    exceeded once in twenty).";

/// The distance that a normal sample exceeds once in a thousand, 1.95/√n, over the noise floor, 0.87/√n.
const VISIBLE: f64 = 1.95 / 0.87;

/// What was measured.
pub(crate) struct Scan {
    laboratory: Laboratory,
    cells: Vec<Cell>,
}

impl Scan {
    pub(crate) fn new(
        laboratory: Laboratory,
        args: &LaboratoryArgs,
        out: &Printer,
    ) -> anyhow::Result<Self> {
        let laboratory = Laboratory { networks: args.networks, ..laboratory };
        let (widths, depths) = (ascending(&args.widths), ascending(&args.depths));
        let mut progress = Bar::new(out.settings().quiet, "measuring", "networks");
        let cells = laboratory.run(&widths, &depths, &mut progress);
        progress.finish();
        Ok(Self { laboratory, cells: cells? })
    }

    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    pub(crate) fn subject(&self) -> String {
        let Laboratory { activation, weights, weight_variance, bias_variance, networks, .. } =
            &self.laboratory;
        let norm = if self.laboratory.rms_normalized { ", RMS-normalised" } else { "" };
        format!(
            "{activation}{norm}, {weights} weights of variance {}, bias variance {}, {networks} networks",
            digits(*weight_variance),
            given(*bias_variance)
        )
    }

    pub(crate) fn headline(&self, out: &mut Printer) -> anyhow::Result<()> {
        let worst = self
            .cells
            .iter()
            .max_by(|a, b| {
                let of = |cell: &Cell| cell.gaussianity.ks_raw.value;
                // NaN, where values overflowed, counts as the worst.
                of(a).total_cmp(&of(b))
            })
            .filter(|cell| !cell.is_gaussian());
        let departed = self.cells.iter().find(|cell| !cell.is_gaussian());
        match (departed, worst) {
            (Some(first), Some(worst)) => out.headline(
                Tone::Bad,
                &format!(
                    "not Gaussian: width {}, layer {} departs from the normal law; at worst KS {} (width {}, layer {})",
                    first.width,
                    first.layer,
                    digits(worst.gaussianity.ks_raw.value),
                    worst.width,
                    worst.layer
                ),
            )?,
            (Some(first), None) => out.headline(
                Tone::Bad,
                &format!("not Gaussian from width {}, layer {} on", first.width, first.layer),
            )?,
            _ => {
                // What a thousandth of normal samples exceeds would have been seen.
                let floors = self.cells.iter().map(|cell| cell.gaussianity.noise_floor.value);
                let seen = VISIBLE * floors.fold(0.0, f64::max);
                out.headline(
                    Tone::Good,
                    &format!(
                        "Gaussian at every width and layer that was measured, as far as {} networks show: to a KS distance of {}",
                        self.laboratory.networks,
                        digits(seen)
                    ),
                )?;
            }
        }
        Ok(())
    }

    /// One line per width and layer; beside the measured kurtosis a predicted one, where there is one.
    pub(crate) fn table(
        &self,
        predicted: Option<&dyn Fn(usize, usize) -> f64>,
        out: &mut Printer,
    ) -> anyhow::Result<()> {
        let rows = self.cells.iter().map(|cell| {
            let law = &cell.gaussianity;
            let mut row = vec![
                cell.width.to_string(),
                cell.layer.to_string(),
                ks(law.ks_raw.value),
                ks(law.ks_standardised.value),
                ks(law.noise_floor.value),
                kurtosis(law.excess_kurtosis.value),
            ];
            if let Some(predicted) = predicted {
                row.push(kurtosis(predicted(cell.width, cell.layer)));
            }
            let ratio = law.anderson_darling.value / law.anderson_darling_floor;
            row.push(if ratio.is_finite() { format!("{ratio:.1}") } else { "-".to_owned() });
            row.push(if cell.is_gaussian() { "yes" } else { "no" }.to_owned());
            row
        });
        let mut headings = vec!["width", "layer", "KS", "shape KS", "noise", "kurtosis"];
        if predicted.is_some() {
            headings.push("predicted");
        }
        headings.extend(["A/floor", "Gaussian"]);
        let rows = rows.collect();
        out.lines(&columns(out, &headings, rows))?;
        Ok(())
    }
}

fn ks(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4}") }
}

fn kurtosis(value: f64) -> String {
    if value.is_nan() {
        "-".to_owned()
    } else if value.abs() < 100.0 {
        format!("{value:.2}")
    } else {
        digits(value)
    }
}

fn ascending(values: &[usize]) -> Vec<usize> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

impl Serialize for Scan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let laboratory = &self.laboratory;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("activation", &laboratory.activation)?;
        map.serialize_entry("weight_law", &laboratory.weights)?;
        map.finite("weight_variance", laboratory.weight_variance)?;
        map.finite("bias_variance", laboratory.bias_variance)?;
        map.serialize_entry("rms_normalized", &laboratory.rms_normalized)?;
        map.serialize_entry("networks", &laboratory.networks)?;
        map.serialize_entry("scan_seed", &laboratory.seed.0)?;
        map.serialize_entry("cells", &self.cells.iter().map(Row).collect::<Vec<_>>())?;
        map.end()
    }
}

struct Row<'a>(&'a Cell);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let law = &self.0.gaussianity;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("width", &self.0.width)?;
        map.serialize_entry("layer", &self.0.layer)?;
        map.serialize_entry("gaussian", &self.0.is_gaussian())?;
        for (name, estimate) in [
            ("second_moment", &self.0.second_moment),
            ("ks_raw", &law.ks_raw),
            ("ks_standardised", &law.ks_standardised),
            ("noise_floor", &law.noise_floor),
            ("excess_kurtosis", &law.excess_kurtosis),
            ("anderson_darling", &law.anderson_darling),
        ] {
            map.serialize_entry(name, estimate)?;
        }
        map.finite("anderson_darling_floor", law.anderson_darling_floor)?;
        map.finite("effective_sample", law.effective_sample)?;
        map.end()
    }
}
