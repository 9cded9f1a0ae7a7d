//! Update rules, with PyTorch's definitions.
#![expect(
    clippy::inline_always,
    reason = "a loop that is not inlined into the dispatched call is compiled for the baseline instruction set"
)]

use crate::net::{NetError, Scalar, Weights};
use crate::spec::error::SpecError;
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How weights are changed, how fast, and what is added to or cut from the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Optimizer {
    /// The rule.
    pub method: Method,
    /// The learning rate at the start.
    pub rate: f64,
    /// How the rate changes.
    pub schedule: RateSchedule,
    /// `λ`: `λ w` is added to the gradient; with AdamW, weights shrink by `1 - rate·λ` instead. Biases too, as in PyTorch.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient; a larger one is scaled down to it.
    pub clip: Option<f64>,
}

/// The rule of an [`Optimizer`]. Text form: `sgd`, `sgd(0.9)`, `nesterov(0.9)`, `adam(0.9,0.999)`, `adamw`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Method {
    /// Gradient descent.
    ///
    /// ```text
    /// m ← μ m + g (m = g at the first step),   w ← w - rate · m,   Nesterov: w ← w - rate (g + μ m)
    /// ```
    Sgd {
        /// `μ`; 0 keeps no memory.
        momentum: f64,
        /// Whether to look ahead.
        nesterov: bool,
    },
    /// Adam with [`EPSILON`].
    ///
    /// ```text
    /// m ← β₁ m + (1-β₁) g,   v ← β₂ v + (1-β₂) g²
    /// w ← w - rate · m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + ε)
    /// ```
    Adam {
        /// `β₁`.
        beta1: f64,
        /// `β₂`.
        beta2: f64,
    },
    /// Adam whose weight decay does not go through the gradient.
    AdamW {
        /// `β₁`.
        beta1: f64,
        /// `β₂`.
        beta2: f64,
    },
}

/// `ε` of Adam.
pub const EPSILON: f64 = 1e-8;

/// How the learning rate changes. Text form: `constant`, `step(5,0.1)`, `cosine`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RateSchedule {
    /// Not at all.
    Constant,
    /// Times `factor` after every so many epochs.
    Step {
        /// Epochs between drops.
        epochs: f64,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Half a cosine from the rate at the first step to 0 after the last.
    Cosine,
}

impl Default for Optimizer {
    /// Adam at 1e-3.
    fn default() -> Self {
        Self {
            method: Method::ADAM,
            rate: 1e-3,
            schedule: RateSchedule::Constant,
            weight_decay: 0.0,
            clip: None,
        }
    }
}

impl Method {
    /// Adam with β₁ = 0.9, β₂ = 0.999.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999 };
    /// Plain gradient descent.
    pub const SGD: Self = Self::Sgd { momentum: 0.0, nesterov: false };
}

impl Optimizer {
    /// Plain gradient descent at this rate.
    pub fn sgd(rate: f64) -> Self {
        Self { method: Method::SGD, rate, ..Self::default() }
    }

    /// Adam at this rate.
    pub fn adam(rate: f64) -> Self {
        Self { rate, ..Self::default() }
    }

    /// The same at another rate.
    #[must_use]
    pub const fn at(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Checks every number.
    ///
    /// # Errors
    ///
    /// [`SpecError::OutOfDomain`] for a rate that is not positive, a decay below 0, or a norm to clip at that is not
    /// positive.
    pub fn validate(&self) -> Result<(), SpecError> {
        let positive = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 && value <= 1e6 {
                Ok(())
            } else {
                Err(SpecError::out_of_domain(name, "positive and at most 1e6", value))
            }
        };
        positive("learning rate", self.rate)?;
        if let Some(norm) = self.clip {
            positive("clip", norm)?;
        }
        if !(0.0..=1e6).contains(&self.weight_decay) {
            return Err(SpecError::out_of_domain("weight_decay", "in [0, 1e6]", self.weight_decay));
        }
        Ok(())
    }

