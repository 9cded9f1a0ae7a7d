//! The law that the weights of a finished model follow, read off the weights.
//!
//! Exact zeros are structure (masks, padding) and are left out. A standard deviation within the sample's error of a known rule's is
//! taken to be the rule's: it is then as exact as the rule.

use crate::spec::scheme::LayerInit;
use crate::spec::weights::{TRUNCATED_STD, WeightFamily};
use serde::Serialize;
use std::fmt;

/// The law of the entries of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FoundLaw {
    /// The family; `None` where the entries follow none of the vocabulary, as trained ones do.
    pub family: Option<WeightFamily>,
    /// Whether all entries are equal.
    pub constant: bool,
    /// Mean; zero where the sample allows it.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// The rule that gives this standard deviation.
    pub rule: Option<&'static str>,
}

/// Numbers of inputs and outputs of the units that a weight tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fans {
    /// Inputs that one output sums over.
    pub inputs: usize,
    /// Outputs that one input feeds.
    pub outputs: usize,
    /// Rows of the weight matrix: units or channels.
    pub units: usize,
}

/// Standard errors by which a sample may miss the moments of a law.
const TOLERANCE: f64 = 5.0;

/// Entries from which on the shape of a law can be told from a sample.
const ENOUGH: usize = 200;

/// Entries from which on a uniform sample is told from a normal one by its density.
const TELLING: usize = 32;

/// Entries that are looked at: more tell nothing more.
const SAMPLE: usize = 1 << 20;

/// Excess kurtosis of the normal law cut at two standard deviations of its parent.
const TRUNCATED_KURTOSIS: f64 = -0.6344;

/// Reads the law of a weight tensor `[units, inputs]` (or its transpose), row-major.
///
/// `None` where an entry is infinite or NaN.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::{Purpose, Seed, Stream};
/// use firstguess::measure::found_law::{Fans, read_weights};
/// use firstguess::net::sample::fill_weights;
/// use firstguess::spec::weights::WeightFamily;
/// let mut weights = vec![0.0; 100 * 50];
/// let stream = Stream::new(Seed(1), 0, 1, Purpose::Weights);
/// fill_weights(WeightFamily::Uniform, (2.0_f64 / 50.0).sqrt(), &stream, 0, &mut weights)?;
/// let law = read_weights(&weights, Fans { inputs: 50, outputs: 100, units: 100 }).expect("finite");
/// assert_eq!((law.family, law.rule), (Some(WeightFamily::Uniform), Some("He")));
/// # Ok::<(), firstguess::net::sample::SampleError>(())
/// ```
pub fn read_weights(values: &[f32], fans: Fans) -> Option<FoundLaw> {
    let mut law = read(values, None)?;
    if is_orthogonal(values, fans) && !law.constant && values.len() >= ENOUGH {
        law.family = Some(WeightFamily::Orthogonal);
        return Some(law);
    }
    let Some(family) = law.family.filter(|_| law.mean == 0.0 && law.std > 0.0) else {
        return Some(law);
    };
    let n = values.iter().filter(|w| **w != 0.0).count().min(SAMPLE);
    let error = std_error(family, n);
    let rules = rules(fans);
    let miss = |(_, std): &(&str, f64)| (law.std / std - 1.0).abs();
    let nearest = rules.iter().min_by(|a, b| miss(a).total_cmp(&miss(b)));
    if let Some((rule, std)) = nearest.filter(|rule| miss(rule) <= error) {
        (law.std, law.rule) = (*std, Some(*rule));
    }
    Some(law)
}

