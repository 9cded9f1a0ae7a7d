//! A fault in a spec file, shown in the file's own text.

use std::ops::Range;

use firstguess_io::LoadSpecError;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};

use crate::printer::WIDTH;

/// The code frame around the fault; `None` where the fault has no place.
pub(crate) fn frame(error: &LoadSpecError, color: bool, unicode: bool) -> Option<String> {
    let (text, span) = (error.text.as_ref()?, error.fault.span.clone()?);
    let Place { name, text, span } = shown(&error.path.display().to_string(), text, span)?;
    let mut diagnostic = MietteDiagnostic::new(error.fault.message.clone())
        .with_label(LabeledSpan::at(span, "here"));
    if let Some(help) = &error.fault.help {
        diagnostic = diagnostic.with_help(help);
    }
    let source = NamedSource::new(name, text);
    let report = Report::new(diagnostic).with_source_code(source);
    let theme = match (color, unicode) {
        (true, true) => GraphicalTheme::unicode(),
        (false, true) => GraphicalTheme::unicode_nocolor(),
        _ => GraphicalTheme::none(),
    };
    let mut frame = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
    handler.render_report(&mut frame, report.as_ref()).ok()?;
    Some(frame)
}

/// Lines longer than this are shown in part.
const LONG: usize = 200;

/// What is left of a long line on either side of a fault.
const AROUND: usize = 30;

/// Lines of a fault that are marked at most; it begins in the first.
const LINES: usize = 5;

/// The part of a file that is shown, and the fault in it.
struct Place {
    name: String,
    text: String,
    span: Range<usize>,
}

/// The whole file, or a part of the line where its lines are long: a frame must fit on a screen.
fn shown(path: &str, text: &str, span: Range<usize>) -> Option<Place> {
    let before = text.get(..span.start)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[span.start..].find('\n').map_or(text.len(), |at| span.start + at);
    // The frame shows a line before and a line after.
    let above = text[..line_start.saturating_sub(1)].rfind('\n').map_or(0, |at| at + 1);
    let mut span = span;
    if text.get(span.clone())?.lines().count() > LINES {
        span.end = line_end;
    }
    let below = text.get(span.end..)?.match_indices('\n').nth(1);
    let below = below.map_or(text.len(), |(at, _)| span.end + at);
    if text[above..below].lines().all(|line| line.len() <= LONG) {
        return Some(Place { name: path.to_owned(), text: text.to_owned(), span });
    }
    let line = text[line_start..line_end].trim_end();
    let column = span.start - line_start;
    let number = before.matches('\n').count() + 1;
    let position = line.get(..column).map_or(0, |start| start.chars().count());
    let skipped = position.saturating_sub(AROUND);
    let part: String = line.chars().skip(skipped).take(2 * AROUND).collect();
    let (head, tail) = (if skipped > 0 { "..." } else { "" }, "...");
    let start: usize = part.chars().take(position - skipped).map(char::len_utf8).sum();
    let end = (start + (span.end - span.start)).min(part.len());
    let end = (start..=end).rev().find(|at| part.is_char_boundary(*at)).unwrap_or(start);
    Some(Place {
        name: format!("{path}, line {number}, column {}", position + 1),
        text: format!("{head}{part}{tail}\n"),
        span: head.len() + start..head.len() + end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shown_in_part() {
        let short = "a = 1\nb = 2\n";
        let place = shown("x.toml", short, 10..11).expect("inside");
        assert_eq!(
            (place.name.as_str(), place.text.as_str(), place.span),
            ("x.toml", short, 10..11)
        );
        let long = format!("a = 1\nb = [{}é, 77777, {}]\n", "1, ".repeat(5000), "2, ".repeat(5000));
        let at = long.find("77777").expect("there");
        let place = shown("x.toml", &long, at..at + 5).expect("inside");
        assert_eq!(&place.text[place.span.clone()], "77777");
        assert!(place.text.len() < 100 && place.text.starts_with("...1"), "{}", place.text);
        assert!(place.name.starts_with("x.toml, line 2, column 150"), "{}", place.name);
        let whole = shown("x.toml", &long, 6..long.len()).expect("inside");
        assert!(whole.text.len() < 100 && whole.span.end <= whole.text.len());
        let many = "x\n".repeat(100);
        assert_eq!(shown("x.toml", &many, 20..180).expect("inside").span, 20..21);
    }
}
