//! The phase of a network in one line.

use crate::theory::phase::{Phase, Prejudice};
use crate::theory::predict::{Bulk, Prediction, RepeatedBlock};

/// Of the plain layers that it repeats, else of its blocks.
pub(super) fn line(prediction: &Prediction) -> String {
    match (&prediction.bulk, &prediction.block) {
        (Ok(bulk), _) => of_layers(bulk),
        (Err(_), Ok(found)) => of_blocks(found),
        (Err(why), Err(_)) => format!("no theory: {why}"),
    }
}

fn of_layers(bulk: &Bulk) -> String {
    let limit = &bulk.limit;
    let mut text = name(limit.phase.clone().ok(), "signals and gradients survive");
    if let Ok(chi) = limit.chi_1 {
        text += &format!(" (χ₁ = {chi:.4} per layer");
        if let Ok(scale) = limit.gradient_depth_scale
            && scale.abs() < 1e4
        {
            text += &format!(", e-fold every {:.1} layers", scale.abs());
        }
        text.push(')');
    }
    text + match limit.prejudice {
        Ok(Prejudice::Neutrality) => "; deep networks stay neutral",
        Ok(Prejudice::Prejudice) => "; deep networks are biased",
        Ok(Prejudice::DeepPrejudice) => "; deep networks send all inputs to one class",
        Err(_) => "",
    }
}

fn of_blocks(found: &RepeatedBlock) -> String {
    let limit = &found.limit;
    let mut text = name(limit.phase, "a block far down keeps the size of gradients");
    if let Ok(chi) = limit.chi {
        text += &format!(" (χ = {chi:.4} per block of {})", found.block);
    }
    // Streams near their limits by a power of the depth: no network at hand is that deep.
    text + match limit.prejudice {
        Some(Prejudice::Neutrality) => "; ever more blocks stay neutral",
        Some(Prejudice::Prejudice) => "; ever more blocks end biased",
        Some(Prejudice::DeepPrejudice) => "; ever more blocks end with all inputs in one class",
        None => "",
    }
}

fn name(phase: Option<Phase>, on_the_edge: &str) -> String {
    match phase {
        Some(Phase::Ordered) => "ordered: inputs merge, gradients vanish with depth".to_owned(),
        Some(Phase::EdgeOfChaos) => format!("edge of chaos: {on_the_edge}"),
        Some(Phase::Chaotic) => "chaotic: inputs separate, gradients grow with depth".to_owned(),
        None => "unknown".to_owned(),
    }
}
