//! `sweep`: what is computed, what is kept through kills and full disks, and what is refused.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Outcome, firstguess, json, program};

/// 60 points in 12 chunks.
const GRID: &str = "command = \"phase-point\"\nchunk = 5\n[grid]\nactivation = [\"tanh\", \"relu\"]\n\
                    bias_variance = { start = 1e-3, stop = 0.5, num = 5, scale = \"log\" }\n\
                    weight_variance = { start = 0.5, stop = 3, num = 6 }\n";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn grid(&self, text: &str) -> String {
        let path = self.path("grid.toml");
        fs::write(&path, text).expect("writable");
        path.to_string_lossy().into_owned()
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A sweep of the grid into a folder of this name.
    fn sweep(&self, grid: &str, out: &str, more: &[&str]) -> Outcome {
        let (grid, out) = (self.grid(grid), self.text(out));
        firstguess(&[&["sweep", &grid, "-o", &out], more].concat())
    }
}

/// Every file of a sweep's folder but locks, with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for part in [folder.to_owned(), folder.join("chunks")] {
        for entry in fs::read_dir(&part).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_file() && !name.starts_with(".lock") {
                found.insert(name, fs::read(entry.path()).expect("readable"));
            }
        }
    }
    found
}

#[track_caller]
fn refused(outcome: &Outcome, expected: &[&str]) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{}", outcome.stderr);
    // The code frame breaks long lines.
    let said: String = outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in expected {
        assert!(said.contains(text), "`{text}` is not in: {}", outcome.stderr);
    }
}

#[test]
fn bytes_are_the_same_for_any_threads_shards_and_runs() {
    let place = Place::new();
    let first = place.sweep(GRID, "a", &["--threads", "1"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stdout.contains("60 points"), "{}", first.stdout);
    let all = files(&place.path("a"));
    assert_eq!(all.len(), 13);
    assert_eq!(place.sweep(GRID, "b", &["--threads", "2"]).code, Some(0));
    assert_eq!(files(&place.path("b")), all);
    for shard in ["2/3", "3/3", "1/3"] {
        let outcome = place.sweep(GRID, "c", &["--shard", shard, "--json", "--quiet"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let value: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        assert_eq!((&value["computed"], &value["shard"]), (&20.into(), &shard.into()));
        assert_eq!(value["complete"], shard == "1/3");
    }
    assert_eq!(files(&place.path("c")), all);
    // Nothing is computed twice.
    let again = json(&["sweep", &place.grid(GRID), "-o", &place.text("a")]);
    assert_eq!((&again["computed"], &again["done"]), (&0.into(), &60.into()));
    assert!(again["failures"].as_array().is_some_and(Vec::is_empty));
    let status = json(&["sweep", "status", &place.text("a")]);
    assert_eq!((&status["remaining"], &status["complete"]), (&0.into(), &true.into()));
    let merged = json(&["sweep", "merge", &place.text("a"), "-o", &place.text("a.csv")]);
    assert_eq!(merged["points"], 60);
    let table = fs::read_to_string(place.path("a.csv")).expect("written");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), rows[0][0], rows[0][1]), (61, "point", "key"));
    let points: Vec<String> = rows[1..].iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(points, (0..60).map(|point| point.to_string()).collect::<Vec<_>>());
}

/// The points of a sweep are what the commands print for the same question.
#[test]
fn points_are_the_commands_own_answers() {
    let place = Place::new();
    let grid = "command = \"predict\"\njson = true\n[grid]\nactivation = [\"tanh\", \"x*sigmoid(x)\"]\n\
                depth = 7\n[[zip]]\nweight_variance = [1.5, 3]\nbias_variance = [0.1, 0]\n";
    assert_eq!(place.sweep(grid, "a", &[]).code, Some(0));
    let rows = answers(&place, "a");
    assert_eq!(rows.len(), 4);
    let options = [("tanh", "1.5", "0.1"), ("tanh", "3", "0"), ("x*sigmoid(x)", "1.5", "0.1")];
    for ((activation, weight, bias), row) in options.into_iter().zip(&rows) {
        let direct = json(&[
            "predict",
            "--activation",
            activation,
            "--weight-variance",
            weight,
            "--bias-variance",
            bias,
            "--depth",
            "7",
        ]);
        assert_eq!(row, &direct);
    }
    let spec = "command = \"check\"\njson = true\nspec = { init = { scheme = \"he_normal\" }, network = \
                { layers = [{ dense = 16 }, \"relu\", { dense = 10 }] } }\n[grid]\ndraws = 3\n\
                network.layers.0.dense = [8, 16]\nseed = [5]\ndata.samples = 50\n";
    assert_eq!(place.sweep(spec, "b", &[]).code, Some(0));
    let model = "[data]\ndataset = \"digits\"\nstandardize = \"feature\"\nsamples = 50\n[init]\nscheme = \"he_normal\"\n[network]\n\
                 layers = [{ dense = 16 }, \"relu\", { dense = 10 }]\n";
    fs::write(place.path("m.toml"), model).expect("writable");
    let direct = json(&["check", &place.text("m.toml"), "--draws", "3", "--seed", "5"]);
    assert_eq!(answers(&place, "b")[1], direct);
}

