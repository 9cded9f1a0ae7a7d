//! A progress bar on stderr, once a second has passed and only on a terminal.

use std::time::Duration;

use firstguess::measure::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shown by `check`, `train` and their like.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// `doing` so many `things`.
    pub(crate) fn new(quiet: bool, doing: &str, things: &str) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = format!("  {doing} {{bar:30}} {{pos}}/{{len}} {things}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn advance(&mut self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        if self.0.elapsed() > Duration::from_secs(1) {
            self.0.set_position(done as u64);
        }
    }
}
