//! Fetching a known data set into the cache: one way after the other until the checksums agree.
//!
//! Downloads are left to `curl` and to the package clients: they know the system's certificates and proxies, continue what was
//! broken off, and cost nothing to build. Nothing is believed before its SHA-256 is right.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::known::{Archive, KnownFile, KnownSource, Origin};
use crate::unpack::unpack;

/// Why a data set could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum FetchError {
    /// No way led to the right bytes.
    #[error("cannot fetch `{name}`:{}\n  Offline? Put its files into `{}` by hand: {}", list(failures), folder.display(), files.join(", "))]
    NoWay { name: String, failures: Vec<String>, folder: PathBuf, files: Vec<String> },

    /// The cache cannot be written.
    #[error("cannot write to `{}`: {source}. Set FIRSTGUESS_DATA to a folder that can be written", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn list(failures: &[String]) -> String {
    failures.iter().fold(String::new(), |text, failure| text + "\n  - " + failure)
}

/// What is going on, for whoever waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchEvent<'a> {
    /// Every file is there and right; nothing is fetched.
    AlreadyThere,
    /// An archive is asked for.
    Trying {
        /// Where it comes from.
        origin: &'a Origin,
        /// Its size.
        bytes: u64,
    },
    /// So many bytes of it have come.
    Progress {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// This way did not lead there.
    Failed {
        /// What happened.
        why: &'a str,
    },
    /// Archive and files have the right checksums and are in the cache.
    Verified,
}

/// Fetches a data set into its subfolder of `cache`, and returns that folder.
///
/// Files that are there are checked first. A download that breaks off is continued by the next call; files appear in the folder only
/// all at once, each with the right SHA-256. A second call at the same time waits for the first.
///
/// # Errors
///
/// [`FetchError`] with what happened on each way.
pub fn fetch(
    source: &KnownSource,
    cache: &Path,
    watch: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<PathBuf, FetchError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| FetchError::Io { path, source }
    };
    let folder = source.folder(cache);
    // A folder of its own: the files of two data sets have the same names.
    let downloads = cache.join(".downloads").join(&source.name);
    fs::create_dir_all(&downloads).map_err(at(&downloads))?;
    let lock_path = downloads.join("lock");
    let lock = File::create(&lock_path).map_err(at(&lock_path))?;
    lock.lock().map_err(at(&lock_path))?;
    if source.is_in(&folder)
        && source.files.iter().all(|file| is_right(&folder.join(&file.name), file))
    {
        watch(FetchEvent::AlreadyThere);
        return Ok(folder);
    }
    let mut failures = Vec::new();
    for way in &source.ways {
        match take(source, way, &downloads, cache, watch) {
            Ok(()) => {
                watch(FetchEvent::Verified);
                return Ok(folder);
            }
            Err(why) => {
                watch(FetchEvent::Failed { why: &why });
                failures.push(why);
            }
        }
    }
    let files = source.files.iter().map(|file| file.name.clone()).collect();
    Err(FetchError::NoWay { name: source.name.clone(), failures, folder, files })
}

