//! Advice as source text for the frameworks: one file each, and one list.
//!
//! All snippets address layers by their order among the layers with weights, from 0, because names are the user's; they depend on
//! the shapes that a layer has, not on those of the spec. What they draw has the law of the advice, not its random numbers:
//! `firstguess init` writes those.

mod burn;
mod candle;
mod flax;
mod keras;
mod torch;

use super::Assessed;
use crate::spec::scheme::LayerInit;
use crate::spec::weights::WeightFamily;

/// A framework that snippets can be written for.
#[derive(Debug, Clone, Copy)]
pub struct Framework {
    /// Name on the command line.
    pub name: &'static str,
    write: fn(&Recipe) -> Result<String, String>,
}

/// Every framework. The one list.
pub const FRAMEWORKS: &[Framework] = &[
    Framework { name: "torch", write: |recipe| Ok(torch::write(recipe)) },
    Framework { name: "flax", write: |recipe| Ok(flax::write(recipe)) },
    Framework { name: "keras", write: |recipe| Ok(keras::write(recipe)) },
    Framework { name: "burn", write: burn::write },
    Framework { name: "candle", write: candle::write },
];

/// What a snippet says: the law of most layers, and of those that differ.
#[derive(Debug, Clone, PartialEq)]
struct Recipe {
    /// What it is, for the comment at its head.
    title: String,
    /// Law of the weights.
    family: WeightFamily,
    /// Whether biases are uniform.
    uniform_bias: bool,
    /// `σ_w²` and `σ_b²` of most layers.
    usual: [f64; 2],
    /// The same of single layers by their order, from 0.
    special: Vec<(usize, [f64; 2])>,
}

impl Framework {
    /// The framework of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FRAMEWORKS.iter().find(|framework| framework.name == name)
    }

    /// The source text that draws weights as advised.
    ///
    /// # Errors
    ///
    /// What the laws of the weights are, where the snippets do not know how to draw them.
    pub fn snippet(&self, advised: &Assessed) -> Result<String, String> {
        Recipe::of(advised).and_then(|recipe| (self.write)(&recipe))
    }
}

impl Recipe {
    fn of(advised: &Assessed) -> Result<Self, String> {
        let layers = &advised.layers;
        let last = layers.last().ok_or("the network has no layers with weights")?;
        let family = last.family;
        let drawn = matches!(
            family,
            WeightFamily::Normal
                | WeightFamily::Uniform
                | WeightFamily::TruncatedNormal
                | WeightFamily::Orthogonal
                | WeightFamily::DeltaOrthogonal
        );
        let others = layers.iter().any(|layer| layer.family != family);
        if !drawn || others {
            return Err(format!(
                "no snippet draws weights of law {family}{}; write them with `firstguess init` and load the file",
                if others { " beside another" } else { "" }
            ));
        }
        let variances = |layer: &LayerInit| [layer.weight_variance, layer.bias_variance];
        // The pair of variances that most layers have; of several the first.
        let count = |wanted: [f64; 2]| layers.iter().filter(|l| variances(l) == wanted).count();
        let mut usual = variances(last);
        for layer in layers {
            if count(variances(layer)) > count(usual) {
                usual = variances(layer);
            }
        }
        let special = layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| variances(layer) != usual)
            .map(|(position, layer)| (position, variances(layer)))
            .collect();
        let title = format!(
            "{} ({} layers with weights), by firstguess {}",
            advised.title,
            layers.len(),
            env!("CARGO_PKG_VERSION")
        );
        let uniform_bias = last.uniform_bias;
        Ok(Self { title, family, uniform_bias, usual, special })
    }

    /// `{0: (1.5, 0.0), 7: (0.1, 0.0)}`.
    fn python_special(&self) -> String {
        let entry =
            |(at, [w, b]): &(usize, [f64; 2])| format!("{at}: ({}, {})", digits(*w), digits(*b));
        let entries: Vec<String> = self.special.iter().map(entry).collect();
        let line = entries.join(", ");
        if line.len() < 90 {
            return format!("{{{line}}}");
        }
        let lines: Vec<String> =
            entries.chunks(4).map(|chunk| format!("    {},\n", chunk.join(", "))).collect();
        format!("{{\n{}}}", lines.concat())
    }

    fn python_usual(&self) -> String {
        format!("({}, {})", digits(self.usual[0]), digits(self.usual[1]))
    }

    /// A Rust function from the position of a layer to its variances.
    fn rust_variances(&self) -> String {
        let arms: Vec<String> = self
            .special
            .iter()
            .map(|(at, [w, b])| format!("        {at} => ({}, {}),\n", digits(*w), digits(*b)))
            .collect();
        let [w, b] = self.usual;
        format!(
            "/// fan_in · Var W and Var b of a layer, by its order among the layers with weights, from 0.\n\
             fn variances(index: usize) -> (f64, f64) {{\n    match index {{\n{}        _ => ({}, {}),\n    }}\n}}\n",
            arms.concat(),
            digits(w),
            digits(b)
        )
    }
}

/// A number that Python and Rust read as a float, to ten significant digits.
fn digits(x: f64) -> String {
    if x == 0.0 {
        return "0.0".to_owned();
    }
    let rounded: f64 = format!("{x:.9e}").parse().unwrap_or(x);
    if (1e-4..1e7).contains(&rounded.abs()) {
        format!("{rounded:?}")
    } else {
        format!("{rounded:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_floats_in_both_languages() {
        for (x, text) in [
            (0.0, "0.0"),
            (2.0, "2.0"),
            (1.0 / 3.0, "0.3333333333"),
            (1e-5, "1e-5"),
            (1.760954641234567, "1.760954641"),
        ] {
            assert_eq!(digits(x), text);
            assert!((text.parse::<f64>().unwrap() - x).abs() < 1e-9);
        }
    }
}
