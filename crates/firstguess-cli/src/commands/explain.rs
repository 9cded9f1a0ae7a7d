//! `firstguess explain FINDING`: the manual page of a finding.

use firstguess::finding::{RULES, Rule, find};
use firstguess::report::answer::ExplainAnswer;

use crate::args::ExplainArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

pub(crate) fn run(args: &ExplainArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let rules: Vec<&Rule> = match &args.finding {
        Some(id) => vec![find(id)?],
        None => RULES.iter().collect(),
    };
    if out.json() {
        out.object("explain", &ExplainAnswer::new(&rules))?;
    } else if args.list {
        for rule in rules {
            out.lines(&format!("{:<20} {}", rule.id, rule.summary()))?;
        }
    } else {
        for rule in rules {
            out.verbatim(format!("# {}\n\n{}\n", rule.id, rule.page()).as_bytes())?;
        }
    }
    Ok(ExitStatus::Fine)
}
