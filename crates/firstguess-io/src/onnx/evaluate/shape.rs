//! Operators that move numbers about, or speak of shapes.

use ndarray::{ArrayD, Axis, IxDyn, Slice, concatenate};

use super::{Call, Operation, axis};
use crate::onnx::tensor::{Array, array, elements, read};

pub(super) const OPERATORS: &[(&str, Operation)] = &[
    ("Constant", constant),
    ("ConstantOfShape", constant_of_shape),
    ("Shape", shape_of),
    ("Size", |call| array(&[], vec![to_int(elements(call.input(0)?.shape())?)]).map(Array::Int)),
    ("Reshape", reshape),
    ("Flatten", flatten),
    ("Squeeze", squeeze),
    ("Unsqueeze", unsqueeze),
    ("Transpose", transpose),
    ("Concat", concat),
    ("Slice", slice),
    ("Expand", expand),
    ("Pad", pad),
    ("Range", range),
    ("Tile", tile),
    ("Trilu", triangle),
];

fn to_int(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Applies one function to an array of whichever type.
pub(super) fn with_any(
    input: &Array,
    float: impl FnOnce(&ArrayD<f32>) -> Result<ArrayD<f32>, String>,
    int: impl FnOnce(&ArrayD<i64>) -> Result<ArrayD<i64>, String>,
    truth: impl FnOnce(&ArrayD<bool>) -> Result<ArrayD<bool>, String>,
) -> Result<Array, String> {
    match input {
        Array::Float(a) => float(a).map(Array::Float),
        Array::Int(a) => int(a).map(Array::Int),
        Array::Bool(a) => truth(a).map(Array::Bool),
    }
}

fn constant(call: &Call<'_>) -> Result<Array, String> {
    let node = call.node;
    if let Some(tensor) = node.tensor("value") {
        return read(tensor, None).map_err(|error| error.to_string());
    }
    if let Some(value) = node.float("value_float") {
        return array(&[], vec![value]).map(Array::Float);
    }
    if let Some(value) = node.int("value_int") {
        return array(&[], vec![value]).map(Array::Int);
    }
    if let Some(values) = node.floats("value_floats") {
        return array(&[values.len()], values.to_vec()).map(Array::Float);
    }
    if let Some(values) = node.ints("value_ints") {
        return array(&[values.len()], values.to_vec()).map(Array::Int);
    }
    Err("holds no number".to_owned())
}

fn constant_of_shape(call: &Call<'_>) -> Result<Array, String> {
    let shape = extents(&call.input(0)?.integers()?)?;
    let count = elements(&shape)?;
    match call.node.tensor("value").map(|tensor| read(tensor, None)) {
        None => array(&shape, vec![0.0; count]).map(Array::Float),
        Some(Ok(Array::Float(value))) => {
            array(&shape, vec![value.first().copied().unwrap_or(0.0); count]).map(Array::Float)
        }
        Some(Ok(Array::Int(value))) => {
            array(&shape, vec![value.first().copied().unwrap_or(0); count]).map(Array::Int)
        }
        Some(Ok(Array::Bool(value))) => {
            array(&shape, vec![value.first().copied().unwrap_or(false); count]).map(Array::Bool)
        }
        Some(Err(error)) => Err(error.to_string()),
    }
}

fn extents(values: &[i64]) -> Result<Vec<usize>, String> {
    values.iter().map(|n| usize::try_from(*n).map_err(|_| format!("an extent of {n}"))).collect()
}

fn shape_of(call: &Call<'_>) -> Result<Array, String> {
    let shape: Vec<i64> = call.input(0)?.shape().iter().map(|n| to_int(*n)).collect();
    let axes = to_int(shape.len());
    let place =
        |n: i64| usize::try_from(if n < 0 { n + axes } else { n }.clamp(0, axes)).unwrap_or(0);
    let start = place(call.node.int("start").unwrap_or(0));
    let end = place(call.node.int("end").unwrap_or(axes)).max(start);
    array(&[end - start], shape[start..end].to_vec()).map(Array::Int)
}

pub(super) fn reshaped(input: &Array, shape: &[usize]) -> Result<Array, String> {
    if elements(shape)? != elements(input.shape())? {
        return Err(format!("turns shape {:?} into {shape:?}", input.shape()));
    }
    with_any(
        input,
        |a| array(shape, a.iter().copied().collect()),
        |a| array(shape, a.iter().copied().collect()),
        |a| array(shape, a.iter().copied().collect()),
    )
}

fn reshape(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let wanted = call.integers("shape", 1)?.ok_or("has no shape to go to")?;
    let keep_zero = call.node.int("allowzero").unwrap_or(0) == 1;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (position, extent) in wanted.iter().enumerate() {
        match *extent {
            -1 if open.is_none() => {
                open = Some(position);
                shape.push(1);
            }
            0 if !keep_zero => {
                let same = input.shape().get(position);
                shape.push(*same.ok_or_else(|| {
                    format!("keeps axis {position} of shape {:?}", input.shape())
                })?);
            }
            other => shape.extend(extents(&[other])?),
        }
    }
    if let Some(position) = open {
        let rest = elements(&shape)?;
        shape[position] = elements(input.shape())?.checked_div(rest).unwrap_or(0);
    }
    reshaped(input, &shape)
}

fn flatten(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let axes = input.shape().len();
    let at = call.node.int("axis").unwrap_or(1);
    let at = if at == to_int(axes) { axes } else { axis(at, axes)? };
    let (rows, columns) = input.shape().split_at(at);
    reshaped(input, &[rows.iter().product(), columns.iter().product()])
}

fn squeeze(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let axes = input.shape().len();
    let drop: Vec<usize> = match call.integers("axes", 1)? {
        Some(list) => list.iter().map(|a| axis(*a, axes)).collect::<Result<_, _>>()?,
        None => (0..axes).filter(|a| input.shape()[*a] == 1).collect(),
    };
    let shape: Vec<usize> =
        (0..axes).filter(|a| !drop.contains(a)).map(|a| input.shape()[a]).collect();
    reshaped(input, &shape)
}

fn unsqueeze(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let list = call.integers("axes", 1)?.ok_or("does not say which axes to add")?;
    let axes = input.shape().len() + list.len();
    let mut added: Vec<usize> = list.iter().map(|a| axis(*a, axes)).collect::<Result<_, _>>()?;
    added.sort_unstable();
    added.dedup();
    let mut shape = input.shape().to_vec();
    for position in added {
        if position > shape.len() {
            return Err(format!("adds axis {position} to shape {shape:?}"));
        }
        shape.insert(position, 1);
    }
    reshaped(input, &shape)
}

fn transpose(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let axes = input.shape().len();
    let order: Vec<usize> = match call.node.ints("perm") {
        Some(perm) => perm.iter().map(|a| axis(*a, axes)).collect::<Result<_, _>>()?,
        None => (0..axes).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..axes) {
        return Err(format!("orders {axes} axes as {order:?}"));
    }
    with_any(
        input,
        |a| Ok(a.clone().permuted_axes(IxDyn(&order)).as_standard_layout().into_owned()),
        |a| Ok(a.clone().permuted_axes(IxDyn(&order)).as_standard_layout().into_owned()),
        |a| Ok(a.clone().permuted_axes(IxDyn(&order)).as_standard_layout().into_owned()),
    )
}

fn concat(call: &Call<'_>) -> Result<Array, String> {
    let first = call.input(0)?;
    let along = Axis(axis(call.node.int("axis").unwrap_or(1), first.shape().len())?);
    let inputs = (0..call.inputs.len()).map(|i| call.input(i)).collect::<Result<Vec<_>, _>>()?;
    let rows: usize = inputs.iter().map(|a| a.shape().get(along.0).copied().unwrap_or(0)).sum();
    let mut shape = first.shape().to_vec();
    shape[along.0] = rows;
    elements(&shape)?;
    let apart = || "joins two inputs of one type".to_owned();
    match first {
        Array::Float(_) => {
            let views =
                inputs.iter().map(|a| Ok(a.float()?.view())).collect::<Result<Vec<_>, String>>()?;
            concatenate(along, &views).map(Array::Float).map_err(|error| error.to_string())
        }
        Array::Int(_) => {
            let views = inputs
                .iter()
                .map(|a| if let Array::Int(a) = a { Ok(a.view()) } else { Err(apart()) })
                .collect::<Result<Vec<_>, _>>()?;
            concatenate(along, &views).map(Array::Int).map_err(|error| error.to_string())
        }
        Array::Bool(_) => {
            let views = inputs
                .iter()
                .map(|a| if let Array::Bool(a) = a { Ok(a.view()) } else { Err(apart()) })
                .collect::<Result<Vec<_>, _>>()?;
            concatenate(along, &views).map(Array::Bool).map_err(|error| error.to_string())
        }
    }
}

/// Parts along one axis: of the sizes given, or equal ones.
pub(super) fn split(call: &Call<'_>) -> Result<Vec<Array>, String> {
    let input = call.input(0)?;
    let along = axis(call.node.int("axis").unwrap_or(0), input.shape().len())?;
    let (extent, parts) = (input.shape()[along], call.node.outputs.len());
    let sizes = if let Some(sizes) = call.integers("split", 1)? {
        extents(&sizes)?
    } else {
        let each = extent.div_ceil(parts.max(1));
        (0..parts).map(|part| each.min(extent.saturating_sub(part * each))).collect()
    };
    let total = sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size));
    if sizes.len() != parts || total != Some(extent) {
        return Err(format!("splits {extent} into {parts} parts of {sizes:?}"));
    }
    let mut start = 0;
    let part = |size: usize| {
        let window = Slice::from(start..start + size);
        start += size;
        with_any(
            input,
            |a| Ok(a.slice_axis(Axis(along), window).to_owned()),
            |a| Ok(a.slice_axis(Axis(along), window).to_owned()),
            |a| Ok(a.slice_axis(Axis(along), window).to_owned()),
        )
    };
    sizes.into_iter().map(part).collect()
}

