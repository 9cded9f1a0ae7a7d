//! Reproduced figures as text: rows for a terminal, one page in Markdown for a folder of pictures.

use crate::reproduce::{Ours, Reproduction, Stated};
use std::fmt::Write as _;

/// Significant digits of a number that is no measurement.
const DIGITS: usize = 7;

/// One claim in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is compared.
    pub what: String,
    /// What was stated: a number or a bound.
    pub stated: String,
    /// How far ours may be from it; empty for bounds.
    pub tolerance: String,
    /// What came out, with its standard error if it was measured.
    pub ours: String,
    /// Whether it holds.
    pub holds: bool,
}

/// One row per claim.
pub fn rows(reproduction: &Reproduction) -> impl Iterator<Item = Row> {
    reproduction.found.claims.iter().map(|claim| {
        let (stated, tolerance) = match claim.stated {
            Stated::About { value, tolerance } => {
                (significant(value, DIGITS), significant(tolerance, 2))
            }
            Stated::AtMost { value } => (format!("≤ {}", significant(value, 3)), String::new()),
            Stated::AtLeast { value } => (format!("≥ {}", significant(value, 3)), String::new()),
        };
        let ours = match claim.ours {
            Ours::Exact(value) => significant(value, DIGITS),
            Ours::Measured(estimate) => {
                let error = estimate.std_error.map_or("?".to_owned(), |e| significant(e, 2));
                format!("{} ± {error}", significant(estimate.value, 4))
            }
        };
        Row { what: claim.what.clone(), stated, tolerance, ours, holds: claim.holds() }
    })
}

/// The page of a folder in which every picture lies under its name with this ending, and every table beside it.
pub fn index(reproductions: &[Reproduction], ending: &str) -> String {
    let mut page = "# Figures, computed again\n\nWhat is stated beside what comes out here. Stated is what a source says or its \
                    formula gives, to more digits by independent quadrature or another program's simulation; for networks it is theory. \
                    A measured number carries its standard error, and may be off by four of them beside the tolerance.\n"
        .to_owned();
    for reproduction in reproductions {
        let figure = reproduction.figure;
        let sources = figure.sources.join("`, `");
        let _ = write!(
            page,
            "\n## {}\n\n{}\n\nSources: `{sources}`. Seed {}. `firstguess reproduce {}`.\n\n",
            figure.title, figure.about, reproduction.seed, figure.id
        );
        page += "| what | stated | tolerance | ours | |\n|---|---|---|---|---|\n";
        for Row { what, stated, tolerance, ours, holds } in rows(reproduction) {
            let verdict = if holds { "holds" } else { "**does not hold**" };
            let what = what.replace('|', "\\|");
            let _ = writeln!(page, "| {what} | {stated} | {tolerance} | {ours} | {verdict} |");
        }
        for picture in &reproduction.found.pictures {
            let (title, name) = (picture.title(), picture.name());
            let _ = write!(page, "\n![{title}]({name}.{ending})\n\n{}\n", picture.description());
        }
        let tables = reproduction.found.tables.iter();
        let links: Vec<String> =
            tables.map(|table| format!("[{0}]({1}-{0}.csv)", table.name, figure.id)).collect();
        let _ = write!(page, "\nNumbers: {}\n", links.join(", "));
    }
    page
}

/// So many significant digits at most, without a tail of zeros.
fn significant(value: f64, digits: usize) -> String {
    let rounded: f64 = format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value);
    let plain = rounded == 0.0 || (1e-4..1e7).contains(&rounded.abs());
    if plain { rounded.to_string() } else { format!("{rounded:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::Seed;
    use crate::reproduce::figure;

    #[test]
    fn numbers_keep_the_digits_that_mean_something() {
        for (value, digits, text) in [
            (0.477_539_341_2, 9, "0.477539341"),
            (2.0, 9, "2"),
            (1.234_567e-8, 3, "1.23e-8"),
            (0.0, 3, "0"),
            (123_456_789.0, 3, "1.23e8"),
        ] {
            assert_eq!(significant(value, digits), text);
        }
    }

    #[test]
    fn the_page_names_every_picture_table_and_claim() {
        let computed = figure("data-shift").unwrap().reproduce(Seed(0), &mut ()).unwrap();
        let page = index(std::slice::from_ref(&computed), "svg");
        for needle in [
            "data-shift.svg",
            "data-shift-drift.csv",
            "`francazi2024`",
            "| holds |",
            "relu, shift 4",
        ] {
            assert!(page.contains(needle), "{needle} is not in\n{page}");
        }
        assert_eq!(page.matches("| holds |").count(), computed.found.claims.len());
    }
}
