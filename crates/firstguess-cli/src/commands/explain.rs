//! `firstguess explain FINDING`: the manual page of a finding.

use anyhow::bail;
use firstguess::finding::{RULES, Rule, by_id};
use firstguess::spec::error::nearest;
use serde::Serialize;

use crate::args::ExplainArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

pub(crate) fn run(args: &ExplainArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let rules: Vec<&Rule> = match &args.finding {
        Some(id) => vec![find(id)?],
        None => RULES.iter().collect(),
    };
    if out.json() {
        let pages: Vec<Page> = rules.iter().map(|rule| Page::of(rule)).collect();
        out.object("explain", &Pages { findings: pages })?;
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

fn find(id: &str) -> anyhow::Result<&'static Rule> {
    if let Some(rule) = by_id(id) {
        return Ok(rule);
    }
    let hint = nearest(id, RULES.iter().map(|rule| rule.id))
        .map_or_else(String::new, |name| format!(", did you mean `{name}`?"));
    let known: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    bail!("unknown finding `{id}`{hint}; known: {}", known.join(", "))
}

#[derive(Serialize)]
struct Pages {
    findings: Vec<Page>,
}

#[derive(Serialize)]
struct Page {
    id: &'static str,
    summary: String,
    text: String,
}

impl Page {
    fn of(rule: &Rule) -> Self {
        Self { id: rule.id, summary: rule.summary(), text: rule.page() }
    }
}
