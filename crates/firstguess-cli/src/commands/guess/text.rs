//! The law of the guesses for people.

use std::io;

use super::Answer;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits};

/// Columns beside the longest bar.
const BESIDE: usize = 40;

impl Answer {
    pub(super) fn print(&self, out: &mut Printer) -> io::Result<()> {
        let (classes, gamma) = (self.law.classes(), self.law.gamma());
        let even = 1.0 / classes as f64;
        let tone = if gamma < 1.0 { Tone::Good } else { Tone::Bad };
        out.headline(
            tone,
            &format!(
                "the favoured of {classes} classes gets {} of the inputs on average, where even guesses give {}",
                percent(self.mean_max.value),
                percent(even)
            ),
        )?;
        out.lines(&format!(
            "γ = {}, correlation of two inputs {}\n\n",
            digits(gamma),
            digits(self.fraction.correlation())
        ))?;
        let rows = self
            .quantiles
            .iter()
            .map(|(probability, q)| vec![percent(*probability), percent(q.value), error(q.error)]);
        let headings = ["of the networks", "largest share at most", "error"];
        out.lines(&columns(out, &headings, rows.collect()))?;
        let shares: Vec<String> = self.shares.iter().map(|share| percent(share.value)).collect();
        let rest = if self.shares.len() < classes { ", …" } else { "" };
        out.lines(&format!(
            "\n  mean shares, largest first: {}{rest}\n  \
             two inputs get the same class with probability {}\n  \
             variance of one class's share: {}",
            shares.join(", "),
            digits(self.agreement.value),
            digits(self.variance.value)
        ))?;
        if classes == 2 {
            out.lines(&self.histogram(out.settings().width))?;
        }
        out.note(if gamma < 1.0 {
            "γ < 1: most networks split the inputs evenly. Exact at infinite width."
        } else {
            "γ ≥ 1: most networks favour a class before training. Centre the inputs or move towards c* < 1/2 \
             (`firstguess critical`). Exact at infinite width."
        })
    }

    /// How often class 0 gets which share.
    fn histogram(&self, width: usize) -> String {
        let longest = width.saturating_sub(BESIDE) as f64;
        let bins: Vec<f64> = (0..10_u8)
            .map(|bin| {
                let edge = |i: u8| f64::from(i) / 10.0;
                let below = if bin == 0 { 0.0 } else { self.fraction.cdf(edge(bin)) };
                self.fraction.cdf(edge(bin + 1)) - below
            })
            .collect();
        let tallest = bins.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let mut text = "\n  share of class 0, and how many networks give it\n".to_owned();
        for (bin, mass) in bins.iter().enumerate() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a part of the width"
            )]
            let bar = "█".repeat((longest * mass / tallest).round() as usize);
            let (low, high) = (10 * bin, 10 * bin + 10);
            let line = format!("  {low:>3} - {high:>3}%  {:>6}  {bar}", percent(*mass));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Rounding is not worth a number.
fn error(error: f64) -> String {
    if error < 1e-9 { "exact".to_owned() } else { percent(error) }
}

/// Without a blank: a line is never broken between number and sign.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 || percent >= 0.1 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.1e}%")
    }
}
