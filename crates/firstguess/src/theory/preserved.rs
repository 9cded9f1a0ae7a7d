//! Which property of the law of the pre-activations a layer preserves: the one view on every initialization scheme.
//!
//! A layer carries `Z ~ N(0, q)` to `Z' = Σ W φ(Z) + b`. He, Glorot and LeCun choose σ_w² so that a second moment is kept,
//! forward or backward; the edge of chaos adds that two inputs merge as slowly as possible; a Gaussian pair keeps the whole
//! law at any width.

pub mod compare;

use super::dual::Dual;
use super::mean_field::{LayerVariance, variance_map};
use super::phase::{Asymptotics, VarianceFate};
use super::{NoTheory, Predicted};
use crate::spec::activation::Activation;
use crate::spec::weights::WeightFamily;
use serde::Serialize;

/// What counts as kept, relatively: ten layers change it by less than 1e-5.
pub const KEPT: f64 = 1e-6;

/// Points on each half-line for the law of one product, to find the largest distance and to say how large it is: for continuous
/// weights, and for a random sign.
const POINTS: [[u32; 2]; 2] = [[1 << 7, 1 << 10], [1 << 12, 1 << 14]];

/// What one layer does to the law of its pre-activations.
#[derive(Debug, Clone, PartialEq)]
pub struct Preserved {
    /// The variance at which it was asked: `q*` where there is one, else that of standardised inputs.
    pub q: f64,
    /// `F(q)/q`, the factor on the second moment.
    pub second_moment: f64,
    /// Where the second moment is kept.
    pub second_moment_kept: Kept,
    /// `χ = σ_w² E φ'²`, the factor on the second moment of gradients.
    pub gradient_moment: f64,
    /// `χ q/F(q)`, the slope of the correlation map at 1: inputs merge geometrically below 1, sub-exponentially at 1, and
    /// separate above.
    pub correlation_rate: f64,
    /// How far one product `W φ(Z)` is from normal, and whether the whole law is kept.
    pub law: LawStep,
}

/// At which variances a second moment is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// At every one.
    Everywhere,
    /// At a fixed point that attracts.
    AtStablePoint,
    /// At a fixed point that repels.
    AtUnstablePoint,
    /// Not here.
    No,
}

impl Kept {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everywhere => "kept at every q",
            Self::AtStablePoint => "kept at a stable q*",
            Self::AtUnstablePoint => "kept at an unstable q*",
            Self::No => "not kept",
        }
    }
}

/// The law of one product, and of a layer of finite width on independent inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct LawStep {
    /// Whether a layer of any width turns independent `N(0, q)` into `N(0, F(q))` exactly, and why.
    pub exact: Result<&'static str, NoTheory>,
    /// Kolmogorov-Smirnov distance of one standardised product from the normal law: width 1.
    pub product_distance: Predicted,
    /// `n` times the excess kurtosis after a layer of width `n`: `(kurt W · kurt φ - 3) (1 - σ_b²/F)²`.
    pub excess_kurtosis_times_width: Predicted,
}

