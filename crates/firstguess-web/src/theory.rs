//! Questions of theory: a point of the diagram with its profiles and guesses, and the diagram itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use firstguess::report::{Fields, phase_diagram};
use firstguess::spec::activation::{Activation, ActivationError};
use firstguess::theory::NoTheory;
use firstguess::theory::dual::Dual;
use firstguess::theory::mean_field::{LayerVariance, Spread, trajectory};
use firstguess::theory::phase::{Phase, Prejudice, asymptotics};
use firstguess::theory::phase_diagram::{Axis, Cell, Curves, PhaseDiagram};
use firstguess::theory::prejudice::{GuessFraction, GuessLaw, PrejudiceError, ShareTable};
use serde_json::{Value, json};

use crate::SCHEMA_VERSION;
use crate::error::ApiError;
use crate::lanes::Lane;
use crate::setting::{Function, Setting};

/// Beyond this a point is slow: too slow to be asked for at each step of a drag.
const SLOW: Duration = Duration::from_millis(40);

/// Beyond this a diagram is not begun: its thousands of cells need the moments that one point needed.
const HOPELESS: Duration = Duration::from_secs(1);

/// An activation whose moments are prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) activation: Activation,
    pub(crate) dual: Dual,
    /// What its points take, in microseconds of the processor: the first, and of late.
    first: AtomicU64,
    cost: AtomicU64,
}

impl Prepared {
    pub(crate) fn new(function: &Function) -> Result<Self, ApiError> {
        let activation = parse(&function.activation)?;
        let dual = match function.pool {
            None => Ok(Dual::new(&activation)),
            Some((kind, size)) => Dual::pooled((&activation).into(), kind, size, 0.0),
        };
        let dual = dual.map_err(|why| ApiError::field("pool", why))?;
        Ok(Self { activation, dual, first: AtomicU64::new(0), cost: AtomicU64::new(0) })
    }

    /// Where the next point belongs, judged by those before.
    pub(crate) fn lane(&self) -> Lane {
        match Duration::from_micros(self.cost.load(Ordering::Relaxed)) {
            Duration::ZERO => Lane::Unknown,
            cost if cost > SLOW => Lane::Slow,
            _ => Lane::Quick,
        }
    }

    /// Everything at one point.
    pub(crate) fn point(&self, setting: &Setting, shares: Option<&ShareTable>) -> Value {
        let start = Spent::start();
        let point = point(&self.dual, setting, shares);
        let micros = start.micros();
        if self.first.load(Ordering::Relaxed) == 0 {
            // What is tabulated on the way is not tabulated again: the next point may be quick.
            self.first.store(micros, Ordering::Relaxed);
            self.cost.store(micros.min(micros_of(SLOW)), Ordering::Relaxed);
        } else {
            let before = self.cost.load(Ordering::Relaxed);
            self.cost.store(u64::midpoint(before, micros).max(1), Ordering::Relaxed);
        }
        point
    }

    /// A diagram, unless it is known to take minutes.
    pub(crate) fn diagram(&self, weight: Axis, bias: Axis) -> Result<Drawn, ApiError> {
        if self.first.load(Ordering::Relaxed) == 0 {
            // Tells what its moments take.
            let layer = LayerVariance { weight: weight.high, bias: bias.high };
            let start = Spent::start();
            drop(trajectory(&self.dual, layer, Spread::first_layer(layer, 1.0, 0.0), 3));
            drop(asymptotics(&self.dual, layer, Spread::first_layer(layer, 1.0, 0.0)));
            self.first.store(start.micros(), Ordering::Relaxed);
        }
        if self.first.load(Ordering::Relaxed) > micros_of(HOPELESS) {
            return Err(ApiError::limit("activation", "a diagram of this function takes minutes")
                .hint("the command line draws it: firstguess phase"));
        }
        Ok(diagram(&self.dual, weight, bias))
    }
}

fn micros_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a thread has computed since: seconds of its processor where the system tells them, so that a busy machine makes no function
/// look slow.
struct Spent {
    processor: Option<u64>,
    clock: Instant,
}

impl Spent {
    fn start() -> Self {
        Self { processor: Self::nanos(), clock: Instant::now() }
    }

    fn nanos() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse().ok()
    }

    fn micros(&self) -> u64 {
        let processor =
            self.processor.and_then(|start| Some(Self::nanos()?.saturating_sub(start) / 1000));
        processor.unwrap_or_else(|| micros_of(self.clock.elapsed())).max(1)
    }
}

/// The activation that a text names.
pub(crate) fn parse(text: &str) -> Result<Activation, ApiError> {
    text.parse().map_err(|error: ActivationError| {
        let hint = error.hint();
        ApiError::field("activation", error).hint(hint)
    })
}

/// Finite numbers; what is not finite is null.
fn numbers(values: impl Iterator<Item = f64>) -> Vec<Option<f64>> {
    values.map(|value| value.is_finite().then_some(value)).collect()
}

