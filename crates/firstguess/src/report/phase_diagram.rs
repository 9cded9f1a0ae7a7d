//! A phase diagram as a file: one file per format, and [`FORMATS`], the one list of them.

mod csv;
mod json;
mod png;
mod svg;

use crate::theory::phase_diagram::PhaseDiagram;

/// A form in which a phase diagram is written.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The ending of the file's name, in lower case.
    pub extension: &'static str,
    /// What it holds, for people.
    pub about: &'static str,
    /// The whole file.
    pub render: fn(&PhaseDiagram) -> Vec<u8>,
}

/// Every format. To add one: its file beside this one, and its line here.
pub const FORMATS: &[Format] = &[csv::FORMAT, json::FORMAT, svg::FORMAT, png::FORMAT];

/// The format whose files end like this, in any case.
pub fn format(extension: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.extension.eq_ignore_ascii_case(extension))
}

pub use json::fields;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Activation;
    use crate::theory::dual::Dual;
    use crate::theory::phase_diagram::Axis;

    fn diagram(activation: &Activation) -> PhaseDiagram {
        PhaseDiagram::new(
            &Dual::new(activation),
            Axis { low: 0.0, high: 3.0, points: 4 },
            Axis { low: 0.0, high: 0.1, points: 2 },
        )
    }

    fn text(format: &Format, of: &Activation) -> String {
        String::from_utf8((format.render)(&diagram(of))).expect("UTF-8")
    }

    #[test]
    fn formats_are_known_by_their_ending() {
        assert_eq!(format("CSV").map(|f| f.extension), Some("csv"));
        assert!(format("SVG").is_some() && format("pdf").is_none() && format("").is_none());
        for (i, a) in FORMATS.iter().enumerate() {
            assert!(FORMATS[..i].iter().all(|b| b.extension != a.extension));
        }
    }

    /// Every cell, then the lines; as many fields in every row.
    #[test]
    fn csv_has_one_row_per_cell_and_point() {
        let table = text(&csv::FORMAT, &Activation::Tanh);
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split(',').collect::<Vec<_>>()).collect();
        assert!(rows.iter().all(|row| row.len() == rows[0].len()));
        let of = |kind: &str| rows.iter().filter(|row| row[0] == kind).count();
        assert_eq!((of("cell"), of("edge_of_chaos"), of("neutrality")), (8, 2, 1), "{table}");
        let last = rows.iter().rev().find(|row| row[0] == "cell").expect("a cell");
        let c_star: f64 = last[7].parse().expect("a number");
        assert_eq!((rows[0][7], last[1], last[2]), ("c_star", "3", "0.1"));
        assert!((c_star - 0.47753934).abs() < 1e-7, "{c_star}");
        assert!(text(&csv::FORMAT, &Activation::Relu).contains(",inf,"));
    }

    #[test]
    fn json_says_why_there_is_no_line() {
        let value: serde_json::Value =
            serde_json::from_str(&text(&json::FORMAT, &Activation::Relu)).expect("JSON");
        assert_eq!(value["schema_version"], crate::report::SCHEMA_VERSION);
        assert_eq!(value["cells"].as_array().map(Vec::len), Some(8));
        assert_eq!(value["cells"][7]["phase"], "chaotic");
        assert_eq!(value["cells"][7]["q_star_reason"], "infinite");
        let edge = &value["edge_of_chaos"];
        assert_eq!(edge[0]["points"][0]["weight_variance"], 2.0);
        assert!(edge[1]["points_reason"].as_str().expect("a reason").contains("homogeneous"));
        assert!(value["neutrality"][1]["weight_variance"].is_null());
        assert!(value["neutrality"][1]["weight_variance_reason"].is_string());
    }
}