fn slice(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let axes = input.shape().len();
    let starts = call.integers("starts", 1)?.ok_or("has no starts")?;
    let ends = call.integers("ends", 2)?.ok_or("has no ends")?;
    let along = call.integers("axes", 3)?.unwrap_or_else(|| (0..to_int(starts.len())).collect());
    let steps = call.integers("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), along.len(), steps.len()].iter().any(|n| *n != starts.len()) {
        return Err("has starts, ends, axes and steps of different lengths".to_owned());
    }
    let mut result = input.clone();
    for (((start, end), along), step) in starts.iter().zip(&ends).zip(&along).zip(&steps) {
        if *step < 1 {
            return Err(format!("takes every {step}-th element; positive steps are supported"));
        }
        let along = axis(*along, axes)?;
        let extent = to_int(result.shape()[along]);
        let place = |n: i64| if n < 0 { n.saturating_add(extent) } else { n }.clamp(0, extent);
        let (from, to) = (place(*start), place(*end));
        let window = Slice::new(
            isize::try_from(from).unwrap_or(0),
            Some(isize::try_from(to.max(from)).unwrap_or(0)),
            isize::try_from(*step).unwrap_or(1),
        );
        result = with_any(
            &result,
            |a| Ok(a.slice_axis(Axis(along), window).to_owned()),
            |a| Ok(a.slice_axis(Axis(along), window).to_owned()),
            |a| Ok(a.slice_axis(Axis(along), window).to_owned()),
        )?;
    }
    Ok(result)
}

