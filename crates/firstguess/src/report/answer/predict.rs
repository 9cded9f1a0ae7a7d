//! What theory says of equal layers, or of the network of a spec.

mod json;

use crate::spec::{Activation, Dataset, InitScheme, Network, Spec};
use crate::spec::scheme::LayerInit;
use crate::theory::critical::edge_of_chaos;
use crate::theory::dual::Dual;
use crate::theory::mean_field::{LayerVariance, Spread, trajectory};
use crate::theory::phase::{Asymptotics, FixedPoint, Phase, Prejudice, VarianceFate, asymptotics};
use crate::theory::predict::{InputStatistics, PrejudicePrediction, predict};
use crate::theory::{NoTheory, Predicted};
use serde_json::{Map, Value, json};

/// What theory says, of either kind of question.
#[derive(Debug, Clone)]
pub struct PredictAnswer {
    /// The question in fields.
    pub question: Map<String, Value>,
    /// The layers that depth repeats: their function and variances.
    pub bulk: Result<PredictedBulk, NoTheory>,
    /// The layers with weights.
    pub layers: Vec<LayerState>,
    /// Why the layers end early, if they do.
    pub ended: Option<NoTheory>,
    /// The first guess of a whole network, and its loss.
    pub guess: Option<PredictedGuess>,
}

/// The infinitely deep network of equal layers.
#[derive(Debug, Clone)]
pub struct PredictedBulk {
    /// The function between two layers.
    pub phi: Dual,
    /// `σ_w²` and `σ_b²`.
    pub layer: LayerVariance,
    /// Its limit.
    pub limit: Asymptotics,
}

/// One layer with weights, as theory carries it.
#[derive(Debug, Clone)]
pub struct LayerState {
    /// `dense` or `conv`.
    pub kind: &'static str,
    /// Its pre-activations.
    pub spread: Result<Spread, NoTheory>,
    /// `ln` of the mean square of the gradient, relative to the last layer.
    pub ln_gradient: Predicted,
}

/// What the untrained classifier does.
#[derive(Debug, Clone)]
pub struct PredictedGuess {
    /// Classes told apart.
    pub classes: usize,
    /// Shares of the classes.
    pub prejudice: Result<PrejudicePrediction, NoTheory>,
    /// Cross-entropy at initialization.
    pub loss: Predicted,
}

impl PredictAnswer {
    /// Equal layers of infinite width with `phi` between them, for two inputs of unit mean square and correlation `c`.
    pub fn equal_layers(
        activation: &Activation,
        phi: Dual,
        layer: LayerVariance,
        depth: usize,
        c: f64,
    ) -> Self {
        let first = Spread::first_layer(layer, 1.0 - c, c);
        let limit = asymptotics(&phi, layer, first);
        let path = trajectory(&phi, layer, first, depth);
        let unreached = path
            .ended
            .as_ref()
            .map(|why| NoTheory::new(format!("the last layer is out of reach: {why}")));
        let mut ln_gradient = 0.0;
        let mut layers: Vec<LayerState> = Vec::with_capacity(path.layers.len());
        for (index, spread) in path.layers.iter().enumerate().rev() {
            ln_gradient += path.chi.get(index).map_or(0.0, |chi| chi.ln());
            let ln_gradient = unreached.clone().map_or(Ok(ln_gradient), Err);
            layers.push(LayerState { kind: "dense", spread: Ok(*spread), ln_gradient });
        }
        layers.reverse();
        let question = json!({
            "activation": activation,
            "pool": phi.pooling().map(|pooling| pooling.to_string()),
            "weight_variance": layer.weight,
            "bias_variance": layer.bias,
            "input_correlation": c,
            "depth": depth,
        });
        Self {
            question: question.as_object().cloned().unwrap_or_default(),
            bulk: Ok(PredictedBulk { phi, layer, limit }),
            layers,
            ended: path.ended,
            guess: None,
        }
    }

