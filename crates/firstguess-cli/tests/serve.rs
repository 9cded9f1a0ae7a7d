//! The explorer as a process: its address, its answers beside those of the command line, its end.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use common::{firstguess, json, program};
use serde_json::Value;

struct Served {
    process: Child,
    port: u64,
}

fn serve() -> Served {
    let mut command = program(&["serve", "--port", "0", "--json"]);
    let mut process =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let stdout = BufReader::new(process.stdout.take().expect("piped"));
    let mut text = String::new();
    for line in stdout.lines() {
        text += &line.expect("text");
        if text.ends_with('}') {
            break;
        }
    }
    let value: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!((&value["command"], &value["host"]), (&"serve".into(), &"127.0.0.1".into()));
    Served { process, port: value["port"].as_u64().expect("a port") }
}

impl Served {
    fn get(&self, path: &str) -> Value {
        let mut stream =
            TcpStream::connect(format!("127.0.0.1:{}", self.port)).expect("a connection");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The explorer computes nothing: its point is that of `predict`, its diagram that of `phase`.
#[test]
fn the_explorer_shows_what_the_command_line_prints() {
    let served = serve();
    let cases: [(&str, &[&str]); 3] = [
        (
            "activation=tanh&weight_variance=2.5&bias_variance=0.1&depth=9&input_correlation=0.2",
            &[
                "--activation",
                "tanh",
                "--weight-variance",
                "2.5",
                "--bias-variance",
                "0.1",
                "--depth",
                "9",
                "--input-correlation",
                "0.2",
            ],
        ),
        (
            "activation=relu&pool=max:3&weight_variance=1&bias_variance=0&depth=6",
            &[
                "--activation",
                "relu",
                "--pool",
                "max:3",
                "--weight-variance",
                "1",
                "--bias-variance",
                "0",
                "--depth",
                "6",
            ],
        ),
        (
            "activation=gelu&weight_variance=1.9&bias_variance=0.3&depth=20",
            &["--activation", "gelu", "--weight-variance", "1.9", "--bias-variance", "0.3"],
        ),
    ];
    for (query, flags) in cases {
        let point = served.get(&format!("/api/point?{query}"));
        let printed = json(&[&["predict"], flags].concat());
        for field in [
            "q_star",
            "q_slope",
            "chi_1",
            "c_star",
            "chi_c",
            "depth_scale_q",
            "depth_scale_c",
            "gradient_depth_scale",
            "gamma_star",
            "phase",
            "prejudice",
            "fixed_points",
            "weight_variance",
            "bias_variance",
            "depth",
        ] {
            assert_eq!(point[field], printed[field], "{field} of {query}");
        }
        for (index, layer) in printed["layers"].as_array().expect("layers").iter().enumerate() {
            for column in ["q", "c", "v", "t", "gamma", "gradient"] {
                assert_eq!(
                    point["layers"][column][index], layer[column],
                    "{column} of layer {index}, {query}"
                );
            }
        }
    }
    let flags = ["phase", "--activation", "tanh", "--resolution", "6"];
    assert_eq!(served.get("/api/phase?activation=tanh&resolution=6&cells=full"), json(&flags));
}

#[test]
fn ctrl_c_ends_it_well_and_a_taken_port_is_told() {
    let mut served = serve();
    let port = served.port.to_string();
    let second = firstguess(&["serve", "--port", &port]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(2), ""));
    assert!(
        second.stderr.contains("cannot listen on 127.0.0.1") && second.stderr.contains("--port"),
        "{}",
        second.stderr
    );
    let lost = firstguess(&["serve", "--host", "no.such.host.invalid"]);
    assert!(
        lost.code == Some(2) && lost.stderr.contains("no address of this machine"),
        "{}",
        lost.stderr
    );
    let interrupt = Command::new("kill").args(["-INT", &served.process.id().to_string()]).status();
    assert!(interrupt.expect("kill").success());
    assert_eq!(served.process.wait().expect("an end").code(), Some(0));
}