impl Preserved {
    /// Judges a layer at the variance where the deep network ends up, or at 1 where it ends nowhere.
    ///
    /// # Accuracy
    ///
    /// Second moments as [`Dual`]; the distance of a product 1e-4 (1e-3 for weights with one magnitude and
    /// where φ vanishes elsewhere than at 0).
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where the variance map has no value.
    ///
    /// # References
    ///
    /// The view is that of `wolinski2025`; derived in docs/theory/gaussian-pairs.md, section 8.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::spec::weights::WeightFamily;
    /// use firstguess::theory::dual::Dual;
    /// use firstguess::theory::mean_field::{LayerVariance, Spread};
    /// use firstguess::theory::phase::asymptotics;
    /// use firstguess::theory::preserved::{Kept, Preserved};
    /// let phi = Dual::new(&"gaussian_odd(2)".parse()?);
    /// let layer = LayerVariance { weight: 1.0, bias: 0.0 };
    /// let limit = asymptotics(&phi, layer, Spread::first_layer(layer, 1.0, 0.0));
    /// let kept = Preserved::new(&phi, &"weibull(2)".parse()?, layer, &limit)?;
    /// assert_eq!(kept.second_moment_kept, Kept::AtStablePoint);
    /// assert!(kept.law.exact.is_ok());
    /// // The same activation with Gaussian weights keeps the variance only.
    /// let kept = Preserved::new(&phi, &WeightFamily::Normal, layer, &limit)?;
    /// assert!(kept.law.exact.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        phi: &Dual,
        weights: &WeightFamily,
        layer: LayerVariance,
        limit: &Asymptotics,
    ) -> Result<Self, NoTheory> {
        let (q, at_point) = match &limit.fate {
            VarianceFate::Converges(point) if point.q_star > 0.0 => {
                let kept = if point.stable { Kept::AtStablePoint } else { Kept::AtUnstablePoint };
                (point.q_star, kept)
            }
            VarianceFate::Kept => (1.0, Kept::Everywhere),
            _ => (1.0, Kept::No),
        };
        // A point found by bisection is off in its last digits: a whole law is kept at 1, not next to it.
        let q = if (q - 1.0).abs() < 1e-9 { 1.0 } else { q };
        let next = variance_map(phi, layer, q);
        let moments = phi.moments(q);
        if !next.is_finite() || !moments.second.is_finite() {
            return Err(NoTheory::new(format!(
                "the variance has no value after a layer at q = {q}"
            )));
        }
        if next == 0.0 || moments.second == 0.0 {
            return Err(NoTheory::new("the layer sends everything to zero"));
        }
        let chi = layer.weight * moments.derivative_second;
        let second_moment = next / q;
        let second_moment_kept =
            if (second_moment - 1.0).abs() <= KEPT { at_point } else { Kept::No };
        Ok(Self {
            q,
            second_moment,
            second_moment_kept,
            gradient_moment: chi,
            correlation_rate: chi / second_moment,
            law: LawStep::new(phi, weights, layer, q),
        })
    }

    /// Whether `N(0, q)` stays `N(0, q)` at every width, given independent inputs.
    pub fn keeps_law(&self) -> bool {
        self.law.exact.is_ok() && (self.second_moment - 1.0).abs() <= KEPT
    }

    /// Whether the second moment of gradients is kept.
    pub fn keeps_gradients(&self) -> bool {
        (self.gradient_moment - 1.0).abs() <= KEPT
    }

    /// Whether two inputs neither merge nor separate geometrically.
    pub fn keeps_correlations(&self) -> bool {
        (self.correlation_rate - 1.0).abs() <= KEPT
    }
}

impl LawStep {
    fn new(phi: &Dual, weights: &WeightFamily, layer: LayerVariance, q: f64) -> Self {
        if phi.pooling().is_some() {
            let why = NoTheory::new("a pool mixes units: no product of one weight and one unit");
            return Self {
                exact: Err(why.clone()),
                product_distance: Err(why.clone()),
                excess_kurtosis_times_width: Err(why),
            };
        }
        let second = phi.moments(q).second;
        let of_weights = weights
            .kurtosis()
            .ok_or_else(|| NoTheory::new(format!("{weights} weights are not independent")));
        let next = layer.weight * second + layer.bias;
        let diluted = (layer.weight * second / next).powi(2);
        let excess = of_weights
            .clone()
            .map(|kurtosis| (kurtosis * phi.fourth_moment(q) / (second * second) - 3.0) * diluted);
        Self {
            exact: exactness(phi, weights, q),
            product_distance: of_weights.and_then(|_| product_distance(phi, weights, q)),
            excess_kurtosis_times_width: excess.and_then(|excess| {
                if excess.is_finite() {
                    Ok(excess)
                } else {
                    Err(NoTheory::new(format!("{weights} weights have no fourth moment")))
                }
            }),
        }
    }
}

/// Why `W φ(√q X)` is normal, or why it is not.
fn exactness(phi: &Dual, weights: &WeightFamily, q: f64) -> Result<&'static str, NoTheory> {
    if phi.is_linear() {
        return match weights {
            WeightFamily::Rademacher => Ok("a random sign leaves a normal variable normal"),
            _ => Err(NoTheory::new(
                "a linear layer keeps the law with random signs for weights only",
            )),
        };
    }
    let [activation] = phi.function().functions() else {
        return Err(NoTheory::new("a composition of activations is no Gaussian pair"));
    };
    match (activation, weights) {
        (Activation::Sign, WeightFamily::Normal) => {
            Ok("|φ| is constant: the product is a Gaussian weight with a random sign")
        }
        (Activation::GaussianPair(pair), _) if pair.family().weight_family() == Some(*weights) => {
            if q == 1.0 {
                Ok("a Gaussian pair: W·φ(X) is N(0, 1) for X ~ N(0, 1)")
            } else {
                Err(NoTheory::new(format!(
                    "the pair is exact at q = 1, the network ends at q = {q:.6}"
                )))
            }
        }
        (Activation::GaussianPair(pair), _) => Err(NoTheory::new(format!(
            "the pair needs the weights of its family {}, as scheme gaussian_pair({}) draws them",
            pair.family(),
            pair.family()
        ))),
        (_, WeightFamily::Normal) => {
            Err(NoTheory::new("Gaussian weights keep the law only where |φ| is constant (sign)"))
        }
        _ => Err(NoTheory::new("W·φ(X) is not normal")),
    }
}

