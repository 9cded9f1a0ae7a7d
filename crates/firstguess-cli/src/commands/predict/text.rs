//! The prediction for people.

use std::io;

use firstguess::theory::critical::edge_of_chaos;
use firstguess::theory::phase::{Phase, Prejudice, VarianceFate};
use firstguess::theory::{NoTheory, Predicted};

use super::Answer;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, folded};

impl Answer<'_> {
    pub(super) fn print(&self, out: &mut Printer) -> io::Result<()> {
        let (tone, trainability) = self.trainability();
        out.headline(tone, &trainability)?;
        let (tone, bias) = self.bias();
        out.headline(tone, &bias)?;
        let args = self.args;
        out.lines(&format!(
            "{}, weight variance {}, bias variance {}, depth {}, input correlation {}\n\n{}\n",
            args.activation.activation,
            args.weight_variance,
            args.bias_variance,
            args.depth,
            args.input_correlation,
            self.limits(),
        ))?;
        out.lines(&self.table(out))?;
        if let Some(why) = &self.path.ended {
            out.lines(&format!("  ends after layer {}: {why}", self.path.layers.len()))?;
        }
        out.note(&self.advice())
    }

    /// What becomes of gradients.
    fn trainability(&self) -> (Tone, String) {
        let chi = match &self.limit.chi_1 {
            Ok(chi) => *chi,
            Err(why) => return (Tone::Bad, format!("gradients have no limit: {why}")),
        };
        let depth = self.args.depth;
        let over = match self.layer(0).gradient {
            Ok(factor) => format!("by {} over {depth} layers", digits(factor)),
            Err(why) => format!("over {depth} layers by {why}"),
        };
        let per_layer = format!("squared gradients are multiplied by {} per layer", digits(chi));
        match &self.limit.phase {
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

    /// What becomes of the guesses.
    fn bias(&self) -> (Tone, String) {
        let c_star = shown(&self.limit.c_star);
        match &self.limit.prejudice {
            Ok(Prejudice::Neutrality) => (
                Tone::Good,
                format!("neutral: two inputs end at correlation c* = {c_star}, guesses are split evenly"),
            ),
            Ok(Prejudice::Prejudice) => (
                Tone::Bad,
                format!(
                    "prejudiced: two inputs end at correlation c* = {c_star} (γ* = {}), most networks favour a class",
                    shown(&self.limit.gamma_star)
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
        let limit = &self.limit;
        let mut text = format!(
            "  limits   q* = {}   slope {}   χ₁ = {}   c* = {}   χ_c = {}\n  \
               scales   variance {}, correlation {}, gradient {} (in layers)\n",
            shown(&limit.q_star),
            shown(&limit.q_slope),
            shown(&limit.chi_1),
            shown(&limit.c_star),
            shown(&limit.chi_c),
            shown(&limit.depth_scale_q),
            shown(&limit.depth_scale_c),
            shown(&limit.gradient_depth_scale),
        );
        let named = [
            ("q*", &limit.q_star),
            ("χ₁", &limit.chi_1),
            ("c*", &limit.c_star),
            ("gradient scale", &limit.gradient_depth_scale),
        ];
        for (name, value) in named {
            if let Err(NoTheory { reason }) = value {
                text.push_str(&format!("  {name}: {reason}\n"));
            }
        }
        text
    }

    fn table(&self, out: &Printer) -> String {
        let rows = folded(self.path.layers.len()).into_iter().map(|index| {
            let layer = self.layer(index);
            let numbers =
                [&layer.q, &layer.c, &layer.v, &layer.t, &layer.gamma, &layer.gradient].map(shown);
            std::iter::once(layer.index.to_string()).chain(numbers).collect()
        });
        columns(out, &["layer", "q", "c", "V", "T", "γ", "gradient"], rows.collect())
    }

    /// One sentence on what to do, or what to keep in mind.
    fn advice(&self) -> String {
        let args = self.args;
        if let VarianceFate::Converges(point) = &self.limit.fate
            && !point.stable
        {
            return "q* is unstable: networks of finite width drift away from it".to_owned();
        }
        if self.limit.phase == Ok(Phase::EdgeOfChaos) {
            return "exact at infinite width; at finite width fluctuations grow with depth over width".to_owned();
        }
        let distance = |weight_variance: f64| (weight_variance - args.weight_variance).abs();
        match edge_of_chaos(&self.phi, args.bias_variance) {
            Ok(points) => points
                .iter()
                .map(|point| point.weight_variance)
                .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
                .map_or_else(String::new, |nearest| {
                    format!(
                        "at this bias variance the edge of chaos is at weight variance {} (`firstguess critical`)",
                        digits(nearest)
                    )
                }),
            Err(why) => format!("no weight variance helps at this bias variance: {why}"),
        }
    }
}

fn shown(value: &Predicted) -> String {
    value.as_ref().map_or_else(|_| "-".to_owned(), |value| digits(*value))
}