    /// Steps before the first one whose rate is a factor below that of the step before; `None` where the rate never drops.
    ///
    /// A cosine falls at every step and drops at none.
    pub fn first_drop(&self, steps_per_epoch: usize) -> Option<usize> {
        let RateSchedule::Step { epochs, factor } = self.schedule else { return None };
        let steps = (epochs * steps_per_epoch.max(1) as f64 * (1.0 - 1e-9)).ceil().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and a cast that is too large saturates"
        )]
        (factor < 1.0).then_some(steps as usize)
    }

    /// The rate at `step` of `steps`, at `epoch` epochs.
    pub fn rate_at(&self, step: usize, steps: usize, epoch: f64) -> f64 {
        match self.schedule {
            RateSchedule::Constant => self.rate,
            RateSchedule::Step { epochs, factor } => {
                // A drop falls on the step that begins the epoch, whatever the rounding of step over steps per epoch.
                self.rate * factor.powf((epoch / epochs + 1e-9).floor())
            }
            RateSchedule::Cosine => {
                let passed = step as f64 / steps.max(1) as f64;
                self.rate * 0.5 * (1.0 + (std::f64::consts::PI * passed.min(1.0)).cos())
            }
        }
    }
}

/// What an [`Optimizer`] remembers of earlier gradients.
#[derive(Debug, Clone)]
pub struct Memory<T = f32> {
    first: Option<Weights<T>>,
    second: Option<Weights<T>>,
    updates: i32,
}

impl<T: Scalar> Memory<T> {
    /// No memory yet, for weights of this shape.
    pub fn new(optimizer: &Optimizer, like: &Weights<T>) -> Self {
        let zeros = || {
            let mut zeros = like.clone();
            zeros.clear();
            zeros
        };
        let adam = !matches!(optimizer.method, Method::Sgd { .. });
        let plain = matches!(optimizer.method, Method::Sgd { momentum: 0.0, .. });
        Self { first: (!plain).then(zeros), second: adam.then(zeros), updates: 0 }
    }

    /// One update by the gradient, which is left at zero.
    ///
    /// `penalty` is the coefficient of `Σ|w|` in what is minimised.
    ///
    /// # Errors
    ///
    /// [`NetError::Length`] if the shapes differ.
    pub fn update(
        &mut self,
        optimizer: &Optimizer,
        rate: f64,
        penalty: f64,
        weights: &mut Weights<T>,
        gradient: &mut Weights<T>,
    ) -> Result<(), NetError> {
        if weights.layers.len() != gradient.layers.len() {
            return Err(NetError::Length {
                what: "the gradient, in layers,",
                expected: weights.layers.len().to_string(),
                found: gradient.layers.len(),
            });
        }
        self.updates = self.updates.saturating_add(1);
        let scale = optimizer.clip.map_or(1.0, |largest| clip_factor(gradient, largest));
        let t = T::from_f64;
        let decoupled = matches!(optimizer.method, Method::AdamW { .. });
        let common = Common {
            scale: t(scale),
            decay: t(if decoupled { 0.0 } else { optimizer.weight_decay }),
            penalty: t(penalty),
            penalised: (optimizer.weight_decay > 0.0 && !decoupled) || penalty > 0.0 || scale < 1.0,
        };
        let rule = match optimizer.method {
            Method::Sgd { momentum: 0.0, .. } => Rule::Plain { rate: t(rate) },
            Method::Sgd { momentum, nesterov } => Rule::Momentum {
                rate: t(rate),
                momentum: t(if self.updates == 1 { 0.0 } else { momentum }),
                ahead: nesterov.then(|| t(momentum)),
            },
            Method::Adam { beta1, beta2 } | Method::AdamW { beta1, beta2 } => {
                let correction1 = 1.0 - beta1.powi(self.updates);
                let correction2 = 1.0 - beta2.powi(self.updates);
                Rule::Adam {
                    keep: [t(beta1), t(beta2)],
                    take: [t(1.0 - beta1), t(1.0 - beta2)],
                    rate: t(rate / correction1),
                    root: t(1.0 / correction2.sqrt()),
                    epsilon: t(EPSILON),
                    shrink: t(if decoupled { 1.0 - rate * optimizer.weight_decay } else { 1.0 }),
                }
            }
        };
        let arch = Arch::new();
        let mut none: Vec<T> = Vec::new();
        let mut nothing: Vec<T> = Vec::new();
        for (position, layer) in weights.layers.iter_mut().enumerate() {
            let from = &mut gradient.layers[position];
            for bias in [false, true] {
                let (w, g) = if bias {
                    (&mut layer.bias, &mut from.bias)
                } else {
                    (&mut layer.weight, &mut from.weight)
                };
                let first = slot(&mut self.first, position, bias, &mut none);
                let second = slot(&mut self.second, position, bias, &mut nothing);
                arch.dispatch(Update { weights: w, gradient: g, first, second, common, rule });
            }
        }
        Ok(())
    }
}

