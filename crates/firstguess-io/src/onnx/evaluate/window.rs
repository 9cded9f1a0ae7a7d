//! Operators that slide a window over an image: convolutions and pools.

use ndarray::{Array2, Array4, ArrayD, ArrayView2, Axis, Ix4, Slice};

use super::{Call, Operation};
use crate::onnx::graph::Node;
use crate::onnx::tensor::{Array, elements};

pub(super) const OPERATORS: &[(&str, Operation)] = &[
    ("Conv", conv),
    ("MaxPool", |call| pool(call, Pooling::Max)),
    ("AveragePool", |call| pool(call, Pooling::Average)),
    ("GlobalAveragePool", |call| global(call, Pooling::Average)),
    ("GlobalMaxPool", |call| global(call, Pooling::Max)),
];

/// Where windows of one axis lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    /// Before and after.
    pub(crate) pads: (usize, usize),
    /// Windows along the axis.
    pub(crate) count: usize,
}

impl Window {
    /// Inputs `(tap, position)` of one window that are not padding.
    fn taps(self, window: usize, extent: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..self.kernel).filter_map(move |tap| {
            let position = (window * self.stride + tap * self.dilation).checked_sub(self.pads.0)?;
            (position < extent).then_some((tap, position))
        })
    }
}

/// The windows over the spatial axes of `[batch, channels, height, width]`.
pub(crate) fn windows(
    node: &Node,
    kernel: &[usize],
    spatial: &[usize],
) -> Result<Vec<Window>, String> {
    let axes = spatial.len();
    let list = |name: &str, fill: usize, length: usize| -> Result<Vec<usize>, String> {
        let Some(values) = node.ints(name).filter(|values| !values.is_empty()) else {
            return Ok(vec![fill; length]);
        };
        let values: Option<Vec<usize>> =
            values.iter().map(|n| usize::try_from(*n).ok().filter(|n| *n <= 1 << 16)).collect();
        values
            .filter(|values| values.len() == length)
            .ok_or_else(|| format!("has {name} {:?}", node.ints(name)))
    };
    let (strides, dilations) = (list("strides", 1, axes)?, list("dilations", 1, axes)?);
    let pads = list("pads", 0, 2 * axes)?;
    let auto = node.text("auto_pad").unwrap_or("NOTSET");
    let ceil = node.int("ceil_mode").unwrap_or(0) == 1;
    (0..axes)
        .map(|a| {
            let (kernel, stride, dilation) = (kernel[a], strides[a], dilations[a]);
            if kernel == 0 || stride == 0 || dilation == 0 || kernel > 1 << 16 {
                return Err(format!("has kernel {kernel}, stride {stride}, dilation {dilation}"));
            }
            let reach = (kernel - 1) * dilation + 1;
            let pads = match auto {
                "NOTSET" => (pads[a], pads[axes + a]),
                "VALID" => (0, 0),
                "SAME_UPPER" | "SAME_LOWER" => {
                    let count = spatial[a].div_ceil(stride);
                    let total = ((count.max(1) - 1) * stride + reach).saturating_sub(spatial[a]);
                    let (small, large) = (total / 2, total - total / 2);
                    if auto == "SAME_UPPER" { (small, large) } else { (large, small) }
                }
                other => return Err(format!("has auto_pad {other}")),
            };
            let room = (spatial[a] + pads.0 + pads.1).checked_sub(reach);
            let room =
                room.ok_or_else(|| format!("has a window of {reach} over {}", spatial[a]))?;
            let mut count = room / stride + 1;
            // A last window may hang over the end, but must begin inside.
            if ceil && room % stride != 0 && count * stride < spatial[a] + pads.0 {
                count += 1;
            }
            Ok(Window { kernel, stride, dilation, pads, count })
        })
        .collect()
}

