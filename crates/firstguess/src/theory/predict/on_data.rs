//! The prediction on the user's own inputs: the kernel's numbers in place of those of an idealised data set.

use super::super::kernel::{ClassShares, DataKernel};
use super::super::mean_field::Spread;
use super::Prediction;

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
    /// The agreement counts pairs of different inputs, as the measurement does: `(n Σ G_k² - 1)/(n - 1)`.
    pub fn refine_guess(&mut self, shares: &ClassShares, inputs: usize) {
        let Ok(guess) = &mut self.prejudice else { return };
        let largest = shares.largest();
        if !largest.is_empty() {
            guess.largest_share = largest.iter().sum::<f64>() / largest.len() as f64;
        }
        let n = inputs as f64;
        let pairs: Vec<f64> =
            shares.draws().map(|draw| draw.iter().map(|share| share * share).sum()).collect();
        if n > 1.0 && !pairs.is_empty() {
            let together = pairs.iter().sum::<f64>() / pairs.len() as f64;
            guess.agreement = (n * together - 1.0) / (n - 1.0);
        }
        if let Some(Ok(spread)) = self.layers.last().map(|layer| &layer.spread) {
            guess.gamma = spread.gamma();
        }
        guess.class_gradients.clone_from(&shares.gradients);
    }
}
