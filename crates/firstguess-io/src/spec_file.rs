//! Spec files: TOML to a checked [`Spec`], and errors that point into the text.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::known;
use firstguess::spec::error::{LayerPath, nearest};
use firstguess::spec::{Shape, Spec, SpecError};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most bytes of a spec file. A thousand layers written out one by one take a tenth of it.
pub const MAX_SPEC_BYTES: usize = 1 << 20;

/// What is wrong in the text of a spec, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpecFileError {
    /// What was found and what is allowed.
    pub message: String,
    /// Byte range of the fault in the text, where it has one place.
    pub span: Option<Range<usize>>,
    /// What to do.
    pub help: Option<String>,
}

impl SpecFileError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn at(mut self, span: Option<Range<usize>>) -> Self {
        self.span = span;
        self
    }
}

/// A spec with the text it stands in, so that a fault found later can still be shown there.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecFile {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it says.
    pub spec: Spec,
}

impl SpecFile {
    /// A fault that only the data brought to light (a shape that does not fit), placed in the file.
    pub fn fault(&self, error: &SpecError) -> LoadSpecError {
        LoadSpecError {
            path: self.path.clone(),
            text: Some(self.text.clone()),
            fault: locate(&self.text, error),
        }
    }
}

/// Why a spec file could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("in `{}`: {fault}", path.display())]
pub struct LoadSpecError {
    /// The file.
    pub path: PathBuf,
    /// Its text, where it could be read.
    pub text: Option<String>,
    /// What is wrong.
    pub fault: SpecFileError,
}

/// Reads and checks a spec file.
///
/// # Errors
///
/// [`LoadSpecError`] if the file cannot be read, is larger than [`MAX_SPEC_BYTES`], is not UTF-8, or as [`parse_spec`].
pub fn load_spec(path: &Path) -> Result<SpecFile, LoadSpecError> {
    let refused = |text: Option<String>, fault: SpecFileError| LoadSpecError {
        path: path.to_owned(),
        text,
        fault,
    };
    let text = read(path).map_err(|fault| refused(None, fault))?;
    match parse_spec(&text) {
        Ok(spec) => Ok(SpecFile { path: path.to_owned(), text, spec }),
        Err(fault) => Err(refused(Some(text), fault)),
    }
}

/// Reads and checks a spec file, and gives back what it says in the words of the file.
#[cfg(feature = "parquet")]
pub(crate) fn load_spec_table(path: &Path) -> Result<serde_json::Value, LoadSpecError> {
    let file = load_spec(path)?;
    let table = DeTable::parse(&file.text).map_err(|error| of_toml(&file.text, &error));
    let table = table.and_then(|table| {
        let span = table.span();
        let value = Spanned::new(span, DeValue::Table(table.into_inner()));
        crate::sweep::json("spec", &value)
    });
    table.map_err(|fault| LoadSpecError {
        path: file.path.clone(),
        text: Some(file.text.clone()),
        fault,
    })
}

fn read(path: &Path) -> Result<String, SpecFileError> {
    let cannot = |error: std::io::Error| SpecFileError::new(format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
        return Err(SpecFileError::new("is an ONNX model, and a spec is wanted here")
            .help("write it as one: firstguess check model.onnx --write-spec model.toml"));
    }
    file.take(MAX_SPEC_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > MAX_SPEC_BYTES {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        SpecFileError::new(format!("is not UTF-8 text: byte {at} belongs to no character"))
            .help("a spec is a TOML file; save it as UTF-8")
    })
}

fn too_large() -> SpecFileError {
    SpecFileError::new(format!("is larger than {MAX_SPEC_BYTES} bytes"))
        .help("write many equal layers as { repeat = 20, layers = [...] }")
}

