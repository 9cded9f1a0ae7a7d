//! `firstguess guess`.

mod text;

use firstguess::theory::NoTheory;
use firstguess::theory::prejudice::{
    Approximation, DEFAULT_PROBABILITIES, GuessFraction, GuessLaw, PrejudiceError,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::args::GuessArgs;
use crate::exit::ExitStatus;
use crate::json::Fields;
use crate::printer::Printer;

/// Mean shares listed, largest first.
const SHARES: usize = 10;

struct Answer {
    law: GuessLaw,
    /// The law of one class's share, where that has a density.
    fraction: GuessFraction,
    mean_max: Approximation,
    variance: Approximation,
    agreement: Approximation,
    /// Of the largest share, by probability.
    quantiles: Vec<(f64, Approximation)>,
    shares: Vec<Approximation>,
}

pub(crate) fn run(args: &GuessArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let law = match (args.drift.gamma, args.drift.correlation) {
        (Some(gamma), _) => GuessLaw::new(args.classes, gamma)?,
        (None, c) => GuessLaw::from_correlation(args.classes, c.unwrap_or_default())?,
    };
    let answer = Answer::new(law)?;
    if out.json() {
        out.object("guess", &answer)?;
    } else {
        answer.print(out)?;
    }
    Ok(ExitStatus::Fine)
}

impl Answer {
    fn new(law: GuessLaw) -> Result<Self, PrejudiceError> {
        let quantiles = law.max_quantiles(&DEFAULT_PROBABILITIES)?;
        Ok(Self {
            fraction: GuessFraction::new(law.gamma())?,
            mean_max: law.mean_max(),
            variance: law.variance_of_one_class(),
            agreement: law.agreement(),
            quantiles: DEFAULT_PROBABILITIES.into_iter().zip(quantiles).collect(),
            shares: law.mean_ordered_fractions(SHARES),
            law,
        })
    }

    /// `(g, p(g))` on a grid inside (0, 1), where the share of one class has a density.
    fn density(&self) -> Result<Vec<(f64, f64)>, NoTheory> {
        if self.law.classes() != 2 {
            return Err(NoTheory::new("given for two classes only"));
        }
        match self.law.gamma() {
            0.0 => Err(NoTheory::new("all mass at g = 1/2")),
            f64::INFINITY => Err(NoTheory::new("half the mass at g = 0, half at g = 1")),
            _ => Ok((1..100)
                .map(|percent| f64::from(percent) / 100.0)
                .map(|g| (g, self.fraction.density(g)))
                .collect()),
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values =
            |list: &[Approximation]| -> Vec<f64> { list.iter().map(|share| share.value).collect() };
        let mut map = serializer.serialize_map(None)?;
        map.finite("gamma", self.law.gamma())?;
        map.serialize_entry("correlation", &self.fraction.correlation())?;
        map.serialize_entry("classes", &self.law.classes())?;
        map.finite("mean_max", self.mean_max.value)?;
        map.finite("variance", self.variance.value)?;
        map.finite("agreement", self.agreement.value)?;
        map.serialize_entry("quantiles", &ByProbability(&self.quantiles, |q| q.value))?;
        map.serialize_entry("quantile_errors", &ByProbability(&self.quantiles, |q| q.error))?;
        map.serialize_entry("ordered_mean_shares", &values(&self.shares))?;
        let density = self.density();
        let density = density.as_ref().map(|table| {
            table.iter().map(|(g, density)| DensityRow(*g, *density)).collect::<Vec<_>>()
        });
        map.maybe("density", density)?;
        map.end()
    }
}

struct ByProbability<'a>(&'a [(f64, Approximation)], fn(&Approximation) -> f64);

impl Serialize for ByProbability<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.iter().map(|(probability, q)| (probability.to_string(), self.1(q)));
        serializer.collect_map(entries)
    }
}

struct DensityRow(f64, f64);

impl Serialize for DensityRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("g", &self.0)?;
        map.finite("density", self.1)?;
        map.end()
    }
}