fn slot<'a, T>(
    memory: &'a mut Option<Weights<T>>,
    position: usize,
    bias: bool,
    none: &'a mut [T],
) -> &'a mut [T] {
    match memory.as_mut().and_then(|weights| weights.layers.get_mut(position)) {
        None => none,
        Some(layer) if bias => &mut layer.bias,
        Some(layer) => &mut layer.weight,
    }
}

/// What a gradient is multiplied by so that its norm is at most `largest`, as `torch.nn.utils.clip_grad_norm_` does it.
fn clip_factor<T: Scalar>(gradient: &Weights<T>, largest: f64) -> f64 {
    let square = |values: &[T]| values.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>();
    let total: f64 =
        gradient.layers.iter().map(|layer| square(&layer.weight) + square(&layer.bias)).sum();
    (largest / (total.sqrt() + 1e-6)).min(1.0)
}

/// What is done to the gradient before any rule.
#[derive(Clone, Copy)]
struct Common<T> {
    scale: T,
    decay: T,
    penalty: T,
    /// Whether any of them does anything.
    penalised: bool,
}

#[derive(Clone, Copy)]
enum Rule<T> {
    Plain { rate: T },
    Momentum { rate: T, momentum: T, ahead: Option<T> },
    Adam { keep: [T; 2], take: [T; 2], rate: T, root: T, epsilon: T, shrink: T },
}

/// The update of one tensor, compiled once for each instruction set.
struct Update<'a, T> {
    weights: &'a mut [T],
    gradient: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    common: Common<T>,
    rule: Rule<T>,
}

impl<T: Scalar> WithSimd for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { weights, gradient, first, second, common, rule } = self;
        if common.penalised {
            for (g, w) in gradient.iter_mut().zip(weights.iter()) {
                let size = if *w > T::ZERO {
                    common.penalty
                } else if *w < T::ZERO {
                    -common.penalty
                } else {
                    T::ZERO
                };
                *g = *g * common.scale + common.decay * *w + size;
            }
        }
        match rule {
            Rule::Plain { rate } => {
                for (w, g) in weights.iter_mut().zip(gradient) {
                    *w = *w - rate * *g;
                    *g = T::ZERO;
                }
            }
            Rule::Momentum { rate, momentum, ahead } => {
                for ((w, g), m) in weights.iter_mut().zip(gradient).zip(first) {
                    *m = momentum * *m + *g;
                    let step = match ahead {
                        Some(ahead) => *g + ahead * *m,
                        None => *m,
                    };
                    *w = *w - rate * step;
                    *g = T::ZERO;
                }
            }
            Rule::Adam { keep, take, rate, root, epsilon, shrink } => {
                let memory = first.iter_mut().zip(second);
                for ((w, g), (m, v)) in weights.iter_mut().zip(gradient).zip(memory) {
                    *m = keep[0] * *m + take[0] * *g;
                    *v = keep[1] * *v + take[1] * (*g * *g);
                    *w = *w * shrink - rate * (*m / (v.sqrt() * root + epsilon));
                    *g = T::ZERO;
                }
            }
        }
    }
}

/// `name` and its numbers, from `name(1,2)`.
fn call(what: &'static str, text: &str) -> Result<(String, Vec<f64>), SpecError> {
    let lower = text.trim().to_lowercase();
    let (name, arguments) = match lower.split_once('(') {
        None => (lower.clone(), String::new()),
        Some((name, rest)) => (name.to_owned(), rest.trim_end_matches(')').to_owned()),
    };
    let numbers = arguments
        .split(',')
        .map(str::trim)
        .filter(|argument| !argument.is_empty())
        .map(|argument| argument.parse::<f64>().ok().filter(|value| value.is_finite()))
        .collect::<Option<Vec<f64>>>();
    let numbers = numbers.ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        SpecError::Conflict(format!(
            "the parameters of {what} `{}` are not numbers",
            shown.escape_debug()
        ))
    })?;
    Ok((name, numbers))
}

