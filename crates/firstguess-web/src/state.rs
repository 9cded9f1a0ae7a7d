//! What the requests of one server share.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Weak};
use std::thread;

use firstguess::theory::prejudice::ShareTable;
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::error::ApiError;
use crate::jobs::Jobs;
use crate::lanes::{Lane, Lanes};
use crate::setting::{Function, Setting};
use crate::theory::{Drawn, Prepared};
use crate::uploads::Uploads;

/// Ranks of classes whose shares are shown.
const RANKS: usize = 10;

/// Tables that may be waited for; each takes seconds.
const ORDERS: usize = 4;

/// The state of a server; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    lanes: Lanes,
    functions: Cache<Function, Arc<Prepared>>,
    diagrams: Cache<String, Arc<Drawn>>,
    tables: Cache<usize, Tabulated>,
    /// Numbers of classes for which a table is wanted.
    wanted: SyncSender<usize>,
    jobs: Arc<Jobs>,
    uploads: Uploads,
}

/// A table of shares, or a place kept for it.
#[derive(Debug, Clone)]
enum Tabulated {
    UnderWay,
    Done(Arc<ShareTable>),
}

/// Makes one table after another, until the server is gone.
fn make_tables(orders: &Receiver<usize>, shared: &Weak<Shared>) {
    while let Ok(classes) = orders.recv() {
        let Some(shared) = shared.upgrade() else { break };
        if let Some(Tabulated::Done(_)) = shared.tables.get(&classes) {
            continue;
        }
        if let Ok(table) = ShareTable::new(classes, RANKS) {
            shared.tables.put(classes, Tabulated::Done(Arc::new(table)), 1);
        }
    }
}

impl App {
    pub(crate) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (wanted, orders) = mpsc::sync_channel(ORDERS);
        let app = Self(Arc::new(Shared {
            lanes: Lanes::new(threads),
            functions: Cache::new(64, usize::MAX),
            diagrams: Cache::new(48, 96 << 20),
            tables: Cache::new(64, usize::MAX),
            wanted,
            jobs: Jobs::start(threads),
            uploads: Uploads::new(),
        }));
        let tables = Arc::downgrade(&app.0);
        // Where no thread is to be had, the shares stay unknown.
        let made = thread::Builder::new().name("shares".to_owned());
        drop(made.spawn(move || make_tables(&orders, &tables)));
        app.table(10);
        app
    }

    pub(crate) fn jobs(&self) -> &Arc<Jobs> {
        &self.0.jobs
    }

    pub(crate) fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    /// The table for so many classes, or none yet: the first who asks has it made.
    fn table(&self, classes: usize) -> Option<Arc<ShareTable>> {
        match self.0.tables.get(&classes) {
            Some(Tabulated::Done(table)) => Some(table),
            Some(Tabulated::UnderWay) => None,
            None => {
                // Where too many are wanted already, whoever asks again will have another chance.
                if self.0.wanted.try_send(classes).is_ok() {
                    self.0.tables.put(classes, Tabulated::UnderWay, 1);
                }
                None
            }
        }
    }

    /// The prepared activation, where someone asked for it before.
    fn known(&self, function: &Function) -> Option<Arc<Prepared>> {
        self.0.functions.get(function)
    }

    /// The prepared activation; preparing may take seconds.
    fn prepare(&self, function: &Function) -> Result<Arc<Prepared>, ApiError> {
        if let Some(known) = self.known(function) {
            return Ok(known);
        }
        let prepared = Arc::new(Prepared::new(function)?);
        self.0.functions.put(function.clone(), Arc::clone(&prepared), 1);
        Ok(prepared)
    }

    fn lane(&self, function: &Function) -> Lane {
        self.known(function).map_or(Lane::Unknown, |known| known.lane())
    }

    /// Everything at one point, as text.
    pub(crate) async fn point(&self, setting: Setting) -> Result<String, ApiError> {
        let app = self.clone();
        let lane = self.lane(&setting.function);
        let compute = move || {
            let prepared = app.prepare(&setting.function)?;
            let table = app.table(setting.classes);
            Ok(prepared.point(&setting, table.as_deref()).to_string())
        };
        self.0.lanes.run(lane, compute).await
    }

    /// The activation itself: parsed, and prepared as a side effect.
    pub(crate) async fn prepared(&self, function: Function) -> Result<Arc<Prepared>, ApiError> {
        if let Some(known) = self.known(&function) {
            return Ok(known);
        }
        let app = self.clone();
        self.0.lanes.run(Lane::Unknown, move || app.prepare(&function)).await
    }

    /// A phase diagram.
    pub(crate) async fn diagram(
        &self,
        asked: crate::routes::Asked,
    ) -> Result<Arc<Drawn>, ApiError> {
        let key = asked.key();
        if let Some(drawn) = self.0.diagrams.get(&key) {
            return Ok(drawn);
        }
        let app = self.clone();
        let compute = move || {
            // Whoever waited for the same diagram finds it done.
            if let Some(drawn) = app.0.diagrams.get(&key) {
                return Ok(drawn);
            }
            let prepared = app.prepare(&asked.function)?;
            let drawn = prepared.diagram(asked.weight, asked.bias)?;
            let drawn = Arc::new(drawn);
            let weight = drawn.compact.len() + drawn.full.len();
            app.0.diagrams.put(key, Arc::clone(&drawn), weight);
            Ok(drawn)
        };
        self.0.lanes.run(Lane::Diagram, compute).await
    }

    /// How busy it is.
    pub(crate) fn health(&self) -> Value {
        json!({
            "schema_version": crate::SCHEMA_VERSION,
            "command": "health",
            "version": env!("CARGO_PKG_VERSION"),
            "ensembles": self.jobs().counts(),
        })
    }
}
