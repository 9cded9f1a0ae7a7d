//! The elementwise function between two layers with weights: one activation, or several in a row.

use crate::math::roots;
use crate::spec::activation::{Activation, Homogeneous, Kink, Parity};

/// A composition of activations, applied left to right; empty for the identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointwise {
    functions: Vec<Activation>,
    /// Two straight lines through the origin, where a function is followed to zero or to infinity.
    tangent: Option<Homogeneous>,
}

impl Pointwise {
    /// The composition of `functions`, the first applied first.
    pub fn new(functions: Vec<Activation>) -> Self {
        let functions = functions.into_iter().filter(|f| *f != Activation::Linear).collect();
        Self { functions, tangent: None }
    }

    /// `φ(x) = left·x` below zero and `right·x` above.
    pub fn straight(left: f64, right: f64) -> Self {
        let tangent = Homogeneous { negative_slope: left, positive_slope: right };
        Self { functions: Vec::new(), tangent: Some(tangent) }
    }

    /// The straight function that is left of this one close to zero, where its value there is zero and its slopes settle.
    pub fn tangent_at_zero(&self) -> Option<Self> {
        let kinks = self.kinks();
        if self.value(0.0) != 0.0 || kinks.iter().any(|k| k.value_jump != 0.0 && k.at == 0.0) {
            return None;
        }
        let (near, far) = (self.slopes_at(1e-150), self.slopes_at(1e-100));
        // Slopes that oscillate down to zero, as those of `log_periodic` do, leave nothing straight.
        let settled = |a: f64, b: f64| a.is_finite() && (a - b).abs() <= 1e-9 * b.abs().max(1.0);
        (settled(near.0, far.0) && settled(near.1, far.1)).then(|| Self::straight(near.0, near.1))
    }

    /// The straight function that this one looks like from far away, where it ends in straight lines.
    pub fn tangent_at_infinity(&self) -> Option<Self> {
        let (near, far) = (self.slopes_at(1e6), self.slopes_at(1e8));
        let settled = |a: f64, b: f64| b.is_finite() && (a - b).abs() <= 1e-5 * b.abs().max(1e-3);
        (settled(near.0, far.0) && settled(near.1, far.1) && far != (0.0, 0.0))
            .then(|| Self::straight(far.0, far.1))
    }

    /// `φ'(-x)` and `φ'(x)`.
    fn slopes_at(&self, x: f64) -> (f64, f64) {
        (self.value_and_derivative(-x).1, self.value_and_derivative(x).1)
    }

    /// The activations that make it up, without identities.
    pub fn functions(&self) -> &[Activation] {
        &self.functions
    }

    /// `φ(x)`.
    pub fn value(&self, x: f64) -> f64 {
        if self.tangent.is_some() {
            return self.value_and_derivative(x).0;
        }
        self.functions.iter().fold(x, |x, f| f.value(x))
    }

    /// `(φ(x), φ'(x))`.
    pub fn value_and_derivative(&self, x: f64) -> (f64, f64) {
        if let Some(lines) = self.tangent {
            let slope = if x < 0.0 { lines.negative_slope } else { lines.positive_slope };
            return (slope * x, slope);
        }
        self.functions.iter().fold((x, 1.0), |(x, slope), f| {
            let (value, derivative) = f.value_and_derivative(x);
            (value, slope * derivative)
        })
    }

    /// The same at several points, faster than one by one.
    pub fn values_and_derivatives<const N: usize>(&self, x: &[f64; N]) -> ([f64; N], [f64; N]) {
        if let [Activation::Expression(expression)] = &self.functions[..] {
            return expression.values_and_derivatives(x);
        }
        let (mut values, mut slopes) = ([0.0; N], [0.0; N]);
        for ((value, slope), x) in values.iter_mut().zip(&mut slopes).zip(x) {
            (*value, *slope) = self.value_and_derivative(*x);
        }
        (values, slopes)
    }

    /// `φ` at many points.
    pub fn values(&self, points: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut values: Vec<f64> = points.into_iter().collect();
        let (eights, rest) = values.as_chunks_mut::<8>();
        for x in eights {
            *x = self.values_and_derivatives(x).0;
        }
        for x in rest {
            *x = self.value(*x);
        }
        values
    }

    /// Odd and even functions compose to odd and even ones; everything else is neither.
    pub fn parity(&self) -> Parity {
        if let Some(lines) = self.tangent {
            return match (lines.negative_slope, lines.positive_slope) {
                (left, right) if left == right => Parity::Odd,
                (left, right) if left == -right => Parity::Even,
                _ => Parity::Neither,
            };
        }
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
        if self.tangent.is_some() {
            return self.tangent;
        }
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
        self.functions.iter().any(|f| match f {
            Activation::LogPeriodic { .. } | Activation::Sin => true,
            // Straight tails, or nothing is known.
            Activation::Expression(_) => !self.ends_straight(),
            _ => false,
        })
    }

    /// Whether both tails have one slope from far out on.
    fn ends_straight(&self) -> bool {
        let far = [1e2, 1e3, 1e6, 1e9].map(|x| self.slopes_at(x));
        let settled = |a: f64, b: f64| b.is_finite() && (a - b).abs() <= 1e-9 * b.abs().max(1e-3);
        far.iter().all(|slopes| settled(slopes.0, far[3].0) && settled(slopes.1, far[3].1))
    }

    /// Whether the vocabulary has it: one activation whose bends are known.
    pub fn is_named(&self) -> bool {
        !self.functions.iter().any(|f| matches!(f, Activation::Expression(_)))
    }

    /// Places where the value or the slope jumps.
    pub fn kinks(&self) -> Vec<Kink> {
        if let Some(lines) = self.tangent {
            let slope_jump = lines.positive_slope - lines.negative_slope;
            let kink = Kink { at: 0.0, value_jump: 0.0, slope_jump };
            return if slope_jump == 0.0 { Vec::new() } else { vec![kink] };
        }
        match &self.functions[..] {
            [] => Vec::new(),
            [single] => single.kinks(),
            _ => self.composed_kinks(),
        }
    }

    /// The scale on which the function bends around zero and its kinks.
    pub fn length_scale(&self) -> f64 {
        if self.tangent.is_some() {
            return f64::INFINITY;
        }
        self.functions.iter().map(Activation::length_scale).fold(1.0, f64::min)
    }

    /// Places where the function is not analytic: kinks, and joints of a higher derivative.
    pub fn breakpoints(&self) -> Vec<f64> {
        match &self.functions[..] {
            [] => self.kinks().iter().map(|kink| kink.at).collect(),
            [single] => single.breakpoints(),
            _ => self.preimages(Activation::breakpoints),
        }
    }

    /// The places that a composition sends to a special place of one of its functions.
    fn preimages(&self, special: impl Fn(&Activation) -> Vec<f64>) -> Vec<f64> {
        let grid: Vec<f64> = (-4000..=4000).map(|i| f64::from(i) * 0.025 + 1e-9).collect();
        let mut places: Vec<f64> = Vec::new();
        for (depth, f) in self.functions.iter().enumerate() {
            let before = Self { functions: self.functions[..depth].to_vec(), tangent: None };
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
        if let Some(lines) = self.tangent {
            let Homogeneous { negative_slope, positive_slope } = lines;
            return write!(f, "slopes {negative_slope} and {positive_slope}");
        }
        if self.functions.is_empty() {
            return f.write_str("linear");
        }
        let names: Vec<String> = self.functions.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(" then "))
    }
}
