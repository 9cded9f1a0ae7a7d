//! The `firstguess` command line.
fn main() {}
