//! Comma-, semicolon- or tab-separated numbers, one example per row, with or without a header.

use ::csv::{ByteRecord, ReaderBuilder, Trim};
use firstguess::spec::{Dataset, Shape};

use crate::error::Problem;
use crate::load::ReadOptions;
use crate::parts::{Labels, assemble, label, plan};

/// Which column of a table holds the class labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LabelColumn {
    /// The column named `label`, `class`, `target` or `y` (in this order, any case), if the header has one.
    #[default]
    ByName,
    /// The column of exactly this name.
    Named(String),
    /// The last column.
    Last,
    /// No column: every one is a feature.
    None,
}

/// Names that mark the label column, the surest first.
const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "y"];

/// The numbers of a table, split into inputs and labels; at most the examples asked for.
pub(crate) struct Table {
    pub(crate) features: usize,
    pub(crate) inputs: Vec<f32>,
    pub(crate) labels: Option<Labels>,
}

/// Reads a table into a data set of flat examples.
pub(crate) fn dataset(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Problem> {
    let table = parse(bytes, options)?;
    assemble(name, Shape::flat(table.features)?, table.inputs, table.labels)
}

pub(crate) fn parse(bytes: &[u8], options: &ReadOptions) -> Result<Table, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| {
        reader.read_byte_record(record).map_err(|error| {
            Problem::new(format!("unreadable table ({error})"), "comma-separated numbers")
        })
    };
    if !next(&mut record)? {
        return Err(Problem::new("an empty table", "one example per row"));
    }
    let columns = Columns::new(&record, &options.label_column)?;
    let mut inputs = Vec::new();
    let mut labels = Vec::new();
    let mut rows = 0;
    // Without a header the first row is an example, already read.
    let mut more = columns.names.is_none() || next(&mut record)?;
    // Every row is read, even past the examples asked for: the number of classes must not depend on the limit.
    while more {
        columns.check_width(&record)?;
        if options.examples.is_none_or(|limit| rows < limit) {
            plan(rows + 1, columns.features(), options)?;
            for column in (0..columns.count).filter(|&column| Some(column) != columns.label) {
                inputs.push(columns.number(&record, column)?);
            }
        }
        if let Some(column) = columns.label {
            let number = f64::from(columns.number(&record, column)?);
            labels
                .push(label(number, rows).map_err(|p| p.within(&columns.place(&record, column)))?);
        }
        rows += 1;
        more = next(&mut record)?;
    }
    let labels = columns.label.map(|_| Labels {
        classes: labels.iter().max().map_or(0, |&largest: &u32| largest as usize + 1),
        values: labels,
    });
    Ok(Table { features: columns.features(), inputs, labels })
}

/// Every cell of a table as f64, with the number of columns.
pub(crate) fn numbers(bytes: &[u8], options: &ReadOptions) -> Result<(usize, Vec<f64>), Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let mut columns: Option<Columns> = None;
    let mut values = Vec::new();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| {
        Problem::new(format!("unreadable table ({error})"), "comma-separated numbers")
    })? {
        let columns = match &mut columns {
            Some(columns) => columns,
            none => {
                let first = none.insert(Columns::new(&record, &LabelColumn::None)?);
                if first.names.is_some() {
                    continue;
                }
                first
            }
        };
        columns.check_width(&record)?;
        for column in 0..columns.count {
            // The cell's own checks first: they know its place.
            columns.number(&record, column)?;
            let text = std::str::from_utf8(record.get(column).unwrap_or_default());
            values.push(text.ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN));
        }
        plan(values.len(), 1, options)?;
    }
    match columns {
        Some(columns) => Ok((columns.count, values)),
        None => Err(Problem::new("an empty table", "one example per row")),
    }
}

/// The separator of the first line: a comma wherever there is one.
fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    [b',', b'\t', b';'].into_iter().find(|separator| line.contains(separator)).unwrap_or(b',')
}

/// What the first row says of all others.
struct Columns {
    names: Option<Vec<String>>,
    count: usize,
    label: Option<usize>,
}

impl Columns {
    fn new(first: &ByteRecord, wanted: &LabelColumn) -> Result<Self, Problem> {
        let is_number = |field: &[u8]| parse_f32(field).is_some();
        let names: Option<Vec<String>> = if first.iter().all(is_number) {
            None
        } else {
            Some(first.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect())
        };
        if let Some(column) = names.iter().flatten().position(String::is_empty) {
            return Err(Problem::new(
                format!("column {} of the header has no name", column + 1),
                "a name for every column, or no header",
            )
            .hint("a table written by pandas: to_csv(path, index=False)"));
        }
        let count = first.len();
        let label = match wanted {
            LabelColumn::None => None,
            LabelColumn::Last => Some(count - 1),
            LabelColumn::ByName => names.as_ref().and_then(|names| {
                LABEL_NAMES
                    .iter()
                    .find_map(|label| names.iter().position(|n| n.eq_ignore_ascii_case(label)))
            }),
            LabelColumn::Named(name) => {
                let column = names.iter().flatten().position(|n| n == name).ok_or_else(|| {
                    let known = names.as_ref().map_or_else(
                        || "none, the table has no header".to_owned(),
                        |names| abridged(&names.join(", ")),
                    );
                    Problem::new(format!("no column is called `{name}`"), known)
                })?;
                Some(column)
            }
        };
        if count == usize::from(label.is_some()) {
            return Err(Problem::new(
                "a table with a label column only",
                "at least one feature column",
            ));
        }
        let columns = Self { names, count, label };
        Shape::flat(columns.features())?;
        Ok(columns)
    }

