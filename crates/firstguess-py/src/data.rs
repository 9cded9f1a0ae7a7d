//! Arrays to data sets.

use firstguess::spec::{Dataset, Shape};
use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::refuse;

/// The values of an array that lies row by row in memory, as the Python half hands them over.
pub(crate) fn values<'a>(array: &'a PyReadonlyArrayDyn<'_, f32>) -> PyResult<&'a [f32]> {
    array.as_slice().map_err(|_| refuse("the array is not contiguous"))
}

/// Inputs `[examples, features]` or `[examples, channels, height, width]`; any other rank is taken as features.
pub(crate) fn dataset(
    name: &str,
    inputs: &PyReadonlyArrayDyn<'_, f32>,
    labels: Option<(&PyReadonlyArray1<'_, u32>, usize)>,
) -> PyResult<Dataset> {
    let extents = inputs.shape();
    let Some((_, example)) = extents.split_first() else {
        return Err(refuse("the inputs have no axis of examples"));
    };
    let shape = match *example {
        [channels, height, width] => Shape::image(channels, height, width),
        _ => Shape::flat(example.iter().product()),
    };
    let values = values(inputs)?.to_vec();
    let data = Dataset::new(name, shape.map_err(refuse)?, values).map_err(refuse)?;
    let Some((labels, classes)) = labels else { return Ok(data) };
    let labels = labels.as_slice().map_err(|_| refuse("the labels are not contiguous"))?;
    data.with_labels(labels.to_vec(), classes).map_err(refuse)
}
