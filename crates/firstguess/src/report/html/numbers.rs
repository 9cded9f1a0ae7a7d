//! The numbers of the whole network: prediction, measurement, and the source of each.

use super::super::Report;
use super::super::text::{estimate, number};
use super::{apart, escaped, references};
use crate::measure::Estimate;
use crate::theory::mean_field::Spread;
use crate::theory::predict::BlockLimit;
use crate::theory::{NoTheory, Predicted};
use std::fmt::Write as _;

/// Works on the first guess, and on signals by depth.
const BIAS: &[&str] = &["francazi2024", "bassi2026"];
const SIGNAL: &[&str] = &["poole2016", "schoenholz2017"];

/// One number.
struct Line {
    quantity: String,
    predicted: Option<Predicted>,
    measured: Option<Estimate>,
    /// On what the prediction rests, and works it is from.
    source: String,
    keys: &'static [&'static str],
}

pub(super) fn section(report: &Report, out: &mut String) {
    *out += "<section id=\"numbers\" aria-labelledby=\"numbers-h\">\n<h2 id=\"numbers-h\">Numbers</h2>\n\
             <div class=\"wide\" role=\"region\" aria-label=\"Numbers of the network\" tabindex=\"0\"><table>\n<thead><tr>\
             <th scope=\"col\">Quantity</th><th scope=\"col\">Theory</th><th scope=\"col\">Measured ± standard error</th>\
             <th scope=\"col\">Networks</th><th scope=\"col\">Apart by</th><th scope=\"col\" class=\"words\">Source of the theory</th></tr></thead>\n<tbody>\n";
    for line in guesses(report).into_iter().chain(ends(report)).chain(limits(report)) {
        row(out, &line);
    }
    *out += "</tbody></table></div>\n</section>\n";
}

fn row(out: &mut String, line: &Line) {
    let (predicted, why) = match &line.predicted {
        Some(Ok(value)) => (number(*value), String::new()),
        Some(Err(reason)) => ("none".to_owned(), format!("no theory: {reason}")),
        None => ("–".to_owned(), String::new()),
    };
    let value = line.predicted.as_ref().and_then(|predicted| predicted.as_ref().ok().copied());
    let measured = line.measured.as_ref();
    let said = measured.map_or_else(
        || "–".to_owned(),
        |e| match (e.is_known(), e.reason) {
            (true, _) => estimate(e),
            (false, Some(reason)) => format!("none: {reason}"),
            (false, None) => "–".to_owned(),
        },
    );
    let networks = measured.filter(|e| e.n > 0).map_or_else(|| "–".to_owned(), |e| e.n.to_string());
    let mut source = escaped(if why.is_empty() { &line.source } else { &why });
    let keys: Vec<String> = line.keys.iter().map(|key| references::link(key)).collect();
    if !keys.is_empty() {
        let _ = write!(source, " [{}]", keys.join(", "));
    }
    let _ = writeln!(
        out,
        "<tr><th scope=\"row\">{}</th><td>{predicted}</td><td>{}</td><td>{networks}</td><td>{}</td><td class=\"words\">{source}</td></tr>",
        escaped(&line.quantity),
        escaped(&said),
        apart(value, measured),
    );
}

fn guesses(report: &Report) -> Vec<Line> {
    let m = &report.measurement;
    let guess = &report.prediction.prejudice;
    let of = |field: fn(&crate::theory::predict::PrejudicePrediction) -> f64| -> Predicted {
        guess.as_ref().map(field).map_err(Clone::clone)
    };
    let kernel = report.prediction.kernel_inputs.map_or_else(
        || "law of the largest share at the logits' γ, infinite width".to_owned(),
        |inputs| format!("normal logits with the kernel of {inputs} inputs, infinite width"),
    );
    let line = |quantity: &str, predicted, measured, source: &str, keys| Line {
        quantity: quantity.to_owned(),
        predicted,
        measured: Some(measured),
        source: source.to_owned(),
        keys,
    };
    vec![
        line(
            "share of the class guessed most",
            Some(of(|p| p.largest_share)),
            m.prejudice.largest_share,
            &kernel,
            BIAS,
        ),
        line(
            "two inputs get the same class",
            Some(of(|p| p.agreement)),
            m.prejudice.agreement,
            &kernel,
            BIAS,
        ),
        line(
            "networks with one answer for everything",
            None,
            m.prejudice.one_class_fraction,
            "",
            &[],
        ),
        line("largest softmax probability, mean", None, m.prejudice.mean_max_softmax, "", &[]),
        line(
            "accuracy before training",
            Some(Ok(1.0 / m.prejudice.classes.max(1) as f64)),
            m.prejudice.accuracy,
            "chance, for balanced labels",
            &[],
        ),
        line(
            "cross-entropy before training, nats",
            Some(report.prediction.loss.clone()),
            m.loss.cross_entropy,
            "normal logits of the predicted variance",
            &["he2015"],
        ),
    ]
}

