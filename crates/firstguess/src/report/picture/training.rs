//! The course of training: guesses, accuracy and loss, with bands over seeds.

use super::Picture;
use super::chart::{Axis, Chart, Dash, Marks, Series};
use super::ink::SERIES;
use super::layout::Panel;
use crate::train::compare::Band;
use crate::train::lab::{Curves, LabReport};

/// The arms of a laboratory over their steps; colours repeat, dashed, after six arms.
pub fn training(report: &LabReport) -> Picture {
    let panel = |title: &str, label: &str, field: fn(&Curves) -> &Vec<Band>, share: bool| {
        let mut series = Vec::new();
        for (index, arm) in report.arms.iter().enumerate() {
            let ink = SERIES[index % SERIES.len()];
            let dash = if index < SERIES.len() { Dash::Solid } else { Dash::Dashed };
            let bands = field(&arm.curves);
            let steps = || arm.curves.steps.iter().map(|step| *step as f64).zip(bands);
            let band = steps()
                .map(|(x, band)| (x, band.low.unwrap_or(f64::NAN), band.high.unwrap_or(f64::NAN)));
            series.push(Series::new("", ink, Marks::Band(band.collect())));
            let line = steps().map(|(x, band)| (x, band.mean)).collect();
            series.push(Series::new(arm.name.clone(), ink, Marks::Line(line)).dashed(dash));
        }
        let last = report.arms.iter().filter_map(|arm| arm.curves.steps.last()).max();
        let x = Axis::exactly("step", 0.0, last.map_or(1.0, |step| (*step).max(1) as f64));
        let chart = if share {
            Chart::over(x, Axis::exactly(label, 0.0, 1.0), series)
        } else {
            Chart::around(x, label, series)
        };
        Panel { title: Some(title.to_owned()), chart, height: 190.0 }
    };
    let panels = vec![
        panel("Largest class share", "share of inputs", |curves| &curves.largest_share, true),
        panel("Accuracy", "share guessed right", |curves| &curves.accuracy, true),
        panel("Cross-entropy", "nats", |curves| &curves.cross_entropy, false),
    ];
    let seeds = report.arms.iter().map(|arm| arm.seeds).max().unwrap_or(0);
    Picture {
        name: "training",
        title: "Course of training".to_owned(),
        description: format!(
            "Means over {seeds} seeds; bands are 95 % intervals of the mean. At a largest share of 1 the network has one \
             answer for everything."
        ),
        panels,
    }
}