/// The column `json` of a merged sweep.
fn answers(place: &Place, out: &str) -> Vec<serde_json::Value> {
    let (folder, file) = (place.text(out), place.text("answers.csv"));
    let outcome = firstguess(&["sweep", "merge", &folder, "-o", &file]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let text = fs::read_to_string(&file).expect("written");
    // The column is the last one: in quotes, its own quotes doubled.
    let rows = text.lines().skip(1).map(|line| {
        let start = line.find("\"{").expect("an object") + 1;
        line[start..line.len() - 1].replace("\"\"", "\"")
    });
    rows.map(|row| serde_json::from_str(&row).expect("JSON")).collect()
}

#[test]
fn a_failing_point_is_a_row_with_its_error() {
    let place = Place::new();
    let grid = "command = \"predict\"\n[grid]\nactivation = [\"relu\", \"rleu\"]\n\
                weight_variance = [2, -1]\nbias_variance = 0\n";
    let outcome = place.sweep(grid, "a", &["--json", "--quiet"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let value: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!((&value["done"], &value["failed"]), (&4.into(), &3.into()));
    let failures = value["failures"].to_string();
    assert!(failures.contains("relu") && failures.contains("at least 0"), "{failures}");
    let text = firstguess(&["sweep", "status", &place.text("a")]);
    assert!(text.stdout.contains("4 of 4 points done, 3 failed"), "{}", text.stdout);
    // They stay as they are, unless they are to be tried again.
    let again = place.sweep(grid, "a", &["--json", "--quiet"]);
    assert!(again.stdout.contains("\"computed\": 0"), "{}", again.stdout);
    let again = place.sweep(grid, "a", &["--json", "--quiet", "--retry-failed"]);
    assert!(again.stdout.contains("\"computed\": 3"), "{}", again.stdout);
}

#[test]
fn hostile_grids_are_refused() {
    let place = Place::new();
    let of = |command: &str, grid: &str| {
        place.sweep(&format!("command = \"{command}\"\n{grid}"), "never", &[])
    };
    let tanh = "[grid]\nactivation = \"tanh\"\nbias_variance = 0\n";
    let million = "{ start = 0, stop = 1, num = 1000000 }";
    let vast = format!("{tanh}weight_variance = {million}\ninput_correlation = {million}");
    refused(&of("predict", &vast), &["1000000000000 points", "at most 1000000000"]);
    refused(&of("predict", &format!("{tanh}weight_variance = [1, nan]")), &["NaN"]);
    refused(&of("predict", &format!("{tanh}weight_variance = []")), &["empty list"]);
    refused(
        &of("predict", &format!("{tanh}weihgt_variance = [1]")),
        &["did you mean `weight_variance`"],
    );
    refused(&of("predict", &format!("{tanh}weight_variance = [1, 1.0]")), &["twice"]);
    refused(&of("predict", tanh), &["--weight-variance"]);
    refused(&of("check", &format!("{tanh}budget = 3")), &["asks of a network"]);
    refused(&of("phase-points", tanh), &["did you mean `phase-point`"]);
    refused(
        &of("phase-point", &format!("{tanh}weight_variance = 1\ndepth = 3")),
        &["no field `depth`"],
    );
    refused(
        &of("predict", &format!("{tanh}\n[[zip]]\nweight_variance = [1, 2]\ndepth = [1, 2, 3]")),
        &["side by side", "`depth` has 3"],
    );
    let spec =
        "spec = { init = { scheme = \"he_normal\" }, network = { layers = [\"relu\"] } }\n[grid]\n";
    refused(&of("check", &format!("{spec}budget = 3")), &["no field `budget`"]);
    refused(
        &of("check", &format!("{spec}init.bias_varianc = 3")),
        &["did you mean `bias_variance`"],
    );
    refused(&of("check", &format!("{spec}network.layers.4.dense = 3")), &["list of 1"]);
    let list = "1,".repeat(9 << 20);
    refused(&of("predict", &format!("{tanh}depth = [{list}]")), &["larger than"]);
    refused(&firstguess(&["sweep", "no/such/grid.toml", "-o", "x"]), &["cannot be read"]);
    refused(&firstguess(&["sweep", &place.grid(GRID), "-o", "x", "--shard", "4/3"]), &["1 to 3"]);
    refused(&firstguess(&["sweep", "status", &place.text("never")]), &["holds no sweep"]);
    refused(&firstguess(&["sweep", "merge", &place.text("never")]), &["holds no sweep"]);
    refused(&place.sweep(GRID, "never", &["--seed", "3"]), &["`seed = 3` under [grid]"]);
    assert!(!place.path("never").exists());
}

#[test]
fn a_folder_belongs_to_one_grid() {
    let place = Place::new();
    assert_eq!(place.sweep(GRID, "a", &[]).code, Some(0));
    let before = files(&place.path("a"));
    for (change, expected) in [
        (GRID.replace("stop = 3", "stop = 4"), "its `weight_variance` is"),
        (GRID.replace("chunk = 5", "chunk = 6"), "its `chunk` is 5, here it is 6"),
        (GRID.replace("phase-point", "predict"), "its `command` is"),
        (GRID.replace("[\"tanh\", \"relu\"]", "[\"tanh\"]"), "its `activation` is"),
        (format!("{GRID}pool = \"max:2\""), "it has no field `pool`"),
    ] {
        refused(&place.sweep(&change, "a", &[]), &["another sweep", expected, "new folder"]);
    }
    refused(&place.sweep(GRID, "a", &["--no-resume"]), &["holds a sweep already"]);
    let manifest = fs::read_to_string(place.path("a/sweep.json")).expect("there");
    let other = manifest.replace("\"numerical_version\": 1", "\"numerical_version\": 999");
    fs::write(place.path("a/sweep.json"), &other).expect("writable");
    refused(&place.sweep(GRID, "a", &[]), &["numerical version 999"]);
    fs::write(place.path("a/sweep.json"), "{").expect("writable");
    refused(&place.sweep(GRID, "a", &[]), &["damaged"]);
    fs::write(place.path("a/sweep.json"), &manifest).expect("writable");
    assert_eq!(files(&place.path("a")), before);
    fs::create_dir(place.path("mine")).expect("made");
    fs::write(place.path("mine/thesis.tex"), "x").expect("writable");
    refused(&place.sweep(GRID, "mine", &[]), &["not empty", "thesis.tex"]);
    assert_eq!(files(&place.path("mine")).len(), 1);
    // A data file is part of the question.
    fs::write(place.path("x.csv"), "a,b,label\n1,2,0\n3,4,1\n5,7,0\n").expect("writable");
    let spec = format!(
        "command = \"check\"\nspec = {{ data = {{ dataset = {:?} }}, init = {{ scheme = \"he_normal\" }}, network = \
         {{ layers = [{{ dense = 4 }}, \"relu\", {{ dense = 2 }}] }} }}\n[grid]\ndraws = [2, 3]\n",
        place.text("x.csv")
    );
    assert_eq!(place.sweep(&spec, "data", &[]).code, Some(0));
    fs::write(place.path("x.csv"), "a,b,label\n1,2,0\n3,4,1\n5,8,0\n").expect("writable");
    refused(&place.sweep(&spec, "data", &[]), &["data file", "other contents"]);
}

#[test]
fn a_damaged_chunk_is_put_aside_and_computed_again() {
    let place = Place::new();
    assert_eq!(place.sweep(GRID, "a", &[]).code, Some(0));
    let before = files(&place.path("a"));
    let chunk = place.path("a/chunks/chunk-00000003.parquet");
    let half = &before["chunk-00000003.parquet"][..200];
    fs::write(&chunk, half).expect("writable");
    fs::copy(
        place.path("a/chunks/chunk-00000001.parquet"),
        place.path("a/chunks/chunk-00000002.parquet"),
    )
    .expect("writable");
    refused(&firstguess(&["sweep", "merge", &place.text("a")]), &["damaged"]);
    let again = place.sweep(GRID, "a", &["--json", "--quiet"]);
    assert!(again.stdout.contains("\"computed\": 10"), "{}", again.stdout);
    let mut after = files(&place.path("a"));
    assert_eq!(after.remove("chunk-00000003.parquet.damaged").as_deref(), Some(half));
    assert!(after.remove("chunk-00000002.parquet.damaged").is_some());
    assert_eq!(after, before);
    fs::remove_file(&chunk).expect("there");
    refused(&firstguess(&["sweep", "merge", &place.text("a")]), &["1 of 12 chunks are missing"]);
    let merged = json(&["sweep", "merge", &place.text("a"), "--partial"]);
    assert_eq!(merged["points"], 55);
}

/// Some seconds of work in many chunks.
const SLOW: &str = "command = \"predict\"\nchunk = 2\n[grid]\nactivation = [\"x*tanh(log(1+exp(x)))\", \"sin(x)*exp(-x^2)\"]\n\
                    bias_variance = { start = 0.01, stop = 0.5, num = 8 }\n\
                    weight_variance = { start = 0.5, stop = 3, num = 8 }\n";

fn started(place: &Place, grid: &str, out: &str, more: &[&str]) -> Child {
    let (grid, out) = (place.grid(grid), place.text(out));
    let mut command = program(&[&["sweep", &grid, "-o", &out, "--quiet"], more].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts")
}

/// Waits until a folder has a chunk.
fn at_work(folder: &Path) {
    let start = Instant::now();
    while fs::read_dir(folder.join("chunks")).map_or(0, Iterator::count) == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing happens");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn two_sweeps_in_one_folder_are_refused_but_shards_share_it() {
    let place = Place::new();
    let mut first = started(&place, SLOW, "a", &["--threads", "1"]);
    at_work(&place.path("a"));
    refused(&place.sweep(SLOW, "a", &[]), &["in use", "another sweep", "--shard"]);
    refused(&place.sweep(SLOW, "a", &["--shard", "1/2"]), &["in use", "without --shard"]);
    first.kill().expect("killed");
    first.wait().expect("ended");
    let mut shard = started(&place, SLOW, "a", &["--shard", "1/2", "--threads", "1"]);
    let start = Instant::now();
    while !place.path("a/.lock-1-of-2").exists() && start.elapsed() < Duration::from_secs(30) {
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(30));
    refused(&place.sweep(SLOW, "a", &["--shard", "1/2"]), &["shard 1/2 is at work"]);
    refused(&place.sweep(SLOW, "a", &["--shard", "3/4"]), &["divided into 2 shards"]);
    refused(&place.sweep(SLOW, "a", &[]), &["in use"]);
    shard.kill().expect("killed");
    shard.wait().expect("ended");
}

/// Every run is killed after a while of its own; what is there is always right, and in the end all of it.
#[test]
fn kill_9_at_random_moments_loses_and_doubles_nothing() {
    let kills = if std::env::var_os("FIRSTGUESS_LONG").is_some() { 50 } else { 6 };
    let place = Place::new();
    let start = Instant::now();
    assert_eq!(place.sweep(SLOW, "reference", &["--threads", "2"]).code, Some(0));
    let whole = start.elapsed();
    let reference = files(&place.path("reference"));
    assert_eq!(reference.len(), 65);
    let (mut killed, mut litter, mut finished, mut number) = (0, 0, 0, 0);
    let mut random: u64 = 12345;
    while killed < kills || finished == 0 {
        number += 1;
        let out = format!("run{number}");
        loop {
            let mut child = started(&place, SLOW, &out, &["--threads", "2"]);
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let part = (random >> 40) as f64 / (1_u64 << 24) as f64;
            let until =
                Instant::now() + whole.mul_f64(if killed < kills { 0.6 * part } else { 60.0 });
            let mut over = child.try_wait().expect("asked").is_some();
            while !over && Instant::now() < until {
                sleep(Duration::from_micros(300));
                over = child.try_wait().expect("asked").is_some();
            }
            if over {
                // It came through, and left nothing but the sweep.
                assert_eq!(files(&place.path(&out)), reference);
                finished += 1;
                break;
            }
            child.kill().expect("killed");
            child.wait().expect("ended");
            killed += 1;
            for (name, bytes) in files(&place.path(&out)) {
                if name.starts_with(".firstguess-") {
                    litter += 1;
                } else {
                    assert_eq!(Some(&bytes), reference.get(&name), "{name} after {killed} kills");
                }
            }
        }
    }
    // Said where the test is run by hand.
    println!(
        "{killed} kills, {litter} half-written files seen and cleared, {finished} sweeps finished"
    );
}

#[cfg(unix)]
#[test]
fn a_full_disk_and_a_folder_that_cannot_be_written_are_said_and_nothing_is_lost() {
    let place = Place::new();
    assert_eq!(place.sweep(GRID, "reference", &[]).code, Some(0));
    let reference = files(&place.path("reference"));
    // No file beyond one block of 1024 bytes: the manifest fits, no chunk does.
    let limited = |out: &str| {
        let script = "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"";
        let mut command = std::process::Command::new("sh");
        command.args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_firstguess"),
            "sweep",
            &place.grid(GRID),
            "-o",
            &place.text(out),
        ]);
        common::outcome(&mut command)
    };
    refused(&limited("a"), &["the sweep stopped", "cannot write", "make room", "goes on with it"]);
    let left = files(&place.path("a"));
    assert_eq!(left.keys().collect::<Vec<_>>(), ["sweep.json"]);
    assert_eq!(place.sweep(GRID, "a", &[]).code, Some(0));
    assert_eq!(files(&place.path("a")), reference);
    refused(&place.sweep(GRID, "grid.toml/inside", &[]), &["cannot", "grid.toml"]);
    // Not even root makes a folder there.
    refused(
        &firstguess(&["sweep", &place.grid(GRID), "-o", "/proc/firstguess"]),
        &["cannot make the folder"],
    );
}

#[test]
fn phase_diagrams_come_from_sweeps() {
    let place = Place::new();
    assert_eq!(place.sweep(GRID, "a", &[]).code, Some(0));
    refused(&firstguess(&["phase", "--from", &place.text("a")]), &["relu, tanh", "--activation"]);
    let diagram = json(&["phase", "--from", &place.text("a"), "--activation", "tanh"]);
    assert_eq!(diagram["cells"].as_array().map(Vec::len), Some(30));
    assert_eq!(diagram["weight_variance"], serde_json::json!([0.5, 1.0, 1.5, 2.0, 2.5, 3.0]));
    let last = &diagram["cells"][29];
    assert_eq!((&last["weight_variance"], &last["bias_variance"]), (&3.0.into(), &0.5.into()));
    let direct = json(&[
        "phase",
        "--activation",
        "tanh",
        "--weight-variance",
        "0.5:3",
        "--bias-variance",
        "0.001:0.5",
        "--resolution",
        "6",
    ]);
    let corner = &direct["cells"][35];
    for field in ["phase", "prejudice"] {
        assert_eq!(corner[field], last[field], "{field}");
    }
    for field in ["q_star", "chi_1", "c_star"] {
        let (a, b) =
            (corner[field].as_f64().expect("a number"), last[field].as_f64().expect("a number"));
        assert!((a - b).abs() < 1e-8, "{field}: {a} {b}");
    }
    let csv = firstguess(&["phase", "--from", &place.text("a"), "--activation", "relu", "-o", "-"]);
    assert_eq!(
        csv.stdout.lines().filter(|line| line.starts_with("cell,")).count(),
        30,
        "{}",
        csv.stderr
    );
    // The same by simulation: the factor on gradients per layer tells order from chaos.
    let spec = "command = \"check\"\nspec = { init = { scheme = \"explicit\", weight_variance = 1, bias_variance = 0 }, \
                network = { layers = [{ repeat = 12, layers = [{ dense = 64 }, \"tanh\"] }, { dense = 10 }] } }\n[grid]\n\
                draws = 3\ndata.samples = 40\ninit.bias_variance = [0.05]\ninit.weight_variance = [0.6, 6]\n";
    assert_eq!(place.sweep(spec, "b", &[]).code, Some(0));
    let diagram = json(&["phase", "--from", &place.text("b")]);
    let phases: Vec<&str> = diagram["cells"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|cell| cell["phase"].as_str())
        .collect();
    assert_eq!(phases, ["ordered", "chaotic"]);
    let guess = "command = \"guess\"\n[grid]\ngamma = [1, inf]\nclasses = 3\n";
    assert_eq!(place.sweep(guess, "c", &[]).code, Some(0));
    refused(&firstguess(&["phase", "--from", &place.text("c")]), &["have no phase"]);
}
