//! Initialization schemes: from a name to the variance and law of each layer's weights and biases.

use super::error::SpecError;
use super::gaussian_pair::{PairFamily, PairWeights};
use super::network::WeightLayer;
use super::weights::WeightFamily;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Which published rule sets the variances.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Scheme {
    /// `Var W = 2 / fan_in` (`he2015`).
    He(Draw),
    /// `Var W = 2 / (fan_in + fan_out)` (`glorot2010`).
    Glorot(Draw),
    /// `Var W = 1 / fan_in` (`lecun1998`).
    Lecun(Draw),
    /// Semi-orthogonal matrices times the gain (`saxe2014`).
    Orthogonal,
    /// Orthogonal in the centre tap of a convolution, zero elsewhere (`xiao2018`).
    DeltaOrthogonal,
    /// What `torch.nn.Linear` and `Conv2d` do: weights and biases uniform on `±1/√fan_in`, so `σ_w² = 1/3`.
    TorchDefault,
    /// The edge of chaos of the network's activation at the given bias variance.
    Critical,
    /// The weights of a Gaussian pair at their own scale, `gaussian_pair(3)`: with the activation `gaussian_odd(3)` or
    /// `gaussian_positive(3)` every layer keeps N(0, 1) (`wolinski2025`).
    ///
    /// ```text
    /// σ_w² = (1 - σ_b²) E W²   (first layer: Gaussian weights, σ_w² = 1 - σ_b²)
    /// ```
    ///
    /// A bias takes its variance from the weights, so that the sum stays 1.
    GaussianPair(PairFamily),
    /// `weight_variance` and `bias_variance` as given.
    Explicit,
}

/// The law of the entries in the schemes that come in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Draw {
    /// Normal.
    Normal,
    /// Uniform.
    Uniform,
    /// Normal cut at two standard deviations, rescaled to the exact variance.
    TruncatedNormal,
}

impl Draw {
    const fn family(self) -> WeightFamily {
        match self {
            Self::Normal => WeightFamily::Normal,
            Self::Uniform => WeightFamily::Uniform,
            Self::TruncatedNormal => WeightFamily::TruncatedNormal,
        }
    }
}

/// Every scheme without a parameter, by its name in spec files and on the command line; beside them there is
/// `gaussian_pair(θ)`. The one list of schemes.
pub const SCHEMES: [(&str, Scheme); 14] = [
    ("he_normal", Scheme::He(Draw::Normal)),
    ("he_uniform", Scheme::He(Draw::Uniform)),
    ("he_truncated_normal", Scheme::He(Draw::TruncatedNormal)),
    ("glorot_normal", Scheme::Glorot(Draw::Normal)),
    ("glorot_uniform", Scheme::Glorot(Draw::Uniform)),
    ("glorot_truncated_normal", Scheme::Glorot(Draw::TruncatedNormal)),
    ("lecun_normal", Scheme::Lecun(Draw::Normal)),
    ("lecun_uniform", Scheme::Lecun(Draw::Uniform)),
    ("lecun_truncated_normal", Scheme::Lecun(Draw::TruncatedNormal)),
    ("orthogonal", Scheme::Orthogonal),
    ("delta_orthogonal", Scheme::DeltaOrthogonal),
    ("torch_default", Scheme::TorchDefault),
    ("critical", Scheme::Critical),
    ("explicit", Scheme::Explicit),
];

impl FromStr for Scheme {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let name = text.trim().to_lowercase();
        if name == PAIR || name.starts_with("gaussian_pair(") {
            return pair(&name);
        }
        // The names by which the frameworks know the same rules.
        let name = match name.as_str() {
            "kaiming_normal" => "he_normal",
            "kaiming_uniform" => "he_uniform",
            "xavier_normal" => "glorot_normal",
            "xavier_uniform" => "glorot_uniform",
            other => other,
        };
        SCHEMES.iter().find(|(known, _)| *known == name).map(|(_, scheme)| *scheme).ok_or_else(
            || {
                let known: Vec<&str> =
                    SCHEMES.iter().map(|(known, _)| *known).chain(["gaussian_pair(2)"]).collect();
                SpecError::unknown_name("scheme", text, &known)
            },
        )
    }
}

const PAIR: &str = "gaussian_pair";

