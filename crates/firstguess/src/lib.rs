//! Theory, measurement and judgement of neural-network initializations.
pub mod math;
