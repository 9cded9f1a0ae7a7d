//! Figures and tables of the papers, computed again: what they state beside what comes out here.
//!
//! A figure is one file and one entry of [`FIGURES`]. Each compares numbers ([`Claim`]), keeps what it drew as tables and shows it as
//! pictures. Theory is compared to its last digit, simulations within their errors: how far apart is stated with every number.

mod class_fractions;
mod correlation_by_depth;
mod data_shift;
mod depth_scales;
mod ensemble;
mod first_layer_drift;
mod gaussian_pairs;
mod gradient_profile;
mod loss_bias;
mod norm_gradients;
mod phase_diagrams;
mod pool_size;
mod pooled_phase_diagrams;
mod residual_correlation;
mod width_scaling;

use crate::math::stream::Seed;
use crate::measure::laboratory::LaboratoryError;
use crate::measure::{Estimate, MeasureError, Progress};
use crate::report::picture::Picture;
use crate::spec::{DatasetError, ShapeError, SpecError};
use crate::theory::NoTheory;
use crate::theory::prejudice::PrejudiceError;
use serde::Serialize;

/// One figure or table that can be computed again.
#[derive(Debug)]
pub struct Figure {
    /// Its name on the command line, fit for a file.
    pub id: &'static str,
    /// What it shows, in one line.
    pub title: &'static str,
    /// Keys of docs/references.bib.
    pub sources: &'static [&'static str],
    /// What was computed, and where it differs from the source, in a few sentences.
    pub about: &'static str,
    compute: fn(&mut Setting<'_>) -> Result<Findings, ReproduceError>,
}

/// Every figure, in the order of reading.
pub static FIGURES: &[&Figure] = &[
    &class_fractions::FIGURE,
    &first_layer_drift::FIGURE,
    &correlation_by_depth::FIGURE,
    &phase_diagrams::FIGURE,
    &pooled_phase_diagrams::FIGURE,
    &pool_size::FIGURE,
    &data_shift::FIGURE,
    &depth_scales::FIGURE,
    &width_scaling::FIGURE,
    &gradient_profile::FIGURE,
    &residual_correlation::FIGURE,
    &norm_gradients::FIGURE,
    &gaussian_pairs::FIGURE,
    &loss_bias::FIGURE,
];

/// The figure of this name.
pub fn figure(id: &str) -> Option<&'static Figure> {
    FIGURES.iter().copied().find(|figure| figure.id == id)
}

impl Figure {
    /// Computes it.
    ///
    /// Fixed by the seed to the last digit, whatever the number of threads.
    ///
    /// # Errors
    ///
    /// [`ReproduceError`]: cancellation; anything else is a defect.
    ///
    /// # Examples
    ///
    /// ```
    /// use firstguess::math::stream::Seed;
    /// use firstguess::reproduce::figure;
    /// let shift = figure("data-shift").expect("listed").reproduce(Seed(0), &mut ())?;
    /// assert!(shift.holds());
    /// # Ok::<(), firstguess::reproduce::ReproduceError>(())
    /// ```
    pub fn reproduce(
        &'static self,
        seed: Seed,
        progress: &mut dyn Progress,
    ) -> Result<Reproduction, ReproduceError> {
        let found = (self.compute)(&mut Setting { seed, progress })?;
        Ok(Reproduction { figure: self, seed: seed.0, found })
    }
}

/// What a figure may use.
struct Setting<'a> {
    seed: Seed,
    progress: &'a mut dyn Progress,
}

/// A figure, computed.
#[derive(Debug, Clone)]
pub struct Reproduction {
    /// Which.
    pub figure: &'static Figure,
    /// The seed of every random number.
    pub seed: u64,
    /// What came out.
    pub found: Findings,
}

impl Reproduction {
    /// Whether every claim holds.
    pub fn holds(&self) -> bool {
        self.found.claims.iter().all(Claim::holds)
    }
}

/// What came out of a figure.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Numbers beside each other.
    pub claims: Vec<Claim>,
    /// What the pictures show.
    pub tables: Vec<Table>,
    /// The pictures, each with a name of its own.
    pub pictures: Vec<Picture>,
}