impl FromStr for Method {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (name, numbers) = call("the optimizer", text)?;
        let share = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(value)
            } else {
                Err(SpecError::out_of_domain(name, "in [0, 1)", value))
            }
        };
        let betas = |numbers: &[f64]| -> Result<(f64, f64), SpecError> {
            let at = |i: usize, default| numbers.get(i).copied().unwrap_or(default);
            Ok((share("beta1", at(0, 0.9))?, share("beta2", at(1, 0.999))?))
        };
        match (name.as_str(), &numbers[..]) {
            ("sgd", []) => Ok(Self::SGD),
            ("sgd", [momentum]) => {
                Ok(Self::Sgd { momentum: share("momentum", *momentum)?, nesterov: false })
            }
            ("nesterov", []) => Ok(Self::Sgd { momentum: 0.9, nesterov: true }),
            ("nesterov", [momentum]) => {
                Ok(Self::Sgd { momentum: share("momentum", *momentum)?, nesterov: true })
            }
            ("adam", [] | [_] | [_, _]) => {
                betas(&numbers).map(|(beta1, beta2)| Self::Adam { beta1, beta2 })
            }
            ("adamw", [] | [_] | [_, _]) => {
                betas(&numbers).map(|(beta1, beta2)| Self::AdamW { beta1, beta2 })
            }
            ("sgd" | "nesterov" | "adam" | "adamw", _) => Err(SpecError::Conflict(
                "optimizers are sgd, sgd(MOMENTUM), nesterov(MOMENTUM), adam(BETA1,BETA2) and adamw(BETA1,BETA2)"
                    .to_owned(),
            )),
            _ => Err(SpecError::unknown_name(
                "optimizer",
                &name,
                &["sgd", "nesterov", "adam", "adamw"],
            )),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if matches!(self, Self::AdamW { .. }) { "adamw" } else { "adam" };
        match self {
            Self::Sgd { momentum: 0.0, .. } => f.write_str("sgd"),
            Self::Sgd { momentum, nesterov: false } => write!(f, "sgd({momentum})"),
            Self::Sgd { momentum, nesterov: true } => write!(f, "nesterov({momentum})"),
            Self::Adam { beta1: 0.9, beta2: 0.999 } | Self::AdamW { beta1: 0.9, beta2: 0.999 } => {
                f.write_str(name)
            }
            Self::Adam { beta1, beta2 } | Self::AdamW { beta1, beta2 } => {
                write!(f, "{name}({beta1},{beta2})")
            }
        }
    }
}

impl FromStr for RateSchedule {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (name, numbers) = call("the rate schedule", text)?;
        match (name.as_str(), &numbers[..]) {
            ("constant", []) => Ok(Self::Constant),
            ("cosine", []) => Ok(Self::Cosine),
            ("step", [epochs, factor])
                if *epochs > 0.0 && *epochs <= 1e6 && *factor > 0.0 && *factor <= 1.0 =>
            {
                Ok(Self::Step { epochs: *epochs, factor: *factor })
            }
            ("constant" | "cosine" | "step", _) => Err(SpecError::Conflict(
                "rate schedules are constant, cosine and step(EPOCHS,FACTOR) with a factor up to 1"
                    .to_owned(),
            )),
            _ => Err(SpecError::unknown_name(
                "rate schedule",
                &name,
                &["constant", "step", "cosine"],
            )),
        }
    }
}

impl fmt::Display for RateSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Cosine => f.write_str("cosine"),
            Self::Step { epochs, factor } => write!(f, "step({epochs},{factor})"),
        }
    }
}

macro_rules! text_form {
    ($($name:ident),*) => {
        $(
            impl TryFrom<String> for $name {
                type Error = SpecError;

                fn try_from(text: String) -> Result<Self, SpecError> {
                    text.parse()
                }
            }

            impl From<$name> for String {
                fn from(value: $name) -> Self {
                    value.to_string()
                }
            }
        )*
    };
}

text_form!(Method, RateSchedule);
