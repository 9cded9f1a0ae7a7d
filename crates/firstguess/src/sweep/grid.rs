//! A grid: its points in order, each from its number alone.

use std::fmt::Write as _;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::axis::Axis;
use super::command::{Command, Spec};
use super::error::GridError;
use super::key;
use crate::spec::experiment::DataSpec;

/// Points of one grid at most.
pub const MAX_POINTS: u64 = 1_000_000_000;

/// Points of one chunk at most: its rows are held in memory.
pub const MAX_CHUNK_POINTS: u64 = 65_536;

/// Chunks of one grid at most: each is a file.
pub const MAX_CHUNKS: u64 = 1_000_000;

/// Chunks that are aimed at, so that every worker has some and a folder is still quick to list.
const FEWEST_CHUNKS: u64 = 16;
const USUAL_MOST_CHUNKS: u64 = 20_000;

/// A grid before it is checked: what a file, Python or a manifest holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridParts {
    /// Name of the command.
    pub command: String,
    /// The network, data and budget that all points share, as in a spec file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
    /// The axes; the last one changes fastest.
    pub axes: Vec<Axis>,
    /// Points per chunk; chosen by the cost of the command unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<u64>,
    /// Whether each whole answer is kept beside its columns, as JSON.
    #[serde(default)]
    pub json: bool,
    /// Fingerprints of the data files that the points read, one per line; part of every key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data: String,
}

/// A checked grid.
///
/// # Examples
///
/// ```
/// use firstguess::sweep::{Axis, Field, Grid, GridParts, Range, Scale, Values};
/// let range = |start, stop, num| {
///     Values::Range(Range { start, stop, num, scale: Scale::Linear, round: false })
/// };
/// let axis = |name: &str, values| Axis { fields: vec![Field { name: name.into(), values }] };
/// let grid = Grid::new(GridParts {
///     command: "phase-point".into(),
///     spec: None,
///     axes: vec![
///         axis("activation", Values::List(vec!["tanh".into()])),
///         axis("bias_variance", range(0.0, 0.2, 3)),
///         axis("weight_variance", range(0.5, 3.0, 6)),
///     ],
///     chunk: None,
///     json: false,
///     data: String::new(),
/// })?;
/// assert_eq!(grid.points(), 18);
/// // The last axis changes fastest.
/// assert_eq!(grid.point(7).values, [serde_json::json!("tanh"), 0.1.into(), 1.into()]);
/// assert_eq!(grid.key(7).len(), 32);
/// # Ok::<(), firstguess::sweep::GridError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    parts: GridParts,
    command: Command,
    points: u64,
    chunk: u64,
}

/// One question of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// From 0.
    pub index: u64,
    /// Options of the command, in the order of the axes.
    pub options: Vec<(String, Value)>,
    /// The spec with this point's values in it.
    pub spec: Option<Value>,
    /// The value of every field, in the order of [`Grid::fields`].
    pub values: Vec<Value>,
}

impl Grid {
    /// Checks the parts: every field once, every axis with distinct values, every path into the spec leading somewhere.
    ///
    /// Whether an option exists is the command's to say ([`GridError::UnknownField`]).
    ///
    /// # Errors
    ///
    /// [`GridError`] for anything that is not a grid of at most [`MAX_POINTS`] points.
    pub fn new(parts: GridParts) -> Result<Self, GridError> {
        let command = Command::named(&parts.command)?;
        spec_fits(command, &parts)?;
        let mut points = Some(1_u64);
        for axis in &parts.axes {
            points = points.and_then(|points| points.checked_mul(axis.len()));
        }
        for axis in &parts.axes {
            // A long list has its own bound; a long range is refused before it is looked through.
            if axis.len() > MAX_POINTS {
                return Err(GridError::TooMany { found: points, allowed: MAX_POINTS });
            }
            axis.validate()?;
        }
        let Some(points) = points.filter(|points| *points <= MAX_POINTS) else {
            return Err(GridError::TooMany { found: points, allowed: MAX_POINTS });
        };
        let chunk = chunk_points(parts.chunk, points, command)?;
        let parts = with_data(parts);
        let grid = Self { parts, command, points, chunk };
        grid.fields_are_apart()?;
        if let Some(mut spec) = grid.parts.spec.clone() {
            for (name, value) in grid.fields().zip(grid.values(0)) {
                if is_path(name) {
                    set(&mut spec, name, value)?;
                }
            }
        }
        Ok(grid)
    }

