//! Operators that pick elements by their index.

use ndarray::{ArrayD, Axis};

use super::shape::{reshaped, with_any};
use super::{Call, Operation, axis};
use crate::onnx::tensor::{Array, array, elements};

pub(super) const OPERATORS: &[(&str, Operation)] =
    &[("Gather", gather), ("GatherElements", gather_elements), ("GatherND", gather_nd)];

fn gather(call: &Call<'_>) -> Result<Array, String> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let axes = input.shape().len();
    let along = axis(call.node.int("axis").unwrap_or(0), axes)?;
    let extent = input.shape()[along];
    let positions = indices
        .integers()?
        .iter()
        .map(|index| axis(*index, extent).map_err(|_| format!("index {index} of {extent}")))
        .collect::<Result<Vec<_>, _>>()?;
    let mut shape = input.shape()[..along].to_vec();
    shape.extend(indices.shape());
    shape.extend(&input.shape()[along + 1..]);
    elements(&shape)?;
    let picked = with_any(
        input,
        |a| Ok(a.select(Axis(along), &positions)),
        |a| Ok(a.select(Axis(along), &positions)),
        |a| Ok(a.select(Axis(along), &positions)),
    )?;
    reshaped(&picked, &shape)
}

/// Elements at these row-major places.
fn at_places(input: &Array, shape: &[usize], places: &[usize]) -> Result<Array, String> {
    fn picked<T: Copy>(
        x: &ArrayD<T>,
        shape: &[usize],
        places: &[usize],
    ) -> Result<ArrayD<T>, String> {
        let values: Vec<T> = x.iter().copied().collect();
        array(shape, places.iter().filter_map(|place| values.get(*place).copied()).collect())
    }
    with_any(
        input,
        |a| picked(a, shape, places),
        |a| picked(a, shape, places),
        |a| picked(a, shape, places),
    )
}

/// Row-major steps of a shape.
fn steps(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|a| shape[a + 1..].iter().product()).collect()
}

/// The index of each element along one axis is given, the others are its own.
fn gather_elements(call: &Call<'_>) -> Result<Array, String> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let (shape, wanted) = (input.shape(), indices.shape());
    let along = axis(call.node.int("axis").unwrap_or(0), shape.len())?;
    let fits = wanted.len() == shape.len()
        && (0..shape.len()).all(|a| a == along || wanted[a] <= shape[a]);
    if !fits {
        return Err(format!("picks from shape {shape:?} by indices of shape {wanted:?}"));
    }
    let (strides, own) = (steps(shape), steps(wanted));
    let indices = indices.integers()?;
    let places = indices.iter().enumerate().map(|(at, index)| {
        let index =
            axis(*index, shape[along]).map_err(|_| format!("index {index} of {}", shape[along]))?;
        let coordinate = |a: usize| if a == along { index } else { at / own[a] % wanted[a] };
        Ok((0..shape.len()).map(|a| coordinate(a) * strides[a]).sum())
    });
    at_places(input, wanted, &places.collect::<Result<Vec<usize>, String>>()?)
}

/// The last axis of the indices holds the first coordinates of what is picked.
fn gather_nd(call: &Call<'_>) -> Result<Array, String> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let common = usize::try_from(call.node.int("batch_dims").unwrap_or(0)).unwrap_or(usize::MAX);
    let (shape, wanted) = (input.shape(), indices.shape());
    let refused = || format!("picks from shape {shape:?} by indices of shape {wanted:?}");
    let Some((&depth, rows)) = wanted.split_last() else { return Err(refused()) };
    let whole = common.checked_add(depth).filter(|known| *known <= shape.len());
    let (Some(whole), true) = (whole, common <= rows.len() && depth > 0) else {
        return Err(refused());
    };
    if shape[..common] != rows[..common] {
        return Err(refused());
    }
    let rest: usize = shape[whole..].iter().product();
    let shape_of_result = [rows, &shape[whole..]].concat();
    elements(&shape_of_result)?;
    let strides = steps(shape);
    let per_batch: usize = rows[common..].iter().product();
    let of_batch: usize = shape[common..].iter().product();
    let mut places = Vec::new();
    for (row, index) in indices.integers()?.chunks(depth).enumerate() {
        let mut start = row / per_batch.max(1) * of_batch;
        for (a, n) in (common..).zip(index) {
            start +=
                axis(*n, shape[a]).map_err(|_| format!("index {n} of {}", shape[a]))? * strides[a];
        }
        places.extend(start..start + rest);
    }
    at_places(input, &shape_of_result, &places)
}