/// A batch of images; one spatial axis becomes an image of height 1.
fn images(array: &ArrayD<f32>) -> Result<Array4<f32>, String> {
    let array = match array.ndim() {
        3 => array.clone().insert_axis(Axis(2)),
        _ => array.clone(),
    };
    let shape = array.shape().to_vec();
    array
        .into_dimensionality::<Ix4>()
        .map_err(|_| format!("takes [batch, channels, height, width], got shape {shape:?}"))
}

/// One channel of one example.
fn plane(images: &Array4<f32>, example: usize, channel: usize) -> ArrayView2<'_, f32> {
    images.index_axis(Axis(0), example).index_axis_move(Axis(0), channel)
}

/// The attributes' windows, for one or two spatial axes.
fn two_windows(node: &Node, kernel: &[usize], spatial: &[usize]) -> Result<[Window; 2], String> {
    let found = windows(node, kernel, spatial)?;
    let flat = Window { kernel: 1, stride: 1, dilation: 1, pads: (0, 0), count: 1 };
    match found[..] {
        [width] => Ok([flat, width]),
        [height, width] => Ok([height, width]),
        _ => Err(format!("has {} spatial axes; one or two are supported", spatial.len())),
    }
}

fn conv(call: &Call<'_>) -> Result<Array, String> {
    let (input, weight) = (call.float(0)?, call.float(1)?);
    if input.ndim() != weight.ndim() || !(3..=4).contains(&input.ndim()) {
        return Err(format!(
            "takes an image and kernels, got shapes {:?} and {:?}",
            input.shape(),
            weight.shape()
        ));
    }
    let windows = two_windows(call.node, &weight.shape()[2..], &input.shape()[2..])?;
    let flat = input.ndim() == 3;
    let (x, w) = (images(input)?, images(weight)?);
    let groups = usize::try_from(call.node.int("group").unwrap_or(1)).unwrap_or(0);
    let (batch, channels, height, width) = x.dim();
    let (outputs, per_group, kernel_height, kernel_width) = w.dim();
    if groups == 0 || channels != per_group * groups || !outputs.is_multiple_of(groups) {
        return Err(format!(
            "has {groups} groups, {channels} channels and kernels of shape {:?}",
            weight.shape()
        ));
    }
    let [rows, columns] = windows;
    elements(&[batch, outputs, rows.count, columns.count])?;
    let patch = per_group * kernel_height * kernel_width;
    let positions = rows.count * columns.count;
    elements(&[patch, positions])?;
    let bias = call.optional(2).map(Array::float).transpose()?;
    if bias.is_some_and(|bias| bias.len() != outputs) {
        return Err("has a bias that does not have one number per channel".to_owned());
    }
    let kernels = w
        .as_standard_layout()
        .into_owned()
        .into_shape_with_order((outputs, patch))
        .map_err(|error| error.to_string())?;
    let mut result = Array4::<f32>::zeros((batch, outputs, rows.count, columns.count));
    let mut patches = Array2::<f32>::zeros((patch, positions));
    let out_group = outputs / groups;
    for example in 0..batch {
        for group in 0..groups {
            patches.fill(0.0);
            for channel in 0..per_group {
                let image = plane(&x, example, group * per_group + channel);
                let base = channel * kernel_height * kernel_width;
                fill_patches(&mut patches, &image, base, rows, columns, (height, width));
            }
            let wanted = Slice::from(group * out_group..(group + 1) * out_group);
            let product = kernels.slice_axis(Axis(0), wanted).dot(&patches);
            let product = product
                .into_shape_with_order((out_group, rows.count, columns.count))
                .map_err(|error| error.to_string())?;
            result
                .index_axis_mut(Axis(0), example)
                .slice_axis_mut(Axis(0), wanted)
                .assign(&product);
        }
    }
    if let Some(bias) = bias {
        for (mut channel, b) in result.axis_iter_mut(Axis(1)).zip(bias) {
            channel += *b;
        }
    }
    Ok(Array::Float(unflatten(result, flat)))
}

