//! `firstguess predict`: theory alone, of equal layers given by flags or of the network in a spec file.

mod equal_layers;
mod json;
pub(super) mod network;
mod text;

use anyhow::bail;
use firstguess::spec::Activation;
use firstguess::spec::weights::WeightFamily;
use firstguess::theory::critical::edge_of_chaos;
use firstguess::theory::dual::Dual;
use firstguess::theory::kernel::LayerStatistics;
use firstguess::theory::log_periodic::{LogPeriodicMap, PeriodicFixedPoints};
use firstguess::theory::mean_field::{LayerVariance, Spread};
use firstguess::theory::phase::{Asymptotics, FixedPoint, Phase, Prejudice, VarianceFate};
use firstguess::theory::predict::{BlockLimit, FiniteWidth, PrejudicePrediction, RepeatedBlock};
use firstguess::theory::prejudice::ClassGradients;
use firstguess::theory::preserved::Preserved;
use firstguess::theory::{NoTheory, Predicted};
use serde_json::{Map, Value};

use crate::args::PredictArgs;
use crate::commands::model::Model;
use crate::exit::ExitStatus;
use crate::printer::Printer;

pub(crate) fn run(args: &PredictArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let answer = match (&args.model, &args.activation, args.weight_variance, args.bias_variance) {
        (Some(path), ..) => {
            network::answer(path, args.data.as_deref(), args.samples, out.settings().seed)?
        }
        (None, Some(activation), Some(weight), Some(bias)) => {
            equal_layers::answer(args, activation, LayerVariance { weight, bias })?
        }
        _ => bail!("give MODEL, or --activation with --weight-variance and --bias-variance"),
    };
    answer.show(out)
}

/// The same of a network that has been read.
pub(crate) fn run_on(model: Model, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    network::answer_on(model).show(out)
}

/// What theory says, of either kind of question.
struct Answer {
    /// The question in one line.
    subject: String,
    /// The question in fields.
    question: Map<String, Value>,
    /// The layers that depth repeats: their function and variances.
    bulk: Result<Bulk, NoTheory>,
    /// The block that it repeats instead, where these layers are not plain.
    block: Option<RepeatedBlock>,
    /// The layers with weights.
    layers: Vec<LayerState>,
    /// Where the numbers are not those of the inputs, and of how many of them they are.
    limits: Vec<String>,
    /// Why the layers end early, if they do.
    ended: Option<NoTheory>,
    /// Gradients by class, were the last layer two logits.
    two_classes: Option<Result<ClassGradients, NoTheory>>,
    /// The first guess of a whole network, and its loss.
    guess: Option<Guess>,
    /// What one of the repeated layers preserves.
    preserved: Result<Preserved, NoTheory>,
    /// All fixed points of a map that has infinitely many.
    periodic: Option<PeriodicFixedPoints>,
}

/// The infinitely deep network of equal layers.
struct Bulk {
    phi: Dual,
    bias_variance: f64,
    weight_variance: f64,
    limit: Asymptotics,
}

/// One layer with weights, as theory carries it.
struct LayerState {
    kind: &'static str,
    spread: Result<Spread, NoTheory>,
    /// `ln q`, where it is known without the spread.
    ln_q: Predicted,
    /// `ln` of the mean square of the gradient, relative to the last layer.
    ln_gradient: Predicted,
    /// At its own width, where it has one.
    finite_width: Option<Result<FiniteWidth, NoTheory>>,
    /// On the inputs themselves.
    on_data: Option<LayerStatistics>,
}

/// What the untrained classifier does.
struct Guess {
    classes: usize,
    prejudice: Result<PrejudicePrediction, NoTheory>,
    loss: Predicted,
}

impl Bulk {
    fn preserved(&self, weights: &WeightFamily) -> Result<Preserved, NoTheory> {
        let layer = LayerVariance { weight: self.weight_variance, bias: self.bias_variance };
        Preserved::new(&self.phi, weights, layer, &self.limit)
    }

    /// The fixed points of `log_periodic`, by one period of them.
    fn periodic(&self) -> Option<PeriodicFixedPoints> {
        let [Activation::LogPeriodic { delta, omega }] = self.phi.function().functions() else {
            return None;
        };
        let plain = self.phi.pooling().is_none();
        let map = plain.then(|| LogPeriodicMap::new(*delta, *omega))?;
        map.fixed_points(self.weight_variance, self.bias_variance).ok()
    }
}

impl Answer {
    fn show(&self, out: &mut Printer) -> anyhow::Result<ExitStatus> {
        if out.json() {
            out.object("predict", self)?;
        } else {
            self.print(out)?;
        }
        Ok(ExitStatus::Fine)
    }

