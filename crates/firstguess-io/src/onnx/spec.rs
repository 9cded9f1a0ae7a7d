//! The spec of a model that is written in layers of the vocabulary: its layers, each with the variances read off its weights.

use firstguess::spec::experiment::{DataSpec, MeasureSpec, SyntheticKind};
use firstguess::spec::layer::{Layer, OwnVariances};
use firstguess::spec::scheme::{LayerInit, SCHEMES, Scheme};
use firstguess::spec::weights::WeightFamily;
use firstguess::spec::{Architecture, InitScheme, Network, Spec, Standardize};

use super::study::OnnxStudy;

impl OnnxStudy<'_> {
    /// The model as a spec, on the data set of this name; what a spec cannot say of it beside.
    ///
    /// Without a name vectors are standard normal, and images are looked for in `inputs.npz`.
    ///
    /// # Errors
    ///
    /// Why no spec can hold the model.
    pub fn spec(
        &self,
        dataset: Option<&str>,
        standardize: Standardize,
        measure: &MeasureSpec,
    ) -> Result<(Spec, Vec<String>), String> {
        let (network, inits) = self.network()?;
        let parts = self.model().translation.as_ref();
        let mut layers = parts.map(|part| part.layers.clone()).unwrap_or_default();
        let mut notes = Vec::new();
        let init = if let Some(init) = common_scheme(network, inits) {
            init
        } else {
            let family = most_common(inits);
            if inits.iter().any(|init| init.family != family) {
                notes.push(format!(
                    "the layers' weights follow several laws, a spec has one: {family}, with the variance of each layer"
                ));
            }
            if inits.iter().any(|init| init.uniform_bias && init.bias_variance > 0.0) {
                notes.push(
                    "biases are uniform in the model and normal of the same variance in the spec"
                        .to_owned(),
                );
            }
            let mut remaining = inits.iter();
            set_variances(&mut layers, &mut remaining);
            let first = inits.first().map_or(1.0, |init| init.weight_variance);
            InitScheme { weight_law: Some(family), ..InitScheme::explicit(first, 0.0) }
        };
        let (shape, flat) = (self.data().shape(), self.data().shape().as_image().is_none());
        let synthetic = dataset.is_none() && flat;
        let data = DataSpec {
            dataset: match dataset {
                Some(name) => Some(name.to_owned()),
                None if flat => None,
                None => Some("inputs.npz".to_owned()),
            },
            synthetic: synthetic.then_some(SyntheticKind::Gaussian),
            features: synthetic.then(|| shape.size()),
            classes: synthetic
                .then(|| firstguess::spec::experiment::Classes::Count(self.classes())),
            standardize,
            ..DataSpec::default()
        };
        let spec = Spec {
            name: self.model().name.clone(),
            data,
            init,
            network: Architecture { layers },
            measure: measure.clone(),
        };
        Ok((spec, notes))
    }
}

/// The published scheme that draws every layer as it was found.
fn common_scheme(network: &Network, inits: &[LayerInit]) -> Option<InitScheme> {
    let same = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    let gives = |init: &InitScheme| {
        network.weights().iter().zip(inits).all(|(layer, found)| {
            init.layer(layer).is_ok_and(|drawn| {
                drawn.family == found.family
                    && same(drawn.weight_variance, found.weight_variance)
                    && same(drawn.bias_variance, found.bias_variance)
                    && (drawn.uniform_bias == found.uniform_bias || found.bias_variance == 0.0)
            })
        })
    };
    let concrete =
        SCHEMES.iter().filter(|(_, scheme)| !matches!(scheme, Scheme::Critical | Scheme::Explicit));
    concrete.map(|(_, scheme)| InitScheme::new(*scheme)).find(gives)
}

fn most_common(inits: &[LayerInit]) -> WeightFamily {
    let count = |family| inits.iter().filter(|init| init.family == family).count();
    let families = inits.iter().map(|init| init.family);
    families.max_by_key(|family| count(*family)).unwrap_or_default()
}

/// Writes the variances into the layers, in the order of their index: shortcut before branch.
fn set_variances<'a>(layers: &mut [Layer], inits: &mut impl Iterator<Item = &'a LayerInit>) {
    for layer in layers {
        match layer {
            Layer::Dense { own, .. } | Layer::Conv { own, .. } => {
                if let Some(init) = inits.next() {
                    *own = OwnVariances {
                        weight_variance: Some(init.weight_variance),
                        bias_variance: Some(init.bias_variance),
                    };
                }
            }
            Layer::Residual { branch, shortcut, .. } => {
                set_variances(shortcut, inits);
                set_variances(branch, inits);
            }
            _ => {}
        }
    }
}
