//! The main verb: predict, measure, judge.

pub mod model;

use crate::finding::{self, Case};
use crate::loss_doctor::diagnose;
use crate::math::stream::{Purpose, Seed, Stream};
use crate::measure::{self, MeasureError, Options, Progress};
use crate::report::Report;
use crate::spec::Spec;
use crate::spec::activation::Activation;
use crate::spec::dataset::{Dataset, DatasetError};
use crate::spec::error::SpecError;
use crate::spec::experiment::MeasureSpec;
use crate::spec::layer::Norm;
use crate::spec::loss::LossSchedule;
use crate::spec::network::{Network, Op};
use crate::spec::scheme::{InitScheme, LayerInit, Scheme};
use crate::theory::NoTheory;
use crate::theory::critical::{CriticalPoint, edge_of_chaos};
use crate::theory::dual::Dual;
use crate::theory::kernel::{DEFAULT_MAX_ENTRIES, DataKernel};
use crate::theory::predict::{InputStatistics, KernelGap, Prediction, predict};

/// Why a check could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The question is ill-formed.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// Nothing could be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
}

/// Bias variance of the scheme `critical` where none is given: small, and large enough that q* is not zero.
pub const CRITICAL_BIAS_VARIANCE: f64 = 0.05;

/// Predicts, measures and judges one initialization on one data set.
///
/// `data` are the inputs as the network sees them: [`DataSpec::prepare`](crate::spec::experiment::DataSpec::prepare) makes
/// them from a source. The report depends on the spec, the data and the seed alone, not on the number of threads.
///
/// # Errors
///
/// [`CheckError`] if the spec is ill-formed, the data do not fit the network, or the measurement is cancelled.
///
/// # Examples
///
/// ```
/// use firstguess::spec::{Architecture, InitScheme, Spec, experiment::{DataSpec, MeasureSpec}};
/// let spec = Spec {
///     name: "relu".to_owned(),
///     data: serde_json::from_str(r#"{ "synthetic": "gaussian", "features": 32, "classes": 10, "samples": 50 }"#)?,
///     init: InitScheme::explicit(2.0, 0.0),
///     network: Architecture::mlp(&"relu".parse()?, 4, 64, 10),
///     measure: MeasureSpec { seed: 1, draws: 8, ..MeasureSpec::default() },
/// };
/// let data = spec.data.synthesize(spec.measure.seed)?;
/// let report = firstguess::check(&spec, &data, &mut ())?;
/// assert!(report.worst().is_none_or(|severity| severity < firstguess::finding::Severity::Error));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(
    spec: &Spec,
    data: &Dataset,
    progress: &mut dyn Progress,
) -> Result<Report, CheckError> {
    check_with_loss(spec, data, None, progress)
}

/// [`check`], with a verdict on the loss that training is to use.
///
/// # Errors
///
/// As [`check`]; a loss can only be judged on labelled data.
pub fn check_with_loss(
    spec: &Spec,
    data: &Dataset,
    loss: Option<&LossSchedule>,
    progress: &mut dyn Progress,
) -> Result<Report, CheckError> {
    spec.validate()?;
    let network = spec.network_for(data)?;
    let init = concrete_init(&spec.init, &network)?;
    let inits = layer_inits(&init, &network)?;
    let classes = measure::prejudice::classes_of(network.logits());
    let prediction = predict_on(&network, &inits, data, classes, Seed(spec.measure.seed));
    let options = options(&spec.measure);
    let measurement = measure::run(&network, &inits, data, &options, progress)?;
    let diagnosis = loss
        .map(|loss| {
            let (losses, budget) =
                ([loss.loss.clone()], (options.seed, measurement.draws.min(LOSS_DRAWS)));
            diagnose(&network, &inits, data, &losses, budget, &mut ())
        })
        .transpose()?;
    let findings = finding::judge(&Case {
        network: Some(&network),
        prediction: &prediction,
        measurement: &measurement,
        loss: loss.zip(diagnosis.as_ref()),
        model: None,
    });
    Ok(Report::new(spec, data, &network, &init, prediction, measurement, findings))
}

/// What a spec asks of the measurement.
fn options(asked: &MeasureSpec) -> Options {
    let seed = Seed(asked.seed);
    let all = if asked.shares_only {
        Options::shares_only(seed, asked.draws)
    } else {
        Options::new(seed, asked.draws)
    };
    Options { engine: asked.engine, precision: asked.precision, ..all }
}

/// Networks on which a named loss is judged, at most: the force is a mean of little spread.
const LOSS_DRAWS: usize = 64;

/// Inputs whose kernel is carried through the network; more would take seconds and change little.
const KERNEL_INPUTS: usize = 1000;

/// Numbers that this kernel may hold: 256 MiB.
const KERNEL_ENTRIES: usize = 1 << 25;

/// Inputs below which a part of the data is too small a sample of it.
const LEAST_INPUTS: usize = 64;

/// Random logits behind the predicted class shares.
const GUESS_DRAWS: usize = 400;

/// Share of the logits' variance that the low-rank factor of their kernel may leave to independent noise.
const FACTOR_TOLERANCE: f64 = 1e-6;

/// The prediction for these very inputs, where their kernel can be carried through the network, else for inputs whose pairs
/// share one correlation.
///
/// The class shares are those of Gaussian logits with the kernel of infinite width, sampled: the one random number in a
/// prediction, from the given seed, with a standard error of a few percent of the shares' spread over networks.
pub fn predict_on(
    network: &Network,
    inits: &[LayerInit],
    data: &Dataset,
    classes: usize,
    seed: Seed,
) -> Prediction {
    predict_within(network, inits, data, classes, seed, KernelLimit::default())
}

