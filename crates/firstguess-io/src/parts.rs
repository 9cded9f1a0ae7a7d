//! What the formats share: the plan of how much to read, labels, decompression.

use std::io::Read;

use firstguess::spec::dataset::MAX_CLASSES;
use firstguess::spec::{Dataset, DatasetError, Shape};
use flate2::read::MultiGzDecoder;

use crate::error::Problem;
use crate::load::ReadOptions;

/// Class labels as they stand in a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Labels {
    pub(crate) values: Vec<u32>,
    pub(crate) classes: usize,
}

impl Labels {
    /// Whole numbers from 0; the number of classes is the largest plus one.
    pub(crate) fn from_numbers(numbers: impl Iterator<Item = f64>) -> Result<Self, Problem> {
        let values =
            numbers.enumerate().map(|(i, x)| label(x, i)).collect::<Result<Vec<u32>, _>>()?;
        let classes = values.iter().max().map_or(0, |&largest| largest as usize + 1);
        Ok(Self { values, classes })
    }
}

/// The label that `number` is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked here")]
pub(crate) fn label(number: f64, example: usize) -> Result<u32, Problem> {
    if number.fract() == 0.0 && (0.0..MAX_CLASSES as f64).contains(&number) {
        Ok(number as u32)
    } else {
        Err(Problem::new(
            format!("the label of example {example} is {number}"),
            format!("whole numbers from 0 to {}", MAX_CLASSES - 1),
        )
        .hint("number the classes 0, 1, 2, …"))
    }
}

/// How many examples are kept, once it is known that their f32 values fit the limit.
pub(crate) fn plan(
    examples: usize,
    features: usize,
    options: &ReadOptions,
) -> Result<usize, Problem> {
    let kept = options.examples.map_or(examples, |limit| limit.min(examples));
    let bytes = kept as u128 * features as u128 * size_of::<f32>() as u128;
    if bytes > u128::from(options.max_bytes) {
        return Err(Problem::TooLarge { limit: options.max_bytes });
    }
    Ok(kept)
}

/// Splits the extents of an array into the number of examples and the shape of one.
pub(crate) fn split_extents(extents: &[usize]) -> Result<(usize, Shape), Problem> {
    let allowed =
        "[examples, features], [examples, height, width] or [examples, channels, height, width]";
    match *extents {
        [n, features] => Ok((n, Shape::flat(features)?)),
        [n, height, width] => Ok((n, Shape::image(1, height, width)?)),
        // Square images with the channels last would be read as many thin images.
        [_, height, width, 1 | 3 | 4] if height == width && height > 4 => {
            Err(Problem::new(format!("shape {extents:?} looks like channels last"), allowed)
                .hint("in Python: x.transpose(0, 3, 1, 2)"))
        }
        [n, channels, height, width] => Ok((n, Shape::image(channels, height, width)?)),
        [_] => Err(Problem::new(format!("shape {extents:?} has one axis"), allowed)
            .hint("one feature per example: in Python, x.reshape(-1, 1)")),
        _ => Err(Problem::new(format!("shape {extents:?}"), allowed)),
    }
}

/// A data set of `inputs`, with the labels of as many examples.
pub(crate) fn assemble(
    name: &str,
    shape: Shape,
    inputs: Vec<f32>,
    labels: Option<Labels>,
) -> Result<Dataset, Problem> {
    let data = Dataset::new(name, shape, inputs)?;
    Ok(match labels {
        None => data,
        Some(Labels { mut values, classes }) => {
            values.truncate(data.examples());
            data.with_labels(values, classes)?
        }
    })
}

/// Refuses labels that are not one per example of the file.
pub(crate) fn check_count(labels: &Labels, examples: usize) -> Result<(), Problem> {
    if labels.values.len() == examples {
        Ok(())
    } else {
        Err(DatasetError::LabelCount { labels: labels.values.len(), examples }.into())
    }
}

/// Whether the bytes begin like gzip.
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Decompresses gzip, at most `limit` bytes of it.
pub(crate) fn gunzip(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Problem> {
    read_bounded(MultiGzDecoder::new(bytes), limit, "gzip")
}

/// Reads to the end, growing with what comes: whatever a header claims, no more than `limit` bytes are held.
pub(crate) fn read_bounded(reader: impl Read, limit: u64, what: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| {
        Problem::new(format!("damaged {what} data ({error})"), format!("complete {what} data"))
            .hint("fetch or write the file again")
    })?;
    if bytes.len() as u64 > limit {
        return Err(Problem::TooLarge { limit });
    }
    Ok(bytes)
}