/// `gaussian_pair(family)`, checked: afterwards the weights have a partner and networks can draw them.
fn pair(name: &str) -> Result<Scheme, SpecError> {
    let family = name.strip_prefix(PAIR).and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'));
    let Some(family) = family.filter(|family| !family.trim().is_empty()) else {
        return Err(SpecError::Conflict(
            "scheme `gaussian_pair` needs the exponent or the family of its weights, such as gaussian_pair(2), \
             gaussian_pair(3) or gaussian_pair(sphere(3))"
                .to_owned(),
        ));
    };
    let refused = |error| SpecError::Conflict(format!("scheme `{PAIR}({family})`: {error}"));
    let family: PairFamily = family.parse().map_err(refused)?;
    PairWeights::new(family).map_err(refused)?;
    if family.weight_family().is_none() {
        return Err(SpecError::Conflict(format!(
            "scheme `{PAIR}({family})`: networks draw Weibull and bounded weights with a parameter of at most 1e6; inf is \
             the random sign"
        )));
    }
    Ok(Scheme::GaussianPair(family))
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::GaussianPair(family) = self {
            return write!(f, "{PAIR}({family})");
        }
        let name = SCHEMES.iter().find(|(_, scheme)| scheme == self).map_or("explicit", |(n, _)| n);
        f.write_str(name)
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A scheme with its options: the `[init]` table of a spec file.
///
/// # Examples
///
/// ```
/// use firstguess::spec::scheme::InitScheme;
/// let he: InitScheme = serde_json::from_str(r#"{ "scheme": "he_normal", "bias_variance": 0.1 }"#)?;
/// assert_eq!(he.bias_variance, Some(0.1));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitScheme {
    /// The rule.
    pub scheme: Scheme,
    /// Factor on the rule's standard deviation; 1 leaves the rule as published.
    #[serde(default = "one")]
    pub gain: f64,
    /// `σ_w² = fan_in · Var W_ij`, with the scheme `explicit` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_variance: Option<f64>,
    /// `σ_b² = Var b_i`; the rule's own where absent (zero, but for `torch_default`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_variance: Option<f64>,
    /// The law of the entries, where it is not the rule's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_law: Option<WeightFamily>,
}

const fn one() -> f64 {
    1.0
}

/// How one layer's weights and biases are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerInit {
    /// Law of the entries of `W`.
    pub family: WeightFamily,
    /// `σ_w² = fan_in · Var W_ij`.
    pub weight_variance: f64,
    /// `σ_b² = Var b_i`.
    pub bias_variance: f64,
    /// Whether biases are uniform, as PyTorch draws them, rather than normal.
    pub uniform_bias: bool,
}

impl LayerInit {
    /// Standard deviation of one weight of a layer with this fan-in.
    pub fn weight_std(&self, fan_in: usize) -> f64 {
        (self.weight_variance / fan_in as f64).sqrt()
    }
}

impl InitScheme {
    /// A scheme without options.
    pub const fn new(scheme: Scheme) -> Self {
        Self { scheme, gain: 1.0, weight_variance: None, bias_variance: None, weight_law: None }
    }

    /// Normal weights and biases of the given variances.
    pub const fn explicit(weight_variance: f64, bias_variance: f64) -> Self {
        Self {
            weight_variance: Some(weight_variance),
            bias_variance: Some(bias_variance),
            ..Self::new(Scheme::Explicit)
        }
    }

    /// Checks the numbers and that the options go together.
    ///
    /// # Errors
    ///
    /// [`SpecError`] for a variance that is negative, NaN or infinite, a gain that is not positive, `explicit` without a
    /// weight variance, or a weight variance beside another scheme.
    pub fn validate(&self) -> Result<(), SpecError> {
        if !(self.gain.is_finite() && self.gain > 0.0 && self.gain <= 1e3) {
            return Err(SpecError::out_of_domain("gain", "positive and at most 1e3", self.gain));
        }
        let fields =
            [("weight_variance", self.weight_variance), ("bias_variance", self.bias_variance)];
        for (name, value) in fields {
            if let Some(value) = value
                && !(value.is_finite() && (0.0..=1e6).contains(&value))
            {
                return Err(SpecError::out_of_domain(name, "finite, ≥ 0 and at most 1e6", value));
            }
        }
        if let Scheme::GaussianPair(_) = self.scheme {
            if let Some(bias) = self.bias_variance.filter(|bias| *bias >= 1.0) {
                let domain = "below 1 with a Gaussian pair, whose pre-activations have variance 1 with the bias";
                return Err(SpecError::out_of_domain("bias_variance", domain, bias));
            }
            if let Some(law) = self.weight_law {
                return Err(SpecError::Conflict(format!(
                    "scheme `{}` sets the law of the weights; leave out weight_law = \"{law}\", or use `explicit`",
                    self.scheme
                )));
            }
        }
        match (self.scheme, self.weight_variance) {
            (Scheme::Explicit, None) => Err(SpecError::Conflict(
                "scheme `explicit` needs `weight_variance`, such as weight_variance = 2.0"
                    .to_owned(),
            )),
            (scheme, Some(_)) if scheme != Scheme::Explicit => Err(SpecError::Conflict(format!(
                "`weight_variance` goes with scheme `explicit`; `{scheme}` sets its own (use `gain` to scale it)"
            ))),
            _ => Ok(()),
        }
    }

