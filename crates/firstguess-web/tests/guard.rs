//! What keeps strangers out: names, origins, headers, sizes, slow senders; and a clean end.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::schema::faults;
use common::start;
use serde_json::json;

#[test]
fn only_this_machine_is_answered_and_only_its_own_page_may_ask() {
    let server = start();
    let port = server.address.port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "[::1]".to_owned()] {
        assert_eq!(server.ask("GET", "/api/health", &[("host", &host)], b"").status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "192.168.0.1", ""] {
        let answer = server.ask("GET", "/", &[("host", host)], b"");
        assert_eq!(answer.status, 421, "{host}");
        assert_eq!(answer.json()["error"]["code"], "misdirected");
        assert_eq!(faults("error", &answer.json()), None);
    }
    let twice = format!(
        "GET / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(server.raw(twice.as_bytes()).status, 421);
    let absolute =
        "GET http://evil.example/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(server.raw(absolute.as_bytes()).status, 421);
    let none = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert!([400, 421].contains(&server.raw(none.as_bytes()).status));

    let own = format!("http://{}", server.address);
    assert_eq!(server.ask("GET", "/api/health", &[("origin", &own)], b"").status, 200);
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        let answer = server.ask("GET", "/api/health", &[("origin", origin)], b"");
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].as_str()),
            (403, Some("foreign_origin"))
        );
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let cross = [("sec-fetch-site", "cross-site")];
    assert_eq!(server.ask("GET", "/api/health", &cross, b"").status, 403);
    // A link to the page may be followed from anywhere.
    assert_eq!(server.ask("GET", "/", &cross, b"").status, 200);
    let preflight = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    let answer = server.ask("OPTIONS", "/api/ensembles", &preflight, b"");
    assert!(answer.status == 403 && answer.header("access-control-allow-origin").is_none());
}

#[test]
fn every_answer_carries_the_headers_and_the_page_has_nothing_inline() {
    let server = start();
    for path in ["/", "/app.js", "/style.css", "/api/health", "/nothing", "/api/point"] {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy").expect("a policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let page = server.get("/").body;
    assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("<style"));
    assert!(!page.contains("http://") && !page.contains("https://"));
    assert!(
        page.matches("<script").count() == 1
            && page.contains("<script type=\"module\" src=\"/app.js\">")
    );
    // Every module that one of them imports is there.
    for script in ["app", "api", "charts", "diagram", "ensemble", "export", "report", "setting"] {
        let answer = server.get(&format!("/{script}.js"));
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
        for line in answer.body.lines().filter(|line| line.starts_with("import ")) {
            let name =
                line.split('"').nth(1).and_then(|path| path.strip_prefix('.')).expect("a path");
            assert_eq!(server.get(name).status, 200, "{script}: {name}");
        }
    }
}

#[test]
fn bodies_are_bounded_in_size_kind_and_time() {
    let server = start();
    let json_kind = ("content-type", "application/json");
    let huge = format!(
        "POST /api/ensembles HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 999999999999\r\n\r\n",
        server.address
    );
    let answer = server.raw(huge.as_bytes());
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], "too_large");
    let announced = format!(
        "POST /api/uploads?name=x.npz HTTP/1.1\r\nhost: {}\r\ncontent-type: application/octet-stream\r\ncontent-length: 67108865\r\n\r\n",
        server.address
    );
    assert_eq!(server.raw(announced.as_bytes()).status, 413);
    // Not announced: chunks of 64 KiB until the server has enough.
    let mut chunked = format!("POST /api/ensembles HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n", server.address).into_bytes();
    for _ in 0..40 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.resize(chunked.len() + 0x10000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = server.raw(&chunked);
    assert!(answer.status == 413 || answer.status == 0, "{answer:?}");
    let plain = server.ask("POST", "/api/ensembles", &[("content-type", "text/plain")], b"{}");
    assert_eq!(
        (plain.status, plain.json()["error"]["code"].as_str()),
        (415, Some("unsupported_media_type"))
    );
    for body in ["", "{", "[]", "{}", "{\"settings\":1}", "{\"setting\":{\"activation\":1}}"] {
        let answer = server.ask("POST", "/api/ensembles", &[json_kind], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(faults("error", &answer.json()), None);
    }
    let deep = "[".repeat(100_000);
    assert_eq!(server.ask("POST", "/api/ensembles", &[json_kind], deep.as_bytes()).status, 400);
    let long = format!("GET /{} HTTP/1.1\r\nhost: {}\r\n\r\n", "x".repeat(100_000), server.address);
    assert!((400..500).contains(&server.raw(long.as_bytes()).status));
}

/// A report brings scripts of its own: in a sandbox, from where the API cannot be asked.
#[test]
fn a_report_is_a_page_in_a_sandbox() {
    let server = start();
    let order = json!({
        "setting": { "activation": "<b>", "weight_variance": 1.5, "bias_variance": 0.1 },
        "draws": 2,
    });
    assert_eq!(server.post("/api/ensembles", &order).status, 400);
    let spec = "name = \"<script>alert(1)</script>\"\n[data]\nsynthetic = \"gaussian\"\nfeatures = 8\nclasses = 3\nsamples = 20\n\
        [init]\nscheme = \"he_normal\"\n[network]\nlayers = [{ dense = 16 }, \"relu\", { dense = 3 }]\n[measure]\ndraws = 4\n";
    let id = server.post("/api/ensembles", &json!({ "spec": spec })).json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(server.finished(&id)["stage"], "done");
    let page = server.get(&format!("/api/ensembles/{id}/report.html"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("sandbox allow-scripts")
            && !policy.contains("same-origin")
            && policy.contains("default-src 'none'")
    );
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.starts_with("<!doctype html>") && !page.body.contains("<script>alert"));
}

/// A client that says nothing is let go, and others are answered meanwhile.
#[test]
fn a_silent_client_is_let_go() {
    let server = start();
    let mut silent = TcpStream::connect(server.address).expect("a connection");
    silent.write_all(b"GET / HT").expect("sent");
    assert_eq!(server.get("/api/health").status, 200);
    silent.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let mut rest = Vec::new();
    assert!(silent.read_to_end(&mut rest).is_ok(), "the server did not close");
}

#[test]
fn the_end_is_clean_with_an_ensemble_under_way_and_a_stream_open() {
    let mut server = start();
    let order = json!({
        "setting": { "activation": "tanh", "weight_variance": 1.5, "bias_variance": 0.1, "depth": 60, "width": 512 },
        "draws": 5000,
    });
    let id = server.post("/api/ensembles", &order).json()["id"].as_str().expect("an id").to_owned();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let request =
        format!("GET /api/ensembles/{id}/events HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut first = [0; 256];
    assert!(stream.read(&mut first).expect("an event") > 0);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(10));
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let mut rest = String::new();
    drop(stream.read_to_string(&mut rest));
    assert!(rest.contains("cancelled"), "{rest}");
}
