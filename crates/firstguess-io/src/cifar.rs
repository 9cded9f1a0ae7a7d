//! The binary batches of CIFAR-10: records of a label byte, then 1024 red, 1024 green and 1024 blue pixels.

use firstguess::spec::{Dataset, Part, Shape};

use crate::error::Problem;
use crate::load::ReadOptions;
use crate::parts::{Labels, assemble, plan};

const PIXELS: usize = 3 * 32 * 32;
const RECORD: usize = 1 + PIXELS;
const CLASSES: u8 = 10;

/// Images and labels gathered from one batch after another.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    inputs: Vec<f32>,
    labels: Vec<u32>,
}

impl Batches {
    /// Adds the records of a batch, up to the examples asked for in all.
    pub(crate) fn add(&mut self, bytes: &[u8], options: &ReadOptions) -> Result<(), Problem> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
            return Err(Problem::new(
                format!("{} bytes are not whole CIFAR-10 records", bytes.len()),
                format!("a multiple of {RECORD} bytes: a label, then 3 × 32 × 32 pixels"),
            )
            .hint("the file is cut short or in another format: fetch the binary version again"));
        }
        let kept = plan(self.labels.len() + bytes.len() / RECORD, PIXELS, options)?;
        for record in bytes.chunks_exact(RECORD).take(kept.saturating_sub(self.labels.len())) {
            let (label, pixels) = (record[0], &record[1..]);
            if label >= CLASSES {
                return Err(Problem::new(
                    format!("label {label} in image {}", self.labels.len()),
                    "labels from 0 to 9",
                ));
            }
            self.labels.push(u32::from(label));
            self.inputs.extend(pixels.iter().map(|&pixel| f32::from(pixel)));
        }
        Ok(())
    }

    /// Whether no further batch is needed.
    pub(crate) fn complete(&self, options: &ReadOptions) -> bool {
        options.examples.is_some_and(|limit| self.labels.len() >= limit)
    }

    /// Images `[3, 32, 32]` with pixels 0 to 255.
    pub(crate) fn dataset(self, name: &str) -> Result<Dataset, Problem> {
        let labels = Labels { values: self.labels, classes: usize::from(CLASSES) };
        assemble(name, Shape::image(3, 32, 32)?, self.inputs, Some(labels))
    }
}

/// Reads a single batch.
pub(crate) fn dataset(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Problem> {
    let mut batches = Batches::default();
    batches.add(bytes, options)?;
    batches.dataset(name)
}

/// The batches of a part among the files of a folder, in order.
pub(crate) fn choose_batches(names: &[String], part: Part) -> Vec<&String> {
    if part == Part::Test {
        return names.iter().filter(|name| *name == "test_batch.bin").collect();
    }
    let mut batches: Vec<&String> = names
        .iter()
        .filter(|name| {
            let number = name.strip_prefix("data_batch_").and_then(|n| n.strip_suffix(".bin"));
            matches!(number, Some("1" | "2" | "3" | "4" | "5"))
        })
        .collect();
    batches.sort();
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records whose pixels are all the record's number.
    fn batch(numbers: std::ops::Range<u8>) -> Vec<u8> {
        numbers.flat_map(|n| std::iter::once(n % 10).chain([n; PIXELS])).collect()
    }

    #[test]
    fn batches_follow_one_another_up_to_the_limit() {
        let options = ReadOptions { examples: Some(5), ..ReadOptions::default() };
        let mut batches = Batches::default();
        batches.add(&batch(0..3), &options).unwrap();
        assert!(!batches.complete(&options));
        batches.add(&batch(3..9), &options).unwrap();
        assert!(batches.complete(&options));
        let data = batches.dataset("cifar").unwrap();
        assert_eq!((data.examples(), data.classes()), (5, 10));
        assert_eq!(data.labels(), Some(&[0, 1, 2, 3, 4][..]));
        assert_eq!(data.row(4).unwrap(), [4.0; PIXELS]);
        assert_eq!(data.shape().extents(), [3, 32, 32]);
    }

    #[test]
    fn half_records_and_foreign_labels_are_refused() {
        let mut bytes = batch(0..1);
        assert!(dataset("x", &bytes, &ReadOptions::default()).is_ok());
        bytes[0] = 10;
        assert!(dataset("x", &bytes, &ReadOptions::default()).is_err());
        assert!(dataset("x", &bytes[1..], &ReadOptions::default()).is_err());
        assert!(dataset("x", &[], &ReadOptions::default()).is_err());
    }

    #[test]
    fn the_batches_of_a_part_are_chosen() {
        let names = ["data_batch_2.bin", "test_batch.bin", "data_batch_1.bin", "data_batch_x.bin"];
        let names = names.map(String::from);
        assert_eq!(choose_batches(&names, Part::Train), [&names[2], &names[0]]);
        assert_eq!(choose_batches(&names, Part::Test), [&names[1]]);
    }
}
