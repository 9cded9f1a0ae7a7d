//! Where output goes: data to stdout, notes and errors to stderr, in colour where that is wanted.

use std::borrow::Cow;
use std::io::{self, BufWriter, Stdout, Write};

use clap::builder::styling::{AnsiColor, Style};
use firstguess::report::in_ascii;
use firstguess_io::LoadSpecError;
use serde::Serialize;

use crate::fault::frame;
use crate::json::{Envelope, SCHEMA_VERSION};
use crate::settings::Settings;

/// Columns that output is laid out for.
pub(crate) const WIDTH: usize = 80;

/// How good the news in a headline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Neutral,
}

/// The two streams of the program.
pub(crate) struct Printer {
    settings: Settings,
    data: Sink,
}

/// Where data go.
enum Sink {
    Stdout(BufWriter<Stdout>),
    Memory(Vec<u8>),
    /// The answer as a value, whose text nobody reads.
    Value(serde_json::Value),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Memory(memory) => memory.write(bytes),
            Self::Value(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Memory(_) | Self::Value(_) => Ok(()),
        }
    }
}

impl Printer {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, data: Sink::Stdout(BufWriter::new(io::stdout())) }
    }

    /// One whose data are kept.
    pub(crate) const fn in_memory(settings: Settings) -> Self {
        Self { settings, data: Sink::Memory(Vec::new()) }
    }

    /// One whose answer is kept as a value.
    pub(crate) const fn for_value(settings: Settings) -> Self {
        Self { settings, data: Sink::Value(serde_json::Value::Null) }
    }

    /// The answer that was kept; null where none was given.
    pub(crate) fn into_value(self) -> serde_json::Value {
        match self.data {
            Sink::Value(value) => value,
            Sink::Stdout(_) | Sink::Memory(_) => serde_json::Value::Null,
        }
    }

    /// The data that were kept.
    pub(crate) fn into_text(self) -> String {
        match self.data {
            Sink::Stdout(_) | Sink::Value(_) => String::new(),
            Sink::Memory(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Whether the answer is wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        self.settings.json
    }

    /// What the options and the environment came to.
    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    /// A finished JSON object that brings its own envelope.
    pub(crate) fn value(&mut self, value: &serde_json::Value) -> io::Result<()> {
        if let Sink::Value(kept) = &mut self.data {
            kept.clone_from(value);
            return Ok(());
        }
        serde_json::to_writer_pretty(&mut self.data, value)?;
        writeln!(self.data)
    }

    /// The whole answer as one JSON object.
    pub(crate) fn object<T: Serialize>(&mut self, command: &str, answer: &T) -> io::Result<()> {
        self.seeded_object(command, self.settings.seed.unwrap_or_default(), answer)
    }

    /// The same, of a model that may bring its own seed.
    pub(crate) fn seeded_object<T: Serialize>(
        &mut self,
        command: &str,
        seed: u64,
        answer: &T,
    ) -> io::Result<()> {
        let envelope = Envelope { schema_version: SCHEMA_VERSION, command, seed, answer };
        if let Sink::Value(kept) = &mut self.data {
            *kept = serde_json::to_value(&envelope)?;
            return Ok(());
        }
        serde_json::to_writer_pretty(&mut self.data, &envelope)?;
        writeln!(self.data)
    }

    /// Text exactly as it is, for programs.
    pub(crate) fn verbatim(&mut self, text: &[u8]) -> io::Result<()> {
        self.data.write_all(text)
    }

    /// A sentence that says what the answer means.
    pub(crate) fn headline(&mut self, tone: Tone, text: &str) -> io::Result<()> {
        let color = match tone {
            Tone::Good => AnsiColor::Green,
            Tone::Bad => AnsiColor::Red,
            Tone::Neutral => AnsiColor::Cyan,
        };
        let style = if self.settings.color_data {
            Style::new().bold().fg_color(Some(color.into()))
        } else {
            Style::new()
        };
        let text = wrapped(&self.spelled(text), "");
        writeln!(self.data, "{style}{text}{style:#}")
    }

    /// Lines of text, broken where they are too long.
    pub(crate) fn lines(&mut self, text: &str) -> io::Result<()> {
        let text = self.spelled(text);
        let width = self.settings.width;
        text.lines().try_for_each(|line| writeln!(self.data, "{}", filled(line, "  ", width)))
    }

    /// What to do, or what to keep in mind; not with `--quiet`, nor beside JSON, which says it in fields.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.settings.quiet || self.settings.json {
            return Ok(());
        }
        // The two streams often end in one terminal.
        self.data.flush()?;
        let style = self.notes_style(Style::new().dimmed());
        let text = wrapped(&self.spelled(&format!("note: {text}")), "      ");
        // Nobody to tell when stderr is closed.
        let _ = writeln!(io::stderr(), "{style}{text}{style:#}");
        Ok(())
    }

    /// Why the program gives up.
    pub(crate) fn error(&mut self, error: &anyhow::Error) {
        // What was said before the failure still stands; its own failure would be the same one.
        let _ = self.data.flush();
        let style = self.notes_style(Style::new().bold().fg_color(Some(AnsiColor::Red.into())));
        let _ = writeln!(io::stderr(), "{style}error:{style:#}{}", self.spoken(error));
    }

    /// The same in words: after a blank, or in a frame on lines of its own.
    pub(crate) fn spoken(&self, error: &anyhow::Error) -> String {
        let fault = error.chain().find_map(|cause| cause.downcast_ref::<LoadSpecError>());
        let text = fault
            .and_then(|fault| frame(fault, self.settings.color_notes, self.settings.unicode))
            .map_or_else(
                || {
                    let help = fault.and_then(|fault| fault.fault.help.as_ref());
                    let help = help.map_or_else(String::new, |help| format!("\n  {help}"));
                    format!(" {}{help}", chain(error))
                },
                |frame| format!("\n{}", frame.trim_end()),
            );
        self.spelled(&text).into_owned()
    }

    /// Everything is out, or why not.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.data.flush()
    }

    /// The text in the characters that the terminal knows.
    pub(crate) fn spelled<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.settings.unicode { Cow::Borrowed(text) } else { Cow::Owned(in_ascii(text)) }
    }

    fn notes_style(&self, style: Style) -> Style {
        if self.settings.color_notes { style } else { Style::new() }
    }
}

