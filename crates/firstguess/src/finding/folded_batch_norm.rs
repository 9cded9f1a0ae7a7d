//! An exporter seems to have folded batch normalisations into the convolutions before them.
//!
//! In evaluation mode exporters multiply a batch normalisation into the convolution before it. The file then computes the same,
//! but holds another network: drawn anew, its convolutions have no normalisation, and nothing said of it holds for the network
//! that is trained. What is left of a folded normalisation is a convolution without a bias, or with a bias of zeros under an
//! invented name.
//!
//! ## When
//!
//! Warning, if an ONNX model has such convolutions and no normalisation at all.
//!
//! ## What to do
//!
//! Export the model as it is trained: `torch.onnx.export(model, x, file, dynamo=False, training=TrainingMode.PRESERVE,
//! do_constant_folding=False)`, or check the PyTorch model itself. If the model has no normalisations, ignore this finding.
//!
//! References: `ioffe2015`.

use super::{Case, Evidence, Finding, Severity};
use crate::measure::Estimate;

pub(super) fn judge(case: &Case<'_>) -> Option<Finding> {
    let found = case.model?.folded?;
    Some(Finding {
        id: "folded-batch-norm",
        severity: Severity::Warning,
        title: format!(
            "{} of {} convolutions have no bias and no normalisation behind them: batch normalisations seem to be folded into them",
            found.folded, found.convolutions
        ),
        explanation: "The network in the file is then not the one that is trained, and neither are its weights when they are drawn \
                      anew."
            .to_owned(),
        evidence: vec![Evidence::new(
            "share of convolutions without bias and normalisation",
            None,
            Some(Estimate::new(found.folded as f64 / found.convolutions.max(1) as f64, None, 1)),
        )],
        remedy: Some(
            "export with training=TrainingMode.PRESERVE, do_constant_folding=False, dynamo=False; a model without normalisations \
             needs nothing"
                .to_owned(),
        ),
        references: &["ioffe2015"],
    })
}
