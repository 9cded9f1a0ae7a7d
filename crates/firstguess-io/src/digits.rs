//! The embedded data set: 1797 handwritten digits of 8 × 8 pixels.

use firstguess::spec::{Dataset, Shape};

use crate::csv::{self, LabelColumn};
use crate::error::Problem;
use crate::load::ReadOptions;
use crate::parts::{self, assemble};

/// Source, licence and checksum are in `data/README.md`.
const COMPRESSED: &[u8] = include_bytes!("../data/digits.csv.gz");

/// 1797 images `[1, 8, 8]`, pixels 0 to 16, ten classes.
pub(crate) fn load(options: &ReadOptions) -> Result<Dataset, Problem> {
    let text = parts::gunzip(COMPRESSED, options.max_bytes)?;
    let options = ReadOptions { label_column: LabelColumn::Last, ..options.clone() };
    let table = csv::parse(&text, &options)?;
    assemble("digits", Shape::image(1, 8, 8)?, table.inputs, table.labels)
}

#[cfg(test)]
mod tests {
    use firstguess::spec::Standardize;

    use super::*;

    /// Facts of the published file: counts by class, mean pixel 4.884165 (561 718 / 115 008), first image a zero.
    #[test]
    fn the_embedded_digits_are_the_published_ones() {
        let data = load(&ReadOptions::default()).unwrap();
        assert_eq!((data.examples(), data.features(), data.classes()), (1797, 64, 10));
        assert_eq!(data.shape(), Shape::image(1, 8, 8).unwrap());
        assert_eq!(data.class_counts(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let sum: f64 = data.inputs().iter().map(|&x| f64::from(x)).sum();
        assert!((sum / 115_008.0 - 4.884165).abs() < 5e-7, "mean pixel {}", sum / 115_008.0);
        assert_eq!(data.row(0).unwrap()[..8], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
        assert_eq!(data.labels().unwrap()[..4], [0, 1, 2, 3]);
        assert!(data.inputs().iter().all(|x| (0.0..=16.0).contains(x)));
    }

    /// Moments of the whole set as NumPy 2.4.6 computes them in f64.
    #[test]
    fn the_moments_of_the_digits_agree_with_numpy() {
        let data = load(&ReadOptions::default()).unwrap();
        let close = |ours: f64, numpy: f64, tolerance: f64| {
            assert!((ours / numpy - 1.0).abs() < tolerance, "{ours} against {numpy}");
        };
        close(data.second_moment(), 60.056796048970504, 1e-12);
        close(data.offset().unwrap(), 2.199086948114729, 1e-12);
        // f32 inputs from here on.
        let global = data.standardize(Standardize::Global).unwrap();
        close(global.offset().unwrap(), 0.9283827519584226, 1e-6);
        // Three of the 64 pixels are always 0: 61 / 64 of the variance is left.
        let feature = data.standardize(Standardize::Feature).unwrap();
        close(feature.second_moment(), 61.0 / 64.0, 1e-6);
        close(f64::from(feature.row(1796).unwrap()[63]), -0.1960075186604789, 1e-6);
        assert!(feature.offset().unwrap() < 1e-12);
    }

    #[test]
    fn fewer_digits_keep_all_ten_classes() {
        let options = ReadOptions { examples: Some(3), ..ReadOptions::default() };
        let data = load(&options).unwrap();
        assert_eq!((data.examples(), data.classes()), (3, 10));
    }
}
