//! What the depth of a network repeats: a block of layers, as a map of the signal.

mod limit;

use super::backward::{Gradient, backward};
use super::field::{Across, Field, Fluctuation, Law};
use super::walk::Walk;
use crate::spec::activation::Activation;
use crate::spec::network::{Network, Node, Op, WeightLayer};
use crate::spec::scheme::LayerInit;
use crate::spec::shape::Shape;
use crate::theory::dual::Dual;
use crate::theory::mean_field::{LayerVariance, Spread};
use crate::theory::{NoTheory, Predicted};
use std::fmt;

pub use limit::BlockLimit;

/// Longest block that is looked for, in layers of the sequence that repeats it.
const LONGEST: usize = 64;

/// The layers that a network repeats most: with norms, dropout or residual blocks among them, its depth is theirs.
///
/// The block ends where the signal is sums of fresh weights, or the stream of a residual network. Convolutions act as on
/// images without borders whose positions are alike, so that a block is a map of one vector.
///
/// # Examples
///
/// ```
/// use firstguess::spec::{Architecture, InitScheme, Shape};
/// use firstguess::theory::predict::Block;
/// let layers = r#"[{"dense":64},{"repeat":9,"layers":["batch_norm","relu",{"dense":64}]},{"dense":10}]"#;
/// let network = Architecture { layers: serde_json::from_str(layers)? }.resolve(&Shape::flat(64)?)?;
/// let init = InitScheme::explicit(1.5, 0.1);
/// let inits: Result<Vec<_>, _> = network.weights().iter().map(|w| init.layer(w)).collect();
/// let block = Block::of(&network, &inits?)?;
/// assert_eq!((block.to_string().as_str(), block.repeats()), ("batch_norm, relu, dense", 9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Block {
    /// Its layers in words.
    name: String,
    /// The same, as they act on a vector.
    nodes: Vec<Node>,
    inits: Vec<LayerInit>,
    repeats: usize,
    width: usize,
    law: Law,
    duals: Vec<Dual>,
    /// The same functions, answering from tables: for whole grids of variances.
    tables: Vec<Dual>,
}

/// What one pass through a block does to a signal.
#[derive(Debug, Clone)]
pub(in crate::theory) struct Pass {
    pub(in crate::theory) spread: Spread,
    /// The factor on the squared norm of the gradient, on the way back.
    pub(in crate::theory) chi: Predicted,
}

impl Block {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where nothing is repeated, and where a block has no closed map: a layer without theory in it, positions
    /// that become fewer with every block, `log_periodic`, whose bends no table holds, or a branch that ends in an activation, whose mean the stream collects.
    pub fn of(network: &Network, inits: &[LayerInit]) -> Result<Self, NoTheory> {
        let (start, length, repeats) = most_repeated(&network.nodes)
            .ok_or_else(|| NoTheory::new("no layers with weights are repeated in it"))?;
        let last = |of: fn(&Op) -> bool| {
            network.nodes[start..start + length].iter().rposition(|node| of(&node.op))
        };
        let end = last(|op| matches!(op, Op::Residual { .. }))
            .or_else(|| last(|op| matches!(op, Op::Dense(_) | Op::Conv(..))))
            .ok_or_else(|| NoTheory::new("no layers with weights are repeated in it"))?;
        let begin = start + (end + 1) % length;
        let found = &network.nodes[begin..begin + length];
        let mut own = Vec::new();
        let nodes = found.iter().map(|node| without_positions(node, inits, &mut own));
        let nodes: Vec<Node> = nodes.collect::<Result<Vec<_>, _>>()?;
        let width = found.first().map_or(1, |node| channels(&node.input));
        if bends_at_every_scale(&nodes) {
            return Err(NoTheory::new(
                "`log_periodic` bends at every scale: the limit of a block with it would take minutes",
            ));
        }
        let mut block = Self {
            name: names(found),
            nodes,
            inits: own,
            repeats,
            width,
            law: Law::Gaussian { functions: Vec::new(), pooling: None },
            duals: Vec::new(),
            tables: Vec::new(),
        };
        block.settle()?;
        Ok(block)
    }

    /// Finds the law with which a block begins and ends, and prepares its functions.
    fn settle(&mut self) -> Result<(), NoTheory> {
        for _ in 0..2 {
            let mut at = self.as_drawn();
            at.draw(LayerVariance { weight: 1.0, bias: 0.1 });
            let (field, _) = at.pass(Spread::new(0.5, 0.6));
            let field = field?;
            self.duals = std::mem::take(&mut at.duals);
            if self.law != field.law {
                self.law = field.law;
                continue;
            }
            if field.mean_ratio != 0.0 {
                return Err(NoTheory::new(
                    "a branch that ends in an activation adds its mean to the stream, block by block: the limit of that is \
                     not derived",
                ));
            }
            self.tables = self.duals.iter().cloned().map(Dual::tabulated).collect();
            return Ok(());
        }
        Err(NoTheory::new("its blocks do not hand on the kind of signal that they take"))
    }

