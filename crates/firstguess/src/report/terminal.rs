//! The report on a terminal: verdict first, then layers, guesses and findings, on one screen.

use super::spark::sparkline;
use super::text::{self, bar, estimate, in_ascii, left, number, relative_error, right, value};
use super::{Report, phase};
use crate::finding::{Finding, Severity};
use crate::measure::engine::LayerPaths;
use crate::measure::{Estimate, LayerMeasurement};
use crate::theory::Predicted;
use crate::theory::mean_field::Spread;
use crate::theory::predict::LayerPrediction;
use std::fmt::Write as _;

/// How to draw on the terminal at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// Whether to colour.
    pub color: bool,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
}

impl Default for Style {
    /// Plain text of 80 columns.
    fn default() -> Self {
        Self { width: 80, color: false, unicode: true }
    }
}

/// Layers shown before the table is folded.
const ROWS: usize = 10;

/// Layers and characters from which a curve says more than its ends.
const COURSE: usize = 4;

/// Columns up to which lines of words are easy to read.
const PROSE: usize = 100;

/// Columns from which tables have more to say.
const ROOMY: usize = 120;

impl Style {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Lines of words, easy to read, in the characters that the terminal knows: spelled out before they are broken.
    pub(super) fn wrap(self, text: &str, indent: usize) -> String {
        text::wrap(&self.finish(text.to_owned()), indent, self.width.min(PROSE))
    }

    /// A column, likewise.
    pub(super) fn right(self, text: &str, width: usize) -> String {
        right(&self.finish(text.to_owned()), width)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn severity(self, severity: Severity) -> String {
        let (code, mark) = match severity {
            Severity::Error => ("1;31", if self.unicode { "✗ error" } else { "error" }),
            Severity::Warning => ("1;33", if self.unicode { "▲ warning" } else { "warning" }),
            Severity::Note => ("1;34", if self.unicode { "· note" } else { "note" }),
        };
        self.paint(code, mark)
    }

    /// What ASCII terminals see instead of Greek and signs.
    pub(super) fn finish(self, text: String) -> String {
        if self.unicode {
            return text;
        }
        in_ascii(&text)
    }
}

impl Report {
    /// The report as text for a terminal.
    pub fn to_terminal(&self, style: Style) -> String {
        let mut out = String::new();
        self.head(&mut out, style);
        self.layers(&mut out, style);
        self.guesses(&mut out, style);
        for finding in &self.findings {
            out.push('\n');
            out += &finding_text(finding, style);
        }
        self.foot(&mut out, style);
        // Padded columns end in spaces that nobody wants to copy.
        let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
        style.finish(lines.join("\n") + "\n")
    }

    fn head(&self, out: &mut String, style: Style) {
        let verdict = match self.worst() {
            Some(Severity::Error) => style.paint("1;31", "NOT OK"),
            Some(Severity::Warning) => style.paint("1;33", "DOUBTFUL"),
            _ => style.paint("1;32", "OK"),
        };
        let headline = style.wrap(&self.headline(), 2);
        let _ = write!(out, "{}  {verdict}\n{headline}\n", style.bold(&self.name));
        let m = &self.measurement;
        let mut about = vec![
            (
                "network",
                format!(
                    "{}  ({} parameters)",
                    self.network.layers,
                    thousands(self.network.parameters)
                ),
            ),
            ("init", self.network.init.clone()),
            (
                "data",
                format!(
                    "{} inputs of {}, standardize {}{}",
                    m.examples,
                    self.data.name,
                    self.standardized(),
                    self.data.label_noise.as_ref().map_or_else(String::new, |noise| format!(
                        ", {} labels changed by noise",
                        noise.changed
                    ))
                ),
            ),
            ("measured", self.measured_line()),
            ("phase", self.phase_line()),
            ("width", self.width_line()),
        ];
        for note in self.model.iter().flat_map(|model| &model.notes) {
            about.push(("note", note.clone()));
        }
        if let Some(found) = self.model.as_ref().and_then(|model| model.as_found.as_ref()) {
            let share = if found.largest_share.is_known() {
                format!("{} of the inputs go to one class", percent(&found.largest_share))
            } else {
                "what the network guesses is not known".to_owned()
            };
            let loss = if found.cross_entropy.is_known() {
                format!(", loss {}", value(&found.cross_entropy))
            } else {
                String::new()
            };
            about.push(("as found", format!("{share}{loss}")));
        }
        for (label, text) in about {
            let body = style.wrap(&text, 11);
            let _ = write!(out, "  {}{}", style.dim(&left(label, 9)), body.trim_start());
        }
    }

