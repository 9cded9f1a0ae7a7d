//! Input that nobody should give: each is one clear error, exit 2, nothing on stdout, no panic, no file left behind.

mod common;

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::{Outcome, outcome, program};
use tempfile::TempDir;

const GOOD: &str = "[data]\ndataset = \"digits\"\nsamples = 20\n[init]\nscheme = \"he_normal\"\n[network]\nlayers = [{ dense = 16 }, \"relu\", { dense = 10 }]\n[measure]\ndraws = 2\n";

/// A folder with a good spec and the files of one case.
fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("good.toml"), GOOD).expect("written");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    }
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn refused(call: &str, folder: &Path, words: &[&str]) {
    let before = names(folder);
    let arguments: Vec<&str> = call.split(' ').filter(|word| !word.is_empty()).collect();
    let Outcome { code, stdout, stderr } = outcome(program(&arguments).current_dir(folder));
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "`{call}`: {stderr}");
    assert_eq!(stderr.matches("error:").count(), 1, "`{call}`: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "`{call}` lacks {word}:\n{stderr}");
    }
    for leak in ["panicked", "RUST_BACKTRACE", "unwrap", ".rs:"] {
        assert!(!stderr.contains(leak), "`{call}` shows {leak}:\n{stderr}");
    }
    assert!(stderr.len() < 2500, "`{call}`: {} bytes of error", stderr.len());
    assert_eq!(names(folder), before, "`{call}` left something behind");
}

#[test]
fn flags_outside_their_domain() {
    let here = folder(&[]);
    for (call, words) in [
        ("check good.toml --draws 0", &["--draws", "from 1"][..]),
        ("check good.toml --draws -3", &["--draws"]),
        ("check good.toml --draws 1e99", &["--draws"]),
        ("check good.toml --samples 0", &["--samples"]),
        ("check good.toml --threads 0", &["--threads", "from 1"]),
        ("check good.toml --threads -1", &["--threads"]),
        ("check good.toml --seed -1", &["--seed"]),
        ("check good.toml --seed 1.5", &["--seed"]),
        ("check good.toml --fail-on maybe", &["error", "warning", "never"]),
        ("check good.toml another.toml", &["another.toml"]),
        ("guess --gamma 1 --classes 1", &["from 2"]),
        ("guess --gamma -0.5 --classes 3", &["at least 0"]),
        ("guess --gamma nan --classes 3", &["--gamma"]),
        ("guess --correlation 1.5 --classes 3", &["from 0 to 1"]),
        ("guess --gamma 1 --classes 99999999999999999999", &["--classes"]),
        ("guess --gamma 1 --classes 3 --threads 0", &["--threads"]),
        ("critical --activation tnah --bias-variance 0.1", &["`tanh`"]),
        ("critical --activation tanh --bias-variance -1", &["--bias-variance", "at least 0"]),
        ("critical --activation tanh --bias-variance inf", &["finite"]),
        ("critical --activation x/0 --bias-variance 0.1", &["x/0"]),
        ("critical --activation leaky_relu(nan) --bias-variance 0.1", &["`slope`"]),
        (
            "predict --activation relu --weight-variance 0x2 --bias-variance 0",
            &["--weight-variance"],
        ),
        ("predict --activation relu --weight-variance 2 --bias-variance 0 --depth 0", &["from 1"]),
        ("explain frozen-bais", &["frozen-bias"]),
        ("cite pool2016", &["poole2016"]),
    ] {
        refused(call, here.path(), words);
    }
}

#[test]
fn files_that_are_no_specs() {
    let deep = |open: &str, close: &str, times: usize| {
        let bomb = open.repeat(times) + "{ dense = 10 }" + &close.repeat(times);
        format!("[init]\nscheme = \"he_normal\"\n[network]\nlayers = [{bomb}]\n").into_bytes()
    };
    let here = folder(&[
        ("empty.toml", Vec::new()),
        ("blank.toml", b" \n\n\t".to_vec()),
        ("binary.toml", (0..=255).collect()),
        ("latin1.toml", b"name = \"caf\xe9\"\n".to_vec()),
        ("utf16.toml", b"\xff\xfe[\0i\0n\0i\0t\0]\0".to_vec()),
        ("cut.toml", GOOD.as_bytes()[..70].to_vec()),
        ("nested.toml", deep("{ repeat = 50000, layers = [", "] }", 12)),
        ("abyss.toml", deep("{ repeat = 1, layers = [", "] }", 5000)),
        ("brackets.toml", [b"a = ".to_vec(), vec![b'['; 400_000]].concat()),
        ("huge.toml", vec![b'#'; 2 << 20]),
        ("units.toml", GOOD.replace("16", "1000000000").into_bytes()),
        ("negative.toml", GOOD.replace("16", "-16").into_bytes()),
        ("nan.toml", GOOD.replace("he_normal\"", "he_normal\"\nbias_variance = nan").into_bytes()),
        ("twice.toml", GOOD.replace("samples = 20", "samples = 20\nsamples = 30").into_bytes()),
        ("draws.toml", GOOD.replace("draws = 2", "draws = 0").into_bytes()),
        ("seed.toml", GOOD.replace("draws = 2", "draws = 2\nseed = -1").into_bytes()),
        ("key.toml", GOOD.replace("scheme", "shceme").into_bytes()),
        ("name.toml", GOOD.replace("relu", "rleu").into_bytes()),
    ]);
    std::fs::create_dir(here.path().join("folder.toml")).expect("a folder");
    for (name, words) in [
        ("empty.toml", &["empty"][..]),
        ("blank.toml", &["empty"]),
        ("binary.toml", &["binary.toml"]),
        ("latin1.toml", &["UTF-8"]),
        ("utf16.toml", &["UTF-8"]),
        ("cut.toml", &["cut.toml"]),
        ("nested.toml", &["nested.toml"]),
        ("abyss.toml", &["abyss.toml"]),
        ("brackets.toml", &["brackets.toml"]),
        ("huge.toml", &["larger than"]),
        ("units.toml", &["between 1 and 1048576"]),
        ("negative.toml", &["-16"]),
        ("nan.toml", &["bias_variance"]),
        ("twice.toml", &["samples"]),
        ("draws.toml", &["draws"]),
        ("seed.toml", &["seed"]),
        ("key.toml", &["did you mean `scheme`"]),
        ("name.toml", &["did you mean `relu`"]),
        ("folder.toml", &["folder.toml"]),
        ("missing.toml", &["missing.toml"]),
    ] {
        for verb in ["check", "predict"] {
            refused(&format!("{verb} {name}"), here.path(), words);
        }
    }
    #[cfg(unix)]
    for (device, word) in [("/dev/null", "empty"), ("/dev/zero", "larger than")] {
        refused(&format!("check {device}"), here.path(), &[word]);
    }
}

