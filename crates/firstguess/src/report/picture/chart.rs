//! What a picture shows: axes and series, before anything has its place on paper.

use super::ink::Ink;
use crate::measure::Estimate;
use serde::Serialize;

/// How values become places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// One axis and what it spans.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Whether only whole numbers have a meaning.
    pub(crate) whole: bool,
}

/// Values apart by more than this factor are shown on a logarithmic axis.
const WIDE: f64 = 30.0;

impl Axis {
    /// From one value to another, linear.
    pub(crate) fn exactly(label: &str, low: f64, high: f64) -> Self {
        Self { label: label.to_owned(), scale: Scale::Linear, low, high, whole: false }
    }

    /// Counts from `low` to `high`, with half a step around them.
    pub(crate) fn counts(label: &str, low: usize, high: usize) -> Self {
        let (low, high) = (low as f64 - 0.5, high as f64 + 0.5);
        Self { whole: true, ..Self::exactly(label, low, high) }
    }

    /// Around the values: logarithmic where all are positive and far apart.
    pub(crate) fn around(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() {
            return Self::exactly(label, 0.0, 1.0);
        }
        // Zeros among values over many sizes: the rest decides.
        let smallest = values.iter().copied().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
        if low >= 0.0 && high / smallest > WIDE && smallest > 0.0 {
            let margin = (high / smallest).powf(0.06);
            let (low, high) = (smallest / margin, high * margin);
            // Beyond the range of numbers there is no margin.
            let (low, high) = (low.max(f64::MIN_POSITIVE), high.min(f64::MAX));
            return Self { scale: Scale::Log, ..Self::exactly(label, low, high) };
        }
        let size = low.abs().max(high.abs());
        let margin = if high > low { 0.08 * (high - low) } else { 0.1 * size.max(0.5) };
        let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        Self::exactly(label, (low - margin).max(floor), high + margin)
    }

    /// Where a value is, 0 at the low end and 1 at the high end; NaN where it has no place.
    pub(crate) fn part(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value > 0.0 => {
                (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
            }
            Scale::Log => f64::NAN,
        }
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dash {
    Solid,
    Dashed,
    Dotted,
}

/// What a series consists of. Entries that are not finite are gaps.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub(crate) enum Marks {
    /// `(x, y)` joined.
    Line(Vec<(f64, f64)>),
    /// `(x, y, standard error)`, zero where there is none.
    Points(Vec<(f64, f64, f64)>),
    /// `(x, low, high)`.
    Band(Vec<(f64, f64, f64)>),
    /// `(left, right, height, standard error)` above zero.
    Bars(Vec<(f64, f64, f64, f64)>),
    /// Rectangles `(left, right, bottom, top)`.
    Cells(Vec<(f64, f64, f64, f64)>),
    /// One place.
    Place(f64, f64),
}

/// One thing shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) ink: Ink,
    pub(crate) dash: Dash,
    #[serde(flatten)]
    pub(crate) marks: Marks,
}

impl Series {
    pub(crate) fn new(name: impl Into<String>, ink: Ink, marks: Marks) -> Self {
        Self { name: name.into(), ink, dash: Dash::Solid, marks }
    }

    pub(crate) fn dashed(self, dash: Dash) -> Self {
        Self { dash, ..self }
    }

    /// Heights that the axis must reach.
    pub(crate) fn heights(&self) -> Vec<f64> {
        match &self.marks {
            Marks::Line(points) => points.iter().map(|p| p.1).collect(),
            // An error as large as the value would only tell of itself.
            Marks::Points(points) => points
                .iter()
                .flat_map(|(_, y, e)| {
                    [*y, y + e, if y - e > 0.4 * y || *y < 0.0 { y - e } else { *y }]
                })
                .collect(),
            Marks::Band(points) => points.iter().flat_map(|p| [p.1, p.2]).collect(),
            Marks::Bars(bars) => bars.iter().flat_map(|b| [0.0, b.2 + b.3]).collect(),
            Marks::Cells(_) | Marks::Place(..) => Vec::new(),
        }
    }

    /// Whether there is anything to see.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.marks {
            Marks::Line(points) => !points.iter().any(|p| p.0.is_finite() && p.1.is_finite()),
            Marks::Points(points) => !points.iter().any(|p| p.0.is_finite() && p.1.is_finite()),
            Marks::Band(points) => !points.iter().any(|p| p.1.is_finite() && p.2.is_finite()),
            Marks::Bars(bars) => bars.is_empty(),
            Marks::Cells(cells) => cells.is_empty(),
            Marks::Place(x, y) => !(x.is_finite() && y.is_finite()),
        }
    }
}

/// Axes with series over them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Chart {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
}

impl Chart {
    /// The series that show something, over an axis that holds them.
    pub(crate) fn around(x: Axis, label: &str, series: Vec<Series>) -> Self {
        let series: Vec<Series> = series.into_iter().filter(|series| !series.is_empty()).collect();
        let y = Axis::around(label, series.iter().flat_map(Series::heights));
        Self { x, y, series }
    }

    /// Over a given axis.
    pub(crate) fn over(x: Axis, y: Axis, series: Vec<Series>) -> Self {
        let series = series.into_iter().filter(|series| !series.is_empty()).collect();
        Self { x, y, series }
    }
}

/// A measured number as a point.
pub(crate) fn point(x: f64, estimate: &Estimate) -> (f64, f64, f64) {
    let known = estimate.is_known();
    let error = estimate.std_error.filter(|error| error.is_finite()).unwrap_or(0.0);
    (x, if known { estimate.value } else { f64::NAN }, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_their_values_at_every_size() {
        let cases: [&[f64]; 8] = [
            &[1.0, 2.0, 1.5],
            &[1e-12, 1e9],
            &[0.0, 0.0],
            &[-3.0, 5.0],
            &[f64::NAN, 4.0, f64::INFINITY],
            &[],
            &[0.0, 1e-9, 1.0],
            &[1e-300, 1e300],
        ];
        for values in cases {
            let axis = Axis::around("x", values.iter().copied());
            assert!(
                axis.low < axis.high && axis.low.is_finite() && axis.high.is_finite(),
                "{values:?}"
            );
            for value in values.iter().filter(|value| value.is_finite()) {
                let part = axis.part(*value);
                assert!((0.0..=1.0).contains(&part) || part.is_nan(), "{value} of {values:?}");
            }
        }
        assert_eq!(Axis::around("x", [1.0, 100.0]).scale, Scale::Log);
        assert_eq!(Axis::around("x", [1.0, 2.0]).scale, Scale::Linear);
    }
}
