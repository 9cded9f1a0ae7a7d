//! Bodies of requests, within their bounds.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::error::ApiError;

/// Refuses a body of another kind; no form of another site's page can declare these.
pub(super) fn declared(request: &Request<Body>, kind: &str) -> Result<(), ApiError> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|given| given.split(';').next()).map(str::trim);
    match given {
        Some(given) if given.eq_ignore_ascii_case(kind) => Ok(()),
        _ => Err(ApiError::media(kind)),
    }
}

/// The whole body, unless it is longer than `limit` or slower than `time`.
pub(super) async fn read(
    request: Request<Body>,
    limit: usize,
    time: Duration,
    what: &str,
) -> Result<Vec<u8>, ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(ApiError::too_large(limit, what));
    }
    let mut chunks = request.into_body().into_data_stream();
    let receive = async {
        // What is announced is not believed: memory grows with what arrives.
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| ApiError::invalid("the body broke off"))?;
            if bytes.len() + chunk.len() > limit {
                return Err(ApiError::too_large(limit, what));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    timeout(time, receive).await.unwrap_or_else(|_| {
        Err(ApiError::slow_body(format!("{what} must arrive within {} seconds", time.as_secs())))
    })
}
