//! A progress bar on stderr, on a terminal only; and the clock of a budget.

use std::time::{Duration, Instant};

use firstguess::measure::{Overrun, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Share of a budget beyond which an overrun is told: waiting for the last networks always takes a little longer.
const TOLD: f64 = 1.2;

/// Shown by `check`, `train` and their like.
pub(crate) struct Bar {
    shown: ProgressBar,
    things: String,
    start: Instant,
    budget: Option<Duration>,
    open_ended: bool,
    /// When the first results were there, and how many.
    first: Option<(usize, Duration)>,
    last: Duration,
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
        if let Ok(style) = ProgressStyle::with_template(&format!("  {doing} {{bar:30}} {{msg}}")) {
            bar.set_style(style);
        }
        Self {
            shown: bar,
            things: things.to_owned(),
            start: Instant::now(),
            budget: None,
            open_ended: false,
            first: None,
            last: Duration::ZERO,
        }
    }

    /// The same with a budget of so many seconds.
    pub(crate) fn within(self, seconds: Option<f64>) -> Self {
        Self { budget: seconds.map(Duration::from_secs_f64), ..self }
    }

    /// The same where `total` is only an upper bound that nobody expects to be reached.
    pub(crate) fn open_ended(self, open_ended: bool) -> Self {
        Self { open_ended, ..self }
    }

    /// The same in the characters that the terminal knows.
    pub(crate) fn spelled(self, unicode: bool) -> Self {
        if !unicode {
            self.shown.set_style(self.shown.style().progress_chars("##-"));
        }
        self
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.shown.finish_and_clear();
    }

    /// By how much the budget was exceeded, where that is worth telling.
    pub(crate) fn overrun(&self) -> Option<Overrun> {
        overrun(self.budget?, self.first, self.last)
    }

    /// Where the bar stands, of what: under a budget in time, else in things.
    fn extent(&self, done: usize, total: usize) -> (u64, u64) {
        match self.budget {
            Some(budget) => {
                let of = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                (of(self.last.min(budget)), of(budget).max(1))
            }
            None => (done as u64, total as u64),
        }
    }
}

fn overrun(budget: Duration, first: Option<(usize, Duration)>, last: Duration) -> Option<Overrun> {
    (last > budget.mul_f64(TOLD)).then(|| Overrun {
        allowed_seconds: budget.as_secs_f64(),
        taken_seconds: last.as_secs_f64(),
        first_networks: first.filter(|(_, time)| *time > budget).map(|(networks, _)| networks),
    })
}

/// How far it has come, in words: nothing about time before there is a result to judge it by.
fn words(
    (done, total): (usize, usize),
    things: &str,
    elapsed: Duration,
    budget: Option<Duration>,
    open_ended: bool,
) -> String {
    let count = if open_ended || budget.is_some() {
        format!("{done} {things}")
    } else {
        format!("{done}/{total} {things}")
    };
    let left = match budget {
        _ if done == 0 => return count,
        Some(budget) => format!("{} of the budget left", time(budget.saturating_sub(elapsed))),
        None if open_ended => return count,
        None => {
            let rest = total.saturating_sub(done) as f64 / done as f64;
            format!("{} left", time(elapsed.mul_f64(rest)))
        }
    };
    format!("{count}, {left}")
}

fn time(time: Duration) -> String {
    // Up: one second left is not none.
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

impl Progress for Bar {
    fn advance(&mut self, done: usize, total: usize) {
        if done == 0 {
            // What is counted begins now; a prediction may have come before.
            self.start = Instant::now();
            self.first = None;
        }
        self.last = self.start.elapsed();
        if done > 0 && self.first.is_none() {
            self.first = Some((done, self.last));
        }
        let (position, length) = self.extent(done, total);
        let text = words((done, total), &self.things, self.last, self.budget, self.open_ended);
        // The words first: each call may draw.
        self.shown.set_message(text);
        self.shown.set_length(length);
        self.shown.set_position(position);
    }

    /// The next networks will take as long as those before.
    fn enough(&mut self, done: usize, next: usize) -> bool {
        let Some(budget) = self.budget else { return false };
        let elapsed = self.start.elapsed();
        elapsed + elapsed.mul_f64(next as f64 / done as f64) > budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn time_is_told_once_there_is_a_result_to_judge_it_by() {
        let plain = |done, elapsed| words((done, 32), "networks", seconds(elapsed), None, false);
        assert_eq!(plain(0, 7), "0/32 networks");
        assert_eq!(plain(8, 10), "8/32 networks, 30s left");
        let budget = |done, elapsed| {
            words((done, 100_000), "networks", seconds(elapsed), Some(seconds(4)), true)
        };
        assert_eq!(budget(0, 3), "0 networks");
        assert_eq!(budget(2, 3), "2 networks, 1s of the budget left");
        assert_eq!(budget(2, 9), "2 networks, 0s of the budget left");
        // Until errors are small enough: nobody knows when.
        assert_eq!(words((160, 100_000), "networks", seconds(9), None, true), "160 networks");
        assert_eq!(time(Duration::from_millis(90_500)), "1m 31s");
        assert_eq!((time(seconds(7_260)), time(seconds(90_000))), ("2h 1m".into(), "1d 1h".into()));
    }

    #[test]
    fn an_overrun_is_told_from_a_fifth_on() {
        let of = |first, last| overrun(seconds(10), Some((4, seconds(first))), seconds(last));
        assert_eq!(of(3, 12), None);
        let late = of(3, 13).unwrap();
        assert_eq!((late.taken_seconds, late.first_networks), (13.0, None));
        assert_eq!(of(30, 30).unwrap().first_networks, Some(4));
    }
}
