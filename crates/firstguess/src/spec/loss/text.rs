//! Reading and writing losses as text; the one list of losses.

use super::{Agce, Blurry, Focal, Gce, Loss, LossKind, PiecewiseZero, Sce};
use crate::spec::error::SpecError;
use std::fmt;
use std::str::FromStr;

/// One line of the vocabulary, for parsing and for help texts.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Canonical name.
    pub name: &'static str,
    /// Other names understood, in lower case.
    pub aliases: &'static [&'static str],
    /// The parameters, in the order of the call.
    pub parameters: &'static [Parameter],
    /// The function in plain text; p is the labelled probability.
    pub formula: &'static str,
    /// Key in docs/references.bib, where it has a source.
    pub source: Option<&'static str>,
    build: fn(&[f64]) -> LossKind,
}

/// A parameter of a loss.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The value taken where the call leaves it out.
    pub default: f64,
    /// Smallest value allowed.
    pub low: f64,
    /// Largest value allowed.
    pub high: f64,
}

const fn parameter(name: &'static str, default: f64, low: f64, high: f64) -> Parameter {
    Parameter { name, default, low, high }
}

const fn entry(
    name: &'static str,
    aliases: &'static [&'static str],
    formula: &'static str,
    source: Option<&'static str>,
    build: fn(&[f64]) -> LossKind,
) -> Entry {
    Entry { name, aliases, parameters: &[], formula, source, build }
}

impl Entry {
    const fn with(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }
}

/// Exponents below this would divide by nothing.
const TINY: f64 = 1e-3;

/// Every loss, in the order in which help texts list them.
pub static VOCABULARY: &[Entry] =
    &[
        entry("cross_entropy", &["ce"], "-ln p", None, |_| LossKind::CrossEntropy),
        entry("mse", &["brier"], "mean over classes of (p_k - [k = y])^2", None, |_| LossKind::Mse),
        entry(
            "logit_mse",
            &[],
            "mean over classes of (z_k - [k = y])^2, z the logits",
            None,
            |_| LossKind::LogitMse,
        ),
        entry("focal", &["fl"], "-(1-p)^g ln p", Some("lin2017"), |p| {
            LossKind::Focal(Focal { g: p[0] })
        })
        .with(&[parameter("g", 2.0, 0.0, 50.0)]),
        entry("mae", &[], "1 - p", None, |_| LossKind::Mae),
        entry("gce", &[], "(1 - p^q)/q", Some("zhang2018"), |p| LossKind::Gce(Gce { q: p[0] }))
            .with(&[parameter("q", 0.7, TINY, 10.0)]),
        entry("sce", &[], "a*cross_entropy + b*rce", Some("wang2019"), |p| {
            LossKind::Sce(Sce { a: p[0], b: p[1] })
        })
        .with(&[parameter("a", 0.1, 0.0, 1e3), parameter("b", 1.0, 0.0, 1e3)]),
        entry("rce", &[], "9.2103*(1 - p)", Some("wang2019"), |_| LossKind::Rce),
        entry("nce", &[], "ln p / sum over k of ln p_k", Some("ma2020"), |_| LossKind::Nce),
        entry("nfl", &[], "focal / sum over labels of focal", Some("ma2020"), |p| LossKind::Nfl {
            g: p[0],
        })
        .with(&[parameter("g", 0.5, 0.0, 50.0)]),
        entry("nce_rce", &["nce+rce"], "alpha*nce + beta*rce", Some("ma2020"), |p| {
            LossKind::NceRce { alpha: p[0], beta: p[1] }
        })
        .with(&[parameter("alpha", 1.0, 0.0, 1e3), parameter("beta", 1.0, 0.0, 1e3)]),
        entry("nce_agce", &["nce+agce"], "alpha*nce + beta*agce(a,q)", Some("zhou2021"), |p| {
            LossKind::NceAgce { alpha: p[0], beta: p[1], agce: Agce { a: p[2], q: p[3] } }
        })
        .with(&[
            parameter("alpha", 1.0, 0.0, 1e3),
            parameter("beta", 4.0, 0.0, 1e3),
            parameter("a", 6.0, TINY, 1e3),
            parameter("q", 1.5, TINY, 10.0),
        ]),
        entry("nnce", &[], "1 - (16.118 + ln p)/sum over k of (16.118 + ln p_k)", None, |_| {
            LossKind::Nnce
        }),
        entry("anl_ce", &[], "alpha*nce + beta*nnce + delta*|weights|_1", None, |p| {
            LossKind::AnlCe { alpha: p[0], beta: p[1], delta: p[2] }
        })
        .with(&[
            parameter("alpha", 5.0, 0.0, 1e3),
            parameter("beta", 5.0, 0.0, 1e3),
            parameter("delta", 5e-5, 0.0, 1.0),
        ]),
        entry("anl_fl", &[], "as anl_ce with focal losses of exponent g", None, |p| {
            LossKind::AnlFl { alpha: p[0], beta: p[1], delta: p[2], g: p[3] }
        })
        .with(&[
            parameter("alpha", 5.0, 0.0, 1e3),
            parameter("beta", 5.0, 0.0, 1e3),
            parameter("delta", 5e-5, 0.0, 1.0),
            parameter("g", 0.5, 0.0, 50.0),
        ]),
        entry("agce", &[], "((a+1)^q - (a+p)^q)/q", Some("zhou2021"), |p| {
            LossKind::Agce(Agce { a: p[0], q: p[1] })
        })
        .with(&[parameter("a", 6.0, TINY, 1e3), parameter("q", 1.5, TINY, 10.0)]),
        entry("blurry", &["bl"], "-p^g ln p", Some("pellegrino2025b"), |p| {
            LossKind::Blurry(Blurry { g: p[0] })
        })
        .with(&[parameter("g", 0.3, 0.0, 50.0)]),
        entry("piecewise_zero", &["pz"], "-ln p if p >= c, else 0", Some("pellegrino2025b"), |p| {
            LossKind::PiecewiseZero(PiecewiseZero { c: p[0] })
        })
        .with(&[parameter("c", 0.05, 0.0, 1.0)]),
    ];

