//! The accumulator behind `check` of a PyTorch model: arrays come in layer by layer and are added up at once.

use firstguess::math::stream::Seed;
use firstguess::measure::Measurement;
use firstguess::measure::observed::{self, LayerKind, Layout, ObservedLayer, Signal};
use firstguess::model::{Model, judge_model};
use firstguess::spec::Activation;
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::data::{dataset, values};
use crate::refuse;
use crate::report::Report;

/// Adds up networks that Python runs.
#[pyclass(module = "firstguess._core")]
pub(crate) struct Observer {
    inner: observed::Observer,
}

/// One layer as Python announces it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Announced {
    kind: String,
    units: usize,
    positions: usize,
    activation: Option<Activation>,
}

impl Announced {
    fn layer(self) -> ObservedLayer {
        let kind = match self.kind.as_str() {
            "dense" => LayerKind::Dense,
            "conv" => LayerKind::Conv,
            "embedding" => LayerKind::Embedding,
            "attention" => LayerKind::Attention,
            "recurrent" => LayerKind::Recurrent,
            _ => LayerKind::Other,
        };
        let Self { units, positions, activation, .. } = self;
        ObservedLayer { kind, units, positions, activation }
    }
}

const fn signal(loss: bool) -> Signal {
    if loss { Signal::Loss } else { Signal::Cotangent }
}

const fn layout(planes: bool) -> Layout {
    if planes { Layout::Planes } else { Layout::UnitsLast }
}

#[pymethods]
impl Observer {
    /// `layers` is JSON; `labels` has one entry per row of outputs, negative where a row has none; `inputs` are the inputs
    /// where they are numbers.
    #[new]
    #[pyo3(signature = (layers, logits, examples, rows, labels, inputs, seed))]
    fn new(
        layers: &str,
        logits: usize,
        examples: usize,
        rows: usize,
        labels: Option<PyReadonlyArray1<'_, i64>>,
        inputs: Option<PyReadonlyArrayDyn<'_, f32>>,
        seed: u64,
    ) -> PyResult<Self> {
        let layers: Vec<Announced> = serde_json::from_str(layers).map_err(refuse)?;
        let layers = layers.into_iter().map(Announced::layer).collect();
        let labels = labels.map(|labels| {
            let labels = labels.as_slice().map_err(|_| refuse("the labels are not contiguous"))?;
            PyResult::Ok(labels.iter().map(|&label| u32::try_from(label).ok()).collect())
        });
        let data = inputs.as_ref().map(|x| dataset("the given batch", x, None)).transpose()?;
        let inner = observed::Observer::new(
            layers,
            logits,
            examples,
            rows,
            labels.transpose()?,
            data.as_ref(),
            Seed(seed),
        );
        Ok(Self { inner: inner.map_err(refuse)? })
    }

    /// Begins the next network.
    fn begin(&mut self) {
        self.inner.begin();
    }

    /// The values of a layer; `planes` for `[batch, units, positions]`, else `[..., units]`. False where one is not finite.
    #[pyo3(signature = (layer, block, planes))]
    fn forward(
        &mut self,
        py: Python<'_>,
        layer: usize,
        block: PyReadonlyArrayDyn<'_, f32>,
        planes: bool,
    ) -> PyResult<bool> {
        let (inner, block) = (&mut self.inner, values(&block)?);
        py.detach(|| inner.forward(layer, block, layout(planes))).map_err(refuse)
    }

    /// What enters the activation that a layer feeds.
    #[pyo3(signature = (layer, block, planes))]
    fn activation(
        &mut self,
        py: Python<'_>,
        layer: usize,
        block: PyReadonlyArrayDyn<'_, f32>,
        planes: bool,
    ) -> PyResult<()> {
        let (inner, block) = (&mut self.inner, values(&block)?);
        py.detach(|| inner.activation(layer, block, layout(planes))).map_err(refuse)
    }

    /// The outputs, `[rows, logits]`. False where one is not finite.
    #[pyo3(signature = (block))]
    fn logits(&mut self, py: Python<'_>, block: PyReadonlyArrayDyn<'_, f32>) -> PyResult<bool> {
        let (inner, block) = (&mut self.inner, values(&block)?);
        py.detach(|| inner.logits(block)).map_err(refuse)
    }

    /// The random gradient of this network at its logits, `[rows * logits]`.
    fn cotangent<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        let inner = &self.inner;
        PyArray1::from_vec(py, py.detach(|| inner.cotangent()))
    }

    /// What is sent in at the logits; `loss` tells the gradient of the loss from the random one.
    #[pyo3(signature = (loss, block))]
    fn entering(
        &mut self,
        py: Python<'_>,
        loss: bool,
        block: PyReadonlyArrayDyn<'_, f32>,
    ) -> PyResult<()> {
        let (inner, block) = (&mut self.inner, values(&block)?);
        py.detach(|| inner.entering(signal(loss), block)).map_err(refuse)
    }

    /// The gradient at a layer, examples first.
    #[pyo3(signature = (loss, layer, block))]
    fn backward(
        &mut self,
        py: Python<'_>,
        loss: bool,
        layer: usize,
        block: PyReadonlyArrayDyn<'_, f32>,
    ) -> PyResult<()> {
        let (inner, block) = (&mut self.inner, values(&block)?);
        py.detach(|| inner.backward(signal(loss), layer, block)).map_err(refuse)
    }

    /// Ends the network at hand.
    fn end(&mut self, py: Python<'_>) {
        let inner = &mut self.inner;
        py.detach(|| inner.end());
    }

    /// The measurement of the networks so far, as JSON.
    fn measurement(&self, py: Python<'_>) -> PyResult<String> {
        let inner = &self.inner;
        py.detach(|| serde_json::to_string(&inner.finish())).map_err(refuse)
    }

    /// The verdict; `model` describes the model as JSON, `as_found` measured the one network that was handed in.
    #[pyo3(signature = (model, inputs, as_found))]
    fn judge(
        &self,
        py: Python<'_>,
        model: &str,
        inputs: Option<PyReadonlyArrayDyn<'_, f32>>,
        as_found: Option<PyRef<'_, Self>>,
    ) -> PyResult<Report> {
        let model: Model = serde_json::from_str(model).map_err(refuse)?;
        let data = inputs.as_ref().map(|x| dataset("the given batch", x, None)).transpose()?;
        let as_found: Option<Measurement> = as_found.map(|observer| observer.inner.finish());
        let inner = &self.inner;
        let report = py.detach(|| {
            judge_model(&model, data.as_ref(), inner.finish(), as_found.as_ref()).map_err(refuse)
        });
        Ok(Report { report: report? })
    }
}
