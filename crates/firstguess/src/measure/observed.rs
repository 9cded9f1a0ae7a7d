//! Networks that someone else runs: their pre-activations and gradients are handed in block by block and added up as they
//! come, by the sums that the library's own networks use. Nothing is kept but sums.
//!
//! This is how a PyTorch model is measured. One example may hold many rows (tokens of a sentence, pixels of an image): rows
//! count as inputs of the same unit, gradients are summed over the rows of their example.

use super::draw::{Draw, LayerDraw, LayerPlan, Plan, Trouble};
use super::engine::EngineReport;
use super::ensemble::{Absent, Ensemble, Question};
use super::gaussianity::Sample;
use super::gradients::{LayerGradient, LogitGradient, squared_norms};
use super::moments::UnitSums;
use super::prejudice::{Guesses, classes_of};
use super::units::{UnitHealth, UnitProbe};
use super::{InputMeasurement, Measurement};
use crate::math::stream::{Purpose, Seed, Stream};
use crate::spec::{Activation, Dataset};
use std::sync::Arc;

/// One layer of a model, as it will be handed in.
#[derive(Debug, Clone)]
pub struct ObservedLayer {
    /// Kind of the layer in reports.
    pub kind: LayerKind,
    /// Units, or channels.
    pub units: usize,
    /// Rows of one example: positions of an image, tokens of a sentence; 1 for a vector.
    pub positions: usize,
    /// The activation that the layer feeds, where it is one of the vocabulary.
    pub activation: Option<Activation>,
}

/// Kinds of layers with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerKind {
    /// A matrix.
    Dense,
    /// A convolution of any dimension.
    Conv,
    /// A table of vectors.
    Embedding,
    /// An attention block with weights of its own.
    Attention,
    /// A recurrent layer.
    Recurrent,
    /// Any other.
    Other,
}

impl LayerKind {
    /// Name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Conv => "conv",
            Self::Embedding => "embedding",
            Self::Attention => "attention",
            Self::Recurrent => "recurrent",
            Self::Other => "other",
        }
    }
}

/// How the values of a block lie in memory, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[…, units]`: every index but the last is a row.
    UnitsLast,
    /// `[batch, units, positions]`.
    Planes,
}

/// Which gradient runs backward.
pub use super::draw::Signal;

/// Why a block was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum ObserveError {
    #[error("layer {layer} does not exist: {layers} were announced, counted from 0")]
    Layer { layer: usize, layers: usize },

    #[error("{what} has {found} values; {expected}")]
    Length { what: String, found: usize, expected: String },

    #[error("a network must be begun before values are handed in")]
    NotBegun,

    #[error("a model needs at least one example, one row of logits and one logit")]
    Empty,
}

/// Adds up networks that someone else runs.
///
/// # Examples
///
/// ```
/// use firstguess::measure::observed::{LayerKind, Layout, ObservedLayer, Observer};
/// use firstguess::math::stream::Seed;
/// let layer = ObservedLayer { kind: LayerKind::Dense, units: 2, positions: 1, activation: None };
/// let mut observer = Observer::new(vec![layer], 2, 3, 3, None, None, Seed(0))?;
/// observer.begin();
/// let values = [1.0, -1.0, 2.0, 0.0, 3.0, 1.0];
/// observer.forward(0, &values, Layout::UnitsLast)?;
/// observer.logits(&values)?;
/// observer.end();
/// let found = observer.finish();
/// assert_eq!(found.prejudice.largest_share.value, 1.0);
/// assert!((found.layers[0].q.value - 16.0 / 6.0).abs() < 1e-12);
/// # Ok::<(), firstguess::measure::observed::ObserveError>(())
/// ```
pub struct Observer {
    plan: Plan,
    labels: Option<Vec<Option<u32>>>,
    rows: usize,
    question: Question,
    ensemble: Ensemble,
    draw: u64,
    current: Option<Current>,
}

/// The network at hand.
struct Current {
    layers: Vec<Seen>,
    guesses: Guesses,
    /// Squared norms of what was sent in, per example: loss, cotangent.
    entered: [Vec<f64>; 2],
    /// Squared norms of the loss gradient, per row.
    row_norms: Vec<f64>,
    trouble: Trouble,
}

struct Seen {
    sums: UnitSums,
    health: Option<UnitHealth>,
    probed: bool,
    sample: Vec<f32>,
    norms: [Vec<f64>; 2],
    finite: bool,
}