    /// The network of a spec on its data; `init` is the scheme with its numbers, `layers` the draw of each layer.
    pub fn network(
        spec: &Spec,
        data: &Dataset,
        network: &Network,
        init: &InitScheme,
        layers: &[LayerInit],
    ) -> Self {
        let input = InputStatistics::of(data);
        // One logit classifies by its sign.
        let classes = network.logits().max(2);
        let prediction = predict(network, layers, input, classes);
        let bulk = prediction.bulk.map(|bulk| PredictedBulk {
            phi: Dual::of(bulk.function),
            layer: bulk.layer,
            limit: bulk.limit,
        });
        let mut question = json!({
            "name": spec.name,
            "data": data.name(),
            "input_gamma": input.gamma(),
            "init": init,
            "depth": network.weight_layers,
        });
        if let (Ok(bulk), Some(fields)) = (&bulk, question.as_object_mut()) {
            fields.insert("activation".to_owned(), bulk.phi.function().to_string().into());
            fields.insert("weight_variance".to_owned(), bulk.layer.weight.into());
            fields.insert("bias_variance".to_owned(), bulk.layer.bias.into());
        }
        let layers = prediction.layers.into_iter().map(|layer| LayerState {
            kind: if layer.kind.starts_with("conv") { "conv" } else { "dense" },
            spread: layer.spread,
            ln_gradient: layer.ln_gradient,
        });
        let (prejudice, loss) = (prediction.prejudice, prediction.loss);
        Self {
            question: question.as_object().cloned().unwrap_or_default(),
            bulk,
            layers: layers.collect(),
            ended: None,
            guess: Some(PredictedGuess { classes, prejudice, loss }),
        }
    }

    /// A limit of infinite depth.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where there is none.
    pub fn limit<T: Clone>(
        &self,
        field: fn(&Asymptotics) -> &Result<T, NoTheory>,
    ) -> Result<T, NoTheory> {
        field(&self.bulk.as_ref().map_err(Clone::clone)?.limit).clone()
    }

    /// Its phase.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where there is none.
    pub fn phase(&self) -> Result<Phase, NoTheory> {
        self.limit(|limit| &limit.phase)
    }

    /// What becomes of the guesses of ever deeper networks.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where there is no limit.
    pub fn prejudice(&self) -> Result<Prejudice, NoTheory> {
        self.limit(|limit| &limit.prejudice)
    }

    /// Fixed points of the variance.
    pub fn fixed_points(&self) -> &[FixedPoint] {
        self.bulk.as_ref().map_or(&[], |bulk| &bulk.limit.fixed_points)
    }

    /// Whether the variance settles at a point that repels.
    pub fn is_unstable(&self) -> bool {
        self.bulk.as_ref().is_ok_and(
            |bulk| matches!(&bulk.limit.fate, VarianceFate::Converges(point) if !point.stable),
        )
    }

    /// The critical weight variance nearest to the one in use, at the same bias variance.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where there is none.
    pub fn nearest_edge(&self) -> Predicted {
        let bulk = self.bulk.as_ref().map_err(Clone::clone)?;
        let distance = |weight_variance: f64| (weight_variance - bulk.layer.weight).abs();
        let points = edge_of_chaos(&bulk.phi, bulk.layer.bias)?;
        let nearest = points
            .iter()
            .map(|point| point.weight_variance)
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        nearest.ok_or_else(|| NoTheory::new("there is no critical point"))
    }

    /// The numbers of one layer, counted from 0.
    ///
    /// # Panics
    ///
    /// Past the last layer.
    pub fn layer(&self, index: usize) -> LayerNumbers {
        let state = &self.layers[index];
        let of = |number: &dyn Fn(Spread) -> Predicted| state.spread.clone().and_then(number);
        LayerNumbers {
            index: index + 1,
            kind: state.kind,
            q: of(&|s| in_range(s.q(), s.ln_q())),
            c: of(&|s| defined(s.c())),
            v: of(&|s| in_range(s.v(), s.ln_q() + s.complement().ln())),
            t: of(&|s| in_range(s.t(), s.ln_q() + s.c().ln())),
            gamma: of(&|s| defined(s.gamma())),
            gradient: state.ln_gradient.clone().and_then(|ln| in_range(ln.exp(), ln)),
        }
    }
}

/// One layer with weights, in numbers.
#[derive(Debug, Clone)]
pub struct LayerNumbers {
    /// From 1.
    pub index: usize,
    /// `dense` or `conv`.
    pub kind: &'static str,
    /// Mean square pre-activation.
    pub q: Predicted,
    /// Correlation of two inputs.
    pub c: Predicted,
    /// Data variance.
    pub v: Predicted,
    /// Variance of the centres.
    pub t: Predicted,
    /// Drift ratio.
    pub gamma: Predicted,
    /// Mean square of the gradient, relative to the last layer.
    pub gradient: Predicted,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn relu(weight_variance: f64, depth: usize) -> PredictAnswer {
        let layer = LayerVariance { weight: weight_variance, bias: 0.0 };
        let relu = Activation::Relu;
        PredictAnswer::equal_layers(&relu, Dual::new(&relu), layer, depth, 0.0)
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
