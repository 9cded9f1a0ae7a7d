//! The prediction for people.

use std::fmt::Write;
use std::io;

use firstguess::theory::log_periodic::PeriodicFixedPoints;
use firstguess::theory::phase::{Phase, Prejudice};
use firstguess::theory::predict::RepeatedBlock;
use firstguess::theory::{NoTheory, Predicted};

use super::{Answer, Guess};
use crate::commands::preserved;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, folded};

impl Answer {
    pub(super) fn print(&self, out: &mut Printer) -> io::Result<()> {
        let (tone, trainability) = self.trainability();
        out.headline(tone, &trainability)?;
        let (tone, bias) = self.guess.as_ref().map_or_else(|| self.bias(), first_guess);
        out.headline(tone, &bias)?;
        let limits = self.limits() + &preserved::text(&self.preserved);
        out.lines(&format!("{}\n\n{}\n", self.subject, limits.trim_end_matches('\n')))?;
        out.lines("\n")?;
        out.lines(&self.table(out))?;
        out.lines(&self.more())?;
        if let Some(why) = &self.ended {
            out.lines(&format!("  ends after layer {}: {why}", self.layers.len()))?;
        }
        for limit in &self.limits {
            out.lines(&format!("  {limit}"))?;
        }
        let broken = self.layers.iter().find_map(|layer| match layer.on_data {
            // Told among the limits.
            Some(_) => None,
            None => layer.spread.as_ref().err(),
        });
        if let Some(why) = broken {
            out.lines(&format!("  -: {why}"))?;
        }
        if let Some(periodic) = &self.periodic {
            out.lines(&infinitely_many(periodic))?;
        }
        out.note(&self.advice())
    }