impl Observer {
    /// For a model with these layers and `logits` outputs per row, on `examples` examples with `rows` rows of outputs in
    /// all, with one label per row where there are labels (`None` for a row without one), and the inputs where they are
    /// numbers.
    ///
    /// # Errors
    ///
    /// [`ObserveError`] for sizes of zero, or labels that are not one per row.
    pub fn new(
        layers: Vec<ObservedLayer>,
        logits: usize,
        examples: usize,
        rows: usize,
        labels: Option<Vec<Option<u32>>>,
        data: Option<&Dataset>,
        seed: Seed,
    ) -> Result<Self, ObserveError> {
        if logits == 0 || examples == 0 || rows == 0 {
            return Err(ObserveError::Empty);
        }
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != rows) {
            return Err(length(
                "the list of labels",
                labels.len(),
                format!("{rows} rows have one each"),
            ));
        }
        let labelled = labels.as_ref().is_some_and(|labels| labels.iter().any(Option::is_some));
        let mut probes: Vec<(Activation, Arc<UnitProbe>)> = Vec::new();
        let layers = (1..).zip(layers).map(|(index, layer)| LayerPlan {
            index,
            kind: layer.kind.name(),
            units: layer.units,
            positions: layer.positions.max(1),
            probe: layer
                .activation
                .map(|activation| super::draw::probe_for(&activation, &mut probes)),
        });
        let plan =
            Plan { layers: layers.collect(), look: true, logits, batch_norm: false, classes: 0 };
        let engine = EngineReport {
            engine: "observed",
            reason: "the networks were run by their own program".to_owned(),
            layers: Vec::new(),
        };
        let ensemble = Ensemble::new(&plan, rows, engine);
        let question = Question {
            seed: seed.0,
            examples,
            gradient_examples: examples,
            allowed: 0,
            precision: None,
            stopped: "draws",
            layers: true,
            gaussianity: true,
            input: data.map_or_else(
                || InputMeasurement {
                    offset: None,
                    second_moment: 0.0,
                    reason: Some("the inputs are not numbers of one kind".to_owned()),
                },
                InputMeasurement::of,
            ),
            absent: Absent {
                loss: if labelled { NO_GRADIENT } else { "the data have no labels" },
                cotangent: NO_GRADIENT,
            },
        };
        let labels = labels.filter(|_| labelled);
        Ok(Self { plan, labels, rows, question, ensemble, draw: 0, current: None })
    }

    /// Begins the next network.
    pub fn begin(&mut self) {
        let layers = self.plan.layers.iter().map(|layer| Seen {
            sums: UnitSums::new(layer.units),
            health: layer.probe.as_ref().map(|_| UnitHealth::new(layer.units)),
            probed: false,
            sample: Vec::new(),
            norms: [Vec::new(), Vec::new()],
            finite: true,
        });
        self.current = Some(Current {
            layers: layers.collect(),
            guesses: Guesses::new(self.plan.logits),
            entered: [Vec::new(), Vec::new()],
            row_norms: Vec::new(),
            trouble: Trouble::default(),
        });
    }

    /// The values of a layer. False where one of them is infinite or NaN.
    ///
    /// # Errors
    ///
    /// [`ObserveError`] for a layer that was not announced, or values that do not fill whole rows.
    pub fn forward(
        &mut self,
        layer: usize,
        values: &[f32],
        layout: Layout,
    ) -> Result<bool, ObserveError> {
        let (plan, seen, trouble) = self.layer(layer)?;
        let positions = positions(plan, values, layout)?;
        if let Some(found) = not_finite(values) {
            seen.finite = false;
            trouble.forward((plan.index, plan.kind.to_owned(), found));
            return Ok(false);
        }
        if seen.sample.is_empty() {
            let at = positions / 2;
            let first = Sample::chosen(plan.units).map(|unit| match layout {
                Layout::UnitsLast => values.get(unit),
                Layout::Planes => values.get(unit * positions + at),
            });
            seen.sample = first.flatten().copied().collect();
        }
        match layout {
            Layout::UnitsLast => seen.sums.add(values),
            Layout::Planes => seen.sums.add_planes(values, positions),
        }
        Ok(true)
    }

    /// What enters the activation that a layer feeds: its own values, or those of a normalisation between the two.
    ///
    /// # Errors
    ///
    /// As [`Observer::forward`].
    pub fn activation(
        &mut self,
        layer: usize,
        values: &[f32],
        layout: Layout,
    ) -> Result<(), ObserveError> {
        let (plan, seen, _) = self.layer(layer)?;
        let positions = positions(plan, values, layout)?;
        let (Some(probe), Some(health)) = (&plan.probe, &mut seen.health) else { return Ok(()) };
        seen.probed = true;
        match layout {
            Layout::UnitsLast => probe.add(values, health),
            Layout::Planes => probe.add_planes(values, positions, health),
        }
        Ok(())
    }

    /// The outputs, `[rows, logits]`. False where one of them is infinite or NaN.
    ///
    /// # Errors
    ///
    /// [`ObserveError`] for any other number of values.
    pub fn logits(&mut self, values: &[f32]) -> Result<bool, ObserveError> {
        let (logits, rows) = (self.plan.logits, self.rows);
        if values.len() != rows * logits {
            return Err(length(
                "a block of logits",
                values.len(),
                format!("{rows} rows of {logits} were announced"),
            ));
        }
        let current = self.current.as_mut().ok_or(ObserveError::NotBegun)?;
        if let Some(found) = not_finite(values) {
            let last = self.plan.layers.last().map_or(0, |layer| layer.index);
            current.trouble.forward((last, "logits".to_owned(), found));
            return Ok(false);
        }
        match &self.labels {
            None => current.guesses.add(values, logits, None),
            Some(labels) => {
                for (row, label) in values.chunks_exact(logits).zip(labels) {
                    let label = label.map(|label| [label]);
                    current.guesses.add(row, logits, label.as_ref().map(<[u32; 1]>::as_slice));
                }
            }
        }
        Ok(true)
    }

    /// The random gradient that this network gets at its logits, `[rows, logits]`: standard normal, from the seed.
    pub fn cotangent(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows * self.plan.logits];
        let stream = Stream::new(Seed(self.question.seed), self.draw, 0, Purpose::Cotangent);
        stream.fill_normal_f32(0, &mut values);
        values
    }

    /// What is sent in at the logits, `[rows, logits]`.
    ///
    /// # Errors
    ///
    /// [`ObserveError`] for any other number of values.
    pub fn entering(&mut self, signal: Signal, values: &[f32]) -> Result<(), ObserveError> {
        let (logits, rows, examples) = (self.plan.logits, self.rows, self.question.examples);
        if values.len() != rows * logits {
            return Err(length(
                "a gradient at the logits",
                values.len(),
                format!("{rows} rows of {logits} were announced"),
            ));
        }
        let current = self.current.as_mut().ok_or(ObserveError::NotBegun)?;
        per_example(values, examples, &mut current.entered[signal as usize]);
        if signal == Signal::Loss {
            squared_norms(values, logits, &mut current.row_norms);
        }
        Ok(())
    }

    /// The gradient at a layer, examples first.
    ///
    /// # Errors
    ///
    /// [`ObserveError`] for a layer that was not announced.
    pub fn backward(
        &mut self,
        signal: Signal,
        layer: usize,
        values: &[f32],
    ) -> Result<(), ObserveError> {
        let examples = self.question.examples;
        let (plan, seen, trouble) = self.layer(layer)?;
        let norms = &mut seen.norms[signal as usize];
        per_example(values, examples, norms);
        if norms.iter().any(|norm| !norm.is_finite()) {
            let found = not_finite(values).unwrap_or("infinity");
            trouble.backward((plan.index, plan.kind.to_owned(), found));
        }
        Ok(())
    }

    /// Ends the network at hand and adds it to the others.
    pub fn end(&mut self) {
        let Some(mut current) = self.current.take() else { return };
        let examples = self.question.examples;
        let complete = current.guesses.examples() == self.rows as u64;
        let logit_gradient = self.labels.as_ref().filter(|_| complete).and_then(|labels| {
            let rows = current.row_norms.iter().zip(labels);
            let (norms, labels): (Vec<f64>, Vec<u32>) =
                rows.filter_map(|(norm, label)| label.map(|label| (*norm, label))).unzip();
            (!norms.is_empty() && norms.iter().all(|norm| norm.is_finite()))
                .then(|| LogitGradient::of(&norms, &labels, current.guesses.favoured()))
        });
        let layers = current.layers.into_iter().map(|mut layer| {
            let moments = layer.sums.finish().filter(|_| layer.finite);
            let health = layer.health.filter(|_| moments.is_some() && layer.probed);
            LayerDraw {
                moments,
                dead: health.as_ref().and_then(UnitHealth::dead_fraction),
                saturated: health.as_ref().and_then(UnitHealth::saturated_fraction),
                sample: if moments.is_some() { layer.sample } else { Vec::new() },
                gradients: layer.norms.each_mut().map(|norms| summary(norms, examples)),
                pairs: None,
            }
        });
        let draw = Draw {
            layers: layers.collect(),
            guesses: complete.then_some(current.guesses),
            entered: current.entered.each_mut().map(|norms| summary(norms, examples)),
            logit_gradient,
            trouble: current.trouble,
            paths: Vec::new(),
        };
        self.ensemble.push(&draw);
        self.draw += 1;
        self.question.allowed += 1;
    }

    /// The measurement of the networks so far.
    pub fn finish(&self) -> Measurement {
        self.ensemble.finish(&self.plan, &self.question)
    }

    /// Number of classes that the outputs tell apart.
    pub fn classes(&self) -> usize {
        classes_of(self.plan.logits)
    }

    fn layer(
        &mut self,
        layer: usize,
    ) -> Result<(&LayerPlan, &mut Seen, &mut Trouble), ObserveError> {
        let layers = self.plan.layers.len();
        let current = self.current.as_mut().ok_or(ObserveError::NotBegun)?;
        match (self.plan.layers.get(layer), current.layers.get_mut(layer)) {
            (Some(plan), Some(seen)) => Ok((plan, seen, &mut current.trouble)),
            _ => Err(ObserveError::Layer { layer, layers }),
        }
    }
}