    /// The command that answers the points.
    pub const fn command(&self) -> Command {
        self.command
    }

    /// What the grid was made of, the chunk size now fixed.
    pub fn parts(&self) -> GridParts {
        GridParts { chunk: Some(self.chunk), ..self.parts.clone() }
    }

    /// Number of points.
    pub const fn points(&self) -> u64 {
        self.points
    }

    /// Points per chunk.
    pub const fn chunk_points(&self) -> u64 {
        self.chunk
    }

    /// Number of chunks.
    pub const fn chunks(&self) -> u64 {
        self.points.div_ceil(self.chunk)
    }

    /// Whether whole answers are kept.
    pub const fn keeps_json(&self) -> bool {
        self.parts.json || self.command.always_whole()
    }

    /// The points of a chunk; empty beyond the last.
    pub fn chunk(&self, index: u64) -> Range<u64> {
        let start = index.saturating_mul(self.chunk).min(self.points);
        start..start.saturating_add(self.chunk).min(self.points)
    }

    /// Names of the fields, axis after axis.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.axes.iter().flat_map(|axis| &axis.fields).map(|field| field.name.as_str())
    }

    /// The axes, as they were given.
    pub fn axes(&self) -> &[Axis] {
        &self.parts.axes
    }

    /// The spec that all points share, as it was given.
    pub const fn spec(&self) -> Option<&Value> {
        self.parts.spec.as_ref()
    }

    /// The values of one point, field after field.
    fn values(&self, index: u64) -> Vec<Value> {
        let mut rest = index;
        let mut positions: Vec<u64> = Vec::with_capacity(self.parts.axes.len());
        for axis in self.parts.axes.iter().rev() {
            positions.push(rest % axis.len());
            rest /= axis.len();
        }
        positions.reverse();
        let axes = self.parts.axes.iter().zip(positions);
        axes.flat_map(|(axis, at)| axis.fields.iter().map(move |field| field.values.at(at)))
            .collect()
    }

    /// Point number `index`.
    pub fn point(&self, index: u64) -> Point {
        let values = self.values(index);
        let mut spec = self.parts.spec.clone();
        let mut options = Vec::new();
        for (name, value) in self.fields().zip(&values) {
            match spec.as_mut().filter(|_| is_path(name)) {
                // Seen to lead somewhere when the grid was made.
                Some(spec) => drop(set(spec, name, value.clone())),
                None => options.push((name.to_owned(), value.clone())),
            }
        }
        Point { index, options, spec, values }
    }

    /// The content key of a point: equal for equal questions in any grid.
    pub fn key(&self, index: u64) -> String {
        self.key_of(&self.point(index))
    }

    /// The same of a point at hand.
    pub fn key_of(&self, point: &Point) -> String {
        let options: Map<String, Value> = point.options.iter().cloned().collect();
        let question = json!({
            "command": self.command.name(),
            "options": options,
            "spec": point.spec,
        });
        key::key(&question, &self.parts.data)
    }

    /// 64 hexadecimal digits that two grids share only if they have the same points in the same order and chunks.
    pub fn digest(&self) -> String {
        let parts = serde_json::to_value(self.parts()).unwrap_or_default();
        let hash = Sha256::digest(key::canonical(&parts));
        hash.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The same grid, its points bound to the contents of these files.
    #[must_use]
    pub fn on_data(mut self, fingerprints: String) -> Self {
        self.parts.data = fingerprints;
        self
    }

    /// No field twice, and none inside another.
    fn fields_are_apart(&self) -> Result<(), GridError> {
        let names: Vec<&str> = self.fields().collect();
        for (position, name) in names.iter().enumerate() {
            let inside = |other: &&&str| {
                let (short, long) =
                    if name.len() < other.len() { (name, **other) } else { (*other, *name) };
                long == *short || (long.starts_with(*short) && long[short.len()..].starts_with('.'))
            };
            if names[..position].iter().find(inside).is_some() {
                return Err(GridError::RepeatedField { field: (*name).to_owned() });
            }
        }
        Ok(())
    }
}

