//! `firstguess pair`.

use firstguess::math::stream::Seed;
use firstguess::measure::laboratory::Laboratory;
use firstguess::spec::Activation;
use firstguess::spec::activation::PairActivation;
use firstguess::spec::gaussian_pair::{Branch, PairFamily};
use firstguess::theory::NoTheory;
use firstguess::theory::gaussian_pair::{
    CLAIMS, Claim, Criticality, LayerKurtosis, PairTheory, Validity,
};
use firstguess::theory::preserved::compare::{Row, compare};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::gaussianity::{LEGEND, Scan};
use super::preserved::{self, ShownRow};
use crate::args::{PairArgs, PairBranch};
use crate::exit::ExitStatus;
use crate::json::Fields;
use crate::printer::{Printer, Tone};
use crate::table::{SCREEN_ROWS, columns, digits, folded, given};

struct Answer<'a> {
    args: &'a PairArgs,
    family: PairFamily,
    theory: PairTheory,
    /// `σ_w²` and `σ_b²` that make the pair critical.
    critical: Result<(f64, f64), NoTheory>,
    phi: Vec<Point>,
    kurtosis: Vec<LayerKurtosis>,
    /// Networks that were drawn.
    scan: Option<Scan>,
    /// `σ_w²` of the scan, in units of the pair's own.
    scanned_variance: f64,
    /// Other schemes beside the pair.
    compare: Vec<Row>,
}

struct Point {
    x: f64,
    value: f64,
    derivative: f64,
}

pub(crate) fn run(args: &PairArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let branch = match args.branch {
        PairBranch::Odd => Branch::Odd,
        PairBranch::Positive => Branch::Positive,
    };
    let family = match (&args.weights, args.theta) {
        (Some(text), _) => text.parse()?,
        (None, theta) => PairFamily::Weibull { theta: theta.unwrap_or(f64::NAN) },
    };
    let pair = PairActivation::of(family, branch)?;
    let table = pair.table();
    let theory = PairTheory::new(table);
    let critical = match theory.critical {
        Criticality::Critical { weight_variance, bias_variance } => {
            Ok((weight_variance, bias_variance))
        }
        Criticality::Never { reason } => Err(NoTheory::new(reason)),
    };
    let halves = || (-6..=6).map(|i| f64::from(i) / 2.0).collect();
    let at: Vec<f64> = if args.table.is_empty() { halves() } else { args.table.clone() };
    let phi = at.iter().map(|x| Point {
        x: *x,
        value: table.value(*x),
        derivative: table.derivative(*x),
    });
    // Criticality is what the pair is used for; without it, the pair itself.
    let weight_variance = critical.as_ref().map_or(1.0, |(weight_variance, _)| *weight_variance);
    let kurtosis = theory.kurtosis_by_depth(weight_variance, args.width, args.depth)?;
    let (scanned_variance, bias_variance) = match &critical {
        Ok(variances) if args.critical => *variances,
        Err(why) if args.critical => anyhow::bail!("--critical: {why}"),
        _ => (1.0, 0.0),
    };
    let scan = if args.scan {
        let weights = family.weight_family().ok_or_else(|| {
            anyhow::anyhow!(
                "networks draw weights with a parameter of at most 1e6; inf is the random sign"
            )
        })?;
        let laboratory = Laboratory {
            weights,
            weight_variance: scanned_variance * theory.weight_second_moment,
            bias_variance,
            ..Laboratory::new(
                Activation::GaussianPair(pair.clone()),
                Seed(out.settings().seed.unwrap_or_default()),
            )
        };
        Some(Scan::new(laboratory, &args.laboratory, out)?)
    } else {
        None
    };
    let compare = if args.compare { compare(family)? } else { Vec::new() };
    let phi = phi.collect();
    let answer =
        Answer { args, family, theory, critical, phi, kurtosis, scan, scanned_variance, compare };
    if out.json() {
        out.object("pair", &answer)?;
    } else {
        answer.print(out)?;
    }
    Ok(ExitStatus::Fine)
}

