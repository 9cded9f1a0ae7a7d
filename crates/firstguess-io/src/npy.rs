//! One NumPy array: the `.npy` format, versions 1 to 3.
//!
//! The header is read here rather than by a library: those at hand allocate what a header claims before they look at what is there.

use firstguess::spec::Dataset;

use crate::error::Problem;
use crate::load::ReadOptions;
use crate::parts::{Labels, assemble, plan, split_extents};

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy itself refuses headers above 10 000 bytes.
const MAX_HEADER: usize = 10_000;

/// NumPy's limit on the number of axes.
const MAX_AXES: usize = 64;

/// An array whose header has been checked against the bytes that follow it.
#[derive(Debug)]
pub(crate) struct Array<'a> {
    element: Element,
    big_endian: bool,
    column_major: bool,
    pub(crate) extents: Vec<usize>,
    data: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The number in these little-endian bytes, as many as [`Element::size`] says.
    fn decode(self, little: [u8; 8]) -> f64 {
        let [b0, b1, b2, b3, ..] = little;
        let four = [b0, b1, b2, b3];
        match self {
            Self::Bool | Self::U8 => f64::from(b0),
            Self::I8 => f64::from(i8::from_le_bytes([b0])),
            Self::U16 => f64::from(u16::from_le_bytes([b0, b1])),
            Self::I16 => f64::from(i16::from_le_bytes([b0, b1])),
            Self::U32 => f64::from(u32::from_le_bytes(four)),
            Self::I32 => f64::from(i32::from_le_bytes(four)),
            Self::F32 => f64::from(f32::from_le_bytes(four)),
            Self::U64 => u64::from_le_bytes(little) as f64,
            Self::I64 => i64::from_le_bytes(little) as f64,
            Self::F64 => f64::from_le_bytes(little),
        }
    }
}

/// Reads an array of inputs into an unlabelled data set.
pub(crate) fn dataset(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Problem> {
    Array::parse(bytes)?.dataset(name, None, options)
}

impl<'a> Array<'a> {
    /// Reads the header; allocates nothing of the size that it claims.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let (header, data) = split_header(bytes)?;
        let Header { descr, column_major, extents } = Header::parse(header)?;
        let (element, big_endian) = element(&descr)?;
        let claimed = extents.iter().try_fold(element.size(), |product, &e| product.checked_mul(e));
        match claimed {
            Some(claimed) if claimed == data.len() => {}
            _ => {
                return Err(Problem::new(
                    format!(
                        "the header claims shape {extents:?} of type {descr}, {} bytes follow it",
                        data.len()
                    ),
                    "as many bytes as the shape needs",
                )
                .hint("the file is cut short or damaged: write it again"));
            }
        }
        Ok(Self { element, big_endian, column_major, extents, data })
    }

    /// The values in row-major order, from the first on.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        let size = self.element.size();
        (0..self.data.len() / size).map(move |index| {
            let start = self.position(index) * size;
            let mut little = [0; 8];
            if let Some(found) = self.data.get(start..start + size) {
                little[..size].copy_from_slice(found);
            }
            if self.big_endian {
                little[..size].reverse();
            }
            self.element.decode(little)
        })
    }

    /// Whether the elements are floating-point numbers.
    pub(crate) const fn is_float(&self) -> bool {
        matches!(self.element, Element::F32 | Element::F64)
    }

    /// Where the element with this row-major index is stored.
    fn position(&self, mut index: usize) -> usize {
        if !self.column_major {
            return index;
        }
        // Column-major: the stride of an axis is the product of the extents before it.
        let mut stride = self.data.len() / self.element.size();
        let mut position = 0;
        for &extent in self.extents.iter().rev() {
            stride /= extent;
            position += index % extent * stride;
            index /= extent;
        }
        position
    }

    /// The data set with these inputs, at most the examples asked for.
    pub(crate) fn dataset(
        &self,
        name: &str,
        labels: Option<Labels>,
        options: &ReadOptions,
    ) -> Result<Dataset, Problem> {
        let (examples, shape) = split_extents(&self.extents)?;
        let kept = plan(examples, shape.size(), options)?;
        let inputs = self.values().take(kept * shape.size()).map(to_f32).collect();
        assemble(name, shape, inputs, labels)
    }

    /// The array as labels: `[examples]` or `[examples, 1]` whole numbers.
    pub(crate) fn labels(&self) -> Result<Labels, Problem> {
        match *self.extents {
            [_] | [_, 1] => Labels::from_numbers(self.values()),
            _ => Err(Problem::new(
                format!("labels of shape {:?}", self.extents),
                "one whole number per example, shape [examples]",
            )
            .hint("one-hot labels in Python: y.argmax(axis=1)")),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "networks compute in f32; infinities are refused later"
)]
pub(crate) fn to_f32(x: f64) -> f32 {
    x as f32
}

