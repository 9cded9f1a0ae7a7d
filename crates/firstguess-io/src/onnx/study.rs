//! `check` and `predict` of an ONNX model: what it is, what its weights do as found and drawn anew, and what theory says of it.

use firstguess::math::stream::Seed;
use firstguess::measure::{Measurement, Options, Progress, run, run_found};
use firstguess::model::{
    FoldedNorms, Model, ModelLayer, Translation as Part, judge_model, predict_model,
};
use firstguess::net::Weights;
use firstguess::spec::experiment::{DEFAULT_SAMPLES, DataSpec, MeasureSpec};
use firstguess::spec::layer::{Layer, OwnVariances};
use firstguess::spec::network::Network;
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{Architecture, Dataset, Standardize};
use firstguess::theory::predict::Prediction;
use firstguess::{CheckError, Report};
use ndarray::ArrayD;

use super::OnnxModel;
use super::error::{OnnxError, Operator};
use super::evaluate;
use super::feed::Feed;
use super::graph::Graph;
use super::layers::{self, WeightNode};
use super::notes::redraw_in_one_line;
use super::observe::{Budget, Runner};
use super::translate::{Observed, Reach, Reached, folded_convolutions};
use crate::npz::NamedArray;

/// Where the class scores are, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scores {
    /// The value that holds them; `None` where the run does not reach it.
    pub(super) value: Option<usize>,
    /// Rows of scores per example: tokens, pixels.
    pub(super) rows: usize,
    pub(super) classes: usize,
    /// Whether classes are the second axis of several, as in an image of scores.
    planes: bool,
}

impl Scores {
    fn of(value: usize, observed: &Observed, batch: usize) -> Result<Self, OnnxError> {
        if !observed.is_reached(value) {
            return Ok(Self { value: None, rows: 1, classes: 1, planes: false });
        }
        let shape = observed.shape(value);
        let found = |rows, classes, planes| Self { value: Some(value), rows, classes, planes };
        let scores = match *shape {
            [n] if n == batch => found(1, 1, false),
            [n, classes] if n == batch => found(1, classes, false),
            [n, rows, classes] if n == batch => found(rows, classes, false),
            [n, classes, height, width] if n == batch => found(height * width, classes, true),
            _ => {
                return Err(OnnxError::malformed(
                    format!("gives an output of shape {shape:?} for {batch} inputs"),
                    "class scores [batch, classes], [batch, tokens, classes] or [batch, classes, height, width]",
                ));
            }
        };
        if scores.rows * scores.classes == 0 {
            return Err(OnnxError::malformed(
                "gives no class scores",
                "an output that is not empty",
            ));
        }
        Ok(scores)
    }

    /// The scores `[batch, rows, classes]`.
    pub(super) fn by_row(&self, array: &ArrayD<f32>) -> ArrayD<f32> {
        if self.planes && array.ndim() == 4 {
            array.view().permuted_axes(vec![0, 2, 3, 1]).as_standard_layout().into_owned()
        } else {
            array.clone()
        }
    }
}

/// An ONNX model with its layers found and inputs that fit it.
#[derive(Debug)]
pub struct OnnxStudy<'a> {
    source: &'a OnnxModel,
    data: Dataset,
    feed: Feed,
    /// Inputs at once, and whether the file fixes their number.
    rows: usize,
    fixed: bool,
    layers: Vec<WeightNode>,
    scores: Scores,
    model: Model,
    /// The whole model as one of our networks.
    whole: Option<Whole>,
    /// What the vocabulary does not have.
    blocked: Vec<Operator>,
}

/// A model that is written in layers of the vocabulary from input to logits.
#[derive(Debug)]
struct Whole {
    network: Network,
    inits: Vec<LayerInit>,
    /// With the weights of the file.
    found: Option<Weights>,
    batch_norm: bool,
}

/// Inputs that are taken where none are given, at most and at least.
const SYNTHETIC: (usize, usize) = (1000, 32);