    /// The draw of one layer.
    ///
    /// # Errors
    ///
    /// [`SpecError::Conflict`] for `critical`, whose variances theory must find first (`check` does).
    pub fn layer(&self, layer: &WeightLayer) -> Result<LayerInit, SpecError> {
        self.validate()?;
        let (fan_in, fan_out) = (layer.fan_in as f64, layer.fan_out as f64);
        let (base, family) = match self.scheme {
            Scheme::He(draw) => (2.0, draw.family()),
            Scheme::Glorot(draw) => (2.0 * fan_in / (fan_in + fan_out), draw.family()),
            Scheme::Lecun(draw) => (1.0, draw.family()),
            Scheme::Orthogonal => {
                // Rows are orthonormal up to a square matrix, columns beyond it.
                ((fan_in / layer.outputs as f64).min(1.0), WeightFamily::Orthogonal)
            }
            Scheme::DeltaOrthogonal => {
                // Only the centre tap is not zero: its matrix maps channels to channels.
                let channels_in = fan_in / layer.taps as f64;
                ((channels_in / layer.outputs as f64).min(1.0), WeightFamily::DeltaOrthogonal)
            }
            Scheme::TorchDefault => (1.0 / 3.0, WeightFamily::Uniform),
            Scheme::Explicit => (self.weight_variance.unwrap_or(1.0), WeightFamily::Normal),
            Scheme::GaussianPair(family) => self.pair_weights(family, layer)?,
            Scheme::Critical => {
                return Err(SpecError::Conflict(
                    "scheme `critical` has no variances before theory has found them".to_owned(),
                ));
            }
        };
        let torch = self.scheme == Scheme::TorchDefault;
        let own_bias = if torch { 1.0 / (3.0 * fan_in) } else { 0.0 };
        Ok(LayerInit {
            family: self.weight_law.unwrap_or(family),
            weight_variance: layer.own.weight_variance.unwrap_or(base * self.gain * self.gain),
            bias_variance: layer.own.bias_variance.or(self.bias_variance).unwrap_or(own_bias),
            uniform_bias: torch,
        })
    }

    /// The first layer turns inputs of mean square 1 into exact normals; the others keep them.
    fn pair_weights(
        &self,
        family: PairFamily,
        layer: &WeightLayer,
    ) -> Result<(f64, WeightFamily), SpecError> {
        let bias = layer.own.bias_variance.or(self.bias_variance).unwrap_or(0.0);
        if bias >= 1.0 {
            let domain =
                "below 1 with a Gaussian pair, whose pre-activations have variance 1 with the bias";
            return Err(SpecError::out_of_domain("bias_variance", domain, bias));
        }
        if layer.index == 1 {
            return Ok((1.0 - bias, WeightFamily::Normal));
        }
        let refused = |why: String| SpecError::Conflict(format!("scheme `{}`: {why}", self.scheme));
        let weights = PairWeights::new(family).map_err(|error| refused(error.to_string()))?;
        let law = family.weight_family().ok_or_else(|| refused("no such weights".to_owned()))?;
        Ok(((1.0 - bias) * weights.second_moment(), law))
    }
}

