//! `firstguess guess`.

mod text;

use firstguess::report::answer::GuessAnswer;
use firstguess::theory::prejudice::GuessLaw;

use crate::args::GuessArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

pub(crate) fn run(args: &GuessArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let law = match (args.drift.gamma, args.drift.correlation) {
        (Some(gamma), _) => GuessLaw::new(args.classes, gamma)?,
        (None, c) => GuessLaw::from_correlation(args.classes, c.unwrap_or_default())?,
    };
    let answer = GuessAnswer::new(law)?;
    if out.json() {
        out.object("guess", &answer)?;
    } else {
        text::print(&answer, out)?;
    }
    Ok(ExitStatus::Fine)
}
