//! Is a neural network's initialization any good, and what will the untrained network guess?
//!
//! firstguess answers from theory (mean-field limits of infinite width), from measurement (ensembles of random finite
//! networks on real data), and by judgement (findings with remedies). The library is pure: it reads no file, asks no clock
//! and prints nothing.
//!
//! In reading order:
//!
//! - [`spec`]: what is asked, and the vocabulary: activations, layers, schemes, data;
//! - [`theory`]: what infinite width predicts; deterministic f64;
//! - [`net`] and [`measure`]: finite random networks, and estimates with standard errors;
//! - [`train`]: small networks trained, to see what becomes of them, and what that says of the labels;
//! - [`audit`]: the weights of a file against the law they should follow;
//! - [`finding`]: verdicts that see both; [`loss_doctor`]: the verdict on a loss;
//! - [`report`]: the forms in which people and programs read them;
//! - [`sweep`]: grids of questions, point by point;
//! - [`reproduce`]: the papers' figures, computed again;
//! - [`check()`]: the verb that ties them together; [`advise`]: what to do instead.

pub mod advise;
pub mod audit;
mod check;
pub mod finding;
pub mod loss_doctor;
pub mod math;
pub mod measure;
pub mod net;
pub mod report;
pub mod reproduce;
pub mod spec;
pub mod sweep;
pub mod theory;
pub mod train;
pub mod variance_panel;

pub use check::model;
pub use check::{
    CRITICAL_BIAS_VARIANCE, CheckError, KernelLimit, check, check_with_loss, concrete_init,
    layer_inits, predict_on, predict_within,
};
pub use report::Report;
