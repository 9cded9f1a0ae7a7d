//! Grid files: TOML to a checked [`Grid`], and errors that point into the text.

use std::fs::File;
use std::io::Read;
use std::ops::Range as Span;
use std::path::Path;

use firstguess::spec::error::nearest;
use firstguess::sweep::{Axis, Field, Grid, GridError, GridParts, Range, Scale, Values};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::spec_file::{LoadSpecError, SpecFileError, load_spec_table};

/// Most bytes of a grid file: a list of some hundred thousand values.
pub const MAX_GRID_BYTES: usize = 16 << 20;

const KEYS: [&str; 6] = ["command", "spec", "grid", "zip", "chunk", "json"];
const RANGE_KEYS: [&str; 5] = ["start", "stop", "num", "scale", "round"];

/// A smallest grid, for messages.
const SMALLEST: &str = "the smallest grid has `command = \"predict\"` and a table [grid] with lists and ranges, such as \
                        weight_variance = { start = 0.5, stop = 3, num = 6 }";

type Fault = SpecFileError;

/// Reads and checks a grid file. A path under `spec` is taken from the file's own folder, and the spec in it becomes part of
/// the grid.
///
/// # Errors
///
/// [`LoadSpecError`] if the file cannot be read, is larger than [`MAX_GRID_BYTES`], or as [`parse_grid`].
pub fn load_grid(path: &Path) -> Result<Grid, LoadSpecError> {
    let refused =
        |text: Option<String>, fault: Fault| LoadSpecError { path: path.to_owned(), text, fault };
    let text = read(path).map_err(|fault| refused(None, fault))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse_grid(&text, folder).map_err(|fault| refused(Some(text), fault))
}

fn read(path: &Path) -> Result<String, Fault> {
    let cannot = |error: std::io::Error| Fault::new(format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MAX_GRID_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > MAX_GRID_BYTES {
        return Err(too_large());
    }
    String::from_utf8(bytes)
        .map_err(|_| Fault::new("is not UTF-8 text").help("a grid is a TOML file"))
}

fn too_large() -> Fault {
    Fault::new(format!("is larger than {MAX_GRID_BYTES} bytes"))
        .help("write evenly spaced values as { start = 0, stop = 1, num = 1000 }")
}

/// Reads and checks the TOML text of a grid; `folder` is where a path under `spec` starts.
///
/// # Errors
///
/// [`SpecFileError`] with the place of the first fault.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// let grid = firstguess_io::sweep::parse_grid(
///     r#"
///     command = "predict"
///     [grid]
///     activation = ["relu", "tanh"]
///     weight_variance = { start = 0.5, stop = 3, num = 6 }
///     bias_variance = { start = 1e-4, stop = 1, num = 5, scale = "log" }
///     "#,
///     Path::new(""),
/// )?;
/// assert_eq!(grid.points(), 60);
///
/// let error = firstguess_io::sweep::parse_grid("command = \"predict\"\ngird = 3", Path::new(""));
/// assert_eq!(error.unwrap_err().help.as_deref(), Some("did you mean `grid`?"));
/// # Ok::<(), firstguess_io::SpecFileError>(())
/// ```
pub fn parse_grid(text: &str, folder: &Path) -> Result<Grid, SpecFileError> {
    if text.len() > MAX_GRID_BYTES {
        return Err(too_large());
    }
    let root = DeTable::parse(text).map_err(|error| {
        Fault::new(error.message().trim_end().to_owned()).at(error.span()).help(SMALLEST)
    })?;
    let root = root.get_ref();
    for (key, _) in root {
        if !KEYS.contains(&key.get_ref().as_ref()) {
            return Err(unknown(key.get_ref(), &KEYS, key.span()));
        }
    }
    let command = root
        .get("command")
        .ok_or_else(|| Fault::new("the key `command` is missing").help(SMALLEST))?;
    let command_name = string(command, "command")?;
    let mut axes = Axes::default();
    if let Some(grid) = root.get("grid") {
        for (name, values) in fields(grid, "grid")? {
            let at = values.span().start;
            let values = self::values(&name, values)?;
            axes.push(at, vec![Field { name, values }]);
        }
    }
    for zip in zips(root)? {
        let mut together = Vec::new();
        let mut at = zip.span().start;
        for (position, (name, found)) in fields(zip, "zip")?.into_iter().enumerate() {
            if position == 0 {
                at = found.span().start;
            }
            let values = self::values(&name, found)?;
            together.push(Field { name, values });
        }
        axes.push(at, together);
    }
    let spec = root.get("spec").map(|spec| self::spec(spec, folder)).transpose()?;
    let parts = GridParts {
        command: command_name.to_owned(),
        spec,
        axes: axes.in_order(),
        chunk: root.get("chunk").map(|chunk| whole(chunk, "chunk")).transpose()?,
        json: root.get("json").map(|json| flag(json, "json")).transpose()?.unwrap_or(false),
        data: String::new(),
    };
    Grid::new(parts).map_err(|error| locate(root, &error))
}

/// Axes with where they stand: their order is that of the file.
#[derive(Default)]
struct Axes(Vec<(usize, Axis)>);

impl Axes {
    fn push(&mut self, at: usize, fields: Vec<Field>) {
        self.0.push((at, Axis { fields }));
    }

    fn in_order(mut self) -> Vec<Axis> {
        self.0.sort_by_key(|(at, _)| *at);
        self.0.into_iter().map(|(_, axis)| axis).collect()
    }
}

type Found<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// The fields of a table in the order of the file; tables inside tables are paths, written `init.bias_variance` or quoted.
fn fields<'a, 'i>(table: Found<'a, 'i>, what: &str) -> Result<Vec<(String, Found<'a, 'i>)>, Fault> {
    fn collect<'a, 'i>(
        table: &'a DeTable<'i>,
        prefix: &str,
        into: &mut Vec<(String, Found<'a, 'i>)>,
    ) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if !is_range(inner) => {
                    collect(inner, &format!("{name}."), into);
                }
                _ => into.push((name, value)),
            }
        }
    }
    let inside = table.get_ref().as_table().ok_or_else(|| {
        Fault::new(format!("`{what}` must be a table of fields"))
            .at(Some(table.span()))
            .help(SMALLEST)
    })?;
    let mut found = Vec::new();
    collect(inside, "", &mut found);
    found.sort_by_key(|(_, value)| value.span().start);
    Ok(found)
}

