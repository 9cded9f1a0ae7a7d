//! One job: inputs, a first look at a few networks, then the whole check.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use firstguess::math::stream::Seed;
use firstguess::measure::{self, Measurement, Options, Progress};
use firstguess::spec::experiment::{DataSpec, MAX_SAMPLES};
use firstguess::spec::network::{Network, Op};
use firstguess::spec::{Dataset, Spec, SpecError, Standardize};
use firstguess::{CheckError, concrete_init, layer_inits};
use firstguess_io::{ReadOptions, load_dataset_with};
use serde_json::{Value, json};

use super::{Job, ModelQuestion, Question, Source, Stage};
use crate::error::ApiError;
use crate::limits;

/// Parts of the networks after which estimates are shown.
const LOOKS: [usize; 2] = [16, 4];

/// Runs a job; a panic is its failure and nobody else's.
pub(super) fn guarded(job: &Arc<Job>, question: &Question) -> Stage {
    catch_unwind(AssertUnwindSafe(|| run(job, question))).unwrap_or_else(|_| {
        Stage::Failed(ApiError::internal("the ensemble failed; this is a fault of firstguess"))
    })
}

fn run(job: &Arc<Job>, question: &Question) -> Stage {
    let stage = match question {
        Question::Spec(spec, source) => report(job, spec, source),
        Question::Model(question) => of_model(job, question),
    };
    match stage {
        Ok(stage) => stage,
        Err(_) if job.cancelled.load(Ordering::Relaxed) => Stage::Cancelled,
        Err(error) => Stage::Failed(error),
    }
}

fn report(job: &Arc<Job>, spec: &Spec, source: &Source) -> Result<Stage, ApiError> {
    let mut watcher = Watcher { job, start: Instant::now(), total: spec.measure.draws };
    watcher.told(0);
    let data = prepared(&spec.data, spec.measure.seed, source)?;
    let network = spec.network_for(&data).map_err(of_spec)?;
    affordable(&network, &data)?;
    let init = concrete_init(&spec.init, &network).map_err(of_spec)?;
    let inits = layer_inits(&init, &network).map_err(of_spec)?;
    for part in LOOKS {
        let draws = spec.measure.draws / part;
        if draws < 2 || watcher.cancelled() || spec.measure.shares_only {
            continue;
        }
        let options =
            Options { engine: spec.measure.engine, ..Options::new(Seed(spec.measure.seed), draws) };
        let found = measure::run(&network, &inits, &data, &options, &mut watcher);
        job.show(measured(&found.map_err(|error| of_check(error.into()))?));
    }
    let report = firstguess::check(spec, &data, &mut watcher).map_err(of_check)?;
    Ok(Stage::Done(Arc::new(report)))
}

fn of_model(job: &Arc<Job>, asked: &ModelQuestion) -> Result<Stage, ApiError> {
    let measure = &asked.measure;
    let mut watcher = Watcher { job, start: Instant::now(), total: measure.draws };
    watcher.told(0);
    // A model that was exported has its own preprocessing outside.
    let as_it_is = DataSpec {
        samples: Some(MAX_SAMPLES),
        standardize: Standardize::None,
        ..DataSpec::default()
    };
    let data = asked.data.as_ref().map(|(source, name)| {
        let data = DataSpec { dataset: Some(name.clone()), ..as_it_is.clone() };
        prepared(&data, measure.seed, source)
    });
    let of_model = |error| ApiError::field("model", error);
    let data = data.transpose()?;
    let study =
        asked.model.study(&asked.name, data.as_ref(), asked.samples, measure).map_err(of_model)?;
    let report = study.check(measure, &mut watcher).map_err(of_model)?;
    Ok(Stage::Done(Arc::new(report)))
}