/// Reads the law of biases beside weights of a known law, whose family a few entries are taken to share.
///
/// `None` where an entry is infinite or NaN.
pub fn read_biases(values: &[f32], weights: &FoundLaw, fans: Fans) -> Option<FoundLaw> {
    let mut law = read(values, weights.family.filter(WeightFamily::is_independent))?;
    // The biases of torch.nn.Linear and the convolutions: uniform on ±1/√fan_in, as their weights.
    let bound = 1.0 / (fans.inputs as f64).sqrt();
    let torch = weights.rule == Some(TORCH) && weights.family == Some(WeightFamily::Uniform);
    let within = values.iter().all(|b| f64::from(b.abs()) <= bound * (1.0 + 1e-6));
    let std = bound / 3.0_f64.sqrt();
    let close = (law.std / std - 1.0).abs() <= TOLERANCE / (values.len().max(1) as f64).sqrt();
    if torch && !law.constant && within && close {
        law = FoundLaw {
            family: Some(WeightFamily::Uniform),
            constant: false,
            mean: 0.0,
            std,
            rule: Some(TORCH),
        };
    }
    Some(law)
}

/// The draw of a layer with these laws. What follows no law is taken as normal with the same variance, biases with the same mean
/// square.
pub fn layer_init(weights: &FoundLaw, biases: Option<&FoundLaw>, fans: Fans) -> LayerInit {
    let square = |law: &FoundLaw| law.mean * law.mean + law.std * law.std;
    let spread = if weights.constant { square(weights) } else { weights.std * weights.std };
    LayerInit {
        family: weights.family.unwrap_or(WeightFamily::Normal),
        weight_variance: fans.inputs as f64 * spread,
        bias_variance: biases.map_or(0.0, square),
        uniform_bias: biases.is_some_and(|law| law.family == Some(WeightFamily::Uniform)),
    }
}

impl FoundLaw {
    /// The family and the rule, without numbers.
    pub fn name(&self) -> String {
        if self.constant {
            return "constant".to_owned();
        }
        let family = self.family.map_or_else(
            || "no law of the vocabulary".to_owned(),
            |family| family.to_string().replace('_', " "),
        );
        self.rule.map_or_else(|| family.clone(), |rule| format!("{family}, {rule}"))
    }
}

impl fmt::Display for FoundLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.constant {
            return write!(f, "all {}", self.mean);
        }
        match self.family {
            Some(family) => write!(f, "{}", family.to_string().replace('_', " "))?,
            None => f.write_str("no law of the vocabulary")?,
        }
        if self.mean != 0.0 {
            write!(f, ", mean {:.3e}", self.mean)?;
        }
        write!(f, ", std {:.4}", self.std)?;
        self.rule.map_or(Ok(()), |rule| write!(f, " ({rule})"))
    }
}

/// Relative error of a standard deviation, a few times over.
fn std_error(family: WeightFamily, n: usize) -> f64 {
    let n = n.max(1) as f64;
    if family == WeightFamily::Uniform && n >= ENOUGH as f64 {
        4.0 / n
    } else {
        3.0 * (0.5 / n).sqrt()
    }
}

const TORCH: &str = "torch default";