#[test]
fn files_that_are_no_data() {
    let here = folder(&[
        ("empty.csv", Vec::new()),
        ("binary.csv", (0..=255).cycle().take(5000).collect()),
        ("negative.csv", b"a,label\n1,0\n2,-1\n".to_vec()),
        ("beyond.csv", b"a,label\n1,0\n2,12\n".to_vec()),
        ("nan.csv", b"a,label\nnan,0\n2,1\n".to_vec()),
        ("cut.npz", b"PK\x03\x04\x14\0".to_vec()),
        ("cut.npy", b"\x93NUMPY\x01\0\xff\xff{'descr'".to_vec()),
        ("claim.npy", claim()),
        ("images-idx3-ubyte", vec![0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff]),
    ]);
    std::fs::create_dir(here.path().join("folder")).expect("a folder");
    for (name, words) in [
        ("empty.csv", &["empty"][..]),
        ("binary.csv", &["binary.csv"]),
        ("negative.csv", &["-1"]),
        ("beyond.csv", &["10 logits", "13 classes"]),
        ("nan.csv", &["finite"]),
        ("cut.npz", &["cut.npz"]),
        ("cut.npy", &["cut.npy"]),
        ("claim.npy", &["claim.npy"]),
        ("images-idx3-ubyte", &["images-idx3-ubyte"]),
        ("folder", &["folder"]),
        ("missing.npz", &["missing.npz"]),
        ("digts", &["digits"]),
    ] {
        refused(&format!("check good.toml --data {name}"), here.path(), words);
    }
}

/// A header that claims 2^50 values.
fn claim() -> Vec<u8> {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1125899906842624,), }\n";
    let length = u16::try_from(header.len()).expect("short").to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], header.as_bytes()].concat()
}

/// Nobody may read it; the superuser may.
#[cfg(unix)]
#[test]
fn files_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let here =
        folder(&[("secret.toml", GOOD.as_bytes().to_vec()), ("secret.csv", b"a\n1\n".to_vec())]);
    for name in ["secret.toml", "secret.csv"] {
        let path = here.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("set");
        if std::fs::read(&path).is_ok() {
            return;
        }
    }
    refused("check secret.toml", here.path(), &["secret.toml", "cannot be read"]);
    refused("check good.toml --data secret.csv", here.path(), &["secret.csv"]);
}

/// `firstguess check | head`: no message, no failure.
#[test]
fn a_reader_that_leaves_before_the_report() {
    let here = folder(&[]);
    for form in [&["check", "good.toml"][..], &["check", "good.toml", "--json"]] {
        let mut child = program(form)
            .current_dir(here.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        assert_eq!(output.status.code(), Some(0), "{form:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{form:?}");
    }
}

/// Ctrl-C in the middle of the measurement: nothing on stdout, nothing in the folder.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    let long = GOOD.replace("draws = 2", "draws = 1000000").replace("16", "256");
    let here = folder(&[("long.toml", long.into_bytes())]);
    let before = names(here.path());
    let mut child = program(&["check", "long.toml", "--threads", "1"])
        .current_dir(here.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(Duration::from_millis(400));
    let sent = std::process::Command::new("sh")
        // A parent that ignores Ctrl-C (`nohup`, a job in the background) hands that on to us: then the other way to end it.
        .args([
            "-c",
            &format!("kill -INT {0}; sleep 1; kill -TERM {0} 2>/dev/null || true", child.id()),
        ])
        .status()
        .expect("a shell");
    assert!(sent.success(), "the measurement had already ended");
    let status = child.wait().expect("the program ends");
    assert!(!status.success());
    let mut written = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut written).expect("UTF-8");
    assert_eq!(written, "");
    assert_eq!(names(here.path()), before);
}
