//! What makes one initialization better than another: four numbers, in a fixed order.
//!
//! 1. *Gradients stable over the depth*: `|ln(g₁/g_L)|`, over finite networks its root mean square, at most one e-fold.
//! 2. *Variance stable*: the signal's variance changes by less than a factor of ten over the depth, and so does a small
//!    deviation from its fixed point.
//! 3. *Correlation decays slower than the depth*: of the difference between two inputs at most six e-folds are lost, the six
//!    depth scales up to which networks train (`schoenholz2017`).
//! 4. *Least prejudice*: the share of the class guessed most.
//!
//! A later number counts only where the earlier ones are level. Differences below [`RESOLUTION`] (of the share:
//! [`SHARE_RESOLUTION`]) are no differences: a short measurement does not see them. The order is this project's choice, argued
//! in docs/reproduction/advise.md by what trainings came to.

use crate::measure::Measurement;
use crate::spec::network::{Network, Op};
use crate::theory::predict::Prediction;
use serde::Serialize;

/// e-folds that the gradient may change by.
pub const GRADIENT: f64 = 1.0;

/// e-folds that the variance of the signal may change by.
pub const VARIANCE: f64 = std::f64::consts::LN_10;

/// e-folds that the difference between two inputs may lose.
pub const CORRELATION: f64 = 6.0;

/// Step in which excesses are compared, in e-folds.
pub const RESOLUTION: f64 = 0.5;

/// Step in which class shares are compared.
pub const SHARE_RESOLUTION: f64 = 0.05;

/// e-folds where fluctuations are beyond what first order in the width can tell.
const BEYOND: f64 = 10.0;

/// One number of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Term {
    /// What theory says, at infinite width.
    pub predicted: Option<f64>,
    /// What a short ensemble of finite networks shows on the data.
    pub measured: Option<f64>,
    /// Up to where the number is as good as zero.
    pub allowed: f64,
}

impl Term {
    fn new(predicted: Option<f64>, measured: Option<f64>, allowed: f64) -> Self {
        let known = |value: Option<f64>| value.filter(|value| value.is_finite());
        Self { predicted: known(predicted), measured: known(measured), allowed }
    }

    /// The number that counts: measured where it was, else predicted; infinite where neither is known.
    pub fn value(&self) -> f64 {
        self.measured.or(self.predicted).unwrap_or(f64::INFINITY)
    }

    /// By how much it is beyond what is allowed.
    pub fn excess(&self) -> f64 {
        (self.value() - self.allowed).max(0.0)
    }

    /// Whether it is within what is allowed.
    pub fn met(&self) -> bool {
        self.excess() == 0.0
    }
}

/// The four numbers of one initialization, in the order in which they count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objective {
    /// e-folds by which gradients change from the logits to the first layer: predicted `|ln ratio|`, measured
    /// `√(mean² + variance)` of it over networks.
    pub gradient: Term,
    /// e-folds by which the signal's variance changes over the hidden layers, and by which a deviation from a repelling fixed
    /// point grows; measured as the gradient is.
    pub variance: Term,
    /// e-folds that the difference between two inputs loses.
    pub correlation: Term,
    /// Mean share of the class guessed most; allowed is the share at which guesses begin to favour a class.
    pub largest_share: Term,
    /// Slope of the variance map at a repelling fixed point near the signal, if there is one.
    pub repelling_slope: Option<f64>,
    /// Signed `ln` of the gradient's square, first layer over logits: negative where gradients vanish.
    pub ln_gradient: Option<f64>,
}

/// What may be compared: smaller is better.
pub type Rank = [i64; 4];

