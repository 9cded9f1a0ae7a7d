//! The layers a network is written in, as they stand in a spec file.

use super::activation::Activation;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// One layer, or a group of layers, of an [`Architecture`](super::network::Architecture).
///
/// In a spec file a layer is a name (`"relu"`, `"flatten"`, `"layer_norm"`, an expression in `x`) or a table with one leading
/// key (`{ dense = 512 }`, `{ conv = 64, kernel = 3 }`, `{ repeat = 20, layers = [...] }`).
///
/// # Examples
///
/// ```
/// use firstguess::spec::layer::Layer;
/// let relu: Layer = "relu".parse()?;
/// assert_eq!(relu.to_string(), "relu");
/// # Ok::<(), firstguess::spec::activation::ActivationError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// `h = W x + b`, `[batch, fan_in] → [batch, units]`.
    Dense {
        /// Output units.
        units: usize,
        /// Overrides of the init scheme for this layer alone.
        own: OwnVariances,
    },
    /// Two-dimensional convolution, `[batch, channels_in, height, width] → [batch, channels, height', width']`.
    Conv {
        /// Output channels.
        channels: usize,
        /// Side of the square kernel, stride, zero padding and groups.
        window: ConvWindow,
        /// Overrides of the init scheme for this layer alone.
        own: OwnVariances,
    },
    /// An elementwise function.
    Activation(Activation),
    /// Pooling: over `size` consecutive units of a flat input, over `size × size` windows of an image.
    ///
    /// In the padding there is nothing for the largest and the smallest value, and zeros for the mean, as in PyTorch.
    Pool {
        /// What is taken over the window.
        kind: PoolKind,
        /// Units in the window, or the side of the square window of an image.
        size: usize,
        /// Step between windows; equals `size` unless given.
        stride: usize,
        /// Places added on each side, at most half of `size`; none unless given.
        padding: usize,
    },
    /// Mean over all positions, `[batch, channels, height, width] → [batch, channels]`.
    GlobalAveragePool,
    /// A normalisation with unit gain and zero shift, as at initialization.
    Norm(Norm),
    /// Inverted dropout: each unit is kept with probability `1 - rate` and then divided by it.
    Dropout {
        /// Probability of dropping a unit.
        rate: f64,
    },
    /// `[batch, channels, height, width] → [batch, channels·height·width]`.
    Flatten,
    /// `skip_scale · shortcut(x) + branch_scale · branch(x)`.
    Residual {
        /// The branch.
        branch: Vec<Layer>,
        /// The shortcut; empty for the identity.
        shortcut: Vec<Layer>,
        /// Factor on the branch.
        branch_scale: BranchScale,
    },
    /// The same layers `count` times over, each with its own weights.
    Repeat {
        /// How many times.
        count: usize,
        /// What is repeated.
        layers: Vec<Layer>,
    },
}

/// Variances that one layer sets for itself; what is `None` comes from the init scheme.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OwnVariances {
    /// `σ_w² = fan_in · Var W_ij`.
    pub weight_variance: Option<f64>,
    /// `σ_b² = Var b_i`.
    pub bias_variance: Option<f64>,
}

/// Geometry of a convolution with a square kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvWindow {
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Independent groups of channels.
    pub groups: usize,
}

/// What a pooling layer takes over its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The largest value.
    Max,
    /// The mean.
    Average,
    /// The smallest value.
    Min,
}

impl PoolKind {
    /// Key of the layer in a spec file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Max => "max_pool",
            Self::Average => "average_pool",
            Self::Min => "min_pool",
        }
    }
}

/// Normalisations, with `ε` neglected in theory and 1e-5 in networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Norm {
    /// Per unit (or channel), over the batch (and positions).
    Batch,
    /// Per example, over all units.
    Layer,
    /// Per example, over each of so many groups of channels.
    Group(usize),
    /// Per example, divided by the root mean square without centring.
    Rms,
}

