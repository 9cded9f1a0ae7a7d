//! `firstguess pair`.

use firstguess::spec::gaussian_pair::{Branch, PairFamily, PairTable};
use firstguess::theory::NoTheory;
use firstguess::theory::gaussian_pair::{Criticality, LayerKurtosis, PairTheory, Validity};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::args::{PairArgs, PairBranch};
use crate::exit::ExitStatus;
use crate::json::Fields;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, given};

struct Answer<'a> {
    args: &'a PairArgs,
    theory: PairTheory,
    /// `σ_w²` and `σ_b²` that make the pair critical.
    critical: Result<(f64, f64), NoTheory>,
    phi: Vec<Point>,
    kurtosis: Vec<LayerKurtosis>,
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
    let table = PairTable::new(PairFamily::Weibull { theta: args.theta }, branch)?;
    let theory = PairTheory::new(&table);
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
    let answer = Answer { args, theory, critical, phi: phi.collect(), kurtosis };
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

    fn print(&self, out: &mut Printer) -> anyhow::Result<()> {
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
            Err(why) => out.headline(Tone::Neutral, &format!("never critical: {why}"))?,
        }
        out.lines(&format!(
            "Gaussian pair θ = {}, {} branch\n\n  χ {}  elasticity {}  E W² {}\n\n",
            given(args.theta),
            self.branch(),
            digits(theory.chi),
            digits(theory.elasticity),
            digits(theory.weight_second_moment)
        ))?;
        let rows =
            self.phi.iter().map(|at| vec![digits(at.x), digits(at.value), digits(at.derivative)]);
        out.lines(&columns(out, &["x", "φ(x)", "slope"], rows.collect()))?;
        let last = self.kurtosis.last().map_or_else(String::new, |last| {
            let trust = match last.validity {
                Validity::Exact => "exact",
                Validity::LeadingOrder => "to leading order in 1/width",
                Validity::Unreliable => "beyond the leading order: only its sign is to be trusted",
            };
            let excess = digits(last.excess_kurtosis);
            format!(
                "\n  excess kurtosis at layer {}, width {}: {excess} ({trust})",
                last.layer, args.width
            )
        });
        out.lines(&last)?;
        Ok(())
    }
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("theta", self.args.theta)?;
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