/// A scheme with its options in one line: `he_normal`, `explicit(1.5,0.05)` (weight and bias variance),
/// `glorot_uniform(gain=2,bias_variance=0.1)`.
impl FromStr for InitScheme {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        // What stands in these parentheses is part of the name.
        if text.trim().starts_with(PAIR) {
            return Ok(Self::new(text.parse()?));
        }
        let (name, arguments) = match text.trim().split_once('(') {
            None => (text.trim(), ""),
            Some((name, rest)) => (
                name,
                rest.strip_suffix(')').ok_or_else(|| {
                    SpecError::Conflict(
                        "the options of a scheme end in `)`, as in explicit(2,0.1)".to_owned(),
                    )
                })?,
            ),
        };
        let mut init = Self::new(name.parse()?);
        for (position, argument) in
            arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty()).enumerate()
        {
            let (key, value) = match argument.split_once('=') {
                Some((key, value)) => (key.trim(), value.trim()),
                None if init.scheme == Scheme::Explicit && position < 2 => {
                    (["weight_variance", "bias_variance"][position], argument)
                }
                None => {
                    return Err(SpecError::Conflict(format!(
                        "options of `{name}` are named: gain=, bias_variance=, and with explicit weight_variance="
                    )));
                }
            };
            let number: f64 = value.parse().map_err(|_| {
                let shown: String = value.chars().take(60).collect();
                SpecError::Conflict(format!("`{}` is not a number", shown.escape_debug()))
            })?;
            match key {
                "gain" => init.gain = number,
                "weight_variance" => init.weight_variance = Some(number),
                "bias_variance" => init.bias_variance = Some(number),
                _ => {
                    let known = ["gain", "weight_variance", "bias_variance"];
                    return Err(SpecError::unknown_name("option", key, &known));
                }
            }
        }
        init.validate()?;
        Ok(init)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::layer::OwnVariances;

    #[test]
    fn a_scheme_in_one_line() -> Result<(), SpecError> {
        let explicit: InitScheme = "explicit(1.5, 0.05)".parse()?;
        assert_eq!(explicit, InitScheme::explicit(1.5, 0.05));
        let pair: InitScheme = "gaussian_pair(3)".parse()?;
        assert_eq!(pair.scheme.to_string(), "gaussian_pair(3)");
        let gained: InitScheme = "he_normal(gain=2,bias_variance=0.1)".parse()?;
        assert_eq!((gained.gain, gained.bias_variance), (2.0, Some(0.1)));
        for (text, expected) in [
            ("he_norml", "did you mean `he_normal`"),
            ("he_normal(2)", "are named"),
            ("explicit", "needs `weight_variance`"),
            ("explicit(1", "end in `)`"),
            ("explicit(x)", "not a number"),
            ("he_normal(gian=1)", "did you mean `gain`"),
        ] {
            let error = text.parse::<InitScheme>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        Ok(())
    }

    fn layer(fan_in: usize, outputs: usize) -> WeightLayer {
        WeightLayer {
            index: 1,
            fan_in,
            fan_out: outputs,
            outputs,
            taps: 1,
            own: OwnVariances::default(),
        }
    }

    #[test]
    fn each_rule_gives_its_published_variance() -> Result<(), SpecError> {
        for (name, fan_in, outputs, weight, bias) in [
            ("he_normal", 100, 50, 2.0, 0.0),
            ("glorot_uniform", 100, 300, 0.5, 0.0),
            ("lecun_normal", 100, 50, 1.0, 0.0),
            ("orthogonal", 100, 50, 1.0, 0.0),
            ("orthogonal", 50, 100, 0.5, 0.0),
            ("torch_default", 100, 50, 1.0 / 3.0, 1.0 / 300.0),
            ("kaiming_normal", 100, 50, 2.0, 0.0),
        ] {
            let init = InitScheme::new(name.parse()?).layer(&layer(fan_in, outputs))?;
            assert!((init.weight_variance - weight).abs() < 1e-15, "{name}: {init:?}");
            assert!((init.bias_variance - bias).abs() < 1e-15, "{name}: {init:?}");
        }
        Ok(())
    }

    /// 16 to 32 channels under a 3×3 kernel: half of the variance is kept, as by a 16 to 32 dense isometry.
    #[test]
    fn a_delta_orthogonal_kernel_counts_channels_not_taps() -> Result<(), SpecError> {
        let conv = WeightLayer { taps: 9, ..layer(16 * 9, 32) };
        let init = InitScheme::new(Scheme::DeltaOrthogonal).layer(&conv)?;
        assert_eq!(init.weight_variance, 0.5);
        Ok(())
    }

    #[test]
    fn a_gain_multiplies_the_standard_deviation_and_a_layer_may_set_its_own()
    -> Result<(), SpecError> {
        let gained = InitScheme { gain: 3.0, ..InitScheme::new(Scheme::Lecun(Draw::Normal)) };
        assert_eq!(gained.layer(&layer(10, 10))?.weight_variance, 9.0);
        let own = OwnVariances { weight_variance: Some(0.25), bias_variance: Some(0.5) };
        let init = gained.layer(&WeightLayer { own, ..layer(10, 10) })?;
        assert_eq!((init.weight_variance, init.bias_variance), (0.25, 0.5));
        Ok(())
    }

    /// E W² of the theory's table; a bias takes its share; the first layer is Gaussian.
    #[test]
    fn a_pair_draws_its_own_law_at_its_own_scale() -> Result<(), SpecError> {
        let second = WeightLayer { index: 2, ..layer(30, 30) };
        for (name, law, variance) in [
            ("gaussian_pair(2)", "weibull(2)", 1.0),
            ("gaussian_pair(3)", "weibull(3)", 0.90274529),
            ("gaussian_pair(2.05)", "weibull(2.05)", 0.98993203),
            ("gaussian_pair(inf)", "rademacher", 1.0),
            ("gaussian_pair(sphere(3))", "sphere(3)", 1.0),
            ("gaussian_pair(bounded_power(2))", "bounded_power(2)", 0.5),
            ("gaussian_pair(generalized_gamma(1,3))", "generalized_gamma(1,3)", 0.90274529),
        ] {
            let scheme: Scheme = name.parse()?;
            assert_eq!(scheme.to_string(), name);
            let init = InitScheme::new(scheme).layer(&second)?;
            assert_eq!(init.family.to_string(), law);
            assert!((init.weight_variance - variance).abs() < 6e-9, "{name}: {init:?}");
            assert_eq!(init.bias_variance, 0.0);
            let first = InitScheme::new(scheme).layer(&layer(30, 30))?;
            assert_eq!((first.family, first.weight_variance), (WeightFamily::Normal, 1.0));
            let biased = InitScheme { bias_variance: Some(0.25), ..InitScheme::new(scheme) };
            let biased = biased.layer(&second)?;
            assert!((biased.weight_variance - 0.75 * init.weight_variance).abs() < 1e-15);
        }
        Ok(())
    }

    #[test]
    fn wrong_options_are_refused_with_what_to_do() {
        for (json, expected) in [
            (r#"{"scheme":"gaussian_pair"}"#, "such as gaussian_pair(2)"),
            (r#"{"scheme":"gaussian_pair()"}"#, "such as gaussian_pair(2)"),
            (r#"{"scheme":"gaussian_pair(1.5)"}"#, "heavier"),
            (r#"{"scheme":"gaussian_pair(2.001)"}"#, "2.005"),
            (r#"{"scheme":"gaussian_pair(nan)"}"#, "`theta` must be"),
            (r#"{"scheme":"gaussian_pair(-3)"}"#, "`theta` must be"),
            (r#"{"scheme":"gaussian_pair(normal)"}"#, "constant"),
            (r#"{"scheme":"gaussian_pair(1e9)"}"#, "at most 1e6"),
            (r#"{"scheme":"gaussian_pair(3","gain":1.0}"#, "such as gaussian_pair(2)"),
            (r#"{"scheme":"gaussian_pair(3)","bias_variance":1.0}"#, "below 1"),
            (r#"{"scheme":"gaussian_pair(3)","weight_law":"normal"}"#, "sets the law"),
            (r#"{"scheme":"gaussian_pair(3)","weight_variance":1.0}"#, "use `gain`"),
            (r#"{"scheme":"he_norml"}"#, "did you mean `he_normal`"),
            (r#"{"scheme":"explicit"}"#, "needs `weight_variance`"),
            (r#"{"scheme":"he_normal","weight_variance":2.0}"#, "use `gain`"),
            (r#"{"scheme":"he_normal","bias_variance":-1.0}"#, "`bias_variance` must be"),
            (r#"{"scheme":"he_normal","gain":0.0}"#, "`gain` must be"),
            (r#"{"scheme":"he_normal","bais_variance":1.0}"#, "bais_variance"),
        ] {
            let outcome = serde_json::from_str::<InitScheme>(json)
                .map_err(|e| e.to_string())
                .and_then(|init| init.validate().map_err(|e| e.to_string()));
            let error = outcome.unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
