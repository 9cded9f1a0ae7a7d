//! Tables of reference values: comma-separated, the first line a comment that states the tolerance.

use std::f64::consts::PI;

/// One row, each value under the name of its column.
#[derive(Debug)]
pub(crate) struct Row(Vec<(String, String)>);

/// All rows of a table that must have this many.
#[track_caller]
pub(crate) fn rows(table: &str, count: usize) -> Vec<Row> {
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.next().expect("a line of names").split(',').collect();
    let rows: Vec<Row> = lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), names.len(), "{line}");
            Row(names.iter().zip(fields).map(|(n, f)| ((*n).to_owned(), f.to_owned())).collect())
        })
        .collect();
    assert_eq!(rows.len(), count, "rows of the table");
    rows
}

impl Row {
    /// The text in a column.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(column, _)| column == name);
        &found.unwrap_or_else(|| panic!("no column {name}")).1
    }

    /// The number in a column.
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> f64 {
        match self.text(name) {
            "1/(pi-1)" => 1.0 / (PI - 1.0),
            text => text.parse().unwrap_or_else(|_| panic!("{name}: {text}")),
        }
    }

    /// The whole number in a column.
    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> usize {
        self.text(name).parse().unwrap_or_else(|_| panic!("{name}: {}", self.text(name)))
    }

    /// Half a unit of the last significant digit shown; zeros at the end are not.
    #[track_caller]
    pub(crate) fn digits(&self, name: &str) -> f64 {
        let text = self.text(name);
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let place = if fraction.is_empty() {
            let zeros = whole.len() - whole.trim_end_matches('0').len();
            i32::try_from(zeros).expect("short")
        } else {
            -i32::try_from(fraction.len()).expect("short")
        };
        0.5 * 10.0_f64.powi(place)
    }

    /// The value in a column is `found`, within an absolute tolerance.
    #[track_caller]
    pub(crate) fn holds(&self, name: &str, found: f64, tolerance: f64) {
        let gap = (found - self.number(name)).abs();
        assert!(gap <= tolerance, "{name} is {found}, off by {gap:e} > {tolerance:e}: {self:?}");
    }
}
