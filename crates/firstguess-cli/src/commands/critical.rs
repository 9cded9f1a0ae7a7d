//! `firstguess critical`.

use firstguess::report::answer::CriticalAnswer;
use firstguess::theory::critical::CriticalPoint;

use crate::args::CriticalArgs;
use crate::commands::dual;
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, given};

pub(crate) fn run(args: &CriticalArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let activation = &args.activation.activation;
    let phi = dual(activation, args.pool, args.pool_correlation)?;
    let answer = CriticalAnswer::new(activation, phi, args.bias_variance);
    if out.json() {
        out.object("critical", &answer)?;
    } else {
        print(&answer, out)?;
    }
    Ok(ExitStatus::Fine)
}

fn print(answer: &CriticalAnswer, out: &mut Printer) -> anyhow::Result<()> {
    let (activation, bias_variance) = (&answer.phi, given(answer.bias_variance));
    match &answer.edge_of_chaos {
        Ok(points) => {
            let at: Vec<String> =
                points.iter().map(|point| digits(point.weight_variance)).collect();
            out.headline(
                if points.iter().any(|point| point.stable) {
                    Tone::Good
                } else {
                    Tone::Neutral
                },
                &format!("edge of chaos at weight variance {}", at.join(" and ")),
            )?;
            out.lines(&format!("{activation}, bias variance {bias_variance}\n\n"))?;
            out.lines(&table(points, out))?;
        }
        Err(why) => {
            out.headline(Tone::Bad, "no weight variance is critical")?;
            out.lines(&format!("{activation}, bias variance {bias_variance}\n{why}"))?;
        }
    }
    if let Some(both) = &answer.homogeneous {
        out.lines(&format!("\n{both}"))?;
    }
    out.lines(&match &answer.neutrality {
        Ok(point) => format!(
            "\nneutral beyond weight variance {} (q* = {}): there two inputs keep correlation c* = 1/2",
            digits(point.weight_variance),
            digits(point.q_star)
        ),
        Err(why) => format!("\nno neutrality point: {why}"),
    })?;
    if let Ok(points) = &answer.edge_of_chaos
        && points.iter().any(|point| !point.stable && point.q_star.is_ok())
    {
        out.note(
            "an unstable fixed point repels: networks of finite width drift away from its q*",
        )?;
    }
    Ok(())
}

fn table(points: &[CriticalPoint], out: &Printer) -> String {
    let rows = points.iter().map(|point| {
        let kept = point.q_slope == 1.0;
        let missing = if kept { "any" } else { "none" };
        let q_star = point.q_star.as_ref().map_or(missing.to_owned(), |q| digits(*q));
        let kind = match (point.stable, &point.q_star) {
            (_, Err(_)) if kept => "neutral",
            (true, _) => "stable",
            (false, _) => "unstable",
        };
        vec![
            format!("{:.8}", point.weight_variance),
            q_star,
            digits(point.q_slope),
            kind.to_owned(),
        ]
    });
    columns(out, &["weight variance", "q*", "slope at q*", "fixed point"], rows.collect())
}
