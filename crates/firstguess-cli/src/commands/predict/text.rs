//! The prediction for people.

use std::fmt::Write;
use std::io;

use firstguess::report::answer::{PredictAnswer, PredictedGuess};
use firstguess::theory::phase::{Phase, Prejudice};
use firstguess::theory::{NoTheory, Predicted};

use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, folded};

pub(super) fn print(
    subject: &str,
    answer: &PredictAnswer,
    out: &mut Printer,
) -> io::Result<()> {
    let (tone, trainability) = trainability(answer);
    out.headline(tone, &trainability)?;
    let (tone, bias) = answer.guess.as_ref().map_or_else(|| bias(answer), first_guess);
    out.headline(tone, &bias)?;
    out.lines(&format!("{}\n\n{}\n", subject, limits(answer)))?;
    out.lines(&table(answer, out))?;
    if let Some(why) = &answer.ended {
        out.lines(&format!("  ends after layer {}: {why}", answer.layers.len()))?;
    }
    let broken = answer.layers.iter().find_map(|layer| layer.spread.as_ref().err());
    if let Some(why) = broken {
        out.lines(&format!("  -: {why}"))?;
    }
    out.note(&advice(answer))
}

/// What becomes of gradients.
fn trainability(answer: &PredictAnswer) -> (Tone, String) {
    let depth = answer.layers.len();
    let first = answer.layers.first().map(|_| answer.layer(0).gradient);
    let first = first.unwrap_or_else(|| Err(NoTheory::new("no layer has a theory")));
    let over = match first {
        Ok(factor) => format!("by {} over {depth} layers", digits(factor)),
        Err(why) => format!("over {depth} layers by {why}"),
    };
    let per_layer = match answer.limit(|limit| &limit.chi_1) {
        Ok(chi) => format!("squared gradients are multiplied by {} per layer", digits(chi)),
        Err(why) => return (Tone::Bad, format!("gradients have no limit ({why})")),
    };
    match answer.phase() {
        Ok(Phase::Ordered) => {
            (Tone::Bad, format!("ordered: {per_layer}, {over}: they vanish with depth"))
        }
        Ok(Phase::EdgeOfChaos) => {
            (Tone::Good, "edge of chaos: gradients keep their size at every depth".to_owned())
        }
        Ok(Phase::Chaotic) => {
            (Tone::Bad, format!("chaotic: {per_layer}, {over}: they explode with depth"))
        }
        Err(why) => (Tone::Neutral, format!("no phase ({why}); {per_layer}, {over}")),
    }
}

/// What becomes of the guesses of ever deeper networks.
fn bias(answer: &PredictAnswer) -> (Tone, String) {
    let c_star = shown(&answer.limit(|limit| &limit.c_star));
    match answer.prejudice() {
        Ok(Prejudice::Neutrality) => (
            Tone::Good,
            format!("neutral: two inputs end at correlation c* = {c_star}, guesses are split evenly"),
        ),
        Ok(Prejudice::Prejudice) => (
            Tone::Bad,
            format!(
                "prejudiced: two inputs end at correlation c* = {c_star} (γ* = {}), most networks favour a class",
                shown(&answer.limit(|limit| &limit.gamma_star))
            ),
        ),
        Ok(Prejudice::DeepPrejudice) => (
            Tone::Bad,
            "deeply prejudiced: all inputs merge, a deep untrained network gives them one class".to_owned(),
        ),
        Err(why) => (Tone::Neutral, format!("no limit of the bias: {why}")),
    }
}

fn limits(answer: &PredictAnswer) -> String {
    let named = [
        ("q*", answer.limit(|limit| &limit.q_star)),
        ("slope", answer.limit(|limit| &limit.q_slope)),
        ("χ₁", answer.limit(|limit| &limit.chi_1)),
        ("c*", answer.limit(|limit| &limit.c_star)),
        ("χ_c", answer.limit(|limit| &limit.chi_c)),
    ];
    let limits = named.each_ref().map(|(name, value)| format!("{name} {}", shown(value)));
    let gradient = answer.limit(|limit| &limit.gradient_depth_scale);
    let mut text = format!(
        "  limits  {}\n  scales  variance {}, correlation {}, gradient {} (in layers)\n",
        limits.join("  "),
        shown(&answer.limit(|limit| &limit.depth_scale_q)),
        shown(&answer.limit(|limit| &limit.depth_scale_c)),
        shown(&gradient),
    );
    // One reason often holds for several numbers.
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, value) in named.iter().chain([&("gradient scale", gradient)]) {
        let Err(why) = value else { continue };
        match reasons.iter_mut().find(|(reason, _)| *reason == why.reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((why.reason.clone(), vec![name])),
        }
    }
    for (reason, names) in reasons {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}: {reason}", names.join(", "));
    }
    text
}

fn table(answer: &PredictAnswer, out: &Printer) -> String {
    let rows = folded(answer.layers.len()).into_iter().map(|index| {
        let layer = answer.layer(index);
        let numbers =
            [&layer.q, &layer.c, &layer.v, &layer.t, &layer.gamma, &layer.gradient].map(shown);
        std::iter::once(layer.index.to_string()).chain(numbers).collect()
    });
    columns(out, &["layer", "q", "c", "V", "T", "γ", "gradient"], rows.collect())
}

/// One sentence on what to do, or what to keep in mind.
fn advice(answer: &PredictAnswer) -> String {
    if answer.is_unstable() {
        return "q* is unstable: networks of finite width drift away from it".to_owned();
    }
    if answer.phase() == Ok(Phase::EdgeOfChaos) {
        return "exact at infinite width; at finite width fluctuations grow with depth over width".to_owned();
    }
    match answer.nearest_edge() {
        Ok(edge) => format!(
            "at this bias variance the edge of chaos is at weight variance {} (`firstguess critical`)",
            digits(edge)
        ),
        Err(why) => format!("no weight variance helps at this bias variance: {why}"),
    }
}

/// What this very network guesses, on these data.
fn first_guess(guess: &PredictedGuess) -> (Tone, String) {
    match &guess.prejudice {
        Ok(prejudice) => {
            let percent = |share: f64| format!("{:.1}%", 100.0 * share);
            let tone = if prejudice.gamma < 1.0 { Tone::Good } else { Tone::Bad };
            let text = format!(
                "first guess: the favoured of {} classes gets {} of the inputs on average, {} would be neutral",
                guess.classes,
                percent(prejudice.largest_share),
                percent(prejudice.neutral_share)
            );
            (tone, text)
        }
        Err(why) => (Tone::Neutral, format!("no theory of the first guess: {why}")),
    }
}

fn shown(value: &Predicted) -> String {
    value.as_ref().map_or_else(|_| "-".to_owned(), |value| digits(*value))
}
