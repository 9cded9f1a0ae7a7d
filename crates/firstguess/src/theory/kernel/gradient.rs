//! The way back through a plain sequence, input by input and position by position.

use super::DataLayer;
use super::signal::{Layout, Signal};
use rayon::prelude::*;

/// What the way back passes.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A factor on the squared gradient of each input at each position, `[examples][positions]`.
    Factors(Vec<f64>),
    /// Windows `[output positions][taps]` over `from` positions; each tap receives this power of one part of its window.
    Windows { windows: Vec<Vec<Option<usize>>>, power: i32, from: usize },
    /// All of so many positions have an equal part in every unit that follows.
    Positions(usize),
    /// The outputs of the layer of this record.
    Layer(usize),
    /// A residual block: what came before it is not followed.
    Block,
}

/// Replaces `χ` of each layer of a plain sequence by the ratio of the mean squared gradients over the inputs.
///
/// Factors of neighbouring layers belong together: an input, or a position, of small variance passes more of the gradient in
/// each of them, so that the mean of the product is more than the product of the means.
pub(super) fn follow_back(signal: &Signal, layers: &mut [DataLayer]) {
    let blocks = signal.steps.iter().any(|step| matches!(step, Step::Block));
    if blocks || signal.layout != Layout::Flat {
        return;
    }
    let totals: Vec<Vec<f64>> =
        (0..signal.examples).into_par_iter().map(|input| of_input(&signal.steps, input)).collect();
    let records: Vec<usize> = signal
        .steps
        .iter()
        .rev()
        .filter_map(|step| if let Step::Layer(at) = step { Some(*at) } else { None })
        .collect();
    let ln_sum = |k: usize| {
        let largest = totals.iter().map(|ln| ln[k]).fold(f64::NEG_INFINITY, f64::max);
        largest + totals.iter().map(|ln| (ln[k] - largest).exp()).sum::<f64>().ln()
    };
    for (k, pair) in records.windows(2).enumerate() {
        let chi = (ln_sum(k + 1) - ln_sum(k)).exp();
        if let (Some(layer), true) = (layers.get_mut(pair[1]), chi.is_finite())
            && layer.chi.is_ok()
        {
            layer.chi = Ok(chi);
        }
    }
}

/// `ln` of the squared gradient of one input at each layer, from the logits down, relative to the logits.
fn of_input(steps: &[Step], input: usize) -> Vec<f64> {
    let (mut gradient, mut ln_scale) = (vec![1.0], 0.0);
    let mut found = Vec::new();
    for step in steps.iter().rev() {
        match step {
            Step::Factors(factors) => {
                let positions = gradient.len();
                let own = &factors[input * positions..(input + 1) * positions];
                gradient.iter_mut().zip(own).for_each(|(g, factor)| *g *= factor);
            }
            Step::Windows { windows, power, from } => {
                let mut below = vec![0.0; *from];
                for (window, g) in windows.iter().zip(&gradient) {
                    let share = g * (window.len() as f64).powi(-*power);
                    for at in window.iter().flatten() {
                        below[*at] += share;
                    }
                }
                gradient = below;
            }
            Step::Positions(positions) => {
                let part = gradient.iter().sum::<f64>() / *positions as f64;
                gradient = vec![part; *positions];
            }
            Step::Layer(_) => {
                let total: f64 = gradient.iter().sum();
                found.push(total.ln() + ln_scale);
                if total > 0.0 && total.is_finite() {
                    for g in &mut gradient {
                        *g /= total;
                    }
                    ln_scale += total.ln();
                }
            }
            Step::Block => {}
        }
    }
    found
}