/// First layer and logits.
fn ends(report: &Report) -> Vec<Line> {
    let validity = super::layers::validity(report);
    let (Some(last), Some(measured)) =
        (report.prediction.layers.last(), report.measurement.layers.last())
    else {
        return Vec::new();
    };
    let spread = |field: fn(&Spread) -> f64| -> Predicted {
        last.spread.as_ref().map(field).map_err(Clone::clone)
    };
    let mut lines = vec![
        Line {
            quantity: "q of the logits".to_owned(),
            predicted: Some(spread(Spread::q)),
            measured: Some(measured.q),
            source: validity.clone(),
            keys: &["poole2016"],
        },
        Line {
            quantity: "γ of the logits".to_owned(),
            predicted: Some(spread(Spread::gamma)),
            measured: Some(measured.gamma),
            source: validity,
            keys: &["francazi2024"],
        },
    ];
    let finite = last.finite_width.as_ref().map_err(Clone::clone);
    lines.push(Line {
        quantity: "ln q of the logits, mean over networks".to_owned(),
        predicted: Some(finite.clone().map(|at| at.ln_q_mean)),
        measured: Some(measured.ln_q.mean),
        source: "these widths, to first order in 1/width".to_owned(),
        keys: &["hanin2018"],
    });
    if let (Some(first), Some(found)) =
        (report.prediction.layers.first(), report.measurement.layers.first())
    {
        lines.push(Line {
            quantity: "ln gradient at layer 1 relative to the logits".to_owned(),
            predicted: Some(first.ln_gradient.clone()),
            measured: Some(found.ln_cotangent_gradient),
            source: "product of χ over the layers, infinite width".to_owned(),
            keys: &["schoenholz2017"],
        });
    }
    lines
}

/// Where ever more blocks lead.
fn block_limits(limit: &BlockLimit) -> Vec<Line> {
    let of = |quantity: &str, value: Predicted, keys| Line {
        quantity: quantity.to_owned(),
        predicted: Some(value),
        measured: None,
        source: "the repeated block, infinite width and depth".to_owned(),
        keys,
    };
    let known =
        |value: Option<f64>| value.ok_or_else(|| NoTheory::new("the blocks have no such limit"));
    vec![
        of("χ, gradient factor per block", limit.chi.clone(), SIGNAL),
        of("q*, limit of the signal between blocks", known(limit.q_star), SIGNAL),
        of("c*, limit of the correlation", known(limit.c_star()), SIGNAL),
        of("γ*, limit of the drift ratio", known(limit.gamma_star()), &["bassi2026"]),
    ]
}

/// What would become of it at infinite depth.
fn limits(report: &Report) -> Vec<Line> {
    let bulk = match (&report.prediction.bulk, &report.prediction.block) {
        (Ok(bulk), _) => bulk,
        (Err(_), Ok(found)) => return block_limits(&found.limit),
        (Err(_), Err(_)) => return Vec::new(),
    };
    let limit = &bulk.limit;
    let of = |quantity: &str, predicted: &Predicted, keys| Line {
        quantity: quantity.to_owned(),
        predicted: Some(predicted.clone()),
        measured: None,
        source: "the repeated layer, infinite width and depth".to_owned(),
        keys,
    };
    vec![
        of("χ₁, gradient factor per layer", &limit.chi_1, SIGNAL),
        of("q*, limit of the signal", &limit.q_star, SIGNAL),
        of("c*, limit of the correlation", &limit.c_star, SIGNAL),
        of("γ*, limit of the drift ratio", &limit.gamma_star, &["bassi2026"]),
        of("layers in which gradients change e-fold", &limit.gradient_depth_scale, SIGNAL),
        of("layers in which correlations settle e-fold", &limit.depth_scale_c, SIGNAL),
    ]
}
