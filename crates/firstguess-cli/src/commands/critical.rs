//! `firstguess critical`: of an activation at infinite depth, or of the network in a spec file.

mod network;

use anyhow::bail;
use firstguess::spec::Activation;
use firstguess::theory::critical::{
    CriticalPoint, HomogeneousCriticality, NeutralityPoint, edge_of_chaos, homogeneous_criticality,
    neutrality,
};
use firstguess::theory::{NoTheory, dual::Dual};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::args::CriticalArgs;
use crate::commands::dual;
use crate::commands::model::Model;
use crate::exit::ExitStatus;
use crate::json::Fields;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, given};

struct Answer<'a> {
    activation: &'a Activation,
    phi: &'a Dual,
    bias_variance: f64,
    edge_of_chaos: Result<Vec<CriticalPoint>, NoTheory>,
    neutrality: Result<NeutralityPoint, NoTheory>,
    /// Where signals and gradients are critical at different weight variances.
    homogeneous: Option<HomogeneousCriticality>,
}

pub(crate) fn run(args: &CriticalArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let activation = match (&args.model, &args.activation) {
        (Some(path), _) => return run_on(args, Model::load(path, out.settings().seed)?, out),
        (None, Some(activation)) => activation,
        (None, None) => bail!("give MODEL or --activation"),
    };
    let phi = dual(activation, args.pool, args.pool_correlation)?;
    let answer = Answer {
        activation,
        phi: &phi,
        bias_variance: args.bias_variance,
        edge_of_chaos: edge_of_chaos(&phi, args.bias_variance),
        neutrality: neutrality(&phi, args.bias_variance),
        homogeneous: homogeneous_criticality(&phi).filter(|both| both.eta != 1.0),
    };
    if out.json() {
        out.object("critical", &answer)?;
    } else {
        answer.print(out)?;
    }
    Ok(ExitStatus::Fine)
}

/// The same of a network that has been read.
pub(crate) fn run_on(
    args: &CriticalArgs,
    model: Model,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    network::run(model, args.bias_variance, out)
}

impl Answer<'_> {
    fn print(&self, out: &mut Printer) -> anyhow::Result<()> {
        let (activation, bias_variance) = (self.phi, given(self.bias_variance));
        match &self.edge_of_chaos {
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
        if let Some(both) = &self.homogeneous {
            out.lines(&format!("\n{both}"))?;
        }
        out.lines(&match &self.neutrality {
            Ok(point) => format!(
                "\nneutral beyond weight variance {} (q* = {}): there two inputs keep correlation c* = 1/2",
                digits(point.weight_variance),
                digits(point.q_star)
            ),
            Err(why) => format!("\nno neutrality point: {why}"),
        })?;
        if let Ok(points) = &self.edge_of_chaos
            && points.iter().any(|point| !point.stable && point.q_star.is_ok())
        {
            out.note(
                "an unstable fixed point repels: networks of finite width drift away from its q*",
            )?;
        }
        Ok(())
    }
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

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("activation", self.activation)?;
        map.serialize_entry("pool", &self.phi.pooling().map(|pooling| pooling.to_string()))?;
        map.serialize_entry("bias_variance", &self.bias_variance)?;
        if let Some(both) = &self.homogeneous {
            map.finite("forward_weight_variance", both.forward_weight_variance)?;
            map.finite("gradient_weight_variance", both.gradient_weight_variance)?;
            map.finite("remaining_factor_per_layer", both.eta)?;
        }
        let points = self.edge_of_chaos.as_deref().unwrap_or_default();
        map.serialize_entry("edge_of_chaos", &points.iter().map(Point).collect::<Vec<_>>())?;
        if let Err(why) = &self.edge_of_chaos {
            map.serialize_entry("edge_of_chaos_reason", &why.reason)?;
        }
        map.maybe("neutrality", self.neutrality.as_ref().map(Neutral))?;
        map.end()
    }
}

struct Point<'a>(&'a CriticalPoint);

impl Serialize for Point<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("weight_variance", self.0.weight_variance)?;
        map.number("q_star", &self.0.q_star)?;
        map.finite("q_slope", self.0.q_slope)?;
        map.serialize_entry("stable", &self.0.stable)?;
        map.end()
    }
}

struct Neutral<'a>(&'a NeutralityPoint);

impl Serialize for Neutral<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("weight_variance", self.0.weight_variance)?;
        map.finite("q_star", self.0.q_star)?;
        map.end()
    }
}
