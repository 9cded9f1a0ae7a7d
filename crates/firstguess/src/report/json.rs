//! The JSON form: field names of the spec, null with a reason where there is no number.

use super::{Report, SCHEMA_VERSION};
use crate::theory::kernel::LayerStatistics;
use crate::theory::phase::Asymptotics;
use crate::theory::predict::{BlockLimit, Bulk, LayerPrediction, Prediction, RepeatedBlock};
use crate::theory::{NoTheory, Predicted};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A JSON object under construction that knows how to write a number that may be missing.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// An empty object.
    pub fn new() -> Self {
        Self::default()
    }

    /// Any value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.0.insert(name.to_owned(), value);
        self
    }

    /// A number; what is not finite becomes null beside `<name>_reason`.
    #[must_use]
    pub fn number(self, name: &str, value: f64) -> Self {
        if value.is_finite() {
            return self.with(name, value);
        }
        let reason = if value.is_nan() { "undefined" } else { "infinite" };
        self.with(name, Value::Null).with(&format!("{name}_reason"), reason)
    }

    /// A predicted number, or null beside `<name>_reason`.
    #[must_use]
    pub fn predicted(self, name: &str, value: &Predicted) -> Self {
        match value {
            Ok(value) => self.number(name, *value),
            Err(why) => self.missing(name, why),
        }
    }

    /// Null, and why.
    #[must_use]
    pub fn missing(self, name: &str, why: &NoTheory) -> Self {
        self.with(name, Value::Null).with(&format!("{name}_reason"), &why.reason)
    }

    /// A predicted thing that is not a number, or null beside its reason.
    #[must_use]
    pub fn named<T: Serialize>(self, name: &str, value: &Result<T, NoTheory>) -> Self {
        match value {
            Ok(value) => self.with(name, value),
            Err(why) => self.missing(name, why),
        }
    }

    /// The limits of infinite depth.
    #[must_use]
    pub fn asymptotics(self, limit: &Asymptotics) -> Self {
        self.predicted("q_star", &limit.q_star)
            .predicted("q_slope", &limit.q_slope)
            .predicted("chi_1", &limit.chi_1)
            .predicted("c_star", &limit.c_star)
            .predicted("one_minus_c_star", &limit.c_star_complement)
            .predicted("chi_c", &limit.chi_c)
            .predicted("depth_scale_q", &limit.depth_scale_q)
            .predicted("depth_scale_c", &limit.depth_scale_c)
            .predicted("gradient_depth_scale", &limit.gradient_depth_scale)
            .predicted("gamma_star", &limit.gamma_star)
            .named("phase", &limit.phase)
            .named("prejudice", &limit.prejudice)
            .with("fixed_points", &limit.fixed_points)
    }

    /// Correlations of the actual inputs, and of each two of their classes; null entries where there is no pair.
    #[must_use]
    pub fn on_data(self, statistics: Option<&LayerStatistics>) -> Self {
        let Some(statistics) = statistics else { return self };
        self.number("mean_correlation", statistics.mean_correlation)
            .named("class_correlations", &statistics.class_correlations)
    }

    /// The finished object.
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// A whole prediction as one object.
pub fn prediction_fields(prediction: &Prediction) -> Fields {
    let fields = Fields::new();
    let fields = match &prediction.bulk {
        Ok(bulk) => bulk_fields(fields, bulk),
        Err(why) => match &prediction.block {
            Ok(found) => limit_fields(fields.with("activation", found.block.name()), &found.limit)
                .with("block", block_fields(found).into_value()),
            Err(_) => fields.missing("phase", why).missing("chi_1", why),
        },
    };
    let guess = prediction.prejudice.as_ref().map_err(Clone::clone).map(|guess| {
        Fields::new()
            .number("gamma", guess.gamma)
            .number("largest_share", guess.largest_share)
            .number("agreement", guess.agreement)
            .number("share_variance", guess.share_variance)
            .number("neutral_share", guess.neutral_share)
            .named("class_gradients", &guess.class_gradients)
            .into_value()
    });
    let fields = fields
        .number("input_gamma", prediction.input.gamma())
        .with("kernel_inputs", prediction.kernel_inputs);
    let fields = match &prediction.kernel_gap {
        Some(gap) => fields.with("kernel_inputs_reason", gap.to_string()),
        None => fields,
    };
    fields
        .predicted("ln_gradient", &prediction.ln_gradient())
        .named("guess", &guess)
        .predicted("loss", &prediction.loss)
        .with("layers", prediction.layers.iter().map(layer_value).collect::<Vec<_>>())
}

