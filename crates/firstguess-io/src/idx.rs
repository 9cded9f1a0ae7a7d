//! The IDX format of MNIST: big-endian arrays, images and labels in two files.

use firstguess::spec::{Dataset, Part};

use crate::error::Problem;
use crate::load::ReadOptions;
use crate::parts::{Labels, assemble, check_count, plan, split_extents};

/// The array of one file, its header checked against the bytes that follow.
#[derive(Debug)]
pub(crate) struct Array<'a> {
    kind: u8,
    extents: Vec<usize>,
    data: &'a [u8],
}

/// Whether the bytes begin like an IDX file: two zeros, a known type, one to four axes.
pub(crate) fn is_idx(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, kind, 1..=4, ..] if element_size(*kind).is_some())
}

fn element_size(kind: u8) -> Option<usize> {
    match kind {
        0x08 | 0x09 => Some(1),
        0x0b => Some(2),
        0x0c | 0x0d => Some(4),
        0x0e => Some(8),
        _ => None,
    }
}

impl<'a> Array<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let allowed = "an IDX array: bytes 0, 0, type, number of axes, then the extents";
        let [0, 0, kind, axes @ 1..=4, rest @ ..] = bytes else {
            return Err(Problem::new("no IDX header", allowed));
        };
        let size = element_size(*kind)
            .ok_or_else(|| Problem::new(format!("element type {kind:#04x}"), allowed))?;
        let axes = usize::from(*axes);
        let (header, data) = rest
            .split_at_checked(4 * axes)
            .ok_or_else(|| Problem::new("an IDX header that is cut short", allowed))?;
        let extents: Vec<usize> = header
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX))
            .collect();
        let claimed = extents.iter().try_fold(size, |product, &e| product.checked_mul(e));
        if claimed != Some(data.len()) {
            return Err(Problem::new(
                format!("the header claims shape {extents:?}, {} bytes follow it", data.len()),
                format!("{size} bytes per element"),
            )
            .hint("the file is cut short or damaged: fetch it again"));
        }
        Ok(Self { kind: *kind, extents, data })
    }

    /// Whether this can only be labels.
    pub(crate) fn is_vector(&self) -> bool {
        self.extents.len() == 1
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let size = element_size(self.kind).unwrap_or(1);
        self.data.chunks_exact(size).map(|bytes| match (self.kind, bytes) {
            (0x09, &[a]) => f64::from(i8::from_be_bytes([a])),
            (0x0b, &[a, b]) => f64::from(i16::from_be_bytes([a, b])),
            (0x0c, &[a, b, c, d]) => f64::from(i32::from_be_bytes([a, b, c, d])),
            (0x0d, &[a, b, c, d]) => f64::from(f32::from_be_bytes([a, b, c, d])),
            (0x0e, &[a, b, c, d, e, f, g, h]) => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::from(bytes[0]),
        })
    }

    pub(crate) fn labels(&self) -> Result<Labels, Problem> {
        if self.is_vector() {
            return Labels::from_numbers(self.values());
        }
        Err(Problem::new(
            format!("labels of shape {:?}", self.extents),
            "labels of shape [examples]",
        ))
    }

    /// The data set of these images, at most the examples asked for.
    pub(crate) fn dataset(
        &self,
        name: &str,
        labels: Option<Labels>,
        options: &ReadOptions,
    ) -> Result<Dataset, Problem> {
        let (examples, shape) = split_extents(&self.extents)?;
        if let Some(labels) = &labels {
            check_count(labels, examples)?;
        }
        let kept = plan(examples, shape.size(), options)?;
        #[expect(clippy::cast_possible_truncation, reason = "networks compute in f32")]
        let inputs = self.values().take(kept * shape.size()).map(|x| x as f32).collect();
        assemble(name, shape, inputs, labels)
    }
}

/// The names that the labels of an image file may have: `train-images-idx3-ubyte` goes with `train-labels-idx1-ubyte`, gzipped or not.
pub(crate) fn label_names(images: &str) -> Vec<String> {
    if !is_image_name(images) {
        return Vec::new();
    }
    let labels = images.replace("images", "labels").replace("idx3", "idx1");
    let plain = labels.strip_suffix(".gz").unwrap_or(&labels).to_owned();
    let zipped = format!("{plain}.gz");
    if labels == zipped { vec![zipped, plain] } else { vec![plain, zipped] }
}

fn is_image_name(name: &str) -> bool {
    name.contains("images") && name.contains("idx3")
}

/// The image file to read among the files of a folder: that of the part, or for training any where none says which it is.
pub(crate) fn choose_images(names: &[String], part: Part) -> Option<&String> {
    let starts = |name: &String, with: &[&str]| with.iter().any(|start| name.starts_with(start));
    let mut images = names.iter().filter(|name| is_image_name(name));
    match part {
        Part::Train => {
            let mut images = images.clone();
            let training = images.clone().find(|name| starts(name, &["train"]));
            training.or_else(|| images.next())
        }
        Part::Test => images.find(|name| starts(name, &["t10k", "test"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_type_is_big_endian() {
        let one = |kind, data: &[u8]| {
            let bytes = [&[0, 0, kind, 1, 0, 0, 0, 1], data].concat();
            Array::parse(&bytes).unwrap().values().collect::<Vec<_>>()
        };
        assert_eq!(one(0x08, &[255]), [255.0]);
        assert_eq!(one(0x09, &[255]), [-1.0]);
        assert_eq!(one(0x0b, &[1, 2]), [258.0]);
        assert_eq!(one(0x0c, &(-70_000_i32).to_be_bytes()), [-70_000.0]);
        assert_eq!(one(0x0d, &1.5_f32.to_be_bytes()), [1.5]);
        assert_eq!(one(0x0e, &(-0.1_f64).to_be_bytes()), [-0.1]);
    }

    #[test]
    fn absurd_headers_are_refused_before_anything_is_allocated() {
        let huge = [&[0, 0, 8, 4][..], &[0xff; 16], &[1, 2, 3]].concat();
        let error = Array::parse(&huge).unwrap_err().in_file("x").to_string();
        assert!(error.contains("3 bytes follow"), "{error}");
        for bytes in [&[0, 0, 8][..], &[0, 0, 8, 0], &[0, 0, 7, 1, 0, 0, 0, 0], &[0, 0, 8, 3, 0]] {
            assert!(Array::parse(bytes).is_err());
        }
    }

    #[test]
    fn images_know_the_names_of_their_labels() {
        assert_eq!(
            label_names("t10k-images-idx3-ubyte.gz"),
            ["t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte"]
        );
        assert_eq!(label_names("train-images.idx3-ubyte")[0], "train-labels.idx1-ubyte");
        assert!(label_names("images.npz").is_empty());
        let names = ["a", "t10k-images-idx3-ubyte", "train-images-idx3-ubyte"].map(String::from);
        assert_eq!(choose_images(&names, Part::Train), Some(&names[2]));
        assert_eq!(choose_images(&names, Part::Test), Some(&names[1]));
        assert_eq!(choose_images(&names[..2], Part::Train), Some(&names[1]));
        assert_eq!(choose_images(&names[..1], Part::Train), None);
        assert_eq!(choose_images(&names[2..], Part::Test), None);
    }
}