fn is_path(name: &str) -> bool {
    name.contains('.')
}

/// A spec without data has the embedded digits. A path into the data of such a spec means them, not data without a name.
fn with_data(mut parts: GridParts) -> GridParts {
    let names = parts.axes.iter().flat_map(|axis| &axis.fields).map(|field| field.name.as_str());
    let inside: Vec<&str> = names.filter(|name| name.starts_with("data.")).collect();
    let other = ["data.dataset", "data.synthetic", "data.features"];
    let other = inside.iter().any(|name| other.contains(name));
    if let Some(Value::Object(spec)) = &mut parts.spec
        && !inside.is_empty()
        && !other
        && !spec.contains_key("data")
    {
        let data = serde_json::to_value(DataSpec::default()).unwrap_or_default();
        spec.insert("data".to_owned(), data);
    }
    parts
}

fn spec_fits(command: Command, parts: &GridParts) -> Result<(), GridError> {
    let name = command.name();
    let path = parts.axes.iter().flat_map(|axis| &axis.fields).find(|field| is_path(&field.name));
    match (command.spec(), &parts.spec, path) {
        (Spec::Never, Some(_), _) => {
            Err(GridError::Spec(format!("`{name}` asks of no network; leave `spec` out")))
        }
        (Spec::Required, None, _) => Err(GridError::Spec(format!(
            "`{name}` asks of a network; give `spec = \"model.toml\"`, or a table [spec] with what such a file holds"
        ))),
        (_, None, Some(field)) => Err(GridError::Spec(format!(
            "the field `{}` leads into a spec, and there is none; give `spec = \"model.toml\"`, or a table [spec]",
            field.name
        ))),
        (_, Some(spec), _) if !spec.is_object() => {
            Err(GridError::Spec("`spec` must be a table, or the path of a spec file".to_owned()))
        }
        _ => Ok(()),
    }
}

fn chunk_points(given: Option<u64>, points: u64, command: Command) -> Result<u64, GridError> {
    let usual = points.div_ceil(FEWEST_CHUNKS).clamp(1, command.usual_chunk());
    let chunk = given.unwrap_or_else(|| usual.max(points.div_ceil(USUAL_MOST_CHUNKS)));
    if !(1..=MAX_CHUNK_POINTS).contains(&chunk) {
        let allowed = format!("give from 1 to {MAX_CHUNK_POINTS} points per chunk");
        return Err(GridError::Chunk { found: chunk, allowed });
    }
    if points.div_ceil(chunk) > MAX_CHUNKS {
        let allowed = format!(
            "the grid would have more than {MAX_CHUNKS} files; give at least {} points per chunk",
            points.div_ceil(MAX_CHUNKS)
        );
        return Err(GridError::Chunk { found: chunk, allowed });
    }
    Ok(chunk)
}

/// Puts a value at a path of keys and positions; tables on the way are made where they are missing.
fn set(spec: &mut Value, path: &str, value: Value) -> Result<(), GridError> {
    let fault = |found: String, hint: &str| {
        Err(GridError::Path { field: path.to_owned(), found, hint: hint.to_owned() })
    };
    let mut place = spec;
    let mut seen = String::new();
    for step in path.split('.') {
        let here = if seen.is_empty() { "the spec".to_owned() } else { format!("`{seen}`") };
        place = match place {
            Value::Object(map) => map.entry(step).or_insert_with(|| Value::Object(Map::new())),
            Value::Array(items) => {
                let count = items.len();
                match step.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                    Some(item) => item,
                    None => {
                        return fault(
                            format!("{here} is a list of {count} and has no entry `{step}`"),
                            "entries are counted from 0",
                        );
                    }
                }
            }
            other => {
                return fault(
                    format!("{here} is {other} and has no parts"),
                    "give a path to a value, such as init.bias_variance or network.layers.0.dense",
                );
            }
        };
        if !seen.is_empty() {
            seen.push('.');
        }
        seen.push_str(step);
    }
    *place = value;
    Ok(())
}