    fn features(&self) -> usize {
        self.count - usize::from(self.label.is_some())
    }

    fn check_width(&self, record: &ByteRecord) -> Result<(), Problem> {
        if record.len() == self.count {
            return Ok(());
        }
        Err(Problem::new(
            format!("{} has {} columns", line(record), record.len()),
            format!("{} columns, as in the first row", self.count),
        ))
    }

    fn number(&self, record: &ByteRecord, column: usize) -> Result<f32, Problem> {
        let field = record.get(column).unwrap_or_default();
        let text = || abridged(&String::from_utf8_lossy(field));
        match parse_f32(field) {
            Some(number) if number.is_finite() => Ok(number),
            _ if field.is_empty() => Err(Problem::new(
                format!("{} is empty", self.place(record, column)),
                "a number in every cell",
            )
            .hint("drop the rows with missing values, or fill them in")),
            Some(_) => Err(Problem::new(
                format!("{} is `{}`", self.place(record, column), text()),
                "finite numbers in the range of f32",
            )),
            None => Err(Problem::new(
                format!("{} is `{}`, not a number", self.place(record, column), text()),
                "numbers, with a point for decimals",
            )),
        }
    }

    /// Where a cell is, counted from 1 as editors and spreadsheets do.
    fn place(&self, record: &ByteRecord, column: usize) -> String {
        let name = self.names.as_ref().and_then(|names| names.get(column));
        let name = name.map_or_else(String::new, |name| format!(" (`{}`)", abridged(name)));
        format!("{}, column {}{name}", line(record), column + 1)
    }
}

fn line(record: &ByteRecord) -> String {
    record.position().map_or_else(|| "a row".into(), |at| format!("line {}", at.line()))
}

fn parse_f32(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Long cells cut for display.
fn abridged(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, label_column: LabelColumn) -> Result<Dataset, String> {
        let options = ReadOptions { label_column, ..ReadOptions::default() };
        dataset("t", text.as_bytes(), &options).map_err(|p| p.in_file("t.csv").to_string())
    }

    #[test]
    fn the_label_column_is_found_by_name_or_as_asked() {
        let text = "a,Label,b\n1,0,2\n3,1,4\n";
        let data = read(text, LabelColumn::ByName).unwrap();
        assert_eq!(data.inputs(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!((data.labels(), data.classes()), (Some(&[0, 1][..]), 2));
        let plain = read("1.5,0\n-2e1,3\n", LabelColumn::ByName).unwrap();
        assert_eq!((plain.inputs(), plain.labels()), (&[1.5, 0.0, -20.0, 3.0][..], None));
        let last = read("1.5,0\n-2e1,3\n", LabelColumn::Last).unwrap();
        assert_eq!((last.inputs(), last.labels()), (&[1.5, -20.0][..], Some(&[0, 3][..])));
        assert_eq!(last.classes(), 4);
        let named = read(text, LabelColumn::Named("b".into())).unwrap();
        assert_eq!((named.labels(), named.classes()), (Some(&[2, 4][..]), 5));
        // `y` is a coordinate where a better name exists.
        let coordinates = read("x,y,class\n1,2,0\n", LabelColumn::ByName).unwrap();
        assert_eq!(coordinates.inputs(), [1.0, 2.0]);
        assert_eq!(read(text, LabelColumn::None).unwrap().features(), 3);
    }

    #[test]
    fn other_separators_a_byte_order_mark_and_windows_lines() {
        for text in ["\u{feff}a\tb\r\n1\t2\r\n", "a;b\n1;2", "a , b\n 1 ,\"2\"\n\n"] {
            assert_eq!(read(text, LabelColumn::ByName).unwrap().inputs(), [1.0, 2.0], "{text:?}");
        }
    }

    #[test]
    fn faults_name_the_line_and_the_column() {
        let cases = [
            ("a,b\n1,2\n3\n", "line 3 has 1 columns"),
            ("a,b\n1,2\n3,oops\n", "line 3, column 2 (`b`) is `oops`, not a number"),
            ("a,b\n1,nan\n", "line 2, column 2 (`b`) is `nan`"),
            ("a,b\n1,1e39\n", "range of f32"),
            ("a,b\n1,\n", "line 2, column 2 (`b`) is empty"),
            ("a,label\n1,0.5\n", "line 2, column 2 (`label`): the label of example 0 is 0.5"),
            ("a,label\n1,-1\n", "is -1"),
            ("label\n1\n", "label column only"),
            (",a\n0,1\n", "index=False"),
            ("a,b\n", "at least one example"),
            ("", "empty table"),
        ];
        for (text, expected) in cases {
            let error = read(text, LabelColumn::ByName).unwrap_err();
            assert!(
                error.contains(expected) && error.starts_with("`t.csv`: "),
                "{text:?}: {error}"
            );
        }
        let missing = read("a,b\n1,2\n", LabelColumn::Named("c".into())).unwrap_err();
        assert!(missing.contains("no column is called `c`") && missing.contains("a, b"));
    }

    /// A limit must not change what a class is.
    #[test]
    fn a_limit_keeps_the_number_of_classes() {
        let options = ReadOptions { examples: Some(1), ..ReadOptions::default() };
        let data = dataset("t", b"a,y\n1,0\n2,7\n", &options).map_err(|p| p.in_file("t")).unwrap();
        assert_eq!((data.examples(), data.classes()), (1, 8));
    }
}