const NO_GRADIENT: &str = "no gradient came back to this layer";

fn length(what: &str, found: usize, expected: String) -> ObserveError {
    ObserveError::Length { what: what.to_owned(), found, expected }
}

/// Positions of each unit in a block, 1 where rows lie one after the other.
fn positions(plan: &LayerPlan, values: &[f32], layout: Layout) -> Result<usize, ObserveError> {
    let row = match layout {
        Layout::UnitsLast => plan.units,
        Layout::Planes => plan.units * plan.positions,
    };
    if row == 0 || values.is_empty() || !values.len().is_multiple_of(row) {
        return Err(length(
            &format!("a block of layer {}", plan.index),
            values.len(),
            format!("whole rows of {row} were announced"),
        ));
    }
    Ok(if layout == Layout::Planes { plan.positions } else { 1 })
}

fn not_finite(values: &[f32]) -> Option<&'static str> {
    // Sums of a few values keep the scan free of branches.
    let suspect =
        values.chunks(64).any(|chunk| !chunk.iter().map(|v| v * 0.0).sum::<f32>().eq(&0.0));
    if !suspect {
        return None;
    }
    Some(if values.iter().any(|value| value.is_nan()) { "NaN" } else { "infinity" })
}

/// Squared norms per example. Where the examples cannot be told apart, each gets the same share.
fn per_example(values: &[f32], examples: usize, norms: &mut Vec<f64>) {
    let before = norms.len();
    if values.len().is_multiple_of(examples) {
        squared_norms(values, values.len() / examples, norms);
    } else {
        let sum: f64 = values.iter().map(|&d| f64::from(d) * f64::from(d)).sum();
        norms.extend(std::iter::repeat_n(sum / examples as f64, examples));
    }
    // A layer that is run several times collects the gradient of each run.
    if before == examples && norms.len() == 2 * examples {
        let added: Vec<f64> = norms.drain(examples..).collect();
        norms.iter_mut().zip(added).for_each(|(norm, more)| *norm += more);
    }
}