/// Multiplications for which the default number of inputs is cut.
const WORK: u64 = 400_000_000_000;

/// Values of one batch that are in memory together.
const BATCH_VALUES: usize = 1 << 24;

impl OnnxModel {
    /// Finds the layers of the model, and makes inputs for it: the given ones, a random part of at most `samples`, or standard normal
    /// ones (whole numbers below the size of the table in which they are looked up).
    ///
    /// # Errors
    ///
    /// [`OnnxError`] if the model cannot be run on such inputs, has no layer with weights that can be reached, or the inputs do not
    /// fit.
    pub fn study(
        &self,
        name: &str,
        given: Option<&Dataset>,
        samples: Option<usize>,
        measure: &MeasureSpec,
    ) -> Result<OnnxStudy<'_>, OnnxError> {
        let Some(data) = given else {
            return self.study_of(name, Feed::made_up(&self.graph)?, None, samples, measure);
        };
        if let [_, _, ..] = self.graph.inputs[..] {
            let wanted: Vec<String> =
                self.graph.inputs.iter().map(|input| self.graph.describe(input)).collect();
            return Err(OnnxError::malformed(
                format!("takes {}, the data are one array", wanted.join(" and ")),
                "an npz archive with an array for each input, by name",
            ));
        }
        let feed = Feed::single(&self.graph, &self.extents(data)?);
        feed.check_whole(data)?;
        self.study_of(name, feed, given, samples, measure)
    }

    /// [`OnnxModel::study`] on an array for each input, found by name, from `source`.
    ///
    /// # Errors
    ///
    /// As [`OnnxModel::study`].
    pub fn study_arrays(
        &self,
        name: &str,
        source: &str,
        arrays: &[NamedArray],
        samples: Option<usize>,
        measure: &MeasureSpec,
    ) -> Result<OnnxStudy<'_>, OnnxError> {
        let (feed, data) = Feed::of_arrays(&self.graph, source, arrays)?;
        self.study_of(name, feed, Some(&data), samples, measure)
    }

    fn study_of(
        &self,
        name: &str,
        feed: Feed,
        given: Option<&Dataset>,
        samples: Option<usize>,
        measure: &MeasureSpec,
    ) -> Result<OnnxStudy<'_>, OnnxError> {
        let graph = &self.graph;
        let (batch, observed, single) = self.look(&feed, given)?;
        let (layers, beyond): (Vec<WeightNode>, Vec<WeightNode>) =
            layers::find(graph, &observed, batch)?
                .into_iter()
                .partition(|layer| layer.positions.is_some());
        let unknown = evaluate::unknown(graph);
        if layers.is_empty() {
            return Err(if unknown.is_empty() {
                OnnxError::malformed(
                    "has no layer with weights between its input and its output",
                    "Gemm, MatMul or Conv with constant weights",
                )
            } else {
                let advice = "No layer with weights lies before them, so that nothing can be said";
                OnnxError::Unsupported { operators: unknown, advice: advice.to_owned() }
            });
        }
        let reached = Reach::new(graph, &observed).translate()?;
        let scores = Scores::of(reached.logits, &observed, batch)?;
        let work = layers.iter().map(WeightNode::work).fold(0, u64::saturating_add);
        let data = inputs(given, &feed, scores, samples, work, measure)?;
        let per_example: usize =
            layers.iter().map(|layer| layer.units * layer.positions.unwrap_or(1)).sum();
        let fixed = self.fixed_batch().is_some() || single;
        let rows = if fixed { batch } else { (BATCH_VALUES / per_example.max(1)).clamp(1, 256) };
        let mut model = self.describe(name, &layers, &data, scores);
        let stand_ins = given.is_none().then(|| feed.stand_ins());
        model.notes = self.notes(&layers, &beyond, &unknown, &reached, stand_ins, single);
        model.folded = folded_convolutions(graph, &observed)
            .map(|(folded, convolutions)| FoldedNorms { folded, convolutions });
        let blocked = reached.blocked.iter().map(|blocked| blocked.operator.clone()).collect();
        let whole = if graph.one_of_numbers().is_some() {
            translated(&mut model, &layers, reached, &data, scores)
        } else {
            let why = self.why_no_theory();
            for layer in &mut model.layers {
                layer.no_theory = Some(why.clone());
            }
            model.untranslated = Some(why);
            None
        };
        let source = self;
        Ok(OnnxStudy { source, data, feed, rows, fixed, layers, scores, model, whole, blocked })
    }

    /// Why nothing is predicted of a model that is not fed one array of numbers.
    fn why_no_theory(&self) -> String {
        let names: Vec<String> =
            self.input_names().into_iter().map(|name| format!("`{name}`")).collect();
        match &names[..] {
            [one] => format!("the input {one} holds whole numbers, of which theory has no law"),
            several => format!(
                "the model is fed {} inputs ({}), and theory carries one",
                several.len(),
                several.join(", ")
            ),
        }
    }

    /// Shape of one input: as the file says, open extents as the data have them.
    fn extents(&self, data: &Dataset) -> Result<Vec<usize>, OnnxError> {
        let declared = self.input_shape();
        let shown: Vec<String> =
            declared.iter().map(|n| n.map_or_else(|| "?".to_owned(), |n| n.to_string())).collect();
        let shown = format!("[{}]", shown.join(", "));
        let shape = data.shape();
        let (found, features) = (shape.extents(), data.features());
        // Tables of numbers are read as images of one channel.
        for found in [found, found.strip_prefix(&[1]).unwrap_or(found)] {
            let alike = found.len() == declared.len()
                && found
                    .iter()
                    .zip(declared)
                    .all(|(n, wanted)| wanted.is_none_or(|wanted| wanted == *n));
            if alike {
                return Ok(found.to_vec());
            }
        }
        let fixed: Option<Vec<usize>> = declared.iter().copied().collect();
        // Vectors are read into any shape of their size, images into vectors.
        match fixed {
            Some(fixed)
                if fixed.iter().product::<usize>() == features
                    && (found.len() == 1 || fixed.len() == 1) =>
            {
                Ok(fixed)
            }
            _ => Err(OnnxError::Inputs { expected: shown, found: shape.to_string() }),
        }
    }

    /// One run on a few inputs; one at a time where the model takes no more, whatever it declares.
    fn look(
        &self,
        feed: &Feed,
        given: Option<&Dataset>,
    ) -> Result<(usize, Observed, bool), OnnxError> {
        // Numbers of any size do for numbers; what is looked up or masks must make sense.
        let given = given.filter(|_| self.graph.one_of_numbers().is_none());
        let observed = |batch: usize| {
            feed.check_rows(batch)?;
            let values = match given {
                None => feed.make_up(batch, Seed(0)),
                Some(data) => {
                    let values = data.inputs().iter().copied().cycle();
                    values.take(batch * feed.features()).collect()
                }
            };
            Observed::new(&self.graph, feed.arrays(batch, &values)?)
        };
        if let Some(batch) = self.fixed_batch() {
            return Ok((batch, observed(batch)?, false));
        }
        match observed(2) {
            Ok(seen) => Ok((2, seen, false)),
            Err(error) => match observed(1) {
                Ok(seen) => Ok((1, seen, true)),
                Err(_) => Err(error),
            },
        }
    }

    fn describe(&self, name: &str, layers: &[WeightNode], data: &Dataset, scores: Scores) -> Model {
        let described = layers.iter().map(|layer| ModelLayer {
            path: layer.path.clone(),
            class: layer.class.clone(),
            kind: layer.kind.name().to_owned(),
            units: layer.units,
            parameters: layer.parameters(),
            redraw: layer.redraw(),
            law: Some(layer.laws.init(layer.fans).into()),
            no_theory: None,
        });
        Model {
            name: name.to_owned(),
            layers: described.collect(),
            translation: None,
            untranslated: None,
            input_shape: data.shape().extents().to_vec(),
            logits: scores.classes,
            classes: data.classes(),
            redraw: redraw_in_one_line(layers),
            parameters: self.graph.parameters(),
            notes: Vec::new(),
            folded: None,
        }
    }
}