/// The inputs as the network sees them.
fn prepared(spec: &DataSpec, seed: u64, source: &Source) -> Result<Dataset, ApiError> {
    let prepared = match (source, &spec.dataset) {
        (Source::Upload(data), _) => spec.prepare(data, seed),
        (Source::Spec, None) => spec.synthesize(seed),
        (Source::Spec, Some(name)) => {
            // The name was checked against the list of those that the program knows.
            let options = ReadOptions {
                part: spec.part,
                max_bytes: limits::MAX_UNPACKED,
                ..ReadOptions::default()
            };
            let source = load_dataset_with(name, &options)
                .map_err(|error| ApiError::field("data", error))?;
            spec.prepare(&source, seed)
        }
    };
    prepared.map_err(|error| ApiError::field("data", error))
}

/// Refuses what would keep the others waiting: a network is not interrupted once it is drawn.
fn affordable(network: &Network, data: &Dataset) -> Result<(), ApiError> {
    let parameters = network.parameters();
    let most = limits::MAX_PARAMETERS;
    if parameters > most {
        let text = format!("the network has {parameters} parameters, at most {most} are allowed");
        return Err(ApiError::limit("network", text).hint(COMMAND_LINE));
    }
    let most = limits::MAX_WEIGHT_LAYERS;
    if network.weight_layers > most {
        let text =
            format!("{} layers with weights, at most {most} are allowed", network.weight_layers);
        return Err(ApiError::limit("network", text).hint(COMMAND_LINE));
    }
    let mut per_input = 0.0;
    network.visit(&mut |node| {
        if let Op::Dense(weights) | Op::Conv(weights, _) = &node.op {
            per_input += node.output.size() as f64 * weights.fan_in as f64;
        }
    });
    let work = per_input * data.examples() as f64;
    if work > limits::MAX_WORK {
        let text = format!(
            "one network on {} inputs takes {work:.1e} multiplications, at most {:.0e} are allowed",
            data.examples(),
            limits::MAX_WORK
        );
        return Err(ApiError::limit("network", text).hint("take fewer inputs or a smaller network"));
    }
    Ok(())
}

const COMMAND_LINE: &str = "use `firstguess check`: the command line has no such limit";

fn of_spec(error: SpecError) -> ApiError {
    ApiError::field("network", error)
}

fn of_check(error: CheckError) -> ApiError {
    ApiError::field("network", error)
}

/// Tells of progress, and stops on request or when the time is up.
struct Watcher<'a> {
    job: &'a Job,
    start: Instant,
    total: usize,
}

impl Watcher<'_> {
    fn told(&self, done: usize) {
        self.job.enter(Stage::Running { done, total: self.total });
    }

    fn over(&self, more: Duration) -> bool {
        self.start.elapsed() + more > limits::MEASURING
    }
}

impl Progress for Watcher<'_> {
    fn advance(&mut self, done: usize, _total: usize) {
        self.told(done);
    }

    fn cancelled(&mut self) -> bool {
        self.job.cancelled.load(Ordering::Relaxed)
    }

    fn enough(&mut self, done: usize, next: usize) -> bool {
        // The next networks take as long as those before.
        let each = self.start.elapsed().div_f64(done.max(1) as f64);
        self.over(each.mul_f64(next as f64))
    }
}

/// What the charts show of a measurement: columns by layer, and the guesses.
pub(super) fn measured(found: &Measurement) -> Value {
    let layers = &found.layers;
    let column = |of: &dyn Fn(&measure::LayerMeasurement) -> &measure::Estimate| -> Value {
        layers.iter().map(|layer| json!(of(layer))).collect()
    };
    json!({
        "draws": found.draws,
        "examples": found.examples,
        "classes": found.classes,
        "layers": {
            "q": column(&|layer| &layer.q),
            "c": column(&|layer| &layer.c),
            "gamma": column(&|layer| &layer.gamma),
            "gradient": column(&|layer| &layer.cotangent_gradient),
        },
        "largest_share": found.prejudice.largest_share,
        "agreement": found.prejudice.agreement,
        "ordered_shares": found.prejudice.ordered_shares.iter().take(10).collect::<Vec<_>>(),
        "largest_share_histogram": found.prejudice.largest_share_histogram,
    })
}