impl LossKind {
    fn call(self) -> (&'static str, Vec<f64>) {
        match self {
            Self::CrossEntropy => ("cross_entropy", vec![]),
            Self::Mse => ("mse", vec![]),
            Self::LogitMse => ("logit_mse", vec![]),
            Self::Focal(Focal { g }) => ("focal", vec![g]),
            Self::Mae => ("mae", vec![]),
            Self::Gce(Gce { q }) => ("gce", vec![q]),
            Self::Sce(Sce { a, b }) => ("sce", vec![a, b]),
            Self::Rce => ("rce", vec![]),
            Self::Nce => ("nce", vec![]),
            Self::Nfl { g } => ("nfl", vec![g]),
            Self::NceRce { alpha, beta } => ("nce_rce", vec![alpha, beta]),
            Self::NceAgce { alpha, beta, agce: Agce { a, q } } => {
                ("nce_agce", vec![alpha, beta, a, q])
            }
            Self::Nnce => ("nnce", vec![]),
            Self::AnlCe { alpha, beta, delta } => ("anl_ce", vec![alpha, beta, delta]),
            Self::AnlFl { alpha, beta, delta, g } => ("anl_fl", vec![alpha, beta, delta, g]),
            Self::Agce(Agce { a, q }) => ("agce", vec![a, q]),
            Self::Blurry(Blurry { g }) => ("blurry", vec![g]),
            Self::PiecewiseZero(PiecewiseZero { c }) => ("piecewise_zero", vec![c]),
        }
    }
}

fn find(name: &str) -> Option<&'static Entry> {
    VOCABULARY.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// `name(arguments)` or a bare name, in lower case.
