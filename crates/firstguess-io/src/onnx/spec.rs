//! The spec of a model that is written in layers of the vocabulary: its layers, each with the variances read off its weights.

use firstguess::spec::experiment::{DataSpec, MeasureSpec, SyntheticKind};
use firstguess::spec::layer::{Layer, OwnVariances};
use firstguess::spec::scheme::{Draw, LayerInit, Scheme};
use firstguess::spec::weights::WeightFamily;
use firstguess::spec::{Architecture, InitScheme, Spec, Standardize};

use super::study::OnnxStudy;

impl OnnxStudy<'_> {
    /// The model as a spec, on the data set of this name; what a spec cannot say of it beside.
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
        let (_, inits) = self.network()?;
        let parts = self.model().translation.as_ref();
        let mut layers = parts.map(|part| part.layers.clone()).unwrap_or_default();
        let mut notes = Vec::new();
        let rules: Vec<Option<&str>> = self.rules();
        let init = match common_scheme(inits, &rules) {
            Some(init) => init,
            None => {
                let family = most_common(inits);
                if inits.iter().any(|init| init.family != family) {
                    notes.push(format!(
                        "the layers' weights follow several laws, a spec has one: {family}, with the variance of each layer"
                    ));
                }
                if inits.iter().any(|init| init.uniform_bias && init.bias_variance > 0.0) {
                    notes.push(
                        "biases are uniform in the model and normal of the same variance in the spec".to_owned(),
                    );
                }
                let mut remaining = inits.iter();
                set_variances(&mut layers, &mut remaining);
                let first = inits.first().map_or(1.0, |init| init.weight_variance);
                InitScheme { weight_law: Some(family), ..InitScheme::explicit(first, 0.0) }
            }
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
        if dataset.is_none() && !flat {
            notes.push(format!(
                "the spec names inputs.npz as its data: put images of shape {shape} there, or give others with --data"
            ));
        }
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

/// The published scheme that all layers follow.
fn common_scheme(inits: &[LayerInit], rules: &[Option<&str>]) -> Option<InitScheme> {
    let (first, rule) = (inits.first()?, (*rules.first()?)?);
    if !inits.iter().all(|init| init.family == first.family)
        || !rules.iter().all(|other| *other == Some(rule))
    {
        return None;
    }
    let draw = match first.family {
        WeightFamily::Normal => Draw::Normal,
        WeightFamily::Uniform => Draw::Uniform,
        WeightFamily::TruncatedNormal => Draw::TruncatedNormal,
        _ => return None,
    };
    let unbiased = inits.iter().all(|init| init.bias_variance == 0.0);
    let scheme = match rule {
        "torch default" if draw == Draw::Uniform && inits.iter().all(|init| init.uniform_bias) => {
            Scheme::TorchDefault
        }
        "He" if unbiased => Scheme::He(draw),
        "LeCun" if unbiased => Scheme::Lecun(draw),
        "Glorot" if unbiased => Scheme::Glorot(draw),
        _ => return None,
    };
    Some(InitScheme::new(scheme))
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
