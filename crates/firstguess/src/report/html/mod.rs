//! The report as one HTML file: nothing is fetched, nothing sent, and without a script everything is there to read and print.

mod layers;
mod numbers;
mod references;

use super::Report;
use super::picture::{Picture, dark_rules, escaped};
use super::text::{estimate, number};
use crate::finding::{Evidence, Finding, Severity, critical_point};
use serde_json::{Value, json};
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Names and paths of users at most, in characters.
const MOST: usize = 160;

/// Scripts and styles of the page's own, nothing from elsewhere: a page that is handed on cannot phone home.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'";

impl Report {
    /// The report as one self-contained HTML page: verdict, findings with what to do, charts, every number with its
    /// prediction, measurement and source.
    ///
    /// The same report gives the same bytes. Names that come from the user are text, whatever they contain.
    pub fn to_html(&self) -> String {
        let pictures = self.pictures();
        let (mark, word) = match self.worst() {
            Some(Severity::Error) => ("bad", "NOT OK"),
            Some(Severity::Warning) => ("doubtful", "DOUBTFUL"),
            _ => ("good", "OK"),
        };
        let mut out = String::with_capacity(1 << 17);
        let title = text(&self.name);
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"firstguess {version}\">\n\
             <title>{word}: {title}</title>\n<style>{STYLE}{dark}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#findings\">Skip to the findings</a>\n\
             <header>\n<p class=\"kicker\">firstguess report</p>\n<h1>{title}</h1>\n\
             <p class=\"verdict {mark}\"><strong>{word}</strong> <span>{headline}</span></p>\n",
            version = env!("CARGO_PKG_VERSION"),
            dark = dark_rules(),
            headline = longer_text(&self.headline()),
        );
        self.facts(&mut out);
        out += "<nav aria-label=\"Parts of the report\"><ul><li><a href=\"#findings\">Findings</a></li>\
                <li><a href=\"#charts\">Charts</a></li><li><a href=\"#numbers\">Numbers</a></li>\
                <li><a href=\"#layers\">Layers</a></li><li><a href=\"#references\">References</a></li></ul></nav>\n\
                </header>\n<main>\n";
        self.findings_section(&mut out);
        charts_section(&mut out, &pictures);
        numbers::section(self, &mut out);
        layers::section(self, &mut out);
        references::section(self, &mut out);
        let _ = write!(
            out,
            "</main>\n<footer><p>Made by firstguess {}; seed {}. The same spec, data and seed give the same report.</p></footer>\n\
             <script type=\"application/json\" id=\"fg-data\">{}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION"),
            self.seed,
            in_script(&charts_data(&pictures)),
        );
        out
    }

    /// What was looked at, in words.
    fn facts(&self, out: &mut String) {
        let m = &self.measurement;
        let parameters = super::terminal::thousands(self.network.parameters);
        let mut facts = vec![
            ("Network", format!("{} ({parameters} parameters)", self.network.layers)),
            ("Initialization", self.network.init.clone()),
            (
                "Data",
                format!(
                    "{} inputs of {}, standardize {}",
                    m.examples,
                    self.data.name,
                    self.standardized()
                ),
            ),
            ("Measured", self.measured_line()),
            ("Phase", self.phase_line()),
            ("Width", self.width_line()),
        ];
        for note in self.model.iter().flat_map(|model| &model.notes) {
            facts.push(("Note", note.clone()));
        }
        *out += "<dl class=\"facts\">\n";
        for (name, fact) in facts {
            let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", longer_text(&fact));
        }
        *out += "</dl>\n";
    }

    fn findings_section(&self, out: &mut String) {
        *out += "<section id=\"findings\" aria-labelledby=\"findings-h\">\n<h2 id=\"findings-h\">Findings</h2>\n";
        if self.findings.is_empty() {
            *out += "<p>None: nothing about this initialization needs attention.</p>\n";
        }
        for finding in &self.findings {
            self.finding(out, finding, false);
        }
        if !self.baselined.is_empty() {
            *out += "<h3>Known, in the baseline</h3>\n";
            for finding in &self.baselined {
                self.finding(out, finding, true);
            }
        }
        *out += "</section>\n";
    }

    fn finding(&self, out: &mut String, finding: &Finding, known: bool) {
        let severity = finding.severity;
        let badge = if known { format!("{severity}, known") } else { severity.to_string() };
        let _ = write!(
            out,
            "<article class=\"finding {severity}\">\n<h3><span class=\"badge\">{badge}</span> {}</h3>\n\
             <p class=\"claim\">{}.</p>\n<p>{}</p>\n",
            finding.id,
            longer_text(&sentence_case(&finding.title)),
            longer_text(&finding.explanation),
        );
        if !finding.evidence.is_empty() {
            let _ = write!(
                out,
                "<div class=\"wide\" role=\"region\" aria-label=\"Evidence of {}\" tabindex=\"0\"><table>\n<thead><tr>\
                 <th scope=\"col\">Evidence</th><th scope=\"col\">Theory</th><th scope=\"col\">Measured ± standard error</th>\
                 <th scope=\"col\">Apart by</th></tr></thead>\n<tbody>\n",
                finding.id
            );
            for evidence in &finding.evidence {
                evidence_row(out, evidence);
            }
            *out += "</tbody></table></div>\n";
        }
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(
                out,
                "<p class=\"remedy\"><strong>What to do:</strong> {}.</p>",
                with_code(remedy)
            );
        }
        for (language, code) in self.remedy_code(finding) {
            copyable(out, language, &code);
        }
        copyable(out, "more about it", &format!("firstguess explain {}", finding.id));
        let keys: Vec<String> =
            finding.references.iter().map(|key| references::link(key)).collect();
        if !keys.is_empty() {
            let _ = writeln!(out, "<p class=\"source\">Sources: {}</p>", keys.join(", "));
        }
        *out += "</article>\n";
    }

    /// The remedy as text to paste, where it can be written down.
    fn remedy_code(&self, finding: &Finding) -> Vec<(&'static str, String)> {
        match finding.id {
            "input-offset" => vec![("spec file", "[data]\nstandardize = \"feature\"".to_owned())],
            "frozen-bias"
            | "vanishing-gradients"
            | "exploding-gradients"
            | "constant-output"
            | "non-finite" => {
                let Some((weight, bias)) = critical_point(&self.prediction) else {
                    return Vec::new();
                };
                vec![
                    (
                        "spec file",
                        format!(
                            "[init]\nscheme = \"explicit\"\nweight_variance = {weight:.6}\nbias_variance = {bias:.6}"
                        ),
                    ),
                    (
                        "Python",
                        format!(
                            "firstguess.init_(model, \"explicit\", weight_variance={weight:.6}, bias_variance={bias:.6})"
                        ),
                    ),
                ]
            }
            _ => Vec::new(),
        }
    }
}

