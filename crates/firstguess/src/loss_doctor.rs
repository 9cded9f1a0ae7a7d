//! The loss doctor: does a loss correct the first guess of an untrained network, leave it, or make it worse?
//!
//! One forward pass over an ensemble of untrained networks gives the force of each loss on the class that the network
//! favours ([`measure::loss_force`](crate::measure::loss_force)); theory gives the thresholds of the model that has output
//! biases alone ([`theory::loss_bias`](crate::theory::loss_bias)). How often the verdict holds in training:
//! docs/reproduction/loss-doctor.md.

use crate::math::stream::Seed;
use crate::measure::{BiasMeasurement, ForceMeasurement, MeasureError, Progress, loss_forces};
use crate::spec::Dataset;
use crate::spec::loss::{Loss, LossKind, LossSchedule, Switch};
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use crate::theory::NoTheory;
use crate::theory::loss_bias::{critical_exponent, runaway_share};
use serde::Serialize;

/// What a loss does to the initial bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It lowers the favoured class about as cross-entropy does.
    Corrects,
    /// It does, with less than [`SLOW`] of the force.
    Slow,
    /// It does nothing: less than [`NEUTRAL`] of the force of cross-entropy.
    Neutral,
    /// It raises the favoured class, or keeps even guesses unstable.
    Runaway,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Corrects => "corrects",
            Self::Slow => "slow",
            Self::Neutral => "neutral",
            Self::Runaway => "runaway",
        })
    }
}

/// Force relative to cross-entropy below which a loss is called slow.
pub const SLOW: f64 = 0.1;

/// Force relative to cross-entropy, in size, below which a loss is called neutral.
pub const NEUTRAL: f64 = 0.01;

/// Share of masked or reversed samples below which the suggested guard lets a loss take over: a fifth of wrong labels.
pub const GUARD: f64 = 0.2;

/// Epochs of cross-entropy suggested before a loss that never backs off but hardly moves the bias.
pub const WARM_UP_EPOCHS: f64 = 2.0;

/// The losses that are judged where none are named.
pub const STANDARD: [&str; 20] = [
    "cross_entropy",
    "focal(2)",
    "mse",
    "mae",
    "gce(0.7)",
    "sce(0.1,1)",
    "nce",
    "nce_rce(1,1)",
    "nnce",
    "anl_ce",
    "anl_fl",
    "agce(6,1.5)",
    "blurry(0.1)",
    "blurry(0.2)",
    "blurry(0.3)",
    "blurry(0.5)",
    "blurry(0.3,detach_weight)",
    "piecewise_zero(0.01)",
    "piecewise_zero(0.05)",
    "piecewise_zero(0.1)",
];

/// One loss, judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossDiagnosis {
    /// What was measured.
    #[serde(flatten)]
    pub force: ForceMeasurement,
    /// What it comes to; null where the measurement does not allow one ([`BiasMeasurement::obstacle`]).
    pub verdict: Option<Verdict>,
    /// Why, in a sentence: of the verdict, or of there being none.
    pub reason: String,
    /// Largest exponent of the blurry loss at which even guesses are stable, for a blurry loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_exponent: Option<f64>,
    /// Share of the favoured class above which the bias-only model runs away; absent where it never does.
    pub runaway_share: Option<f64>,
    /// Why there is no such share to tell, where theory has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runaway_share_reason: Option<String>,
    /// With what start it is safe, where it needs one.
    pub suggested: Option<LossSchedule>,
}

/// All losses, judged on one initialization.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The first guess and the raw forces.
    pub bias: BiasMeasurement,
    /// One entry per loss.
    pub losses: Vec<LossDiagnosis>,
}