/// Splits a file into the text of its header and the data after it.
fn split_header(bytes: &[u8]) -> Result<(&str, &[u8]), Problem> {
    let damaged = || {
        Problem::new("no complete NumPy header", "a .npy file of version 1, 2 or 3")
            .hint("write it again with numpy.save")
    };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (length, rest) = match *rest {
        [1, _, a, b, ref rest @ ..] => (u32::from(u16::from_le_bytes([a, b])), rest),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]), rest),
        _ => return Err(damaged()),
    };
    let length = usize::try_from(length).map_err(|_| damaged())?;
    if length > MAX_HEADER {
        return Err(Problem::new(
            format!("a NumPy header of {length} bytes"),
            format!("at most {MAX_HEADER} bytes"),
        ));
    }
    let (header, data) = rest.split_at_checked(length).ok_or_else(damaged)?;
    Ok((std::str::from_utf8(header).map_err(|_| damaged())?, data))
}

/// Type and byte order of a `descr` such as `<f4`.
fn element(descr: &str) -> Result<(Element, bool), Problem> {
    let allowed = "bool, integers of 8 to 64 bits, float32, float64";
    let (order, kind) = match descr.as_bytes() {
        [order @ (b'<' | b'>' | b'|' | b'='), ..] => (*order, &descr[1..]),
        _ => (b'=', descr),
    };
    let element = match kind {
        "b1" => Element::Bool,
        "u1" => Element::U8,
        "i1" => Element::I8,
        "u2" => Element::U16,
        "i2" => Element::I16,
        "u4" => Element::U32,
        "i4" => Element::I32,
        "u8" => Element::U64,
        "i8" => Element::I64,
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ if kind.starts_with('O') => {
            return Err(Problem::new(
                "an array of Python objects (a pickle), which is never unpacked",
                allowed,
            )
            .hint("in Python: numpy.asarray(list(x), dtype='float32')"));
        }
        _ => {
            return Err(Problem::new(format!("elements of type {descr}"), allowed)
                .hint("in Python: x.astype('float32')"));
        }
    };
    Ok((element, order == b'>'))
}

/// What the header's Python dictionary says.
#[derive(Debug)]
struct Header {
    descr: String,
    column_major: bool,
    extents: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, Problem> {
        let mut scanner = Scanner { rest: text };
        scanner.header().ok_or_else(|| {
            let shown: String = text.chars().take(120).collect();
            Problem::new(
                format!("an unreadable NumPy header `{}`", shown.trim()),
                "{'descr': …, 'fortran_order': …, 'shape': …} with a plain type",
            )
            .hint("write the array again with numpy.save, without named fields")
        })
    }
}

