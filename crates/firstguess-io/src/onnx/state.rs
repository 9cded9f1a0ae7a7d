//! Weights drawn for a model, as the tensors of its file: under the names of its initializers, in their shapes.

use std::collections::HashMap;

use firstguess::net::Weights;

use super::graph::Graph;
use super::layers::WeightNode;
use super::study::OnnxStudy;
use super::tensor::Array;
use crate::tensors::Tensor;

/// Layers that a note names one by one.
const NAMED: usize = 4;

/// Where a layer of the translation is in the file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OnnxLayer {
    /// Its number in the spec, from 1.
    pub index: usize,
    /// Name of the module, or of the node.
    pub path: String,
    /// The operator.
    pub class: String,
    /// The initializer that holds its weights; `None` where they are computed from others.
    pub weight: Option<String>,
    /// The initializer that holds its biases; `None` where it has none, or computes them.
    pub bias: Option<String>,
    /// Whether it adds biases at all.
    pub has_bias: bool,
}

/// A tensor of the file, and whether the graph turns it before it is used.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    array: &'a Array,
    turned: bool,
}

impl OnnxStudy<'_> {
    /// The layers with weights in the order of the spec, each with its place in the file.
    pub fn named_layers(&self) -> Vec<OnnxLayer> {
        let places = Places::new(self.graph());
        let name = |value| places.of(value).ok().map(|place| place.name.to_owned());
        let layers = self.in_spec_order().into_iter().enumerate();
        let named = layers.map(|(at, layer)| OnnxLayer {
            index: at + 1,
            path: layer.path.clone(),
            class: layer.class.clone(),
            weight: name(layer.weight),
            bias: layer.bias.and_then(name),
            has_bias: layer.bias.is_some(),
        });
        named.collect()
    }

    /// Weights of the model's network under the names and in the shapes in which the file has them, so that they can be put in the
    /// place of those that are there; and what a reader should know of it.
    ///
    /// # Errors
    ///
    /// Why they have no place: tensors that two layers share which were drawn differently, that the graph computes, or of which one number serves many units.
    pub fn tensors(&self, weights: &Weights<f32>) -> Result<(Vec<Tensor>, Vec<String>), String> {
        let graph = self.graph();
        let places = Places::new(graph);
        let layers = self.in_spec_order();
        if layers.len() != weights.layers.len() {
            return Err("the layers drawn are not those of the file".to_owned());
        }
        let mut tensors: Vec<Tensor> = Vec::new();
        let mut owners: HashMap<&str, (&str, usize)> = HashMap::new();
        let mut without_bias = Vec::new();
        for (layer, drawn) in layers.into_iter().zip(&weights.layers) {
            let mut put = |value: usize, values: Vec<f32>, factor: f32, what: &str| {
                let place = places
                    .of(value)
                    .map_err(|why| format!("the {what} of {} {why}", layer.path))?;
                let shape = place.array.shape().to_vec();
                if shape.iter().product::<usize>() != values.len() || !factor.is_normal() {
                    return Err(format!(
                        "the {what} of {} are {} numbers, `{}` has the shape {shape:?}",
                        layer.path,
                        values.len(),
                        place.name
                    ));
                }
                let values: Vec<f32> = values.into_iter().map(|value| value / factor).collect();
                // Exporters write equal tensors once: zeros that many biases share.
                match owners.insert(place.name, (layer.path.as_str(), tensors.len())) {
                    None => tensors.push(Tensor { name: place.name.to_owned(), shape, values }),
                    Some((other, at)) if tensors[at].values == values => {
                        owners.insert(place.name, (other, at));
                    }
                    Some((other, _)) => {
                        return Err(format!(
                            "{other} and {} share the tensor `{}`, and were drawn differently",
                            layer.path, place.name
                        ));
                    }
                }
                Ok(())
            };
            let turned = places.of(layer.weight).is_ok_and(|place| place.turned);
            put(layer.weight, laid_out(layer, &drawn.weight, turned), layer.factors[0], "weights")?;
            match layer.bias {
                Some(bias) => put(bias, drawn.bias.clone(), layer.factors[1], "biases")?,
                None if drawn.bias.iter().any(|b| *b != 0.0) => {
                    without_bias.push(layer.path.as_str());
                }
                None => {}
            }
        }
        let mut notes = Vec::new();
        if !without_bias.is_empty() {
            notes.push(format!(
                "{} layers have no biases in the file ({}): those that were drawn for them are left out",
                without_bias.len(),
                some(&without_bias)
            ));
        }
        if graph.nodes.iter().any(|node| node.kind.ends_with("Normalization")) {
            notes.push(
                "normalisations are not written: their gains, shifts and statistics stay as the file has them"
                    .to_owned(),
            );
        }
        Ok((tensors, notes))
    }
}

/// The first few names.
fn some(names: &[&str]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
}