fn evidence_row(out: &mut String, evidence: &Evidence) {
    let measured = evidence.measured.as_ref();
    let _ = writeln!(
        out,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
        text(&evidence.quantity),
        evidence.predicted.map_or_else(|| "–".to_owned(), number),
        measured.map_or_else(|| "–".to_owned(), estimate),
        apart(evidence.predicted, measured),
    );
}

/// The distance of measurement and theory in standard errors.
fn apart(predicted: Option<f64>, measured: Option<&crate::measure::Estimate>) -> String {
    let z = predicted.and_then(|predicted| measured?.z_score(predicted)).filter(|z| z.is_finite());
    z.map_or_else(|| "–".to_owned(), |z| format!("{:.1} s.e.", z.abs()))
}

/// Code in a box with a button that copies it.
fn copyable(out: &mut String, language: &str, code: &str) {
    let _ = writeln!(
        out,
        "<div class=\"code\"><span class=\"language\">{language}</span><pre><code>{}</code></pre>\
         <button type=\"button\" class=\"copy\" hidden>Copy</button></div>",
        // Lines stay lines here.
        code.lines().map(escaped).collect::<Vec<_>>().join("\n"),
    );
}

fn charts_section(out: &mut String, pictures: &[Picture]) {
    *out += "<section id=\"charts\" aria-labelledby=\"charts-h\">\n<h2 id=\"charts-h\">Charts</h2>\n\
             <p class=\"hint\" hidden>Point at a chart to read values; drag across it, or press + and −, to zoom; click or use the \
             arrow keys to choose a layer in all charts at once.</p>\n<div class=\"picker\" hidden><label>Layer \
             <input type=\"range\" id=\"fg-layer\" min=\"1\" max=\"1\" value=\"1\"></label> \
             <output for=\"fg-layer\" id=\"fg-layer-name\"></output></div>\n\
             <div id=\"fg-layer-card\" class=\"card\" aria-live=\"polite\" hidden></div>\n<div class=\"charts\">\n";
    if pictures.is_empty() {
        *out += "<p>Nothing was measured that could be drawn.</p>\n";
    }
    for (index, picture) in pictures.iter().enumerate() {
        let _ = write!(
            out,
            "<figure class=\"chart\" data-chart=\"{index}\">\n<figcaption><h3>{}</h3><p>{}</p></figcaption>\n\
             <div class=\"drawing\">{}</div>\n<p class=\"readout\" aria-live=\"polite\"></p>\n\
             <div class=\"tools\" hidden><button type=\"button\" data-do=\"in\" aria-label=\"Zoom in\">+</button>\
             <button type=\"button\" data-do=\"out\" aria-label=\"Zoom out\">−</button>\
             <button type=\"button\" data-do=\"all\">Whole range</button></div>\n</figure>\n",
            escaped(picture.title()),
            escaped(picture.description()),
            picture.to_fragment(),
        );
    }
    *out += "</div>\n</section>\n";
}

/// What the script needs to draw the charts anew.
fn charts_data(pictures: &[Picture]) -> Value {
    let charts = pictures.iter().filter_map(|picture| picture.charts().next());
    Value::Array(charts.map(|chart| short(json!(chart))).collect())
}

/// Numbers of six digits: more cannot be seen.
fn short(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let rounded = number.as_f64().and_then(|x| format!("{x:.5e}").parse::<f64>().ok());
            rounded.map_or(Value::Null, |x| json!(x))
        }
        Value::Array(values) => Value::Array(values.into_iter().map(short).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, short(value))).collect())
        }
        other => other,
    }
}

/// JSON that cannot end the element that holds it.
fn in_script(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A name of the user's, as text of bounded length.
fn text(words: &str) -> String {
    escaped(&cut(words, MOST))
}

/// A sentence; a number stays beside its per cent.
fn longer_text(words: &str) -> String {
    escaped(&cut(words, 12 * MOST)).replace(" %", "\u{a0}%")
}

fn cut(words: &str, most: usize) -> String {
    match words.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// A sentence in which what stands between backticks is code.
fn with_code(words: &str) -> String {
    let mut out = String::new();
    for (position, part) in cut(words, 12 * MOST).split('`').enumerate() {
        if position % 2 == 1 {
            let _ = write!(out, "<code>{}</code>", escaped(part));
        } else {
            out += &escaped(part);
        }
    }
    out
}

fn sentence_case(words: &str) -> String {
    let mut characters = words.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests;