    /// What becomes of gradients.
    fn trainability(&self) -> (Tone, String) {
        let depth = self.layers.len();
        let first = self.layers.first().map(|_| self.layer(0).gradient);
        let first = first.unwrap_or_else(|| Err(NoTheory::new("no layer has a theory")));
        let over = match first {
            Ok(factor) => format!("by {} over {depth} layers", digits(factor)),
            Err(why) => format!("over {depth} layers by {why}"),
        };
        let of = if self.block.is_some() { "block" } else { "layer" };
        let chi = match self.chi() {
            Ok(chi) => chi,
            Err(why) => return (Tone::Bad, format!("gradients have no limit ({why})")),
        };
        let per_layer = format!("squared gradients are multiplied by {} per {of}", digits(chi));
        if self.block.is_some() {
            return block_trainability(&self.phase(), &per_layer, &over);
        }
        match self.phase() {
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
    fn bias(&self) -> (Tone, String) {
        let c_star = shown(&self.limit(|limit| &limit.c_star));
        match self.prejudice() {
            Ok(Prejudice::Neutrality) => (
                Tone::Good,
                format!("neutral: two inputs end at correlation c* = {c_star}, guesses are split evenly"),
            ),
            Ok(Prejudice::Prejudice) => (
                Tone::Bad,
                format!(
                    "prejudiced: two inputs end at correlation c* = {c_star} (γ* = {}), most networks favour a class",
                    shown(&self.limit(|limit| &limit.gamma_star))
                ),
            ),
            Ok(Prejudice::DeepPrejudice) => (
                Tone::Bad,
                "deeply prejudiced: all inputs merge, a deep untrained network gives them one class".to_owned(),
            ),
            Err(why) => (Tone::Neutral, format!("no limit of the bias: {why}")),
        }
    }

    fn limits(&self) -> String {
        if let Some(found) = &self.block {
            return block_limits(found);
        }
        let named = [
            ("q*", self.limit(|limit| &limit.q_star)),
            ("slope", self.limit(|limit| &limit.q_slope)),
            ("χ₁", self.limit(|limit| &limit.chi_1)),
            ("c*", self.limit(|limit| &limit.c_star)),
            ("χ_c", self.limit(|limit| &limit.chi_c)),
        ];
        let limits = named.each_ref().map(|(name, value)| format!("{name} {}", shown(value)));
        let gradient = self.limit(|limit| &limit.gradient_depth_scale);
        let mut text = format!(
            "  limits  {}\n  scales  variance {}, correlation {}, gradient {} (in layers)\n",
            limits.join("  "),
            shown(&self.limit(|limit| &limit.depth_scale_q)),
            shown(&self.limit(|limit| &limit.depth_scale_c)),
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

    fn table(&self, out: &Printer) -> String {
        let rows = folded(self.layers.len()).into_iter().map(|index| {
            let layer = self.layer(index);
            let numbers =
                [&layer.q, &layer.c, &layer.v, &layer.t, &layer.gamma, &layer.gradient].map(shown);
            std::iter::once(layer.index.to_string()).chain(numbers).collect()
        });
        columns(out, &["layer", "q", "c", "V", "T", "γ", "gradient"], rows.collect())
    }

    /// What width does at the logits, and which class pulls how hard.
    fn more(&self) -> String {
        let mut text = String::new();
        let last = self.layers.last().and_then(|layer| layer.finite_width.as_ref());
        if let Some(found) = last {
            text += &match found {
                Ok(at) => format!(
                    "  finite width: at the logits ln q = {} ± {} from network to network (infinite: {})",
                    digits(at.ln_q_mean),
                    digits(at.ln_q_variance.sqrt()),
                    self.layers
                        .last()
                        .and_then(|layer| layer.spread.as_ref().ok())
                        .map_or_else(|| "-".to_owned(), |spread| digits(spread.ln_q())),
                ),
                Err(why) => format!("  finite width: {why}"),
            };
            let first = self.layers.first().and_then(|layer| layer.finite_width.as_ref());
            if let Some(Ok(at)) = first {
                let infinite = self.layers.first().map(|layer| layer.ln_gradient.clone());
                text += &format!(
                    ", ln gradient at the first layer = {} ± {} (infinite: {})",
                    digits(at.ln_gradient_mean),
                    digits(at.ln_gradient_variance.sqrt()),
                    infinite.map_or_else(|| "-".to_owned(), |value| shown(&value)),
                );
            }
            text.push('\n');
        }
        match self.class_gradients() {
            Some(Ok(pull)) => {
                let _ = writeln!(
                    text,
                    "  gradient at {}: favoured class mean {} median {}, other classes mean {} median {}",
                    if self.guess.is_some() {
                        "the logits"
                    } else {
                        "two logits of the last layer"
                    },
                    digits(pull.favoured_mean),
                    digits(pull.favoured_median),
                    digits(pull.unfavoured_mean),
                    digits(pull.unfavoured_median),
                );
            }
            Some(Err(why)) => {
                let _ = writeln!(text, "  gradient by class: {why}");
            }
            None => {}
        }
        text
    }

    /// One sentence on what to do, or what to keep in mind.
    fn advice(&self) -> String {
        if self.is_unstable() {
            return "q* is unstable: networks of finite width drift away from it".to_owned();
        }
        if self.phase() == Ok(Phase::EdgeOfChaos) {
            return "exact at infinite width; at finite width fluctuations grow with depth over width".to_owned();
        }
        if self.block.is_some() {
            return "`firstguess phase MODEL` has the phases of its blocks at other variances"
                .to_owned();
        }
        match self.nearest_edge() {
            Ok(edge) => format!(
                "at this bias variance the edge of chaos is at weight variance {} (`firstguess critical`)",
                digits(edge)
            ),
            Err(why) => format!("no weight variance helps at this bias variance: {why}"),
        }
    }
}

/// What ever more blocks do to gradients, and what this network does, whose ends are no blocks.
fn block_trainability(
    phase: &Result<Phase, NoTheory>,
    per_block: &str,
    over: &str,
) -> (Tone, String) {
    let (tone, name, fate) = match phase {
        Ok(Phase::Ordered) => (Tone::Bad, "ordered", "they vanish with depth"),
        // A stream on which ever less is added nears the edge without being on it.
        Ok(Phase::EdgeOfChaos) => {
            (Tone::Good, "edge of chaos", "a block far down keeps their size")
        }
        Ok(Phase::Chaotic) => (Tone::Bad, "chaotic", "they explode with depth"),
        Err(_) => (Tone::Neutral, "no phase", "what becomes of them is not known"),
    };
    (tone, format!("{name}: {per_block}, so that {fate}; here, ends included, {over}"))
}

/// Where infinitely many blocks lead.
fn block_limits(found: &RepeatedBlock) -> String {
    let limit = &found.limit;
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), digits);
    let mut text = format!(
        "  limits of ever more blocks  q* {}  χ {}{}  c* {}  γ* {}\n",
        number(limit.q_star),
        shown(&limit.chi),
        if limit.chi.is_ok() { " per block" } else { "" },
        number(limit.c_star()),
        number(limit.gamma_star())
    );
    if let Err(why) = &limit.chi {
        text += &format!("  χ: {why}\n");
    }
    text
}

/// The fixed points of a map that is periodic in `ln q`.
fn infinitely_many(periodic: &PeriodicFixedPoints) -> String {
    let (low, high) = periodic.range;
    let condition =
        format!("infinitely many if 1/σ_w² lies between {} and {}", digits(low), digits(high));
    if periodic.per_period.is_empty() {
        return format!("  no fixed point of the variance beside zero ({condition})");
    }
    let points: Vec<String> = periodic
        .per_period
        .iter()
        .map(|point| {
            let kind = if point.stable { "stable" } else { "unstable" };
            format!("q* {} ({kind}, slope {})", digits(point.q_star), digits(point.q_slope))
        })
        .collect();
    let scope = if periodic.exact { "exactly" } else { "far above the bias variance" };
    format!(
        "  infinitely many fixed points of the variance, {scope}: {}, each times any power of {} ({condition}). \
         The map is that of infinite width: a network of finite width follows it on average only.",
        points.join(", "),
        digits(periodic.factor)
    )
}

/// What this very network guesses, on these data.
fn first_guess(guess: &Guess) -> (Tone, String) {
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