/// Goes one way to its end.
fn take(
    source: &KnownSource,
    way: &[Archive],
    downloads: &Path,
    cache: &Path,
    watch: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let fresh = tempfile::Builder::new()
        .prefix(&format!(".{}-", source.name))
        .tempdir_in(cache)
        .map_err(told)?;
    let mut missing: Vec<&KnownFile> = source.files.iter().collect();
    let mut used = Vec::new();
    for archive in way {
        let path = downloads.join(&archive.file.name);
        watch(FetchEvent::Trying { origin: &archive.origin, bytes: archive.file.bytes });
        let name = origin_name(&archive.origin);
        download(archive, &path, watch).map_err(|why| format!("{name}: {why}"))?;
        if !is_right(&path, &archive.file) {
            // What came is something else: continuing it would never mend it.
            let _ = fs::remove_file(&path);
            return Err(format!("{name}: its SHA-256 is not that of {}", archive.file.name));
        }
        let mut found = unpack(&path, &source.files).map_err(|why| format!("{name}: {why}"))?;
        for file in std::mem::take(&mut missing) {
            let Some(bytes) = found.remove(&file.name) else {
                missing.push(file);
                continue;
            };
            if bytes.len() as u64 != file.bytes
                || digest(&bytes[..]).ok() != Some(file.sha256.clone())
            {
                return Err(format!("{name}: `{}` in it is not the known file", file.name));
            }
            fs::write(fresh.path().join(&file.name), bytes).map_err(told)?;
        }
        used.push(path);
    }
    if let Some(file) = missing.first() {
        return Err(format!("`{}` is not among what came", file.name));
    }
    install(&fresh.keep(), &source.folder(cache)).map_err(told)?;
    for path in used {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// Puts a finished folder in its place; what was there goes.
fn install(fresh: &Path, folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary folders are private; a cache may be shared.
        fs::set_permissions(fresh, fs::Permissions::from_mode(0o755))?;
    }
    let outcome = (|| {
        if folder.exists() {
            let old = tempfile::Builder::new()
                .prefix(".old-")
                .tempdir_in(folder.parent().unwrap_or(Path::new(".")))?;
            fs::rename(folder, old.path().join("data"))?;
        }
        fs::rename(fresh, folder)
    })();
    if outcome.is_err() {
        let _ = fs::remove_dir_all(fresh);
    }
    outcome
}

/// Where an archive comes from, in words.
fn origin_name(origin: &Origin) -> String {
    match origin {
        Origin::Url(address) => address.clone(),
        Origin::Npm(package) => format!("npm pack {package}"),
        Origin::Debian(package) => format!("apt-get download {package}"),
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&origin_name(self))
    }
}

/// Fetches an archive to `path`, continuing what is there.
fn download(
    archive: &Archive,
    path: &Path,
    watch: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), String> {
    let total = archive.file.bytes;
    match &archive.origin {
        Origin::Url(address) => {
            let size = fs::metadata(path).map_or(0, |found| found.len());
            if size == total {
                return Ok(());
            }
            if size > total {
                let _ = fs::remove_file(path);
            }
            let mut curl = Command::new("curl");
            curl.args([
                "--fail",
                "--silent",
                "--show-error",
                "--location",
                "--proto",
                "=http,https",
            ])
            .args([
                "--connect-timeout",
                "15",
                "--retry",
                "2",
                "--speed-time",
                "60",
                "--speed-limit",
                "100",
            ])
            .args(["--continue-at", "-", "--max-filesize", &total.to_string()])
            .arg("--output")
            .arg(path)
            .arg(address);
            run(&mut curl, &mut || {
                let done = fs::metadata(path).map_or(0, |found| found.len());
                watch(FetchEvent::Progress { done: done.min(total), total });
            })
        }
        Origin::Npm(package) => {
            let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
            // Errors alone: `--silent` would keep them back too.
            npm.args(["pack", package, "--ignore-scripts", "--loglevel=error"]);
            npm.args(["--fetch-retries=1", "--no-update-notifier"]);
            by_client(npm, "tgz", path)
        }
        Origin::Debian(package) => {
            let mut apt = Command::new("apt-get");
            apt.args(["download", "--quiet=2", package]);
            by_client(apt, "deb", path)
        }
    }
}

/// Runs a package client in a folder of its own, and moves the one file that it leaves there to `path`.
fn by_client(mut client: Command, ending: &str, path: &Path) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let parent = path.parent().unwrap_or(Path::new("."));
    let folder = tempfile::tempdir_in(parent).map_err(told)?;
    client.current_dir(folder.path());
    run(&mut client, &mut || ())?;
    let files = fs::read_dir(folder.path()).map_err(told)?;
    let mut archives = files
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|found| found == ending));
    let archive = archives.next().ok_or("it left no file")?;
    fs::rename(archive, path).map_err(told)
}

