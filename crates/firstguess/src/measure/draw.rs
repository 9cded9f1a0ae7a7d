//! One network of the ensemble: what is collected while the data pass through it.

use super::class_pairs::{self, ClassDraw, ClassSums};
use super::conditioned::Paths;
use super::gaussianity::Sample;
use super::gradients::{LayerGradient, LogitGradient, squared_norms};
use super::moments::{LayerMoments, UnitSums};
use super::prejudice::Guesses;
use super::units::{UnitHealth, UnitProbe};
use crate::net::scale::power_of_two;
use crate::net::{LayerView, WeightKind};
use crate::spec::Activation;
use crate::spec::network::{Network, Node, Op};
use std::sync::Arc;

/// What is known of the layers before any network is drawn.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layers: Vec<LayerPlan>,
    /// Whether layers are looked at, or logits only.
    pub(super) look: bool,
    pub(super) logits: usize,
    pub(super) batch_norm: bool,
    /// Classes whose pairs are told apart; 0 where they are not.
    pub(super) classes: usize,
}

/// One layer with weights.
#[derive(Debug)]
pub(super) struct LayerPlan {
    pub(super) index: usize,
    pub(super) kind: &'static str,
    pub(super) units: usize,
    pub(super) positions: usize,
    /// The activation right after the layer, if one is.
    pub(super) probe: Option<Arc<UnitProbe>>,
}

impl Plan {
    /// `layers` says whether layers are looked at, or logits only; `classes` is the number that labels have.
    pub(super) fn new(network: &Network, layers: bool, classes: usize) -> Self {
        let logits = network.logits();
        let mut plan =
            Self { layers: Vec::new(), look: layers, logits, batch_norm: false, classes: 0 };
        let mut probes = Vec::new();
        plan.sequence(&network.nodes, &mut probes);
        plan.layers.sort_by_key(|layer| layer.index);
        plan.classes = class_pairs::told_apart(&plan.layers, classes);
        plan
    }

    fn sequence(&mut self, nodes: &[Node], probes: &mut Vec<(Activation, Arc<UnitProbe>)>) {
        use crate::spec::layer::Norm;
        for (position, node) in nodes.iter().enumerate() {
            let (weights, kind) = match &node.op {
                Op::Dense(weights) => (weights, "dense"),
                Op::Conv(weights, _) => (weights, "conv"),
                Op::Residual { branch, shortcut, .. } => {
                    self.sequence(shortcut, probes);
                    self.sequence(branch, probes);
                    continue;
                }
                Op::Norm(Norm::Batch) => {
                    self.batch_norm = true;
                    continue;
                }
                _ => continue,
            };
            let probe = match nodes.get(position + 1).map(|next| &next.op) {
                Some(Op::Activation(activation)) => Some(probe_for(activation, probes)),
                _ => None,
            };
            self.layers.push(LayerPlan {
                index: weights.index,
                kind,
                units: weights.outputs,
                positions: node.output.size() / weights.outputs.max(1),
                probe,
            });
        }
    }
}

/// A probe scans its activation once: layers with the same one share it.
fn probe_for(
    activation: &Activation,
    known: &mut Vec<(Activation, Arc<UnitProbe>)>,
) -> Arc<UnitProbe> {
    if let Some((_, probe)) = known.iter().find(|(other, _)| other == activation) {
        return Arc::clone(probe);
    }
    let probe = Arc::new(UnitProbe::new(activation));
    known.push((activation.clone(), Arc::clone(&probe)));
    probe
}

/// Which gradient runs backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// That of the cross-entropy.
    Loss,
    /// A standard normal one.
    Cotangent,
}

/// Everything seen of one network so far.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    plan: &'a Plan,
    layers: Vec<LayerCollector>,
    guesses: Guesses,
    labels: Option<&'a [u32]>,
    /// Squared norms of what was sent in at the logits, per example: loss, cotangent.
    entered: [Vec<f64>; 2],
    gradient_examples: usize,
    gaussianity: bool,
    /// The first layer whose values f32 would not hold, were they not carried as multiples of a power of two.
    carried: [Option<Lost>; 2],
}

#[derive(Debug)]
struct LayerCollector {
    sums: UnitSums,
    rows: usize,
    health: Option<UnitHealth>,
    sample: Vec<f32>,
    /// Squared norms per example: loss, cotangent.
    norms: [Vec<f64>; 2],
    /// They stand for `4^exponent` times themselves.
    exponents: [i32; 2],
    pairs: Option<ClassSums>,
}

