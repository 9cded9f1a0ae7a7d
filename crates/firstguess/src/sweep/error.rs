//! Why a grid was refused.

/// Why a grid was refused: where, what was found, what is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum GridError {
    /// No such command, or none that has points.
    #[error("there is no sweep of `{found}`{}; allowed: {}", meant(nearest.as_deref()), allowed.join(", "))]
    UnknownCommand { found: String, nearest: Option<String>, allowed: Vec<&'static str> },

    /// A field that the command does not have.
    #[error("`{command}` has no field `{found}`{}. Its fields: {}", meant(nearest.as_deref()), allowed.join(", "))]
    UnknownField {
        command: &'static str,
        found: String,
        nearest: Option<String>,
        allowed: Vec<String>,
    },

    /// The same field on two axes.
    #[error("the field `{field}` is given twice; a field has one axis")]
    RepeatedField { field: String },

    /// An axis without a value.
    #[error("the field `{field}` has an empty list; give at least one value")]
    Empty { field: String },

    /// The same value twice on one axis.
    #[error(
        "the field `{field}` has the value {value} twice: the same point would be computed twice"
    )]
    RepeatedValue { field: String, value: String },

    /// A range without meaning.
    #[error("the range of `{field}` {found}; {allowed}")]
    Range { field: String, found: String, allowed: &'static str },

    /// NaN, or an infinity where none has a meaning.
    #[error("the field `{field}` holds {value}, which is no value; give finite numbers")]
    NotFinite { field: String, value: f64 },

    /// Lists of unequal length side by side.
    #[error(
        "a zip goes through its lists side by side, but `{first}` has {first_len} values and `{other}` has {other_len}"
    )]
    Unequal { first: String, first_len: u64, other: String, other_len: u64 },

    /// More points than anyone computes.
    #[error("the grid has {} points, at most {allowed}; leave out values, or divide it into several sweeps", count(*found))]
    TooMany { found: Option<u64>, allowed: u64 },

    /// Chunks of an impossible size.
    #[error("`chunk` is {found}: {allowed}")]
    Chunk { found: u64, allowed: String },

    /// A path into the spec that leads nowhere.
    #[error("the field `{field}` leads into the spec, where {found}; {hint}")]
    Path { field: String, found: String, hint: String },

    /// A spec where none is possible, or none where one is needed.
    #[error("{0}")]
    Spec(String),
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

fn count(found: Option<u64>) -> String {
    found.map_or_else(|| "more than 2^64".to_owned(), |found| found.to_string())
}