impl Norm {
    /// Name in a spec file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch_norm",
            Self::Layer => "layer_norm",
            Self::Group(_) => "group_norm",
            Self::Rms => "rms_norm",
        }
    }
}

/// Factor on the branch of a residual block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BranchScale {
    /// A number.
    Factor(f64),
    /// `1/√L`, `L` the number of residual blocks of the whole network.
    InverseSqrtDepth,
}

impl BranchScale {
    /// The factor in a network of `blocks` residual blocks.
    pub fn factor(self, blocks: usize) -> f64 {
        match self {
            Self::Factor(factor) => factor,
            Self::InverseSqrtDepth => 1.0 / (blocks.max(1) as f64).sqrt(),
        }
    }
}

const INVERSE_SQRT_DEPTH: &str = "1/sqrt(depth)";

impl FromStr for Layer {
    type Err = super::activation::ActivationError;

    /// Layers that need no numbers; every other text is taken as an activation.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.trim() {
            "flatten" => Self::Flatten,
            "global_average_pool" => Self::GlobalAveragePool,
            "batch_norm" => Self::Norm(Norm::Batch),
            "layer_norm" => Self::Norm(Norm::Layer),
            "rms_norm" => Self::Norm(Norm::Rms),
            other => Self::Activation(other.parse()?),
        })
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense { units, .. } => write!(f, "dense {units}"),
            Self::Conv { channels, window, .. } => {
                write!(f, "conv {channels} {0}x{0}", window.kernel)
            }
            Self::Activation(activation) => activation.fmt(f),
            Self::Pool { kind, size, .. } => write!(f, "{} {size}", kind.key()),
            Self::GlobalAveragePool => f.write_str("global_average_pool"),
            Self::Norm(Norm::Group(groups)) => write!(f, "group_norm {groups}"),
            Self::Norm(norm) => f.write_str(norm.name()),
            Self::Dropout { rate } => write!(f, "dropout {rate}"),
            Self::Flatten => f.write_str("flatten"),
            Self::Residual { branch, .. } => write!(f, "residual [{}]", list(branch)),
            Self::Repeat { count, layers } => write!(f, "{count} x [{}]", list(layers)),
        }
    }
}

