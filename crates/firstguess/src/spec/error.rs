//! Why a spec was refused.

use super::shape::{Shape, ShapeError};

/// Why a [`Spec`](super::Spec) was refused: where, what was found, what is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum SpecError {
    /// A layer cannot take the shape that the layer before it gives.
    #[error("{layer} (`{kind}`) takes {expected}, got shape {got}")]
    ShapeMismatch { layer: LayerPath, kind: String, expected: String, got: Shape },

    /// A size of a layer is zero or beyond what any machine holds.
    #[error("{layer}: `{parameter}` must be between {low} and {high}, got {value}")]
    SizeOutOfRange {
        layer: LayerPath,
        parameter: &'static str,
        low: usize,
        high: usize,
        value: usize,
    },

    /// A shape that nothing can hold.
    #[error("{layer}: {source}")]
    Shape { layer: LayerPath, source: ShapeError },

    /// A network that cannot give class scores.
    #[error("the network {problem}; {hint}")]
    NoLogits { problem: String, hint: &'static str },

    /// A parameter lies outside the set on which the theory is defined.
    #[error("`{parameter}` must be {domain}, got {value}")]
    OutOfDomain { parameter: String, domain: &'static str, value: f64 },

    /// A name is not in the vocabulary.
    #[error("unknown {what} `{name}`{}; known: {known}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownName { what: &'static str, name: String, nearest: Option<String>, known: String },

    /// Two fields that cannot stand together, or one that needs another.
    #[error("{0}")]
    Conflict(String),
}

impl SpecError {
    /// A number outside its domain.
    pub fn out_of_domain(parameter: impl Into<String>, domain: &'static str, value: f64) -> Self {
        Self::OutOfDomain { parameter: parameter.into(), domain, value }
    }

    /// A name that is not among `known`, with the nearest of them as a suggestion.
    pub fn unknown_name(what: &'static str, name: &str, known: &[&str]) -> Self {
        Self::UnknownName {
            what,
            name: name.chars().take(60).collect(),
            nearest: nearest(name, known.iter().copied()),
            known: known.join(", "),
        }
    }

    /// Where in the spec file the fault lies, as keys and positions, when that is known.
    pub fn location(&self) -> Option<&LayerPath> {
        match self {
            Self::ShapeMismatch { layer, .. }
            | Self::Shape { layer, .. }
            | Self::SizeOutOfRange { layer, .. } => Some(layer),
            _ => None,
        }
    }
}

/// The place of a layer in `network.layers`, through repeats and residual blocks: zero-based positions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LayerPath(pub Vec<usize>);

impl LayerPath {
    /// The place of the `position`-th layer inside this group.
    #[must_use]
    pub fn child(&self, position: usize) -> Self {
        let mut path = self.0.clone();
        path.push(position);
        Self(path)
    }
}

impl std::fmt::Display for LayerPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("layer ")?;
        for (depth, position) in self.0.iter().enumerate() {
            if depth > 0 {
                f.write_str(".")?;
            }
            write!(f, "{}", position + 1)?;
        }
        Ok(())
    }
}

/// The known name closest to `name` in spelling, if any is close enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let name: String = name.chars().take(60).collect::<String>().to_lowercase();
    known
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_matched_and_strangers_are_not() {
        let known = ["he_normal", "glorot_uniform", "orthogonal"];
        assert_eq!(nearest("he_nromal", known.into_iter()), Some("he_normal".into()));
        assert_eq!(nearest("ortogonal", known.into_iter()), Some("orthogonal".into()));
        assert_eq!(nearest("banana", known.into_iter()), None);
    }

    #[test]
    fn a_nested_place_reads_as_one_based_positions() {
        assert_eq!(LayerPath::default().child(2).child(0).to_string(), "layer 3.1");
    }
}