    /// The variances of its layers, where all of them are drawn with the same.
    pub fn layer(&self) -> Option<LayerVariance> {
        let first = self.first_layer();
        self.inits.iter().all(|init| variances(init) == first).then_some(first)
    }

    /// How the name of a block begins where that of an activation is asked for.
    pub const NAMED: &str = "blocks of ";

    /// What stands for the activation of a plain layer: `blocks of batch_norm, relu, dense`.
    pub fn name(&self) -> String {
        format!("{}{self}", Self::NAMED)
    }

    /// How often the network repeats it.
    pub fn repeats(&self) -> usize {
        self.repeats
    }

    /// The variances of its first layer with weights.
    fn first_layer(&self) -> LayerVariance {
        self.inits.first().map_or(LayerVariance { weight: 0.0, bias: 0.0 }, variances)
    }

    /// The block as it is drawn, with exact moments.
    fn as_drawn(&self) -> BlockAt<'_> {
        BlockAt { block: self, inits: self.inits.clone(), duals: self.duals.clone() }
    }

    /// The block with all its layers drawn with these variances, as one of many: its functions answer from tables.
    pub(in crate::theory) fn at(&self, layer: LayerVariance) -> BlockAt<'_> {
        let mut at = BlockAt { duals: self.tables.clone(), ..self.as_drawn() };
        at.draw(layer);
        at
    }
}

fn variances(init: &LayerInit) -> LayerVariance {
    LayerVariance { weight: init.weight_variance, bias: init.bias_variance }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The block of layers that a network repeats: what it would be if it went on for ever.
#[derive(Debug, Clone)]
pub struct RepeatedBlock {
    /// The block.
    pub block: Block,
    /// Its limit of infinite depth, every layer as it is drawn.
    pub limit: BlockLimit,
}

impl RepeatedBlock {
    /// Finds it in a network.
    ///
    /// # Errors
    ///
    /// Those of [`Block::of`].
    pub fn of(network: &Network, inits: &[LayerInit]) -> Result<Self, NoTheory> {
        let block = Block::of(network, inits)?;
        Ok(Self { limit: block.own_limit(), block })
    }
}

/// Two are equal if the same layers lead to the same limit.
impl PartialEq for RepeatedBlock {
    fn eq(&self, other: &Self) -> bool {
        self.block.to_string() == other.block.to_string() && self.limit == other.limit
    }
}

/// A block at one pair of variances.
#[derive(Debug)]
pub(in crate::theory) struct BlockAt<'a> {
    block: &'a Block,
    inits: Vec<LayerInit>,
    duals: Vec<Dual>,
}

impl BlockAt<'_> {
    /// From here on its functions answer from tables.
    fn answer_from_tables(&mut self) {
        self.duals.clone_from(&self.block.tables);
    }

    fn draw(&mut self, layer: LayerVariance) {
        for init in &mut self.inits {
            (init.weight_variance, init.bias_variance) = (layer.weight, layer.bias);
        }
    }

    /// Sends a signal with these moments through the block.
    ///
    /// # Errors
    ///
    /// [`NoTheory`] where the signal leaves the range of a layer, or a norm finds nothing to divide by.
    pub(in crate::theory) fn step(&mut self, spread: Spread) -> Result<Pass, NoTheory> {
        let (field, chi) = self.pass(spread);
        Ok(Pass { spread: field?.mean(), chi })
    }

    fn pass(&mut self, spread: Spread) -> (Result<Field, NoTheory>, Predicted) {
        let start = Field {
            law: self.block.law.clone(),
            extent: [1, 1],
            spreads: vec![spread],
            mean_ratio: 0.0,
            across: Across { same_input: 0.0, two_inputs: 0.0 },
            width: self.block.width,
            // Nobody asks: it spares the fourth moments.
            fluctuation: Err(NoTheory::new("a block has no width of its own")),
        };
        let mut tape = Vec::new();
        let mut walk = Walk::with_known(&self.inits, std::mem::take(&mut self.duals));
        let signal = walk.sequence(&self.block.nodes, Ok(start), Fluctuation::NONE, &mut tape);
        self.duals = walk.duals;
        let gradient = backward(&tape, Ok(Gradient::unit(1)), &mut []);
        (signal, gradient.map(|gradient| gradient.ln_total().exp()))
    }
}

