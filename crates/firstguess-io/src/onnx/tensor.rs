//! Tensors of an ONNX file: typed arrays, read from every encoding the format has.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use ndarray::{ArrayD, IxDyn};

use super::error::OnnxError;
use super::proto::TensorProto;

/// Most elements of one tensor: 2^28, a gibibyte of f32.
pub(super) const MAX_ELEMENTS: usize = 1 << 28;

/// Most axes of one tensor.
const MAX_AXES: usize = 16;

/// The value of an edge of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Array {
    Float(ArrayD<f32>),
    Int(ArrayD<i64>),
    Bool(ArrayD<bool>),
}

impl Array {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Float(array) => array.shape(),
            Self::Int(array) => array.shape(),
            Self::Bool(array) => array.shape(),
        }
    }

    pub(super) fn float(&self) -> Result<&ArrayD<f32>, String> {
        match self {
            Self::Float(array) => Ok(array),
            Self::Int(_) => Err("takes floating-point numbers, got integers".to_owned()),
            Self::Bool(_) => Err("takes floating-point numbers, got truth values".to_owned()),
        }
    }

    pub(super) fn into_float(self) -> Result<ArrayD<f32>, String> {
        self.float()?;
        match self {
            Self::Float(array) => Ok(array),
            _ => Err("takes floating-point numbers".to_owned()),
        }
    }

    /// The elements as integers, in row-major order: shapes, axes, indices.
    pub(super) fn integers(&self) -> Result<Vec<i64>, String> {
        match self {
            Self::Int(array) => Ok(array.iter().copied().collect()),
            _ => Err("takes integers here".to_owned()),
        }
    }

    /// The one element of a tensor that holds a single number.
    pub(super) fn scalar(&self) -> Option<f64> {
        match self {
            Self::Float(array) if array.len() == 1 => array.first().map(|x| f64::from(*x)),
            #[expect(clippy::cast_precision_loss, reason = "constants of activations are small")]
            Self::Int(array) if array.len() == 1 => array.first().map(|x| *x as f64),
            _ => None,
        }
    }
}

/// Number of elements of a shape, bounded.
pub(super) fn elements(shape: &[usize]) -> Result<usize, String> {
    let product = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
    match product {
        Some(product) if product <= MAX_ELEMENTS && shape.len() <= MAX_AXES => Ok(product),
        _ => Err(format!(
            "a tensor of shape {shape:?}; at most {MAX_ELEMENTS} elements and {MAX_AXES} axes are taken"
        )),
    }
}

pub(super) fn array<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>, String> {
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|error| error.to_string())
}

/// Reads a tensor; `folder` is where the file lies, for data that stand outside it.
pub(super) fn read(tensor: &TensorProto, folder: Option<&Path>) -> Result<Array, OnnxError> {
    read_in(tensor, folder).map_err(|problem| {
        OnnxError::malformed(
            format!("has a tensor `{}` that cannot be read: {problem}", tensor.name),
            "tensors whose data have the size that their shape says",
        )
    })
}

fn read_in(tensor: &TensorProto, folder: Option<&Path>) -> Result<Array, String> {
    let shape = tensor
        .dims
        .iter()
        .map(|extent| usize::try_from(*extent).map_err(|_| format!("an extent of {extent}")))
        .collect::<Result<Vec<_>, _>>()?;
    let count = elements(&shape)?;
    let width = match tensor.data_type {
        1 | 6 | 12 => 4,
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        7 | 11 | 13 => 8,
        other => {
            return Err(format!(
                "element type {other}; taken are floats of 16, 32 and 64 bits, integers and truth values"
            ));
        }
    };
    let outside;
    let raw: &[u8] = if tensor.data_location == 1 {
        outside = external(tensor, folder, count * width)?;
        &outside
    } else {
        &tensor.raw_data
    };
    if !raw.is_empty() {
        if raw.len() != count * width {
            return Err(format!("{} bytes where its shape takes {}", raw.len(), count * width));
        }
        return from_raw(tensor.data_type, &shape, raw);
    }
    let fits = |found: usize| {
        if found == count {
            Ok(())
        } else {
            Err(format!("{found} elements where its shape takes {count}"))
        }
    };
    let from_i32 = |values: &[i32]| values.iter().map(|x| i64::from(*x)).collect::<Vec<_>>();
    match tensor.data_type {
        1 => {
            fits(tensor.float_data.len())?;
            array(&shape, tensor.float_data.clone()).map(Array::Float)
        }
        11 => {
            fits(tensor.double_data.len())?;
            array(&shape, tensor.double_data.iter().map(|x| narrow(*x)).collect()).map(Array::Float)
        }
        7 => {
            fits(tensor.int64_data.len())?;
            array(&shape, tensor.int64_data.clone()).map(Array::Int)
        }
        9 => {
            fits(tensor.int32_data.len())?;
            array(&shape, tensor.int32_data.iter().map(|x| *x != 0).collect()).map(Array::Bool)
        }
        10 | 16 => {
            fits(tensor.int32_data.len())?;
            let half = |x: &i32| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the low half holds the bits"
                )]
                let bits = *x as u16;
                if tensor.data_type == 10 {
                    half_to_f32(bits)
                } else {
                    f32::from_bits(u32::from(bits) << 16)
                }
            };
            array(&shape, tensor.int32_data.iter().map(half).collect()).map(Array::Float)
        }
        2..=6 => {
            fits(tensor.int32_data.len())?;
            array(&shape, from_i32(&tensor.int32_data)).map(Array::Int)
        }
        _ => {
            fits(0)?;
            array(&shape, Vec::new()).map(Array::Int)
        }
    }
}