/// `P(|W φ(√q X)| > z s)` with `s` the product's own standard deviation.
///
/// ```text
/// P(|W φ| > z s) = E S(z √(E φ²)/|φ(√q X)|),   S(t) = P(|W| > t) at unit variance
/// ```
struct ProductTail<'a> {
    weights: &'a WeightFamily,
    /// `√(E φ²)/|φ|` and its probability.
    table: Vec<(f64, f64)>,
}

impl<'a> ProductTail<'a> {
    fn new(phi: &Dual, weights: &'a WeightFamily, q: f64, points: u32) -> Self {
        // Nearer to zero lies a mass below 1e-6, farther out one below 1e-9.
        const SMALLEST: f64 = 1e-6;
        const LARGEST: f64 = 6.0;
        let (root, scale) = (q.sqrt(), phi.moments(q).second.sqrt());
        // The midpoint rule in ln |x|: as many points where φ is next to nothing as where it is large, for every z.
        let step = (LARGEST / SMALLEST).ln() / f64::from(points);
        let mut table = Vec::with_capacity(2 * points as usize);
        for i in 0..points {
            let x = SMALLEST * (step * (f64::from(i) + 0.5)).exp();
            let weight = step * x * crate::math::special::normal_density(x);
            let ratio = |x: f64| scale / phi.function().value(root * x).abs();
            let (right, left) = (ratio(x), ratio(-x));
            if right == left {
                table.push((right, 2.0 * weight));
            } else {
                table.extend([(right, weight), (left, weight)]);
            }
        }
        // Where φ vanishes nothing lies beyond any z.
        table.retain(|(ratio, _)| *ratio < f64::INFINITY);
        Self { weights, table }
    }

    /// `|P(W φ/s ≤ z) - Φ(z)|`; both laws are symmetric.
    fn difference(&self, z: f64) -> f64 {
        let survival = |(ratio, weight): &(f64, f64)| {
            weight * self.weights.absolute_survival(z * ratio).unwrap_or(0.0)
        };
        let tail: f64 = self.table.iter().map(survival).sum();
        0.5 * (tail - libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)).abs()
    }
}

/// `sup |P(W φ(√q X)/s ≤ z) - Φ(z)|`.
fn product_distance(phi: &Dual, weights: &WeightFamily, q: f64) -> Predicted {
    let [coarse, fine] = POINTS[usize::from(*weights == WeightFamily::Rademacher)];
    let coarse = ProductTail::new(phi, weights, q, coarse);
    // Down to the atom that a dead half makes at zero.
    let grid: Vec<f64> = (0..=72).map(|i| 1e-4 * 1.167_f64.powi(i)).collect();
    let best = (grid.iter().map(|z| coarse.difference(*z)).enumerate())
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(position, _)| position);
    let (mut low, mut high) = (grid[best.saturating_sub(1)], grid[(best + 1).min(grid.len() - 1)]);
    for _ in 0..10 {
        // Thirds: the maximum is bracketed and single.
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if coarse.difference(a) > coarse.difference(b) {
            high = b;
        } else {
            low = a;
        }
    }
    let fine = ProductTail::new(phi, weights, q, fine);
    let largest = [grid[best], 0.5 * (low + high)]
        .map(|z| fine.difference(z))
        .into_iter()
        .fold(0.0, f64::max);
    if largest.is_finite() { Ok(largest) } else { Err(NoTheory::new("the product has no law")) }
}

#[cfg(test)]
mod tests {
    use super::super::mean_field::Spread;
    use super::super::phase::asymptotics;
    use super::*;
    use crate::spec::gaussian_pair::{PairFamily, PairWeights};

    fn preserved(activation: &str, weights: &str, weight: f64, bias: f64) -> Preserved {
        let phi = Dual::new(&activation.parse().expect(activation));
        let layer = LayerVariance { weight, bias };
        let limit = asymptotics(&phi, layer, Spread::first_layer(layer, 1.0, 0.0));
        Preserved::new(&phi, &weights.parse().expect(weights), layer, &limit).expect("in range")
    }