/// Runs a program to its end, looking after it five times a second.
fn run(command: &mut Command, watch: &mut dyn FnMut()) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("the program `{program}` is not installed"),
        _ => format!("cannot start `{program}`: {error}"),
    })?;
    // A thread of its own: a full pipe would stop the program.
    let complaints = child.stderr.take().map(|stderr| {
        thread::spawn(move || {
            let mut text = Vec::new();
            let mut stderr = stderr.take(64 << 10);
            let _ = stderr.read_to_end(&mut text);
            let _ = io::copy(&mut stderr.into_inner(), &mut io::sink());
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {
                watch();
                thread::sleep(Duration::from_millis(200));
            }
            Err(error) => return Err(format!("lost `{program}`: {error}")),
        }
    };
    watch();
    let text = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    Err(reason(&text).unwrap_or_else(|| match status.code() {
        Some(code) => format!("`{program}` gave up with status {code} and no reason"),
        None => format!("`{program}` was killed"),
    }))
}

/// What a program said when it gave up: the code and the sentence of npm, the last line of any other.
fn reason(complaints: &str) -> Option<String> {
    let said = |line: &str| {
        let line = line.trim();
        let rest = line.strip_prefix("npm error").or_else(|| line.strip_prefix("npm ERR!"));
        rest.map(|rest| rest.trim().to_owned())
    };
    let npm: Vec<String> = complaints.lines().filter_map(said).collect();
    let code = npm.iter().find_map(|line| line.strip_prefix("code "));
    // Between the code and the sentence stand the failed call and its number, after it a trace and advice.
    let sentence = npm.iter().find(|line| {
        let aside = ["code ", "syscall ", "errno ", "path ", "at ", "A complete log"];
        !line.is_empty() && !aside.iter().any(|start| line.starts_with(start))
    });
    let text = match (code, sentence) {
        (Some(code), Some(sentence)) => format!("{code}: {sentence}"),
        (Some(one), None) => one.to_owned(),
        (None, Some(one)) => one.clone(),
        (None, None) => {
            complaints.lines().rev().find(|line| !line.trim().is_empty())?.trim().to_owned()
        }
    };
    Some(text.chars().take(200).collect())
}

/// Whether a file has the known size and SHA-256.
fn is_right(path: &Path, known: &KnownFile) -> bool {
    let size = fs::metadata(path).map(|found| found.len());
    size.is_ok_and(|size| size == known.bytes)
        && File::open(path).and_then(digest).is_ok_and(|found| found == known.sha256)
}

/// SHA-256 in lower-case hexadecimal digits.
pub(crate) fn digest(mut reader: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let digits = hash.finalize().iter().fold(String::with_capacity(64), |mut digits, byte| {
        for half in [byte >> 4, byte & 15] {
            digits.extend(char::from_digit(half.into(), 16));
        }
        digits
    });
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What npm 11 says without a network, of a package that is not there, and an older one.
    #[test]
    fn the_reason_of_npm_is_its_code_and_its_sentence() {
        let refused = "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error errno ECONNREFUSED\n\
            npm error FetchError: request to http://127.0.0.1:9/x failed, reason: connect ECONNREFUSED 127.0.0.1:9\n\
            npm error     at ClientRequest.<anonymous> (index.js:130:14)\nnpm error   code: 'ECONNREFUSED',\nnpm error }\n\
            npm error\nnpm error If you are behind a proxy, please make sure\n\
            npm error A complete log of this run can be found in: x.log\n";
        let found = reason(refused).unwrap();
        assert!(
            found.starts_with("ECONNREFUSED: FetchError: request to http://127.0.0.1:9/x failed"),
            "{found}"
        );
        let missing = "npm ERR! code E404\nnpm ERR! 404 Not Found - GET http://127.0.0.1:9/x - Not found\nnpm ERR! 404\n\
            npm ERR! A complete log of this run can be found in: y.log";
        assert_eq!(
            reason(missing).unwrap(),
            "E404: 404 Not Found - GET http://127.0.0.1:9/x - Not found"
        );
        assert_eq!(
            reason("E: one\nE: Unable to locate package x\n\n").unwrap(),
            "E: Unable to locate package x"
        );
        assert_eq!(reason("\n"), None);
        let long = format!("npm error code {}", "x".repeat(1000));
        assert_eq!(reason(&long).unwrap().len(), 200);
    }

    /// A program that fails without a word is named with its status.
    #[cfg(unix)]
    #[test]
    fn a_silent_failure_has_its_status() {
        let mut silent = Command::new("sh");
        silent.args(["-c", "exit 3"]);
        assert_eq!(
            run(&mut silent, &mut || ()).unwrap_err(),
            "`sh` gave up with status 3 and no reason"
        );
    }
}