/// A table with values in place of a value: where nothing of a range is in it, it is a part of a path.
fn is_range(table: &DeTable<'_>) -> bool {
    ["start", "stop", "num"].iter().any(|key| table.get(*key).is_some())
}

fn zips<'a, 'i>(root: &'a DeTable<'i>) -> Result<Vec<Found<'a, 'i>>, Fault> {
    let Some(zip) = root.get("zip") else { return Ok(Vec::new()) };
    match zip.get_ref() {
        DeValue::Array(items) => Ok(items.iter().collect()),
        DeValue::Table(_) => Ok(vec![zip]),
        _ => Err(Fault::new("`zip` must be tables, each begun with [[zip]]").at(Some(zip.span()))),
    }
}

fn values(name: &str, found: Found<'_, '_>) -> Result<Values, Fault> {
    match found.get_ref() {
        DeValue::Array(items) => {
            items.iter().map(|item| json(name, item)).collect::<Result<_, _>>().map(Values::List)
        }
        DeValue::Table(table) => range(name, table, &found.span()).map(Values::Range),
        _ => Ok(Values::List(vec![json(name, found)?])),
    }
}

fn range(name: &str, table: &DeTable<'_>, span: &Span<usize>) -> Result<Range, Fault> {
    for (key, _) in table {
        if !RANGE_KEYS.contains(&key.get_ref().as_ref()) {
            return Err(unknown(key.get_ref(), &RANGE_KEYS, key.span()));
        }
    }
    let end = |key: &str| {
        let missing = || {
            Fault::new(format!("the range of `{name}` lacks `{key}`"))
                .at(Some(span.clone()))
                .help("write { start = 0.5, stop = 3, num = 6 }, and scale = \"log\" for even steps of the logarithm")
        };
        let found = table.get(key).ok_or_else(missing)?;
        let number = json(name, found)?.as_f64();
        let refuse = || Fault::new(format!("`{key}` must be a number")).at(Some(found.span()));
        number.ok_or_else(refuse)
    };
    let (start, stop) = (end("start")?, end("stop")?);
    end("num")?;
    let num = table.get("num").map(|num| whole(num, "num")).transpose()?.unwrap_or(0);
    let scale = match table.get("scale").map(|scale| string(scale, "scale")).transpose()? {
        None | Some("linear") => Scale::Linear,
        Some("log") => Scale::Log,
        Some(other) => {
            return Err(Fault::new(format!("there is no scale `{other}`"))
                .at(table.get("scale").map(Spanned::span))
                .help("allowed: linear, log"));
        }
    };
    let round = table.get("round").map(|round| flag(round, "round")).transpose()?.unwrap_or(false);
    Ok(Range { start, stop, num, scale, round })
}

