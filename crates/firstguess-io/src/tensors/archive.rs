//! Tensors in a NumPy archive: one `.npy` array each, stored without compression.

use flate2::Crc;

use super::{Tensor, Tensors};
use crate::error::Problem;
use crate::npy::Array;
use crate::{load::ReadOptions, npz};

/// The array of bytes that holds the metadata as JSON.
const METADATA: &str = "__metadata__";

/// The archive with these tensors: the bytes depend on nothing else, not on the time.
pub(super) fn bytes(tensors: &[Tensor], metadata: &[(String, String)]) -> Vec<u8> {
    let mut zip = Zip::default();
    for tensor in tensors {
        let data = tensor.values.iter().flat_map(|value| value.to_le_bytes());
        zip.add(&tensor.name, npy("<f4", &tensor.shape, data));
    }
    if !metadata.is_empty() {
        let said: serde_json::Map<String, serde_json::Value> =
            metadata.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        let text = serde_json::Value::Object(said).to_string();
        zip.add(METADATA, npy("|u1", &[text.len()], text.bytes()));
    }
    zip.finish()
}

pub(super) fn parse(bytes: &[u8]) -> Result<Tensors, Problem> {
    let options = ReadOptions { max_bytes: super::MAX_WEIGHT_BYTES, ..ReadOptions::default() };
    let mut found = Tensors::default();
    for (name, bytes) in npz::all(bytes, &options)? {
        if !bytes.starts_with(crate::npy::MAGIC) {
            let what = Problem::new(
                format!("`{}` is no NumPy array", name.chars().take(60).collect::<String>()),
                super::FORMATS,
            );
            // torch.save writes zip archives too.
            return Err(what.hint(
                "of a PyTorch checkpoint, in Python: safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")",
            ));
        }
        let array =
            Array::parse(&bytes).map_err(|problem| problem.within(&format!("array `{name}`")))?;
        if name == METADATA {
            found.metadata = said(&array);
        } else if array.is_float() {
            found.tensors.push(Tensor {
                name,
                shape: array.extents.clone(),
                values: array.values().map(crate::npy::to_f32).collect(),
            });
        } else {
            found.skipped.push((name, "integer".to_owned()));
        }
    }
    Ok(found)
}

/// Metadata that cannot be read are none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, checked")]
fn said(array: &Array<'_>) -> Vec<(String, String)> {
    let bytes: Vec<u8> =
        array.values().map(|x| if (0.0..256.0).contains(&x) { x as u8 } else { b'?' }).collect();
    let map: Result<std::collections::BTreeMap<String, String>, _> = serde_json::from_slice(&bytes);
    map.map(|map| map.into_iter().collect()).unwrap_or_default()
}

fn npy(descr: &str, shape: &[usize], data: impl Iterator<Item = u8>) -> Vec<u8> {
    let extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let tuple = match &extents[..] {
        [one] => format!("({one},)"),
        _ => format!("({})", extents.join(", ")),
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple}, }}");
    // The whole header is a multiple of 64 bytes and ends in a new line.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', length - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// A zip archive under construction; with the fields of 64 bits where sizes or offsets need them.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u64,
}

/// First of January 1980, midnight: the format's zero.
const TIME: [u8; 4] = [0, 0, 0x21, 0];

impl Zip {
    fn add(&mut self, name: &str, content: Vec<u8>) {
        let mut crc = Crc::new();
        crc.update(&content);
        let name = format!("{name}.npy");
        let (offset, size) = (self.bytes.len() as u64, content.len() as u64);
        // Sizes and offsets always as 64 bits: the 32-bit fields say "look there". 20 bytes of them, 28 with the offset.
        let mut wide = vec![1, 0, 16, 0];
        wide.extend(size.to_le_bytes());
        wide.extend(size.to_le_bytes());
        let mut common = vec![45, 0, 0, 0x08, 0, 0];
        common.extend(TIME);
        common.extend(crc.sum().to_le_bytes());
        common.extend([0xff; 8]);
        common.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend(20_u16.to_le_bytes());
        self.bytes.extend(name.bytes());
        self.bytes.extend(&wide);
        self.bytes.extend(content);
        wide[2] = 24;
        wide.extend(offset.to_le_bytes());
        self.directory.extend(b"PK\x01\x02\x2d\x03");
        self.directory.extend(&common);
        self.directory.extend(28_u16.to_le_bytes());
        // No comment, first disk, no attributes but those of a plain file.
        self.directory.extend([0; 6]);
        self.directory.extend((0o100_644_u32 << 16).to_le_bytes());
        self.directory.extend([0xff; 4]);
        self.directory.extend(name.bytes());
        self.directory.extend(&wide);
        self.entries += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.entries == 0 {
            // Nothing needs 64 bits, and readers look for entries behind an end that has them.
            self.bytes.extend(b"PK\x05\x06");
            self.bytes.extend([0; 18]);
            return self.bytes;
        }
        let (start, size) = (self.bytes.len() as u64, self.directory.len() as u64);
        self.bytes.append(&mut self.directory);
        let end = self.bytes.len() as u64;
        // The end in 64 bits, where to find it, and the old end that says "look there".
        self.bytes.extend(b"PK\x06\x06");
        self.bytes.extend(44_u64.to_le_bytes());
        self.bytes.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [self.entries, self.entries, size, start] {
            self.bytes.extend(number.to_le_bytes());
        }
        self.bytes.extend(b"PK\x06\x07\x00\x00\x00\x00");
        self.bytes.extend(end.to_le_bytes());
        self.bytes.extend([1, 0, 0, 0]);
        self.bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
        self.bytes.extend([0xff; 12]);
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let tensors = [
            Tensor {
                name: "0.weight".into(),
                shape: vec![2, 3],
                values: (0..6u8).map(f32::from).collect(),
            },
            Tensor { name: "0.bias".into(), shape: vec![2], values: vec![1e-30, -7.0] },
            Tensor { name: "scale".into(), shape: vec![], values: vec![0.5] },
        ];
        let metadata = vec![("scheme".to_owned(), "he \"normal\"".to_owned())];
        let found = parse(&bytes(&tensors, &metadata)).unwrap();
        assert_eq!(found.tensors, tensors);
        assert_eq!(found.metadata, metadata);
        assert!(parse(&bytes(&[], &[])).unwrap().tensors.is_empty());
    }
}