impl<'a> Collector<'a> {
    /// `labels` are those of all inputs; class pairs are told apart where `classes` is not 0.
    pub(super) fn new(
        plan: &'a Plan,
        labels: Option<&'a [u32]>,
        gradient_examples: usize,
        gaussianity: bool,
    ) -> Self {
        let layers = plan
            .layers
            .iter()
            .filter(|_| plan.look)
            .map(|layer| LayerCollector {
                sums: UnitSums::new(layer.units),
                rows: 0,
                health: layer.probe.as_ref().map(|_| UnitHealth::new(layer.units)),
                sample: Vec::new(),
                norms: [Vec::new(), Vec::new()],
                exponents: [0; 2],
                pairs: labels
                    .filter(|_| plan.classes > 0)
                    .map(|_| ClassSums::new(plan.classes, layer.units * layer.positions)),
            })
            .collect();
        Self {
            plan,
            layers,
            guesses: Guesses::new(plan.logits),
            labels,
            entered: [Vec::new(), Vec::new()],
            gradient_examples,
            gaussianity,
            carried: [None, None],
        }
    }

    /// Pre-activations of a layer.
    pub(super) fn forward(&mut self, view: LayerView<'_>) {
        let LayerView { index, values, exponent, .. } = view;
        if beyond_range(values, exponent) && self.carried[0].as_ref().is_none_or(|l| index < l.0) {
            self.carried[0] = Some((index, kind_of(view), CARRIED));
        }
        let Some(position) = index.checked_sub(1) else { return };
        let (Some(plan), Some(layer)) =
            (self.plan.layers.get(position), self.layers.get_mut(position))
        else {
            return;
        };
        let size = plan.units * plan.positions;
        if self.gaussianity
            && layer.rows == 0
            && let Some(first) = values.get(..size)
        {
            let centre = plan.positions / 2;
            layer.sample = Sample::chosen(plan.units)
                .map(|u| unscaled(first[u * plan.positions + centre], exponent))
                .collect();
        }
        if let (Some(pairs), Some(labels)) = (&mut layer.pairs, self.labels) {
            pairs.add(values, labels.get(layer.rows..).unwrap_or_default(), exponent);
        }
        layer.rows += values.len().checked_div(size).unwrap_or(0);
        let health = plan.probe.as_ref().zip(layer.health.as_mut());
        if plan.positions == 1 {
            layer.sums.add_scaled(values, exponent);
            if let Some((probe, health)) = health {
                probe.add(values, health);
            }
        } else {
            layer.sums.add_planes_scaled(values, plan.positions, exponent);
            if let Some((probe, health)) = health {
                probe.add_planes(values, plan.positions, health);
            }
        }
    }

    /// Logits `[rows, logits]` and the labels of the same rows.
    pub(super) fn logits(&mut self, values: &[f32], labels: Option<&[u32]>, exponent: i32) {
        self.guesses.add_scaled(values, self.plan.logits, labels, power_of_two(exponent));
    }

    /// What is sent in at the logits, `[rows, logits]`.
    pub(super) fn entering(&mut self, signal: Signal, values: &[f32]) {
        squared_norms(values, self.plan.logits, &mut self.entered[signal as usize]);
    }

    /// The backward signal at the pre-activations of a layer.
    pub(super) fn backward(&mut self, signal: Signal, view: LayerView<'_>) {
        let LayerView { index, values, exponent, .. } = view;
        if beyond_range(values, exponent) && self.carried[1].as_ref().is_none_or(|l| index > l.0) {
            self.carried[1] = Some((index, kind_of(view), CARRIED));
        }
        let Some(position) = index.checked_sub(1) else { return };
        if let (Some(plan), Some(layer)) =
            (self.plan.layers.get(position), self.layers.get_mut(position))
        {
            let size = plan.units * plan.positions;
            let (norms, reference) =
                (&mut layer.norms[signal as usize], &mut layer.exponents[signal as usize]);
            let before = norms.len();
            if before == 0 {
                *reference = exponent;
            }
            squared_norms(values, size, norms);
            if exponent != *reference {
                let scale = power_of_two(2 * (exponent - *reference));
                norms[before..].iter_mut().for_each(|norm| *norm *= scale);
            }
        }
    }

