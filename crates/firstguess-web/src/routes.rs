//! The pages and the API: each route turns a request into a question and the answer into JSON.

mod body;
mod ensembles;
mod vocabulary;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use firstguess::spec::experiment::MeasureSpec;
use firstguess::theory::phase_diagram::Axis;
use serde_json::json;

use crate::error::ApiError;
use crate::guard::{Hosts, guard};
use crate::limits::{self, MAX_VARIANCE, RESOLUTION};
use crate::setting::{Function, Query, Setting};
use crate::state::App;
use crate::{SCHEMA, SCHEMA_VERSION, assets};

/// The whole server: every route behind the guard.
pub(crate) fn router(app: App, hosts: Hosts) -> Router {
    Router::new()
        .route("/api/health", get(health))
        .route("/api/schema", get(|| async { as_json(SCHEMA) }))
        .route("/api/vocabulary", get(|| async { as_json(vocabulary::text()) }))
        .route("/api/point", get(point))
        .route("/api/phase", get(phase))
        .route("/api/spec", get(spec))
        .route("/api/uploads", post(upload))
        .route("/api/ensembles", post(ensembles::submit))
        .route("/api/ensembles/{id}", get(ensembles::show).delete(ensembles::cancel))
        .route("/api/ensembles/{id}/events", get(ensembles::events))
        .route("/api/ensembles/{id}/report.html", get(ensembles::page))
        .method_not_allowed_fallback(|| async {
            ApiError::method("this address does not take that method; docs/explorer.md lists them")
        })
        .fallback(page)
        .layer(from_fn_with_state(Arc::new(hosts), guard))
        .with_state(app)
}

fn as_json(text: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The page and its parts.
async fn page(method: axum::http::Method, uri: Uri) -> Result<Response, ApiError> {
    let asset = assets::asset(uri.path()).ok_or_else(|| {
        ApiError::not_found("there is no such page")
            .hint("the explorer is at /, its API below /api/")
    })?;
    if method == axum::http::Method::GET || method == axum::http::Method::HEAD {
        return Ok(asset);
    }
    Err(ApiError::method("a page can only be read"))
}

async fn health(State(app): State<App>) -> Response {
    as_json(app.health().to_string())
}

async fn point(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let setting = Setting::of_query(&uri)?;
    Ok(as_json(app.point(setting).await?))
}

/// A phase diagram that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) function: Function,
    pub(crate) weight: Axis,
    pub(crate) bias: Axis,
}

impl Asked {
    fn of_query(uri: &Uri) -> Result<(Self, bool), ApiError> {
        let mut query = Query::new(uri)?;
        let activation = query.required("activation")?;
        let function = Function::new(&activation, query.text("pool").as_deref())?;
        let points = query.number("resolution")?.unwrap_or(64);
        let (least, most) = RESOLUTION;
        if !(least..=most).contains(&points) {
            let message = format!("`resolution` must be from {least} to {most}, got {points}");
            return Err(if points > most {
                ApiError::limit("resolution", message)
            } else {
                ApiError::field("resolution", message)
            });
        }
        let mut axis = |name, default: &str| {
            let text = query.text(name).unwrap_or_else(|| default.to_owned());
            range(name, &text).map(|(low, high)| Axis { low, high, points })
        };
        let (weight, bias) = (axis("weight_variance", "0:4")?, axis("bias_variance", "0:0.2")?);
        let full = match query.text("cells").as_deref() {
            None | Some("letters") => false,
            Some("full") => true,
            Some(_) => return Err(ApiError::field("cells", "`cells` is `letters` or `full`")),
        };
        query.finish()?;
        Ok((Self { function, weight, bias }, full))
    }

    /// Equal for equal diagrams.
    pub(crate) fn key(&self) -> String {
        format!("{self:?}")
    }
}

/// `0.5:4`.
fn range(name: &'static str, text: &str) -> Result<(f64, f64), ApiError> {
    let ends = text.split_once(':').and_then(|(low, high)| {
        let (low, high): (f64, f64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (low >= 0.0 && low < high && high <= MAX_VARIANCE).then_some((low.abs(), high))
    });
    ends.ok_or_else(|| {
        let message = format!(
            "`{name}` must be two ends, the lower first, from 0 to {MAX_VARIANCE}, such as 0:4"
        );
        ApiError::field(name, message)
    })
}

async fn phase(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let (asked, full) = Asked::of_query(&uri)?;
    let drawn = app.diagram(asked).await?;
    let text = if full { &drawn.full } else { &drawn.compact };
    Ok(as_json(text.to_string()))
}

/// The setting as a spec file, to be checked by the command line.
async fn spec(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let setting = Setting::of_query(&uri)?;
    let prepared = app.prepared(setting.function.clone()).await?;
    ensembles::gaussian_inputs(&setting)?;
    let measure = MeasureSpec { draws: ensembles::DRAWS, ..MeasureSpec::default() };
    let spec = setting.spec(&prepared.activation, None, measure);
    let text = toml::to_string(&spec).map_err(ApiError::internal)?;
    let answer =
        json!({ "schema_version": SCHEMA_VERSION, "command": "spec", "toml": text, "spec": spec });
    Ok(as_json(answer.to_string()))
}

/// A file of data.
async fn upload(
    State(app): State<App>,
    request: axum::extract::Request,
) -> Result<Response, ApiError> {
    let mut query = Query::new(request.uri())?;
    let name = query.required("name")?;
    query.finish()?;
    body::declared(&request, "application/octet-stream")?;
    let place = app.uploads().places.try_acquire();
    let place = place.map_err(|_| {
        ApiError::busy("other files are being uploaded").hint("try again in a moment")
    })?;
    let bytes = body::read(request, limits::MAX_UPLOAD, limits::UPLOADING, "an upload").await?;
    let reader = app.clone();
    let reading = tokio::task::spawn_blocking(move || reader.uploads().add(&name, &bytes));
    let summary = reading.await.map_err(|_| {
        ApiError::internal("the file could not be read; this is a fault of firstguess")
    })??;
    drop(place);
    Ok(as_json(summary.to_string()))
}