/// The inputs as the model takes them.
fn inputs(
    given: Option<&Dataset>,
    feed: &Feed,
    scores: Scores,
    samples: Option<usize>,
    work: u64,
    measure: &MeasureSpec,
) -> Result<Dataset, OnnxError> {
    let features = feed.features();
    let shape = feed.shape_of_row().map_err(|error| {
        let extents = feed.extents();
        OnnxError::malformed(format!("takes inputs of {extents:?}: {error}"), "smaller inputs")
    })?;
    let runs = work.saturating_mul(measure.draws.min(1000) as u64).max(1);
    let affordable = usize::try_from(WORK / runs).unwrap_or(usize::MAX);
    let most = if given.is_some() { DEFAULT_SAMPLES } else { SYNTHETIC.0 };
    let wanted = samples.unwrap_or_else(|| affordable.clamp(SYNTHETIC.1, most));
    let refused = |error: firstguess::spec::DatasetError| OnnxError::Check(CheckError::Data(error));
    let Some(given) = given else {
        let size = wanted.checked_mul(features).filter(|size| *size <= super::tensor::MAX_ELEMENTS);
        if size.is_none() {
            return Err(OnnxError::malformed(
                format!("takes {features} numbers per input, and {wanted} inputs were asked for"),
                "fewer inputs (--samples)",
            ));
        }
        let values = feed.make_up(wanted, Seed(measure.seed));
        let data = Dataset::new(feed.name_of_stand_ins(), shape, values).map_err(refused)?;
        if scores.rows > 1 || scores.value.is_none() {
            return Ok(data);
        }
        let classes = scores.classes.max(2);
        let labels = (0..wanted).map(|i| u32::try_from(i % classes).unwrap_or(0)).collect();
        return data.with_labels(labels, classes).map_err(refused);
    };
    let asked =
        DataSpec { samples: Some(wanted), standardize: Standardize::None, ..DataSpec::default() };
    let part = asked.prepare(given, measure.seed).map_err(refused)?;
    let data = Dataset::new(part.name(), shape, part.inputs().to_vec()).map_err(refused)?;
    // One label per example says nothing of many rows, and nothing where there are no scores.
    match part.labels().filter(|_| scores.rows == 1 && scores.value.is_some()) {
        Some(labels) => {
            let logits = scores.classes.max(2);
            if part.classes() > logits {
                let error =
                    firstguess::measure::MeasureError::Classes { classes: part.classes(), logits };
                return Err(OnnxError::Check(error.into()));
            }
            data.with_labels(labels.to_vec(), part.classes()).map_err(refused)
        }
        None => Ok(data),
    }
}

