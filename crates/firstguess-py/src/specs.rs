//! Specs: the same that a file holds, as a file, its text, or JSON.

use std::path::Path;

use firstguess::math::stream::Seed;
use firstguess::measure::Progress;
use firstguess::net::Weights;
use firstguess::spec::experiment::{Classes, MeasureSpec};
use firstguess::spec::network::{Network, Op};
use firstguess::spec::{Architecture, Dataset, InitScheme, Shape, Spec};
use firstguess::{concrete_init, layer_inits};
use firstguess_io::{
    NamedArray, OnnxModel, ReadOptions, load_arrays, load_dataset_with, load_spec,
};
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use crate::data::dataset;
use crate::refuse;
use crate::report::Report;

/// A path, or JSON.
fn spec(path: Option<&str>, json: Option<&str>) -> PyResult<Spec> {
    match (path, json) {
        (Some(path), None) => Ok(load_spec(Path::new(path))
            .map_err(|error| {
                let help = error.fault.help.clone();
                refuse(help.map_or_else(|| error.to_string(), |help| format!("{error}\n  {help}")))
            })?
            .spec),
        (None, Some(json)) => serde_json::from_str(json).map_err(refuse),
        _ => Err(refuse("give a spec")),
    }
}

/// The inputs as the network sees them: the given ones, or the spec's.
fn inputs(spec: &Spec, given: Option<&Dataset>) -> PyResult<Dataset> {
    spec.validate().map_err(refuse)?;
    let seed = spec.measure.seed;
    if let Some(given) = given {
        return spec.data.prepare(given, seed).map_err(refuse);
    }
    let Some(source) = &spec.data.dataset else {
        return spec.data.synthesize(seed).map_err(refuse);
    };
    let options = ReadOptions { part: spec.data.part, ..ReadOptions::default() };
    let source = load_dataset_with(source, &options).map_err(refuse)?;
    spec.data.prepare(&source, seed).map_err(refuse)
}

/// Asks Python now and then whether Ctrl-C was pressed.
struct Interruptible {
    stopped: bool,
}

impl Progress for Interruptible {
    fn advance(&mut self, _done: usize, _total: usize) {
        self.stopped |= Python::attach(|python| {
            // A path to the method is not general enough in its lifetime.
            let interrupted: PyResult<()> = python.check_signals();
            interrupted.is_err()
        });
    }

    fn cancelled(&mut self) -> bool {
        self.stopped
    }
}

