//! The plain layer that a network repeats.

use super::LayerPrediction;
use crate::theory::NoTheory;
use crate::theory::dual::{Dual, Pointwise, Pooling};
use crate::theory::mean_field::LayerVariance;
use crate::theory::phase::{Asymptotics, asymptotics};

/// The most frequent hidden transition: what the network would be if it went on for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Bulk {
    /// The elementwise function between two layers with weights.
    pub function: Pointwise,
    /// The pool after it.
    pub pooling: Option<Pooling>,
    /// Variances of the layer after it.
    pub layer: LayerVariance,
    /// How many of the network's transitions are this one.
    pub count: usize,
    /// Its limit of infinite depth.
    pub limit: Asymptotics,
}

impl Bulk {
    /// The transition that most of the inner layers share; `layers` begin with the first.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] for a network of one layer, or without theory from the first one on.
    pub(super) fn of(
        transitions: &[(usize, LayerVariance)],
        duals: &[Dual],
        layers: &[LayerPrediction],
    ) -> Result<Self, NoTheory> {
        // The head has its own width; inner transitions say what the depth does.
        let inner =
            if transitions.len() > 1 { &transitions[..transitions.len() - 1] } else { transitions };
        let mut counts: Vec<((usize, LayerVariance), usize)> = Vec::new();
        for transition in inner {
            match counts.iter_mut().find(|(known, _)| known == transition) {
                Some((_, count)) => *count += 1,
                None => counts.push((*transition, 1)),
            }
        }
        let mut best: Option<((usize, LayerVariance), usize)> = None;
        for entry in counts {
            if best.is_none_or(|(_, count)| entry.1 > count) {
                best = Some(entry);
            }
        }
        let Some(((dual, layer), count)) = best else {
            return Err(NoTheory::new("a network of one layer has no depth"));
        };
        let first = layers
            .first()
            .ok_or_else(|| NoTheory::new("no layer has weights"))
            .and_then(|layer| layer.spread.clone())?;
        let dual =
            duals.get(dual).ok_or_else(|| NoTheory::new("a network of one layer has no depth"))?;
        Ok(Self {
            function: dual.function().clone(),
            pooling: dual.pooling(),
            layer,
            count,
            limit: asymptotics(dual, layer, first),
        })
    }

    /// The moments of its function and pool.
    pub fn dual(&self) -> Dual {
        Dual::with_pooling(self.function.clone(), self.pooling)
            .unwrap_or_else(|_| Dual::of(self.function.clone()))
    }
}