/// How much of the data the kernel is carried for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelLimit {
    /// Inputs at most: the first ones of the data.
    pub inputs: usize,
    /// Numbers of 8 bytes that are held at once, at most.
    pub entries: usize,
}

impl Default for KernelLimit {
    /// 1000 inputs, 256 MiB.
    fn default() -> Self {
        Self { inputs: KERNEL_INPUTS, entries: KERNEL_ENTRIES }
    }
}

impl KernelLimit {
    /// As much as is needed for exactly so many inputs.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where `network` would hold more than [`DEFAULT_MAX_ENTRIES`] numbers for them, with how many fit.
    pub fn of(network: &Network, inputs: usize) -> Result<Self, NoTheory> {
        let entries = DEFAULT_MAX_ENTRIES;
        let fitting = DataKernel::inputs_within(network, inputs, entries);
        if fitting < inputs {
            return Err(NoTheory::new(format!(
                "the kernel of {inputs} inputs does not fit: this network's layers hold {} numbers of 8 bytes for it, at most 2 GiB are \
                 held, enough for {fitting} inputs",
                DataKernel::entries(network, inputs)
            )));
        }
        Ok(Self { inputs, entries })
    }
}

/// [`predict_on`] with as much of the data as `limit` says.
pub fn predict_within(
    network: &Network,
    inits: &[LayerInit],
    data: &Dataset,
    classes: usize,
    seed: Seed,
    limit: KernelLimit,
) -> Prediction {
    let mut prediction = predict(network, inits, InputStatistics::of(data), classes);
    let wanted = data.examples().min(limit.inputs);
    let inputs = DataKernel::inputs_within(network, wanted, limit.entries);
    // A small part of the data would say less of it than the idealisation does.
    if inputs < wanted.min(LEAST_INPUTS) {
        let reason = NoTheory::new(format!(
            "the covariances of the positions of only {inputs} inputs fit into {} MiB, too few to speak for the data",
            limit.entries >> 17
        ));
        prediction.kernel_gap = Some(KernelGap { from_layer: Some(1), reason });
        return prediction;
    }
    let Ok(part) = data.take(inputs) else { return prediction };
    let kernel = DataKernel::bounded(network, inits, &part, limit.entries);
    // A batch norm mixes the gradients of all inputs, which the kernel follows one by one: the idealisation keeps them.
    let mixes = network.nodes.iter().any(|node| matches!(node.op, Op::Norm(Norm::Batch)));
    prediction.refine(&kernel, data.examples(), network.residual_blocks == 0 && !mixes);
    let Ok(logits) = &kernel.logits else { return prediction };
    prediction.kernel_inputs = Some(part.examples());
    let classes = network.logits();
    if classes < 2 {
        // One logit classifies by its sign.
        if let Ok(guess) = &mut prediction.prejudice {
            guess.share_variance = logits.share_variance();
        }
        return prediction;
    }
    let factor = logits.factor(FACTOR_TOLERANCE, KERNEL_INPUTS);
    let per_draw = factor.normals_per_draw(classes);
    let draws = GUESS_DRAWS.min(MAX_NORMALS / per_draw.max(1));
    let mut normals = vec![0.0; per_draw * draws];
    Stream::new(seed, 0, 0, Purpose::Logits).fill_normal_f64(0, &mut normals);
    if let Ok(shares) = factor.class_shares(&normals, classes) {
        let two_classes = if classes == 2 { logits.share_variance() } else { f64::NAN };
        prediction.refine_guess(&shares, part.examples(), two_classes);
    }
    prediction
}

/// Normals drawn at most for the predicted shares: 800 MB.
const MAX_NORMALS: usize = 100_000_000;

/// Draw of each layer with weights, in the order of their index.
///
/// # Errors
///
/// [`SpecError`] of [`InitScheme::layer`].
pub fn layer_inits(init: &InitScheme, network: &Network) -> Result<Vec<LayerInit>, SpecError> {
    network.weights().iter().map(|weights| init.layer(weights)).collect()
}

/// The scheme with `critical` turned into the variances that theory finds for this network's activation.
///
/// # Errors
///
/// [`SpecError::Conflict`] where the activation has no edge of chaos at this bias variance, or the network has several
/// activations, which have no edge in common.
pub fn concrete_init(init: &InitScheme, network: &Network) -> Result<InitScheme, SpecError> {
    if init.scheme != Scheme::Critical {
        return Ok(init.clone());
    }
    init.validate()?;
    let mut activations: Vec<Activation> = Vec::new();
    for activation in network.activations() {
        if !activations.contains(&activation) {
            activations.push(activation);
        }
    }
    let [activation] = &activations[..] else {
        return Err(SpecError::Conflict(format!(
            "scheme `critical` needs one activation, this network has {}; give each layer its own weight_variance and \
             bias_variance instead",
            activations.len()
        )));
    };
    let dual = Dual::new(activation);
    let homogeneous = dual.homogeneous().is_some();
    let bias = init.bias_variance.unwrap_or(if homogeneous { 0.0 } else { CRITICAL_BIAS_VARIANCE });
    let points =
        edge_of_chaos(&dual, bias).map_err(|reason| SpecError::Conflict(reason.to_string()))?;
    // A stable point if there is one: the network stays there.
    let preferred = points.iter().find(|point| point.stable).or_else(|| points.first());
    let weight_variance = preferred.map_or(1.0, |point: &CriticalPoint| point.weight_variance);
    Ok(InitScheme {
        weight_law: init.weight_law,
        gain: init.gain,
        ..InitScheme::explicit(weight_variance, bias)
    })
}
