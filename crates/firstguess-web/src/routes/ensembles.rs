//! Ensembles: submitted, watched, cancelled.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use firstguess::spec::experiment::{Classes, DataSpec, MeasureSpec};
use firstguess::spec::{Spec, Standardize};
use firstguess_io::{EMBEDDED, known_sources, parse_spec};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::{as_json, body};
use crate::error::ApiError;
use crate::jobs::{Job, ModelQuestion, Question, Source, Stage, State as JobState};
use crate::limits;
use crate::setting::{Form, Setting};
use crate::state::App;

/// Networks of a setting's ensemble unless the request says otherwise.
pub(super) const DRAWS: usize = 64;

/// Its inputs.
const SAMPLES: usize = 200;

/// What is to be measured: a setting of the form, a whole spec, or a model that was uploaded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    setting: Option<Form>,
    /// The text of a spec file.
    spec: Option<String>,
    /// The id of an uploaded model.
    model: Option<String>,
    /// `gaussian`, the name of a known set, or the id of an upload; a spec's own unless given.
    data: Option<String>,
    draws: Option<usize>,
    samples: Option<usize>,
    seed: Option<u64>,
}

pub(super) async fn submit(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    body::declared(&request, "application/json")?;
    let bytes = body::read(request, limits::MAX_JSON, limits::SENDING, "the body").await?;
    let order: Order = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::invalid(format!("the body is no such JSON: {error}")))?;
    let question = question(&app, order).await?;
    let job = app.jobs().submit(question)?;
    let state = job.watch().borrow().clone();
    let mut value = job.to_value(&state, false);
    value["ahead"] = json!(app.jobs().ahead(&job.id));
    let location = format!("/api/ensembles/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], as_json(value.to_string()))
        .into_response())
}

async fn question(app: &App, order: Order) -> Result<Question, ApiError> {
    let (mut spec, source) = match (&order.setting, &order.spec, &order.model) {
        (Some(form), None, None) => of_setting(app, form, order.data.as_deref()).await?,
        (None, Some(text), None) => of_spec(app, text, order.data.as_deref())?,
        (None, None, Some(id)) => return of_model(app, id, &order),
        _ => return Err(ApiError::invalid("give one of `setting`, `spec` and `model`")),
    };
    if let Some(draws) = order.draws {
        spec.measure.draws = draws;
    }
    if let Some(samples) = order.samples {
        spec.data.samples = Some(samples);
    }
    if let Some(seed) = order.seed {
        spec.measure.seed = seed;
    }
    bounded(&[
        ("draws", spec.measure.draws, 1, limits::MAX_DRAWS),
        ("samples", spec.data.samples.unwrap_or(2), 2, limits::MAX_SAMPLES),
        ("data.features", spec.data.features.unwrap_or(1), 1, limits::MAX_FEATURES),
    ])?;
    spec.validate().map_err(|error| ApiError::field("spec", error))?;
    Ok(Question::Spec(Box::new(spec), source))
}