/// Standard deviations by the usual rules, the most common first.
fn rules(fans: Fans) -> [(&'static str, f64); 7] {
    let (inputs, outputs) = (fans.inputs as f64, fans.outputs as f64);
    [
        (TORCH, (1.0 / (3.0 * inputs)).sqrt()),
        ("He", (2.0 / inputs).sqrt()),
        ("He by fan out", (2.0 / outputs).sqrt()),
        ("LeCun", (1.0 / inputs).sqrt()),
        ("Glorot", (2.0 / (inputs + outputs)).sqrt()),
        ("0.02", 0.02),
        ("0.01", 0.01),
    ]
}

fn read(values: &[f32], hint: Option<WeightFamily>) -> Option<FoundLaw> {
    if values.iter().any(|w| !w.is_finite()) {
        return None;
    }
    let stride = (values.len() / SAMPLE).max(1);
    let entries = || values.iter().step_by(stride).filter(|w| **w != 0.0).map(|w| f64::from(*w));
    let n = entries().count();
    let first = entries().next().unwrap_or(0.0);
    let law = |family, mean, std| FoundLaw { family, constant: false, mean, std, rule: None };
    if entries().all(|w| w == first) {
        return Some(FoundLaw { constant: true, ..law(None, first, 0.0) });
    }
    let count = n as f64;
    let mut mean = entries().sum::<f64>() / count;
    let about = |m: f64| (entries().map(|w| (w - m) * (w - m)).sum::<f64>() / count).sqrt();
    if mean.abs() < TOLERANCE * about(mean) / count.sqrt() {
        mean = 0.0;
    }
    let std = about(mean);
    let peak = entries().map(|w| (w - mean).abs()).fold(0.0, f64::max) / std;
    if n < ENOUGH {
        if n < TELLING
            && let Some(hint) = hint
        {
            return Some(law(Some(hint), mean, std));
        }
        // The more likely of the two, by the density of the sample at its own scale.
        let normal = 2.0 * peak >= (2.0 * std::f64::consts::PI * std::f64::consts::E).sqrt();
        let family = if normal { WeightFamily::Normal } else { WeightFamily::Uniform };
        return Some(law(Some(family), mean, std));
    }
    let fourth = entries().map(|w| ((w - mean) / std).powi(4)).sum::<f64>() / count;
    let (excess, error) = (fourth - 3.0, TOLERANCE * (24.0 / count).sqrt());
    // The sample's standard deviation misses that of a uniform law by √(1/5n), relative: the peak over it does as well.
    let slack = 1e-4 + 4.0 * (0.2 / count).sqrt();
    if peak < 3.0_f64.sqrt() * (1.0 + slack) && (excess + 1.2).abs() < error {
        // The bound is known far better than the standard deviation.
        let bound = peak * std * (count + 1.0) / count;
        return Some(law(Some(WeightFamily::Uniform), mean, bound / 3.0_f64.sqrt()));
    }
    if peak < 2.0 / TRUNCATED_STD * 1.01 && (excess - TRUNCATED_KURTOSIS).abs() < error {
        return Some(law(Some(WeightFamily::TruncatedNormal), mean, std));
    }
    Some(law((excess.abs() < error).then_some(WeightFamily::Normal), mean, std))
}

/// Whether the rows (the columns of a tall matrix) are orthogonal and of one length; sixty-four of them tell.
fn is_orthogonal(values: &[f32], fans: Fans) -> bool {
    let (rows, columns) = (fans.units, fans.inputs);
    if rows.min(columns) < 8 || values.len() != rows * columns {
        return false;
    }
    let wide = rows <= columns;
    let (count, length) = if wide { (rows, columns) } else { (columns, rows) };
    let at = |vector: usize, place: usize| {
        f64::from(if wide {
            values[vector * columns + place]
        } else {
            values[place * columns + vector]
        })
    };
    let count = count.min(64);
    let product = |a: usize, b: usize| (0..length).map(|i| at(a, i) * at(b, i)).sum::<f64>();
    let lengths: Vec<f64> = (0..count).map(|a| product(a, a)).collect();
    let scale = lengths.iter().sum::<f64>() / count as f64;
    let even = lengths.iter().all(|square| (square - scale).abs() < 1e-4 * scale);
    even && (0..count).all(|a| (0..a).all(|b| product(a, b).abs() < 1e-4 * scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};
    use crate::net::Weights;
    use crate::net::sample::fill_weights;
    use crate::spec::{Architecture, InitScheme, Shape};

    const FANS: Fans = Fans { inputs: 64, outputs: 100, units: 100 };

    fn drawn(family: WeightFamily, std: f64, len: usize) -> Vec<f32> {
        let mut values = vec![0.0; len];
        let stream = Stream::new(Seed(3), 0, 1, Purpose::Weights);
        fill_weights(family, std, &stream, 0, &mut values).unwrap();
        values
    }

    #[test]
    fn each_law_and_rule_is_told() {
        for family in [WeightFamily::Normal, WeightFamily::Uniform, WeightFamily::TruncatedNormal] {
            for (rule, std) in rules(FANS) {
                let law = read_weights(&drawn(family, std, 6400), FANS).unwrap();
                assert_eq!((law.family, law.rule), (Some(family), Some(rule)), "{law}");
                assert_eq!(law.std, std);
            }
            let odd = read_weights(&drawn(family, 0.6, 6400), FANS).unwrap();
            assert_eq!((odd.family, odd.rule), (Some(family), None));
            assert!((odd.std / 0.6 - 1.0).abs() < 0.04, "{odd}");
        }
    }

    /// Whether a sample's standard deviation falls above or below that of the law is a matter of luck.
    #[test]
    fn every_sample_of_a_law_is_told() {
        for family in [WeightFamily::Normal, WeightFamily::Uniform, WeightFamily::TruncatedNormal] {
            for (seed, len) in (0..40).flat_map(|seed| [(seed, 400), (seed, 20_000)]) {
                let mut values = vec![0.0; len];
                let stream = Stream::new(Seed(seed), 0, 1, Purpose::Weights);
                fill_weights(family, 0.05, &stream, 0, &mut values).unwrap();
                let law = read(&values, None).unwrap();
                // Four hundred values tell a cut normal law from a normal one only mostly.
                let told = law.family == Some(family);
                assert!(
                    told || (len == 400 && family == WeightFamily::TruncatedNormal),
                    "{family} {seed} {len}: {law}"
                );
            }
        }
    }

    #[test]
    fn heavy_tails_and_trained_weights_follow_no_law() {
        let law = read_weights(&drawn(WeightFamily::Laplace, 0.1, 6400), FANS).unwrap();
        assert_eq!(law.family, None);
        assert!(law.to_string().contains("no law"), "{law}");
        let init = layer_init(&law, None, FANS);
        assert_eq!(init.family, WeightFamily::Normal);
        assert!((init.weight_variance / 0.64 - 1.0).abs() < 0.1, "{init:?}");
    }

    #[test]
    fn zeros_stay_out_and_constants_are_named() {
        let mut sparse = drawn(WeightFamily::Normal, 0.02, 6400);
        sparse.iter_mut().step_by(2).for_each(|w| *w = 0.0);
        assert_eq!(read_weights(&sparse, FANS).unwrap().rule, Some("0.02"));
        let ones = read_weights(&vec![1.0; 6400], FANS).unwrap();
        assert!(ones.constant && ones.mean == 1.0);
        let zero = read(&[0.0; 7], None).unwrap();
        assert_eq!(layer_init(&ones, Some(&zero), FANS).bias_variance, 0.0);
        assert_eq!(read(&[f32::NAN, 1.0], None), None);
        assert_eq!(read(&[], None).map(|law| law.constant), Some(true));
    }

    #[test]
    fn biases_of_torch_layers_are_told_from_ten_values() {
        let weights =
            read_weights(&drawn(WeightFamily::Uniform, (1.0_f64 / 192.0).sqrt(), 6400), FANS);
        let weights = weights.unwrap();
        let biases = drawn(WeightFamily::Uniform, (1.0_f64 / 192.0).sqrt(), 10);
        let law = read_biases(&biases, &weights, FANS).unwrap();
        assert_eq!(law.rule, Some(TORCH));
        let init = layer_init(&weights, Some(&law), FANS);
        assert!(init.uniform_bias);
        assert!((init.weight_variance - 1.0 / 3.0).abs() < 1e-15);
        assert!((init.bias_variance - 1.0 / 192.0).abs() < 1e-15);
    }

    #[test]
    fn orthogonal_weights_are_told_in_either_shape() {
        let layers = Architecture::mlp(&"tanh".parse().unwrap(), 2, 40, 100);
        let network = layers.resolve(&Shape::flat(64).unwrap()).unwrap();
        let init = InitScheme::new("orthogonal".parse().unwrap());
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let weights: Weights = Weights::draw(&network, &inits, Seed(0), 0).unwrap();
        for (layer, fans) in weights.layers.iter().zip([(64, 40), (40, 100)]) {
            let (inputs, units) = fans;
            // Stored as [fan_in, outputs].
            let law =
                read_weights(&layer.weight, Fans { inputs: units, outputs: inputs, units: inputs });
            assert_eq!(law.unwrap().family, Some(WeightFamily::Orthogonal));
        }
    }
}