    /// What this network adds to the ensemble: layers that did not see all `examples` in range are left out.
    pub(super) fn finish(
        mut self,
        examples: usize,
        mut trouble: Trouble,
        paths: Vec<Paths>,
    ) -> Draw {
        let labels = self.labels;
        let [forward, backward] = std::mem::take(&mut self.carried);
        forward.into_iter().for_each(|lost| trouble.forward(lost));
        backward.into_iter().for_each(|lost| trouble.backward(lost));
        let kept = self.gradient_examples;
        let logit_gradient =
            labels.filter(|_| self.entered[0].len() >= kept && kept > 0).map(|labels| {
                LogitGradient::of(&self.entered[0][..kept], labels, self.guesses.favoured())
            });
        let entered = self.entered.each_mut().map(|norms| summary(norms, kept));
        let layers = self
            .layers
            .into_iter()
            .map(|mut layer| {
                let complete = layer.rows == examples;
                let moments = layer.sums.finish().filter(|_| complete);
                let usable = moments.is_some();
                let health = layer.health.filter(|_| usable);
                LayerDraw {
                    moments,
                    dead: health.as_ref().and_then(UnitHealth::dead_fraction),
                    saturated: health.as_ref().and_then(UnitHealth::saturated_fraction),
                    sample: if usable { layer.sample } else { Vec::new() },
                    gradients: [0, 1].map(|signal| {
                        summary(&mut layer.norms[signal], kept)
                            .map(|found| found.times_power_of_four(layer.exponents[signal]))
                    }),
                    pairs: layer.pairs.filter(|_| usable).map(|pairs| pairs.finish()),
                }
            })
            .collect();
        let complete = self.guesses.examples() == examples as u64;
        Draw {
            layers,
            guesses: complete.then_some(self.guesses),
            entered,
            logit_gradient: logit_gradient.filter(|_| complete),
            trouble,
            paths,
        }
    }
}

/// What is found where values are carried beyond the range of f32.
const CARRIED: &str = "infinity";

/// Whether f32 could not hold a value that is carried as a multiple of a power of two.
fn beyond_range(values: &[f32], exponent: i32) -> bool {
    let limit = f64::from(f32::MAX) * power_of_two(-exponent);
    exponent > 0 && values.iter().any(|x| f64::from(x.abs()) > limit)
}

fn kind_of(view: LayerView<'_>) -> String {
    match view.kind {
        WeightKind::Dense => "dense".to_owned(),
        WeightKind::Conv => "conv".to_owned(),
    }
}

/// The value as f32 has it: infinite or zero beyond its range.
#[expect(clippy::cast_possible_truncation, reason = "samples are kept in f32")]
fn unscaled(value: f32, exponent: i32) -> f32 {
    if exponent == 0 { value } else { (f64::from(value) * power_of_two(exponent)) as f32 }
}

/// Mean and median of the first `kept` norms, if so many were seen.
fn summary(norms: &mut [f64], kept: usize) -> Option<LayerGradient> {
    norms.get_mut(..kept).and_then(LayerGradient::of)
}

/// Numbers that left the range of f32: index of the layer, kind of the operation, what was found.
pub(super) type Lost = (usize, String, &'static str);

/// What went wrong in one network.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Trouble {
    pub(super) forward: Option<Lost>,
    pub(super) backward: Option<Lost>,
}

impl Trouble {
    /// Remembers the first place on the way forward: the lowest index.
    pub(super) fn forward(&mut self, lost: Lost) {
        if self.forward.as_ref().is_none_or(|known| lost.0 < known.0) {
            self.forward = Some(lost);
        }
    }

    /// Remembers the first place on the way backward: the highest index.
    pub(super) fn backward(&mut self, lost: Lost) {
        if self.backward.as_ref().is_none_or(|known| lost.0 > known.0) {
            self.backward = Some(lost);
        }
    }
}

/// What one network adds to the ensemble.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draw {
    pub(super) layers: Vec<LayerDraw>,
    /// `None` where the logits left the range of f32.
    pub(super) guesses: Option<Guesses>,
    /// What was sent in at the logits: loss, cotangent.
    pub(super) entered: [Option<LayerGradient>; 2],
    pub(super) logit_gradient: Option<LogitGradient>,
    pub(super) trouble: Trouble,
    /// How each layer was sampled; empty where weights were drawn.
    pub(super) paths: Vec<Paths>,
}

/// One layer of one network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerDraw {
    pub(super) moments: Option<LayerMoments>,
    pub(super) dead: Option<f64>,
    pub(super) saturated: Option<f64>,
    pub(super) sample: Vec<f32>,
    /// Loss, cotangent.
    pub(super) gradients: [Option<LayerGradient>; 2],
    /// Products of inputs by class pair.
    pub(super) pairs: Option<ClassDraw>,
}
