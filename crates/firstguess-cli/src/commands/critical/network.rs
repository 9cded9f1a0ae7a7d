//! MODEL: the weight variances that make a whole network critical, every layer drawn with the same one.

use firstguess::theory::predict::{InputStatistics, NetworkCritical, network_critical};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::commands::model::Model;
use crate::exit::ExitStatus;
use crate::json::Fields;
use crate::printer::{Printer, Tone};
use crate::table::{digits, given};

struct Answer {
    name: String,
    data: String,
    depth: usize,
    bias_variance: f64,
    found: NetworkCritical,
}

pub(super) fn run(
    model: Model,
    bias_variance: f64,
    out: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let Model { spec, data, network, layers, .. } = model;
    let input = InputStatistics::of(&data);
    let answer = Answer {
        name: spec.name,
        data: data.name().to_owned(),
        depth: network.weight_layers,
        bias_variance,
        found: network_critical(&network, &layers, input, bias_variance),
    };
    if out.json() {
        out.object("critical", &answer)?;
    } else {
        answer.print(out)?;
    }
    Ok(ExitStatus::Fine)
}

impl Answer {
    fn print(&self, out: &mut Printer) -> anyhow::Result<()> {
        let Self { name, data, depth, bias_variance, found } = self;
        let (tone, headline) = match &found.gradient {
            Ok(at) => (
                Tone::Good,
                format!(
                    "{name}: gradients reach the first layer unchanged at weight variance {}",
                    list(at)
                ),
            ),
            Err(why) => (Tone::Bad, format!("{name}: no critical weight variance: {why}")),
        };
        out.headline(tone, &headline)?;
        out.lines(&format!(
            "{depth} layers with weights on {data}, bias variance {}, one weight variance for all\n\n",
            given(*bias_variance)
        ))?;
        for (what, at) in [
            ("signals leave as large as the first layer's", &found.forward),
            ("the drift ratio of the logits is one", &found.neutrality),
        ] {
            out.lines(&match at {
                Ok(at) => format!("  {what} at {}", list(at)),
                Err(why) => format!("  {what}: {why}"),
            })?;
        }
        Ok(())
    }
}

fn list(values: &[f64]) -> String {
    let each: Vec<String> = values.iter().map(|value| digits(*value)).collect();
    each.join(" and ")
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("depth", &self.depth)?;
        map.serialize_entry("bias_variance", &self.bias_variance)?;
        for (name, at) in [
            ("gradient_weight_variances", &self.found.gradient),
            ("forward_weight_variances", &self.found.forward),
            ("neutrality_weight_variances", &self.found.neutrality),
        ] {
            map.maybe(name, at.as_ref())?;
        }
        map.end()
    }
}