    /// How features were scaled, by its name.
    pub(super) fn standardized(&self) -> String {
        serde_json::to_value(self.data.standardize)
            .ok()
            .and_then(|name| name.as_str().map(ToOwned::to_owned))
            .unwrap_or_default()
    }

    /// How many networks, how drawn, and why no more.
    pub(super) fn measured_line(&self) -> String {
        let m = &self.measurement;
        let mut text = format!("{} networks, seed {}", m.draws, self.seed);
        if m.sampling.engine == "conditioned" {
            text += ", without weights (exact law)";
            let careful = |layer: &LayerPaths| layer.forward.gram_f64 + layer.forward.qr;
            let layers = m.sampling.layers.iter().filter(|layer| careful(layer) > 0).count();
            if layers > 0 {
                text += &format!(", {layers} layers in double precision");
            }
        }
        let names: Vec<&str> = m.stop.watched.iter().map(|watched| watched.name).collect();
        match (m.stop.reason, m.stop.precision) {
            ("precision", Some(precision)) => {
                text +=
                    &format!("; enough: {} within {:.3} %", names.join(", "), 100.0 * precision);
            }
            ("budget", _) => {
                let worst = m.stop.watched.iter().filter_map(|watched| watched.relative_error);
                let worst = worst.fold(0.0, f64::max);
                text += &format!(
                    "; the time was up: {} within {:.3} %",
                    names.join(", "),
                    100.0 * worst
                );
            }
            (_, Some(precision)) => {
                text += &format!("; too few for errors of {:.3} %", 100.0 * precision);
            }
            _ => {}
        }
        if let Some(overrun) = &m.stop.overrun {
            text += &format!("; {overrun}");
        }
        text
    }

    pub(super) fn phase_line(&self) -> String {
        phase::line(&self.prediction)
    }

    /// What the widths at hand do to the numbers of infinite width, at both ends of the network.
    pub(super) fn width_line(&self) -> String {
        let layers = &self.prediction.layers;
        let (Some(first), Some(last)) = (layers.first(), layers.last()) else {
            return "no layer has weights".to_owned();
        };
        match (&first.finite_width, &last.finite_width) {
            (Ok(start), Ok(end)) => {
                let infinite = |ln: Option<f64>| ln.map_or_else(|| "-".to_owned(), number);
                format!(
                    "ln q at the logits {} ± {} over networks (infinite: {}); ln gradient at layer 1 {} ± {} (infinite: {})",
                    number(end.ln_q_mean),
                    number(end.ln_q_variance.sqrt()),
                    infinite(last.ln_q().ok()),
                    number(start.ln_gradient_mean),
                    number(start.ln_gradient_variance.sqrt()),
                    infinite(first.ln_gradient.clone().ok()),
                )
            }
            (Err(why), _) | (_, Err(why)) => format!("no correction: {why}"),
        }
    }

