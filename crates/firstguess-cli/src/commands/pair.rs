//! `firstguess pair`.

use firstguess::report::answer::PairAnswer;
use firstguess::spec::gaussian_pair::Branch;
use firstguess::theory::gaussian_pair::Validity;

use crate::args::{PairArgs, PairBranch};
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, given};

pub(crate) fn run(args: &PairArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let branch = match args.branch {
        PairBranch::Odd => Branch::Odd,
        PairBranch::Positive => Branch::Positive,
    };
    let answer = PairAnswer::new(args.theta, branch, &args.table, args.width, args.depth)?;
    if out.json() {
        out.object("pair", &answer)?;
    } else {
        print(&answer, out)?;
    }
    Ok(ExitStatus::Fine)
}

fn print(answer: &PairAnswer, out: &mut Printer) -> anyhow::Result<()> {
    let theory = &answer.theory;
    match &answer.critical {
        Ok((weight, bias)) => out.headline(
            Tone::Good,
            &format!(
                "critical and Gaussian at weight variance {} of the pair's own, bias variance {}",
                digits(*weight),
                digits(*bias)
            ),
        )?,
        Err(why) => out.headline(Tone::Neutral, &format!("never critical: {why}"))?,
    }
    out.lines(&format!(
        "Gaussian pair θ = {}, {} branch\n\n  χ {}  elasticity {}  E W² {}\n\n",
        given(answer.theta),
        answer.branch_name(),
        digits(theory.chi),
        digits(theory.elasticity),
        digits(theory.weight_second_moment)
    ))?;
    let rows =
        answer.phi.iter().map(|at| vec![digits(at.x), digits(at.value), digits(at.derivative)]);
    out.lines(&columns(out, &["x", "φ(x)", "slope"], rows.collect()))?;
    let last = answer.kurtosis.last().map_or_else(String::new, |last| {
        let trust = match last.validity {
            Validity::Exact => "exact",
            Validity::LeadingOrder => "to leading order in 1/width",
            Validity::Unreliable => "beyond the leading order: only its sign is to be trusted",
        };
        let excess = digits(last.excess_kurtosis);
        format!(
            "\n  excess kurtosis at layer {}, width {}: {excess} ({trust})",
            last.layer, answer.width
        )
    });
    out.lines(&last)?;
    Ok(())
}
