//! Fetching from a mirror on this machine: what breaks off is continued, what is wrong is refused, what is right appears whole.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use firstguess_io::{Archive, FetchEvent, KnownFile, KnownSource, Origin, fetch};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A web server for the life of the test: files by path, and how many bytes it sends before it hangs up, once for each path.
#[derive(Clone, Default)]
struct Mirror {
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    hang_up_after: Arc<Mutex<HashMap<String, usize>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    /// Starts it and gives its address.
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let mirror = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                mirror.answer(&stream);
            }
        });
        address
    }

    fn answer(&self, mut stream: &TcpStream) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let request = lines.next().unwrap_or_default();
        let mut first = 0;
        for line in lines.take_while(|line| !line.is_empty()) {
            if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                first = range.trim_end_matches('-').parse().unwrap();
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        self.requests.lock().unwrap().push(format!("{path} from {first}"));
        let Some(file) = self.files.lock().unwrap().get(&path).cloned() else {
            let _ = stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
            return;
        };
        let body = &file[first.min(file.len())..];
        let status = if first > 0 { "206 Partial Content" } else { "200 OK" };
        let range = if first > 0 {
            format!("Content-Range: bytes {first}-{}/{}\r\n", file.len() - 1, file.len())
        } else {
            String::new()
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
            body.len()
        );
        let sent = self.hang_up_after.lock().unwrap().remove(&path).unwrap_or(body.len());
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body[..sent.min(body.len())]);
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

