//! Answers as columns of fixed names and types.

use serde_json::Value;

use super::axis::{Axis, Values};
use super::grid::{Grid, Point};
use super::key::canonical;

/// The type of a column. Every column but `point`, `key` and `status` may lack values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Numbers; infinite ones are infinite, not missing.
    Number,
    /// Text.
    Text,
    /// Yes or no.
    Flag,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Text.
    Text(Vec<Option<String>>),
    /// Yes or no.
    Flag(Vec<Option<bool>>),
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Unique in its table.
    pub name: String,
    /// Its values, one per row.
    pub data: ColumnData,
}

/// Columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// In order.
    pub columns: Vec<Column>,
}

/// A point and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The question.
    pub point: Point,
    /// Its key.
    pub key: String,
    /// The answer as the command prints it with `--json`, or what it says of unusable input.
    pub outcome: Result<Value, String>,
}

/// Which columns the points of a grid have: the same for every chunk, known before anything is computed.
///
/// First `point` (its number), `key`, `status` (`ok` or `failed`) and `error`; then one column per field of the grid; then the
/// results of the command, less those that are fields; then `json` where whole answers are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    columns: Vec<(String, Kind, Origin)>,
}

/// Where the value of a column comes from.
#[derive(Debug, Clone, PartialEq)]
enum Origin {
    Index,
    Key,
    Status,
    Error,
    Field(usize),
    Answer(Vec<Step>),
    Whole,
}

/// A step into an answer.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    At(usize),
    Last,
    /// Of every entry; their texts are joined.
    Each,
}

impl Layout {
    /// The columns of a grid.
    pub fn new(grid: &Grid) -> Self {
        let mut columns = vec![
            ("point".to_owned(), Kind::Integer, Origin::Index),
            ("key".to_owned(), Kind::Text, Origin::Key),
            ("status".to_owned(), Kind::Text, Origin::Status),
            ("error".to_owned(), Kind::Text, Origin::Error),
        ];
        let fields = grid.axes().iter().flat_map(|axis: &Axis| &axis.fields);
        for (position, field) in fields.enumerate() {
            columns.push((field.name.clone(), kind_of(&field.values), Origin::Field(position)));
        }
        for (name, kind, path) in grid.command().sources() {
            if columns.iter().all(|(there, ..)| there != name) {
                columns.push(((*name).to_owned(), *kind, Origin::Answer(steps(path))));
            }
        }
        if grid.keeps_json() {
            columns.push(("json".to_owned(), Kind::Text, Origin::Whole));
        }
        Self { columns }
    }

    /// Names and types, in order.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.columns.iter().map(|(name, kind, _)| (name.as_str(), *kind))
    }

    /// The rows in columns.
    pub fn table(&self, rows: &[Row]) -> Table {
        let columns = self.columns.iter().map(|(name, kind, origin)| {
            let cells = rows.iter().map(|row| cell(row, origin));
            let data = match kind {
                Kind::Integer => {
                    ColumnData::Integer(cells.map(|cell| cell.as_ref().and_then(integer)).collect())
                }
                Kind::Number => {
                    ColumnData::Number(cells.map(|cell| cell.as_ref().and_then(number)).collect())
                }
                Kind::Text => ColumnData::Text(cells.map(|cell| cell.and_then(text)).collect()),
                Kind::Flag => {
                    ColumnData::Flag(cells.map(|cell| cell?.plain()?.as_bool()).collect())
                }
            };
            Column { name: name.clone(), data }
        });
        Table { columns: columns.collect() }
    }
}

/// What stands in a cell.
enum Cell {
    Plain(Value),
    Infinite(f64),
}

impl Cell {
    fn plain(self) -> Option<Value> {
        match self {
            Self::Plain(value) => Some(value),
            Self::Infinite(_) => None,
        }
    }
}

fn cell(row: &Row, origin: &Origin) -> Option<Cell> {
    let plain = |value: Value| Some(Cell::Plain(value));
    match (origin, &row.outcome) {
        (Origin::Index, _) => plain(row.point.index.into()),
        (Origin::Key, _) => plain(row.key.as_str().into()),
        (Origin::Status, Ok(_)) => plain("ok".into()),
        (Origin::Status, Err(_)) => plain("failed".into()),
        (Origin::Error, Err(why)) => plain(why.as_str().into()),
        (Origin::Field(position), _) => row.point.values.get(*position).cloned().and_then(plain),
        (Origin::Answer(path), Ok(answer)) => look_up(answer, path),
        (Origin::Whole, Ok(answer)) => plain(answer.to_string().into()),
        (Origin::Error, Ok(_)) | (Origin::Answer(_) | Origin::Whole, Err(_)) => None,
    }
}

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Plain(value) => value.as_i64(),
        Cell::Infinite(_) => None,
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Plain(value) => value.as_f64(),
        Cell::Infinite(value) => Some(*value),
    }
}

fn text(cell: Cell) -> Option<String> {
    match cell.plain()? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(canonical(&other)),
    }
}

/// What stands at a path; null beside the reason "infinite" is infinite.
fn look_up(answer: &Value, path: &[Step]) -> Option<Cell> {
    let mut place = answer;
    for (depth, step) in path.iter().enumerate() {
        let inside = match step {
            Step::Key(key) => place.get(key),
            Step::At(position) => place.get(position),
            Step::Last => place.as_array().and_then(|items| items.last()),
            Step::Each => {
                let items = place.as_array()?;
                let parts =
                    items.iter().filter_map(|item| match look_up(item, &path[depth + 1..]) {
                        Some(cell) => text(cell),
                        None => None,
                    });
                return Some(Cell::Plain(parts.collect::<Vec<String>>().join(",").into()));
            }
        };
        match inside {
            Some(Value::Null) | None => {
                let Step::Key(key) = step else { return None };
                let reason = place.get(format!("{key}_reason"))?.as_str()?;
                return if reason.starts_with("infinite") {
                    Some(Cell::Infinite(f64::INFINITY))
                } else if reason.starts_with("minus infinity") {
                    Some(Cell::Infinite(f64::NEG_INFINITY))
                } else {
                    None
                };
            }
            Some(value) => place = value,
        }
    }
    Some(Cell::Plain(place.clone()))
}

/// `layers.-1.q`; a point that belongs to a key is escaped: `quantiles.0\.5`.
fn steps(path: &str) -> Vec<Step> {
    const ESCAPED: &str = "\u{0}";
    let path = path.replace("\\.", ESCAPED);
    let each = path.split('.').map(|step| match step {
        "-1" => Step::Last,
        "*" => Step::Each,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_or_else(|_| Step::Key(digits.to_owned()), Step::At)
        }
        key => Step::Key(key.replace(ESCAPED, ".")),
    });
    each.collect()
}

/// The type that holds every value of a field.
fn kind_of(values: &Values) -> Kind {
    let values = match values {
        Values::Range(range) => return if range.is_whole() { Kind::Integer } else { Kind::Number },
        Values::List(values) => values,
    };
    if values.iter().all(|value| value.as_i64().is_some()) {
        Kind::Integer
    } else if values.iter().all(Value::is_number) {
        Kind::Number
    } else if values.iter().all(Value::is_boolean) {
        Kind::Flag
    } else {
        Kind::Text
    }
}
