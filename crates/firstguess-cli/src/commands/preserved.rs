//! Which property of the law of the pre-activations a layer preserves: as lines, as a table, as JSON.

use firstguess::theory::NoTheory;
use firstguess::theory::preserved::compare::Row;
use firstguess::theory::preserved::{Kept, Preserved};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::json::Fields;
use crate::printer::Printer;
use crate::table::{columns, digits};

/// Four lines, or why there are none.
pub(crate) fn text(preserved: &Result<Preserved, NoTheory>) -> String {
    let kept = match preserved {
        Ok(kept) => kept,
        Err(why) => return format!("  what a layer preserves: {why}"),
    };
    let law = match &kept.law.exact {
        Ok(_) if kept.keeps_law() => "kept at every width".to_owned(),
        Ok(_) => "stays normal at every width, its scale changes".to_owned(),
        Err(_) => match &kept.law.product_distance {
            Ok(distance) => {
                let distance = digits(*distance);
                format!("not kept: at width 1 a layer is {distance} (KS) from normal")
            }
            Err(why) => format!("not kept ({why})"),
        },
    };
    let yes = |kept: bool| if kept { "kept" } else { "not kept" };
    format!(
        "  second moment    × {}  {} (a layer at q = {})\n  gradient moment  × {}  {}\n  \
         correlation      × {}  {}\n  whole law        {law}\n",
        padded(kept.second_moment),
        kept.second_moment_kept.name(),
        digits(kept.q),
        padded(kept.gradient_moment),
        yes(kept.keeps_gradients()),
        padded(kept.correlation_rate),
        merging(kept),
    )
}

fn padded(factor: f64) -> String {
    format!("{:<6}", digits(factor))
}

fn merging(kept: &Preserved) -> &'static str {
    if kept.keeps_correlations() {
        "kept to first order: inputs merge sub-exponentially"
    } else if kept.correlation_rate < 1.0 {
        "inputs merge geometrically"
    } else {
        "inputs separate"
    }
}

/// The schemes side by side.
pub(crate) fn table(rows: &[Row], out: &Printer) -> String {
    let cells = rows.iter().map(|row| {
        let Ok(kept) = &row.preserved else {
            return vec![row.name.clone(), "-".into(), "-".into(), "-".into(), "-".into()];
        };
        let mark = |kept: bool, factor: f64| {
            if kept { "kept".to_owned() } else { format!("× {}", digits(factor)) }
        };
        let second = match kept.second_moment_kept {
            Kept::Everywhere => "every q".to_owned(),
            Kept::AtStablePoint => "at q*".to_owned(),
            Kept::AtUnstablePoint => "at q* (!)".to_owned(),
            Kept::No => format!("× {}", digits(kept.second_moment)),
        };
        let law = match &kept.law.product_distance {
            _ if kept.keeps_law() => "kept".to_owned(),
            Ok(distance) => format!("KS {}", digits(*distance)),
            Err(_) => "no".to_owned(),
        };
        vec![
            row.name.clone(),
            second,
            mark(kept.keeps_gradients(), kept.gradient_moment),
            mark(kept.keeps_correlations(), kept.correlation_rate),
            law,
        ]
    });
    columns(
        out,
        &["scheme", "2nd moment", "gradients", "correlations", "whole law"],
        cells.collect(),
    )
}

/// For JSON.
pub(crate) struct Shown<'a>(pub(crate) &'a Preserved);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Preserved { q, second_moment, second_moment_kept, law, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.finite("q", *q)?;
        map.finite("second_moment", *second_moment)?;
        map.serialize_entry("second_moment_kept", second_moment_kept)?;
        map.finite("gradient_moment", self.0.gradient_moment)?;
        map.serialize_entry("gradient_moment_kept", &self.0.keeps_gradients())?;
        map.finite("correlation_rate", self.0.correlation_rate)?;
        map.serialize_entry("correlation_kept", &self.0.keeps_correlations())?;
        map.serialize_entry("whole_law_kept", &self.0.keeps_law())?;
        map.serialize_entry(
            "whole_law_reason",
            &law.exact.as_ref().map_or_else(|why| why.reason.as_str(), |why| *why),
        )?;
        map.number("product_distance", &law.product_distance)?;
        map.number("excess_kurtosis_times_width", &law.excess_kurtosis_times_width)?;
        map.end()
    }
}

/// A row of the comparison, for JSON.
pub(crate) struct ShownRow<'a>(pub(crate) &'a Row);

impl Serialize for ShownRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scheme", &self.0.name)?;
        map.serialize_entry("activation", &self.0.activation)?;
        map.serialize_entry("weight_law", &self.0.weights)?;
        map.finite("weight_variance", self.0.layer.weight)?;
        map.finite("bias_variance", self.0.layer.bias)?;
        map.serialize_entry("rms_normalized", &self.0.rms_normalized)?;
        map.maybe("preserved", self.0.preserved.as_ref().map(Shown))?;
        map.end()
    }
}
