//! When enough networks are drawn.

use super::estimate::Estimate;
use serde::Serialize;

/// Why no more networks were drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stop {
    /// `draws`: as many as were allowed; `precision`: errors are small enough; `budget`: told to.
    pub reason: &'static str,
    /// Networks that were allowed.
    pub allowed: usize,
    /// Relative standard error that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// The numbers whose errors count.
    pub watched: Vec<Watched>,
    /// By how much a budget of time was exceeded; filled in by whoever has the clock, where it is worth telling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrun: Option<Overrun>,
}

/// A measurement that took longer than it was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Overrun {
    /// Seconds that were allowed.
    pub allowed_seconds: f64,
    /// Seconds that it took.
    pub taken_seconds: f64,
    /// Networks that were drawn at once at the start, where these alone took longer than allowed: fewer cannot be drawn.
    pub first_networks: Option<usize>,
}

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first_networks {
            Some(1) => f.write_str("the first network alone")?,
            Some(networks) => write!(f, "the first {networks} networks alone")?,
            None => f.write_str("they")?,
        }
        let seconds = |seconds: f64| {
            if seconds < 1.0 { format!("{seconds:.3} s") } else { format!("{seconds:.1} s") }
        };
        write!(
            f,
            " took {}, {} were allowed",
            seconds(self.taken_seconds),
            seconds(self.allowed_seconds)
        )
    }
}

/// A number whose relative error decides whether there are networks enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watched {
    /// Its name.
    pub name: &'static str,
    /// Standard error over value; null where there is none yet.
    pub relative_error: Option<f64>,
}

impl Watched {
    /// `None` for a number that these data do not have.
    pub(super) fn new(name: &'static str, estimate: &Estimate) -> Option<Self> {
        let relative = estimate.std_error.map(|error| error / estimate.value.abs());
        let relative_error = relative.filter(|error| error.is_finite());
        (estimate.n > 0).then_some(Self { name, relative_error })
    }

    /// Whether every number is known this well.
    pub(super) fn all_within(watched: &[Self], precision: f64) -> bool {
        !watched.is_empty()
            && watched.iter().all(|w| w.relative_error.is_some_and(|error| error <= precision))
    }
}

/// Draws after which precision is looked at, the next after `done`: the same whatever the number of threads.
///
/// Every sixteen at first, later every sixteenth part: looking more often would favour lucky moments.
pub(super) fn next_look(done: usize) -> usize {
    let step = (done / 16).next_multiple_of(16).max(16);
    (done / step + 1) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_grow_apart_and_do_not_depend_on_where_one_stands() {
        let mut looks = vec![16];
        while *looks.last().unwrap() < 5000 {
            looks.push(next_look(*looks.last().unwrap()));
        }
        assert_eq!(looks[..4], [16, 32, 48, 64]);
        assert!(looks.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] <= w[0].max(16) / 8 + 16));
        for (k, look) in looks.iter().enumerate().skip(1) {
            assert_eq!(next_look(looks[k - 1]), *look);
        }
    }

    #[test]
    fn unknown_numbers_are_no_reason_to_stop() {
        let exact = Watched::new("q", &Estimate::mean([1.0, 1.0])).unwrap();
        assert!(Watched::all_within(std::slice::from_ref(&exact), 0.01));
        let one = Watched::new("loss", &Estimate::mean([1.0])).unwrap();
        assert!(!Watched::all_within(&[exact, one], 1.0));
        assert!(!Watched::all_within(&[], 1.0));
        assert_eq!(Watched::new("loss", &Estimate::missing("no labels")), None);
    }
}
