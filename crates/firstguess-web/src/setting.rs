//! A setting of the form: what is chosen, checked once. The same from a query and from JSON.

use std::collections::BTreeMap;

use axum::http::Uri;
use firstguess::spec::activation::Activation;
use firstguess::spec::experiment::{Classes, DataSpec, MeasureSpec, SyntheticKind};
use firstguess::spec::layer::{Layer, OwnVariances, PoolKind};
use firstguess::spec::{Architecture, InitScheme, Spec, Standardize};
use firstguess::theory::mean_field::{LayerVariance, Spread};
use serde::Deserialize;

use crate::error::ApiError;
use crate::limits;

/// What the form says, unchecked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    pub(crate) activation: String,
    #[serde(default)]
    pub(crate) pool: Option<String>,
    pub(crate) weight_variance: f64,
    pub(crate) bias_variance: f64,
    #[serde(default = "depth")]
    pub(crate) depth: usize,
    #[serde(default = "width")]
    pub(crate) width: usize,
    #[serde(default = "classes")]
    pub(crate) classes: usize,
    #[serde(default)]
    pub(crate) input_correlation: f64,
}

const fn depth() -> usize {
    20
}

const fn width() -> usize {
    128
}

const fn classes() -> usize {
    10
}

/// An activation with its pool: what theory prepares once and answers many times.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Function {
    pub(crate) activation: String,
    pub(crate) pool: Option<(PoolKind, usize)>,
}

/// A checked setting. Whether the activation exists is found out where it is prepared: that may take a while.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) function: Function,
    pub(crate) layer: LayerVariance,
    pub(crate) depth: usize,
    pub(crate) width: usize,
    pub(crate) classes: usize,
    pub(crate) input_correlation: f64,
}

impl Function {
    pub(crate) fn new(activation: &str, pool: Option<&str>) -> Result<Self, ApiError> {
        let activation = activation.trim();
        if activation.is_empty() {
            return Err(ApiError::field("activation", "the activation is empty").hint(
                "a name such as relu or tanh, or an expression in x such as x*sigmoid(1.702*x)",
            ));
        }
        let length = activation.chars().count();
        if length > limits::MAX_ACTIVATION {
            let most = limits::MAX_ACTIVATION;
            return Err(ApiError::limit(
                "activation",
                format!("the activation has {length} characters, at most {most} are allowed"),
            )
            .hint("write a shorter expression"));
        }
        let pool = pool.map(str::trim).filter(|pool| !pool.is_empty()).map(pooling).transpose()?;
        // One unit under a pool is no pool.
        Ok(Self { activation: activation.to_owned(), pool: pool.filter(|(_, size)| *size > 1) })
    }
}

/// `max:2`, as on the command line.
fn pooling(text: &str) -> Result<(PoolKind, usize), ApiError> {
    let wrong = || {
        let most = limits::MAX_POOL;
        ApiError::field(
            "pool",
            format!("a pool is max, average or min and 1 to {most} units, such as max:2"),
        )
    };
    let (kind, size) = text.split_once(':').ok_or_else(wrong)?;
    let kind = match kind {
        "max" => PoolKind::Max,
        "average" => PoolKind::Average,
        "min" => PoolKind::Min,
        _ => return Err(wrong()),
    };
    let size = size.parse().ok().filter(|size| (1..=limits::MAX_POOL).contains(size));
    Ok((kind, size.ok_or_else(wrong)?))
}

impl Setting {
    pub(crate) fn new(form: &Form) -> Result<Self, ApiError> {
        let variance = |name, value| real(name, value, limits::MAX_VARIANCE);
        let weight = variance("weight_variance", form.weight_variance)?;
        let bias = variance("bias_variance", form.bias_variance)?;
        Ok(Self {
            function: Function::new(&form.activation, form.pool.as_deref())?,
            layer: LayerVariance { weight, bias },
            depth: whole("depth", form.depth, (1, limits::MAX_DEPTH))?,
            width: whole("width", form.width, (1, limits::MAX_WIDTH))?,
            classes: whole("classes", form.classes, limits::CLASSES)?,
            input_correlation: real("input_correlation", form.input_correlation, 1.0)?,
        })
    }

