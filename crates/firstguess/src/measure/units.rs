//! Units that learn nothing: dead, saturated.

use crate::spec::Activation;

/// What to look for in the units before one activation.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitProbe {
    activation: Activation,
    saturation: Option<(f64, f64)>,
}

/// Dead and saturated units of one layer of one network, over the data.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitHealth {
    /// Whether every input so far found the derivative zero, per unit.
    dead: Vec<bool>,
    saturated: u64,
    values: u64,
}

/// A slope below this share of the largest slope counts as saturated.
const SATURATED_SLOPE: f64 = 0.01;

impl UnitProbe {
    /// The probe for the units that feed this activation.
    pub fn new(activation: &Activation) -> Self {
        Self { activation: activation.clone(), saturation: saturation(activation) }
    }

    /// The interval outside which the activation is saturated, if it is bounded and flattens on both sides.
    ///
    /// ```text
    /// |φ'(h)| < 0.01 · max |φ'|
    /// ```
    ///
    /// A side on which the activation is exactly zero, as the lower one of ReLU6, is that of a rectifier: units there are asleep, and
    /// dead where no input wakes them, but not saturated. The interval has no end there.
    pub fn saturation(&self) -> Option<(f64, f64)> {
        self.saturation
    }

    /// Adds pre-activations `[rows, units]` to `health`.
    pub fn add(&self, block: &[f32], health: &mut UnitHealth) {
        let units = health.dead.len();
        if units == 0 {
            return;
        }
        for row in block.chunks_exact(units) {
            for (dead, &h) in health.dead.iter_mut().zip(row) {
                // After the first rows few units are still in question: the derivative is rarely asked for.
                if *dead && self.activation.derivative(f64::from(h)) != 0.0 {
                    *dead = false;
                }
            }
        }
        if let Some(interval) = self.saturation {
            health.count_saturated(block, interval);
        }
    }

    /// Adds images `[batch, units, positions]`: a unit is dead if it is so at every position.
    pub fn add_planes(&self, block: &[f32], positions: usize, health: &mut UnitHealth) {
        let units = health.dead.len();
        if units == 0 || positions == 0 {
            return;
        }
        for image in block.chunks_exact(units * positions) {
            for (dead, plane) in health.dead.iter_mut().zip(image.chunks_exact(positions)) {
                let flat = |&h: &f32| self.activation.derivative(f64::from(h)) == 0.0;
                *dead = *dead && plane.iter().all(flat);
            }
        }
        if let Some(interval) = self.saturation {
            health.count_saturated(block, interval);
        }
    }
}

impl UnitHealth {
    /// Nothing seen yet.
    pub fn new(units: usize) -> Self {
        Self { dead: vec![true; units], saturated: 0, values: 0 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "pre-activations are f32")]
    fn count_saturated(&mut self, block: &[f32], (low, high): (f64, f64)) {
        let (low, high) = (low as f32, high as f32);
        let outside = block.iter().filter(|&&h| h < low || h > high).count();
        self.saturated += outside as u64;
        self.values += block.len() as u64;
    }

    /// Share of units whose activation has zero slope for every input.
    pub fn dead_fraction(&self) -> Option<f64> {
        let dead = self.dead.iter().filter(|&&dead| dead).count();
        (!self.dead.is_empty()).then(|| dead as f64 / self.dead.len() as f64)
    }

    /// Share of values in the flat ends, `None` where the activation has none.
    pub fn saturated_fraction(&self) -> Option<f64> {
        (self.values > 0).then(|| self.saturated as f64 / self.values as f64)
    }
}

