//! Round numbers along an axis.

use super::chart::{Axis, Scale};

/// A value and how it is written; the value alone where there is no room for words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: Option<String>,
}

/// Ticks of an axis, about `wanted` of them with a label.
pub(crate) fn ticks(axis: &Axis, wanted: usize) -> Vec<Tick> {
    match axis.scale {
        Scale::Linear => linear(axis, wanted),
        Scale::Log => logarithmic(axis, wanted),
    }
}

/// The step of 1, 2 or 5 times a power of ten that gives about `wanted` steps.
fn step(span: f64, wanted: usize) -> f64 {
    let rough = span / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let multiple = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= 0.85 * rough);
    multiple.unwrap_or(10.0) * power
}

fn linear(axis: &Axis, wanted: usize) -> Vec<Tick> {
    let span = axis.high - axis.low;
    let mut step = step(span, wanted);
    if axis.whole {
        step = step.max(1.0).round();
    }
    if !(step > 0.0 && step.is_finite()) {
        return Vec::new();
    }
    let first = (axis.low / step - 1e-9).ceil();
    (0..=64)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|value| *value <= axis.high + 1e-9 * span)
        .map(|value| {
            // Zero, not what is left of a difference.
            let value = if value.abs() < 1e-9 * step { 0.0 } else { value };
            Tick { value, label: Some(written(value, step)) }
        })
        .collect()
}

/// As many decimals as the step has.
fn written(value: f64, step: f64) -> String {
    if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
        return power_of_ten(value);
    }
    let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 8.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 8")]
    let decimals = decimals as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

fn logarithmic(axis: &Axis, wanted: usize) -> Vec<Tick> {
    let (low, high) = (axis.low.log10(), axis.high.log10());
    let decades = high - low;
    let every = (decades / wanted.max(1) as f64).ceil().max(1.0);
    let first = (low / every - 1e-9).ceil();
    let mut ticks: Vec<Tick> = (0..=64)
        .map(|i| (first + f64::from(i)) * every)
        .take_while(|power| *power <= high + 1e-9)
        .map(|power| {
            let value = 10f64.powf(power);
            Tick { value, label: Some(power_of_ten(value)) }
        })
        .collect();
    if every > 1.0 {
        return ticks;
    }
    // Between the powers: words where the axis spans few of them.
    let spoken: &[f64] = if decades < 1.2 {
        &[2.0, 3.0, 4.0, 5.0, 7.0]
    } else if decades < 3.0 {
        &[2.0, 5.0]
    } else {
        &[]
    };
    for power in 0..=64 {
        let base = 10f64.powf(low.floor() + f64::from(power));
        if base > axis.high {
            break;
        }
        for multiple in 2..10 {
            let multiple = f64::from(multiple);
            let value = multiple * base;
            if value >= axis.low && value <= axis.high {
                let label = spoken.contains(&multiple).then(|| power_of_ten(value));
                ticks.push(Tick { value, label });
            }
        }
    }
    ticks.sort_by(|a, b| a.value.total_cmp(&b.value));
    ticks
}

/// `0.01`, `50`, `10⁻⁶`, `2·10⁵`.
fn power_of_ten(value: f64) -> String {
    let size = value.abs();
    if (0.999e-2..9.99e3).contains(&size) {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').replace('-', "−");
    }
    let scientific = format!("{value:.0e}");
    let (digit, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let raised: String = exponent.chars().map(superscript).collect();
    match digit {
        "1" => format!("10{raised}"),
        "-1" => format!("−10{raised}"),
        digit => format!("{}·10{raised}", digit.replace('-', "−")),
    }
}

const fn superscript(character: char) -> char {
    match character {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        ticks(axis, 6).into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(labels(&Axis::exactly("", 0.0, 4.0)), ["0", "1", "2", "3", "4"]);
        assert_eq!(labels(&Axis::exactly("", 0.0, 0.2)), ["0.00", "0.05", "0.10", "0.15", "0.20"]);
        assert_eq!(
            labels(&Axis::exactly("", -0.3, 0.3)),
            ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2", "0.3"]
        );
        assert_eq!(labels(&Axis::counts("", 1, 3)), ["1", "2", "3"]);
        let log = Axis { scale: Scale::Log, ..Axis::exactly("", 3e-7, 4e3) };
        assert_eq!(labels(&log), ["10⁻⁶", "10⁻⁴", "0.01", "1", "100"]);
        let narrow = Axis { scale: Scale::Log, ..Axis::exactly("", 0.9, 40.0) };
        assert_eq!(labels(&narrow), ["1", "2", "5", "10", "20"]);
        for (low, high) in [(1e-300, 1e300), (1e-20, 1e20), (5.0, 5.1)] {
            let axis = Axis { scale: Scale::Log, ..Axis::exactly("", low, high) };
            let found = ticks(&axis, 6);
            assert!(found.iter().all(|tick| tick.value >= low * 0.99 && tick.value <= high * 1.01));
            assert!(found.len() < 70);
        }
    }
}