/// `(start, length, repeats)` of the run of equal groups of layers that covers most of the sequence.
fn most_repeated(nodes: &[Node]) -> Option<(usize, usize, usize)> {
    let mut best: Option<(usize, usize, usize)> = None;
    for length in 1..=LONGEST.min(nodes.len() / 2) {
        let mut run = 0;
        for at in 0..=nodes.len() - length {
            let goes_on = nodes.get(at + length).is_some_and(|next| same(&nodes[at].op, &next.op));
            if goes_on {
                run += 1;
                continue;
            }
            let (start, repeats) = (at - run, (run + length) / length);
            run = 0;
            let weighs = nodes[start..start + length].iter().any(|node| has_weights(&node.op));
            if repeats > 1
                && weighs
                && best.is_none_or(|(_, length_of, times)| length * repeats > length_of * times)
            {
                best = Some((start, length, repeats));
            }
        }
    }
    best
}

fn has_weights(op: &Op) -> bool {
    match op {
        Op::Dense(_) | Op::Conv(..) => true,
        Op::Residual { branch, shortcut, .. } => {
            branch.iter().chain(shortcut).any(|node| has_weights(&node.op))
        }
        _ => false,
    }
}

fn bends_at_every_scale(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match &node.op {
        Op::Activation(activation) => matches!(activation, Activation::LogPeriodic { .. }),
        Op::Residual { branch, shortcut, .. } => {
            bends_at_every_scale(branch) || bends_at_every_scale(shortcut)
        }
        _ => false,
    })
}

/// Whether two layers are one but for their widths and weights.
fn same(a: &Op, b: &Op) -> bool {
    let all = |a: &[Node], b: &[Node]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(&a.op, &b.op))
    };
    match (a, b) {
        (Op::Dense(_), Op::Dense(_)) => true,
        (Op::Conv(_, a), Op::Conv(_, b)) => a == b,
        (
            Op::Residual { branch: a, shortcut: around_a, branch_scale: scale_a },
            Op::Residual { branch: b, shortcut: around_b, branch_scale: scale_b },
        ) => scale_a == scale_b && all(a, b) && all(around_a, around_b),
        (a, b) => a == b,
    }
}

fn channels(shape: &Shape) -> usize {
    shape.as_image().map_or(shape.size(), |[channels, _, _]| channels)
}

/// The node as it acts on an image whose positions are all alike; its weights are counted anew.
fn without_positions(
    node: &Node,
    inits: &[LayerInit],
    own: &mut Vec<LayerInit>,
) -> Result<Node, NoTheory> {
    let fewer = |what: &str| {
        Err(NoTheory::new(format!(
            "{what} in its blocks leaves fewer positions each time, which does not go on for ever"
        )))
    };
    let mut weights = |weights: &WeightLayer| -> Result<Op, NoTheory> {
        let init = weights.index.checked_sub(1).and_then(|at| inits.get(at));
        own.push(init.cloned().ok_or_else(|| {
            NoTheory::new(format!("layer {} has no initialization", weights.index))
        })?);
        Ok(Op::Dense(WeightLayer { index: own.len(), ..*weights }))
    };
    let image = node.input.as_image().is_some();
    let op = match &node.op {
        Op::Conv(_, window) if window.stride != 1 => return fewer("a stride"),
        Op::Dense(layer) | Op::Conv(layer, _) => weights(layer)?,
        Op::GlobalAveragePool => return fewer("a global pool"),
        Op::Pool { size, stride, .. } if image && [*size, *stride] != [1, 1] => {
            return fewer("a pool over positions");
        }
        Op::Residual { branch, shortcut, branch_scale } => {
            let mut inside = |nodes: &[Node]| -> Result<Vec<Node>, NoTheory> {
                nodes.iter().map(|node| without_positions(node, inits, own)).collect()
            };
            let shortcut = inside(shortcut)?;
            Op::Residual { branch: inside(branch)?, shortcut, branch_scale: *branch_scale }
        }
        op => op.clone(),
    };
    let flat = |shape: &Shape| Shape::flat(channels(shape)).unwrap_or(*shape);
    Ok(Node { op, input: flat(&node.input), output: flat(&node.output) })
}

