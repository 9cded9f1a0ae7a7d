//! Lanes: theory calls that are known to be quick never wait behind those that are not.
//!
//! A call cannot be stopped once it computes. So each lane runs few at a time; one that takes too long is answered as such and
//! keeps its place until it is done, and its result is kept for the next who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::ApiError;
use crate::limits::{MAX_CALLS, THEORY, TURN};

/// How long a call is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Milliseconds.
    Quick,
    /// Nobody has tried yet.
    Unknown,
    /// Known to take its time: awkward activations.
    Slow,
    /// A whole diagram.
    Diagram,
}

/// The lanes of one server.
#[derive(Debug)]
pub(crate) struct Lanes {
    quick: Arc<Semaphore>,
    unknown: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    diagrams: Arc<Semaphore>,
    waiting: AtomicUsize,
    limit: Duration,
}

impl Lanes {
    pub(crate) fn new(threads: usize) -> Self {
        let lane = |size| Arc::new(Semaphore::new(size));
        Self {
            quick: lane(threads.max(1)),
            unknown: lane(1),
            slow: lane(1),
            diagrams: lane(2),
            waiting: AtomicUsize::new(0),
            limit: THEORY,
        }
    }

    /// Runs the computation on a thread of its own when it is its turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        compute: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let busy = || ApiError::busy("too many questions at once").hint("ask again in a moment");
        let semaphore = match lane {
            Lane::Quick => &self.quick,
            Lane::Unknown => &self.unknown,
            Lane::Slow => &self.slow,
            Lane::Diagram => &self.diagrams,
        };
        let place = Waiting::enter(&self.waiting).ok_or_else(busy)?;
        let turn = timeout(TURN, Arc::clone(semaphore).acquire_owned()).await;
        drop(place);
        let permit = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let computing = tokio::task::spawn_blocking(move || {
            let answer = compute();
            drop(permit);
            answer
        });
        match timeout(self.limit, computing).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                Err(ApiError::internal("the computation failed; this is a fault of firstguess"))
            }
            Err(_) => Err(ApiError::limit(
                "activation",
                format!(
                    "this takes longer than the {} seconds that the explorer gives it",
                    self.limit.as_secs()
                ),
            )
            .hint("ask again in a minute, or use the command line: it has no limit")),
        }
    }
}

/// A place in the queue, given back when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let place = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_CALLS).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(future)
    }

    /// A call that does not end holds its own lane only, and is answered all the same.
    #[test]
    fn a_slow_call_is_answered_and_blocks_its_own_lane_only() {
        let lanes = Lanes { limit: Duration::from_millis(50), ..Lanes::new(1) };
        let (release, held) = mpsc::channel::<()>();
        block_on(async {
            let slow = lanes.run(Lane::Slow, move || Ok(held.recv().is_ok())).await;
            let error = slow.expect_err("too slow").to_value();
            assert_eq!(error["code"], "limit");
            assert_eq!(lanes.run(Lane::Quick, || Ok(1)).await.expect("quick"), 1);
            release.send(()).expect("still waiting");
            assert_eq!(lanes.run(Lane::Slow, || Ok(2)).await.expect("free again"), 2);
        });
    }

    #[test]
    fn a_panic_is_an_answer_and_the_queue_is_bounded() {
        let lanes = Lanes::new(1);
        block_on(async {
            let broken = lanes.run::<()>(Lane::Unknown, || std::panic::panic_any("planted")).await;
            assert_eq!(broken.expect_err("a fault").to_value()["code"], "internal");
            let places: Vec<_> = (0..MAX_CALLS).map(|_| Waiting::enter(&lanes.waiting)).collect();
            assert!(places.iter().all(Option::is_some));
            let full = lanes.run(Lane::Quick, || Ok(())).await;
            assert_eq!(full.expect_err("full").to_value()["code"], "busy");
            drop(places);
            assert!(lanes.run(Lane::Quick, || Ok(())).await.is_ok());
        });
    }
}
