//! `firstguess data list` and `firstguess data fetch NAME`.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use firstguess::spec::error::nearest;
use firstguess_io::{EMBEDDED, FetchEvent, KnownSource, data_folder, fetch, known_sources};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::args::{DataArgs, DataCommand, FetchArgs};
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::columns;

pub(crate) fn run(args: &DataArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    match &args.command {
        DataCommand::List => list(out),
        DataCommand::Fetch(args) => fetch_all(args, out),
    }
}

fn list(out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let cache = data_folder()?;
    let sources = known_sources();
    if out.json() {
        let embedded = EMBEDDED.iter().map(|name| json!({ "name": name, "state": "embedded" }));
        let known = sources.iter().map(|source| value(source, &cache));
        let sets: Vec<Value> = embedded.chain(known).collect();
        out.object("data", &json!({ "folder": cache, "data_sets": sets }))?;
        return Ok(ExitStatus::Fine);
    }
    let mut rows: Vec<Vec<String>> = EMBEDDED
        .iter()
        .map(|name| ["embedded", "UCI, CC BY 4.0", "[1, 8, 8]", name].map(str::to_owned).to_vec())
        .collect();
    rows.extend(sources.iter().map(|source| {
        let [channels, height, width] = source.shape;
        let shape = format!("[{channels}, {height}, {width}]");
        vec![state(source, &cache).to_owned(), source.licence.clone(), shape, source.name.clone()]
    }));
    out.headline(Tone::Neutral, "data sets known by name")?;
    let table = columns(out, &["state", "licence of the data", "shape", "name"], rows);
    out.verbatim(table.as_bytes())?;
    out.lines(&format!("fetched into {}", cache.display()))?;
    Ok(ExitStatus::Fine)
}

fn state(source: &KnownSource, cache: &Path) -> &'static str {
    if source.is_in(&source.folder(cache)) { "fetched" } else { "absent" }
}

fn value(source: &KnownSource, cache: &Path) -> Value {
    let files: Vec<Value> = source
        .files
        .iter()
        .map(|file| json!({ "name": file.name, "bytes": file.bytes, "sha256": file.sha256 }))
        .collect();
    json!({
        "name": source.name,
        "title": source.title,
        "licence": source.licence,
        "shape": source.shape,
        "state": state(source, cache),
        "folder": source.folder(cache),
        "files": files,
    })
}

fn fetch_all(args: &FetchArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let sources = known_sources();
    // Names are looked at before the first byte is fetched.
    let wanted: Vec<&KnownSource> =
        args.names.iter().map(|name| named(name, &sources)).collect::<anyhow::Result<_>>()?;
    let cache = data_folder()?;
    for source in &wanted {
        let mut watch = Watch::new(out);
        let folder = fetch(source, &cache, &mut |event| watch.see(&event))?;
        let already = watch.already_there;
        watch.bar.finish_and_clear();
        if !out.json() {
            let verb = if already { "is already" } else { "is now" };
            let text = format!("{} {verb} in {}, checksums right", source.name, folder.display());
            out.headline(Tone::Good, &text)?;
        }
    }
    if out.json() {
        let sets: Vec<Value> = wanted.iter().map(|source| value(source, &cache)).collect();
        out.object("data", &json!({ "folder": cache, "data_sets": sets }))?;
    }
    Ok(ExitStatus::Fine)
}

fn named<'a>(name: &str, sources: &'a [KnownSource]) -> anyhow::Result<&'a KnownSource> {
    if EMBEDDED.contains(&name) {
        bail!("`{name}` is part of the program: there is nothing to fetch");
    }
    if let Some(source) = sources.iter().find(|source| source.name == name) {
        return Ok(source);
    }
    let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let suggestion = nearest(name, known.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    bail!("there is no data set `{name}` to fetch{suggestion}\n  known: {}", known.join(", "))
}

/// Tells on stderr what is going on: notes, and a bar on a terminal.
struct Watch<'a> {
    out: &'a mut Printer,
    bar: ProgressBar,
    already_there: bool,
}

impl<'a> Watch<'a> {
    fn new(out: &'a mut Printer) -> Self {
        let quiet = out.settings().quiet;
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) =
            ProgressStyle::with_template("  fetching {bar:30} {bytes}/{total_bytes}, {eta} left")
        {
            bar.set_style(style);
        }
        Self { out, bar, already_there: false }
    }

    fn see(&mut self, event: &FetchEvent<'_>) {
        let note = match event {
            FetchEvent::AlreadyThere => {
                self.already_there = true;
                return;
            }
            FetchEvent::Progress { done, total } => {
                self.bar.set_length(*total);
                if self.bar.elapsed() > Duration::from_secs(1) {
                    self.bar.set_position(*done);
                }
                return;
            }
            FetchEvent::Trying { origin, bytes } => {
                format!("{origin} ({:.1} MB)", *bytes as f64 / 1e6)
            }
            FetchEvent::Failed { why } => format!("not there: {why}"),
            _ => return,
        };
        let out = &mut *self.out;
        // Nobody to tell when stderr is closed.
        self.bar.suspend(|| {
            let _ = out.note(&note);
        });
    }
}
