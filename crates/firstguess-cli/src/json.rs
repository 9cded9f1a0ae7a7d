//! JSON without bare infinities: what has no finite value is null beside its reason.

use firstguess::theory::{NoTheory, Predicted};
use serde::Serialize;
use serde::ser::SerializeMap;

/// Version of the JSON contract; it changes when a field changes its meaning or goes away.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// What every object starts with, then the fields of the answer itself.
#[derive(Serialize)]
pub(crate) struct Envelope<'a, T> {
    pub(crate) schema_version: u32,
    pub(crate) command: &'a str,
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) answer: &'a T,
}

/// Fields that may lack a value.
pub(crate) trait Fields: SerializeMap {
    /// `name: value`, or `name: null, name_reason: why`.
    fn maybe<T: Serialize>(
        &mut self,
        name: &str,
        value: Result<T, &NoTheory>,
    ) -> Result<(), Self::Error> {
        match value {
            Ok(value) => self.serialize_entry(name, &value),
            Err(why) => {
                self.serialize_entry(name, &())?;
                self.serialize_entry(&format!("{name}_reason"), &why.reason)
            }
        }
    }

    /// A number, null with a reason where it is not finite.
    fn number(&mut self, name: &str, value: &Predicted) -> Result<(), Self::Error> {
        match value {
            Ok(value) => self.finite(name, *value),
            Err(why) => self.maybe::<f64>(name, Err(why)),
        }
    }

    /// A number that is finite but in limiting cases.
    fn finite(&mut self, name: &str, value: f64) -> Result<(), Self::Error> {
        if value.is_finite() {
            return self.serialize_entry(name, &value);
        }
        self.maybe::<f64>(name, Err(&not_finite(value)))
    }
}

impl<M: SerializeMap> Fields for M {}

fn not_finite(value: f64) -> NoTheory {
    NoTheory::new(if value.is_nan() {
        "not defined"
    } else if value > 0.0 {
        "infinite"
    } else {
        "minus infinity"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serializer;

    struct Sample;

    impl Serialize for Sample {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.finite("a", 1.0)?;
            map.finite("b", f64::INFINITY)?;
            map.number("c", &Err(NoTheory::new("why")))?;
            map.end()
        }
    }

    #[test]
    fn what_is_not_finite_is_null_beside_its_reason() {
        let envelope =
            Envelope { schema_version: SCHEMA_VERSION, command: "x", seed: 3, answer: &Sample };
        let text = serde_json::to_string(&envelope).unwrap();
        assert_eq!(
            text,
            r#"{"schema_version":1,"command":"x","seed":3,"a":1.0,"b":null,"b_reason":"infinite","c":null,"c_reason":"why"}"#
        );
    }
}