    fn layers(&self, out: &mut String, style: Style) {
        let rows: Vec<(&LayerPrediction, &LayerMeasurement)> =
            self.prediction.layers.iter().zip(&self.measurement.layers).collect();
        // Paths of modules need the room of the relative errors.
        let (names, errors) = if self.model.is_some() { (22, 0) } else { (5, 6) };
        let title = format!(
            "\n  {}{}{}{}{}\n",
            right("layer", names),
            if errors == 0 {
                right("q theory measured", 18)
            } else {
                right("q theory  measured", 24)
            },
            if errors == 0 {
                style.right("γ theory measured", 18)
            } else {
                style.right("γ theory  measured", 23)
            },
            right(
                if errors == 0 { "gradient" } else { "gradient theory" },
                if errors == 0 { 10 } else { 16 },
            ),
            right("measured", 10),
        );
        let roomy = style.width >= ROOMY;
        let title = if roomy {
            let more = ["c theory  measured", "dead", "saturated"];
            let more = format!("{}{}{}", right(more[0], 20), right(more[1], 8), right(more[2], 11));
            format!("{}{more}\n", title.trim_end_matches('\n'))
        } else {
            title
        };
        *out += &style.bold(&title);
        let shown = folded(rows.len(), ROWS);
        for position in shown {
            let (p, m) = rows[position];
            let q = predicted(&p.q());
            let gamma = predicted(&p.spread.clone().map(|spread| spread.gamma()));
            let module = self.model.as_ref().and_then(|model| model.modules.get(position));
            let name = match module {
                Some(module) => ending(&module.path, names),
                None if position + 1 == rows.len() => "out".to_owned(),
                None => m.index.to_string(),
            };
            let _ = writeln!(
                out,
                "  {}{}{}{}{}{}{}{}{}{}",
                right(&name, names),
                right(&q, 9),
                right(&value(&m.q), 9),
                style.dim(&shortened(&style.finish(relative_error(&m.q)), errors)),
                right(&gamma, 9),
                right(&value(&m.gamma), 9),
                style.dim(&shortened(&style.finish(relative_error(&m.gamma)), errors)),
                right(
                    &predicted(&p.ln_gradient.clone().map(f64::exp)),
                    if errors == 0 { 10 } else { 15 }
                ),
                right(&value(&m.cotangent_gradient), 10),
                if roomy { more_columns(p, m) } else { String::new() },
            );
        }
        for line in self.prediction.limits_on(self.measurement.examples) {
            *out += &style.wrap(&format!("theory: {line}"), 2);
        }
        if let Some(line) = self.depth_line(style) {
            let _ = writeln!(out, "  {line}");
        }
        if let Some(line) = self.class_line() {
            *out += &style.dim(&style.wrap(&line, 2));
        }
        let legend = "q: mean square signal; γ: common offset over spread of the inputs' signals; gradient: mean square \
                      relative to the logits";
        *out += &style.dim(&style.wrap(legend, 2));
    }

    /// The course of signal, drift and gradient over all layers, each between its first and its last value; measured where
    /// it was.
    fn depth_line(&self, style: Style) -> Option<String> {
        let (predicted, measured) = (&self.prediction.layers, &self.measurement.layers);
        if measured.len() < COURSE {
            return None;
        }
        let of = |theory: fn(&LayerPrediction) -> Option<f64>,
                  found: fn(&LayerMeasurement) -> Estimate| {
            let each = measured.iter().enumerate().map(|(i, layer)| {
                let found = found(layer);
                let theory = || predicted.get(i).and_then(theory).unwrap_or(f64::NAN);
                if found.is_known() { found.value } else { theory() }
            });
            each.collect::<Vec<f64>>()
        };
        let curves = [
            ("q", of(|layer| layer.q().ok(), |layer| layer.q)),
            ("γ", of(|layer| layer.spread.as_ref().ok().map(Spread::gamma), |layer| layer.gamma)),
            (
                "gradient",
                of(
                    |layer| layer.ln_gradient.as_ref().ok().map(|ln| ln.exp()),
                    |layer| layer.cotangent_gradient,
                ),
            ),
        ];
        let curves: Vec<_> =
            curves.iter().filter(|(_, values)| values.iter().any(|v| v.is_finite())).collect();
        let ends: Vec<[String; 2]> = curves
            .iter()
            .map(|(_, values)| [number(values[0]), number(values[values.len() - 1])])
            .collect();
        let said = |i: usize, curve: &str| {
            {
                // Digits for a curve must not be taken for a number.
                let curve = if style.unicode { curve.to_owned() } else { format!("[{curve}]") };
                format!("{} {} {curve} {}", curves[i].0, ends[i][0], ends[i][1])
            }
        };
        let words: usize =
            (0..curves.len()).map(|i| style.finish(said(i, "")).chars().count()).sum();
        let room = style.width.saturating_sub(2 + words + 3 * curves.len().saturating_sub(1));
        let cells = (room / curves.len().max(1)).min(measured.len());
        if curves.is_empty() || cells < COURSE {
            return None;
        }
        let each: Vec<String> = (0..curves.len())
            .map(|i| said(i, &sparkline(&curves[i].1, cells, style.unicode)))
            .collect();
        Some(each.join("   "))
    }

