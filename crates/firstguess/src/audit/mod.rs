//! The weight audit: do the weights in a file follow the law that they should have been drawn from?
//!
//! One network, one draw: what can be told are the scale of each tensor, the shape of its law, and accidents that no law
//! produces. [`Audit::new`] measures; the rules of [`finding`](crate::finding) judge.

mod duplicates;
mod expectation;
mod explanation;
mod statistics;

pub use duplicates::Duplicate;
pub use expectation::{AuditError, Expectation};
pub use explanation::{Explanation, Kind};
pub use statistics::Statistics;

use crate::net::NamedTensor;
use crate::spec::network::Network;
use crate::spec::scheme::{InitScheme, LayerInit};
use serde::Serialize;
use statistics::SAMPLE;

/// What a tensor is in its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A matrix or a kernel.
    Weight,
    /// A vector that is added.
    Bias,
    /// A table of vectors, of which one may be zero on purpose (padding).
    Embedding,
    /// Scales of normalisations and whatever else.
    Other,
}

impl Role {
    /// By what a tensor is called and how many axes it has.
    fn of(name: &str, axes: usize) -> Self {
        let name = name.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        if has(&["norm", "ln_", ".bn", "bn1", "bn2", "bn3", "running_"]) {
            Self::Other
        } else if axes >= 2 && has(&["embed", "wte", "wpe"]) {
            Self::Embedding
        } else if axes >= 2 {
            Self::Weight
        } else if axes == 1 && has(&["bias"]) {
            Self::Bias
        } else {
            Self::Other
        }
    }
}

/// One tensor, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TensorAudit {
    /// Its name in the file.
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
    /// What its values are like.
    pub statistics: Statistics,
    /// The law that it should follow, where one is known.
    pub expected: Option<Expectation>,
    /// How its scale differs from that of the law, where it does.
    pub deviation: Option<Deviation>,
}

/// A scale that is not that of the law.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deviation {
    /// Root mean square of the values over the standard deviation of the law.
    pub factor: f64,
    /// Relative standard error of that factor under the law.
    pub std_error: f64,
    /// The mistake that gives just this factor, where one is known.
    pub explanation: Option<Explanation>,
}

/// A weight file, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// What was audited, for titles.
    pub name: String,
    /// The law that the weights should follow, in words.
    pub law: Option<String>,
    /// Every tensor in the order of the file.
    pub tensors: Vec<TensorAudit>,
    /// Pairs of tensors that share their random numbers.
    pub duplicates: Vec<Duplicate>,
    /// Number of residual branches of the network, where it is known.
    pub branches: usize,
    /// Standardised values of all weights with an independent law, by that law.
    #[serde(skip)]
    pub pooled: Vec<Pool>,
}

/// Weights of one law over all tensors, each tensor brought to variance one.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// The law that they should follow.
    pub family: crate::spec::weights::WeightFamily,
    /// Some of the values, sorted.
    pub values: Vec<f64>,
    /// Largest of all, in size.
    pub largest: f64,
    /// All values, of which these are some.
    pub count: usize,
}

/// What the weights should be.
#[derive(Debug, Clone, Copy)]
pub enum Law<'a> {
    /// Nothing is known: accidents only.
    Unknown,
    /// Every matrix and kernel follows a scheme, with the fans that its shape says.
    Scheme(&'a InitScheme),
    /// The network with the draw of each layer.
    Network(&'a Network, &'a [LayerInit]),
}

impl Audit {
    /// Measures every tensor and finds what belongs to it.
    ///
    /// # Errors
    ///
    /// [`AuditError`] for tensors that do not fit the network, or a scheme that has no variances of its own.
    pub fn new(
        name: impl Into<String>,
        tensors: &[NamedTensor],
        law: Law<'_>,
    ) -> Result<Self, AuditError> {
        let expected = expectation::expectations(tensors, law)?;
        let mut audited = Vec::with_capacity(tensors.len());
        let mut pooled: Vec<Pool> = Vec::new();
        for (tensor, expected) in tensors.iter().zip(expected) {
            let statistics = Statistics::of(&tensor.shape, &tensor.values);
            let role = expected
                .as_ref()
                .map_or_else(|| Role::of(&tensor.name, tensor.shape.len()), |e| e.role);
            let deviation = expected.as_ref().and_then(|e| e.deviation(&statistics));
            if let Some(expected) = expected.as_ref().filter(|e| e.role == Role::Weight) {
                statistics.pool(expected.family, &tensor.values, &mut pooled);
            }
            audited.push(TensorAudit {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                role,
                statistics,
                expected,
                deviation,
            });
        }
        for pool in &mut pooled {
            pool.values.sort_unstable_by(f64::total_cmp);
        }
        let duplicates = duplicates::find(tensors, &audited);
        Ok(Self {
            name: name.into(),
            law: match law {
                Law::Unknown => None,
                Law::Scheme(scheme) => Some(scheme.scheme.to_string()),
                Law::Network(..) => Some("the model's own".to_owned()),
            },
            tensors: audited,
            duplicates,
            branches: match law {
                Law::Network(network, _) => network.residual_blocks,
                _ => 0,
            },
            pooled,
        })
    }

    /// Tensors that hold weights.
    pub fn weights(&self) -> impl Iterator<Item = &TensorAudit> {
        self.tensors.iter().filter(|tensor| tensor.role == Role::Weight)
    }
}

impl Pool {
    /// Kolmogorov-Smirnov distance of the values from a law of variance one; NaN for laws without independent entries.
    pub fn distance(&self, family: crate::spec::weights::WeightFamily) -> f64 {
        let n = self.values.len() as f64;
        self.values
            .iter()
            .enumerate()
            .map(|(at, x)| {
                let p = family.cdf(*x).unwrap_or(f64::NAN);
                (p - at as f64 / n).abs().max(((at + 1) as f64 / n - p).abs())
            })
            .fold(0.0, |largest, d| if d > largest || d.is_nan() { d } else { largest })
    }

    fn has_room(&self) -> bool {
        self.values.len() < SAMPLE
    }
}