/// What a source states or its formula gives; of networks, what theory says of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stated {
    /// This, give or take.
    About {
        /// The number.
        value: f64,
        /// How far ours may be from it, its own standard errors not counted.
        tolerance: f64,
    },
    /// No more than this.
    AtMost {
        /// The bound.
        value: f64,
    },
    /// No less than this.
    AtLeast {
        /// The bound.
        value: f64,
    },
}

/// Our number: from theory, or measured with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Ours {
    /// Deterministic.
    Exact(f64),
    /// Measured.
    Measured(Estimate),
}

impl From<f64> for Ours {
    fn from(value: f64) -> Self {
        Self::Exact(value)
    }
}

impl From<Estimate> for Ours {
    fn from(estimate: Estimate) -> Self {
        Self::Measured(estimate)
    }
}

impl Ours {
    /// The number; NaN where there is none.
    pub fn value(self) -> f64 {
        match self {
            Self::Exact(value) => value,
            Self::Measured(estimate) => estimate.value,
        }
    }

    /// Its standard error; zero where it has none.
    pub fn std_error(self) -> f64 {
        match self {
            Self::Exact(_) => 0.0,
            Self::Measured(estimate) => estimate.std_error.unwrap_or(0.0),
        }
    }
}

/// A number of the source beside ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is compared.
    pub what: String,
    /// What the source states.
    pub stated: Stated,
    /// What came out here.
    pub ours: Ours,
}

/// Standard errors by which a measured number may be off beside the tolerance.
const STANDARD_ERRORS: f64 = 4.0;

impl Claim {
    fn about(what: impl Into<String>, value: f64, tolerance: f64, ours: impl Into<Ours>) -> Self {
        Self { what: what.into(), stated: Stated::About { value, tolerance }, ours: ours.into() }
    }

    fn at_most(what: impl Into<String>, value: f64, ours: impl Into<Ours>) -> Self {
        Self { what: what.into(), stated: Stated::AtMost { value }, ours: ours.into() }
    }

    fn at_least(what: impl Into<String>, value: f64, ours: impl Into<Ours>) -> Self {
        Self { what: what.into(), stated: Stated::AtLeast { value }, ours: ours.into() }
    }

    /// Whether ours is what was stated, within the tolerance and four standard errors; never for NaN.
    pub fn holds(&self) -> bool {
        let (ours, slack) = (self.ours.value(), STANDARD_ERRORS * self.ours.std_error());
        match self.stated {
            Stated::About { value, tolerance } => (ours - value).abs() <= tolerance + slack,
            Stated::AtMost { value } => ours <= value + slack,
            Stated::AtLeast { value } => ours >= value - slack,
        }
    }
}

impl Serialize for Claim {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut state = serializer.serialize_struct("Claim", 4)?;
        state.serialize_field("what", &self.what)?;
        state.serialize_field("stated", &self.stated)?;
        state.serialize_field("ours", &self.ours)?;
        state.serialize_field("holds", &self.holds())?;
        state.end()
    }
}

/// Rows of numbers, each with a word of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name among the tables of the figure.
    pub name: String,
    /// Headings, that of the word first.
    pub columns: Vec<&'static str>,
    /// Word and numbers; what is not known is NaN.
    pub rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    fn new(name: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { name: name.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    fn push(&mut self, word: impl Into<String>, numbers: impl IntoIterator<Item = f64>) {
        self.rows.push((word.into(), numbers.into_iter().collect()));
    }

    /// As comma-separated values; an empty field is a number that is not known.
    pub fn csv(&self) -> String {
        let mut text = self.columns.join(",") + "\n";
        for (word, numbers) in &self.rows {
            // Names of functions may hold commas: gaussian pairs of two parameters.
            text += &if word.contains(',') { format!("\"{word}\"") } else { word.clone() };
            for number in numbers {
                text.push(',');
                if number.is_finite() {
                    text += &number.to_string();
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Why a figure was not computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum ReproduceError {
    #[error(transparent)]
    NoTheory(#[from] NoTheory),
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    Laboratory(#[from] LaboratoryError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Data(#[from] DatasetError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    Prejudice(#[from] PrejudiceError),
}

#[cfg(test)]
mod tests;
