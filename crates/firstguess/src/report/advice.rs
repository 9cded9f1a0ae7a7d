//! Advice as text for a terminal and as JSON.

use super::text::{left, number, right};
use super::{Fields, SCHEMA_VERSION, Style};
use crate::advise::objective::{Objective, SHARE_RESOLUTION, Term};
use crate::advise::{Advice, Assessed, TradeOffPoint};
use crate::finding::Severity;
use crate::loss_doctor::Verdict;
use crate::spec::scheme::LayerInit;
use serde_json::{Value, json};
use std::fmt::Write as _;

impl Advice {
    /// The recommendation in one sentence.
    pub fn headline(&self) -> String {
        let best = self.recommended();
        let present = self.present();
        if best.id == "present" {
            let why = if best.objective.trainable() {
                "nothing is better by the objective"
            } else {
                "it does not meet the objective, and no other draw of the weights comes closer"
            };
            return format!("Keep the initialization as it is ({}): {why}.", best.init.scheme);
        }
        let gain = |of: &Objective| factor(of.gradient.value());
        let share = |of: &Objective| percent(of.largest_share.value());
        let mut text = format!(
            "Draw anew: {}. Gradients then change by a factor of {} over the depth instead of {}, and the class guessed most gets \
             {} of the inputs instead of {}.",
            best.title,
            gain(&best.objective),
            gain(&present.objective),
            share(&best.objective),
            share(&present.objective),
        );
        if !best.objective.trainable() {
            text += " That is not all that is asked for: see the notes.";
        }
        text
    }

