//! Known schemes beside a Gaussian pair: what each preserves.

use super::{Kept, LawStep, Preserved};
use crate::spec::activation::{Activation, PairActivation};
use crate::spec::gaussian_pair::{Branch, PairError, PairFamily};
use crate::spec::weights::WeightFamily;
use crate::theory::NoTheory;
use crate::theory::critical::edge_of_chaos;
use crate::theory::dual::Dual;
use crate::theory::gaussian_pair::{Criticality, PairTheory};
use crate::theory::mean_field::{LayerVariance, Spread};
use crate::theory::phase::asymptotics;

/// The bias variance at which the edge of chaos of tanh is taken.
const EDGE_BIAS: f64 = 0.05;

/// A scheme with an activation, and what its layers preserve.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// For people.
    pub name: String,
    /// φ.
    pub activation: Activation,
    /// The law of the weights.
    pub weights: WeightFamily,
    /// `σ_w²` and `σ_b²`.
    pub layer: LayerVariance,
    /// Whether activations are divided by their root mean square.
    pub rms_normalized: bool,
    /// What one layer preserves.
    pub preserved: Result<Preserved, NoTheory>,
}

/// The customary schemes, then both branches of the pair, its odd one at the edge of chaos too.
///
/// # Errors
///
/// [`PairError`] where the family has no pair.
///
/// # Examples
///
/// ```
/// use firstguess::spec::gaussian_pair::{PairError, PairFamily};
/// use firstguess::theory::preserved::compare::compare;
/// let rows = compare(PairFamily::Weibull { theta: 2.0 })?;
/// let keeps_law: Vec<&str> = rows
///     .iter()
///     .filter(|row| row.preserved.as_ref().is_ok_and(|kept| kept.keeps_law()))
///     .map(|row| row.name.as_str())
///     .collect();
/// assert_eq!(keeps_law, ["sign, LeCun", "leaky ReLU, RMS norm", "positive pair 2", "odd pair 2", "odd pair 2, critical"]);
/// # Ok::<(), PairError>(())
/// ```
pub fn compare(family: PairFamily) -> Result<Vec<Row>, PairError> {
    let normal = WeightFamily::Normal;
    let plain = |weight| LayerVariance { weight, bias: 0.0 };
    let tanh = Dual::new(&Activation::Tanh);
    let edge = edge_of_chaos(&tanh, EDGE_BIAS)
        .ok()
        .and_then(|points| points.first().map(|point| point.weight_variance));
    let unit = tanh.moments(1.0).second.recip();
    let mut rows = vec![
        row("ReLU, He", Activation::Relu, normal, plain(2.0)),
        row("ReLU, torch default", Activation::Relu, WeightFamily::Uniform, plain(1.0 / 3.0)),
        row("linear, LeCun", Activation::Linear, normal, plain(1.0)),
        row("tanh, Glorot", Activation::Tanh, normal, plain(1.0)),
        row("tanh, unit variance", Activation::Tanh, normal, plain(unit)),
    ];
    if let Some(weight) = edge {
        let layer = LayerVariance { weight, bias: EDGE_BIAS };
        rows.push(row("tanh, edge of chaos", Activation::Tanh, normal, layer));
    }
    rows.push(row("sign, LeCun", Activation::Sign, normal, plain(1.0)));
    rows.push(rms_normalized());
    let weights = |pair: &PairActivation| {
        // A family with a pair that networks cannot draw stands for its nearest member: the random sign.
        pair.family().weight_family().unwrap_or(WeightFamily::Rademacher)
    };
    let positive = PairActivation::of(family, Branch::Positive)?;
    let odd = PairActivation::of(family, Branch::Odd)?;
    for (name, pair) in [("positive pair", &positive), ("odd pair", &odd)] {
        let layer = plain(pair.table().weights().second_moment());
        let activation = Activation::GaussianPair(pair.clone());
        rows.push(row(&format!("{name} {family}"), activation, weights(pair), layer));
    }
    let theory = PairTheory::new(odd.table());
    if let Criticality::Critical { weight_variance, bias_variance } = theory.critical {
        let layer = LayerVariance {
            weight: weight_variance * theory.weight_second_moment,
            bias: bias_variance,
        };
        let name = format!("odd pair {family}, critical");
        rows.push(row(&name, Activation::GaussianPair(odd.clone()), weights(&odd), layer));
    }
    Ok(rows)
}

fn row(name: &str, activation: Activation, weights: WeightFamily, layer: LayerVariance) -> Row {
    let phi = Dual::new(&activation);
    let limit = asymptotics(&phi, layer, Spread::new(1.0, 0.0));
    let preserved = Preserved::new(&phi, &weights, layer, &limit);
    Row { name: name.to_owned(), activation, weights, layer, rms_normalized: false, preserved }
}

/// Slope of the leaky ReLU: a plain one leaves a layer without a norm when all of its units are off.
const SLOPE: f64 = 0.1;

/// Leaky ReLU with activations divided by their root mean square: to the next layer like weights of variance `1/E φ²`, but
/// with the norm fixed in every network and not on average.
fn rms_normalized() -> Row {
    let layer = LayerVariance { weight: 1.0, bias: 0.0 };
    let like = LayerVariance { weight: 2.0 / (1.0 + SLOPE * SLOPE), bias: 0.0 };
    let activation = Activation::LeakyRelu { slope: SLOPE };
    let equivalent = row("leaky ReLU, RMS norm", activation, WeightFamily::Normal, like);
    let preserved = equivalent.preserved.map(|kept| Preserved {
        second_moment_kept: Kept::Everywhere,
        law: LawStep {
            exact: Ok("a sum of Gaussian weights on a vector of fixed norm is normal, for one input at a time"),
            product_distance: Err(NoTheory::new("the norm is of the layer, not of one unit")),
            excess_kurtosis_times_width: Ok(0.0),
        },
        ..kept
    });
    Row { layer, rms_normalized: true, preserved, ..equivalent }
}
