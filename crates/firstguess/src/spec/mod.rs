//! What was asked, and the vocabulary it is asked in. Checked once: afterwards a spec cannot be ill-formed.
pub mod weights;