/// Refuses the first number outside its limits.
fn bounded(numbers: &[(&'static str, usize, usize, usize)]) -> Result<(), ApiError> {
    for &(name, value, least, most) in numbers {
        if !(least..=most).contains(&value) {
            let text =
                format!("`{name}` must be from {least} to {most} in the explorer, got {value}");
            let error = if value > most { ApiError::limit } else { ApiError::field };
            return Err(error(name, text).hint("the command line has no such limit"));
        }
    }
    Ok(())
}

/// Networks of a model's ensemble unless the request says otherwise.
const MODEL_DRAWS: usize = 16;

fn of_model(app: &App, id: &str, order: &Order) -> Result<Question, ApiError> {
    let (model, file) = app.uploads().model(id)?;
    let data = match order.data.as_deref() {
        None | Some("gaussian") => None,
        Some(name) => {
            let (source, shown) = named(app, name)?;
            Some((source, shown.unwrap_or_default()))
        }
    };
    let draws = order.draws.unwrap_or(MODEL_DRAWS);
    let samples = order.samples;
    bounded(&[
        ("draws", draws, 1, limits::MAX_DRAWS),
        ("samples", samples.unwrap_or(2), 2, limits::MAX_SAMPLES),
    ])?;
    let measure =
        MeasureSpec { draws, seed: order.seed.unwrap_or_default(), ..MeasureSpec::default() };
    let name = file.get(..file.len() - ".onnx".len()).unwrap_or("model").to_owned();
    Ok(Question::Model(ModelQuestion { model, name, data, samples, measure }))
}

/// The inputs that a setting is predicted for exist as a cloud of points.
pub(super) fn gaussian_inputs(setting: &Setting) -> Result<(), ApiError> {
    if setting.input_correlation <= MOST_CORRELATED {
        return Ok(());
    }
    let text = format!("Gaussian inputs can be correlated up to {MOST_CORRELATED} at most");
    Err(ApiError::field("input_correlation", text).hint("take a lower correlation, or other data"))
}

/// Correlation of inputs at which f32 still tells them apart.
const MOST_CORRELATED: f64 = 0.999;

async fn of_setting(
    app: &App,
    form: &Form,
    data: Option<&str>,
) -> Result<(Spec, Source), ApiError> {
    let setting = Setting::new(form)?;
    let prepared = app.prepared(setting.function.clone()).await?;
    let (source, named) = match data {
        None | Some("gaussian") => {
            gaussian_inputs(&setting)?;
            (Source::Spec, None)
        }
        Some(name) => named(app, name)?,
    };
    let data = named.map(|name| DataSpec {
        dataset: Some(name),
        samples: Some(SAMPLES),
        standardize: Standardize::Feature,
        ..DataSpec::default()
    });
    let measure = MeasureSpec { draws: DRAWS, ..MeasureSpec::default() };
    let mut spec = setting.spec(&prepared.activation, data, measure);
    spec.data.samples = Some(SAMPLES);
    Ok((spec, source))
}

fn of_spec(app: &App, text: &str, data: Option<&str>) -> Result<(Spec, Source), ApiError> {
    let mut spec = parse_spec(text).map_err(|error| {
        let refusal = ApiError::field("spec", &error).at(error.span.clone());
        refusal.hint(error.help.unwrap_or_default())
    })?;
    let Some(name) = data.or(spec.data.dataset.as_deref()) else {
        return Ok((spec, Source::Spec));
    };
    if name == "gaussian" {
        return Err(ApiError::field(
            "data",
            "a spec says itself how many features and classes synthetic data have",
        )
        .hint("write synthetic = \"gaussian\" into its [data]"));
    }
    let (source, name) = named(app, name)?;
    if data.is_some() {
        // As `--data` on the command line.
        (spec.data.synthetic, spec.data.features) = (None, None);
        if let Some(Classes::Count(_)) = spec.data.classes {
            spec.data.classes = None;
        }
    }
    spec.data.dataset = name;
    Ok((spec, source))
}

/// Data by the name of a known set or the id of an upload: never a path.
fn named(app: &App, name: &str) -> Result<(Source, Option<String>), ApiError> {
    if EMBEDDED.contains(&name) || known_sources().iter().any(|source| source.name == name) {
        return Ok((Source::Spec, Some(name.to_owned())));
    }
    if name.starts_with("upload") {
        let data = app.uploads().data(name)?;
        let shown = data.name().to_owned();
        return Ok((Source::Upload(data), Some(shown)));
    }
    let known: Vec<String> = EMBEDDED
        .into_iter()
        .map(str::to_owned)
        .chain(known_sources().into_iter().map(|source| source.name))
        .collect();
    Err(ApiError::field(
        "data",
        format!(
            "`{}` is no data set that the explorer knows: {}",
            crate::setting::shown(name),
            known.join(", ")
        ),
    )
    .hint("upload the file; the explorer opens no path"))
}

pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let job = app.jobs().get(&id)?;
    let state = job.watch().borrow().clone();
    // Reports may be large: put into text off the thread that serves connections.
    let text = tokio::task::spawn_blocking(move || job.to_value(&state, true).to_string()).await;
    Ok(as_json(text.map_err(|_| ApiError::internal("the report could not be written"))?))
}

/// The report's own scripts and styles, in a sandbox: as an origin of its own it cannot ask the API.
const REPORT_POLICY: &str = "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The report as `check --html` writes it.
pub(super) async fn page(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let job = app.jobs().get(&id)?;
    let Stage::Done(report) = job.watch().borrow().stage.clone() else {
        return Err(ApiError::not_found("this ensemble has no report (yet)"));
    };
    let text = tokio::task::spawn_blocking(move || report.to_html()).await;
    let text = text.map_err(|_| ApiError::internal("the report could not be written"))?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, REPORT_POLICY),
    ];
    Ok((headers, text).into_response())
}

pub(super) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let job = app.jobs().cancel(&id)?;
    let state = job.watch().borrow().clone();
    Ok(as_json(job.to_value(&state, false).to_string()))
}

/// Between two events of one stream.
const PACE: Duration = Duration::from_millis(50);

/// Progress as server-sent events named by the stage, the last one final.
pub(super) async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let job = app.jobs().get(&id)?;
    let follow = Follow { receiver: job.watch(), job, app, begun: false };
    let stream = stream::unfold(Some(follow), |follow| async move {
        let mut follow = follow?;
        let (event, last) = follow.next().await?;
        Some((Ok(event), (!last).then_some(follow)))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

struct Follow {
    receiver: watch::Receiver<JobState>,
    job: Arc<Job>,
    app: App,
    begun: bool,
}

impl Follow {
    /// The next state, as it is by then, and whether it is the last.
    async fn next(&mut self) -> Option<(Event, bool)> {
        if self.begun {
            tokio::time::sleep(PACE).await;
            self.receiver.changed().await.ok()?;
        }
        self.begun = true;
        let state = self.receiver.borrow_and_update().clone();
        let mut value = self.job.to_value(&state, false);
        if value["stage"] == "waiting" {
            value["ahead"] = json!(self.app.jobs().ahead(&self.job.id));
        }
        let event = Event::default().event(state.stage.name()).data(value.to_string());
        Some((event, state.stage.is_final()))
    }
}