fn list(layers: &[Layer]) -> String {
    layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The table form of a layer: exactly one of the leading keys, and the options that go with it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    dense: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conv: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<Activation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pool: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_pool: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_pool: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_norm: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residual: Option<Vec<Layer>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<Layer>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortcut: Option<Vec<Layer>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch_scale: Option<ScaleForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stride: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    padding: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_variance: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bias_variance: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum ScaleForm {
    Factor(f64),
    Name(String),
}

/// Leading keys, each with the options it takes.
const FORMS: [(&str, &[&str]); 10] = [
    ("dense", &["weight_variance", "bias_variance"]),
    ("conv", &["kernel", "stride", "padding", "groups", "weight_variance", "bias_variance"]),
    ("activation", &[]),
    ("max_pool", &["stride", "padding"]),
    ("average_pool", &["stride", "padding"]),
    ("min_pool", &["stride", "padding"]),
    ("group_norm", &[]),
    ("dropout", &[]),
    ("residual", &["shortcut", "branch_scale"]),
    ("repeat", &["layers"]),
];

impl LayerTable {
    fn present(&self) -> Vec<&'static str> {
        let keys = [
            ("dense", self.dense.is_some()),
            ("conv", self.conv.is_some()),
            ("activation", self.activation.is_some()),
            ("max_pool", self.max_pool.is_some()),
            ("average_pool", self.average_pool.is_some()),
            ("min_pool", self.min_pool.is_some()),
            ("group_norm", self.group_norm.is_some()),
            ("dropout", self.dropout.is_some()),
            ("residual", self.residual.is_some()),
            ("repeat", self.repeat.is_some()),
            ("layers", self.layers.is_some()),
            ("shortcut", self.shortcut.is_some()),
            ("branch_scale", self.branch_scale.is_some()),
            ("kernel", self.kernel.is_some()),
            ("stride", self.stride.is_some()),
            ("padding", self.padding.is_some()),
            ("groups", self.groups.is_some()),
            ("weight_variance", self.weight_variance.is_some()),
            ("bias_variance", self.bias_variance.is_some()),
        ];
        keys.into_iter().filter(|(_, present)| *present).map(|(key, _)| key).collect()
    }

    fn into_layer(self) -> Result<Layer, String> {
        let present = self.present();
        let leading: Vec<_> = FORMS.iter().filter(|(key, _)| present.contains(key)).collect();
        let [(lead, options)] = leading[..] else {
            let all: Vec<_> = FORMS.iter().map(|(key, _)| *key).collect();
            return Err(format!(
                "a layer table has exactly one of the keys {}; found {}",
                all.join(", "),
                if leading.is_empty() { "none".to_owned() } else { present.join(", ") }
            ));
        };
        if let Some(extra) = present.iter().find(|key| *key != lead && !options.contains(key)) {
            let allowed =
                if options.is_empty() { "no option".to_owned() } else { options.join(", ") };
            return Err(format!("`{extra}` does not go with `{lead}`, which takes {allowed}"));
        }
        let own = OwnVariances {
            weight_variance: self.weight_variance,
            bias_variance: self.bias_variance,
        };
        if let Some(units) = self.dense {
            return Ok(Layer::Dense { units, own });
        }
        if let Some(channels) = self.conv {
            let kernel = self.kernel.unwrap_or(3);
            let window = ConvWindow {
                kernel,
                stride: self.stride.unwrap_or(1),
                padding: self.padding.unwrap_or(kernel / 2),
                groups: self.groups.unwrap_or(1),
            };
            return Ok(Layer::Conv { channels, window, own });
        }
        if let Some(activation) = self.activation {
            return Ok(Layer::Activation(activation));
        }
        let pools = [
            (PoolKind::Max, self.max_pool),
            (PoolKind::Average, self.average_pool),
            (PoolKind::Min, self.min_pool),
        ];
        for (kind, size) in pools {
            if let Some(size) = size {
                let (stride, padding) = (self.stride.unwrap_or(size), self.padding.unwrap_or(0));
                return Ok(Layer::Pool { kind, size, stride, padding });
            }
        }
        if let Some(groups) = self.group_norm {
            return Ok(Layer::Norm(Norm::Group(groups)));
        }
        if let Some(rate) = self.dropout {
            return Ok(Layer::Dropout { rate });
        }
        if let Some(branch) = self.residual {
            let branch_scale = match self.branch_scale {
                None => BranchScale::Factor(1.0),
                Some(ScaleForm::Factor(factor)) => BranchScale::Factor(factor),
                Some(ScaleForm::Name(name)) if name.replace(' ', "") == INVERSE_SQRT_DEPTH => {
                    BranchScale::InverseSqrtDepth
                }
                Some(ScaleForm::Name(name)) => {
                    return Err(format!(
                        "`branch_scale` is a number or \"{INVERSE_SQRT_DEPTH}\", got \"{name}\""
                    ));
                }
            };
            let shortcut = self.shortcut.unwrap_or_default();
            return Ok(Layer::Residual { branch, shortcut, branch_scale });
        }
        match (self.repeat, self.layers) {
            (Some(count), Some(layers)) => Ok(Layer::Repeat { count, layers }),
            _ => Err("`repeat` needs `layers = [...]` beside it".to_owned()),
        }
    }
}