fn known(name: &str, bytes: &[u8]) -> KnownFile {
    KnownFile { name: name.to_owned(), bytes: bytes.len() as u64, sha256: sha256(bytes) }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Two files that no one could mistake.
fn files() -> [(&'static str, Vec<u8>); 2] {
    let bytes = |seed: u32, count: u32| {
        (0..count).flat_map(|i| (i.wrapping_mul(2_654_435_761) ^ seed).to_le_bytes()).collect()
    };
    [("images", bytes(1, 20_000)), ("labels", bytes(2, 50))]
}

/// A data set of these files, and the archives of a way that has them one by one.
fn source(ways: Vec<Vec<Archive>>) -> KnownSource {
    KnownSource {
        name: "tiny".to_owned(),
        title: "noise".to_owned(),
        licence: "none".to_owned(),
        shape: [1, 1, 1],
        files: files().iter().map(|(name, bytes)| known(name, bytes)).collect(),
        ways,
    }
}

fn way(address: &str) -> Vec<Archive> {
    let archive = |(name, bytes): &(&str, Vec<u8>)| {
        let file = known(&format!("{name}.gz"), &gzip(bytes));
        Archive { origin: Origin::Url(format!("{address}{}", file.name)), file }
    };
    files().iter().map(archive).collect()
}

fn serve(mirror: &Mirror) {
    for (name, bytes) in files() {
        mirror.put(&format!("{name}.gz"), &gzip(&bytes));
    }
}

/// Everything below a folder but empty folders.
fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn a_set_appears_whole_and_is_not_fetched_twice() {
    let (mirror, cache) = (Mirror::default(), tempfile::tempdir().unwrap());
    serve(&mirror);
    let source = source(vec![way(&mirror.start())]);
    assert!(!source.is_in(&source.folder(cache.path())));
    let mut progress = Vec::new();
    let folder = fetch(&source, cache.path(), &mut |event| {
        if let FetchEvent::Progress { done, total } = event {
            progress.push((done, total));
        }
    })
    .unwrap();
    for (name, bytes) in files() {
        assert_eq!(fs::read(folder.join(name)).unwrap(), bytes);
    }
    assert!(source.is_in(&folder) && progress.iter().all(|(done, total)| done <= total));
    // Archives and temporary folders are gone; the lock stays.
    assert_eq!(below(cache.path()), ["images", "labels", "tiny.lock"]);
    let requests = mirror.requests.lock().unwrap().len();
    let mut events = Vec::new();
    fetch(&source, cache.path(), &mut |event| events.push(format!("{event:?}"))).unwrap();
    assert_eq!(events, ["AlreadyThere"]);
    assert_eq!(mirror.requests.lock().unwrap().len(), requests);
    // A file that was changed without changing its size is seen and replaced.
    let mut bytes = fs::read(folder.join("labels")).unwrap();
    bytes[7] ^= 1;
    fs::write(folder.join("labels"), bytes).unwrap();
    fetch(&source, cache.path(), &mut |_| ()).unwrap();
    assert_eq!(fs::read(folder.join("labels")).unwrap(), files()[1].1);
    assert_eq!(below(cache.path()), ["images", "labels", "tiny.lock"]);
}

#[test]
fn what_breaks_off_is_continued_by_the_next_call() {
    let (mirror, cache) = (Mirror::default(), tempfile::tempdir().unwrap());
    serve(&mirror);
    mirror.hang_up_after.lock().unwrap().insert("images.gz".to_owned(), 30_000);
    let source = source(vec![way(&mirror.start())]);
    let error = fetch(&source, cache.path(), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot fetch `tiny`") && error.contains("by hand"), "{error}");
    assert!(!source.folder(cache.path()).exists());
    fetch(&source, cache.path(), &mut |_| ()).unwrap();
    let requests = mirror.requests.lock().unwrap().clone();
    assert_eq!(requests, ["images.gz from 0", "images.gz from 30000", "labels.gz from 0"]);
}

#[test]
fn wrong_bytes_are_never_believed_and_the_next_way_is_gone() {
    let (bad, good) = (Mirror::default(), Mirror::default());
    let cache = tempfile::tempdir().unwrap();
    serve(&bad);
    serve(&good);
    // As many bytes, one of them another.
    let mut images = gzip(&files()[0].1);
    images[40_000] ^= 1;
    bad.put("images.gz", &images);
    let source = source(vec![way(&bad.start()), way(&good.start())]);
    let mut failures = Vec::new();
    fetch(&source, cache.path(), &mut |event| {
        if let FetchEvent::Failed { why } = event {
            failures.push(why.to_owned());
        }
    })
    .unwrap();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].contains("SHA-256"), "{failures:?}");
    assert_eq!(below(cache.path()), ["images", "labels", "tiny.lock"]);
}

/// The archive is the known one, but what is in it is not: a catalogue with a slip.
#[test]
fn the_decoded_files_are_checked_too() {
    let (mirror, cache) = (Mirror::default(), tempfile::tempdir().unwrap());
    serve(&mirror);
    let mut slip = source(vec![way(&mirror.start())]);
    slip.files[1].sha256 = sha256(b"something else");
    let error = fetch(&slip, cache.path(), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("`labels` in it is not the known file"), "{error}");
    assert!(!slip.folder(cache.path()).exists());
}

#[test]
fn a_tar_archive_has_all_files_at_once() {
    let (mirror, cache) = (Mirror::default(), tempfile::tempdir().unwrap());
    let work = tempfile::tempdir().unwrap();
    fs::create_dir(work.path().join("package")).unwrap();
    for (name, bytes) in files() {
        fs::write(work.path().join("package").join(name), bytes).unwrap();
    }
    let tar =
        Command::new("tar").current_dir(work.path()).args(["czf", "a.tgz", "package"]).status();
    assert!(tar.unwrap().success());
    let bytes = fs::read(work.path().join("a.tgz")).unwrap();
    mirror.put("a.tgz", &bytes);
    let origin = Origin::Url(format!("{}a.tgz", mirror.start()));
    let source = source(vec![vec![Archive { origin, file: known("a.tgz", &bytes) }]]);
    let folder = fetch(&source, cache.path(), &mut |_| ()).unwrap();
    assert_eq!(fs::read(folder.join("images")).unwrap(), files()[0].1);
}

#[test]
fn nobody_there_is_said_with_every_way_that_was_tried() {
    let cache = tempfile::tempdir().unwrap();
    // A port that nobody listens on: it was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ways = vec![
        way(&format!("http://127.0.0.1:{port}/first/")),
        way(&format!("http://127.0.0.1:{port}/second/")),
    ];
    let error = fetch(&source(ways), cache.path(), &mut |_| ()).unwrap_err().to_string();
    for text in ["/first/", "/second/", "Offline?", "images, labels"] {
        assert!(error.contains(text), "{text}: {error}");
    }
}

/// The second waits for the first and finds its work done.
#[test]
fn two_calls_at_once_fetch_once() {
    let (mirror, cache) = (Mirror::default(), tempfile::tempdir().unwrap());
    serve(&mirror);
    let source = source(vec![way(&mirror.start())]);
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| fetch(&source, cache.path(), &mut |_| ())));
        for call in both {
            assert!(call.join().unwrap().is_ok());
        }
    });
    assert_eq!(mirror.requests.lock().unwrap().len(), 2);
}