/// `firstguess check`.
#[pyfunction]
#[pyo3(signature = (path, json, source, inputs, labels, classes, draws, samples, seed, arrays=None))]
#[expect(clippy::too_many_arguments, reason = "the command line's flags")]
pub(crate) fn check_spec(
    py: Python<'_>,
    path: Option<&str>,
    json: Option<&str>,
    source: Option<String>,
    inputs: Option<PyReadonlyArrayDyn<'_, f32>>,
    labels: Option<PyReadonlyArray1<'_, u32>>,
    classes: usize,
    draws: Option<usize>,
    samples: Option<usize>,
    seed: Option<u64>,
    arrays: Option<Vec<(String, PyReadonlyArrayDyn<'_, f64>)>>,
) -> PyResult<Report> {
    let labels = labels.as_ref().map(|labels| (labels, classes));
    let given = inputs.as_ref().map(|x| dataset("the given inputs", x, labels)).transpose()?;
    let mut progress = Interruptible { stopped: false };
    if let Some(path) = path.map(Path::new).filter(|path| is_onnx(path)) {
        let defaults = MeasureSpec::default();
        let measure = MeasureSpec {
            seed: seed.unwrap_or(defaults.seed),
            draws: draws.unwrap_or(defaults.draws),
            ..defaults
        };
        let arrays = arrays.map(|arrays| arrays.iter().map(named).collect());
        let given = match (arrays, given) {
            (Some(arrays), _) => Given::Arrays("the given inputs".to_owned(), arrays),
            (None, Some(data)) => Given::Data(data),
            (None, None) => source.map_or(Given::Nothing, Given::Source),
        };
        let report = py.detach(|| check_onnx(path, given, samples, &measure, &mut progress));
        return interruptible(py, &progress, report);
    }
    let mut spec = spec(path, json)?;
    if source.is_some() || given.is_some() {
        spec.data.dataset = source.or_else(|| Some("the given inputs".to_owned()));
        spec.data.synthetic = None;
        spec.data.features = None;
        // A choice of classes holds for any data; their number was that of synthetic ones.
        if let Some(Classes::Count(_)) = spec.data.classes {
            spec.data.classes = None;
        }
    }
    spec.measure.draws = draws.unwrap_or(spec.measure.draws);
    spec.data.samples = samples.or(spec.data.samples);
    spec.measure.seed = seed.unwrap_or(spec.measure.seed);
    let report = py.detach(|| {
        let data = self::inputs(&spec, given.as_ref())?;
        firstguess::check(&spec, &data, &mut progress).map_err(refuse)
    });
    interruptible(py, &progress, report)
}

/// The report, or Ctrl-C.
fn interruptible(
    py: Python<'_>,
    progress: &Interruptible,
    report: PyResult<firstguess::Report>,
) -> PyResult<Report> {
    if progress.stopped {
        py.check_signals()?;
        return Err(pyo3::exceptions::PyKeyboardInterrupt::new_err(()));
    }
    Ok(Report { report: report? })
}

fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// What a model file is to be run on.
enum Given {
    Nothing,
    Source(String),
    Data(Dataset),
    /// An array for each input, and where they come from.
    Arrays(String, Vec<NamedArray>),
}

fn named((name, array): &(String, PyReadonlyArrayDyn<'_, f64>)) -> NamedArray {
    let array = array.as_array();
    NamedArray {
        name: name.clone(),
        shape: array.shape().to_vec(),
        values: array.iter().copied().collect(),
    }
}

/// A model file, on inputs as they are.
fn check_onnx(
    path: &Path,
    given: Given,
    samples: Option<usize>,
    measure: &MeasureSpec,
    progress: &mut Interruptible,
) -> PyResult<firstguess::Report> {
    let model = OnnxModel::load(path).map_err(refuse)?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let given = match given {
        Given::Source(source) if model.input_names().len() > 1 => {
            let arrays = load_arrays(Path::new(&source)).map_err(refuse)?;
            Given::Arrays(source, arrays)
        }
        Given::Source(source) => {
            Given::Data(load_dataset_with(&source, &ReadOptions::default()).map_err(refuse)?)
        }
        other => other,
    };
    let study = match &given {
        Given::Arrays(source, arrays) => {
            model.study_arrays(&name, source, arrays, samples, measure)
        }
        Given::Data(data) => model.study(&name, Some(data), samples, measure),
        Given::Nothing | Given::Source(_) => model.study(&name, None, samples, measure),
    };
    study.and_then(|study| study.check(measure, progress)).map_err(refuse)
}

type Arrays<'py> = Vec<(Bound<'py, PyArray1<f32>>, Vec<usize>, Bound<'py, PyArray1<f32>>)>;

/// The weights of one draw: for each layer the values of its weight, the weight's shape, and its bias.
///
/// Dense weights are `[fan_in, units]`, kernels `[channels, channels_in / groups, kernel, kernel]`.
#[pyfunction]
#[pyo3(signature = (layers, init, shape, seed, draw))]
pub(crate) fn draw_weights<'py>(
    py: Python<'py>,
    layers: &str,
    init: &str,
    shape: Vec<usize>,
    seed: u64,
    draw: u64,
) -> PyResult<Arrays<'py>> {
    let layers = serde_json::from_str(layers).map_err(refuse)?;
    let init: InitScheme = serde_json::from_str(init).map_err(refuse)?;
    let shape = Shape::from_extents(&shape).map_err(refuse)?;
    let (weights, shapes) = py.detach(|| {
        let network = Architecture { layers }.resolve(&shape).map_err(refuse)?;
        let init = concrete_init(&init, &network).map_err(refuse)?;
        let inits = layer_inits(&init, &network).map_err(refuse)?;
        let weights = Weights::draw(&network, &inits, Seed(seed), draw).map_err(refuse)?;
        Ok::<_, PyErr>((weights, weight_shapes(&network)))
    })?;
    let arrays = weights.layers.into_iter().zip(shapes).map(|(layer, shape)| {
        (PyArray1::from_vec(py, layer.weight), shape, PyArray1::from_vec(py, layer.bias))
    });
    Ok(arrays.collect())
}

fn weight_shapes(network: &Network) -> Vec<Vec<usize>> {
    let mut shapes = Vec::new();
    network.visit(&mut |node| match &node.op {
        Op::Dense(layer) => shapes.push(vec![layer.fan_in, layer.outputs]),
        Op::Conv(layer, window) => {
            let channels = layer.fan_in / layer.taps;
            shapes.push(vec![layer.outputs, channels, window.kernel, window.kernel]);
        }
        _ => {}
    });
    shapes
}