/// Puts the translation into the model; the whole network where it reaches the logits.
fn translated(
    model: &mut Model,
    layers: &[WeightNode],
    reached: Reached,
    data: &Dataset,
    scores: Scores,
) -> Option<Whole> {
    let position = |output: usize| layers.iter().position(|layer| layer.product == output);
    let order: Option<Vec<usize>> = reached.weights.iter().map(|w| position(w.output)).collect();
    let ended = reached.ended();
    let Some(order) = order else {
        model.untranslated =
            Some("the layers of the translation are not those of the graph".to_owned());
        return None;
    };
    let resolved = Architecture { layers: reached.layers.clone() }.resolve(&data.shape());
    let complete = resolved.as_ref().ok().filter(|network| {
        ended.is_none() && network.logits() == scores.classes && scores.rows == 1
    });
    let ended = match (complete, &resolved) {
        (Some(_), _) => None,
        (None, Err(error)) if ended.is_none() => Some(error.to_string()),
        (None, _) => ended.or_else(|| Some("the scores are not one row per input".to_owned())),
    };
    if let Some(reason) = &ended {
        let stand_in = Layer::Dense { units: scores.classes.max(1), own: OwnVariances::default() };
        let mut known = reached.layers.clone();
        known.push(stand_in);
        if let Err(error) = (Architecture { layers: known }).resolve(&data.shape()) {
            model.untranslated = Some(format!("{reason}; {error}"));
            return None;
        }
        for (at, layer) in model.layers.iter_mut().enumerate() {
            if !order.contains(&at) {
                layer.no_theory = Some(format!("beyond the reach of theory: {reason}"));
            }
        }
    }
    model.translation =
        Some(Part { layers: reached.layers, order: order.clone(), ended: ended.clone() });
    model.untranslated = ended;
    let network = complete?.clone();
    let inits: Vec<LayerInit> =
        order.iter().map(|at| layers[*at].laws.init(layers[*at].fans)).collect();
    let found = Weights::zeros(&network).ok().and_then(|mut weights: Weights| {
        for (layer, read) in weights.layers.iter_mut().zip(&reached.weights) {
            if layer.weight.len() != read.weight.len() {
                return None;
            }
            layer.weight.copy_from_slice(&read.weight);
            if let Some(bias) = &read.bias {
                (layer.bias.len() == bias.len()).then(|| layer.bias.copy_from_slice(bias))?;
            }
        }
        Some(weights)
    });
    let batch_norm = Reach::has_batch_norm(&model.translation.as_ref()?.layers);
    Some(Whole { network, inits, found, batch_norm })
}

