//! Many clients drag the point at once: what a step of a drag takes, and what the server's memory does.
//!
//! `cargo bench -p firstguess-web --bench load -- [SECONDS] [CLIENTS] [ensemble]`; by default 30 s and 50 clients. Server and clients
//! share the machine's cores. A client asks for the next point when it has the last one, at most 20 times a second, over one
//! connection; a fresh pair of variances each time, six activations among the clients. With `ensemble`, networks are
//! measured at the same time.
#![expect(clippy::print_stdout, reason = "a bench reports to a terminal")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use firstguess_web::{Options, Server};

const ACTIVATIONS: [&str; 6] = ["tanh", "relu", "gelu", "silu", "erf", "x*sigmoid(1.702*x)"];
const PACE: Duration = Duration::from_millis(50);

fn main() {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let number = |at: usize, otherwise: u32| {
        words.get(at).and_then(|word| word.parse().ok()).unwrap_or(otherwise)
    };
    let (seconds, clients) = (number(0, 30), number(1, 50));
    let clients = usize::try_from(clients).unwrap_or(usize::MAX);
    let server = Server::bind(&Options { host: "127.0.0.1".to_owned(), port: 0 }).expect("a port");
    let address = server.address();
    thread::spawn(move || server.run(std::future::pending()));
    // Tables and moments that a first visitor waits for.
    for activation in ACTIVATIONS {
        ask(&mut connect(address), address, &path(activation, 0, 0)).expect("an answer");
    }
    thread::sleep(Duration::from_secs(8));
    if words.iter().any(|word| word == "ensemble") {
        let body = r#"{"setting":{"activation":"relu","weight_variance":2,"bias_variance":0,"depth":60,"width":512},"draws":10000}"#;
        let mut stream = connect(address);
        let request = format!(
            "POST /api/ensembles HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(request.as_bytes()).expect("sent");
        println!("an ensemble is measured meanwhile");
    }
    let before = memory();
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let threads: Vec<_> =
        (0..clients).map(|client| thread::spawn(move || drag(address, client, end))).collect();
    let mut times: Vec<Duration> = Vec::new();
    let mut errors = 0;
    for client in threads {
        let (found, failed) = client.join().expect("a client");
        times.extend(found);
        errors += failed;
    }
    times.sort();
    let quantile = |p: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (p * (times.len() - 1) as f64) as usize;
        times[index].as_secs_f64() * 1e3
    };
    println!(
        "{clients} clients, {seconds} s: {} answers ({:.0}/s), {errors} errors",
        times.len(),
        times.len() as f64 / f64::from(seconds)
    );
    println!(
        "latency: median {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
        quantile(1.0)
    );
    println!(
        "memory of the process: {before} MiB before, {} MiB after, {} MiB at most",
        memory(),
        peak()
    );
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("set");
    BufReader::new(stream)
}

fn path(activation: &str, client: usize, step: usize) -> String {
    // A drag up and down and across, another for each client.
    let turn = (step as f64).mul_add(0.05, client as f64);
    let (weight, bias) = (2.0 + 1.5 * turn.sin(), 0.1 + 0.09 * (1.3 * turn).cos());
    let activation = activation.replace('+', "%2B");
    format!(
        "/api/point?activation={activation}&weight_variance={weight:.5}&bias_variance={bias:.5}&depth=30"
    )
}

fn drag(address: SocketAddr, client: usize, end: Instant) -> (Vec<Duration>, usize) {
    let activation = ACTIVATIONS[client % ACTIVATIONS.len()];
    let mut stream = connect(address);
    let (mut times, mut errors, mut step) = (Vec::new(), 0, 0);
    while Instant::now() < end {
        let begun = Instant::now();
        if ask(&mut stream, address, &path(activation, client, step)) == Some(200) {
            times.push(begun.elapsed());
        } else {
            errors += 1;
            stream = connect(address);
        }
        step += 1;
        thread::sleep(PACE.saturating_sub(begun.elapsed()));
    }
    (times, errors)
}

/// Asks over a connection that stays open; the status, once the whole answer is there.
fn ask(stream: &mut BufReader<TcpStream>, address: SocketAddr, path: &str) -> Option<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).ok()?;
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    body.starts_with(b"{").then_some(status)
}

/// A line of the process's status, in MiB; 0 where the system has none.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn memory() -> u64 {
    status("VmRSS:")
}

fn peak() -> u64 {
    status("VmHWM:")
}