    /// What has to be paid, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let best = &self.recommended().objective;
        if best.trainable() && !best.largest_share.met() {
            notes.push(format!(
                "the untrained network will still send {} of the inputs to one class: that is the price of gradients that survive, \
                 and training undoes it while gradients are there",
                percent(best.largest_share.value())
            ));
        }
        let missed: Vec<String> = [
            (&best.gradient, "gradients change by a factor of"),
            (&best.variance, "the signal's variance by one of"),
            (&best.correlation, "the difference between two inputs shrinks by one of"),
        ]
        .into_iter()
        .filter(|(term, _)| !term.met())
        .map(|(term, what)| {
            format!("{what} {} ({} is allowed)", factor(term.value()), factor(term.allowed))
        })
        .collect();
        if !missed.is_empty() {
            notes.push(format!(
                "no draw of the weights that was tried meets the whole objective here: over the depth, {}. Make the network \
                 shallower or wider, or add residual blocks or a normalisation",
                missed.join(", ")
            ));
        }
        for change in &self.changes {
            notes.push(change_note(change, best));
        }
        if let Some(loss) = &self.loss {
            let name = &loss.force.loss;
            let schedule =
                loss.suggested.as_ref().filter(|_| loss.verdict != Some(Verdict::Corrects));
            notes.push(match (loss.verdict, schedule) {
                (None, _) => format!("the loss {name} could not be judged: {}", loss.reason),
                (Some(verdict), Some(schedule)) => format!(
                    "the loss {name} cannot be left alone with this start ({verdict}): {}; train with {schedule}",
                    loss.reason
                ),
                (_, None) => format!("the loss {name} needs no warm-up: {}", loss.reason),
            });
        }
        notes
    }

    /// The advice as text for a terminal.
    pub fn to_terminal(&self, style: Style) -> String {
        let mut out = String::new();
        let best = self.recommended();
        let verdict = match self.report.worst() {
            Some(Severity::Error) => style.paint("1;31", "NOT OK"),
            Some(Severity::Warning) => style.paint("1;33", "DOUBTFUL"),
            _ => style.paint("1;32", "OK"),
        };
        let _ = write!(
            out,
            "{}  {}\n{}",
            style.bold(&self.report.name),
            style.paint("1;32", "ADVICE"),
            style.wrap(&self.headline(), 2)
        );
        let m = &self.report.measurement;
        let mut about = vec![("network", self.report.network.layers.clone())];
        about.extend(variances(&best.layers).into_iter().map(|line| ("draw", line)));
        about.push((
            "measured",
            format!(
                "{verdict}: {} networks on {} inputs of {}, seed {}. {}",
                m.draws,
                m.examples,
                self.report.data.name,
                self.report.seed,
                self.report.headline()
            ),
        ));
        for (label, text) in about {
            let body = style.wrap(&text, 11);
            let _ = write!(out, "  {}{}", style.dim(&left(label, 9)), body.trim_start());
        }
        self.table(&mut out, style);
        self.trade_off_table(&mut out, style);
        out.push('\n');
        for note in self.notes() {
            let body = style.wrap(&note, 4);
            let _ =
                write!(out, "  {} {}", if style.unicode { "·" } else { "-" }, body.trim_start());
        }
        let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
        style.finish(lines.join("\n") + "\n")
    }

    fn table(&self, out: &mut String, style: Style) {
        let heading = format!(
            "\n  {}{}{}{}{}\n",
            left("candidate", 23),
            right("gradient", 14),
            right("variance", 14),
            right("lost", 14),
            right("top share", 13)
        );
        *out += &style.bold(&heading);
        let all = self.candidates.iter().chain(&self.changes);
        for (position, found) in all.enumerate() {
            let o = &found.objective;
            let name = if position == 0 {
                style.finish(format!("→ {}", found.id))
            } else {
                format!("  {}", found.id)
            };
            let line = format!(
                "  {}{}{}{}{}",
                left(&name, 23),
                pair(&o.gradient, 14),
                pair(&o.variance, 14),
                pair(&o.correlation, 14),
                shares(&o.largest_share, 13),
            );
            let _ = writeln!(out, "{}", if position == 0 { style.bold(&line) } else { line });
        }
        let best = &self.recommended().objective;
        let legend = format!(
            "measured (theory), in e-folds (1 is a factor of 2.7, 2.3 one of 10): how much gradients change over the depth (allowed \
             {}), how much the signal's variance does ({}), how much of the difference between two inputs is lost ({}); share of \
             the class guessed most (even: {})",
            number(best.gradient.allowed),
            number(best.variance.allowed),
            number(best.correlation.allowed),
            percent(1.0 / self.network.logits().max(2) as f64),
        );
        *out += &style.dim(&style.wrap(&legend, 2));
        for missing in &self.unavailable {
            let line = format!("{}: not proposed, {}", missing.id, missing.reason);
            *out += &style.dim(&style.wrap(&line, 2));
        }
    }

    fn trade_off_table(&self, out: &mut String, style: Style) {
        if self.trade_off.is_empty() {
            return;
        }
        *out += &style.bold(&format!(
            "\n  {}{}{}\n",
            right("weight_variance", 17),
            right("ln gradient", 14),
            right("top share", 12)
        ));
        for TradeOffPoint { weight_variance, role, largest_share, ln_gradient, .. } in
            &self.trade_off
        {
            let known = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), rounded);
            let line = format!(
                "  {}{}{}  {role}",
                right(&number(*weight_variance), 17),
                right(&known(ln_gradient), 14),
                right(&largest_share.map_or_else(|| "-".to_owned(), percent), 12)
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        let legend = "bias against trainability, by theory: what other weight variances would do at this bias variance; ln \
                      gradient: at the first layer, relative to the logits, below 0 it vanishes, above 0 it explodes";
        *out += &style.dim(&style.wrap(legend, 2));
    }

    /// The advice as one JSON object.
    pub fn to_json(&self) -> Value {
        let best = self.recommended();
        let verdict = self.report.worst().map_or_else(
            || "fine".to_owned(),
            |worst| match worst {
                Severity::Note => "fine".to_owned(),
                other => other.to_string(),
            },
        );
        json!({
            "schema_version": SCHEMA_VERSION,
            "command": "advise",
            "firstguess_version": env!("CARGO_PKG_VERSION"),
            "name": self.report.name,
            "seed": self.report.seed,
            "headline": self.headline(),
            "recommended": assessed(best),
            "present": assessed(self.present()),
            "candidates": self.candidates.iter().map(assessed).collect::<Vec<_>>(),
            "changes": self.changes.iter().map(assessed).collect::<Vec<_>>(),
            "better_still": self.better_still().map(|change| change.id).collect::<Vec<_>>(),
            "unavailable": self.unavailable,
            "trade_off": self.trade_off,
            "loss": self.loss,
            "notes": self.notes(),
            "spec": best.spec,
            "verdict": { "status": verdict, "headline": self.report.headline() },
            "check": self.report.to_json(),
        })
    }
}

