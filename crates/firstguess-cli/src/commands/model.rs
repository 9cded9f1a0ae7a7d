//! A spec file with its data: what `check` and `predict` start from.

use std::path::Path;

use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{Dataset, InitScheme, Network, Spec, SpecError};
use firstguess::{concrete_init, layer_inits};
use firstguess_io::{ReadOptions, load_dataset_with, load_spec};

/// A question that fits its data.
pub(crate) struct Model {
    pub(crate) spec: Spec,
    pub(crate) data: Dataset,
    pub(crate) network: Network,
    /// The scheme, `critical` resolved.
    pub(crate) init: InitScheme,
    /// The draw of each layer with weights.
    pub(crate) layers: Vec<LayerInit>,
}

impl Model {
    /// Reads the spec and its data; a seed given here goes before the spec's. Faults point into the file.
    pub(crate) fn load(path: &Path, seed: Option<u64>) -> anyhow::Result<Self> {
        let mut file = load_spec(path)?;
        if let Some(seed) = seed {
            file.spec.measure.seed = seed;
        }
        let data = inputs(&file.spec)?;
        let in_file = |error: SpecError| file.fault(&error);
        let network = file.spec.network_for(&data).map_err(in_file)?;
        let init = concrete_init(&file.spec.init, &network).map_err(in_file)?;
        let layers = layer_inits(&init, &network).map_err(in_file)?;
        Ok(Self { spec: file.spec, data, network, init, layers })
    }
}

/// The inputs as the network sees them.
pub(crate) fn inputs(spec: &Spec) -> anyhow::Result<Dataset> {
    spec.validate()?;
    let Some(source) = &spec.data.dataset else {
        return Ok(spec.data.synthesize(spec.measure.seed)?);
    };
    let options = ReadOptions { part: spec.data.part, ..ReadOptions::default() };
    Ok(spec.data.prepare(&load_dataset_with(source, &options)?, spec.measure.seed)?)
}
