//! The page, as part of the program: a closed list of paths, so that no request names a file.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// One file of the page.
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $file:literal, $kind:expr) => {
        Asset { path: $path, kind: $kind, text: include_str!(concat!("../web/", $file)) }
    };
}

const ASSETS: &[Asset] = &[
    asset!("/", "index.html", "text/html; charset=utf-8"),
    asset!("/style.css", "style.css", "text/css; charset=utf-8"),
    asset!("/favicon.svg", "favicon.svg", "image/svg+xml"),
    asset!("/app.js", "app.js", SCRIPT),
    asset!("/api.js", "api.js", SCRIPT),
    asset!("/charts.js", "charts.js", SCRIPT),
    asset!("/diagram.js", "diagram.js", SCRIPT),
    asset!("/ensemble.js", "ensemble.js", SCRIPT),
    asset!("/export.js", "export.js", SCRIPT),
    asset!("/report.js", "report.js", SCRIPT),
    asset!("/setting.js", "setting.js", SCRIPT),
];

/// The file at this path, if there is one.
pub(crate) fn asset(path: &str) -> Option<Response> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    Some(([(header::CONTENT_TYPE, asset.kind)], asset.text).into_response())
}
