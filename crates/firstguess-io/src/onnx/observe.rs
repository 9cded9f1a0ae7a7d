//! The graph run on data, with its values added up by the library: the weights as found, or weights drawn anew.
//!
//! The evaluator goes forward only; gradients are those of the library's own networks, where the whole model is one.

use std::collections::HashMap;

use firstguess::math::stream::Seed;
use firstguess::measure::observed::{ObservedLayer, Observer};
use firstguess::measure::{MeasureError, Measurement, Progress};
use firstguess::net::{LayerWeights, Weights};
use firstguess::spec::network::Network;
use firstguess::spec::{Architecture, Dataset, Shape};
use ndarray::ArrayD;
use rayon::prelude::*;

use super::error::OnnxError;
use super::evaluate::{self, Changes};
use super::feed::Feed;
use super::graph::Graph;
use super::layers::WeightNode;
use super::study::Scores;
use super::tensor::{self, Array};
use firstguess::spec::layer::{Layer, OwnVariances};
use firstguess::spec::scheme::LayerInit;

/// A graph and what it is run on.
pub(super) struct Runner<'a> {
    pub(super) graph: &'a Graph,
    pub(super) layers: &'a [WeightNode],
    pub(super) data: &'a Dataset,
    /// What a row of the data is to the graph.
    pub(super) feed: &'a Feed,
    /// Inputs at once.
    pub(super) rows: usize,
    /// Whether the file fixes their number.
    pub(super) fixed: bool,
    pub(super) scores: Scores,
}

/// How many networks are drawn anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) seed: u64,
    pub(super) draws: usize,
    pub(super) precision: Option<f64>,
}

/// Values of a layer, and those that enter its activation.
type Seen = (Option<Vec<f32>>, Option<Vec<f32>>);

/// What one batch shows: the values of each layer, those before its activation, and the scores.
struct Batch {
    layers: Vec<Seen>,
    scores: Option<Vec<f32>>,
}

impl Runner<'_> {
    fn observer(&self, seed: u64) -> Result<Observer, OnnxError> {
        let layers = self.layers.iter().map(|layer| ObservedLayer {
            kind: layer.kind,
            units: layer.units,
            positions: layer.positions.unwrap_or(1),
            activation: layer.activation.as_ref().map(|(activation, _)| activation.clone()),
        });
        let examples = self.data.examples();
        let one_each = self.scores.rows == 1;
        let labels = self.data.labels().filter(|_| one_each);
        let labels = labels.map(|labels| labels.iter().map(|label| Some(*label)).collect());
        Observer::new(
            layers.collect(),
            self.scores.classes,
            examples,
            examples * self.scores.rows,
            labels,
            Some(self.data).filter(|_| self.graph.one_of_numbers().is_some()),
            Seed(seed),
        )
        .map_err(unobservable)
    }

    /// The network with the weights in the file, batch normalisations as the file says.
    pub(super) fn as_found(&self, seed: u64) -> Result<Measurement, OnnxError> {
        let mut observer = self.observer(seed)?;
        self.pass(&mut observer, Changes::default())?;
        Ok(observer.finish())
    }

    /// Networks whose weights are drawn anew by the laws read off them.
    pub(super) fn redrawn(
        &self,
        budget: Budget,
        progress: &mut dyn Progress,
    ) -> Result<Measurement, OnnxError> {
        let mut observer = self.observer(budget.seed)?;
        let sources = self.layers.iter().map(Drawn::new).collect::<Result<Vec<_>, _>>()?;
        let (total, mut done, mut look) = (budget.draws, 0, 8);
        let mut reason = "draws";
        progress.advance(0, total);
        while done < total {
            if progress.cancelled() {
                let cancelled = MeasureError::Cancelled { done, total };
                return Err(OnnxError::Check(cancelled.into()));
            }
            if let Some(precision) = budget.precision.filter(|_| done == look) {
                look *= 2;
                let watched = observer.finish().stop.watched;
                let within = |error: Option<f64>| error.is_some_and(|error| error <= precision);
                if !watched.is_empty() && watched.iter().all(|w| within(w.relative_error)) {
                    reason = "precision";
                    break;
                }
            }
            if done > 0 && progress.enough(done, 1) {
                reason = "budget";
                break;
            }
            let mut values = HashMap::new();
            for (position, (layer, source)) in self.layers.iter().zip(&sources).enumerate() {
                let number = (done * self.layers.len() + position) as u64;
                source.draw(layer, Seed(budget.seed), number, &mut values)?;
            }
            self.pass(&mut observer, Changes { values: Some(&values), fresh: true })?;
            done += 1;
            progress.advance(done, total);
        }
        let mut measurement = observer.finish();
        measurement.stop.reason = reason;
        (measurement.stop.allowed, measurement.stop.precision) = (total, budget.precision);
        Ok(measurement)
    }

    /// All data through one network.
    fn pass(&self, observer: &mut Observer, changes: Changes<'_>) -> Result<(), OnnxError> {
        observer.begin();
        let features = self.data.features();
        let parts: Vec<&[f32]> = self.data.inputs().chunks(self.rows * features).collect();
        let mut scores = Vec::new();
        // So many at once, and added up in their order.
        for wave in parts.chunks(rayon::current_num_threads().max(1)) {
            let batches: Vec<Result<Batch, OnnxError>> =
                wave.par_iter().map(|part| self.batch(part, changes)).collect();
            for batch in batches {
                let Batch { layers, scores: found } = batch?;
                for (position, (layer, (values, entering))) in
                    self.layers.iter().zip(layers).enumerate()
                {
                    let mut finite = true;
                    if let Some(values) = values {
                        finite = observer
                            .forward(position, &values, layer.layout)
                            .map_err(unobservable)?;
                    }
                    if let Some(entering) = entering.filter(|_| finite) {
                        observer
                            .activation(position, &entering, layer.layout)
                            .map_err(unobservable)?;
                    }
                }
                scores.extend(found.unwrap_or_default());
            }
        }
        if self.scores.value.is_some() {
            observer.logits(&scores).map_err(unobservable)?;
        }
        observer.end();
        Ok(())
    }

    /// One batch through one network; a last one that is too short for the file is filled up, and cut again.
    fn batch(&self, part: &[f32], changes: Changes<'_>) -> Result<Batch, OnnxError> {
        let features = self.data.features();
        let real = part.len() / features;
        let rows = if self.fixed { self.rows } else { real };
        let mut inputs = part.to_vec();
        inputs.extend(part.iter().cycle().take((rows - real) * features));
        let inputs = self.feed.arrays(rows, &inputs)?;
        let mut wanted: HashMap<usize, Option<Vec<f32>>> = HashMap::new();
        for layer in self.layers {
            wanted.insert(layer.output, None);
            wanted.extend(layer.activation.as_ref().map(|(_, value)| (*value, None)));
        }
        let mut scores = None;
        let cut = |array: &ArrayD<f32>| {
            let keep = array.len() / rows * real;
            array.iter().take(keep).copied().collect::<Vec<f32>>()
        };
        evaluate::run(self.graph, inputs, changes, |value, array| {
            let Array::Float(array) = array else { return };
            if let Some(slot) = wanted.get_mut(&value) {
                *slot = Some(cut(array));
            }
            if self.scores.value == Some(value) {
                scores = Some(cut(&self.scores.by_row(array)));
            }
        })?;
        let layers = self.layers.iter().map(|layer| {
            let values = wanted.get(&layer.output).cloned().flatten();
            let before = layer.activation.as_ref().map(|(_, value)| value);
            (values, before.and_then(|value| wanted.get(value).cloned().flatten()))
        });
        Ok(Batch { layers: layers.collect(), scores })
    }
}

