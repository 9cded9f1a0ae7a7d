//! Why a request was refused, as JSON: what was given, what is allowed, what to try.

use std::fmt::Display;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    /// A word for programs.
    code: &'static str,
    /// The field at fault.
    field: Option<&'static str>,
    /// What is wrong and what is allowed.
    message: String,
    /// What to try.
    hint: Option<String>,
    /// Byte range of the fault in a spec's text.
    span: Option<(usize, usize)>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        let message = message.to_string();
        Self { status, code, field: None, message, hint: None, span: None }
    }

    /// A field has no such value: 400.
    pub(crate) fn field(field: &'static str, message: impl Display) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid", message);
        Self { field: Some(field), ..error }
    }

    /// The request makes no sense: 400.
    pub(crate) fn invalid(message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// There is no such page, ensemble or upload: 404.
    pub(crate) fn not_found(message: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The page exists, the method does not: 405.
    pub(crate) fn method(message: impl Display) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// The body did not arrive in time: 408.
    pub(crate) fn slow_body(message: impl Display) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    }

    /// More bytes than are read: 413.
    pub(crate) fn too_large(limit: usize, what: &str) -> Self {
        let message = format!("{what} may have at most {limit} bytes ({} MiB)", limit >> 20);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// A body of the wrong kind: 415.
    pub(crate) fn media(expected: &str) -> Self {
        let message = format!("the body must be declared as `content-type: {expected}`");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// Well-formed, but more than one request may ask for: 422.
    pub(crate) fn limit(field: &'static str, message: impl Display) -> Self {
        let error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "limit", message);
        Self { field: Some(field), ..error }
    }

    /// A page of another site asks: 403.
    pub(crate) fn foreign(message: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", message)
    }

    /// The request is meant for another host: 421.
    pub(crate) fn misdirected(message: impl Display) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", message)
    }

    /// Too much is going on: 429, with a time to come back.
    pub(crate) fn busy(message: impl Display) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", message)
    }

    /// A fault of ours: 500.
    pub(crate) fn internal(message: impl Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Display) -> Self {
        let hint = hint.to_string();
        Self { hint: Some(hint).filter(|hint| !hint.is_empty()), ..self }
    }

    #[must_use]
    pub(crate) fn at(self, span: Option<std::ops::Range<usize>>) -> Self {
        Self { span: span.map(|span| (span.start, span.end)), ..self }
    }

    /// The object under `error`.
    pub(crate) fn to_value(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("code".to_owned(), self.code.into());
        fields.insert("message".to_owned(), self.message.clone().into());
        if let Some(field) = self.field {
            fields.insert("field".to_owned(), field.into());
        }
        if let Some(hint) = &self.hint {
            fields.insert("hint".to_owned(), hint.clone().into());
        }
        if let Some((start, end)) = self.span {
            fields.insert("span".to_owned(), json!([start, end]));
        }
        Value::Object(fields)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let text = json!({ "error": self.to_value() }).to_string();
        let mut response = (self.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
