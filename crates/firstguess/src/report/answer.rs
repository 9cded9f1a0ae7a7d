//! Answers of theory to single questions, as the command line, Python and the web show them.
//!
//! Each answer is a value with public fields and one JSON form ([`Envelope`] puts it into an object of its own).

mod cite;
mod critical;
mod explain;
mod fields;
mod guess;
mod pair;
mod predict;

pub use cite::{CiteAnswer, UnknownWork, Work};
pub use critical::CriticalAnswer;
pub use explain::{ExplainAnswer, Page};
pub use fields::{Envelope, MapFields};
pub use guess::GuessAnswer;
pub use pair::{PairAnswer, PairPoint};
pub use predict::{LayerNumbers, LayerState, PredictAnswer, PredictedBulk, PredictedGuess};