/// A spec in the grid file, or the path of one.
fn spec(found: Found<'_, '_>, folder: &Path) -> Result<Value, Fault> {
    match found.get_ref() {
        DeValue::String(path) => load_spec_table(&folder.join(path.as_ref()))
            .map_err(|error| Fault::new(error.to_string()).at(Some(found.span()))),
        DeValue::Table(_) => json("spec", found),
        _ => Err(Fault::new(
            "`spec` must be the path of a spec file, or a table with what one holds",
        )
        .at(Some(found.span()))),
    }
}

/// A value as JSON; whatever JSON has no word for is refused, but for infinity, which some options take.
pub(crate) fn json(name: &str, found: Found<'_, '_>) -> Result<Value, Fault> {
    let refuse = |message: String| Fault::new(message).at(Some(found.span()));
    match found.get_ref() {
        DeValue::String(text) => Ok(Value::from(text.as_ref())),
        DeValue::Boolean(value) => Ok(Value::from(*value)),
        DeValue::Integer(digits) => {
            i64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix())
                .map(Value::from)
                .map_err(|_| refuse(format!("`{name}` holds {digits}, which is too large")))
        }
        DeValue::Float(digits) => {
            let value: f64 = digits.as_str().replace('_', "").parse().unwrap_or(f64::NAN);
            if value.is_nan() {
                let error = GridError::NotFinite { field: name.to_owned(), value };
                return Err(refuse(error.to_string()));
            }
            if value.is_infinite() {
                return Ok(Value::from(if value > 0.0 { "inf" } else { "-inf" }));
            }
            Ok(Value::from(value))
        }
        DeValue::Datetime(_) => Err(refuse(format!("`{name}` holds a date; no field takes one"))),
        DeValue::Array(items) => {
            items.iter().map(|item| json(name, item)).collect::<Result<_, _>>().map(Value::Array)
        }
        DeValue::Table(table) => {
            let mut map = Map::new();
            for (key, value) in table {
                map.insert(key.get_ref().to_string(), json(name, value)?);
            }
            Ok(Value::Object(map))
        }
    }
}

fn string<'a>(found: Found<'a, '_>, key: &str) -> Result<&'a str, Fault> {
    found
        .get_ref()
        .as_str()
        .ok_or_else(|| Fault::new(format!("`{key}` must be text in quotes")).at(Some(found.span())))
}

fn whole(found: Found<'_, '_>, key: &str) -> Result<u64, Fault> {
    let number = json(key, found)?.as_u64();
    let refuse =
        || Fault::new(format!("`{key}` must be a whole number, at least 0")).at(Some(found.span()));
    number.ok_or_else(refuse)
}

fn flag(found: Found<'_, '_>, key: &str) -> Result<bool, Fault> {
    let refuse = || Fault::new(format!("`{key}` must be true or false")).at(Some(found.span()));
    found.get_ref().as_bool().ok_or_else(refuse)
}

