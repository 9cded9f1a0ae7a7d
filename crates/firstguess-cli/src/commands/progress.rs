//! A progress bar on stderr, once a second has passed and only on a terminal; and the clock of a budget.

use std::time::{Duration, Instant};

use firstguess::measure::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shown by `check`, `train` and their like.
pub(crate) struct Bar {
    shown: ProgressBar,
    start: Instant,
    budget: Option<Duration>,
}

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
        Self { shown: bar, start: Instant::now(), budget: None }
    }

    /// The same with a budget of so many seconds.
    pub(crate) fn within(self, seconds: Option<f64>) -> Self {
        Self { budget: seconds.map(Duration::from_secs_f64), ..self }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.shown.finish_and_clear();
    }
}

impl Progress for Bar {
    fn advance(&mut self, done: usize, total: usize) {
        if done == 0 {
            // What is counted begins now; a prediction may have come before.
            self.start = Instant::now();
            self.shown.reset();
        }
        self.shown.set_length(total as u64);
        if self.start.elapsed() > Duration::from_secs(1) {
            self.shown.set_position(done as u64);
        }
    }

    /// The next networks will take as long as those before.
    fn enough(&mut self, done: usize, next: usize) -> bool {
        let Some(budget) = self.budget else { return false };
        let elapsed = self.start.elapsed();
        elapsed + elapsed.mul_f64(next as f64 / done as f64) > budget
    }
}