impl Objective {
    /// From theory, and from a measurement where there is one.
    ///
    /// Gradients are compared as they act on weights, summed over the positions of an image: a mean over 64 positions gives each
    /// a 64th of the square, and there are 64.
    pub fn new(
        network: &Network,
        prediction: &Prediction,
        measurement: Option<&Measurement>,
    ) -> Self {
        let positions = first_positions(network).ln();
        let hops = prediction.layers.len().saturating_sub(1) as f64;
        let repelling_slope = repelling(prediction);
        let growth = repelling_slope.map_or(0.0, |slope| hops * slope.ln());
        let predicted = predicted(prediction);
        let measured = measurement.map(measured).unwrap_or_default();
        let predicted_gradient = predicted.gradient.map(|ln| ln + positions);
        let measured_gradient = measured.gradient.map(|(ln, spread)| (ln + positions, spread));
        let share = prediction.prejudice.as_ref().ok();
        let neutral = share.map_or(1.0, |share| share.neutral_share);
        Self {
            gradient: Term::new(
                predicted_gradient.map(f64::abs),
                measured_gradient.map(|(mean, spread)| mean.hypot(spread)),
                GRADIENT,
            ),
            variance: Term::new(
                predicted.variance.map(|drift| drift.abs().max(growth)),
                measured.variance.map(|(drift, spread)| drift.hypot(spread).max(growth)),
                VARIANCE,
            ),
            correlation: Term::new(predicted.lost, measured.lost, CORRELATION),
            largest_share: Term::new(
                share.map(|share| share.largest_share),
                measured.share,
                neutral,
            ),
            repelling_slope,
            ln_gradient: measured_gradient.map(|(mean, _)| mean).or(predicted_gradient),
        }
    }

    /// From theory at the network's own width, to first order, where that is derived (plain dense networks); else as at infinite
    /// width.
    pub(super) fn at_width(network: &Network, prediction: &Prediction) -> Self {
        let mut objective = Self::new(network, prediction, None);
        let layers = &prediction.layers;
        let dense = layers.iter().all(|layer| layer.kind == "dense");
        let hidden = layers.len().saturating_sub(2);
        let (Some(first), Some(hidden)) = (layers.first(), layers.get(hidden)) else {
            return objective;
        };
        let Ok(start) = &first.spread else { return objective };
        if !dense {
            return objective;
        }
        let gradient = first.finite_width.as_ref().map_or(BEYOND, |width| {
            width.ln_gradient_mean.hypot(width.ln_gradient_variance.max(0.0).sqrt())
        });
        let variance = hidden.finite_width.as_ref().map_or(BEYOND, |width| {
            (width.ln_q_mean - start.ln_q()).hypot(width.ln_q_variance.max(0.0).sqrt())
        });
        let larger = |term: &mut Term, value: f64| {
            term.predicted = Some(term.predicted.map_or(value, |infinite| infinite.max(value)));
        };
        larger(&mut objective.gradient, gradient);
        larger(&mut objective.variance, variance);
        objective
    }

    /// The key of the lexicographic order.
    pub fn rank(&self) -> Rank {
        [
            steps(self.gradient.excess() / RESOLUTION),
            steps(self.variance.excess() / RESOLUTION),
            steps(self.correlation.excess() / RESOLUTION),
            steps((self.prejudice() / SHARE_RESOLUTION).round()),
        ]
    }

    /// The share that is compared: predicted where theory has one, because a short ensemble knows it to ten percent only.
    fn prejudice(&self) -> f64 {
        self.largest_share.predicted.unwrap_or_else(|| self.largest_share.value())
    }

    /// Whether everything but the prejudice is within what is allowed.
    pub fn trainable(&self) -> bool {
        self.gradient.met() && self.variance.met() && self.correlation.met()
    }
}

/// Positions at which the first layer with weights acts: 1 unless it is a convolution.
fn first_positions(network: &Network) -> f64 {
    let mut found = None;
    network.visit(&mut |node| {
        if found.is_none() && matches!(node.op, Op::Dense(_) | Op::Conv(..)) {
            let image = node.output.as_image();
            found = Some(image.map_or(1, |[_, height, width]| height * width));
        }
    });
    found.unwrap_or(1) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "bounded")]
fn steps(value: f64) -> i64 {
    if value.is_nan() { 1_000_000 } else { value.ceil().clamp(0.0, 1e6) as i64 }
}

#[derive(Debug, Default)]
struct Numbers {
    gradient: Option<f64>,
    variance: Option<f64>,
    lost: Option<f64>,
}

