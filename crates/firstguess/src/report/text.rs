//! Numbers and paragraphs for a terminal of limited width.

use crate::measure::Estimate;

/// Three significant digits: `0.742`, `17.0`, `1.2e-5`; a dash for what is not there.
pub(super) fn number(x: f64) -> String {
    if x.is_nan() {
        return "-".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let size = x.abs();
    match size {
        0.0 => "0".to_owned(),
        s if !(9.995e-4..9.995e3).contains(&s) => format!("{x:.1e}"),
        s if s >= 99.95 => format!("{x:.0}"),
        s if s >= 9.995 => format!("{x:.1}"),
        s if s >= 0.9995 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}

/// A measured value with its standard error: `0.742 ± 0.010`.
pub(super) fn estimate(e: &Estimate) -> String {
    if !e.is_known() {
        return "-".to_owned();
    }
    match e.std_error {
        Some(error) => format!("{} ± {}", number(e.value), number(error)),
        None => number(e.value),
    }
}

/// The value alone.
pub(super) fn value(e: &Estimate) -> String {
    if e.is_known() { number(e.value) } else { "-".to_owned() }
}

/// The relative standard error in percent, for a table whose columns are narrow.
pub(super) fn relative_error(e: &Estimate) -> String {
    match e.std_error {
        Some(error) if e.is_known() && e.value != 0.0 => {
            let percent = 100.0 * (error / e.value).abs();
            if percent >= 99.5 {
                // Compatible with zero: by how much says nothing.
                "±>99%".to_owned()
            } else if percent >= 9.95 {
                format!("±{percent:.0}%")
            } else {
                format!("±{percent:.1}%")
            }
        }
        _ => String::new(),
    }
}

/// Breaks `text` at spaces so that no line is longer than `width` characters, each behind `indent` spaces.
pub(super) fn wrap(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    let margin = " ".repeat(indent);
    lines.iter().flat_map(|line| [margin.as_str(), line, "\n"]).collect()
}

/// A share as a bar of eighths, `width` cells at 1.
pub(super) fn bar(share: f64, width: usize, unicode: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let cells = share * width as f64;
    if !unicode {
        return "#".repeat(rounded(cells));
    }
    let eighths = rounded(cells * 8.0);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a bar's width by the caller"
)]
fn rounded(cells: f64) -> usize {
    cells.round() as usize
}

/// The text for a terminal that knows ASCII only: Greek spelled out, signs replaced, the unknown marked.
pub fn in_ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            'γ' => plain.push_str("gamma"),
            'φ' => plain.push_str("phi"),
            'χ' => plain.push_str("chi"),
            'σ' => plain.push_str("sigma"),
            'θ' => plain.push_str("theta"),
            'ξ' => plain.push_str("xi"),
            'Σ' => plain.push_str("Sigma"),
            'ρ' => plain.push_str("rho"),
            'ε' => plain.push_str("eps"),
            // Over a letter: its mean.
            '\u{304}' => plain.push_str("_mean"),
            '⁻' => plain.push_str("^-"),
            '⁴' | '⁶' => {
                plain.push_str(if plain.ends_with("^-") { "" } else { "^" });
                plain.push(if character == '⁴' { '4' } else { '6' });
            }
            '₁' => plain.push_str("_1"),
            '²' => plain.push_str("^2"),
            '½' => plain.push_str("1/2"),
            '√' => plain.push_str("sqrt"),
            '∞' => plain.push_str("inf"),
            '≤' => plain.push_str("<="),
            '≥' => plain.push_str(">="),
            '±' => plain.push_str("+-"),
            '→' => plain.push_str("->"),
            '·' => plain.push('*'),
            '×' => plain.push('x'),
            '█' => plain.push('#'),
            '…' => plain.push_str("..."),
            other if other.is_ascii() => plain.push(other),
            _ => plain.push('?'),
        }
    }
    plain
}

/// Pads to `width` characters on the left.
pub(super) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.chars().count())))
}

/// Pads to `width` characters on the right.
pub(super) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        for (x, text) in [
            (0.0, "0"),
            (0.7421, "0.742"),
            (0.99964, "1.00"),
            (17.0157, "17.0"),
            (273.51, "274"),
            (9999.0, "1.0e4"),
            (1.234e-5, "1.2e-5"),
            (-2.5, "-2.50"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn lines_are_wrapped_and_bars_scaled() {
        assert_eq!(
            wrap("one two three four five six seven", 2, 22),
            "  one two three four\n  five six seven\n"
        );
        let error = |value: f64, error: f64| relative_error(&Estimate::new(value, Some(error), 9));
        assert_eq!(
            [error(2.0, 0.01), error(2.0, 0.4), error(1e-6, 1.0)],
            ["±0.5%", "±20%", "±>99%"]
        );
        assert_eq!(bar(0.5, 4, true), "██");
        assert_eq!(bar(1.0 / 32.0, 4, true), "▏");
        assert_eq!(bar(2.0, 4, false), "####");
        assert_eq!(bar(f64::NAN, 4, false), "");
    }
}
