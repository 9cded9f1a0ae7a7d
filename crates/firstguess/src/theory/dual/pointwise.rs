//! The elementwise function between two layers with weights: one activation, or several in a row.

use crate::math::roots;
use crate::spec::activation::{Activation, Homogeneous, Kink, Parity};

/// A composition of activations, applied left to right; empty for the identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointwise {
    functions: Vec<Activation>,
}

impl Pointwise {
    /// The composition of `functions`, the first applied first.
    pub fn new(functions: Vec<Activation>) -> Self {
        let functions = functions.into_iter().filter(|f| *f != Activation::Linear).collect();
        Self { functions }
    }

    /// The activations that make it up, without identities.
    pub fn functions(&self) -> &[Activation] {
        &self.functions
    }

    /// `φ(x)`.
    pub fn value(&self, x: f64) -> f64 {
        self.functions.iter().fold(x, |x, f| f.value(x))
    }

    /// `(φ(x), φ'(x))`.
    pub fn value_and_derivative(&self, x: f64) -> (f64, f64) {
        self.functions.iter().fold((x, 1.0), |(x, slope), f| {
            let (value, derivative) = f.value_and_derivative(x);
            (value, slope * derivative)
        })
    }

    /// Odd and even functions compose to odd and even ones; everything else is neither.
    pub fn parity(&self) -> Parity {
        let mut parity = Parity::Odd;
        for f in &self.functions {
            parity = match (parity, f.parity()) {
                // An even function first makes the whole even, whatever follows.
                (Parity::Even, _) => Parity::Even,
                (Parity::Odd, next) => next,
                (Parity::Neither, _) => Parity::Neither,
            };
        }
        parity
    }

    /// Slopes on both sides of zero, where the whole is positively homogeneous of degree one.
    pub fn homogeneity(&self) -> Option<Homogeneous> {
        let mut whole = Homogeneous { negative_slope: 1.0, positive_slope: 1.0 };
        for f in &self.functions {
            let next = f.homogeneity()?;
            let follow = |slope: f64, input_sign: f64| {
                let side = if slope * input_sign < 0.0 {
                    next.negative_slope
                } else {
                    next.positive_slope
                };
                slope * side
            };
            whole = Homogeneous {
                negative_slope: follow(whole.negative_slope, -1.0),
                positive_slope: follow(whole.positive_slope, 1.0),
            };
        }
        Some(whole)
    }

    /// Whether the function may bend again at any distance from zero, so that its variance map may have a fixed point per period.
    pub fn bends_at_every_scale(&self) -> bool {
        self.functions.iter().any(|f| {
            matches!(
                f,
                Activation::LogPeriodic { .. } | Activation::Expression(_) | Activation::Sin
            )
        })
    }

    /// Places where the value or the slope jumps.
    pub fn kinks(&self) -> Vec<Kink> {
        match &self.functions[..] {
            [] => Vec::new(),
            [single] => single.kinks(),
            _ => self.composed_kinks(),
        }
    }

    /// The scale on which the function bends around zero and its kinks.
    pub fn length_scale(&self) -> f64 {
        self.functions.iter().map(Activation::length_scale).fold(1.0, f64::min)
    }

    /// Places where the function is not analytic: kinks, and joints of a higher derivative.
    pub fn breakpoints(&self) -> Vec<f64> {
        match &self.functions[..] {
            [] => Vec::new(),
            [single] => single.breakpoints(),
            _ => self.preimages(Activation::breakpoints),
        }
    }

    /// The places that a composition sends to a special place of one of its functions.
    fn preimages(&self, special: impl Fn(&Activation) -> Vec<f64>) -> Vec<f64> {
        let grid: Vec<f64> = (-4000..=4000).map(|i| f64::from(i) * 0.025 + 1e-9).collect();
        let mut places: Vec<f64> = Vec::new();
        for (depth, f) in self.functions.iter().enumerate() {
            let before = Self { functions: self.functions[..depth].to_vec() };
            for at in special(f) {
                if depth == 0 {
                    places.push(at);
                } else {
                    places.extend(roots::all_roots(|x| before.value(x) - at, &grid, 1e-14));
                }
            }
        }
        places.sort_by(f64::total_cmp);
        places.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
        places
    }

    fn composed_kinks(&self) -> Vec<Kink> {
        self.preimages(|f| f.kinks().iter().map(|kink| kink.at).collect())
            .into_iter()
            .filter_map(|at| {
                let step = 1e-9 * at.abs().max(1.0);
                let (below, slope_below) = self.value_and_derivative(at - step);
                let (above, slope_above) = self.value_and_derivative(at + step);
                let kink = Kink {
                    at,
                    value_jump: above - below - step * (slope_below + slope_above),
                    slope_jump: slope_above - slope_below,
                };
                (kink.value_jump.abs() > 1e-7 || kink.slope_jump.abs() > 1e-6).then_some(kink)
            })
            .collect()
    }
}

impl From<&Activation> for Pointwise {
    fn from(activation: &Activation) -> Self {
        Self::new(vec![activation.clone()])
    }
}

impl std::fmt::Display for Pointwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.functions.is_empty() {
            return f.write_str("linear");
        }
        let names: Vec<String> = self.functions.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(" then "))
    }
}
