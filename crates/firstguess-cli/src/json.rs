//! What every JSON object starts with, and fields that may lack a value: those of the library's own answers.

pub(crate) use firstguess::report::answer::Envelope;
#[allow(unused_imports, reason = "for commands whose answer is not the library's")]
pub(crate) use firstguess::report::answer::MapFields as Fields;
