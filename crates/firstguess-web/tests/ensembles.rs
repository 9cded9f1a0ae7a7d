//! Ensembles and reports over the API: the report of `check`, progress, cancelling, the queue, uploads.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::schema::faults;
use common::{Running, start};
use firstguess::spec::experiment::MeasureSpec;
use firstguess_io::{OnnxModel, ReadOptions, dataset_from_bytes, parse_spec};
use serde_json::{Value, json};

const SPEC: &str = r#"
name = "mine"
[data]
dataset = "digits"
samples = 60
standardize = "feature"
[init]
scheme = "torch_default"
[network]
layers = [{ repeat = 8, layers = [{ dense = 32 }, "relu"] }, { dense = 10 }]
[measure]
seed = 3
draws = 12
"#;

fn id(answer: &common::Answer) -> String {
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(faults("ensemble", &answer.json()), None);
    answer.json()["id"].as_str().expect("an id").to_owned()
}

fn through_text(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).expect("JSON")
}

/// Long enough to be still running when the test looks, cancelled when it is done.
fn long() -> Value {
    json!({
        "setting": { "activation": "tanh", "weight_variance": 1.5, "bias_variance": 0.1, "depth": 100, "width": 400 },
        "draws": 10_000,
    })
}

fn until(server: &Running, id: &str, stage: &str) -> Value {
    let begun = Instant::now();
    loop {
        let state = server.get(&format!("/api/ensembles/{id}")).json();
        if state["stage"] == stage {
            return state;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never {stage}: {state}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_spec_gets_the_report_of_check_and_an_upload_takes_the_place_of_its_data() {
    let server = start();
    let state = server.finished(&id(&server.post("/api/ensembles", &json!({ "spec": SPEC }))));
    assert_eq!(faults("ensemble", &state), None);
    let spec = parse_spec(SPEC).expect("a good spec");
    let source = firstguess_io::load_dataset("digits", None).expect("embedded");
    let data = spec.data.prepare(&source, 3).expect("inputs");
    let own = firstguess::check(&spec, &data, &mut ()).expect("a report");
    assert_eq!(state["report"], through_text(&own.to_json()));
    assert_eq!(state["report"]["findings"][0]["id"], "frozen-bias");

    let rows: Vec<String> =
        (0..50).map(|i| format!("{},{},{}", i % 7, (i * i) % 11, i % 3)).collect();
    let table = format!("a,b,label\n{}\n", rows.join("\n"));
    let upload = server.upload("boxes.csv", table.as_bytes());
    assert_eq!((upload.status, faults("upload", &upload.json())), (200, None), "{upload:?}");
    let order = json!({ "spec": SPEC, "data": upload.json()["id"], "draws": 5, "seed": 9 });
    let state = server.finished(&id(&server.post("/api/ensembles", &order)));
    let source = dataset_from_bytes("boxes.csv", table.as_bytes(), &ReadOptions::default())
        .expect("a table");
    let mut spec = spec;
    spec.data.dataset = Some("boxes.csv".to_owned());
    (spec.measure.draws, spec.measure.seed) = (5, 9);
    let data = spec.data.prepare(&source, 9).expect("inputs");
    let own = firstguess::check(&spec, &data, &mut ()).expect("a report");
    assert_eq!(state["report"], through_text(&own.to_json()));
}

#[test]
fn a_model_gets_the_report_of_check_on_its_own_inputs_and_on_digits() {
    let server = start();
    let bytes = include_bytes!("../../firstguess-io/tests/onnx/mlp_opset17.onnx");
    let upload = server.upload("mlp_opset17.onnx", bytes);
    assert_eq!((upload.status, faults("upload", &upload.json())), (200, None), "{upload:?}");
    let order = json!({ "model": upload.json()["id"], "draws": 6, "samples": 40, "seed": 2 });
    let state = server.finished(&id(&server.post("/api/ensembles", &order)));
    assert_eq!(
        (state["stage"].as_str(), faults("ensemble", &state)),
        (Some("done"), None),
        "{state}"
    );
    let model = OnnxModel::parse(bytes, None).expect("a model");
    let measure = MeasureSpec { draws: 6, seed: 2, ..MeasureSpec::default() };
    let study = model.study("mlp_opset17", None, Some(40), &measure).expect("layers");
    let own = study.check(&measure, &mut ()).expect("a report");
    assert_eq!(state["report"], through_text(&own.to_json()));

    // Data for a model, a model for data: told.
    let table = server.upload("t.csv", b"a,label\n1,0\n2,1\n3,0\n").json()["id"].clone();
    for order in [json!({ "model": table }), json!({ "spec": SPEC, "data": upload.json()["id"] })] {
        let answer = server.post("/api/ensembles", &order);
        assert!(answer.status == 400 && answer.body.contains(", no "), "{answer:?}");
    }
    let misfit = json!({ "model": upload.json()["id"], "data": table });
    let state = server.finished(&id(&server.post("/api/ensembles", &misfit)));
    assert_eq!(
        (state["stage"].as_str(), faults("ensemble", &state)),
        (Some("failed"), None),
        "{state}"
    );
}

#[test]
fn a_setting_is_measured_as_its_theory_predicts() {
    let server = start();
    for (pool, correlation) in [(Value::Null, 0.0), (json!("max:2"), 0.0), (Value::Null, 0.6)] {
        let order = json!({
            "setting": {
                "activation": "relu", "pool": pool, "weight_variance": 1.3, "bias_variance": 0.2, "depth": 4,
                "width": 256, "classes": 5, "input_correlation": correlation,
            },
            "draws": 24, "samples": 40, "seed": 1,
        });
        let state = server.finished(&id(&server.post("/api/ensembles", &order)));
        assert_eq!((state["stage"].as_str(), faults("ensemble", &state)), (Some("done"), None));
        let pool = pool.as_str().map_or_else(String::new, |pool| format!("&pool={pool}"));
        let query = format!(
            "activation=relu&weight_variance=1.3&bias_variance=0.2&depth=4&classes=5&input_correlation={correlation}{pool}"
        );
        let point = server.get(&format!("/api/point?{query}")).json();
        for layer in 0..4 {
            for column in ["q", "c"] {
                let theory = point["layers"][column][layer].as_f64().expect("a number");
                let found = &state["measured"]["layers"][column][layer];
                let (value, error) = (
                    found["value"].as_f64().expect("a number"),
                    found["std_error"].as_f64().expect("a number"),
                );
                // Five standard errors, and what width 256 and 512 features leave.
                assert!(
                    (value - theory).abs() < 5.0 * error + 0.02 * theory.abs() + 0.01,
                    "{column} of layer {layer}: {theory} vs {found}, {query}"
                );
            }
        }
    }
}

#[test]
fn progress_is_streamed_and_an_ensemble_is_cancelled() {
    let server = start();
    let name = id(&server.post("/api/ensembles", &long()));
    until(&server, &name, "running");
    let path = format!("/api/ensembles/{name}");
    let address = server.address;
    let listener = {
        let path = format!("{path}/events");
        thread::spawn(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).expect("a connection");
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("sent");
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("the whole stream");
            text
        })
    };
    // The interface stays live while networks are measured.
    assert_eq!(
        server.get("/api/point?activation=tanh&weight_variance=1&bias_variance=0").status,
        200
    );
    thread::sleep(Duration::from_millis(300));
    let cancelled = server.ask("DELETE", &path, &[], b"");
    assert_eq!((cancelled.status, cancelled.json()["stage"].as_str()), (200, Some("cancelled")));
    let text = listener.join().expect("listened");
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("event: running") && text.contains("event: cancelled"), "{text}");
    for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let state: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(faults("ensemble", &state), None);
    }
    // Once more: forgotten.
    assert_eq!(server.ask("DELETE", &path, &[], b"").status, 200);
    assert_eq!(server.get(&path).status, 404);
}

