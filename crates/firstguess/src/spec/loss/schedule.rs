//! When training goes over from cross-entropy to another loss.

use super::Loss;
use super::text::{call, number};
use crate::spec::error::SpecError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A loss and when it takes over from cross-entropy.
///
/// The text form is the loss and, behind `@`, the switch: `blurry(0.3)@delay(4)`, `blurry(0.3)@ramp(2,4)`,
/// `piecewise_zero(0.05)@guard(0.3)`.
///
/// # Examples
///
/// ```
/// use firstguess::spec::loss::LossSchedule;
/// let schedule: LossSchedule = "blurry(0.3)@ramp(2,4)".parse()?;
/// assert_eq!([0.0, 3.0, 9.0].map(|epoch| schedule.share(epoch, false)), [0.0, 0.5, 1.0]);
/// assert_eq!(schedule.to_string(), "blurry(0.3)@ramp(2,4)");
/// # Ok::<(), firstguess::spec::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LossSchedule {
    /// What is minimised in the end; cross-entropy before.
    pub loss: Loss,
    /// When.
    pub switch: Switch,
}

/// When the loss takes over from cross-entropy. Epochs are passes over the training data and may be fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Switch {
    /// From the first step.
    AtOnce,
    /// After so many epochs, as in the released code (`pellegrino2025b`).
    Delay {
        /// Epochs of cross-entropy.
        epochs: f64,
    },
    /// A convex combination whose share of the loss rises from 0 to 1.
    Ramp {
        /// Epoch at which it starts.
        start: f64,
        /// Epoch at which the loss stands alone.
        end: f64,
    },
    /// As soon as the share of training samples that the loss would mask or push away falls below a bound, measured on
    /// the minibatches of half an epoch; for good. A loss that never backs off takes over at the first measurement.
    Guard {
        /// The bound: the expected share of wrong labels and a margin.
        bound: f64,
    },
}

impl LossSchedule {
    /// This loss from the first step.
    pub const fn at_once(loss: Loss) -> Self {
        Self { loss, switch: Switch::AtOnce }
    }

    /// Share of the loss in what is minimised at `epoch`; the rest is cross-entropy. `released` says whether the guard has
    /// let it through.
    pub fn share(&self, epoch: f64, released: bool) -> f64 {
        let passed = |yes: bool| f64::from(u8::from(yes));
        match self.switch {
            Switch::AtOnce => 1.0,
            Switch::Delay { epochs } => passed(epoch >= epochs),
            Switch::Ramp { start, end } if end > start => {
                ((epoch - start) / (end - start)).clamp(0.0, 1.0)
            }
            Switch::Ramp { start, .. } => passed(epoch >= start),
            Switch::Guard { .. } => passed(released),
        }
    }
}

impl From<Loss> for LossSchedule {
    fn from(loss: Loss) -> Self {
        Self::at_once(loss)
    }
}

impl FromStr for LossSchedule {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let Some((loss, switch)) = text.split_once('@') else {
            return Ok(Self::at_once(text.parse()?));
        };
        let loss = loss.parse()?;
        let (name, arguments) = call(switch)?;
        let values =
            arguments.iter().map(|a| number(&name, a)).collect::<Result<Vec<f64>, SpecError>>()?;
        let epochs = |value: f64| {
            if (0.0..=1e6).contains(&value) {
                Ok(value)
            } else {
                Err(SpecError::out_of_domain(
                    name.clone(),
                    "a number of epochs from 0 to 1e6",
                    value,
                ))
            }
        };
        let switch = match (name.as_str(), &values[..]) {
            ("delay", [e]) => Switch::Delay { epochs: epochs(*e)? },
            ("ramp", [start, end]) if start <= end => {
                Switch::Ramp { start: epochs(*start)?, end: epochs(*end)? }
            }
            ("guard", [bound]) if (0.0..=1.0).contains(bound) => Switch::Guard { bound: *bound },
            ("delay" | "ramp" | "guard", _) => {
                return Err(SpecError::Conflict(
                    "a switch is delay(EPOCHS), ramp(START,END) with START <= END, or guard(SHARE) with a share from 0 \
                     to 1"
                        .to_owned(),
                ));
            }
            _ => {
                return Err(SpecError::unknown_name("switch", &name, &["delay", "ramp", "guard"]));
            }
        };
        Ok(Self { loss, switch })
    }
}

impl fmt::Display for LossSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.loss)?;
        match self.switch {
            Switch::AtOnce => Ok(()),
            Switch::Delay { epochs } => write!(f, "@delay({epochs})"),
            Switch::Ramp { start, end } => write!(f, "@ramp({start},{end})"),
            Switch::Guard { bound } => write!(f, "@guard({bound})"),
        }
    }
}

impl TryFrom<String> for LossSchedule {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<LossSchedule> for String {
    fn from(schedule: LossSchedule) -> Self {
        schedule.to_string()
    }
}