    pub(crate) fn of_query(uri: &Uri) -> Result<Self, ApiError> {
        let mut query = Query::new(uri)?;
        let form = Form {
            activation: query.required("activation")?,
            pool: query.text("pool"),
            weight_variance: query
                .number("weight_variance")?
                .ok_or_else(|| missing("weight_variance"))?,
            bias_variance: query
                .number("bias_variance")?
                .ok_or_else(|| missing("bias_variance"))?,
            depth: query.number("depth")?.unwrap_or_else(depth),
            width: query.number("width")?.unwrap_or_else(width),
            classes: query.number("classes")?.unwrap_or_else(classes),
            input_correlation: query.number("input_correlation")?.unwrap_or_default(),
        };
        query.finish()?;
        Self::new(&form)
    }

    /// The first pre-activations of inputs of mean square 1.
    pub(crate) fn first(&self) -> Spread {
        let c = self.input_correlation;
        Spread::first_layer(self.layer, 1.0 - c, c)
    }

    /// The same question as a spec: these layers on Gaussian inputs of this correlation, or on data that the request brings.
    pub(crate) fn spec(
        &self,
        activation: &Activation,
        data: Option<DataSpec>,
        measure: MeasureSpec,
    ) -> Spec {
        let first = match data {
            // A shift makes the inputs' mean square 1/(1-c): the first layer takes it out again.
            None if self.input_correlation > 0.0 => {
                let weight = self.layer.weight * (1.0 - self.input_correlation);
                OwnVariances { weight_variance: Some(weight), bias_variance: None }
            }
            _ => OwnVariances::default(),
        };
        let own = OwnVariances::default();
        let block = |own| {
            let mut block = vec![
                Layer::Dense { units: self.width, own },
                Layer::Activation(activation.clone()),
            ];
            if let Some((kind, size)) = self.function.pool {
                block.push(Layer::Pool { kind, size, stride: size, padding: 0 });
            }
            block
        };
        let mut layers = Vec::new();
        let hidden = self.depth - 1;
        let equal = if first == own { hidden } else { hidden.saturating_sub(1) };
        if hidden > equal {
            layers.extend(block(first));
        }
        if equal > 0 {
            layers.push(Layer::Repeat { count: equal, layers: block(own) });
        }
        layers
            .push(Layer::Dense { units: self.classes, own: if hidden == 0 { first } else { own } });
        Spec {
            name: "explorer".to_owned(),
            data: data.unwrap_or_else(|| self.gaussian()),
            init: InitScheme::explicit(self.layer.weight, self.layer.bias),
            network: Architecture { layers },
            measure,
        }
    }

    /// Gaussian inputs of this correlation: what the profile is predicted for.
    fn gaussian(&self) -> DataSpec {
        let c = self.input_correlation;
        DataSpec {
            dataset: None,
            synthetic: Some(SyntheticKind::Gaussian),
            features: Some(FEATURES),
            classes: Some(Classes::Count(self.classes)),
            // Variance 1 beside a mean of `shift`: the correlation is shift²/(1 + shift²).
            shift: (c / (1.0 - c)).sqrt(),
            standardize: Standardize::None,
            ..DataSpec::default()
        }
    }
}

/// Features of synthetic inputs: many, so that two of them are as correlated as asked for.
const FEATURES: usize = 512;

fn missing(field: &'static str) -> ApiError {
    ApiError::field(field, format!("`{field}` is missing"))
}

fn real(field: &'static str, value: f64, most: f64) -> Result<f64, ApiError> {
    if (0.0..=most).contains(&value) {
        return Ok(value.abs());
    }
    Err(ApiError::field(field, format!("`{field}` must be a number from 0 to {most}, got {value}")))
}