/// Scans the slope on [-200, 200], then halves intervals: the ends from which on it stays below a hundredth of its maximum.
fn saturation(activation: &Activation) -> Option<(f64, f64)> {
    const REACH: f64 = 200.0;
    const STEPS: i32 = 80_000;
    if !activation.is_bounded() {
        return None;
    }
    let slope = |x: f64| activation.derivative(x).abs();
    let at = |k: i32| REACH * f64::from(k) / f64::from(STEPS / 2);
    let grid = || (-STEPS / 2..=STEPS / 2).map(at);
    let limit = SATURATED_SLOPE * grid().map(slope).fold(0.0, f64::max);
    if limit.is_nan() || limit <= 0.0 || limit == f64::INFINITY {
        return None;
    }
    let steep = |x: &f64| slope(*x) >= limit;
    let (first, last) = (grid().find(steep)?, grid().rev().find(steep)?);
    // A slope that has not settled at the ends of the scan (sin) has no flat ends.
    if first <= -0.9 * REACH || last >= 0.9 * REACH {
        return None;
    }
    let step = 2.0 * REACH / f64::from(STEPS);
    let edge = |mut inside: f64, mut outside: f64| {
        for _ in 0..60 {
            let middle = f64::midpoint(inside, outside);
            if slope(middle) >= limit { inside = middle } else { outside = middle }
        }
        inside
    };
    let rectifies = |x: f64| activation.value(x) == 0.0 && activation.derivative(x) == 0.0;
    let asleep = |near: f64, far: f64| rectifies(near) && rectifies(far);
    let low =
        if asleep(first - step, -REACH) { f64::NEG_INFINITY } else { edge(first, first - step) };
    let high = if asleep(last + step, REACH) { f64::INFINITY } else { edge(last, last + step) };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(name: &str) -> UnitProbe {
        UnitProbe::new(&name.parse().unwrap())
    }

    fn health(name: &str, units: usize, block: &[f32]) -> UnitHealth {
        let mut health = UnitHealth::new(units);
        probe(name).add(block, &mut health);
        health
    }

    /// sech² = 0.01 at artanh √0.99; σ(1-σ) = 0.0025 at the logit of its root.
    #[test]
    fn flat_ends_begin_where_the_slope_falls_to_a_hundredth() {
        let root = 0.5 * (1.0 - 0.99_f64.sqrt());
        for (name, edge) in [
            ("tanh", 0.99_f64.sqrt().atanh()),
            ("sigmoid", -(root / (1.0 - root)).ln()),
            ("erf", 100.0_f64.ln().sqrt()),
            ("hard_tanh", 1.0),
        ] {
            let (low, high) = probe(name).saturation().unwrap();
            assert!(
                (high - edge).abs() < 1e-5 && (low + edge).abs() < 1e-5,
                "{name}: {low} {high}"
            );
        }
        let (low, high) = probe("relu6").saturation().unwrap();
        assert!(low == f64::NEG_INFINITY && (high - 6.0).abs() < 1e-5);
        // Saturated above, asleep below: a rectifier's zero side is the matter of dead units.
        let block = [-1.0, -9.0, 0.5, 7.0];
        assert_eq!(health("relu6", 2, &block).saturated_fraction(), Some(0.25));
        for name in ["relu", "linear", "gelu", "sin", "sign"] {
            assert_eq!(probe(name).saturation(), None, "{name}");
        }
    }

    #[test]
    fn a_unit_is_dead_only_if_no_input_wakes_it() {
        let block = [-1.0, -1.0, 2.0, -3.0, 0.5, 1.0];
        assert_eq!(health("relu", 3, &block).dead_fraction(), Some(1.0 / 3.0));
        assert_eq!(health("leaky_relu", 3, &block).dead_fraction(), Some(0.0));
        assert_eq!(health("relu", 3, &block).saturated_fraction(), None);
        assert_eq!(health("sign", 2, &[1.0, 2.0]).dead_fraction(), Some(1.0));
        assert_eq!(UnitHealth::new(0).dead_fraction(), None);
    }

    #[test]
    fn saturation_counts_values_in_the_flat_ends() {
        let block = [0.0, 5.0, -5.0, 0.9];
        assert_eq!(health("tanh", 2, &block).saturated_fraction(), Some(0.5));
        assert_eq!(health("hard_tanh", 2, &block).dead_fraction(), Some(0.0));
        assert_eq!(health("hard_tanh", 2, &[2.0, 0.1, -3.0, 0.1]).dead_fraction(), Some(0.5));
    }

    #[test]
    fn planes_are_positions_of_one_unit() {
        // One image, two units, two positions.
        let mut health = UnitHealth::new(2);
        probe("relu").add_planes(&[-1.0, -1.0, -1.0, 1.0], 2, &mut health);
        assert_eq!(health.dead_fraction(), Some(0.5));
        let mut health = UnitHealth::new(2);
        probe("tanh").add_planes(&[-9.0, 0.0, 0.0, 1.0], 2, &mut health);
        assert_eq!(health.saturated_fraction(), Some(0.25));
    }
}