/// The block that a network repeats and where that leads.
pub fn block_fields(found: &RepeatedBlock) -> Fields {
    let fields = Fields::new()
        .with("layers", found.block.to_string())
        .with("repeats", found.block.repeats());
    limit_fields(fields, &found.limit)
}

/// Null with its reason where nothing settles, or the way back has no theory; `chi_1` is the factor of one block.
fn limit_fields(fields: Fields, limit: &BlockLimit) -> Fields {
    let unknown = NoTheory::new("the signal of a block has no such limit");
    let of = |value: Option<f64>| value.ok_or_else(|| unknown.clone());
    let q_star = match (limit.q_star, limit.c_star_complement) {
        (None, Some(_)) => Err(NoTheory::new("every variance is a fixed point")),
        (found, _) => of(found),
    };
    fields
        .predicted("q_star", &q_star)
        .predicted("chi_1", &limit.chi)
        .predicted("c_star", &of(limit.c_star()))
        .predicted("one_minus_c_star", &of(limit.c_star_complement))
        .predicted("gamma_star", &of(limit.gamma_star()))
        .with("phase", limit.phase)
        .with("prejudice", limit.prejudice)
}

fn bulk_fields(fields: Fields, bulk: &Bulk) -> Fields {
    fields
        .with("activation", bulk.function.to_string())
        .number("weight_variance", bulk.layer.weight)
        .number("bias_variance", bulk.layer.bias)
        .asymptotics(&bulk.limit)
}

fn layer_value(layer: &LayerPrediction) -> Value {
    let fields = Fields::new()
        .with("index", layer.index)
        .with("kind", &layer.kind)
        .with("units", layer.units)
        .number("weight_variance", layer.weight_variance)
        .number("bias_variance", layer.bias_variance);
    let fields = match &layer.spread {
        Ok(spread) => fields
            .number("q", spread.q())
            .number("c", spread.c())
            .number("v", spread.v())
            .number("t", spread.t())
            .number("gamma", spread.gamma()),
        Err(why) => ["c", "v", "t", "gamma"]
            .into_iter()
            .fold(fields.predicted("q", &layer.q()), |fields, name| fields.missing(name, why)),
    };
    fields
        .predicted("chi", &layer.chi)
        .predicted("gradient", &layer.ln_gradient.clone().map(f64::exp))
        .predicted("ln_gradient", &layer.ln_gradient)
        .predicted("ln_q_variance", &layer.ln_q_variance)
        .named("finite_width", &layer.finite_width)
        .on_data(layer.on_data.as_ref())
        .into_value()
}

impl Report {
    /// The whole report as one JSON object.
    pub fn to_json(&self) -> Value {
        let status = self.worst().map_or_else(
            || "fine".to_owned(),
            |severity| match severity {
                crate::finding::Severity::Note => "fine".to_owned(),
                other => other.to_string(),
            },
        );
        let mut report = json!({
            "schema_version": SCHEMA_VERSION,
            "command": "check",
            "firstguess_version": env!("CARGO_PKG_VERSION"),
            "name": self.name,
            "seed": self.seed,
            "verdict": { "status": status, "headline": self.headline() },
            "data": self.data,
            "network": self.network,
            "prediction": prediction_fields(&self.prediction).into_value(),
            "measurement": self.measurement,
            "findings": self.findings,
            "citations": self.citations(),
        });
        if let Some(fields) = report.as_object_mut() {
            if let Some(model) = &self.model {
                fields.insert("model".to_owned(), json!(model));
            }
            if !self.baselined.is_empty() {
                fields.insert("baselined".to_owned(), json!(self.baselined));
            }
        }
        report
    }
}
