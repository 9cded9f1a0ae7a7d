//! The threads of a local sweep.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use firstguess::measure::Progress;
use firstguess_io::sweep::SweepFolder;

use crate::commands::progress::Bar;
use crate::settings::Settings;
use crate::sweep::{Sweep, on_one_thread};

/// What was computed.
#[derive(Default)]
pub(super) struct Done {
    pub(super) points: u64,
    /// Summed over threads.
    pub(super) computing: Duration,
    pub(super) threads: usize,
}

/// What a thread says of a chunk.
type Said = anyhow::Result<(u64, Duration)>;

/// Computes and writes these chunks. A thread takes the next chunk as soon as it has written its last one; which thread computes
/// a chunk changes nothing in it. The first chunk that cannot be written ends it all.
pub(super) fn run(
    sweep: &Sweep,
    folder: &SweepFolder,
    todo: &[u64],
    threads: usize,
    settings: Settings,
) -> anyhow::Result<Done> {
    let threads = threads.clamp(1, todo.len().max(1));
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (said, hear) = mpsc::channel::<Said>();
    let mut done = Done { threads, ..Done::default() };
    let mut failure = None;
    let mut bar = Bar::new(settings.quiet, "computing", "points").spelled(settings.unicode);
    let total =
        todo.iter().map(|chunk| sweep.grid().chunk(*chunk)).map(|r| r.end - r.start).sum::<u64>();
    let total = usize::try_from(total)?;
    bar.advance(0, total);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (said, next, stop) = (said.clone(), &next, &stop);
            scope.spawn(move || {
                on_one_thread(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(chunk) = todo.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            break;
                        };
                        if said.send(one(sweep, folder, *chunk)).is_err() {
                            break;
                        }
                    }
                });
            });
        }
        drop(said);
        for each in hear {
            match each {
                Ok((points, computing)) => {
                    done.points += points;
                    done.computing += computing;
                    bar.advance(usize::try_from(done.points).unwrap_or(total), total);
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failure = failure.take().or(Some(error));
                }
            }
        }
    });
    bar.finish();
    match failure {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

fn one(sweep: &Sweep, folder: &SweepFolder, chunk: u64) -> Said {
    let found = sweep.chunk(chunk).map_err(anyhow::Error::msg)?;
    // A chunk that is there is computed only where its failed points are tried again.
    folder.rewrite(chunk, &found.bytes)?;
    Ok((found.points, found.computing))
}