fn names(nodes: &[Node]) -> String {
    let each: Vec<String> = nodes
        .iter()
        .map(|node| match &node.op {
            Op::Pool { kind, size, .. } => format!("{}({size})", kind.key()),
            Op::Dropout { keep } => format!("dropout(keep {keep})"),
            Op::Residual { branch, shortcut, branch_scale } => {
                let scale = if *branch_scale == 1.0 {
                    String::new()
                } else {
                    format!("{branch_scale} × ")
                };
                let around = if shortcut.is_empty() {
                    String::new()
                } else {
                    format!(" around {}", names(shortcut))
                };
                format!("residual({scale}[{}]{around})", names(branch))
            }
            op => op.kind(),
        })
        .collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::network::Architecture;
    use crate::spec::scheme::InitScheme;

    fn block(json: &str, shape: Shape) -> Result<Block, NoTheory> {
        let layers = serde_json::from_str(json).unwrap();
        let network = Architecture { layers }.resolve(&shape).unwrap();
        let init = InitScheme::explicit(1.3, 0.2);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        Block::of(&network, &inits)
    }

    #[test]
    fn the_repeated_layers_are_found_wherever_they_begin() {
        let flat = Shape::flat(64).unwrap();
        let found = block(
            r#"[{"repeat":5,"layers":[{"dense":64},"layer_norm","relu"]},{"dense":10}]"#,
            flat,
        )
        .unwrap();
        assert_eq!((found.to_string().as_str(), found.repeats()), ("layer_norm, relu, dense", 5));
        assert_eq!(found.layer(), Some(LayerVariance { weight: 1.3, bias: 0.2 }));
        // Residual blocks of unequal widths around them, and a stem of another kind.
        let image = Shape::image(3, 8, 8).unwrap();
        let found = block(
            r#"[{"conv":8},"relu",{"conv":16},{"repeat":4,"layers":[{"residual":["batch_norm","relu",{"conv":16}],"branch_scale":0.5}]},"global_average_pool",{"dense":10}]"#,
            image,
        )
        .unwrap();
        assert_eq!(found.to_string(), "residual(0.5 × [batch_norm, relu, conv])");
        assert_eq!(found.repeats(), 4);
    }

    #[test]
    fn blocks_without_a_limit_say_why() {
        let flat = Shape::flat(64).unwrap();
        for (json, why) in [
            (r#"[{"dense":64},"layer_norm","relu",{"dense":10}]"#, "repeated"),
            (
                r#"[{"dense":64},{"repeat":3,"layers":[{"residual":[{"dense":64},"relu"]}]},{"dense":10}]"#,
                "mean",
            ),
            (
                r#"[{"dense":64},{"repeat":3,"layers":[{"residual":[{"dense":64}]},"relu"]},{"dense":10}]"#,
                "not Gaussian",
            ),
            (
                r#"[{"dense":64},{"repeat":3,"layers":["log_periodic(0.1,5)","layer_norm",{"dense":64}]},{"dense":10}]"#,
                "every scale",
            ),
        ] {
            let reason = block(json, flat).map(|b| b.to_string()).unwrap_err().to_string();
            assert!(reason.contains(why), "{json}: {reason}");
        }
        let strided = r#"[{"repeat":3,"layers":[{"conv":8,"stride":2},"batch_norm","relu"]},"flatten",{"dense":10}]"#;
        let reason = block(strided, Shape::image(3, 16, 16).unwrap()).unwrap_err().to_string();
        assert!(reason.contains("stride"), "{reason}");
    }

    /// One pass is what the whole prediction says of one more layer.
    #[test]
    fn a_pass_is_a_step_of_the_network() {
        let flat = Shape::flat(64).unwrap();
        let found = block(
            r#"[{"dense":64},{"repeat":4,"layers":[{"dropout":0.2},"layer_norm","tanh",{"dense":64}]}]"#,
            flat,
        );
        // Dropout before a norm leaves a signal that is not Gaussian.
        assert!(found.is_err());
        let json = r#"[{"dense":64},{"repeat":4,"layers":["layer_norm","tanh",{"dropout":0.2},{"dense":64}]}]"#;
        let layers = serde_json::from_str(json).unwrap();
        let network = Architecture { layers }.resolve(&flat).unwrap();
        let init = InitScheme::explicit(1.3, 0.2);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let whole =
            super::super::predict(&network, &inits, super::super::InputStatistics::WHITE, 10);
        let found = Block::of(&network, &inits).unwrap();
        let mut at = found.at(found.layer().unwrap());
        for pair in whole.layers.windows(2) {
            let (before, after) =
                (pair[0].spread.clone().unwrap(), pair[1].spread.clone().unwrap());
            let pass = at.step(before).unwrap();
            assert!((pass.spread.q() / after.q() - 1.0).abs() < 1e-9);
            assert!((pass.spread.c() - after.c()).abs() < 1e-9);
            assert!((pass.chi.unwrap() / pair[0].chi.clone().unwrap() - 1.0).abs() < 1e-9);
        }
    }
}