    #[test]
    fn each_scheme_keeps_what_it_was_made_for() {
        // He: both second moments of ReLU, at every variance.
        let he = preserved("relu", "normal", 2.0, 0.0);
        assert_eq!(he.second_moment_kept, Kept::Everywhere);
        assert!(he.keeps_gradients() && he.keeps_correlations() && !he.keeps_law());
        // The edge of chaos of tanh: variance and correlations at q*, not the law.
        let edge = preserved("tanh", "normal", 1.76095464, 0.05);
        assert_eq!(edge.second_moment_kept, Kept::AtStablePoint);
        assert!(edge.keeps_correlations() && !edge.keeps_law(), "{edge:?}");
        // Unit variance, chaotic.
        let unit = preserved("tanh", "normal", 2.536_2, 0.0);
        assert!(!unit.keeps_gradients() && unit.gradient_moment > 1.0);
        // PyTorch's default lets ReLU's variance die out.
        assert_eq!(preserved("relu", "uniform", 1.0 / 3.0, 0.0).second_moment_kept, Kept::No);
        // Pairs: the whole law; critical only with the bias, on the odd branch.
        let odd = preserved("gaussian_odd(2)", "weibull(2)", 1.0, 0.0);
        assert!(odd.keeps_law() && !odd.keeps_correlations());
        let chi = 1.277975596582;
        let critical = preserved("gaussian_odd(2)", "weibull(2)", 1.0 / chi, 1.0 - 1.0 / chi);
        assert!(critical.keeps_law() && critical.keeps_gradients(), "{critical:?}");
        let positive = preserved("gaussian_positive(3)", "weibull(3)", 0.902745292950934, 0.0);
        assert!(positive.keeps_law() && positive.correlation_rate < 0.3, "{positive:?}");
        let sphere = preserved("gaussian_odd(sphere(3))", "sphere(3)", 1.0, 0.0);
        assert!(sphere.keeps_law());
        assert!(preserved("sign", "normal", 1.0, 0.0).keeps_law());
        assert!(preserved("linear", "rademacher", 1.0, 0.0).keeps_law());
    }

    /// (★) kills the kurtosis step and the distance at once: two independent routes to the same statement.
    #[test]
    fn exact_pairs_have_no_distance_and_no_kurtosis_step() {
        for (branch, family) in [
            ("odd", "2"),
            ("positive", "2.5"),
            ("odd", "10"),
            ("odd", "sphere(3)"),
            ("odd", "bounded_power(2)"),
            ("positive", "generalized_gamma(1.5,3)"),
        ] {
            let family: PairFamily = family.parse().expect(family);
            let weight = PairWeights::new(family).expect("has a partner").second_moment();
            let weights = family.weight_family().expect("drawn by networks").to_string();
            let found = preserved(&format!("gaussian_{branch}({family})"), &weights, weight, 0.0);
            assert!(found.keeps_law(), "{family}: {found:?}");
            let distance = found.law.product_distance.expect("a law");
            // Bounded weights switch off where φ = z: the integrand has a kink there.
            assert!(distance < 1e-4, "{family}: {distance:e}");
            let excess = found.law.excess_kurtosis_times_width.expect("finite");
            assert!(excess.abs() < 1e-9, "{family}: {excess:e}");
        }
        let sign = preserved("sign", "normal", 1.0, 0.0).law;
        assert!(sign.product_distance.expect("a law") < 1e-6);
    }

    /// Half of ReLU's products are zero: distance ¼ at zero, and a little more next to it. Gaussian weights: excess 3K = 3 (kurt φ - 1).
    #[test]
    fn relu_has_its_atom_and_its_kurtosis() {
        let relu = preserved("relu", "normal", 2.0, 0.0).law;
        assert!((0.25..0.26).contains(&relu.product_distance.expect("a law")));
        // E φ⁴/(E φ²)² = 6.
        assert!((relu.excess_kurtosis_times_width.expect("finite") - 15.0).abs() < 1e-10);
        let none = preserved("tanh", "orthogonal", 1.5, 0.0).law;
        assert!(none.product_distance.is_err() && none.excess_kurtosis_times_width.is_err());
        let heavy = preserved("tanh", "student_t(3)", 1.5, 0.0).law;
        assert!(heavy.excess_kurtosis_times_width.is_err() && heavy.product_distance.is_ok());
    }
}