fn fill_patches(
    patches: &mut Array2<f32>,
    image: &ArrayView2<'_, f32>,
    base: usize,
    rows: Window,
    columns: Window,
    (height, width): (usize, usize),
) {
    for row in 0..rows.count {
        for (row_tap, y) in rows.taps(row, height) {
            for column in 0..columns.count {
                for (column_tap, x) in columns.taps(column, width) {
                    let tap = base + row_tap * columns.kernel + column_tap;
                    patches[[tap, row * columns.count + column]] = image[[y, x]];
                }
            }
        }
    }
}

fn unflatten(result: Array4<f32>, flat: bool) -> ArrayD<f32> {
    if flat { result.index_axis_move(Axis(2), 0).into_dyn() } else { result.into_dyn() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Max,
    Average,
}

fn pool(call: &Call<'_>, pooling: Pooling) -> Result<Array, String> {
    let input = call.float(0)?;
    if !(3..=4).contains(&input.ndim()) {
        return Err(format!("takes images, got shape {:?}", input.shape()));
    }
    let kernel: Vec<usize> = call
        .node
        .ints("kernel_shape")
        .unwrap_or_default()
        .iter()
        .map(|n| usize::try_from(*n).unwrap_or(0))
        .collect();
    if kernel.len() != input.ndim() - 2 {
        return Err(format!("has a kernel of shape {kernel:?}"));
    }
    let [rows, columns] = two_windows(call.node, &kernel, &input.shape()[2..])?;
    let with_padding = call.node.int("count_include_pad").unwrap_or(0) == 1;
    let x = images(input)?;
    let (batch, channels, height, width) = x.dim();
    elements(&[batch, channels, rows.count, columns.count])?;
    let result = Array4::from_shape_fn(
        (batch, channels, rows.count, columns.count),
        |(n, c, row, column)| {
            let image = plane(&x, n, c);
            let (mut sum, mut top, mut seen) = (0.0_f32, f32::NEG_INFINITY, 0_usize);
            for (_, y) in rows.taps(row, height) {
                for (_, x) in columns.taps(column, width) {
                    let value = image[[y, x]];
                    sum += value;
                    top = top.max(value);
                    seen += 1;
                }
            }
            match pooling {
                Pooling::Max => top,
                Pooling::Average if with_padding => {
                    sum / covered(rows, row, height, columns, column, width)
                }
                #[expect(clippy::cast_precision_loss, reason = "windows are small")]
                Pooling::Average => sum / seen.max(1) as f32,
            }
        },
    );
    Ok(Array::Float(unflatten(result, input.ndim() == 3)))
}

/// Places of a window that lie in the padded image: one that hangs over its end counts fewer.
fn covered(
    rows: Window,
    row: usize,
    height: usize,
    columns: Window,
    column: usize,
    width: usize,
) -> f32 {
    let inside = |window: Window, position: usize, extent: usize| {
        let end = extent + window.pads.0 + window.pads.1;
        (0..window.kernel)
            .filter(|tap| position * window.stride + tap * window.dilation < end)
            .count()
    };
    #[expect(clippy::cast_precision_loss, reason = "windows are small")]
    let count = (inside(rows, row, height) * inside(columns, column, width)).max(1) as f32;
    count
}

fn global(call: &Call<'_>, pooling: Pooling) -> Result<Array, String> {
    let mut result = call.float(0)?.clone();
    if result.ndim() < 3 {
        return Err(format!("takes images, got shape {:?}", result.shape()));
    }
    for a in 2..result.ndim() {
        let along = Axis(a);
        let reduced = match pooling {
            Pooling::Max => result.fold_axis(along, f32::NEG_INFINITY, |top, x| top.max(*x)),
            Pooling::Average => result.mean_axis(along).ok_or("takes the mean of nothing")?,
        };
        result = reduced.insert_axis(along);
    }
    Ok(Array::Float(result))
}