    /// How alike inputs of one class and of two are, first and last.
    fn class_line(&self) -> Option<String> {
        let layers = &self.measurement.layers;
        let [first, last] =
            [layers.first()?, layers.last()?].map(|layer| layer.class_correlation.as_ref());
        let (first, last) = (first?, last?);
        if !last.same.is_known() || !last.different.is_known() {
            return None;
        }
        Some(format!(
            "correlation of two inputs: same class {} at layer 1, {} at the logits; different classes {}, {}",
            number(first.same.value),
            estimate(&last.same),
            number(first.different.value),
            estimate(&last.different),
        ))
    }

    fn guesses(&self, out: &mut String, style: Style) {
        let guess = &self.measurement.prejudice;
        let _ = writeln!(
            out,
            "\n  {}",
            style.bold("first guess: mean share of each network's classes, most guessed first")
        );
        let room = style.width.saturating_sub(44).clamp(10, 80);
        let shown = guess.ordered_shares.len().min(4);
        for (rank, share) in guess.ordered_shares.iter().take(shown).enumerate() {
            let theory = match (&self.prediction.prejudice, rank) {
                (Ok(prediction), 0) => format!("theory {:.1} %", 100.0 * prediction.largest_share),
                _ => String::new(),
            };
            let bar = format!("  {}", bar(share.value, room, style.unicode));
            // Nothing behind the bar where theory has nothing to say: not even colour.
            let beside = if theory.is_empty() {
                bar
            } else {
                format!("{}  {}", left(&bar, room + 2), style.dim(&theory))
            };
            let rank = right(&(rank + 1).to_string(), 5);
            let _ = writeln!(out, "  {rank}{}{}", right(&percent(share), 17), beside.trim_end());
        }
        let rest = guess.ordered_shares.iter().skip(shown).map(|share| share.value).sum::<f64>();
        let others = guess.ordered_shares.len() - shown;
        if others > 0 {
            let _ = writeln!(
                out,
                "  {}{}",
                right(&format!("+{others}"), 5),
                right(&format!("{:.1} %", 100.0 * rest), 10),
            );
        }
        let loss = &self.measurement.loss;
        let _ = writeln!(
            out,
            "  {}",
            style.dim(&format!(
                "balanced: {:.1} % each.  loss at start {} (ln {} = {:.3})",
                100.0 / guess.classes as f64,
                estimate(&loss.cross_entropy),
                guess.classes,
                loss.ln_classes
            ))
        );
    }

