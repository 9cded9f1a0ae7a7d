//! Curves of one line, for terminals.

/// How tall a character can be.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// Values apart by more than this factor are drawn by their logarithms.
const WIDE: f64 = 30.0;

/// A curve of at most `cells` characters, from the lowest to the highest value: blocks, or digits from 0 to 9 where the
/// terminal knows ASCII only. A value that is not finite is a blank; a level curve stays in the middle.
///
/// # Examples
///
/// ```
/// use firstguess::report::sparkline;
/// assert_eq!(sparkline(&[0.0, 0.5, 1.0], 10, true), "▁▅█");
/// assert_eq!(sparkline(&[1.0, 100.0, 1e4], 10, false), "059");
/// assert_eq!(sparkline(&[2.0, f64::NAN, 2.0], 10, false), "4 4");
/// ```
pub fn sparkline(values: &[f64], cells: usize, unicode: bool) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) =
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    if low > 0.0 && high / low > WIDE {
        let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
        return sparkline_between(&logs, low.ln(), high.ln(), cells, unicode);
    }
    // A hundredth up or down is no course.
    if high - low <= 0.02 * high.abs().max(low.abs()) {
        let middle = 0.5 * (low + high);
        let margin = middle.abs().max(f64::MIN_POSITIVE);
        let level: Vec<f64> =
            values.iter().map(|value| if value.is_finite() { middle } else { *value }).collect();
        return sparkline_between(&level, middle - margin, middle + 1.2 * margin, cells, unicode);
    }
    sparkline_between(values, low, high, cells, unicode)
}

/// [`sparkline`] over a range that is given: curves to be compared.
pub fn sparkline_between(
    values: &[f64],
    low: f64,
    high: f64,
    cells: usize,
    unicode: bool,
) -> String {
    let levels: &[char] = if unicode { &BLOCKS } else { &DIGITS };
    let shown = values.len().min(cells);
    (0..shown)
        .map(|i| {
            let at = if shown < 2 { 0 } else { i * (values.len() - 1) / (shown - 1) };
            let part = (values[at] - low) / (high - low);
            if !part.is_finite() {
                return ' ';
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of the levels"
            )]
            let level = (part.clamp(0.0, 1.0) * (levels.len() - 1) as f64).round() as usize;
            levels[level]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_fit_and_keep_their_ends() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let curve = sparkline(&values, 20, true);
        assert_eq!(curve.chars().count(), 20);
        assert!(curve.starts_with('▁') && curve.ends_with('█'));
        assert!(sparkline(&values, 20, false).is_ascii());
        assert_eq!(sparkline(&[], 20, true), "");
        assert_eq!(sparkline(&[1.0, 2.0], 0, true), "");
        assert_eq!(sparkline(&[f64::NAN, f64::INFINITY], 5, true), "  ");
        assert_eq!(sparkline(&[0.0, 0.0], 5, true), "▄▄");
        assert_eq!(sparkline_between(&[-1.0, 0.5, 2.0], 0.0, 1.0, 5, false), "059");
    }
}
