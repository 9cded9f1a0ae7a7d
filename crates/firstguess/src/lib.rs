//! Theory, measurement and judgement of neural-network initializations.

pub mod math;
pub mod measure;
pub mod net;
pub mod spec;
pub mod theory;
