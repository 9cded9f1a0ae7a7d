//! Narrow networks without data: distance from the normal law by depth, one colour per width.

use super::Picture;
use super::chart::{Axis, Chart, Dash, Marks, Series, point};
use super::ink::{Ink, SERIES};
use crate::measure::laboratory::Cell;

/// Distances from N(0, 1) that [`Laboratory::run`](crate::measure::laboratory::Laboratory::run) measured, by depth; none
/// without cells. `subject` says of which networks.
pub fn gaussianity(cells: &[Cell], subject: &str) -> Option<Picture> {
    let mut widths: Vec<usize> = cells.iter().map(|cell| cell.width).collect();
    widths.sort_unstable();
    widths.dedup();
    let (first, last) =
        (cells.iter().map(|cell| cell.layer).min()?, cells.iter().map(|cell| cell.layer).max()?);
    let mut series = Vec::new();
    let mut floor = f64::NAN;
    for (width, ink) in widths.iter().zip(SERIES) {
        let of_width = || cells.iter().filter(|cell| cell.width == *width);
        let points: Vec<(f64, f64, f64)> = of_width()
            .map(|cell| point(cell.layer as f64, &cell.gaussianity.ks_standardised))
            .collect();
        let line = points.iter().map(|(x, y, _)| (*x, *y)).collect();
        series.push(Series::new("", ink, Marks::Line(line)).dashed(Dash::Dashed));
        series.push(Series::new(format!("width {width}"), ink, Marks::Points(points)));
        floor = of_width().map(|cell| cell.gaussianity.noise_floor.value).fold(floor, f64::max);
    }
    let level = Marks::Line(vec![(0.0, floor), (last as f64 + 1.0, floor)]);
    series.push(Series::new("noise floor at most", Ink::Soft, level).dashed(Dash::Dotted));
    let chart = Chart::around(
        Axis::counts("layer", first, last),
        "KS distance from the normal law, scaled to variance 1",
        series,
    );
    let title = "Distance from the normal law by depth, KS";
    Some(Picture::new("gaussianity", title, subject, chart))
}