fn predicted(prediction: &Prediction) -> Numbers {
    let layers = &prediction.layers;
    let spread = |at: usize| layers.get(at).and_then(|layer| layer.spread.as_ref().ok());
    let last_hidden = layers.len().saturating_sub(2);
    Numbers {
        gradient: prediction.ln_gradient().ok(),
        variance: spread(0)
            .zip(spread(last_hidden))
            .map(|(first, last)| last.ln_q() - first.ln_q()),
        lost: spread(0)
            .zip(spread(layers.len().saturating_sub(1)))
            .map(|(first, last)| lost(first.complement(), last.complement())),
    }
}

/// e-folds between two values of `1 - c`; nothing is lost where it grows.
fn lost(first: f64, last: f64) -> f64 {
    (first / last).ln().max(0.0)
}

#[derive(Debug, Default)]
struct Measured {
    gradient: Option<(f64, f64)>,
    variance: Option<(f64, f64)>,
    lost: Option<f64>,
    share: Option<f64>,
}

fn measured(found: &Measurement) -> Measured {
    let layers = &found.layers;
    let (Some(first), Some(last)) = (layers.first(), layers.last()) else {
        return Measured::default();
    };
    let hidden = &layers[layers.len().saturating_sub(2)];
    let gradient = first.ln_cotangent_gradient;
    let spread = gradient.std_error.map_or(0.0, |error| error * (gradient.n as f64).sqrt());
    let drift = hidden.ln_q.mean.value - first.ln_q.mean.value;
    let width = hidden.ln_q.variance;
    let width = if width.is_known() { width.value.max(0.0).sqrt() } else { 0.0 };
    let complement = |v: f64, q: f64| v / q;
    Measured {
        gradient: gradient.is_known().then_some((gradient.value, spread)),
        variance: drift.is_finite().then_some((drift, width)),
        lost: Some(lost(
            complement(first.v.value, first.q.value),
            complement(last.v.value, last.q.value),
        )),
        share: Some(found.prejudice.largest_share.value),
    }
}

/// The slope at a fixed point that repels, within a factor of four of the first layer's variance (as the finding
/// `unstable-variance`).
fn repelling(prediction: &Prediction) -> Option<f64> {
    let bulk = prediction.bulk.as_ref().ok()?;
    let first = prediction.layers.first()?.spread.as_ref().ok()?;
    let near = |q: f64| (q / first.q()).ln().abs() < 4.0_f64.ln();
    let points = bulk.limit.fixed_points.iter();
    points
        .filter(|point| point.q_star > 0.0 && point.q_slope > 1.0 && near(point.q_star))
        .map(|point| point.q_slope)
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective(values: [f64; 4]) -> Objective {
        let term = |value: f64, allowed| Term::new(None, Some(value), allowed);
        Objective {
            gradient: term(values[0], GRADIENT),
            variance: term(values[1], VARIANCE),
            correlation: term(values[2], CORRELATION),
            largest_share: term(values[3], 0.4),
            repelling_slope: None,
            ln_gradient: None,
        }
    }

    #[test]
    fn an_earlier_number_goes_before_all_later_ones() {
        let good = objective([0.3, 0.1, 4.0, 0.9]);
        assert!(good.trainable());
        for worse in [[9.0, 0.0, 0.0, 0.1], [0.0, 9.0, 0.0, 0.1], [0.0, 0.0, 9.0, 0.1]] {
            assert!(objective(worse).rank() > good.rank(), "{worse:?}");
        }
        // Within what is allowed the least prejudice decides, and no difference that a measurement cannot see.
        assert!(objective([0.9, 2.0, 5.0, 0.5]).rank() < good.rank());
        assert_eq!(objective([0.9, 2.0, 5.0, 0.91]).rank(), good.rank());
        let unknown = Term::new(Some(f64::NAN), None, 1.0);
        assert_eq!(unknown.value(), f64::INFINITY);
        assert_eq!(Objective { gradient: unknown, ..good }.rank()[0], 1_000_000);
    }
}