    /// Squared gradients at the logits, favoured class and others.
    fn class_gradients(&self) -> Option<Result<ClassGradients, NoTheory>> {
        match &self.guess {
            Some(guess) => Some(guess.prejudice.clone().and_then(|found| found.class_gradients)),
            None => self.two_classes.clone(),
        }
    }

    /// A limit of infinite depth.
    fn limit<T: Clone>(
        &self,
        field: fn(&Asymptotics) -> &Result<T, NoTheory>,
    ) -> Result<T, NoTheory> {
        field(&self.bulk.as_ref().map_err(Clone::clone)?.limit).clone()
    }

    /// The same of ever more blocks, where these are what depth repeats.
    fn limit_of<T: Clone>(
        &self,
        blocks: fn(&BlockLimit) -> Option<T>,
        layers: fn(&Asymptotics) -> &Result<T, NoTheory>,
    ) -> Result<T, NoTheory> {
        match &self.block {
            Some(found) => {
                blocks(&found.limit).ok_or_else(|| NoTheory::new("its blocks have no such limit"))
            }
            None => self.limit(layers),
        }
    }

    fn phase(&self) -> Result<Phase, NoTheory> {
        self.limit_of(|blocks| blocks.phase, |limit| &limit.phase)
    }

    fn prejudice(&self) -> Result<Prejudice, NoTheory> {
        self.limit_of(|blocks| blocks.prejudice, |limit| &limit.prejudice)
    }

    /// `χ₁` of a layer, or of a block.
    fn chi(&self) -> Predicted {
        match &self.block {
            Some(found) => found.limit.chi.clone(),
            None => self.limit(|limit| &limit.chi_1),
        }
    }

    fn fixed_points(&self) -> &[FixedPoint] {
        self.bulk.as_ref().map_or(&[], |bulk| &bulk.limit.fixed_points)
    }

    /// Whether the variance settles at a point that repels.
    fn is_unstable(&self) -> bool {
        self.bulk.as_ref().is_ok_and(
            |bulk| matches!(&bulk.limit.fate, VarianceFate::Converges(point) if !point.stable),
        )
    }

    /// The critical weight variance nearest to the one in use, at the same bias variance.
    fn nearest_edge(&self) -> Predicted {
        let bulk = self.bulk.as_ref().map_err(Clone::clone)?;
        let distance = |weight_variance: f64| (weight_variance - bulk.weight_variance).abs();
        let points = edge_of_chaos(&bulk.phi, bulk.bias_variance)?;
        let nearest = points
            .iter()
            .map(|point| point.weight_variance)
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        nearest.ok_or_else(|| NoTheory::new("there is no critical point"))
    }

    /// The numbers of one layer, counted from 0.
    fn layer(&self, index: usize) -> LayerNumbers {
        let state = &self.layers[index];
        let of = |number: &dyn Fn(Spread) -> Predicted| state.spread.clone().and_then(number);
        LayerNumbers {
            index: index + 1,
            kind: state.kind,
            q: match (&state.spread, &state.ln_q) {
                (Err(_), Ok(ln)) => in_range(ln.exp(), *ln),
                _ => of(&|s| in_range(s.q(), s.ln_q())),
            },
            c: of(&|s| defined(s.c())),
            v: of(&|s| in_range(s.v(), s.ln_q() + s.complement().ln())),
            t: of(&|s| in_range(s.t(), s.ln_q() + s.c().ln())),
            gamma: of(&|s| defined(s.gamma())),
            gradient: state.ln_gradient.clone().and_then(|ln| in_range(ln.exp(), ln)),
            finite_width: state.finite_width.clone(),
            on_data: state.on_data.clone(),
        }
    }
}

/// One layer with weights, in numbers.
struct LayerNumbers {
    /// From 1.
    index: usize,
    kind: &'static str,
    q: Predicted,
    c: Predicted,
    v: Predicted,
    t: Predicted,
    gamma: Predicted,
    /// Mean square of the gradient, relative to the last layer.
    gradient: Predicted,
    finite_width: Option<Result<FiniteWidth, NoTheory>>,
    on_data: Option<LayerStatistics>,
}

fn defined(value: f64) -> Predicted {
    if value.is_nan() { Err(NoTheory::new("the variance is zero: 0/0")) } else { Ok(value) }
}

/// A number that a double may be too small for: told by its logarithm from a true zero.
fn in_range(value: f64, ln: f64) -> Predicted {
    if ln.is_finite() && (value == 0.0 || value.is_infinite()) {
        return Err(NoTheory::new(format!("exp({ln:.1}), beyond the range of a double")));
    }
    Ok(value)
}