fn point(phi: &Dual, setting: &Setting, shares: Option<&ShareTable>) -> Value {
    let first = setting.first();
    let limit = asymptotics(phi, setting.layer, first);
    let path = trajectory(phi, setting.layer, first, setting.depth);
    let of = |value: fn(&Spread) -> f64| numbers(path.layers.iter().map(value));
    let mut layers = Fields::new()
        .with("q", of(Spread::q))
        .with("c", of(Spread::c))
        .with("one_minus_c", of(Spread::complement))
        .with("v", of(Spread::v))
        .with("t", of(Spread::t))
        .with("gamma", of(Spread::gamma));
    layers = match &path.ended {
        None => layers.with("gradient", numbers(path.ln_gradients().into_iter().map(f64::exp))),
        Some(why) => layers
            .missing("gradient", &NoTheory::new(format!("the last layer is out of reach: {why}"))),
    };
    if let Some(why) = &path.ended {
        layers = layers.with("reason", &why.reason);
    }
    let last = path.layers.last().filter(|_| path.ended.is_none());
    let guess = last
        .ok_or_else(|| NoTheory::new("the last layer is out of reach"))
        .and_then(|logits| guess(setting.classes, logits.gamma(), shares));
    Fields::new()
        .with("schema_version", SCHEMA_VERSION)
        .with("command", "point")
        .with("activation", phi.function().to_string())
        .with("pool", phi.pooling().map(|pool| pool.to_string()))
        .number("weight_variance", setting.layer.weight)
        .number("bias_variance", setting.layer.bias)
        .number("input_correlation", setting.input_correlation)
        .with("depth", setting.depth)
        .with("width", setting.width)
        .asymptotics(&limit)
        .with("layers", layers.into_value())
        .named("guess", &guess)
        .into_value()
}

/// Points of the law of one share.
const LAW: u16 = 120;

/// The first guess at the drift ratio of the logits.
fn guess(classes: usize, gamma: f64, shares: Option<&ShareTable>) -> Result<Value, NoTheory> {
    let none = |error: PrejudiceError| NoTheory::new(error.to_string());
    // The integrals take tens of milliseconds each, the table none.
    let (largest, agreement) = if let Some(table) = shares {
        (table.mean_max(gamma), table.agreement(gamma))
    } else {
        let law = GuessLaw::new(classes, gamma).map_err(none)?;
        (Ok(law.mean_max().value), Ok(law.agreement().value))
    };
    let two = GuessFraction::new(gamma).map_err(none)?;
    let density = match gamma {
        0.0 => Err(NoTheory::new("all mass at 1/2")),
        f64::INFINITY => Err(NoTheory::new("half the mass at 0, half at 1")),
        _ => {
            // The middles of equal bins: the ends may be infinite.
            let at: Vec<f64> = (0..LAW).map(|i| (f64::from(i) + 0.5) / f64::from(LAW)).collect();
            let density = numbers(at.iter().map(|g| two.density(*g)));
            Ok(json!({ "g": at, "density": density }))
        }
    };
    let ordered = match shares.map(|table| table.shares(gamma)) {
        Some(found) => found.map_err(none),
        None => Err(NoTheory::new("being tabulated for this number of classes; ask again")),
    };
    Ok(Fields::new()
        .with("classes", classes)
        .number("gamma", gamma)
        .number("largest_share", largest.map_err(none)?)
        .number("agreement", agreement.map_err(none)?)
        .number("neutral_share", 1.0 / classes as f64)
        .named("ordered_shares", &ordered)
        .named("law", &density)
        .into_value())
}

/// A diagram in both forms, as text.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// A letter per cell.
    pub(crate) compact: Arc<str>,
    /// Every number of every cell, as `firstguess phase --json` prints it.
    pub(crate) full: Arc<str>,
}

fn diagram(phi: &Dual, weight: Axis, bias: Axis) -> Drawn {
    let diagram = PhaseDiagram::new(phi, weight, bias);
    let mut value = phase_diagram::fields(&diagram).into_value();
    let full = value.to_string();
    if let Some(fields) = value.as_object_mut() {
        let row = |cells: &[Cell]| cells.iter().map(letter).collect::<String>();
        let rows: Vec<String> =
            diagram.cells.chunks(diagram.weight_variances.len().max(1)).map(row).collect();
        fields.insert("cells".to_owned(), json!(rows));
        fields.insert("curves".to_owned(), curves(&diagram.curves));
    }
    Drawn { compact: value.to_string().into(), full: full.into() }
}

/// Both lines as they are to be drawn.
fn curves(curves: &Curves) -> Value {
    let edge = curves.edge_of_chaos.iter();
    let edge: Vec<Value> =
        edge.map(|curve| json!({ "stable": curve.stable, "points": curve.points })).collect();
    let upright = curves.homogeneous.map(|both| both.gradient_weight_variance);
    json!({ "edge_of_chaos": edge, "upright_edge": upright, "neutrality": curves.neutrality })
}

/// Phase and bias of a cell in one letter; docs/explorer.md lists them.
fn letter(cell: &Cell) -> char {
    match (cell.phase, cell.prejudice) {
        (Some(Phase::EdgeOfChaos), _) => 'e',
        (_, Some(Prejudice::Neutrality)) => 'n',
        (Some(Phase::Ordered), _) => 'o',
        (_, Some(Prejudice::Prejudice)) => 'p',
        (Some(Phase::Chaotic), _) => 'x',
        _ => '?',
    }
}