    fn foot(&self, out: &mut String, style: Style) {
        let keys = self.citations();
        if !keys.is_empty() {
            let line = format!("references: {} (firstguess cite KEY)", keys.join(", "));
            let _ = writeln!(out, "\n{}", style.dim(style.wrap(&line, 2).trim_end()));
        }
    }
}

pub(super) fn finding_text(finding: &Finding, style: Style) -> String {
    let mut out = format!("  {}  {}\n", style.severity(finding.severity), style.bold(finding.id));
    out += &style.wrap(&finding.title, 4);
    out += &style.wrap(&finding.explanation, 4);
    if finding.severity > Severity::Note {
        for line in &finding.evidence {
            let mut parts = Vec::new();
            if let Some(predicted) = line.predicted {
                parts.push(format!("theory {}", number(predicted)));
            }
            if let Some(measured) = &line.measured {
                parts.push(format!("measured {}", estimate(measured)));
            }
            out += &style.dim(&style.wrap(&format!("{}: {}", line.quantity, parts.join(", ")), 4));
        }
    }
    if let Some(remedy) = &finding.remedy {
        out += &style.wrap(&format!("→ {remedy}"), 4);
    }
    if finding.severity > Severity::Note {
        out += &style.dim(&format!("    more: firstguess explain {}\n", finding.id));
    }
    out
}

/// What a roomy table says beside the rest.
fn more_columns(predicted: &LayerPrediction, measured: &LayerMeasurement) -> String {
    let c = predicted.spread.as_ref().map_or_else(|_| "-".to_owned(), |spread| number(spread.c()));
    format!(
        "{}{}{}{}",
        right(&c, 10),
        right(&value(&measured.c), 10),
        right(&value(&measured.dead_fraction), 8),
        right(&value(&measured.saturated_fraction), 11),
    )
}

/// The last characters of a path: what tells modules apart.
pub(super) fn ending(path: &str, width: usize) -> String {
    let length = path.chars().count();
    if length < width {
        return path.to_owned();
    }
    let kept: String = path.chars().skip(length + 2 - width).collect();
    format!("…{kept}")
}

/// A column that may be left out.
fn shortened(text: &str, width: usize) -> String {
    if width == 0 { String::new() } else { right(text, width) }
}

fn predicted(value: &Predicted) -> String {
    value.as_ref().map_or_else(|_| "-".to_owned(), |x| number(*x))
}

fn percent(e: &Estimate) -> String {
    if !e.is_known() {
        return "-".to_owned();
    }
    match e.std_error {
        Some(error) => format!("{:.1} ± {:.1} %", 100.0 * e.value, 100.0 * error),
        None => format!("{:.1} %", 100.0 * e.value),
    }
}

pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Positions to show of `n` rows when at most `rows` fit: the first three, evenly spaced ones, the last two.
pub(super) fn folded(n: usize, rows: usize) -> Vec<usize> {
    if n <= rows {
        return (0..n).collect();
    }
    let mut shown: Vec<usize> = (0..rows).map(|i| i * (n - 1) / (rows - 1)).collect();
    shown.extend([1, n - 2]);
    shown.sort_unstable();
    shown.dedup();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tables_keep_their_ends() {
        assert_eq!(folded(4, 10), [0, 1, 2, 3]);
        let shown = folded(100, 10);
        assert!(shown.starts_with(&[0, 1]) && shown.ends_with(&[98, 99]) && shown.len() <= 12);
    }

    #[test]
    fn ascii_terminals_get_ascii() {
        let style = Style { unicode: false, ..Style::default() };
        let text = style.finish("γ₁ = 2 ± 1 → χ".to_owned());
        assert!(text.is_ascii(), "{text}");
        assert_eq!(text, "gamma_1 = 2 +- 1 -> chi");
        assert_eq!(thousands(1_234_567), "1 234 567");
    }

    /// The whole report as people see it, on a narrow and on a wide terminal, with and without more than ASCII.
    #[test]
    fn reports_fit_their_terminal() {
        let report = crate::report::picture::tests::report();
        for (width, unicode) in [(80, true), (140, true), (80, false), (140, false)] {
            let text = report.to_terminal(Style { width, color: false, unicode });
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
            }
            assert!(unicode || text.is_ascii(), "{text}");
            let name = format!("report_{width}_{}", if unicode { "unicode" } else { "ascii" });
            insta::assert_snapshot!(name, text);
        }
    }
}
