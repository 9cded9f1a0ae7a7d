//! The threads of a local sweep.

use std::ops::Range;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use firstguess::measure::Progress;
use firstguess_io::sweep::SweepFolder;

use crate::commands::progress::Bar;
use crate::settings::Settings;
use crate::sweep::{Answered, Sweep, on_one_thread};

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

/// Computes and writes these chunks. A thread takes the next chunk as soon as it has nothing to do; where none is left, it helps with
/// the chunks of the others, point by point, so that all threads end together. Which thread computes a point changes nothing in
/// it. The first chunk that cannot be written ends it all.
pub(super) fn run(
    sweep: &Sweep,
    folder: &SweepFolder,
    todo: &[u64],
    threads: usize,
    settings: Settings,
) -> anyhow::Result<Done> {
    let points = |chunk: &u64| {
        let range = sweep.grid().chunk(*chunk);
        range.end - range.start
    };
    let total = usize::try_from(todo.iter().map(points).sum::<u64>())?;
    let threads = threads.clamp(1, total.max(1));
    let shared = Shared { sweep, folder, queue: Mutex::new(todo.iter()), open: Mutex::default() };
    let stop = AtomicBool::new(false);
    let (said, hear) = mpsc::channel::<Said>();
    let mut done = Done { threads, ..Done::default() };
    let mut failure = None;
    let mut bar = Bar::new(settings.quiet, "computing", "points").spelled(settings.unicode);
    bar.advance(0, total);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (said, shared, stop) = (said.clone(), &shared, &stop);
            scope.spawn(move || {
                on_one_thread(|| {
                    while let Some(chunk) = shared.next() {
                        if let Some(each) = shared.work_on(&chunk, stop)
                            && said.send(each).is_err()
                        {
                            break;
                        }
                        if stop.load(Ordering::Relaxed) {
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

/// What the threads share.
struct Shared<'a> {
    sweep: &'a Sweep,
    folder: &'a SweepFolder,
    queue: Mutex<slice::Iter<'a, u64>>,
    /// Chunks that have points left to take.
    open: Mutex<Vec<Arc<OpenChunk>>>,
}

/// A chunk whose points are being answered.
struct OpenChunk {
    index: u64,
    points: Range<u64>,
    /// The next point to take.
    next: AtomicU64,
    answers: Mutex<Answers>,
}

/// By point, and how many are missing.
struct Answers {
    by_point: Vec<Option<Answered>>,
    missing: usize,
}

impl Shared<'_> {
    /// A chunk to work on: a new one, or that of another thread.
    fn next(&self) -> Option<Arc<OpenChunk>> {
        let mut open = locked(&self.open);
        open.retain(|chunk| chunk.next.load(Ordering::Relaxed) < chunk.points.end);
        let Some(index) = locked(&self.queue).next() else {
            return open.first().cloned();
        };
        let chunk = Arc::new(OpenChunk::new(*index, self.sweep.grid().chunk(*index)));
        open.push(Arc::clone(&chunk));
        Some(chunk)
    }

    /// Answers points of the chunk until all are taken. Whoever brings the last answer writes the chunk and says so.
    fn work_on(&self, chunk: &OpenChunk, stop: &AtomicBool) -> Option<Said> {
        while !stop.load(Ordering::Relaxed) {
            let point = chunk.next.fetch_add(1, Ordering::Relaxed);
            if point >= chunk.points.end {
                break;
            }
            let answered = self.sweep.answer(point);
            if let Some(answers) = chunk.put(point, answered) {
                return Some(self.write(chunk.index, answers));
            }
        }
        None
    }

    fn write(&self, index: u64, answers: Vec<Answered>) -> Said {
        let found = self.sweep.close(index, answers).map_err(anyhow::Error::msg)?;
        // A chunk that is there is computed only where its failed points are tried again.
        self.folder.rewrite(index, &found.bytes)?;
        Ok((found.points, found.computing))
    }
}

impl OpenChunk {
    fn new(index: u64, points: Range<u64>) -> Self {
        let by_point: Vec<Option<Answered>> = points.clone().map(|_| None).collect();
        let missing = by_point.len();
        let answers = Mutex::new(Answers { by_point, missing });
        Self { index, next: AtomicU64::new(points.start), points, answers }
    }

    /// Keeps an answer; gives all of them when none is missing.
    fn put(&self, point: u64, answered: Answered) -> Option<Vec<Answered>> {
        let mut answers = locked(&self.answers);
        let place = usize::try_from(point - self.points.start).ok()?;
        answers.by_point[place] = Some(answered);
        answers.missing -= 1;
        (answers.missing == 0).then(|| answers.by_point.drain(..).flatten().collect())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
