//! The prediction on the user's own inputs: the kernel's numbers in place of those of an idealised data set.

use super::super::kernel::{ClassShares, DataKernel};
use super::super::mean_field::Spread;
use super::{LayerPrediction, Prediction};
use crate::theory::{NoTheory, Predicted};

/// The end of the kernel of the inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelGap {
    /// The first layer whose numbers are those of inputs that share one correlation; `None` where only the first guess is.
    pub from_layer: Option<usize>,
    /// Why.
    pub reason: NoTheory,
}

impl std::fmt::Display for KernelGap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.from_layer {
            Some(layer) => {
                write!(
                    f,
                    "from layer {layer} on all pairs of inputs are taken for equally correlated"
                )?;
            }
            None => write!(
                f,
                "for the first guess all pairs of inputs are taken for equally correlated"
            )?,
        }
        write!(f, ", as the kernel of these inputs ends: {}", self.reason)
    }
}

impl LayerPrediction {
    /// `ln q`, which is known on data even where the covariances behind `V` and `T` are more than are held.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] as of `spread`.
    pub fn ln_q(&self) -> Predicted {
        match (&self.spread, &self.on_data) {
            (Ok(spread), _) => Ok(spread.ln_q()),
            (Err(_), Some(found)) => Ok(found.q.ln()),
            (Err(reason), None) => Err(reason.clone()),
        }
    }

    /// `q`, as [`LayerPrediction::ln_q`].
    ///
    /// # Errors
    ///
    /// [`NoTheory`] as of `spread`.
    pub fn q(&self) -> Predicted {
        match (&self.spread, &self.on_data) {
            (Ok(spread), _) => Ok(spread.q()),
            (Err(_), Some(found)) => Ok(found.q),
            (Err(reason), None) => Err(reason.clone()),
        }
    }
}

impl Prediction {
    /// Replaces what the idealisation "all pairs of inputs share one correlation" says by what the kernel of the actual
    /// inputs says, layer by layer, where the kernel has an answer.
    ///
    /// `V` and `T` are the unbiased ones over `inputs` inputs, so that a measurement on these estimates the same numbers; of a
    /// convolution whose positions were not carried together `V` and `T` say why they are missing, and `q` is that of the
    /// kernel ([`LayerPrediction::ln_q`](super::LayerPrediction::ln_q)). Gradients follow the mean over the inputs in plain
    /// sequences; through residual blocks they stay those of the idealisation.
    ///
    /// # References
    ///
    /// Derived in docs/theory/mean-field.md, section 7.
    pub fn refine(&mut self, kernel: &DataKernel, inputs: usize, plain_sequence: bool) {
        for layer in &mut self.layers {
            let found =
                kernel.layers.iter().find(|l| l.index == layer.index && l.kind == layer.kind);
            let Some(found) = found else { continue };
            if let Ok(statistics) = &found.statistics {
                // The correction is relative: it moves along with what it corrects.
                if let (Ok(at), Ok(before)) = (&mut layer.finite_width, &layer.spread) {
                    let moved = statistics.q.ln() - before.ln_q();
                    at.q *= moved.exp();
                    at.ln_q_mean += moved;
                }
                layer.spread = statistics.spread(inputs).map(|(v, t)| Spread::new(v, t));
                layer.on_data = Some(statistics.clone());
            }
            if let (true, Ok(chi), Ok(_)) = (plain_sequence, &found.chi, &layer.chi) {
                layer.chi = Ok(*chi);
            }
        }
        if plain_sequence {
            self.sum_gradients();
        }
        if let Err(reason) = &kernel.logits {
            let unknown = kernel.layers.iter().filter(|layer| layer.statistics.is_err());
            let from_layer = unknown.map(|layer| layer.index).min();
            self.kernel_gap = Some(KernelGap { from_layer, reason: reason.clone() });
        }
    }

    /// What a reader of the numbers has to know: of how many of the `examples` inputs the kernel is, where and why it ends, and
    /// what could not be computed of a layer that it has reached.
    pub fn limits_on(&self, examples: usize) -> Vec<String> {
        let mut lines: Vec<String> = self.kernel_gap.iter().map(ToString::to_string).collect();
        let unknown = self.layers.iter().find_map(|layer| {
            layer.on_data.as_ref()?;
            Some((layer.index, layer.spread.as_ref().err()?))
        });
        lines.extend(unknown.map(|(index, why)| format!("layer {index}, -: {why}")));
        if let Some(inputs) = self.kernel_inputs.filter(|inputs| *inputs < examples) {
            lines
                .push(format!("the kernel is that of the first {inputs} of the {examples} inputs"));
        }
        lines
    }

    /// `ln` of the product of `χ` from each layer to the logits, anew.
    fn sum_gradients(&mut self) {
        let mut below = None;
        for layer in self.layers.iter_mut().rev() {
            if let (Some(sum), Ok(chi), Ok(before)) = (below, &layer.chi, &layer.ln_gradient) {
                let ln_gradient = sum + chi.ln();
                if let Ok(at) = &mut layer.finite_width {
                    at.ln_gradient_mean += ln_gradient - before;
                }
                layer.ln_gradient = Ok(ln_gradient);
            }
            below = layer.ln_gradient.clone().ok();
        }
    }

    /// Replaces the first guess by that of the actual inputs: the class shares of sampled logits of `inputs` inputs.
    ///
    /// The agreement counts pairs of different inputs, as the measurement does: `(n Σ G_k² - 1)/(n - 1)`. For two classes
    /// `two_classes` is the exact variance of a share, the arcsine sum, and agreement and variance are exact.
    pub fn refine_guess(&mut self, shares: &ClassShares, inputs: usize, two_classes: f64) {
        let Ok(guess) = &mut self.prejudice else { return };
        let largest = shares.largest();
        if !largest.is_empty() {
            guess.largest_share = largest.iter().sum::<f64>() / largest.len() as f64;
        }
        let n = inputs as f64;
        let pairs: Vec<f64> =
            shares.draws().map(|draw| draw.iter().map(|share| share * share).sum()).collect();
        if n > 1.0 && !pairs.is_empty() {
            let classes = shares.draws().next().map_or(2, <[f64]>::len) as f64;
            let together = if classes > 2.0 {
                pairs.iter().sum::<f64>() / pairs.len() as f64
            } else {
                2.0 * (two_classes + 0.25)
            };
            guess.share_variance = together / classes - 1.0 / (classes * classes);
            guess.agreement = (n * together - 1.0) / (n - 1.0);
        }
        if let Some(Ok(spread)) = self.layers.last().map(|layer| &layer.spread) {
            guess.gamma = spread.gamma();
        }
        guess.class_gradients.clone_from(&shares.gradients);
    }
}