pub(super) fn call(text: &str) -> Result<(String, Vec<String>), SpecError> {
    let lower = text.trim().to_lowercase();
    let (name, arguments) = match lower.split_once('(') {
        None => (lower.as_str(), ""),
        Some((name, rest)) => {
            let Some(arguments) = rest.strip_suffix(')') else {
                let shown: String = text.chars().take(60).collect();
                return Err(SpecError::Conflict(format!(
                    "`{}` does not end in `)`; write it as blurry(0.3)",
                    shown.escape_debug()
                )));
            };
            (name, arguments)
        }
    };
    let arguments = arguments.split(',').map(|a| a.trim().to_owned()).filter(|a| !a.is_empty());
    Ok((name.trim().to_owned(), arguments.collect()))
}

pub(super) fn number(what: &str, text: &str) -> Result<f64, SpecError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(60).collect();
        SpecError::Conflict(format!("`{}` in `{what}` is not a number", shown.escape_debug()))
    })
}

impl FromStr for Loss {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (name, arguments) = call(text)?;
        let Some(entry) = find(&name) else {
            let known: Vec<&str> = VOCABULARY.iter().map(|entry| entry.name).collect();
            return Err(SpecError::unknown_name("loss", &name, &known));
        };
        let mut values: Vec<f64> = entry.parameters.iter().map(|p| p.default).collect();
        let (mut detach, mut smoothing, mut position) = (false, 0.0, 0);
        for argument in &arguments {
            let (key, value) = match argument.split_once('=') {
                Some((key, value)) => (Some(key.trim()), value.trim()),
                None if argument == "detach_weight" => (Some("detach_weight"), "true"),
                None => (None, argument.as_str()),
            };
            let slot = match key {
                Some("detach_weight") => {
                    detach = match value {
                        "true" => true,
                        "false" => false,
                        _ => {
                            return Err(SpecError::Conflict(
                                "`detach_weight` is true or false".to_owned(),
                            ));
                        }
                    };
                    continue;
                }
                Some("label_smoothing") => {
                    smoothing = number(&name, value)?;
                    continue;
                }
                Some(key) => {
                    entry.parameters.iter().position(|p| p.name == key).ok_or_else(|| {
                        let mut known: Vec<&str> =
                            entry.parameters.iter().map(|p| p.name).collect();
                        known.extend(["detach_weight", "label_smoothing"]);
                        SpecError::unknown_name("parameter", key, &known)
                    })?
                }
                None => {
                    position += 1;
                    position - 1
                }
            };
            let Some(parameter) = entry.parameters.get(slot) else {
                return Err(SpecError::Conflict(format!(
                    "`{}` takes {}, got more",
                    entry.name,
                    signature(entry)
                )));
            };
            let value = number(&name, value)?;
            if !(parameter.low..=parameter.high).contains(&value) {
                return Err(SpecError::Conflict(format!(
                    "`{}` of `{}` must be from {} to {}, got {value}",
                    parameter.name, entry.name, parameter.low, parameter.high
                )));
            }
            values[slot] = value.abs();
        }
        let loss = Self::new((entry.build)(&values)).with_label_smoothing(smoothing)?;
        if detach { loss.with_detached_weight() } else { Ok(loss) }
    }
}

fn signature(entry: &Entry) -> String {
    if entry.parameters.is_empty() {
        return "no parameters".to_owned();
    }
    let names: Vec<&str> = entry.parameters.iter().map(|p| p.name).collect();
    format!("({})", names.join(", "))
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, parameters) = self.kind.call();
        let mut arguments: Vec<String> = parameters.iter().map(f64::to_string).collect();
        if self.detach_weight {
            arguments.push("detach_weight".to_owned());
        }
        if self.label_smoothing > 0.0 {
            arguments.push(format!("label_smoothing={}", self.label_smoothing));
        }
        if arguments.is_empty() {
            f.write_str(name)
        } else {
            write!(f, "{name}({})", arguments.join(","))
        }
    }
}

impl TryFrom<String> for Loss {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<Loss> for String {
    fn from(loss: Loss) -> Self {
        loss.to_string()
    }
}
