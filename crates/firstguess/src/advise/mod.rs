//! The better start: which initialization meets an explicit objective best, by theory and by measurement.
//!
//! [`advise`] proposes initializations ([`candidate`]), gives each its numbers on the user's own data ([`objective`]: theory
//! beside a short ensemble of finite networks), takes the best that changes the weights alone, tries what would change more on
//! top of it, and checks the winner in full before it says anything. [`code`] writes it down for the frameworks.

pub mod candidate;
pub mod code;
mod edge;
pub mod family;
mod layers;
pub mod objective;
mod trade_off;

pub use trade_off::TradeOffPoint;

use crate::check::{CheckError, check, concrete_init, layer_inits};
use crate::loss_doctor::{LossDiagnosis, diagnose};
use crate::math::stream::Seed;
use crate::measure::prejudice::classes_of;
use crate::measure::{self, MeasureError, Options, Progress};
use crate::report::Report;
use crate::spec::Spec;
use crate::spec::dataset::Dataset;
use crate::spec::error::SpecError;
use crate::spec::loss::LossSchedule;
use crate::spec::network::Network;
use crate::spec::scheme::{InitScheme, LayerInit};
use crate::theory::dual::Dual;
use crate::theory::predict::{InputStatistics, predict};
use candidate::{CANDIDATES, Candidate, Case, Kind, Proposal, only_activation};
use edge::Edge;
use objective::Objective;

/// Networks that each candidate is measured on, unless said otherwise.
pub const DRAWS: usize = 12;

/// Inputs that each candidate is measured on, at most.
pub const INPUTS: usize = 200;

/// Networks on which a loss is judged.
const LOSS_DRAWS: usize = 32;

/// An initialization with its numbers.
#[derive(Debug, Clone)]
pub struct Assessed {
    /// Name of the candidate.
    pub id: &'static str,
    /// What it changes.
    pub kind: Kind,
    /// In a few words.
    pub title: String,
    /// Why one would want it.
    pub why: String,
    /// The whole question with the change made.
    pub spec: Spec,
    /// The scheme with its numbers.
    pub init: InitScheme,
    /// The draw of each layer with weights.
    pub layers: Vec<LayerInit>,
    /// What it is worth.
    pub objective: Objective,
}

/// A candidate that has nothing to propose.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unavailable {
    /// Name of the candidate.
    pub id: &'static str,
    /// Why.
    pub reason: String,
}

/// What advice is asked for beside the question itself.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// The loss that training is to use.
    pub loss: Option<&'a LossSchedule>,
    /// Networks that each candidate is measured on.
    pub draws: usize,
}

