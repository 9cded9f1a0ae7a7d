//! A spec file with its data: what `check` and `predict` start from.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::bail;
use firstguess::spec::experiment::{Classes, MAX_SAMPLES};
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{Dataset, InitScheme, Network, Part, Spec, SpecError};
use firstguess::{concrete_init, layer_inits};
use firstguess_io::{ReadOptions, SpecFile, load_dataset_with, load_spec};

use crate::args::TrialArgs;

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
        Self::of(load_spec(path)?, seed, &Sources::default())
    }

    /// The same of a spec that has been read.
    pub(crate) fn of(
        mut file: SpecFile,
        seed: Option<u64>,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        if let Some(seed) = seed {
            file.spec.measure.seed = seed;
        }
        let data = inputs_from(&file.spec, sources)?;
        let in_file = |error: SpecError| file.fault(&error);
        let network = file.spec.network_for(&data).map_err(in_file)?;
        let init = concrete_init(&file.spec.init, &network).map_err(in_file)?;
        let layers = layer_inits(&init, &network).map_err(in_file)?;
        Ok(Self { spec: file.spec, data, network, init, layers })
    }

    /// The same on other data.
    pub(crate) fn load_on(
        path: &Path,
        data: Option<&str>,
        samples: Option<usize>,
        seed: Option<u64>,
    ) -> anyhow::Result<Self> {
        let mut file = load_spec(path)?;
        file.spec.measure.seed = seed.unwrap_or(file.spec.measure.seed);
        if let Some(name) = data {
            replace_data(&mut file.spec, name);
        }
        file.spec.data.samples = samples.or(file.spec.data.samples);
        Self::of(file, None, &Sources::default())
    }

    /// A model on which something is tried: the data and their number may be others, all of them unless limited.
    pub(crate) fn for_trial(
        path: &Path,
        trial: &TrialArgs,
        seed: Option<u64>,
    ) -> anyhow::Result<Self> {
        Self::on_trial(load_spec(path)?, trial, seed, &Sources::default())
    }

    /// The same of a spec that has been read.
    pub(crate) fn on_trial(
        mut file: SpecFile,
        trial: &TrialArgs,
        seed: Option<u64>,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        if let Some(name) = &trial.data {
            replace_data(&mut file.spec, name);
        }
        let data = &mut file.spec.data;
        if data.dataset.is_some() {
            data.samples = trial.samples.or(data.samples).or(Some(MAX_SAMPLES));
        } else if trial.samples.is_some() {
            data.samples = trial.samples;
        }
        Self::of(file, seed, sources)
    }
}

/// Where data sets are read from: their files, or what is kept of them while thousands of points ask for the same.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    kept: Option<Mutex<Kept>>,
}

type Kept = HashMap<(String, Part), Arc<Dataset>>;

impl Sources {
    /// Each data set is read once.
    pub(crate) fn kept() -> Self {
        Self { kept: Some(Mutex::default()) }
    }

    fn get(&self, source: &str, part: Part) -> anyhow::Result<Arc<Dataset>> {
        let read = || {
            let options = ReadOptions { part, ..ReadOptions::default() };
            load_dataset_with(source, &options).map(Arc::new)
        };
        let Some(kept) = &self.kept else { return Ok(read()?) };
        // Held while reading: others want the same and would read it again.
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = kept.get(&(source.to_owned(), part)) {
            return Ok(Arc::clone(there));
        }
        let found = read()?;
        kept.insert((source.to_owned(), part), Arc::clone(&found));
        Ok(found)
    }
}

/// The official test part of the data that a spec trains on, as the network sees it.
pub(crate) fn official_test(spec: &Spec) -> anyhow::Result<Dataset> {
    let Some(source) = &spec.data.dataset else {
        bail!(
            "synthetic data have no test part; give a share to keep apart, such as --validation 0.2"
        );
    };
    if spec.data.part == Part::Test {
        bail!("the spec trains on the test part (data.part), so that it cannot be kept apart");
    }
    let load = |part| load_dataset_with(source, &ReadOptions { part, ..ReadOptions::default() });
    Ok(spec.data.prepare_test(&load(Part::Train)?, &load(Part::Test)?)?)
}

/// Puts another data set in place of the spec's.
pub(crate) fn replace_data(spec: &mut Spec, name: &str) {
    let data = &mut spec.data;
    data.dataset = Some(name.to_owned());
    (data.synthetic, data.features) = (None, None);
    // A choice of classes holds for any data; their number was that of synthetic ones.
    if let Some(Classes::Count(_)) = data.classes {
        data.classes = None;
    }
}

/// The inputs as the network sees them.
pub(crate) fn inputs(spec: &Spec) -> anyhow::Result<Dataset> {
    inputs_from(spec, &Sources::default())
}

/// The same, from data sets that may have been read before.
pub(crate) fn inputs_from(spec: &Spec, sources: &Sources) -> anyhow::Result<Dataset> {
    spec.validate()?;
    let Some(source) = &spec.data.dataset else {
        return Ok(spec.data.synthesize(spec.measure.seed)?);
    };
    Ok(spec.data.prepare(sources.get(source, spec.data.part)?.as_ref(), spec.measure.seed)?)
}