/// Reads and checks the TOML text of a spec.
///
/// Sizes are checked as far as the text alone tells the shape of the inputs.
///
/// # Errors
///
/// [`SpecFileError`] with the place of the first fault: syntax, an unknown key (and the nearest known one), a wrong type, a
/// number outside its domain, layers that do not fit.
///
/// # Examples
///
/// ```
/// use firstguess_io::parse_spec;
/// let spec = parse_spec(r#"
///     [init]
///     scheme = "he_normal"
///     [network]
///     layers = [{ dense = 512 }, "relu", { dense = 10 }]
/// "#)?;
/// assert_eq!(spec.network.layers.len(), 3);
///
/// let error = parse_spec("[init]\nshceme = \"he_normal\"").unwrap_err();
/// assert_eq!(error.help.as_deref(), Some("did you mean `scheme`?"));
/// assert_eq!(error.span, Some(7..13));
/// # Ok::<(), firstguess_io::SpecFileError>(())
/// ```
pub fn parse_spec(text: &str) -> Result<Spec, SpecFileError> {
    if text.len() > MAX_SPEC_BYTES {
        return Err(too_large());
    }
    if text.trim().is_empty() {
        return Err(SpecFileError::new("the spec is empty").help(SMALLEST));
    }
    let spec: Spec = toml::from_str(text).map_err(|error| of_toml(text, &error))?;
    spec.validate().map_err(|error| locate(text, &error))?;
    check_layers(&spec).map_err(|error| locate(text, &error))?;
    Ok(spec)
}

const SMALLEST: &str =
    "the smallest spec has an [init] table with `scheme` and a [network] table with `layers`";