/// An error and its causes, outermost first, without those that the one before has already told.
fn chain(error: &anyhow::Error) -> String {
    let mut told = String::new();
    let mut last = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if last.contains(&cause) {
            continue;
        }
        if !told.is_empty() {
            told += ": ";
        }
        told += &cause;
        last = cause;
    }
    told
}

fn wrapped(text: &str, indent: &str) -> String {
    filled(text, indent, WIDTH)
}

fn filled(text: &str, indent: &str, width: usize) -> String {
    textwrap::fill(text, textwrap::Options::new(width).subsequent_indent(indent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greek_is_spelled_out_and_the_unknown_marked() {
        assert_eq!(in_ascii("γ* ≥ 1, χ₁ = σ_w² …"), "gamma* >= 1, chi_1 = sigma_w^2 ...");
        assert_eq!(in_ascii("é"), "?");
    }

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let inner = || anyhow::anyhow!("a data set needs at least one example");
        let twice = inner().context("a data set needs at least one example");
        assert_eq!(chain(&twice), "a data set needs at least one example");
        let once = inner().context("cannot read `x.npz`").context("in the spec");
        assert_eq!(
            chain(&once),
            "in the spec: cannot read `x.npz`: a data set needs at least one example"
        );
        let within =
            inner().context("bad file (a data set needs at least one example); take another");
        assert_eq!(
            chain(&within),
            "bad file (a data set needs at least one example); take another"
        );
    }

    #[test]
    fn long_lines_are_broken_at_words() {
        let text = wrapped(&"word ".repeat(40), "  ");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("  word")));
    }
}