/// Judges losses on an initialization.
///
/// # Errors
///
/// [`MeasureError`] for data that do not fit, have no labels, or if cancelled.
///
/// # Examples
///
/// ```
/// use firstguess::loss_doctor::{Verdict, diagnose};
/// use firstguess::math::stream::Seed;
/// use firstguess::spec::{Architecture, InitScheme, Loss, experiment::DataSpec};
///
/// let spec: DataSpec = serde_json::from_str(r#"{ "synthetic": "gaussian", "features": 20, "classes": 10, "samples": 200 }"#)?;
/// let data = spec.synthesize(0)?;
/// let network = Architecture::mlp(&"relu".parse()?, 3, 64, 10).resolve(&data.shape())?;
/// let init = InitScheme::explicit(2.0, 2.0);
/// let inits = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
/// let losses: Vec<Loss> = vec!["cross_entropy".parse()?, "blurry(0.6)".parse()?];
/// let found = diagnose(&network, &inits, &data, &losses, (Seed(0), 16), &mut ())?;
/// assert_eq!(found.losses[0].verdict, Some(Verdict::Corrects));
/// // Above g = 1/ln 10 = 0.434 this loss pushes even guesses apart.
/// assert_eq!(found.losses[1].verdict, Some(Verdict::Runaway));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn diagnose(
    network: &Network,
    inits: &[LayerInit],
    data: &Dataset,
    losses: &[Loss],
    budget: (Seed, usize),
    progress: &mut dyn Progress,
) -> Result<Diagnosis, MeasureError> {
    let bias = loss_forces(network, inits, data, losses, budget, progress)?;
    let losses = bias.losses.iter().map(|force| judge(force, &bias)).collect();
    Ok(Diagnosis { bias, losses })
}

/// The verdict on one measured force of `bias`; none where all networks overflowed or one class alone has examples.
pub fn judge(force: &ForceMeasurement, bias: &BiasMeasurement) -> LossDiagnosis {
    let (loss, classes) = (&force.loss, bias.classes);
    let exponent = match loss.kind() {
        LossKind::Blurry(blurry) if !loss.detaches_weight() => {
            Some((blurry.g, critical_exponent(classes)))
        }
        _ => None,
    };
    let share = runaway_share(loss, classes);
    let (verdict, reason) = match bias.obstacle() {
        Some(why) => (None, why),
        None => assess(force, exponent, classes),
    };
    let unfit = verdict.is_some_and(|verdict| verdict != Verdict::Corrects);
    LossDiagnosis {
        verdict,
        reason,
        critical_exponent: exponent.map(|(_, critical)| critical),
        runaway_share: share.clone().ok().flatten(),
        runaway_share_reason: share.err().map(|NoTheory { reason }| reason),
        suggested: unfit.then(|| LossSchedule {
            loss: loss.clone(),
            switch: if loss.backs_off() {
                Switch::Guard { bound: GUARD }
            } else {
                Switch::Delay { epochs: WARM_UP_EPOCHS }
            },
        }),
        force: force.clone(),
    }
}

/// What a measured force comes to; `exponent` is that of a blurry loss beside the critical one.
fn assess(
    force: &ForceMeasurement,
    exponent: Option<(f64, f64)>,
    classes: usize,
) -> (Option<Verdict>, String) {
    let unstable = exponent.filter(|(g, critical)| g > critical);
    let relative = force.relative.value;
    let percent = format!("{:.1} %", 100.0 * relative);
    let (verdict, reason) = match (unstable, relative) {
        (_, r) if r < -NEUTRAL => (
            Verdict::Runaway,
            format!("the favoured class is raised, with {percent} of the force of cross-entropy"),
        ),
        (Some((g, critical)), _) => (
            Verdict::Runaway,
            format!(
                "even guesses are unstable: g = {g} is above {critical:.3} for {classes} classes"
            ),
        ),
        (None, r) if r.abs() <= NEUTRAL => (
            Verdict::Neutral,
            format!("the favoured class is left alone ({percent} of the force of cross-entropy)"),
        ),
        (None, r) if r < SLOW => {
            (Verdict::Slow, format!("only {percent} of the force of cross-entropy"))
        }
        (None, r) if r.is_nan() => {
            let why = force.relative.reason.unwrap_or("it is no number");
            return (None, format!("no force relative to that of cross-entropy: {why}"));
        }
        _ => (Verdict::Corrects, format!("{percent} of the force of cross-entropy")),
    };
    (Some(verdict), reason)
}
