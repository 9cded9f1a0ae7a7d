//! Ensembles and reports: one at a time, a few waiting, each with its progress and its end.

mod run;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use firstguess::Report;
use firstguess::spec::experiment::MeasureSpec;
use firstguess::spec::{Dataset, Spec};
use firstguess_io::OnnxModel;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::SCHEMA_VERSION;
use crate::error::ApiError;
use crate::limits::{MAX_FINISHED, MAX_WAITING};
use crate::setting::shown;

/// A question for the ensemble thread.
#[derive(Debug)]
pub(crate) enum Question {
    /// A network of ours.
    Spec(Box<Spec>, Source),
    /// A model that was sent.
    Model(ModelQuestion),
}

/// What is asked of an ONNX model, as on the command line.
#[derive(Debug)]
pub(crate) struct ModelQuestion {
    pub(crate) model: Arc<OnnxModel>,
    pub(crate) name: String,
    /// Standard normal inputs of the model's shape unless given.
    pub(crate) data: Option<(Source, String)>,
    pub(crate) samples: Option<usize>,
    pub(crate) measure: MeasureSpec,
}

/// Where the inputs come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// As the spec says: synthetic, or one of the sets known by name.
    Spec,
    /// A file that was sent.
    Upload(Arc<Dataset>),
}

/// How far a job has come.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Waiting,
    /// Theory on the data, or networks: none done yet.
    Running {
        done: usize,
        total: usize,
    },
    Done(Arc<Report>),
    Failed(ApiError),
    Cancelled,
}

/// What is told of a job.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) stage: Stage,
    /// The estimates so far.
    pub(crate) partial: Option<Arc<Value>>,
}

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    cancelled: AtomicBool,
    state: watch::Sender<State>,
}

impl Stage {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running { .. } => "running",
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Running { .. })
    }
}

impl Job {
    fn new(id: String) -> Self {
        let state = State { stage: Stage::Waiting, partial: None };
        Self { id, cancelled: AtomicBool::new(false), state: watch::Sender::new(state) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Stops it before the next network; its end is told at once.
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.enter(Stage::Cancelled);
    }

    /// The next stage; a final one stays.
    fn enter(&self, stage: Stage) {
        self.state.send_if_modified(|state| {
            let open = !state.stage.is_final();
            if open {
                state.stage = stage;
            }
            open
        });
    }

    fn show(&self, partial: Value) {
        self.state.send_modify(|state| state.partial = Some(Arc::new(partial)));
    }

    /// The job in fields; `report` adds all that was found.
    pub(crate) fn to_value(&self, state: &State, report: bool) -> Value {
        let mut value = json!({
            "schema_version": SCHEMA_VERSION,
            "command": "ensemble",
            "id": self.id,
            "stage": state.stage.name(),
        });
        let Some(fields) = value.as_object_mut() else { return value };
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        match &state.stage {
            Stage::Running { done, total } => {
                set("done", json!(done));
                set("total", json!(total));
            }
            Stage::Failed(error) => {
                set("error", error.to_value());
            }
            Stage::Done(found) if report => {
                set("measured", run::measured(&found.measurement));
                set("report", found.to_json());
            }
            _ => {}
        }
        if let Some(partial) = state.partial.as_ref().filter(|_| !state.stage.is_final()) {
            set("measured", (**partial).clone());
        }
        value
    }
}

/// The jobs of one server, and the thread that runs them.
#[derive(Debug)]
pub(crate) struct Jobs {
    queue: Mutex<Queue>,
    arrived: Condvar,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Arc<Job>, Question)>,
    running: Option<Arc<Job>>,
    /// Every job that can be asked for, the oldest first.
    known: VecDeque<Arc<Job>>,
    closed: bool,
}

impl Jobs {
    /// Starts the thread. One core is left to the questions of theory where there are two.
    pub(crate) fn start(threads: usize) -> Arc<Self> {
        let jobs = Arc::new(Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            next: AtomicU64::new(1),
        });
        let own = Arc::clone(&jobs);
        let work = move || own.work(threads.saturating_sub(1).max(1));
        // Without the thread jobs wait, and can be cancelled.
        drop(thread::Builder::new().name("ensembles".to_owned()).spawn(work));
        jobs
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a question, if there is room for it to wait.
    pub(crate) fn submit(&self, question: Question) -> Result<Arc<Job>, ApiError> {
        let mut queue = self.lock();
        queue.waiting.retain(|(job, _)| !job.state.borrow().stage.is_final());
        if queue.waiting.len() >= MAX_WAITING {
            return Err(ApiError::busy(format!("{MAX_WAITING} ensembles are waiting already"))
                .hint("wait for one to end, or cancel one"));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let job = Arc::new(Job::new(format!("ensemble{number}")));
        queue.waiting.push_back((Arc::clone(&job), question));
        queue.known.push_back(Arc::clone(&job));
        // Only those that ended are forgotten.
        let ended = queue.known.iter().filter(|job| job.state.borrow().stage.is_final()).count();
        if ended > MAX_FINISHED
            && let Some(oldest) =
                queue.known.iter().position(|job| job.state.borrow().stage.is_final())
        {
            queue.known.remove(oldest);
        }
        self.arrived.notify_one();
        Ok(job)
    }

    pub(crate) fn get(&self, id: &str) -> Result<Arc<Job>, ApiError> {
        let queue = self.lock();
        queue.known.iter().find(|job| job.id == id).cloned().ok_or_else(|| {
            ApiError::not_found(format!("there is no ensemble `{}`", shown(id)))
                .hint("results are kept until newer ones need the room: run it again")
        })
    }

    /// Cancels one that waits or runs; one that ended is forgotten.
    pub(crate) fn cancel(&self, id: &str) -> Result<Arc<Job>, ApiError> {
        let job = self.get(id)?;
        let mut queue = self.lock();
        if job.state.borrow().stage.is_final() {
            queue.known.retain(|known| known.id != id);
        }
        job.cancel();
        queue.waiting.retain(|(waiting, _)| waiting.id != id);
        Ok(job)
    }

    /// Ensembles ahead of this one.
    pub(crate) fn ahead(&self, id: &str) -> usize {
        let queue = self.lock();
        let before = queue.waiting.iter().take_while(|(job, _)| job.id != id).count();
        before + usize::from(queue.running.is_some())
    }

    pub(crate) fn counts(&self) -> Value {
        let queue = self.lock();
        json!({ "running": usize::from(queue.running.is_some()), "waiting": queue.waiting.len() })
    }

    /// Cancels everything and lets the thread end.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.waiting.clear();
        for job in &queue.known {
            job.cancel();
        }
        self.arrived.notify_all();
    }

    fn work(&self, threads: usize) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        loop {
            let mut queue = self.lock();
            let (job, question) = loop {
                if queue.closed {
                    return;
                }
                if let Some(next) = queue.waiting.pop_front() {
                    break next;
                }
                queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
            };
            queue.running = Some(Arc::clone(&job));
            drop(queue);
            let end = match &pool {
                Ok(pool) => pool.install(|| run::guarded(&job, &question)),
                Err(_) => run::guarded(&job, &question),
            };
            // Free before its end is told: who hears of it may submit the next.
            self.lock().running = None;
            job.enter(end);
        }
    }
}