fn unknown(key: &str, known: &[&str], span: Span<usize>) -> Fault {
    let help = nearest(key, known.iter().copied()).map_or_else(
        || format!("known keys: {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Fault::new(format!("unknown key `{key}`")).at(Some(span)).help(help)
}

/// Places a fault of the grid's meaning: at the field that its message names first, where that has a place.
pub(crate) fn locate(root: &DeTable<'_>, error: &GridError) -> Fault {
    let message = error.to_string();
    let name = match error {
        GridError::UnknownCommand { .. } => Some("command"),
        GridError::Chunk { .. } => Some("chunk"),
        GridError::TooMany { .. } => Some("grid"),
        GridError::Spec(_) if root.get("spec").is_some() => Some("spec"),
        _ => None,
    };
    let span = match name {
        Some(name) => root.get(name).map(Spanned::span),
        None => message.split('`').nth(1).and_then(|name| field_span(root, name)),
    };
    let span = span.filter(|span| !span.is_empty());
    match message.split_once("; ") {
        Some((message, help)) => Fault::new(message).at(span).help(help),
        None => Fault::new(message).at(span),
    }
}

fn field_span(root: &DeTable<'_>, name: &str) -> Option<Span<usize>> {
    let tables = root.get("grid").into_iter().chain(zips(root).ok()?);
    tables
        .filter_map(|table| fields(table, "grid").ok())
        .flatten()
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.span())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Grid, Fault> {
        parse_grid(text, Path::new(""))
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let fault = parse(text).unwrap_err();
        let all = format!("{} {}", fault.message, fault.help.clone().unwrap_or_default());
        assert!(all.contains(expected), "`{expected}` is not in: {all}");
        if let Some(span) = fault.span {
            assert!(text.get(span).is_some());
        }
    }

    #[test]
    fn axes_come_in_the_order_of_the_file() {
        let grid = parse(
            "command = \"check\"\nspec = { init = { scheme = \"he_normal\" }, network = { layers = [{ dense = 3 }] } }\n\
             [grid]\nseed = [1, 2]\ninit.bias_variance = { start = 0, stop = 0.5, num = 2 }\n\
             \"network.layers.0.dense\" = 0x10\n[[zip]]\ndraws = [3, 4]\ndata.shift = [0.5, 1.5]\n",
        )
        .unwrap();
        let names: Vec<&str> = grid.fields().collect();
        let expected =
            ["seed", "init.bias_variance", "network.layers.0.dense", "draws", "data.shift"];
        assert_eq!(names, expected);
        assert_eq!(grid.point(1).values, [json!(1), json!(0), json!(16), json!(4), json!(1.5)]);
        assert_eq!(grid.points(), 8);
    }

    #[test]
    fn faults_are_shown_where_they_are() {
        let text = "command = \"predict\"\n[grid]\ndepth = []\n";
        let fault = parse(text).unwrap_err();
        assert!(fault.message.contains("empty list"));
        assert_eq!(&text[fault.span.unwrap()], "[]");
        refused("", "`command` is missing");
        refused("command = 3", "text in quotes");
        refused("command = \"predict\"\n[gird]\n", "did you mean `grid`");
        refused("command = \"predict\"\n[grid]\nx = nan", "NaN");
        refused("command = \"predict\"\n[grid]\nx = [1, nan]", "NaN");
        refused("command = \"predict\"\n[grid]\nx = { start = 0, stop = inf, num = 3 }", "number");
        refused("command = \"predict\"\n[grid]\nx = { start = 0, sto = 1, num = 3 }", "stop");
        refused("command = \"predict\"\n[grid]\nx = { start = 0, num = 3 }", "lacks `stop`");
        refused("command = \"predict\"\n[grid]\nx = { start = 0, stop = 1, num = -3 }", "whole");
        refused(
            "command = \"predict\"\n[grid]\nx = { start = 0, stop = 1, num = 3, scale = \"ln\" }",
            "linear, log",
        );
        refused("command = \"predict\"\n[grid]\nx = 1979-05-27", "date");
        refused("command = \"predict\"\ngrid = 3", "table of fields");
        refused("command = \"predict\"\n[[zip]]\na = [1, 2]\nb = [1, 2, 3]", "2 values");
        refused("command = \"predict\"\nchunk = 0", "per chunk");
        refused("command = \"guess\"\nspec = {}", "asks of no network");
        refused("command = \"check\"\nspec = \"no/such/file.toml\"", "no/such/file.toml");
        refused("command = \"predict\"\n[grid\n", "");
        let big = "[grid]\na = { start = 0, stop = 1, num = 1000000 }\n\
                   b = { start = 0, stop = 1, num = 1000000 }\n";
        refused(&format!("command = \"predict\"\n{big}"), "1000000000000 points");
    }

    #[test]
    fn infinity_is_text_that_options_may_take() {
        let grid = parse("command = \"guess\"\n[grid]\ngamma = [1, inf]\nclasses = 2").unwrap();
        assert_eq!(grid.point(1).values, [json!("inf"), json!(2)]);
    }
}
