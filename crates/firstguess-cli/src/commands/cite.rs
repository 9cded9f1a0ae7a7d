//! `firstguess cite [KEY]`.

use firstguess::report::answer::CiteAnswer;

use crate::args::CiteArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

pub(crate) fn run(args: &CiteArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let answer = CiteAnswer::new(args.key.as_deref())?;
    if out.json() {
        out.object("cite", &answer)?;
    } else {
        out.verbatim(answer.to_bibtex().as_bytes())?;
    }
    Ok(ExitStatus::Fine)
}