fn from_raw(data_type: i32, shape: &[usize], raw: &[u8]) -> Result<Array, String> {
    fn each<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.chunks_exact(N)
            .map(|chunk| {
                let mut bytes = [0; N];
                bytes.copy_from_slice(chunk);
                read(bytes)
            })
            .collect()
    }
    match data_type {
        1 => array(shape, each(raw, f32::from_le_bytes)).map(Array::Float),
        11 => array(shape, each(raw, |b| narrow(f64::from_le_bytes(b)))).map(Array::Float),
        10 => array(shape, each(raw, |b| half_to_f32(u16::from_le_bytes(b)))).map(Array::Float),
        16 => array(shape, each(raw, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)))
            .map(Array::Float),
        7 => array(shape, each(raw, i64::from_le_bytes)).map(Array::Int),
        6 => array(shape, each(raw, |b| i64::from(i32::from_le_bytes(b)))).map(Array::Int),
        12 => array(shape, each(raw, |b| i64::from(u32::from_le_bytes(b)))).map(Array::Int),
        5 => array(shape, each(raw, |b| i64::from(i16::from_le_bytes(b)))).map(Array::Int),
        4 => array(shape, each(raw, |b| i64::from(u16::from_le_bytes(b)))).map(Array::Int),
        3 => array(shape, each(raw, |b| i64::from(i8::from_le_bytes(b)))).map(Array::Int),
        2 => array(shape, raw.iter().map(|b| i64::from(*b)).collect()).map(Array::Int),
        9 => array(shape, raw.iter().map(|b| *b != 0).collect()).map(Array::Bool),
        _ => array(shape, each(raw, |b| u64::from_le_bytes(b).cast_signed())).map(Array::Int),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "networks run in f32")]
fn narrow(x: f64) -> f32 {
    x as f32
}

/// IEEE 754 binary16.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f32::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2_f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2_f32.powi(exponent - 15),
    }
}

/// The file beside the model that holds the data of a tensor.
pub(super) fn location(tensor: &TensorProto) -> Option<&str> {
    let entry = tensor.external_data.iter().find(|entry| entry.key == "location")?;
    (tensor.data_location == 1).then_some(entry.value.as_str())
}

/// Data beside the model file. The location may not leave the folder of the model.
fn external(tensor: &TensorProto, folder: Option<&Path>, bytes: usize) -> Result<Vec<u8>, String> {
    let entry = |key: &str| {
        tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    };
    let location = entry("location").ok_or("external data without a location")?;
    let folder = folder.ok_or_else(|| {
        format!("its data stand in `{location}`, beside a file; this model came without one")
    })?;
    let path = Path::new(location);
    if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(format!(
            "its data are said to stand in `{location}`, outside the model's folder"
        ));
    }
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("{key} `{text}`")),
    };
    let offset = number("offset")?.unwrap_or(0);
    if let Some(length) = number("length")?
        && length != bytes as u64
    {
        return Err(format!("{length} bytes of external data where its shape takes {bytes}"));
    }
    let path = folder.join(path);
    let cannot = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let mut file = File::open(&path).map_err(cannot)?;
    let there = file.metadata().map_err(cannot)?.len();
    if offset.checked_add(bytes as u64).is_none_or(|end| end > there) {
        return Err(format!("`{location}` ends before the tensor's data"));
    }
    file.seek(SeekFrom::Start(offset)).map_err(cannot)?;
    let mut data = vec![0; bytes];
    file.read_exact(&mut data).map_err(cannot)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_has_its_edges() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half_to_f32(bits), value, "{bits:#x}");
        }
        assert!(half_to_f32(0x7c00).is_infinite() && half_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn a_shape_that_its_data_do_not_fill_is_refused() {
        let tensor = TensorProto {
            dims: vec![2, 3],
            data_type: 1,
            float_data: vec![0.0; 5],
            name: "w".to_owned(),
            ..TensorProto::default()
        };
        let error = read(&tensor, None).unwrap_err().to_string();
        assert!(error.contains("5 elements where its shape takes 6"), "{error}");
        for dims in [vec![-1], vec![i64::MAX, 2], vec![1 << 40]] {
            assert!(
                read(&TensorProto { dims, data_type: 1, ..TensorProto::default() }, None).is_err()
            );
        }
    }

    #[test]
    fn external_data_may_not_leave_the_folder() {
        let entry = |key: &str, value: &str| super::super::proto::StringStringEntryProto {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        for location in ["../secret", "/etc/passwd"] {
            let tensor = TensorProto {
                dims: vec![1],
                data_type: 1,
                data_location: 1,
                external_data: vec![entry("location", location)],
                ..TensorProto::default()
            };
            let error = read(&tensor, Some(Path::new("."))).unwrap_err().to_string();
            assert!(error.contains("outside the model's folder"), "{error}");
        }
    }
}
