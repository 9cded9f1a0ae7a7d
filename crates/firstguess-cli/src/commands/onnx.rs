//! MODEL as an ONNX file: its inputs, and the question.

use std::path::Path;

use anyhow::{anyhow, bail};
use firstguess::spec::experiment::{DataSpec, MAX_SAMPLES, MeasureSpec};
use firstguess::spec::{Dataset, Standardize};
use firstguess_io::{
    OnnxModel, OnnxStudy, ReadOptions, load_arrays, load_dataset_with, spec_text, write_atomically,
};

/// Whether a path names an ONNX file.
pub(crate) fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// What is asked of an ONNX model.
pub(crate) struct Question<'a> {
    pub(crate) path: &'a Path,
    pub(crate) data: Option<&'a str>,
    pub(crate) standardize: Option<Standardize>,
    pub(crate) samples: Option<usize>,
    pub(crate) measure: MeasureSpec,
}

impl Question<'_> {
    /// Runs `answer` on the model with its layers found.
    pub(crate) fn ask<T>(
        &self,
        answer: impl FnOnce(&OnnxStudy<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let model = OnnxModel::load(self.path)?;
        let (name, measure) = (self.name(), &self.measure);
        if let (Some(source), [_, _, ..]) = (self.data, &model.input_names()[..]) {
            if self.standardize.is_some_and(|how| how != Standardize::None) {
                bail!(
                    "--standardize scales the inputs of a model with one input; scale these beforehand"
                );
            }
            let arrays = load_arrays(Path::new(source))?;
            return answer(&model.study_arrays(&name, source, &arrays, self.samples, measure)?);
        }
        let data = self.data.map(|source| self.read(source)).transpose()?;
        answer(&model.study(&name, data.as_ref(), self.samples, measure)?)
    }

    /// Writes the model as a spec file; what it cannot say comes back.
    pub(crate) fn write_spec(
        &self,
        study: &OnnxStudy<'_>,
        file: &Path,
    ) -> anyhow::Result<Vec<String>> {
        let standardize = self.standardize.unwrap_or(Standardize::None);
        let (spec, notes) = study
            .spec(self.data, standardize, &self.measure)
            .map_err(|why| anyhow!("no spec can hold this model: {why}"))?;
        write_atomically(file, spec_text(&spec)?.as_bytes())?;
        Ok(notes)
    }

    /// The file's name without its ending.
    fn name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or(self.path.as_os_str()).to_string_lossy();
        stem.chars().take(200).collect()
    }

    /// Inputs as the file holds them: a model that was exported has its own preprocessing outside.
    fn read(&self, source: &str) -> anyhow::Result<Dataset> {
        let raw = load_dataset_with(source, &ReadOptions::default())?;
        let asked = DataSpec {
            samples: Some(MAX_SAMPLES),
            standardize: self.standardize.unwrap_or(Standardize::None),
            ..DataSpec::default()
        };
        Ok(asked.prepare(&raw, self.measure.seed)?)
    }
}
