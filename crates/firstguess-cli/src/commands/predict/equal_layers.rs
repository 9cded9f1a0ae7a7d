//! The flags: equal layers of infinite width, to any depth.

use firstguess::spec::Activation;
use firstguess::theory::NoTheory;
use firstguess::theory::mean_field::{LayerVariance, Spread, trajectory};
use firstguess::theory::phase::asymptotics;
use firstguess::theory::prejudice::class_gradients;
use serde_json::json;

use super::{Answer, Bulk, LayerState};
use crate::args::PredictArgs;
use crate::commands::dual;
use crate::table::given;

pub(super) fn answer(
    args: &PredictArgs,
    activation: &Activation,
    layer: LayerVariance,
) -> anyhow::Result<Answer> {
    let (depth, c) = (args.depth, args.input_correlation);
    let phi = dual(activation, args.pool, args.pool_correlation)?;
    let first = Spread::first_layer(layer, 1.0 - c, c);
    let limit = asymptotics(&phi, layer, first);
    let path = trajectory(&phi, layer, first, depth);
    let unreached = path
        .ended
        .as_ref()
        .map(|why| NoTheory::new(format!("the last layer is out of reach: {why}")));
    let layers =
        path.layers.iter().zip(path.ln_gradients()).map(|(spread, ln_gradient)| LayerState {
            kind: "dense",
            spread: Ok(*spread),
            ln_q: Ok(spread.ln_q()),
            ln_gradient: unreached.clone().map_or(Ok(ln_gradient), Err),
            finite_width: None,
            on_data: None,
        });
    let layers: Vec<LayerState> = layers.collect();
    let LayerVariance { weight, bias } = layer;
    let two_classes = path
        .layers
        .last()
        .filter(|_| path.ended.is_none())
        .map(|logits| class_gradients(logits.v(), logits.t()))
        .map(|found| found.map_err(|error| NoTheory::new(error.to_string())));
    let question = json!({
        "activation": activation,
        "weight_law": args.weight_law.unwrap_or_default(),
        "pool": phi.pooling().map(|pooling| pooling.to_string()),
        "weight_variance": weight,
        "bias_variance": bias,
        "input_correlation": c,
        "depth": depth,
    });
    let bulk = Bulk { phi: phi.clone(), weight_variance: weight, bias_variance: bias, limit };
    Ok(Answer {
        preserved: bulk.preserved(&args.weight_law.unwrap_or_default()),
        periodic: bulk.periodic(),
        limits: Vec::new(),
        subject: format!(
            "{phi}, weight variance {}, bias variance {}, depth {depth}, input correlation {}",
            given(weight),
            given(bias),
            given(c)
        ),
        question: question.as_object().cloned().unwrap_or_default(),
        bulk: Ok(bulk),
        block: None,
        layers,
        ended: path.ended,
        two_classes,
        guess: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relu(weight_variance: f64, depth: usize) -> Answer {
        let args = PredictArgs {
            model: None,
            data: None,
            samples: None,
            activation: None,
            weight_variance: None,
            bias_variance: None,
            weight_law: None,
            pool: None,
            pool_correlation: None,
            depth,
            input_correlation: 0.0,
        };
        let layer = LayerVariance { weight: weight_variance, bias: 0.0 };
        answer(&args, &Activation::Relu, layer).unwrap()
    }

    /// ReLU at `σ_w² = 4`: `q` and the squared gradients double with every layer.
    #[test]
    fn gradients_are_the_product_of_what_is_still_ahead() {
        let answer = relu(4.0, 5);
        for index in 0..5_u8 {
            let layer = answer.layer(index.into());
            let (q, gradient) = (layer.q.unwrap(), layer.gradient.unwrap());
            assert!((q / 4.0 / f64::from(1_u8 << index) - 1.0).abs() < 1e-12);
            assert!((gradient / f64::from(1_u8 << (4 - index)) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn underflow_is_told_from_zero() {
        let answer = relu(0.02, 500);
        let deep = answer.layer(499);
        assert!(deep.q.unwrap_err().reason.starts_with("exp(-"));
        assert!(deep.c.unwrap() > 0.99);
        assert_eq!(answer.layer(0).t, Ok(0.0));
    }
}
