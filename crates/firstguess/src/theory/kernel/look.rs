//! What the layers of a network ask of its kernel.

use crate::spec::layer::{Norm, PoolKind};
use crate::spec::network::{Node, Op};
use crate::theory::NoTheory;

pub(super) fn image_input(node: &Node) -> [usize; 2] {
    node.input.as_image().map_or([1, 1], |[_, h, w]| [h, w])
}

pub(super) fn image_extent(node: &Node) -> [usize; 2] {
    node.output.as_image().map_or([1, 1], |[_, h, w]| [h, w])
}

/// Positions of the largest image that a layer with weights, or one after it, sees or makes.
pub(super) fn largest_image(nodes: &[Node]) -> usize {
    let of = |node: &Node| {
        let area = |[h, w]: [usize; 2]| h * w;
        match &node.op {
            Op::Conv(..) => area(image_input(node)).max(area(image_extent(node))),
            Op::Residual { branch, shortcut, .. } => {
                largest_image(branch).max(largest_image(shortcut)).max(area(image_input(node)))
            }
            _ => 1,
        }
    };
    nodes.iter().map(of).max().unwrap_or(1)
}

pub(super) fn padded(kind: PoolKind) -> NoTheory {
    NoTheory::new(format!(
        "`{}` with padding: windows at the border hold fewer values, which is measured, not predicted",
        kind.key()
    ))
}

pub(super) fn has_weights(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match &node.op {
        Op::Dense(_) | Op::Conv(..) => true,
        Op::Residual { branch, shortcut, .. } => has_weights(branch) || has_weights(shortcut),
        _ => false,
    })
}

/// Whether what acts on the units of a flattened image, up to the next layer with weights, acts on each of them by itself or
/// on all of one input.
pub(super) fn unit_by_unit(nodes: &[Node]) -> bool {
    let own = |op: &Op| {
        matches!(op, Op::Activation(_) | Op::Dropout { .. } | Op::Norm(Norm::Layer | Norm::Rms))
    };
    let next = nodes.iter().find(|node| !own(&node.op));
    matches!(next.map(|node| &node.op), Some(Op::Dense(_)))
}

/// Whether some layer mixes positions in a way that needs covariances between them.
pub(super) fn sees_across(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match &node.op {
        Op::GlobalAveragePool => true,
        Op::Pool { .. } | Op::Norm(Norm::Batch) => node.input.as_image().is_some(),
        Op::Residual { branch, shortcut, .. } => sees_across(branch) || sees_across(shortcut),
        _ => false,
    })
}