impl OnnxStudy<'_> {
    /// Predicts, measures and judges: the weights as found, and networks drawn anew by the laws read off them.
    ///
    /// Where every layer is one of the vocabulary, the networks drawn anew are the library's own, with gradients; else the graph itself
    /// is run with fresh weights, forward only.
    ///
    /// # Errors
    ///
    /// [`OnnxError::Run`] for an operator that does not fit its inputs, [`OnnxError::Check`] where the measurement is cancelled.
    pub fn check(
        &self,
        measure: &MeasureSpec,
        progress: &mut dyn Progress,
    ) -> Result<Report, OnnxError> {
        let runner = Runner {
            graph: &self.source.graph,
            layers: &self.layers,
            data: &self.data,
            feed: &self.feed,
            rows: self.rows,
            fixed: self.fixed,
            scores: self.scores,
        };
        let mut as_found = runner.as_found(measure.seed)?;
        let measurement = if let Some(whole) = &self.whole {
            let base = if measure.shares_only {
                Options::shares_only(Seed(measure.seed), measure.draws)
            } else {
                Options::new(Seed(measure.seed), measure.draws)
            };
            let options = Options { engine: measure.engine, precision: measure.precision, ..base };
            if let Some(weights) = &whole.found {
                let own =
                    run_found(&whole.network, weights, &self.data, &options).map_err(refused)?;
                self.add_gradients(&mut as_found, self.in_graph_order(own));
            }
            let drawn = run(&whole.network, &whole.inits, &self.data, &options, progress);
            self.in_graph_order(drawn.map_err(refused)?)
        } else {
            let budget =
                Budget { seed: measure.seed, draws: measure.draws, precision: measure.precision };
            runner.redrawn(budget, progress)?
        };
        let report = judge_model(&self.model, self.numbers(), measurement, Some(&as_found));
        let mut report = report.map_err(|error| OnnxError::Check(error.into()))?;
        self.data.name().clone_into(&mut report.data.name);
        Ok(report)
    }

    /// What theory says, without a measurement.
    ///
    /// # Errors
    ///
    /// [`OnnxError::Check`] where the layers do not fit together.
    pub fn predict(&self, seed: u64) -> Result<Prediction, OnnxError> {
        let classes = self.classes();
        let found = predict_model(&self.model, self.numbers(), classes, Seed(seed));
        found.map(|(_, prediction)| prediction).map_err(|error| OnnxError::Check(error.into()))
    }

    /// The inputs, where they are one array of numbers.
    fn numbers(&self) -> Option<&Dataset> {
        self.source.graph.one_of_numbers().map(|_| &self.data)
    }

    /// Classes that the outputs tell apart: one score classifies by its sign.
    pub fn classes(&self) -> usize {
        self.scores.classes.max(2)
    }

    /// The inputs, as the model takes them.
    pub const fn data(&self) -> &Dataset {
        &self.data
    }

    /// What the report says of the model.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The layers and draws of the whole model, or why it is not one that a spec can hold.
    ///
    /// # Errors
    ///
    /// The reason.
    pub fn network(&self) -> Result<(&Network, &[LayerInit]), String> {
        self.whole.as_ref().map(|whole| (&whole.network, whole.inits.as_slice())).ok_or_else(|| {
            let why = self.model.untranslated.as_deref();
            why.unwrap_or("the model is not written in layers of the vocabulary").to_owned()
        })
    }

    /// The operators that keep the model from being one of the vocabulary, nearest to the input first.
    pub fn beyond_the_vocabulary(&self) -> &[Operator] {
        &self.blocked
    }

    pub(super) const fn graph(&self) -> &Graph {
        &self.source.graph
    }

    /// The layers with weights of the translation, in its order.
    pub(super) fn in_spec_order(&self) -> Vec<&WeightNode> {
        let order = self.model.translation.as_ref().map_or(&[][..], |part| &part.order);
        order.iter().filter_map(|at| self.layers.get(*at)).collect()
    }

    /// A measurement of our own network, its layers in the order of the graph.
    fn in_graph_order(&self, mut measurement: Measurement) -> Measurement {
        let Some(part) = &self.model.translation else { return measurement };
        let mut layers = measurement.layers.clone();
        for (layer, at) in measurement.layers.into_iter().zip(&part.order) {
            if let Some(slot) = layers.get_mut(*at) {
                *slot = layer;
                slot.index = at + 1;
            }
        }
        let mut sampled = measurement.sampling.layers.clone();
        for (layer, at) in measurement.sampling.layers.iter().zip(&part.order) {
            if let Some(slot) = sampled.get_mut(*at) {
                *slot = *layer;
                slot.index = at + 1;
            }
        }
        measurement.layers = layers;
        measurement.sampling.layers = sampled;
        let place = |index: usize| {
            let at = index.checked_sub(1).and_then(|at| part.order.get(at));
            at.map_or(index, |at| at + 1)
        };
        let lost = [&mut measurement.overflow, &mut measurement.gradient_overflow];
        for overflow in lost.into_iter().flatten() {
            overflow.layer = place(overflow.layer);
        }
        measurement
    }

    /// The gradients of our own network with the same weights, where it computes the same.
    fn add_gradients(&self, as_found: &mut Measurement, own: Measurement) {
        let batch_norm = self.whole.as_ref().is_some_and(|whole| whole.batch_norm);
        if batch_norm {
            return;
        }
        for (layer, own) in as_found.layers.iter_mut().zip(own.layers) {
            layer.gradient = own.gradient;
            layer.ln_gradient = own.ln_gradient;
            layer.median_gradient = own.median_gradient;
            layer.cotangent_gradient = own.cotangent_gradient;
            layer.ln_cotangent_gradient = own.ln_cotangent_gradient;
            layer.median_cotangent_gradient = own.median_cotangent_gradient;
        }
    }
}

fn refused(error: firstguess::measure::MeasureError) -> OnnxError {
    OnnxError::Check(error.into())
}
