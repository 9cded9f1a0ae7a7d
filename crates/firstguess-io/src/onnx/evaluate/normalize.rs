//! Operators that sum over an axis: reductions, normalisations, softmax.

use ndarray::{ArrayD, Axis};

use super::{Call, Operation, axis, elementwise::both};
use crate::onnx::tensor::Array;

pub(super) const OPERATORS: &[(&str, Operation)] = &[
    ("ReduceMean", |call| reduce(call, |sum, n| sum / n)),
    ("ReduceSum", |call| reduce(call, |sum, _| sum)),
    ("ReduceMax", |call| extreme(call, f32::max)),
    ("ReduceMin", |call| extreme(call, f32::min)),
    ("CumSum", running_sum),
    ("BatchNormalization", batch_norm),
    ("InstanceNormalization", |call| grouped(call, Groups::Channels)),
    ("GroupNormalization", |call| grouped(call, Groups::Number)),
    ("LayerNormalization", |call| over_tail(call, true)),
    ("RMSNormalization", |call| over_tail(call, false)),
    ("SimplifiedLayerNormalization", |call| over_tail(call, false)),
    ("Softmax", |call| softmax(call, false)),
    ("LogSoftmax", |call| softmax(call, true)),
];

#[expect(clippy::cast_possible_truncation, reason = "networks run in f32; sums are taken in f64")]
fn to_f32(x: f64) -> f32 {
    x as f32
}

/// The axes that a reduction goes over; `None` for none at all.
fn reduced_axes(call: &Call<'_>, axes: usize) -> Result<Option<Vec<usize>>, String> {
    let mut over: Vec<usize> = match call.integers("axes", 1)? {
        Some(list) if !list.is_empty() => {
            list.iter().map(|a| axis(*a, axes)).collect::<Result<_, _>>()?
        }
        _ if call.node.int("noop_with_empty_axes").unwrap_or(0) == 1 => return Ok(None),
        _ => (0..axes).collect(),
    };
    over.sort_unstable();
    over.dedup();
    Ok(Some(over))
}

/// Drops axes of one element, unless the node keeps them.
fn without<T: Clone>(call: &Call<'_>, mut result: ArrayD<T>, over: &[usize]) -> ArrayD<T> {
    if call.node.int("keepdims").unwrap_or(1) == 0 {
        for a in over.iter().rev() {
            result = result.index_axis_move(Axis(*a), 0);
        }
    }
    result
}

fn reduce(call: &Call<'_>, of_sum: impl Fn(f64, f64) -> f64) -> Result<Array, String> {
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    let mut sums = match call.input(0)? {
        Array::Float(input) => input.mapv(f64::from),
        Array::Int(input) => input.mapv(|n| n as f64),
        Array::Bool(_) => return Err("takes numbers, got truth values".to_owned()),
    };
    let Some(over) = reduced_axes(call, sums.ndim())? else { return Ok(call.input(0)?.clone()) };
    let count: usize = over.iter().map(|a| sums.shape()[*a]).product();
    for a in &over {
        sums = sums.sum_axis(Axis(*a)).insert_axis(Axis(*a));
    }
    let result = without(call, sums.mapv(|sum| of_sum(sum, count.max(1) as f64)), &over);
    Ok(match call.input(0)? {
        #[expect(clippy::cast_possible_truncation, reason = "sums of whole numbers")]
        Array::Int(_) => Array::Int(result.mapv(|x| x as i64)),
        _ => Array::Float(result.mapv(to_f32)),
    })
}

/// The largest or smallest over axes.
fn extreme(call: &Call<'_>, f: impl Fn(f32, f32) -> f32 + Copy) -> Result<Array, String> {
    let mut result = call.float(0)?.clone();
    let Some(over) = reduced_axes(call, result.ndim())? else { return Ok(Array::Float(result)) };
    for a in &over {
        let first = result
            .axis_iter(Axis(*a))
            .next()
            .map(|first| first.to_owned())
            .ok_or("takes the extreme of nothing")?;
        let rest = result.axis_iter(Axis(*a)).skip(1);
        let found = rest.fold(first, |mut best, next| {
            best.zip_mut_with(&next, |b, x| *b = f(*b, *x));
            best
        });
        result = found.insert_axis(Axis(*a));
    }
    Ok(Array::Float(without(call, result, &over)))
}

/// Sums up to each place of one axis.
fn running_sum(call: &Call<'_>) -> Result<Array, String> {
    if ["exclusive", "reverse"].iter().any(|name| call.node.int(name).unwrap_or(0) == 1) {
        return Err("sums up from the first place to each one, itself included".to_owned());
    }
    let along = call.input(1)?.integers()?.first().copied().ok_or("does not say its axis")?;
    let mut result = call.input(0)?.clone();
    let along = Axis(axis(along, result.shape().len())?);
    match &mut result {
        Array::Float(array) => array.accumulate_axis_inplace(along, |before, x| *x += before),
        Array::Int(array) => {
            array.accumulate_axis_inplace(along, |before, x| *x = x.wrapping_add(*before));
        }
        Array::Bool(_) => return Err("takes numbers, got truth values".to_owned()),
    }
    Ok(result)
}

