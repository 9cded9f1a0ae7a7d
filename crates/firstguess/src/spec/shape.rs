//! The shape of one example: a vector of features, or an image.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Largest extent along one axis.
pub const MAX_EXTENT: usize = 1 << 20;

/// Largest number of values in one example.
pub const MAX_SIZE: usize = 1 << 26;

/// The shape of one example, or of one layer's output for it: `[features]` or `[channels, height, width]`.
///
/// Bounded when it is made ([`MAX_EXTENT`] along each axis, [`MAX_SIZE`] values), so that no later product of extents overflows and nothing
/// absurd is allocated. Serialized as its list of extents.
///
/// # Examples
///
/// ```
/// # use firstguess::spec::Shape;
/// let shape = Shape::image(3, 32, 32)?;
/// assert_eq!(shape.size(), 3072);
/// assert_eq!(shape.to_string(), "[3, 32, 32]");
/// # Ok::<(), firstguess::spec::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Shape {
    layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Layout {
    Flat([usize; 1]),
    Image([usize; 3]),
}

impl Shape {
    /// A vector of `features` values.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if `features` is 0 or above [`MAX_EXTENT`].
    pub fn flat(features: usize) -> Result<Self, ShapeError> {
        Self::from_extents(&[features])
    }

    /// An image of `channels × height × width` values, row-major in that order.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if an extent is 0 or above [`MAX_EXTENT`], or their product above [`MAX_SIZE`].
    pub fn image(channels: usize, height: usize, width: usize) -> Result<Self, ShapeError> {
        Self::from_extents(&[channels, height, width])
    }

    /// The shape with these extents, one (`[features]`) or three (`[channels, height, width]`).
    ///
    /// # Errors
    ///
    /// [`ShapeError`] for any other number of extents, an extent out of bounds, or too many values in all.
    pub fn from_extents(extents: &[usize]) -> Result<Self, ShapeError> {
        let layout = match *extents {
            [features] => Layout::Flat([features]),
            [channels, height, width] => Layout::Image([channels, height, width]),
            _ => return Err(ShapeError::Rank { found: extents.len() }),
        };
        for (axis, &extent) in extents.iter().enumerate() {
            if !(1..=MAX_EXTENT).contains(&extent) {
                return Err(ShapeError::Extent { axis, extent });
            }
        }
        // Three extents of at most 2^20 stay below 2^60: the product cannot overflow.
        let size = extents.iter().map(|&extent| extent as u64).product::<u64>();
        if size > MAX_SIZE as u64 {
            return Err(ShapeError::Size { size });
        }
        Ok(Self { layout })
    }

    /// `[features]` or `[channels, height, width]`.
    pub fn extents(&self) -> &[usize] {
        match &self.layout {
            Layout::Flat(extents) => extents,
            Layout::Image(extents) => extents,
        }
    }

    /// Number of values: the product of the extents.
    pub fn size(&self) -> usize {
        self.extents().iter().product()
    }

    /// `[channels, height, width]` of an image, `None` for a vector.
    pub fn as_image(&self) -> Option<[usize; 3]> {
        match self.layout {
            Layout::Flat(_) => None,
            Layout::Image(extents) => Some(extents),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.extents())
    }
}

impl TryFrom<Vec<usize>> for Shape {
    type Error = ShapeError;

    fn try_from(extents: Vec<usize>) -> Result<Self, ShapeError> {
        Self::from_extents(&extents)
    }
}

impl From<Shape> for Vec<usize> {
    fn from(shape: Shape) -> Self {
        shape.extents().to_vec()
    }
}

/// Why a [`Shape`] was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum ShapeError {
    /// Neither a vector nor an image.
    #[error("a shape is [features] or [channels, height, width], found {found} extents")]
    Rank { found: usize },

    /// An extent is zero or too large.
    #[error("extent {extent} along axis {axis} must be from 1 to {MAX_EXTENT}")]
    Extent { axis: usize, extent: usize },

    /// Every extent is allowed, their product is not.
    #[error("{size} values in one example; at most {MAX_SIZE} are allowed")]
    Size { size: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_knows_its_extents_and_prints_them() {
        let flat = Shape::flat(784).unwrap();
        assert_eq!((flat.extents(), flat.size(), flat.as_image()), (&[784][..], 784, None));
        assert_eq!(flat.to_string(), "[784]");
        let image = Shape::image(3, 32, 16).unwrap();
        assert_eq!((image.size(), image.as_image()), (1536, Some([3, 32, 16])));
        assert_ne!(Shape::flat(64).unwrap(), Shape::image(1, 8, 8).unwrap());
    }

    #[test]
    fn every_bound_is_held_on_both_sides() {
        assert!(Shape::flat(MAX_EXTENT).is_ok());
        assert_eq!(
            Shape::flat(MAX_EXTENT + 1),
            Err(ShapeError::Extent { axis: 0, extent: MAX_EXTENT + 1 })
        );
        assert_eq!(Shape::image(3, 0, 8), Err(ShapeError::Extent { axis: 1, extent: 0 }));
        assert_eq!(Shape::image(1, 1 << 13, 1 << 13).map(|s| s.size()), Ok(MAX_SIZE));
        assert_eq!(
            Shape::image(1, 1 << 13, (1 << 13) + 1),
            Err(ShapeError::Size { size: (1 << 26) + (1 << 13) })
        );
        assert!(Shape::image(usize::MAX, usize::MAX, 2).is_err());
        assert!(Shape::image(1 << 20, 1 << 20, 1 << 20).is_err());
        for rank in [0, 2, 4] {
            assert_eq!(Shape::from_extents(&vec![2; rank]), Err(ShapeError::Rank { found: rank }));
        }
    }

    #[test]
    fn serialized_as_its_extents_and_checked_on_the_way_back() {
        let shape = Shape::image(1, 8, 8).unwrap();
        let text = serde_json::to_string(&shape).unwrap();
        assert_eq!(text, "[1,8,8]");
        assert_eq!(serde_json::from_str::<Shape>(&text).unwrap(), shape);
        let error = serde_json::from_str::<Shape>("[1,0,8]").unwrap_err().to_string();
        assert!(error.contains("axis 1"), "{error}");
    }
}