impl From<&Layer> for LayerTable {
    fn from(layer: &Layer) -> Self {
        let mut table = Self::default();
        match layer.clone() {
            Layer::Dense { units, own } => {
                table.dense = Some(units);
                (table.weight_variance, table.bias_variance) =
                    (own.weight_variance, own.bias_variance);
            }
            Layer::Conv { channels, window, own } => {
                table.conv = Some(channels);
                table.kernel = Some(window.kernel);
                table.stride = Some(window.stride);
                table.padding = Some(window.padding);
                table.groups = Some(window.groups);
                (table.weight_variance, table.bias_variance) =
                    (own.weight_variance, own.bias_variance);
            }
            Layer::Pool { kind, size, stride, padding } => {
                table.padding = (padding > 0).then_some(padding);
                match kind {
                    PoolKind::Max => table.max_pool = Some(size),
                    PoolKind::Average => table.average_pool = Some(size),
                    PoolKind::Min => table.min_pool = Some(size),
                }
                table.stride = Some(stride);
            }
            Layer::Norm(Norm::Group(groups)) => table.group_norm = Some(groups),
            Layer::Dropout { rate } => table.dropout = Some(rate),
            Layer::Residual { branch, shortcut, branch_scale } => {
                table.residual = Some(branch);
                table.shortcut = (!shortcut.is_empty()).then_some(shortcut);
                table.branch_scale = Some(match branch_scale {
                    BranchScale::Factor(factor) => ScaleForm::Factor(factor),
                    BranchScale::InverseSqrtDepth => ScaleForm::Name(INVERSE_SQRT_DEPTH.to_owned()),
                });
            }
            Layer::Repeat { count, layers } => {
                table.repeat = Some(count);
                table.layers = Some(layers);
            }
            Layer::Activation(activation) => table.activation = Some(activation),
            Layer::GlobalAveragePool | Layer::Flatten | Layer::Norm(_) => {}
        }
        table
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Activation(_)
            | Self::GlobalAveragePool
            | Self::Flatten
            | Self::Norm(Norm::Batch | Norm::Layer | Norm::Rms) => serializer.collect_str(self),
            other => LayerTable::from(other).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LayerVisitor;
        impl<'de> Visitor<'de> for LayerVisitor {
            type Value = Layer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a layer: a name such as \"relu\" or a table such as { dense = 512 }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Layer, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Layer, A::Error> {
                LayerTable::deserialize(MapAccessDeserializer::new(map))?
                    .into_layer()
                    .map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(LayerVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Layer, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn every_form_survives_a_round_trip() {
        for json in [
            r#"{"dense":512}"#,
            r#"{"dense":512,"weight_variance":1.5}"#,
            r#"{"conv":64,"kernel":5,"stride":2,"padding":2,"groups":1}"#,
            r#""relu""#,
            r#""flatten""#,
            r#""layer_norm""#,
            r#"{"max_pool":2,"stride":2}"#,
            r#"{"max_pool":3,"stride":2,"padding":1}"#,
            r#"{"group_norm":8}"#,
            r#"{"dropout":0.1}"#,
            r#"{"residual":["relu",{"dense":8}],"branch_scale":"1/sqrt(depth)"}"#,
            r#"{"repeat":20,"layers":[{"dense":512},"relu"]}"#,
        ] {
            let layer = parse(json).unwrap();
            let back = serde_json::to_string(&layer).unwrap();
            assert_eq!(parse(&back).unwrap(), layer, "{json} -> {back}");
        }
    }

    #[test]
    fn a_wrong_table_says_what_is_allowed() {
        for (json, expected) in [
            (r#"{"dense":512,"kernel":3}"#, "`kernel` does not go with `dense`"),
            (r#"{"dense":512,"conv":3}"#, "exactly one"),
            (r#"{"kernel":3}"#, "exactly one"),
            (r#"{"repeat":3}"#, "needs `layers"),
            (r#"{"dens":3}"#, "unknown field `dens`"),
            (r#"{"residual":[],"branch_scale":"1/depth"}"#, "branch_scale"),
            (r#""rleu""#, "relu"),
            (r#"{"dense":-3}"#, "invalid value"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
