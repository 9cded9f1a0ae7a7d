//! The safetensors format: the length of a header, a header in JSON, and the bytes of the tensors without a gap.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{FORMATS, MAX_AXES, MAX_TENSORS, Tensor, Tensors};
use crate::error::Problem;

/// The format's own limit on the header.
const MAX_HEADER: usize = 100_000_000;

/// Tensors begin at multiples of this.
const ALIGNMENT: usize = 8;

/// The file with these tensors. Header keys are in the given order, so that the bytes are those of the arguments.
pub(super) fn bytes(tensors: &[Tensor], metadata: &[(String, String)]) -> Vec<u8> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut entries = Vec::new();
    if !metadata.is_empty() {
        let said: Vec<String> = metadata
            .iter()
            .map(|(key, value)| format!("{}:{}", quoted(key), quoted(value)))
            .collect();
        entries.push(format!("\"__metadata__\":{{{}}}", said.join(",")));
    }
    let mut end = 0;
    for tensor in tensors {
        let begin = end;
        end += tensor.values.len() * size_of::<f32>();
        let shape: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
        entries.push(format!(
            "{}:{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{begin},{end}]}}",
            quoted(&tensor.name),
            shape.join(",")
        ));
    }
    let mut header = format!("{{{}}}", entries.join(",")).into_bytes();
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for tensor in tensors {
        bytes.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes
}

pub(super) fn parse(bytes: &[u8]) -> Result<Tensors, Problem> {
    let (header, data) = split(bytes)?;
    let Header { metadata, entries } = serde_json::from_slice(header).map_err(|error| {
        Problem::new(format!("an unreadable safetensors header ({error})"), FORMATS)
            .hint("write the file again with safetensors.torch.save_file")
    })?;
    covers(&entries, data.len())?;
    let mut found = Tensors { metadata, ..Tensors::default() };
    for (name, entry) in entries {
        let [begin, end] = entry.data_offsets;
        let part = data.get(begin..end).ok_or_else(|| beyond(&name, &entry, data.len()))?;
        match Type::of(&entry.dtype) {
            None => found.skipped.push((name, entry.dtype)),
            Some(element) => {
                check_size(&name, &entry, element)?;
                let values = element.values(part);
                found.tensors.push(Tensor { name, shape: entry.shape, values });
            }
        }
    }
    Ok(found)
}

fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Problem> {
    let damaged = |found: String| {
        Problem::new(found, FORMATS)
            .hint("the file is cut short or of another kind: write it again")
    };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(format!("a file of {} bytes", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    let header = usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_HEADER)
        .and_then(|length| rest.split_at_checked(length));
    match header {
        Some((header, data)) if header.first() == Some(&b'{') => Ok((header, data)),
        Some(_) => Err(damaged("no safetensors header".to_owned())),
        None => Err(damaged(format!(
            "a header of {length} bytes is claimed, {} bytes follow (at most {MAX_HEADER} are read)",
            rest.len()
        ))),
    }
}

fn beyond(name: &str, entry: &Entry, length: usize) -> Problem {
    let [begin, end] = entry.data_offsets;
    let shown: String = name.chars().take(60).collect();
    Problem::new(
        format!("tensor `{shown}` claims bytes {begin} to {end} of {length}"),
        "tensors within the file, each beginning where the one before ends",
    )
    .hint("the file is cut short or damaged: write it again")
}

/// The tensors lie one behind the other and fill the file: no byte belongs to two, none to nobody.
fn covers(entries: &[(String, Entry)], length: usize) -> Result<(), Problem> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| entries[*at].1.data_offsets);
    let mut end = 0;
    for at in order {
        let (name, entry) = &entries[at];
        let [from, to] = entry.data_offsets;
        if from != end || to < from || to > length {
            return Err(beyond(name, entry, length));
        }
        end = to;
    }
    if end == length {
        return Ok(());
    }
    Err(Problem::new(
        format!("{} bytes after the last tensor", length - end),
        "tensors that fill the file",
    )
    .hint("the file is damaged: write it again"))
}

