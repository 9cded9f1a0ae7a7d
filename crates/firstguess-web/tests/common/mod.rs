//! A server of its own for each test, asked over real sockets.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod schema;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use firstguess_web::{Options, Server};
use serde_json::Value;

/// A running server; it ends with the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    ended: mpsc::Receiver<()>,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header, if there is one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(crate) fn start() -> Running {
    let options = Options { host: "127.0.0.1".to_owned(), port: 0 };
    let server = Server::bind(&options).expect("a free port");
    let address = server.address();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (end, ended) = mpsc::channel();
    thread::spawn(move || {
        server.run(async { drop(stopped.await) }).expect("served");
        let _ = end.send(());
    });
    Running { address, stop: Some(stop), ended }
}

impl Running {
    /// Whatever bytes; the connection is closed after the answer.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        // A server that refuses early may close before all is sent.
        drop(stream.write_all(request));
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n", body.len());
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, value: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.ask("POST", path, &json, value.to_string().as_bytes())
    }

    pub(crate) fn upload(&self, name: &str, bytes: &[u8]) -> Answer {
        let kind = [("content-type", "application/octet-stream")];
        self.ask("POST", &format!("/api/uploads?name={name}"), &kind, bytes)
    }

    /// An ensemble at its end.
    pub(crate) fn finished(&self, id: &str) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.get(&format!("/api/ensembles/{id}")).json();
            if ["done", "failed", "cancelled"].iter().any(|stage| state["stage"] == *stage) {
                return state;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{state}");
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Stops the server and waits for it.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        self.ended.recv_timeout(Duration::from_secs(20)).expect("an end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}