/// Reads the few Python literals that a header may hold. `None`: something else stands there.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn header(&mut self) -> Option<Header> {
        let (mut descr, mut column_major, mut extents) = (None, None, None);
        self.token("{")?;
        while self.token("}").is_none() {
            let key = self.string()?;
            self.token(":")?;
            // A repeated key is a forgery: two readers could see two arrays.
            match key {
                "descr" if descr.is_none() => descr = Some(self.string()?.to_owned()),
                "fortran_order" if column_major.is_none() => column_major = Some(self.boolean()?),
                "shape" if extents.is_none() => extents = Some(self.tuple()?),
                _ => return None,
            }
            if self.token(",").is_none() {
                self.token("}")?;
                break;
            }
        }
        if !self.rest.trim().is_empty() {
            return None;
        }
        Some(Header { descr: descr?, column_major: column_major?, extents: extents? })
    }

    fn token(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = rest[1..].split_once(quote)?;
        self.rest = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.token("True").is_some() {
            return Some(true);
        }
        self.token("False").map(|()| false)
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        let mut extents = Vec::new();
        self.token("(")?;
        while self.token(")").is_none() {
            if extents.len() == MAX_AXES {
                return None;
            }
            extents.push(self.integer()?);
            if self.token(",").is_none() {
                self.token(")")?;
                break;
            }
        }
        Some(extents)
    }

    /// Python 2 wrote long integers with an `L`.
    fn integer(&mut self) -> Option<usize> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(end);
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version 1 file with this header text and data.
    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn header(descr: &str, column_major: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {column_major}, 'shape': {shape}, }}\n")
    }

    fn values(descr: &str, data: &[u8]) -> Vec<f64> {
        let size: usize = descr[2..].parse().unwrap();
        let bytes = npy(&header(descr, "False", &format!("({},)", data.len() / size)), data);
        Array::parse(&bytes).unwrap().values().collect()
    }

    #[test]
    fn every_element_type_in_both_byte_orders() {
        assert_eq!(values("|b1", &[0, 1]), [0.0, 1.0]);
        assert_eq!(values("|u1", &[255]), [255.0]);
        assert_eq!(values("|i1", &[255]), [-1.0]);
        assert_eq!(values("<u2", &[1, 2]), [513.0]);
        assert_eq!(values(">u2", &[1, 2]), [258.0]);
        assert_eq!(values("<i2", &(-2_i16).to_le_bytes()), [-2.0]);
        assert_eq!(values(">u4", &[0, 1, 0, 0]), [65536.0]);
        assert_eq!(values("<i4", &(-70_000_i32).to_le_bytes()), [-70_000.0]);
        assert_eq!(values("<i8", &(-5_i64).to_le_bytes()), [-5.0]);
        assert_eq!(values(">u8", &7_u64.to_be_bytes()), [7.0]);
        assert_eq!(values("<f4", &1.5_f32.to_le_bytes()), [1.5]);
        assert_eq!(values(">f8", &(-0.1_f64).to_be_bytes()), [-0.1]);
    }

    /// [[0, 1, 2], [3, 4, 5]] stored by columns, and a cube by its first axis fastest.
    #[test]
    fn column_major_arrays_come_out_row_major() {
        let bytes = npy(&header("|u1", "True", "(2, 3)"), &[0, 3, 1, 4, 2, 5]);
        let array = Array::parse(&bytes).unwrap();
        assert_eq!(array.values().collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let bytes = npy(&header("|u1", "True", "(2, 2, 2)"), &[0, 4, 2, 6, 1, 5, 3, 7]);
        let cube = Array::parse(&bytes).unwrap();
        assert!(cube.values().eq((0..8_u8).map(f64::from)));
    }

    #[test]
    fn faults_in_the_header_are_named() {
        let plain = header("<f4", "False", "(1, 2)");
        assert!(Array::parse(&npy(&plain, &[0; 8])).is_ok());
        let cases = [
            (npy(&plain, &[0; 7]), "7 bytes follow"),
            (npy(&plain, &[0; 9]), "9 bytes follow"),
            (npy(&header("<f4", "False", "(4611686018427387904, 4)"), &[]), "0 bytes follow"),
            (npy(&header("<f4", "False", "(99999999999999999999,)"), &[]), "unreadable"),
            (npy(&header("<f4", "False", "(-1, 2)"), &[]), "unreadable"),
            (npy(&header("|O", "False", "(1,)"), b"cos\nsystem\n."), "pickle"),
            (npy(&header("<f2", "False", "(1,)"), &[0; 2]), "type <f2"),
            (npy(&header("<c8", "False", "(1,)"), &[0; 8]), "type <c8"),
            (npy(&header("é", "False", "(1,)"), &[0; 8]), "type é"),
            (
                npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", &[]),
                "unread",
            ),
            (npy(&plain.replace("False", "0"), &[0; 8]), "unreadable"),
            (npy("{'shape': (1,), 'shape': (2,)}", &[]), "unreadable"),
            (npy(&format!("{{'shape': ({})}}", "1,".repeat(65)), &[]), "unreadable"),
            ([MAGIC, &[2, 0], &u32::MAX.to_le_bytes(), b"{"].concat(), "4294967295 bytes"),
            ([MAGIC, &[9, 0, 0, 0]].concat(), "no complete"),
        ];
        for (bytes, expected) in cases {
            let error = Array::parse(&bytes).unwrap_err().in_file("x.npy").to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn inputs_and_labels_must_have_the_shapes_that_say_so() {
        let array =
            |shape: &str, count: usize| npy(&header("|u1", "False", shape), &vec![1; count]);
        let options = ReadOptions::default();
        let read = |shape, count| {
            dataset("x", &array(shape, count), &options)
                .map(|data| data.shape().to_string())
                .map_err(|p| p.in_file("x").to_string())
        };
        assert_eq!(read("(2, 3)", 6).unwrap(), "[3]");
        assert_eq!(read("(2, 3, 4)", 24).unwrap(), "[1, 3, 4]");
        assert_eq!(read("(2, 3, 4, 5)", 120).unwrap(), "[3, 4, 5]");
        assert!(read("(3,)", 3).unwrap_err().contains("reshape(-1, 1)"));
        assert!(read("()", 1).is_err());
        assert!(read("(1, 1, 1, 1, 1)", 1).is_err());
        assert!(read("(0, 5)", 0).unwrap_err().contains("at least one example"));
        assert!(read("(5, 0)", 0).unwrap_err().contains("extent 0"));
        assert!(read("(1, 8, 8, 3)", 192).unwrap_err().contains("transpose(0, 3, 1, 2)"));
        let labels = |shape, count| Array::parse(&array(shape, count)).unwrap().labels().is_ok();
        assert!(labels("(3,)", 3) && labels("(3, 1)", 3));
        assert!(!labels("(3, 2)", 6) && !labels("()", 1));
    }
}
