//! The search for the gain at which SGD keeps the norm of the weights.

use super::Picture;
use super::chart::{Axis, Chart, Dash, Marks, Series};
use super::ink::Ink;
use crate::train::variance_search::Crossing;

/// The logarithm of the norms' ratio by gain, and the gain at which it is zero.
pub fn variance_search(crossing: &Crossing) -> Picture {
    let points: Vec<(f64, f64, f64)> = crossing
        .points
        .iter()
        .filter_map(|at| Some((at.gain, at.log_ratio?, at.std_error.unwrap_or(0.0))))
        .collect();
    let line = points.iter().map(|(x, y, _)| (*x, *y)).collect();
    let gains: Vec<f64> = crossing.points.iter().map(|at| at.gain).chain([crossing.gain]).collect();
    let x = Axis::around("gain g on the standard deviation of every weight", gains);
    let error = crossing.gain_error.map_or_else(String::new, |error| format!(" ± {error:.2}"));
    let (low, high) = points
        .iter()
        .fold((0.0_f64, 0.0_f64), |(low, high), (_, y, _)| (low.min(*y), high.max(*y)));
    let margin = (high - low).max(0.1);
    let upright = Marks::Line(vec![(crossing.gain, low - margin), (crossing.gain, high + margin)]);
    let level = Marks::Line(vec![(x.low, 0.0), (x.high, 0.0)]);
    let series = vec![
        Series::new("norms are kept", Ink::Soft, level).dashed(Dash::Dotted),
        Series::new(format!("g* = {:.3}{error}", crossing.gain), Ink::Theory, upright)
            .dashed(Dash::Dashed),
        Series::new("", Ink::Measured, Marks::Line(line)),
        Series::new(
            "pilots, mean ± standard error over seeds",
            Ink::Measured,
            Marks::Points(points),
        ),
    ];
    let heights: Vec<f64> = series[3].heights().into_iter().chain([0.0]).collect();
    let y = Axis::around("ln of the final over the initial mean square weight", heights);
    Picture::new(
        "variance",
        "Variance search",
        "Above zero training makes the weights grow, below it they shrink. At the crossing they stay: the start that SGD \
         itself would choose.",
        Chart::over(x, y, series),
    )
}