fn expand(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let wanted = extents(&call.input(1)?.integers()?)?;
    let shape = IxDyn(&super::elementwise::common_shape(input.shape(), &wanted)?);
    let apart = || format!("expands shape {:?} to {wanted:?}", input.shape());
    with_any(
        input,
        |a| a.broadcast(shape.clone()).map(|a| a.to_owned()).ok_or_else(apart),
        |a| a.broadcast(shape.clone()).map(|a| a.to_owned()).ok_or_else(apart),
        |a| a.broadcast(shape.clone()).map(|a| a.to_owned()).ok_or_else(apart),
    )
}

fn pad(call: &Call<'_>) -> Result<Array, String> {
    let input = call.float(0)?;
    if call.node.text("mode").is_some_and(|mode| mode != "constant") {
        return Err("pads with a constant only".to_owned());
    }
    let pads = extents(&call.integers("pads", 1)?.ok_or("does not say how much to pad")?)?;
    let axes = input.ndim();
    if pads.len() != 2 * axes {
        return Err(format!("pads {} sides of {axes} axes", pads.len()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
    let fill = call.optional(2).and_then(Array::scalar).map_or(0.0, |x| x as f32);
    let mut shape = Vec::with_capacity(axes);
    for (a, extent) in input.shape().iter().enumerate() {
        let total = extent.checked_add(pads[a]).and_then(|n| n.checked_add(pads[axes + a]));
        shape.push(total.ok_or("pads too much")?);
    }
    elements(&shape)?;
    let mut result = ArrayD::from_elem(IxDyn(&shape), fill);
    let mut inner = result.view_mut();
    for (a, extent) in input.shape().iter().enumerate() {
        inner.slice_axis_inplace(Axis(a), Slice::from(pads[a]..pads[a] + extent));
    }
    inner.assign(input);
    Ok(Array::Float(result))
}

/// The whole array, so many times along each axis.
fn tile(call: &Call<'_>) -> Result<Array, String> {
    let input = call.input(0)?;
    let times = extents(&call.input(1)?.integers()?)?;
    if times.len() != input.shape().len() {
        return Err(format!("repeats {} axes of {}", times.len(), input.shape().len()));
    }
    let product = input.shape().iter().zip(&times).map(|(n, times)| n.checked_mul(*times));
    elements(&product.collect::<Option<Vec<_>>>().ok_or("repeats too often")?)?;
    let mut result = input.clone();
    for (a, times) in times.iter().enumerate() {
        let along = Axis(a);
        result = with_any(
            &result,
            |x| concatenate(along, &vec![x.view(); *times]).map_err(|error| error.to_string()),
            |x| concatenate(along, &vec![x.view(); *times]).map_err(|error| error.to_string()),
            |x| concatenate(along, &vec![x.view(); *times]).map_err(|error| error.to_string()),
        )?;
    }
    Ok(result)
}

/// The elements at the places that stay, zeros elsewhere.
fn kept<T: Copy + Default>(
    x: &ArrayD<T>,
    stays: impl Fn(usize) -> bool,
) -> Result<ArrayD<T>, String> {
    let values = x.iter().enumerate().map(|(at, x)| if stays(at) { *x } else { T::default() });
    array(x.shape(), values.collect())
}

/// Matrices with zeros above or below one of their diagonals.
fn triangle(call: &Call<'_>) -> Result<Array, String> {
    let diagonal = call.optional(1).map(Array::integers).transpose()?;
    let diagonal = diagonal.and_then(|k| k.first().copied()).unwrap_or(0);
    let upper = call.node.int("upper").unwrap_or(1) == 1;
    let input = call.input(0)?;
    let [.., _, columns] = *input.shape() else {
        return Err(format!("takes matrices, got shape {:?}", input.shape()));
    };
    let rows = input.shape()[input.shape().len() - 2];
    let stays = |place: usize| {
        let (row, column) = (to_int(place / columns.max(1) % rows.max(1)), to_int(place % columns));
        let right = column.saturating_sub(row);
        if upper { right >= diagonal } else { right <= diagonal }
    };
    with_any(input, |x| kept(x, stays), |x| kept(x, stays), |x| kept(x, stays))
}

fn range(call: &Call<'_>) -> Result<Array, String> {
    let one = |position| {
        let values = call.input(position)?.integers()?;
        values.first().copied().ok_or_else(|| "counts from a number".to_owned())
    };
    let (start, limit, delta) = (one(0)?, one(1)?, one(2)?);
    if delta == 0 || (limit - start) / delta > 1 << 20 {
        return Err(format!("counts from {start} to {limit} by {delta}"));
    }
    let mut values = Vec::new();
    let mut at = start;
    while (delta > 0 && at < limit) || (delta < 0 && at > limit) {
        values.push(at);
        at += delta;
    }
    array(&[values.len()], values).map(Array::Int)
}