fn whole(
    field: &'static str,
    value: usize,
    (least, most): (usize, usize),
) -> Result<usize, ApiError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let message = format!("`{field}` must be a whole number from {least} to {most}, got {value}");
    Err(if value > most {
        ApiError::limit(field, message)
    } else {
        ApiError::field(field, message)
    })
}

/// The fields of a query; each may stand once, and none may be left over.
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn new(uri: &Uri) -> Result<Self, ApiError> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if fields.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(ApiError::invalid(format!("`{}` is given twice", shown(&name))));
            }
        }
        Ok(Self(fields))
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name)
    }

    pub(crate) fn required(&mut self, name: &'static str) -> Result<String, ApiError> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// Whatever reads as a number of this type.
    pub(crate) fn number<T: std::str::FromStr>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| {
            let kind =
                if std::any::type_name::<T>() == "f64" { "a number" } else { "a whole number" };
            ApiError::field(name, format!("`{name}` must be {kind}, got `{}`", shown(&text)))
        })
    }

    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::invalid(format!("unknown field `{}`", shown(name)))
                .hint("docs/explorer.md and /api/schema list the fields")),
        }
    }
}

/// Text of the request that is fit for a message.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str) -> Result<Setting, String> {
        let uri: Uri = format!("/api/point?{query}").parse().expect("a path");
        Setting::of_query(&uri).map_err(|error| error.to_value().to_string())
    }

    #[test]
    fn a_query_is_a_setting_with_defaults() {
        let setting = parsed("activation=tanh&weight_variance=1.5&bias_variance=0.05&pool=max:2")
            .expect("good");
        assert_eq!((setting.depth, setting.width, setting.classes), (20, 128, 10));
        assert_eq!(setting.function.pool, Some((PoolKind::Max, 2)));
        let one = parsed("activation=x*tanh(x)%2B1&weight_variance=1&bias_variance=0&pool=min:1")
            .expect("good");
        assert_eq!(one.function, Function { activation: "x*tanh(x)+1".to_owned(), pool: None });
    }

    #[test]
    fn what_is_outside_its_domain_is_refused_by_name() {
        let good = "activation=tanh&weight_variance=1&bias_variance=0";
        for (query, expected) in [
            ("weight_variance=1&bias_variance=0", "`activation` is missing"),
            ("activation=+&weight_variance=1&bias_variance=0", "is empty"),
            ("activation=tanh&weight_variance=NaN&bias_variance=0", "from 0 to 1000000, got NaN"),
            ("activation=tanh&weight_variance=-1&bias_variance=0", "got -1"),
            ("activation=tanh&weight_variance=1&bias_variance=inf", "got inf"),
            ("activation=tanh&weight_variance=a&bias_variance=0", "must be a number, got `a`"),
            (&format!("{good}&depth=0"), "from 1 to 1000, got 0"),
            (&format!("{good}&depth=1.5"), "a whole number, got `1.5`"),
            (&format!("{good}&depth=1001"), "\"limit\""),
            (&format!("{good}&classes=1"), "from 2 to 1000"),
            (&format!("{good}&pool=top:2"), "such as max:2"),
            (&format!("{good}&pool=max:65"), "1 to 64 units"),
            (&format!("{good}&dept=3"), "unknown field `dept`"),
            (&format!("{good}&depth=3&depth=4"), "given twice"),
            (&format!("{good}&activation=x"), "given twice"),
        ] {
            let error = parsed(query).map(|_| ()).expect_err(query);
            assert!(error.contains(expected), "{query}: {error}");
        }
        let long = format!("activation={}&weight_variance=1&bias_variance=0", "x+".repeat(200));
        assert!(parsed(&long).map(|_| ()).expect_err("long").contains("at most 200"));
    }
}