fn unobservable(error: impl std::fmt::Display) -> OnnxError {
    OnnxError::malformed(
        format!("has values of other shapes in another batch: {error}"),
        "models whose layers keep their shape, with examples along the first axis",
    )
}

/// Fresh weights for one layer: a layer of our own networks with its shape and law.
struct Drawn {
    network: Network,
    init: LayerInit,
}

impl Drawn {
    fn new(layer: &WeightNode) -> Result<Self, OnnxError> {
        let too_large = |error: firstguess::spec::SpecError| {
            OnnxError::malformed(
                format!("has a layer `{}` that cannot be drawn anew: {error}", layer.path),
                "layers of at most 2^20 units",
            )
        };
        let dense = Layer::Dense { units: layer.units, own: OwnVariances::default() };
        let shape = Shape::flat(layer.fans.inputs).map_err(|error| {
            OnnxError::malformed(
                format!("has a layer `{}` that cannot be drawn anew: {error}", layer.path),
                "layers with fewer inputs",
            )
        })?;
        let network = Architecture { layers: vec![dense] }.resolve(&shape).map_err(too_large)?;
        Ok(Self { network, init: layer.laws.init_at_full_density(layer.fans) })
    }

    /// Puts fresh weights where the file has its own; exact zeros stay, and constants.
    fn draw(
        &self,
        layer: &WeightNode,
        seed: Seed,
        number: u64,
        values: &mut HashMap<usize, Array>,
    ) -> Result<(), OnnxError> {
        let problem =
            |error: firstguess::net::NetError| OnnxError::Check(MeasureError::from(error).into());
        // Weights that several layers share are drawn once.
        if values.contains_key(&layer.weight)
            || (layer.laws.weight.constant && layer.bias.is_none())
        {
            return Ok(());
        }
        let drawn: Weights =
            Weights::draw(&self.network, std::slice::from_ref(&self.init), seed, number)
                .map_err(problem)?;
        let Some(LayerWeights { weight, bias }) = drawn.layers.into_iter().next() else {
            return Ok(());
        };
        if !layer.laws.weight.constant {
            let (units, inputs) = (layer.units, layer.fans.inputs);
            let by_unit: Vec<f32> = if layer.by_unit {
                (0..units * inputs).map(|i| weight[i % inputs * units + i / inputs]).collect()
            } else {
                weight
            };
            let mut fresh: Vec<f32> = by_unit.iter().map(|w| w / layer.factors[0]).collect();
            for place in &layer.zeros {
                fresh[*place] = 0.0;
            }
            let array = tensor::array(&layer.weight_shape, fresh)
                .map_err(|error| OnnxError::malformed(error, "weights that fill their shape"))?;
            values.insert(layer.weight, Array::Float(array));
        }
        if let (Some(value), Some(law)) = (layer.bias, &layer.laws.bias)
            && !law.constant
        {
            let fresh = bias.iter().map(|b| b / layer.factors[1]).collect();
            let array = tensor::array(&layer.bias_shape, fresh)
                .map_err(|error| OnnxError::malformed(error, "biases that fill their shape"))?;
            values.insert(value, Array::Float(array));
        }
        Ok(())
    }
}