/// What a change would bring, and what it would cost.
fn change_note(change: &Assessed, best: &Objective) -> String {
    let o = &change.objective;
    let better = o.rank() < best.rank();
    let broken = best.trainable() && !o.trainable();
    let numbers = format!(
        "top share {} instead of {}, gradients {} e-folds instead of {}",
        percent(o.largest_share.value()),
        percent(best.largest_share.value()),
        number(o.gradient.value()),
        number(best.gradient.value())
    );
    let verdict = match (better, broken) {
        (true, _) => "better still by the objective".to_owned(),
        (false, true) if o.ln_gradient.is_some_and(|ln| ln > 0.0) && !o.gradient.met() => {
            let fairer = o.largest_share.value() < best.largest_share.value() - SHARE_RESOLUTION;
            let gain = if fairer { "the bias goes and " } else { "" };
            format!("not advised: {gain}the gradients explode")
        }
        (false, true) => "not advised: it does not train".to_owned(),
        (false, false) => "no better by the objective".to_owned(),
    };
    format!("{}: {}. {verdict} ({numbers})", change.title, change.why)
}

/// `e` to the power of it, for people.
fn factor(e_folds: f64) -> String {
    if e_folds > 600.0 { format!("e^{e_folds:.0}") } else { number(e_folds.exp()) }
}

/// Kinds of layers that are told apart.
const SHOWN: usize = 4;

/// `every layer: orthogonal, weight_variance 1, …`; `layer 1: …`.
fn variances(layers: &[LayerInit]) -> Vec<String> {
    let mut groups: Vec<(&LayerInit, Vec<usize>)> = Vec::new();
    for (index, layer) in (1..).zip(layers) {
        match groups.iter_mut().find(|(known, _)| *known == layer) {
            Some((_, members)) => members.push(index),
            None => groups.push((layer, vec![index])),
        }
    }
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let several = groups.len() > 1;
    let mut lines: Vec<String> = groups
        .iter()
        .take(SHOWN)
        .enumerate()
        .map(|(position, (layer, members))| {
            let which = match (position, several) {
                (0, false) => "every layer".to_owned(),
                (0, true) => "the other layers".to_owned(),
                _ => named(members),
            };
            format!(
                "{which}: {} weights, weight_variance {}, bias_variance {}",
                layer.family,
                digits(layer.weight_variance),
                digits(layer.bias_variance)
            )
        })
        .collect();
    if several {
        lines.rotate_left(1);
    }
    if groups.len() > SHOWN {
        lines.push(format!("and {} more", groups.len() - SHOWN));
    }
    lines
}

/// `layer 1`, `layers 3, 5, 7 … 39`.
fn named(members: &[usize]) -> String {
    let shown: Vec<String> = members.iter().take(3).map(ToString::to_string).collect();
    match members.len() {
        1 => format!("layer {}", shown[0]),
        2 | 3 => format!("layers {}", shown.join(", ")),
        n => format!("layers {} … {}", shown.join(", "), members[n - 1]),
    }
}

fn assessed(found: &Assessed) -> Value {
    let layers: Vec<Value> = (1..)
        .zip(&found.layers)
        .map(|(index, layer): (usize, &LayerInit)| {
            Fields::new()
                .with("index", index)
                .with("weight_law", layer.family.to_string())
                .number("weight_variance", layer.weight_variance)
                .number("bias_variance", layer.bias_variance)
                .into_value()
        })
        .collect();
    json!({
        "id": found.id,
        "changes": found.kind,
        "title": found.title,
        "why": found.why,
        "init": found.init,
        "objective": found.objective,
        "trainable": found.objective.trainable(),
        "layers": layers,
    })
}

fn pair(term: &Term, width: usize) -> String {
    let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), rounded);
    right(&format!("{} ({})", known(term.measured), known(term.predicted)), width)
}

fn shares(term: &Term, width: usize) -> String {
    let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    right(&format!("{} ({})", known(term.measured), known(term.predicted)), width)
}

/// Thousandths of an e-fold are nothing.
fn rounded(x: f64) -> String {
    if x.abs() < 0.005 { "0".to_owned() } else { number(x) }
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.0}%", 100.0 * share) } else { "-".to_owned() }
}

/// Four decimals, more where they say nothing, none of a whole number.
fn digits(x: f64) -> String {
    if x == x.trunc() && x.abs() < 1e6 {
        format!("{x}")
    } else if x.abs() >= 0.01 {
        format!("{x:.4}")
    } else {
        format!("{x:.3e}")
    }
}