/// With the running statistics, as in evaluation; with those of the batch where the node is one of training.
fn batch_norm(call: &Call<'_>) -> Result<Array, String> {
    let input = call.float(0)?;
    let channels = input.shape().get(1).copied().unwrap_or(0);
    let parameter = |position: usize| {
        let values: Vec<f32> = call.float(position)?.iter().copied().collect();
        if values.len() == channels {
            Ok(values)
        } else {
            Err(format!("has {} statistics for {channels} channels", values.len()))
        }
    };
    let epsilon = call.node.float("epsilon").unwrap_or(1e-5);
    let (scale, shift) = (parameter(1)?, parameter(2)?);
    let mut result = input.clone();
    if call.fresh || call.node.int("training_mode").unwrap_or(0) == 1 {
        for (c, mut channel) in result.axis_iter_mut(Axis(1)).enumerate() {
            let (mean, inverse) = statistics(channel.iter().copied(), f64::from(epsilon), true);
            let (gain, offset) = if call.fresh { (1.0, 0.0) } else { (scale[c], shift[c]) };
            channel.mapv_inplace(|x| gain * to_f32((f64::from(x) - mean) * inverse) + offset);
        }
        return Ok(Array::Float(result));
    }
    let (mean, variance) = (parameter(3)?, parameter(4)?);
    for (c, mut channel) in result.axis_iter_mut(Axis(1)).enumerate() {
        let factor = scale[c] / (variance[c] + epsilon).sqrt();
        channel.mapv_inplace(|x| (x - mean[c]) * factor + shift[c]);
    }
    Ok(Array::Float(result))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Groups {
    /// Each channel for itself.
    Channels,
    /// As many as the attribute says.
    Number,
}

fn grouped(call: &Call<'_>, groups: Groups) -> Result<Array, String> {
    let input = call.float(0)?;
    if input.ndim() < 2 {
        return Err(format!("takes [batch, channels, ...], got shape {:?}", input.shape()));
    }
    let channels = input.shape()[1];
    let number = match groups {
        Groups::Channels => channels,
        Groups::Number => usize::try_from(call.node.int("num_groups").unwrap_or(1)).unwrap_or(0),
    };
    if number == 0 || !channels.is_multiple_of(number) {
        return Err(format!("has {number} groups of {channels} channels"));
    }
    let (scale, shift) = (call.float(1)?, call.float(2)?);
    let epsilon = f64::from(call.node.float("epsilon").unwrap_or(1e-5));
    let per_group = channels / number;
    // Up to opset 20 there is one scale per group, afterwards one per channel.
    let place = |values: &ArrayD<f32>, channel: usize| {
        let index = if values.len() == channels { channel } else { channel / per_group };
        values.iter().nth(index).copied().ok_or("has too few scales")
    };
    let mut result = input.clone();
    for mut example in result.outer_iter_mut() {
        for group in 0..number {
            let mut part = example.slice_axis_mut(
                Axis(0),
                ndarray::Slice::from(group * per_group..(group + 1) * per_group),
            );
            let (mean, inverse) = statistics(part.iter().copied(), epsilon, true);
            part.mapv_inplace(|x| to_f32((f64::from(x) - mean) * inverse));
        }
        for (channel, mut values) in example.outer_iter_mut().enumerate() {
            let (a, b) = (place(scale, channel)?, place(shift, channel)?);
            values.mapv_inplace(|x| a * x + b);
        }
    }
    Ok(Array::Float(result))
}

/// Mean (zero where not centred) and one over the spread.
fn statistics(
    values: impl Iterator<Item = f32> + Clone,
    epsilon: f64,
    centred: bool,
) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = if centred { values.clone().map(f64::from).sum::<f64>() / count } else { 0.0 };
    let square = values.map(|x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    (mean, 1.0 / (square + epsilon).sqrt())
}

fn over_tail(call: &Call<'_>, centred: bool) -> Result<Array, String> {
    let input = call.float(0)?;
    let from = axis(call.node.int("axis").unwrap_or(-1), input.ndim())?;
    let length: usize = input.shape()[from..].iter().product();
    let epsilon = f64::from(call.node.float("epsilon").unwrap_or(1e-5));
    let mut values: Vec<f32> = input.iter().copied().collect();
    for row in values.chunks_exact_mut(length.max(1)) {
        let (mean, inverse) = statistics(row.iter().copied(), epsilon, centred);
        for x in row {
            *x = to_f32((f64::from(*x) - mean) * inverse);
        }
    }
    let mut result = crate::onnx::tensor::array(input.shape(), values)?;
    if let Some(scale) = call.optional(1) {
        result = both(&result, scale.float()?, |x, a| x * a)?;
    }
    if let Some(shift) = call.optional(2) {
        result = both(&result, shift.float()?, |x, b| x + b)?;
    }
    if result.shape() != input.shape() {
        return Err("has a scale that does not fit its input".to_owned());
    }
    Ok(Array::Float(result))
}

fn softmax(call: &Call<'_>, logarithm: bool) -> Result<Array, String> {
    let input = call.float(0)?;
    let along = if call.opset < 13 {
        call.node.int("axis").unwrap_or(1)
    } else {
        call.node.int("axis").unwrap_or(-1)
    };
    let along = Axis(axis(along, input.ndim())?);
    let mut result = input.clone();
    for mut lane in result.lanes_mut(along) {
        let top = lane.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = lane.iter().map(|x| f64::from(x - top).exp()).sum();
        let ln_sum = to_f32(sum.ln());
        lane.mapv_inplace(|x| {
            if logarithm { x - top - ln_sum } else { to_f32(f64::from(x - top).exp() / sum) }
        });
    }
    Ok(Array::Float(result))
}
