//! The global options and the environment, resolved to what the program does.

use std::env;
use std::ffi::OsString;
use std::io::IsTerminal;

use anyhow::Context;
use firstguess::report::Style;

use crate::args::GlobalArgs;
use crate::printer::WIDTH;

/// What the global options and the environment come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub(crate) struct Settings {
    /// One JSON object instead of text.
    pub(crate) json: bool,
    /// Seed of every random number, where one was asked for.
    pub(crate) seed: Option<u64>,
    /// No notes on stderr.
    pub(crate) quiet: bool,
    /// Whether characters beyond ASCII will be shown right.
    pub(crate) unicode: bool,
    /// Columns of a report.
    pub(crate) width: usize,
    /// Colour on stdout.
    pub(crate) color_data: bool,
    /// Colour on stderr.
    pub(crate) color_notes: bool,
}

impl Settings {
    /// From the arguments and the process's environment and streams.
    pub(crate) fn resolve(global: &GlobalArgs) -> Self {
        let variable = |name: &str| env::var_os(name);
        let color = !global.no_color && color_allowed(variable);
        Self {
            json: global.json,
            seed: global.seed,
            quiet: global.quiet,
            unicode: cfg!(windows) || speaks_utf8(variable),
            width: width(variable),
            color_data: color && std::io::stdout().is_terminal(),
            color_notes: color && std::io::stderr().is_terminal(),
        }
    }
}

impl Settings {
    /// How a report looks on stdout.
    pub(crate) const fn style(&self) -> Style {
        Style { width: self.width, color: self.color_data, unicode: self.unicode }
    }

    /// For one point of a sweep: the same on every machine, whatever its environment.
    pub(crate) const fn of_a_point(seed: Option<u64>) -> Self {
        Self {
            json: true,
            seed,
            quiet: true,
            unicode: true,
            width: WIDTH,
            color_data: false,
            color_notes: false,
        }
    }

    /// For a reader that is no terminal and knows every character.
    pub(crate) const fn unicode(self) -> Self {
        Self { unicode: true, color_data: false, color_notes: false, ..self }
    }
}

/// <https://no-color.org>: any text but the empty one forbids colour. A dumb terminal has none.
fn color_allowed(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("NO_COLOR").is_none_or(|text| text.is_empty())
        && variable("TERM").is_none_or(|term| term != "dumb")
}

/// Whether the locale's encoding is UTF-8; the first variable that is set decides, as in POSIX.
fn speaks_utf8(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| variable(name))
        .find(|text| !text.is_empty());
    locale.is_some_and(|text| {
        let text = text.to_string_lossy().to_lowercase();
        text.contains("utf-8") || text.contains("utf8")
    })
}

/// Wider tables are hard to read.
const WIDEST: usize = 140;

/// The terminal's columns; else those that the variable COLUMNS names; else [`WIDTH`], where a file or a program reads.
fn width(variable: impl Fn(&str) -> Option<OsString>) -> usize {
    let terminal = || {
        let columns = terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0));
        columns.filter(|_| std::io::stdout().is_terminal())
    };
    let named = variable("COLUMNS").and_then(|text| text.to_str()?.trim().parse().ok());
    named.or_else(terminal).map_or(WIDTH, |columns: usize| columns.clamp(WIDTH, WIDEST))
}

/// Gives every parallel part of the library so many threads.
pub(crate) fn start_threads(threads: Option<usize>) -> anyhow::Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .with_context(|| format!("cannot start {threads} threads"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(set: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn color_ends_with_no_color_and_with_a_dumb_terminal() {
        assert!(color_allowed(environment(&[])));
        assert!(color_allowed(environment(&[("NO_COLOR", ""), ("TERM", "xterm")])));
        assert!(!color_allowed(environment(&[("NO_COLOR", "0")])));
        assert!(!color_allowed(environment(&[("TERM", "dumb")])));
    }

    #[test]
    fn the_width_that_is_named_counts_within_reason() {
        for (columns, found) in [("100", 100), ("20", WIDTH), ("9999", WIDEST), (" 90 ", 90)] {
            assert_eq!(width(environment(&[("COLUMNS", columns)])), found);
        }
        if !std::io::stdout().is_terminal() {
            assert_eq!(width(environment(&[("COLUMNS", "wide")])), WIDTH);
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        assert!(!speaks_utf8(environment(&[])));
        assert!(speaks_utf8(environment(&[("LANG", "de_DE.UTF-8")])));
        assert!(speaks_utf8(environment(&[("LC_ALL", ""), ("LANG", "C.utf8")])));
        assert!(!speaks_utf8(environment(&[("LC_ALL", "C"), ("LANG", "C.UTF-8")])));
    }
}
