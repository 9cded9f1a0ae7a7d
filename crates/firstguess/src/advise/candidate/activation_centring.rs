//! The activation less its mean: no bias arises, and the price is in the gradients.
//!
//! ```text
//! φ - E φ(√q z),   σ_w² = q / Var φ   so that q stays
//! ```
//!
//! Gradients then change by `χ = q E φ'² / Var φ` per layer, more than before by `E φ² / Var φ`: for ReLU `π/(π - 1) = 1.467`.
//! A smaller weight variance would keep the gradients and lose the signal. Nothing keeps both.

use super::super::layers;
use super::{Case, Proposal};
use crate::spec::activation::Activation;
use crate::spec::layer::OwnVariances;
use crate::spec::scheme::InitScheme;
use crate::theory::mean_field::{LayerVariance, Spread};

pub(super) fn propose(case: &Case<'_>) -> Result<Proposal, String> {
    let activation = case.plain()?;
    let dual = case.dual()?;
    let input = case.input();
    // Where the present first layer puts the signal.
    let first = case.network.weights().first().copied().ok_or("the network has no weights")?;
    let init = case.spec.init.layer(&first).map_err(|error| error.to_string())?;
    let layer = LayerVariance { weight: init.weight_variance, bias: init.bias_variance };
    let q = Spread::first_layer(layer, input.variance, input.offset_square).q();
    let m = dual.moments(q);
    let variance = m.second - m.mean * m.mean;
    if m.mean.abs() <= 1e-6 * m.second.sqrt() {
        return Err(format!("{activation} is centred: its mean is zero"));
    }
    if !(variance > 0.0 && variance.is_finite()) {
        return Err("the activation is constant at this variance".to_owned());
    }
    let centred = centred(&activation, m.mean)?;
    let weight = q / variance;
    let mut spec = case.spec.clone();
    spec.init = InitScheme::explicit(weight, 0.0);
    layers::strip(&mut spec.network.layers);
    layers::replace_activations(&mut spec.network.layers, &centred);
    let own = OwnVariances {
        weight_variance: Some(q / (input.variance + input.offset_square)),
        bias_variance: None,
    };
    layers::set_first(&mut spec.network.layers, own);
    Ok(Proposal::new(
        format!("the activation centred: {centred}"),
        format!(
            "without a mean no bias arises (francazi2024), but to keep the signal gradients must change by {:.3} per layer \
             (now {:.3})",
            weight * m.derivative_second,
            q / m.second * m.derivative_second
        ),
        spec,
    ))
}

/// The activation less a constant, in the vocabulary.
fn centred(activation: &Activation, mean: f64) -> Result<Activation, String> {
    if let Activation::Relu = activation {
        return Ok(Activation::ShiftedRelu { shift: mean });
    }
    let name = activation.to_string();
    let call = if name.contains('x') || name.contains('(') { name } else { format!("{name}(x)") };
    let sign = if mean < 0.0 { '+' } else { '-' };
    let text = format!("{call}{sign}{:.9}", mean.abs());
    text.parse()
        .map_err(|_| format!("{activation} less its mean cannot be written as an expression"))
}