#[test]
fn the_queue_is_bounded_and_moves_on() {
    let server = start();
    let first = id(&server.post("/api/ensembles", &long()));
    until(&server, &first, "running");
    let waiting: Vec<String> =
        (0..8).map(|_| id(&server.post("/api/ensembles", &long()))).collect();
    let full = server.post("/api/ensembles", &long());
    assert_eq!((full.status, full.header("retry-after")), (429, Some("2")), "{full:?}");
    assert_eq!(full.json()["error"]["code"], "busy");
    assert_eq!(
        server.get("/api/health").json()["ensembles"],
        json!({ "running": 1, "waiting": 8 })
    );
    for name in &waiting {
        assert_eq!(server.ask("DELETE", &format!("/api/ensembles/{name}"), &[], b"").status, 200);
    }
    let short = json!({ "spec": SPEC, "draws": 2 });
    let next = id(&server.post("/api/ensembles", &short));
    assert_eq!(server.get(&format!("/api/ensembles/{next}")).json()["stage"], "waiting");
    assert_eq!(server.ask("DELETE", &format!("/api/ensembles/{first}"), &[], b"").status, 200);
    assert_eq!(server.finished(&next)["stage"], "done");
}

#[test]
fn orders_that_cannot_be_filled_are_refused_at_once_or_with_the_reason() {
    let server = start();
    let setting = |more: Value| {
        let mut setting = json!({ "activation": "tanh", "weight_variance": 1, "bias_variance": 0 });
        for (name, value) in more.as_object().expect("fields") {
            setting[name] = value.clone();
        }
        setting
    };
    let with = |data: &str| SPEC.replace("\"digits\"", &format!("{data:?}"));
    for (order, status, words) in [
        (
            json!({ "setting": setting(json!({})), "spec": SPEC }),
            400,
            "give one of `setting`, `spec` and `model`",
        ),
        (json!({ "setting": setting(json!({ "depth": 2000 })) }), 422, "from 1 to 1000"),
        (
            json!({ "setting": setting(json!({ "activation": "tann" })) }),
            400,
            "did you mean `tanh`?",
        ),
        (json!({ "setting": setting(json!({ "input_correlation": 1 })) }), 400, "up to 0.999"),
        (json!({ "setting": setting(json!({})), "draws": 0 }), 400, "from 1 to 10000"),
        (json!({ "setting": setting(json!({})), "draws": 10_001 }), 422, "from 1 to 10000"),
        (json!({ "setting": setting(json!({})), "samples": 100_000 }), 422, "from 2 to 5000"),
        (
            json!({ "setting": setting(json!({})), "data": "/etc/passwd" }),
            400,
            "no data set that the explorer knows",
        ),
        (json!({ "setting": setting(json!({})), "data": "upload7" }), 404, "no upload"),
        (json!({ "spec": with("/etc/passwd") }), 400, "opens no path"),
        (json!({ "spec": with("./digits") }), 400, "opens no path"),
        (json!({ "spec": SPEC.replace("scheme", "shceme") }), 400, "did you mean `scheme`?"),
        (json!({ "spec": SPEC.replace("draws = 12", "draws = 5000000") }), 422, "from 1 to 10000"),
        (json!({ "spec": "" }), 400, "the spec is empty"),
    ] {
        let answer = server.post("/api/ensembles", &order);
        assert_eq!(answer.status, status, "{order}: {answer:?}");
        assert_eq!(faults("error", &answer.json()), None);
        let error = answer.json()["error"].to_string();
        assert!(error.contains(words), "{order}: {error}");
    }
    let misspelt =
        server.post("/api/ensembles", &json!({ "spec": SPEC.replace("scheme", "shceme") }));
    let span = misspelt.json()["error"]["span"].clone();
    let start = usize::try_from(span[0].as_u64().expect("a place")).expect("small");
    assert!(SPEC.replace("scheme", "shceme")[start..].starts_with("shceme"));
    // What only the data and the network together show.
    for (spec, words) in [
        (SPEC.replace("{ dense = 10 }", "{ dense = 3 }"), "3 logits"),
        (
            SPEC.replace("repeat = 8", "repeat = 20").replace("dense = 32", "dense = 4000"),
            "parameters, at most",
        ),
        (
            SPEC.replace("repeat = 8", "repeat = 3000").replace("dense = 32", "dense = 4"),
            "layers with weights",
        ),
    ] {
        let state = server.finished(&id(&server.post("/api/ensembles", &json!({ "spec": spec }))));
        assert_eq!((state["stage"].as_str(), faults("ensemble", &state)), (Some("failed"), None));
        assert!(state["error"].to_string().contains(words), "{state}");
    }
}