fn summary(norms: &mut [f64], examples: usize) -> Option<LayerGradient> {
    norms.get_mut(..examples).and_then(LayerGradient::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(kind: LayerKind, units: usize, positions: usize) -> ObservedLayer {
        ObservedLayer { kind, units, positions, activation: Some(Activation::Relu) }
    }

    fn observer(layers: Vec<ObservedLayer>, labels: Option<Vec<Option<u32>>>) -> Observer {
        Observer::new(layers, 3, 2, 4, labels, None, Seed(1)).unwrap()
    }

    const LOGITS: [f32; 12] = [1.0, 0.0, -1.0, 2.0, 2.5, 0.0, 0.0, 0.0, 3.0, -1.0, 0.5, 0.5];

    /// Two images of two channels and two positions, and the same values with the channel as the last axis.
    #[test]
    fn both_layouts_give_the_same_numbers() {
        let planes = [1.0, 2.0, -1.0, 0.5, 3.0, 4.0, -2.0, -0.5];
        let last = [1.0, -1.0, 2.0, 0.5, 3.0, -2.0, 4.0, -0.5];
        let layers = vec![layer(LayerKind::Conv, 2, 2), layer(LayerKind::Dense, 2, 2)];
        let mut observer = observer(layers, None);
        observer.begin();
        observer.forward(0, &planes, Layout::Planes).unwrap();
        observer.activation(0, &planes, Layout::Planes).unwrap();
        observer.forward(1, &last, Layout::UnitsLast).unwrap();
        observer.activation(1, &last, Layout::UnitsLast).unwrap();
        observer.logits(&LOGITS).unwrap();
        observer.end();
        let found = observer.finish();
        let [a, b] = &found.layers[..] else { panic!("two layers") };
        assert_eq!((a.kind, b.kind), ("conv", "dense"));
        for (a, b) in [(a.q, b.q), (a.v, b.v), (a.t, b.t), (a.gamma, b.gamma)] {
            assert!((a.value - b.value).abs() < 1e-12, "{a:?} {b:?}");
        }
        // The second channel is negative but once: alive.
        assert_eq!((a.dead_fraction.value, b.dead_fraction.value), (0.0, 0.0));
        assert!((a.q.value - 35.5 / 8.0).abs() < 1e-12);
        assert_eq!(found.prejudice.largest_share.value, 0.5);
        assert_eq!((found.examples, found.draws, found.stop.allowed), (2, 1, 1));
    }

    /// Rows without a label give no loss; gradients are summed over the rows of their example.
    #[test]
    fn labels_may_be_missing_and_gradients_belong_to_examples() {
        let labels = vec![Some(0), None, Some(2), None];
        let mut observer = observer(vec![layer(LayerKind::Dense, 3, 2)], Some(labels));
        observer.begin();
        observer.forward(0, &LOGITS, Layout::UnitsLast).unwrap();
        observer.logits(&LOGITS).unwrap();
        for signal in [Signal::Loss, Signal::Cotangent] {
            observer.entering(signal, &[1.0; 12]).unwrap();
        }
        observer.backward(Signal::Loss, 0, &[2.0; 12]).unwrap();
        // A layer that runs twice collects both gradients.
        observer.backward(Signal::Cotangent, 0, &[1.0; 12]).unwrap();
        observer.backward(Signal::Cotangent, 0, &[1.0; 12]).unwrap();
        observer.end();
        let found = observer.finish();
        let expected = {
            let softmax =
                |h: [f64; 3], y: usize| h.iter().map(|x| x.exp()).sum::<f64>().ln() - h[y];
            f64::midpoint(softmax([1.0, 0.0, -1.0], 0), softmax([0.0, 0.0, 3.0], 2))
        };
        assert!((found.loss.cross_entropy.value - expected).abs() < 1e-7);
        assert_eq!(found.layers[0].gradient.value, 4.0);
        assert_eq!(found.layers[0].cotangent_gradient.value, 2.0);
        assert_eq!(found.loss.logit_gradient.all.value, 3.0);
    }

    #[test]
    fn numbers_out_of_range_are_told_and_sizes_checked() {
        let mut observer = observer(vec![layer(LayerKind::Embedding, 3, 1)], None);
        assert_eq!(observer.forward(0, &LOGITS, Layout::UnitsLast), Err(ObserveError::NotBegun));
        observer.begin();
        assert!(observer.forward(1, &LOGITS, Layout::UnitsLast).is_err());
        assert!(observer.forward(0, &LOGITS[..4], Layout::UnitsLast).is_err());
        assert!(observer.logits(&LOGITS[..9]).is_err());
        let mut broken = LOGITS;
        broken[7] = f32::NAN;
        assert_eq!(observer.forward(0, &broken, Layout::UnitsLast), Ok(false));
        assert_eq!(observer.logits(&broken), Ok(false));
        observer.end();
        let found = observer.finish();
        let overflow = found.overflow.unwrap();
        assert_eq!((overflow.layer, overflow.found), (1, "NaN"));
        assert!(found.layers[0].q.value.is_nan());
        assert!(Observer::new(Vec::new(), 0, 1, 1, None, None, Seed(0)).is_err());
        assert!(Observer::new(Vec::new(), 1, 1, 2, Some(vec![None]), None, Seed(0)).is_err());
        // The random gradient is the library's own, a stream per network.
        assert_eq!(observer.cotangent().len(), 12);
    }
}
