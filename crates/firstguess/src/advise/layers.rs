//! Changes to the layers of a spec: variances of single layers, activations.

use crate::spec::activation::Activation;
use crate::spec::layer::{Layer, OwnVariances};

/// Takes away every variance that a layer sets for itself.
pub(super) fn strip(layers: &mut [Layer]) {
    each(layers, &mut |layer| {
        if let Layer::Dense { own, .. } | Layer::Conv { own, .. } = layer {
            *own = OwnVariances::default();
        }
    });
}

/// Puts another activation in the place of every activation.
pub(super) fn replace_activations(layers: &mut [Layer], by: &Activation) {
    each(layers, &mut |layer| {
        if let Layer::Activation(activation) = layer {
            activation.clone_from(by);
        }
    });
}

fn each(layers: &mut [Layer], change: &mut impl FnMut(&mut Layer)) {
    for layer in layers {
        change(layer);
        match layer {
            Layer::Repeat { layers, .. } => each(layers, change),
            Layer::Residual { branch, shortcut, .. } => {
                each(shortcut, change);
                each(branch, change);
            }
            _ => {}
        }
    }
}

/// Gives the layer that the inputs meet first its own variances; says whether there is one with nothing before it.
pub(super) fn set_first(layers: &mut Vec<Layer>, given: OwnVariances) -> bool {
    for position in 0..layers.len() {
        match &mut layers[position] {
            Layer::Dense { own, .. } | Layer::Conv { own, .. } => {
                *own = given;
                return true;
            }
            Layer::Flatten => {}
            Layer::Repeat { count, layers: repeated } => {
                let mut first = repeated.clone();
                if !set_first(&mut first, given) {
                    return false;
                }
                if *count == 1 {
                    *repeated = first;
                } else {
                    *count -= 1;
                    layers.splice(position..position, first);
                }
                return true;
            }
            _ => return false,
        }
    }
    false
}

/// Gives the last layer with weights of every residual branch these variances; says how many there are as written.
pub(super) fn set_branch_ends(layers: &mut [Layer], given: OwnVariances) -> usize {
    let mut ends = 0;
    for layer in layers {
        match layer {
            Layer::Repeat { layers, .. } => ends += set_branch_ends(layers, given),
            Layer::Residual { branch, shortcut, .. } => {
                ends += set_branch_ends(shortcut, given) + set_branch_ends(branch, given);
                ends += usize::from(set_last(branch, given));
            }
            _ => {}
        }
    }
    ends
}

fn set_last(layers: &mut Vec<Layer>, given: OwnVariances) -> bool {
    for position in (0..layers.len()).rev() {
        match &mut layers[position] {
            Layer::Dense { own, .. } | Layer::Conv { own, .. } => {
                *own = given;
                return true;
            }
            Layer::Repeat { count, layers: repeated } => {
                let mut last = repeated.clone();
                if !set_last(&mut last, given) {
                    continue;
                }
                if *count == 1 {
                    *repeated = last;
                } else {
                    *count -= 1;
                    layers.splice(position + 1..=position, last);
                }
                return true;
            }
            // The end of an inner branch has been set already, and its stream goes on.
            Layer::Residual { .. } => return false,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(json: &str) -> Vec<Layer> {
        serde_json::from_str(json).unwrap()
    }

    const OWN: OwnVariances =
        OwnVariances { weight_variance: Some(0.5), bias_variance: Some(0.25) };

    #[test]
    fn the_first_layer_leaves_its_repeat() {
        let mut found =
            layers(r#"["flatten",{"repeat":9,"layers":[{"dense":8},"tanh"]},{"dense":2}]"#);
        assert!(set_first(&mut found, OWN));
        let expected = layers(
            r#"["flatten",{"dense":8,"weight_variance":0.5,"bias_variance":0.25},"tanh",
                {"repeat":8,"layers":[{"dense":8},"tanh"]},{"dense":2}]"#,
        );
        assert_eq!(found, expected);
        strip(&mut found);
        assert!(!serde_json::to_string(&found).unwrap().contains("variance"));
        let mut normalised = layers(r#"["layer_norm",{"dense":2}]"#);
        assert!(!set_first(&mut normalised, OWN));
    }

    #[test]
    fn the_ends_of_all_branches_are_found_and_no_other_layer() {
        let mut found = layers(
            r#"[{"dense":4},{"repeat":3,"layers":[{"residual":["relu",{"dense":8},"relu",{"dense":4},"relu"]},"tanh"]},
                {"residual":[{"repeat":2,"layers":[{"dense":4},"relu"]}],"shortcut":[{"dense":4}]},{"dense":2}]"#,
        );
        assert_eq!(set_branch_ends(&mut found, OWN), 2);
        let expected = layers(
            r#"[{"dense":4},{"repeat":3,"layers":[{"residual":["relu",{"dense":8},"relu",
                {"dense":4,"weight_variance":0.5,"bias_variance":0.25},"relu"]},"tanh"]},
                {"residual":[{"repeat":1,"layers":[{"dense":4},"relu"]},
                {"dense":4,"weight_variance":0.5,"bias_variance":0.25},"relu"],"shortcut":[{"dense":4}]},{"dense":2}]"#,
        );
        assert_eq!(found, expected);
        replace_activations(&mut found, &Activation::Silu);
        assert_eq!(serde_json::to_string(&found).unwrap().matches("silu").count(), 6);
    }
}