#[test]
fn broken_uploads_are_refused_and_old_ones_make_room() {
    let server = start();
    for (name, bytes, words) in [
        ("x.npz", &b"PK\x03\x04 not a zip"[..], "damaged zip"),
        ("x.npy", b"\x93NUMPY\x01\x00\xff\xff", "x.npy"),
        ("x.csv", b"a,b\n1,two,3\n", "x.csv"),
        ("x.parquet", b"PAR1PAR1", "x.parquet"),
        ("model.onnx", b"\x08\x07", "model.onnx"),
        ("", b"1,2\n", "needs a name"),
        ("x.bin", b"123", "x.bin"),
    ] {
        let answer = server.upload(name, bytes);
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        assert_eq!(faults("error", &answer.json()), None);
        assert!(answer.body.contains(words), "{name}: {answer:?}");
    }
    let table = b"a,label\n1,0\n2,1\n3,0\n";
    let ids: Vec<Value> =
        (0..9).map(|_| server.upload("t.csv", table).json()["id"].clone()).collect();
    let order = |id: &Value| json!({ "setting": { "activation": "tanh", "weight_variance": 1, "bias_variance": 0 }, "data": id, "draws": 2 });
    assert_eq!(server.post("/api/ensembles", &order(&ids[0])).status, 404);
    assert_eq!(
        server.finished(&id(&server.post("/api/ensembles", &order(&ids[8]))))["stage"],
        "done"
    );
}
