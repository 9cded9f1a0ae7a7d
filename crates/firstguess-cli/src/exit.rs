//! How the program ends.

use std::io;
use std::process::ExitCode;

/// 0, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done, and nothing found that is bad enough to fail.
    Fine,
    /// Findings at or above the gravity that was asked for.
    Findings,
    /// Input that cannot be used, or output that cannot be written; as usage errors.
    Unusable,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Fine => Self::SUCCESS,
            ExitStatus::Findings => Self::from(1),
            ExitStatus::Unusable => Self::from(2),
        }
    }
}

/// Whether the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