impl Default for Wishes<'_> {
    fn default() -> Self {
        Self { loss: None, draws: DRAWS }
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Advice {
    /// Every candidate that changes the weights alone, the best first; one of them is [`Advice::present`].
    pub candidates: Vec<Assessed>,
    /// What would change more, on top of the best.
    pub changes: Vec<Assessed>,
    /// Candidates without a proposal.
    pub unavailable: Vec<Unavailable>,
    /// Bias against trainability along the weight variance.
    pub trade_off: Vec<TradeOffPoint>,
    /// What the loss does to the first guess of the recommended initialization, where one was named.
    pub loss: Option<LossDiagnosis>,
    /// The recommended initialization, checked in full on the data.
    pub report: Report,
    /// The network as resolved for the recommended initialization.
    pub network: Network,
}

impl Advice {
    /// The initialization to use.
    pub fn recommended(&self) -> &Assessed {
        &self.candidates[0]
    }

    /// The initialization that there was.
    pub fn present(&self) -> &Assessed {
        self.candidates.iter().find(|found| found.id == "present").unwrap_or(&self.candidates[0])
    }

    /// Changes that the objective would prefer to the recommended initialization.
    pub fn better_still(&self) -> impl Iterator<Item = &Assessed> {
        let rank = self.recommended().objective.rank();
        self.changes.iter().filter(move |change| change.objective.rank() < rank)
    }
}

/// Recommends an initialization for a network on its data.
///
/// Everything depends on the spec, the data and the seed alone.
///
/// # Errors
///
/// [`CheckError`] for a spec or data that cannot be used, or if cancelled. A candidate that fails is left out, with the reason.
///
/// # Examples
///
/// ```
/// use firstguess::advise::{Wishes, advise};
/// use firstguess::spec::{Architecture, InitScheme, Spec, experiment::{DataSpec, MeasureSpec}};
/// let spec = Spec {
///     name: "deep tanh".to_owned(),
///     data: serde_json::from_str::<DataSpec>(r#"{ "synthetic": "gaussian", "features": 32, "classes": 10, "samples": 60 }"#)?,
///     init: InitScheme::new("torch_default".parse()?),
///     network: Architecture::mlp(&"tanh".parse()?, 30, 64, 10),
///     measure: MeasureSpec { draws: 8, ..MeasureSpec::default() },
/// };
/// let data = spec.data.synthesize(0)?;
/// let advice = advise(&spec, &data, Wishes { draws: 4, ..Wishes::default() }, &mut ())?;
/// assert!(!advice.present().objective.trainable());
/// assert!(advice.recommended().objective.trainable());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn advise(
    spec: &Spec,
    data: &Dataset,
    wishes: Wishes<'_>,
    progress: &mut dyn Progress,
) -> Result<Advice, CheckError> {
    spec.validate()?;
    let network = spec.network_for(data)?;
    let part = data.take(data.examples().min(INPUTS))?;
    let bench = Bench { seed: Seed(spec.measure.seed), draws: wishes.draws.max(1) };
    let edge = Edge::find(spec, &network, data);
    let (mut candidates, mut unavailable) = (Vec::new(), Vec::new());
    let case = Case { spec, data, network: &network, edge: &edge };
    for candidate in CANDIDATES.iter().filter(|candidate| candidate.kind == Kind::Weights) {
        let found = bench.assess(candidate, &case, &part, progress)?;
        keep(candidate, found, &mut candidates, &mut unavailable);
    }
    // Stable: of those that are level the first in the list wins.
    candidates.sort_by_key(|found: &Assessed| found.objective.rank());
    let none = || SpecError::Conflict("no candidate could be measured".to_owned());
    let best = candidates.first().cloned().ok_or_else(none)?;
    let best_network = best.spec.network_for(data)?;
    let case = Case { spec: &best.spec, data, network: &best_network, edge: &edge };
    let mut changes = Vec::new();
    for candidate in CANDIDATES.iter().filter(|candidate| candidate.kind != Kind::Weights) {
        let found = bench.assess(candidate, &case, &part, progress)?;
        keep(candidate, found, &mut changes, &mut unavailable);
    }
    let dual = only_activation(&best_network).ok().map(|activation| Dual::new(&activation));
    let plain = candidate::obstacle(&best_network).is_none();
    let trade_off = trade_off::trade_off(&best.spec, data, dual.as_ref().filter(|_| plain));
    let loss = match wishes.loss.filter(|_| data.labels().is_some()) {
        Some(loss) => {
            let budget = (bench.seed, LOSS_DRAWS.min(spec.measure.draws.max(1)));
            let losses = [loss.loss.clone()];
            let found = diagnose(&best_network, &best.layers, data, &losses, budget, &mut ())?;
            found.losses.into_iter().next()
        }
        None => None,
    };
    let report = check(&best.spec, data, progress)?;
    Ok(Advice { candidates, changes, unavailable, trade_off, loss, report, network: best_network })
}

/// Takes what was found, unless another candidate draws every layer the same way.
fn keep(
    candidate: &Candidate,
    found: Result<Assessed, String>,
    kept: &mut Vec<Assessed>,
    unavailable: &mut Vec<Unavailable>,
) {
    let found = found.and_then(|found| {
        let same = |other: &&Assessed| {
            other.layers == found.layers
                && other.spec.network == found.spec.network
                && other.spec.data == found.spec.data
        };
        match kept.iter().find(same) {
            Some(other) => Err(format!("the same as `{}`", other.id)),
            None => Ok(found),
        }
    });
    match found {
        Ok(found) => kept.push(found),
        Err(reason) => unavailable.push(Unavailable { id: candidate.id, reason }),
    }
}

/// How candidates are measured.
struct Bench {
    seed: Seed,
    draws: usize,
}

impl Bench {
    /// The numbers of one candidate; inside, why there are none.
    fn assess(
        &self,
        candidate: &Candidate,
        case: &Case<'_>,
        part: &Dataset,
        progress: &mut dyn Progress,
    ) -> Result<Result<Assessed, String>, CheckError> {
        let Proposal { title, why, spec, data } = match (candidate.propose)(case) {
            Ok(proposal) => proposal,
            Err(reason) => return Ok(Err(reason)),
        };
        let resolved = spec.network_for(case.data).and_then(|network| {
            let init = concrete_init(&spec.init, &network)?;
            let layers = layer_inits(&init, &network)?;
            Ok((network, init, layers))
        });
        let (network, init, layers) = match resolved {
            Ok(resolved) => resolved,
            Err(error) if candidate.id == "present" => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let inputs = data.as_ref().unwrap_or(case.data);
        let shown = match &data {
            Some(data) => &data.take(data.examples().min(INPUTS))?,
            None => part,
        };
        let classes = classes_of(network.logits());
        let prediction = predict(&network, &layers, InputStatistics::of(inputs), classes);
        let options = Options { gaussianity: false, ..Options::new(self.seed, self.draws) };
        let measurement = match measure::run(&network, &layers, shown, &options, progress) {
            Ok(measurement) => Some(measurement),
            Err(error @ MeasureError::Cancelled { .. }) => return Err(error.into()),
            Err(error) if candidate.id == "present" => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let objective = Objective::new(&network, &prediction, measurement.as_ref());
        let (id, kind) = (candidate.id, candidate.kind);
        Ok(Ok(Assessed { id, kind, title, why, spec, init, layers, objective }))
    }
}

#[cfg(test)]
mod tests;