fn check_size(name: &str, entry: &Entry, element: Type) -> Result<(), Problem> {
    let shown: String = name.chars().take(60).collect();
    if entry.shape.len() > MAX_AXES {
        return Err(Problem::new(
            format!("tensor `{shown}` has {} axes", entry.shape.len()),
            format!("at most {MAX_AXES}"),
        ));
    }
    let claimed =
        entry.shape.iter().try_fold(element.size(), |size, extent| size.checked_mul(*extent));
    let [begin, end] = entry.data_offsets;
    if claimed == Some(end - begin) {
        return Ok(());
    }
    Err(Problem::new(
        format!(
            "tensor `{shown}` of shape {:?} and type {} has {} bytes",
            entry.shape,
            entry.dtype,
            end - begin
        ),
        "as many bytes as the shape needs",
    )
    .hint("the file is damaged: write it again"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

#[derive(Debug, Default)]
struct Header {
    metadata: Vec<(String, String)>,
    entries: Vec<(String, Entry)>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from names to tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                use serde::de::Error;
                let mut header = Header::default();
                let mut seen = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    // A repeated name is a forgery: two readers could see two tensors.
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom("a name that stands twice"));
                    }
                    if seen.len() > MAX_TENSORS {
                        return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
                    }
                    if name == "__metadata__" {
                        let said: std::collections::BTreeMap<String, String> = map.next_value()?;
                        header.metadata = said.into_iter().collect();
                    } else {
                        header.entries.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Types of floating-point numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    F64,
    F32,
    F16,
    Bf16,
}

impl Type {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            _ => return None,
        })
    }

    const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "weights are looked at in single precision"
    )]
    fn values(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F64 => {
                let (chunks, _) = bytes.as_chunks::<8>();
                chunks.iter().map(|chunk| f64::from_le_bytes(*chunk) as f32).collect()
            }
            Self::F32 => {
                let (chunks, _) = bytes.as_chunks::<4>();
                chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
            }
            Self::F16 => {
                let (chunks, _) = bytes.as_chunks::<2>();
                chunks.iter().map(|chunk| half(u16::from_le_bytes(*chunk))).collect()
            }
            Self::Bf16 => {
                let (chunks, _) = bytes.as_chunks::<2>();
                let wide = |chunk: &[u8; 2]| u32::from(u16::from_le_bytes(*chunk)) << 16;
                chunks.iter().map(|chunk| f32::from_bits(wide(chunk))).collect()
            }
        }
    }
}

/// A number of half precision, exactly.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10) & 0x1f, u32::from(bits & 0x3ff));
    match exponent {
        // Zero and what is below the normal numbers: fraction · 2^-24.
        0 => {
            let size = fraction as f32 * 2.0_f32.powi(-24);
            f32::from_bits(size.to_bits() | sign)
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x0400, 2.0_f32.powi(-14)),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
        assert!(half(0x8000).is_sign_negative());
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn every_type_is_read_and_others_are_named() {
        let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
            "b":{"dtype":"BF16","shape":[],"data_offsets":[4,6]},"c":{"dtype":"I64","shape":[1],"data_offsets":[6,14]},
            "d":{"dtype":"F64","shape":[1,1],"data_offsets":[14,22]},"e":{"dtype":"F16","shape":[0],"data_offsets":[22,22]}}"#;
        let mut data = 1.5_f32.to_le_bytes().to_vec();
        data.extend([0x80, 0x3f]);
        data.extend(7_i64.to_le_bytes());
        data.extend((-0.25_f64).to_le_bytes());
        let found = parse(&file(header, &data)).unwrap();
        let values: Vec<&[f32]> = found.tensors.iter().map(|tensor| &tensor.values[..]).collect();
        assert_eq!(values, [&[1.5][..], &[1.0], &[-0.25], &[]]);
        assert_eq!(found.skipped, [("c".to_owned(), "I64".to_owned())]);
    }

    #[test]
    fn what_is_written_is_read() {
        let tensors = [
            Tensor {
                name: "0.weight".into(),
                shape: vec![2, 3],
                values: (0..6u8).map(f32::from).collect(),
            },
            Tensor { name: "odd \"name\"\n".into(), shape: vec![], values: vec![-0.0] },
        ];
        let said =
            vec![("format".to_owned(), "pt".to_owned()), ("seed".to_owned(), "7".to_owned())];
        let bytes = bytes(&tensors, &said);
        let found = parse(&bytes).unwrap();
        assert_eq!(found.tensors, tensors);
        assert_eq!(found.said("seed"), Some("7"));
        // The data begin at a multiple of eight, as the format wants it.
        assert_eq!((bytes.len() - 7 * 4) % 8, 0);
    }
}
