//! One file per command: each turns its arguments into a question to the library, and the answer into text or JSON.

pub(crate) mod check;
pub(crate) mod cite;
pub(crate) mod completions;
pub(crate) mod critical;
pub(crate) mod explain;
pub(crate) mod guess;
pub(crate) mod model;
pub(crate) mod predict;
