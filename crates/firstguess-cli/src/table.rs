//! Numbers and tables for people.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use firstguess::train::compare::Band;

use crate::printer::Printer;

/// Rows that leave room for the rest of the answer on one screen.
pub(crate) const SCREEN_ROWS: usize = 10;

/// Four significant digits.
pub(crate) fn digits(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.3e}");
    // The exponent after rounding: 9.9996 is 10.00.
    let exponent = scientific.rsplit('e').next().and_then(|digits| digits.parse::<i32>().ok());
    match exponent.and_then(|exponent| usize::try_from(3 - exponent).ok()) {
        Some(decimals) if decimals <= 6 => format!("{value:.decimals$}"),
        _ => scientific,
    }
}

/// A mean share in percent with its interval, which need not be symmetric: `99.2 [98.5, 99.9]%`.
pub(crate) fn share(band: Option<Band>, places: usize) -> String {
    let percent = |value: f64| format!("{:.places$}", 100.0 * value);
    match band {
        None => "-".to_owned(),
        Some(Band { mean, low: Some(low), high: Some(high), .. }) => {
            format!("{} [{}, {}]%", percent(mean), percent(low), percent(high))
        }
        Some(band) => format!("{}%", percent(band.mean)),
    }
}

/// A number as it was given, all its digits and no row of zeros.
pub(crate) fn given(value: f64) -> String {
    let plain = value == 0.0 || (1e-5..1e9).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

/// Indices of the rows that are shown: all, or the first, a few evenly spaced, and the last.
pub(crate) fn folded(rows: usize) -> Vec<usize> {
    if rows <= SCREEN_ROWS {
        return (0..rows).collect();
    }
    (0..SCREEN_ROWS).map(|i| i * (rows - 1) / (SCREEN_ROWS - 1)).collect()
}

/// Right-aligned columns under their headings, indented by two.
pub(crate) fn columns(out: &Printer, headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let spell = |text: &str| out.spelled(text).into_owned();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| spell(heading)));
    for row in rows {
        table.add_row(row.iter().map(|cell| spell(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_padding((2, 0));
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_significant_digits_at_every_size() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1.000"),
            (-2.5, "-2.500"),
            (12.3456, "12.35"),
            (123.456, "123.5"),
            (1234.56, "1235"),
            (0.123456, "0.1235"),
            (0.0123456, "0.01235"),
            (0.00123456, "0.001235"),
            (0.000123456, "1.235e-4"),
            (123456.0, "1.235e5"),
            (f64::INFINITY, "∞"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(digits(value), text);
        }
    }

    #[test]
    fn what_was_given_is_shown_with_all_its_digits() {
        for (value, text) in [(3.0, "3"), (0.1, "0.1"), (1e-300, "1e-300"), (0.0, "0")] {
            assert_eq!(given(value), text);
        }
        assert_eq!(given(f64::INFINITY), "inf");
    }

    #[test]
    fn folding_keeps_the_ends_and_even_gaps() {
        assert_eq!(folded(3), [0, 1, 2]);
        for rows in [SCREEN_ROWS + 1, 100, 1_000_000] {
            let shown = folded(rows);
            assert_eq!((shown.len(), shown[0], shown[SCREEN_ROWS - 1]), (SCREEN_ROWS, 0, rows - 1));
            let gaps: Vec<usize> = shown.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.iter().max() <= gaps.iter().min().map(|gap| gap + 1).as_ref());
        }
    }
}