/// Weights of one of our layers as the file has them: ours are `[fan_in, units]`, and kernels `[units, fan_in, side, side]`.
fn laid_out(layer: &WeightNode, drawn: &[f32], turned: bool) -> Vec<f32> {
    let (rows, columns) = (layer.fans.inputs, layer.units);
    let matrix = layer.weight_shape.len() == 2;
    if !matrix || layer.by_unit == turned || rows * columns != drawn.len() {
        return drawn.to_vec();
    }
    (0..drawn.len()).map(|at| drawn[at % rows * columns + at / rows]).collect()
}

/// Which initializer a value is.
struct Places<'a> {
    graph: &'a Graph,
    makers: HashMap<usize, usize>,
}

impl<'a> Places<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, makers: graph.makers() }
    }

    /// The initializer behind a value that is only copied, cast or turned on its way.
    fn of(&self, value: usize) -> Result<Place<'a>, String> {
        let (mut at, mut turned) = (value, false);
        loop {
            if let Some(array) = self.graph.constants.get(&at) {
                return Ok(Place { name: &self.graph.names[at], array, turned });
            }
            let maker = self.makers.get(&at).and_then(|position| self.graph.nodes.get(*position));
            let maker =
                maker.ok_or_else(|| format!("are not in the file (`{}`)", self.graph.names[at]))?;
            let source = maker.inputs.first().copied().flatten();
            match (maker.kind.as_str(), source) {
                ("Identity" | "Cast" | "CastLike", Some(source)) => at = source,
                ("Transpose", Some(source))
                    if matches!(maker.ints("perm"), None | Some([1, 0])) =>
                {
                    (at, turned) = (source, !turned);
                }
                _ => {
                    return Err(format!(
                        "are no initializer of the file: {} makes them",
                        maker.operator()
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use firstguess::math::stream::Seed;
    use firstguess::net::Weights;
    use firstguess::spec::InitScheme;
    use firstguess::spec::experiment::MeasureSpec;
    use prost::Message;

    use super::super::OnnxModel;
    use super::super::proto::ModelProto;
    use super::super::study::OnnxStudy;

    fn draw(study: &OnnxStudy<'_>, bias_variance: f64) -> Weights<f32> {
        let (network, _) = study.network().expect("all layers are known");
        let init = InitScheme::explicit(2.0, bias_variance);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        Weights::draw(network, &inits, Seed(5), 0).unwrap()
    }

    /// Both exporters, several operator sets, matrices in either orientation: what is put back is read as what was drawn.
    #[test]
    fn tensors_put_back_are_the_weights_that_were_drawn() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx");
        let measure = MeasureSpec::default();
        for file in [
            "mlp_opset11.onnx",
            "mlp_dynamo.onnx",
            "mlp_preserved.onnx",
            "cnn_dynamo.onnx",
            "cnn_preserved.onnx",
            "norms_opset17.onnx",
            "prenorm_dynamo.onnx",
            "prenorm_preserved.onnx",
            "activations_opset20.onnx",
            "resnet_opset17.onnx",
            "resnet_preserved.onnx",
        ] {
            let bytes = std::fs::read(folder.join(file)).unwrap();
            let model = OnnxModel::parse(&bytes, Some(&folder)).unwrap();
            let study = model.study(file, None, Some(8), &measure).unwrap();
            // Convolutions of this file share one tensor of zero biases.
            let shared = file == "resnet_opset17.onnx";
            if shared {
                let refused = study.tensors(&draw(&study, 0.1)).unwrap_err();
                assert!(refused.contains("share the tensor"), "{refused}");
            }
            let weights = draw(&study, if shared { 0.0 } else { 0.1 });
            let (tensors, notes) = study.tensors(&weights).unwrap();
            assert_eq!(
                notes.iter().any(|note| note.contains("no biases")),
                file == "resnet_preserved.onnx"
            );
            let mut proto = ModelProto::decode(&bytes[..]).unwrap();
            let graph = proto.graph.as_mut().unwrap();
            for tensor in &tensors {
                let place =
                    graph.initializer.iter_mut().find(|t| t.name == tensor.name).expect(file);
                let shape: Vec<usize> =
                    place.dims.iter().map(|n| usize::try_from(*n).unwrap()).collect();
                assert_eq!(shape, tensor.shape, "{file}: {}", tensor.name);
                place.raw_data = tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect();
                (place.float_data, place.external_data, place.data_location) = (vec![], vec![], 0);
            }
            let again = OnnxModel::parse(&proto.encode_to_vec(), Some(&folder)).unwrap();
            let read = again.translate().unwrap().weights;
            assert_eq!(read.len(), weights.layers.len());
            for (read, drawn) in read.iter().zip(&weights.layers) {
                assert_eq!(read.weight, drawn.weight, "{file}: {}", read.name);
                assert!(read.bias.as_ref().is_none_or(|bias| *bias == drawn.bias), "{file}");
            }
            let named = study.named_layers();
            assert!(named.iter().all(|layer| {
                tensors.iter().any(|tensor| Some(&tensor.name) == layer.weight.as_ref())
            }));
        }
    }
}