/// Whether the layers fit together, as far as that is known without the data.
fn check_layers(spec: &Spec) -> Result<(), SpecError> {
    let known = match (&spec.data.dataset, spec.data.features) {
        (Some(name), _) if name == "digits" => Shape::image(1, 8, 8).ok(),
        (Some(name), _) if known::source(name).is_some() => {
            known::source(name).and_then(|source| {
                let [channels, height, width] = source.shape;
                Shape::image(channels, height, width).ok()
            })
        }
        (None, Some(features)) => Shape::flat(features).ok(),
        _ => None,
    };
    if let Some(shape) = known {
        return spec.network.resolve(&shape).map(drop);
    }
    let Ok(probe) = Shape::image(3, 64, 64) else { return Ok(()) };
    match spec.network.resolve(&probe) {
        // Bounds do not depend on the inputs; whether shapes fit does.
        Err(error @ (SpecError::SizeOutOfRange { .. } | SpecError::OutOfDomain { .. })) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// A spec as the text of a file that [`parse_spec`] reads back.
///
/// # Errors
///
/// [`SpecFileError`] for a spec that TOML cannot hold.
pub fn spec_text(spec: &Spec) -> Result<String, SpecFileError> {
    toml::to_string(spec).map_err(|error| SpecFileError::new(error.to_string()))
}

/// The words of the TOML reader, without the names of Rust's types.
fn of_toml(text: &str, error: &toml::de::Error) -> SpecFileError {
    let span = error.span().map(|span| within(text, span));
    let message = error.message().trim_end();
    if let Some((name, known)) = unknown(message, "unknown field `") {
        let near = nearest(name, known.iter().copied());
        let help = near.map_or_else(
            || format!("known keys: {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return SpecFileError::new(format!("unknown key `{name}`")).at(span).help(help);
    }
    if let Some((name, known)) = unknown(message, "unknown variant `") {
        let near = nearest(name, known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        return SpecFileError::new(format!("unknown value `{name}`"))
            .at(span)
            .help(format!("{near}Known: {}", known.join(", ")));
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return SpecFileError::new(format!("the key {name} is missing")).at(span).help(SMALLEST);
    }
    SpecFileError::new(in_plain_words(message)).at(span)
}

fn unknown<'a>(message: &'a str, start: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (name, rest) = message.strip_prefix(start)?.split_once('`')?;
    // Every second piece between backticks is a name.
    Some((name, rest.split('`').skip(1).step_by(2).collect()))
}

fn in_plain_words(message: &str) -> String {
    [
        ("expected usize", "expected a whole number, at least 0"),
        ("expected u64", "expected a whole number, at least 0"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list [...]"),
        (
            "data did not match any variant of untagged enum Classes",
            "expected a list of classes such as [3, 5], or the number of classes of synthetic data",
        ),
        ("expected struct Spec", "expected tables such as [init] and [network]"),
        ("expected struct InitScheme", "expected a table such as { scheme = \"he_normal\" }"),
        ("expected struct Architecture", "expected a table with `layers`"),
        ("expected struct DataSpec", "expected a table such as { dataset = \"digits\" }"),
        ("expected struct MeasureSpec", "expected a table such as { draws = 32 }"),
    ]
    .into_iter()
    .fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// At most the first line of what the reader points at: a missing key has no place but its table.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let end = span.end.min(text.len());
    let start = span.start.min(end);
    let line = text.get(start..end).and_then(|part| part.find('\n'));
    start..line.map_or(end, |length| start + length)
}

/// Places a fault of the spec's meaning in its text.
fn locate(text: &str, error: &SpecError) -> SpecFileError {
    let place = DeTable::parse(text).ok().and_then(|root| place(root.get_ref(), error));
    let message = error.to_string();
    // "...; what to do" reads better on a line of its own.
    match message.split_once("; ") {
        Some((message, help)) => {
            SpecFileError::new(message).at(place.map(|span| within(text, span))).help(help)
        }
        None => SpecFileError::new(message).at(place.map(|span| within(text, span))),
    }
}

fn place(root: &DeTable<'_>, error: &SpecError) -> Option<Range<usize>> {
    if let Some(path) = error.location() {
        let layer = layer_at(root, path)?;
        let key = match error {
            SpecError::SizeOutOfRange { parameter, .. } => {
                entry(layer.get_ref().as_table(), parameter)
            }
            _ => None,
        };
        return Some(key.unwrap_or(layer).span());
    }
    match error {
        SpecError::NoLogits { .. } => {
            let layers = entry(table(root, "network"), "layers")?;
            Some(layers.get_ref().as_array()?.last().unwrap_or(layers).span())
        }
        SpecError::OutOfDomain { parameter, .. } => named(root, parameter),
        // The first key that such a message names is the one at fault.
        other => other.to_string().split('`').skip(1).step_by(2).find_map(|name| named(root, name)),
    }
}

/// The value under a key, of whichever table has it: names are unique among them. `data.shift` names the table as well.
fn named(root: &DeTable<'_>, name: &str) -> Option<Range<usize>> {
    // "weight_variance of layer 3" has its place in the layer.
    let (key, layer) = name.split_once(" of layer ").map_or((name, None), |(k, l)| (k, Some(l)));
    if let Some(layer) = layer {
        let positions: Option<Vec<usize>> = layer
            .split('.')
            .map(|position| position.parse::<usize>().ok()?.checked_sub(1))
            .collect();
        let layer = layer_at(root, &LayerPath(positions?))?;
        return Some(entry(layer.get_ref().as_table(), key).unwrap_or(layer).span());
    }
    if let Some((table_name, key)) = key.split_once('.') {
        return Some(entry(table(root, table_name), key)?.span());
    }
    let tables = ["init", "data", "measure"].map(|name| table(root, name));
    let mut tables = std::iter::once(Some(root)).chain(tables);
    tables.find_map(|table| entry(table, key)).or_else(|| in_layers(root, key)).map(Spanned::span)
}

/// The first layer that has the key.
fn in_layers<'a, 'i>(root: &'a DeTable<'i>, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
    fn search<'a, 'i>(
        value: &'a Spanned<DeValue<'i>>,
        key: &str,
    ) -> Option<&'a Spanned<DeValue<'i>>> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().find_map(|item| search(item, key)),
            DeValue::Table(table) => entry(Some(table), key)
                .or_else(|| table.iter().find_map(|(_, value)| search(value, key))),
            _ => None,
        }
    }
    search(entry(table(root, "network"), "layers")?, key)
}

/// Follows positions through repeats and residual blocks.
fn layer_at<'a, 'i>(root: &'a DeTable<'i>, path: &LayerPath) -> Option<&'a Spanned<DeValue<'i>>> {
    let mut groups = vec![entry(table(root, "network"), "layers")?];
    let mut found = None;
    for position in &path.0 {
        let inside = groups.iter().find_map(|group| group.get_ref().as_array()?.get(*position));
        let Some(layer) = inside else { break };
        found = Some(layer);
        // A path does not tell branch from shortcut: the branch is the one that people write.
        let keys = ["layers", "residual", "shortcut"];
        groups = keys.iter().filter_map(|key| entry(layer.get_ref().as_table(), key)).collect();
    }
    found
}

fn table<'a, 'i>(root: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
    entry(Some(root), name)?.get_ref().as_table()
}

fn entry<'a, 'i>(table: Option<&'a DeTable<'i>>, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
    table?.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
}
