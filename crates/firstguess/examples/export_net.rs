//! One pass of a small network as JSON, for the comparison with PyTorch in `tests/torch`.
//!
//! Reads a request per line from stdin, writes an answer per line to stdout:
//!
//! ```text
//! {"layers": [{"dense": 7}, "relu", {"dense": 3}], "input": [5], "batch": 4, "precision": "f64"}
//! {"inputs": […], "labels": […], "weights": [{"weight": […], "bias": […]}, …], "logits": […], "losses": […],
//!  "gradients": [{"weight": […], "bias": […]}, …], "input_gradient": […]}
//! ```
//!
//! Arrays are flat, in the layouts of [`LayerWeights`](firstguess::net::LayerWeights). The gradient is that of the sum of
//! the cross-entropies over the batch.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::net::{Masks, Program, Record, Scalar, Tape, Wanted, Weights, loss};
use firstguess::spec::layer::Layer;
use firstguess::spec::{Architecture, InitScheme, Shape};
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::io::stdin;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    layers: Vec<Layer>,
    input: Vec<usize>,
    batch: usize,
    precision: String,
    /// He normal weights unless given, and biases of variance 0.1.
    init: Option<InitScheme>,
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in stdin().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let answer = match request.precision.as_str() {
            "f32" => answer::<f32>(request)?,
            "f64" => answer::<f64>(request)?,
            other => return Err(format!("precision is f32 or f64, got {other}").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn answer<T: Scalar>(request: Request) -> Result<Value, Box<dyn Error>> {
    let shape = Shape::from_extents(&request.input)?;
    let network = Architecture { layers: request.layers }.resolve(&shape)?;
    let he = InitScheme { bias_variance: Some(0.1), ..InitScheme::new("he_normal".parse()?) };
    let init = request.init.unwrap_or(he);
    let layers = network.weights().iter().map(|w| init.layer(w)).collect::<Result<Vec<_>, _>>()?;
    let weights: Weights<T> = Weights::draw(&network, &layers, Seed(0), 0)?;

    let mut normals = vec![0.0_f32; request.batch * shape.size()];
    Stream::new(Seed(0), 0, 0, Purpose::Data).fill_normal_f32(0, &mut normals);
    let inputs: Vec<T> = normals.iter().map(|x| T::from_f64(f64::from(*x))).collect();
    let classes = u32::try_from(network.logits().max(2))?;
    let labels: Vec<u32> = (0..classes).cycle().take(request.batch).collect();

    let program = Program::new(&network, Record::WeightGradients);
    let mut tape = Tape::new(&program);
    let logits = tape.forward(&weights, &inputs, Masks::Off, |_| {})?;
    let loss = loss::cross_entropy(logits, network.logits(), &labels)?;
    let mut gradient = Weights::zeros(&network)?;
    let wanted = Wanted { weights: Some(&mut gradient), input: true };
    tape.backward(&weights, &loss.gradient, wanted, |_| {})?;
    Ok(json!({
        "inputs": numbers(&inputs),
        "labels": labels,
        "weights": tensors(&weights),
        "logits": numbers(tape.logits()),
        "losses": loss.values,
        "gradients": tensors(&gradient),
        "input_gradient": numbers(tape.input_gradient().unwrap_or_default()),
    }))
}

fn numbers<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|x| x.to_f64()).collect()
}

fn tensors<T: Scalar>(weights: &Weights<T>) -> Vec<Value> {
    let layer = |layer: &firstguess::net::LayerWeights<T>| json!({ "weight": numbers(&layer.weight), "bias": numbers(&layer.bias) });
    weights.layers.iter().map(layer).collect()
}