impl Answer<'_> {
    fn branch(&self) -> &'static str {
        match self.args.branch {
            PairBranch::Odd => "odd",
            PairBranch::Positive => "positive",
        }
    }

    fn name(&self) -> String {
        match self.family {
            PairFamily::Weibull { theta } => {
                format!("Gaussian pair θ = {}, {} branch", given(theta), self.branch())
            }
            family => format!("Gaussian pair with {family} weights, {} branch", self.branch()),
        }
    }

    fn print(&self, out: &mut Printer) -> anyhow::Result<()> {
        if let Some(scan) = &self.scan {
            scan.headline(out)?;
            out.lines(&format!("{}\n\n", scan.subject()))?;
            scan.table(Some(&|width, layer| self.predicted(width, layer)), out)?;
            out.lines(&claims())?;
            out.note(LEGEND)?;
            return Ok(());
        }
        if !self.compare.is_empty() {
            out.headline(
                Tone::Neutral,
                "what one layer preserves of the law of the pre-activations",
            )?;
            out.lines(&format!("{}\n\n", self.name()))?;
            out.lines(&preserved::table(&self.compare, out))?;
            out.note(
                "a factor: what a layer multiplies by; KS: distance of one standardised product W·φ(Z) from the \
                 normal law; correlations: slope of the correlation map at 1",
            )?;
            return Ok(());
        }
        self.print_pair(out)
    }

    fn print_pair(&self, out: &mut Printer) -> anyhow::Result<()> {
        let Self { args, theory, .. } = self;
        match &self.critical {
            Ok((weight, bias)) => out.headline(
                Tone::Good,
                &format!(
                    "critical and Gaussian at weight variance {} of the pair's own, bias variance {}",
                    digits(*weight),
                    digits(*bias)
                ),
            )?,
            Err(why) => out.headline(Tone::Neutral, &format!("never critical where it is Gaussian, at q* = 1: {why}"))?,
        }
        out.lines(&format!(
            "{}\n\n  χ {}  elasticity {}  E W² {}\n\n",
            self.name(),
            digits(theory.chi),
            digits(theory.elasticity),
            digits(theory.weight_second_moment)
        ))?;
        let points = self.phi.len();
        let shown = if points <= 2 * SCREEN_ROWS { (0..points).collect() } else { folded(points) };
        let rows = shown.into_iter().map(|index| {
            let at = &self.phi[index];
            vec![digits(at.x), digits(at.value), digits(at.derivative)]
        });
        let rows = rows.collect();
        out.lines(&columns(out, &["x", "φ(x)", "slope"], rows))?;
        let last = self.kurtosis.last().map_or_else(String::new, |last| {
            let trust = match last.validity {
                Validity::Exact => "exact",
                Validity::LeadingOrder => "leading order in 1/width",
                Validity::Unreliable => "beyond the leading order: only its sign is to be trusted",
            };
            let excess = digits(last.excess_kurtosis);
            format!(
                "\n  excess kurtosis at layer {}, width {}: {excess} ({trust})",
                last.layer, args.width
            )
        });
        out.lines(&last)?;
        out.lines(&claims())?;
        Ok(())
    }

    /// Excess kurtosis at the variances of the scan.
    fn predicted(&self, width: usize, layer: usize) -> f64 {
        self.theory
            .kurtosis_by_depth(self.scanned_variance, width, layer)
            .ok()
            .and_then(|layers| layers.last().map(|last| last.excess_kurtosis))
            .unwrap_or(f64::NAN)
    }
}

/// Which networks stay Gaussian when they are narrow and deep.
fn claims() -> String {
    let mut text =
        "\n  stays Gaussian in narrow deep networks? (KS at width 3, layer 50)\n".to_owned();
    for Claim { network, holds, evidence } in CLAIMS {
        let holds = holds.name();
        text += &format!("  {network:<26}  {holds:<16}  {evidence}\n");
    }
    text
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.family {
            PairFamily::Weibull { theta } => map.finite("theta", theta)?,
            family => map.maybe::<f64>(
                "theta",
                Err(&NoTheory::new(format!("the family {family} has no exponent"))),
            )?,
        }
        map.serialize_entry("weights", &self.family.to_string())?;
        map.serialize_entry("branch", self.branch())?;
        map.serialize_entry("phi", &self.phi)?;
        map.finite("chi", self.theory.chi)?;
        map.finite("elasticity", self.theory.elasticity)?;
        map.finite("weight_second_moment", self.theory.weight_second_moment)?;
        let variances = self.critical.as_ref().map(|(weight_variance, bias_variance)| {
            serde_json::json!({ "weight_variance": weight_variance, "bias_variance": bias_variance })
        });
        map.maybe("critical", variances)?;
        map.serialize_entry("width", &self.args.width)?;
        map.serialize_entry("kurtosis", &self.kurtosis.iter().map(Layer).collect::<Vec<_>>())?;
        map.serialize_entry("claims", &CLAIMS)?;
        if let Some(scan) = &self.scan {
            map.serialize_entry("scan", scan)?;
            let predicted: Vec<Option<f64>> = scan
                .cells()
                .iter()
                .map(|cell| Some(self.predicted(cell.width, cell.layer)).filter(|p| p.is_finite()))
                .collect();
            map.serialize_entry("predicted_excess_kurtosis", &predicted)?;
        }
        if self.args.compare {
            let rows: Vec<_> = self.compare.iter().map(ShownRow).collect();
            map.serialize_entry("compare", &rows)?;
        }
        map.end()
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("x", self.x)?;
        map.finite("value", self.value)?;
        map.finite("derivative", self.derivative)?;
        map.end()
    }
}

struct Layer<'a>(&'a LayerKurtosis);

impl Serialize for Layer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("layer", &self.0.layer)?;
        map.finite("excess_kurtosis", self.0.excess_kurtosis)?;
        map.serialize_entry(
            "validity",
            match self.0.validity {
                Validity::Exact => "exact",
                Validity::LeadingOrder => "leading_order",
                Validity::Unreliable => "unreliable",
            },
        )?;
        map.end()
    }
}
