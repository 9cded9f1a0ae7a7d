//! Who may ask: the Host header against DNS rebinding, the Origin against other sites' pages, and the headers that keep the
//! page from loading or being loaded by anything else.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Request, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// The names under which this server may be asked.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// Whether only this machine can reach it.
    loopback: bool,
    /// The name that was given to listen on, where it was one.
    name: Option<String>,
}

impl Hosts {
    pub(crate) fn new(given: &str, bound: IpAddr) -> Self {
        let name = given.parse::<IpAddr>().is_err().then(|| given.to_ascii_lowercase());
        Self { loopback: bound.is_loopback(), name }
    }

    /// An address written in numbers cannot have been rebound; a name can, unless it is one of ours.
    fn accepts(&self, host: &str) -> bool {
        let Some(name) = host_name(host) else { return false };
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return !self.loopback || address.is_loopback();
        }
        let name = name.to_ascii_lowercase();
        name == "localhost" || self.name.as_deref() == Some(&name)
    }
}

/// `name:port` without the port; none where it is not of that form.
fn host_name(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, rest) = host.split_at(end);
    let port = rest.strip_prefix(':').unwrap_or(rest);
    let plain = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (plain && !name.is_empty() && (rest.is_empty() || rest.starts_with(':'))).then_some(name)
}

/// No script, style, picture, frame or request of anyone else's.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For each answer that does not set it itself.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Around every route.
pub(crate) async fn guard(
    State(hosts): State<Arc<Hosts>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let mut response = match refusal(&hosts, request.uri(), request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn refusal(hosts: &Hosts, uri: &Uri, headers: &HeaderMap) -> Option<ApiError> {
    let mut named = headers.get_all(header::HOST).iter();
    let host = match (named.next(), named.next(), uri.authority()) {
        (Some(host), None, None) => host.to_str().unwrap_or_default(),
        _ => "",
    };
    if !hosts.accepts(host) {
        return Some(
            ApiError::misdirected("the request is addressed to a host that this server is not")
                .hint("open the address that `firstguess serve` printed"),
        );
    }
    let foreign =
        |name: &str| ApiError::foreign(format!("{name}: only the explorer's own page may ask"));
    if let Some(origin) = headers.get(header::ORIGIN) {
        let own = format!("http://{host}");
        if !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()) {
            return Some(foreign("a page of another origin"));
        }
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    // Following a link to the page is fine; asking the API from elsewhere is not.
    let api = uri.path().starts_with("/api/");
    match site {
        None | Some(b"same-origin" | b"none") => None,
        Some(_) if api => Some(foreign("a page of another site")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_this_machine_are_answered() {
        let hosts = Hosts::new("127.0.0.1", IpAddr::from([127, 0, 0, 1]));
        for good in ["127.0.0.1:8765", "localhost", "LOCALHOST:1", "[::1]:80", "127.9.9.9"] {
            assert!(hosts.accepts(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:8765",
            "localhost.evil.example",
            "192.168.1.7:80",
            "[::2]",
            "127.0.0.1:x",
            "127.0.0.1:8765/x",
            "[::1",
            "localhost:123456",
            "127.0.0.1.evil.example",
        ] {
            assert!(!hosts.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn a_server_for_others_answers_to_numbers_and_to_its_own_name() {
        let hosts = Hosts::new("lab.example", IpAddr::from([192, 168, 1, 7]));
        for good in ["192.168.1.7:80", "10.0.0.1", "lab.example:8765", "Lab.Example", "localhost"] {
            assert!(hosts.accepts(good), "{good}");
        }
        assert!(!hosts.accepts("evil.example") && !hosts.accepts("lab.example.evil.example"));
    }
}
