//! One pass over a network: each layer takes the signal as it comes and leaves it as it is then.

use super::backward::Back;
use super::field::{Across, Field, Fluctuation, Law};
use super::step::{activation_on, in_range, normalise_positions, sum};
use super::{InputStatistics, LayerPrediction};
use crate::spec::layer::{Norm, PoolKind};
use crate::spec::network::{Network, Node, Op, WeightLayer};
use crate::spec::scheme::LayerInit;
use crate::spec::shape::Shape;
use crate::spec::weights::WeightFamily;
use crate::theory::NoTheory;
use crate::theory::convolution::Window;
use crate::theory::dual::{Dual, Pointwise, Pooling};
use crate::theory::mean_field::{LayerVariance, Spread};
use crate::theory::norm::{SMALLEST_GROUP, UnitMoments, dropout, normalise};

/// What the walk has gathered.
pub(super) struct Walk<'a> {
    inits: &'a [LayerInit],
    pub(super) duals: Vec<Dual>,
    pub(super) layers: Vec<LayerPrediction>,
    /// Dual and variances of each plain transition from one layer with weights to the next.
    pub(super) transitions: Vec<(usize, LayerVariance)>,
    /// Why equal plain layers do not describe the depth of this network.
    pub(super) not_plain: Option<NoTheory>,
}

type Signal = Result<Field, NoTheory>;

impl<'a> Walk<'a> {
    pub(super) fn new(inits: &'a [LayerInit]) -> Self {
        Self {
            inits,
            duals: Vec::new(),
            layers: Vec::new(),
            transitions: Vec::new(),
            not_plain: None,
        }
    }

    /// A walk among many over the same functions: `known` ones are not prepared again.
    pub(super) fn with_known(inits: &'a [LayerInit], known: Vec<Dual>) -> Self {
        Self { duals: known, ..Self::new(inits) }
    }

    /// The raw inputs.
    pub(super) fn input(network: &Network, input: InputStatistics) -> Field {
        let extent = extent(&network.input);
        let spread = Spread::new(input.variance, input.offset_square);
        let q = input.variance + input.offset_square;
        let relative =
            |covariance: f64| if q > 0.0 { (covariance / q).clamp(-1.0, 1.0) } else { 0.0 };
        Field {
            law: Law::Input,
            extent,
            spreads: vec![spread; extent[0] * extent[1]],
            mean_ratio: 0.0,
            across: Across {
                same_input: relative(input.position_covariance),
                two_inputs: relative(input.position_offset),
            },
            width: network
                .input
                .as_image()
                .map_or(network.input.size(), |[channels, _, _]| channels),
            fluctuation: Ok(Fluctuation::NONE),
        }
    }

    /// Sends the signal through a sequence; the way back is recorded on `tape`.
    pub(super) fn sequence(
        &mut self,
        nodes: &[Node],
        mut signal: Signal,
        start: Fluctuation,
        tape: &mut Vec<Back>,
    ) -> Signal {
        for node in nodes {
            signal = self.node(node, signal, start, tape);
        }
        signal
    }

    fn node(
        &mut self,
        node: &Node,
        signal: Signal,
        start: Fluctuation,
        tape: &mut Vec<Back>,
    ) -> Signal {
        match &node.op {
            Op::Dense(weights) => {
                let after = signal.and_then(|field| self.dense(field, weights, tape));
                self.record(node, weights, &after, start, tape);
                after
            }
            Op::Conv(weights, window) => {
                let after = signal.and_then(|field| {
                    let centre_only = self
                        .init(weights)
                        .is_some_and(|init| init.family == WeightFamily::DeltaOrthogonal);
                    let geometry =
                        Window::of(window, extent(&node.input), extent(&node.output), centre_only);
                    self.convolve(field, weights, geometry, tape)
                });
                self.record(node, weights, &after, start, tape);
                after
            }
            Op::Residual { branch, shortcut, branch_scale } => {
                self.not_plain("residual blocks");
                self.residual((branch, shortcut, *branch_scale), signal, start, tape)
            }
            op => {
                let after = signal.and_then(|field| match op {
                    Op::Activation(activation) => activation_on(field, activation),
                    Op::Pool { kind: PoolKind::Average, size, stride, padding }
                        if node.input.as_image().is_some() && [*size, *stride] != [1, 1] =>
                    {
                        let (input, output) = (extent(&node.input), extent(&node.output));
                        let (side, stride, padding) = (*size, *stride, *padding);
                        let window =
                            Window { input, output, side, stride, padding, centre_only: false };
                        self.average(field, output, Some(window), tape)
                    }
                    Op::Pool { kind, padding: 1.., .. } => Err(NoTheory::new(format!(
                        "`{}` with padding: windows at the border hold fewer values, which is measured, not predicted",
                        kind.key()
                    ))),
                    Op::Pool { kind, size, stride, padding: 0 } => Self::pool(
                        field,
                        node,
                        Pooling { kind: *kind, size: *size, correlation: 0.0 },
                        *stride,
                        tape,
                    ),
                    Op::GlobalAveragePool => self.average(field, [1, 1], None, tape),
                    Op::Norm(norm) => self.norm(field, *norm, tape),
                    Op::Dropout { keep } => self.dropout(field, *keep, tape),
                    // Layers with weights and residual blocks are taken above.
                    Op::Flatten | Op::Dense(_) | Op::Conv(..) | Op::Residual { .. } => Ok(field),
                });
                if let Err(reason) = &after {
                    tape.push(Back::Broken(reason.clone()));
                }
                after
            }
        }
    }

    fn not_plain(&mut self, what: &str) {
        self.not_plain.get_or_insert_with(|| {
            NoTheory::new(format!(
                "the network has {what}: it is not a sequence of equal plain layers, whose limit this would be"
            ))
        });
    }

    fn init(&self, weights: &WeightLayer) -> Option<&'a LayerInit> {
        self.inits.get(weights.index.checked_sub(1)?)
    }

    fn variances(&self, weights: &WeightLayer) -> Result<LayerVariance, NoTheory> {
        let init = self.init(weights).ok_or_else(|| {
            NoTheory::new(format!("layer {} has no initialization", weights.index))
        })?;
        Ok(LayerVariance { weight: init.weight_variance, bias: init.bias_variance })
    }

    /// Applies what is pending, so that moments are left.
    fn settle(
        &mut self,
        field: &mut Field,
        tape: &mut Vec<Back>,
    ) -> Result<Option<usize>, NoTheory> {
        let Law::Gaussian { functions, pooling } = &field.law else { return Ok(None) };
        let function = Pointwise::new(functions.clone());
        let pooling = *pooling;
        let known = self
            .duals
            .iter()
            .position(|dual| *dual.function() == function && dual.pooling() == pooling);
        let index = if let Some(index) = known {
            index
        } else {
            self.duals.push(Dual::with_pooling(function, pooling)?);
            self.duals.len() - 1
        };
        let phi = &self.duals[index];
        if phi.pooling().is_some() || !phi.function().functions().is_empty() {
            tape.push(Back::Positions(field.apply(phi)?));
        } else if field.positions() == 1 {
            // Linear layers in a row: the sum of squares of Gaussian units fluctuates as well.
            field.apply(phi)?;
        } else {
            field.law = Law::Moments { what: "nothing" };
        }
        Ok(Some(index))
    }

    fn dense(
        &mut self,
        mut field: Field,
        weights: &WeightLayer,
        tape: &mut Vec<Back>,
    ) -> Result<Field, NoTheory> {
        let layer = self.variances(weights)?;
        let transition = self.settle(&mut field, tape)?;
        tape.push(Back::Dense { weight: layer.weight, positions: field.positions() });
        field.dense(layer, weights.outputs);
        self.transitions.extend(transition.map(|dual| (dual, layer)));
        in_range(field)
    }

    fn convolve(
        &mut self,
        mut field: Field,
        weights: &WeightLayer,
        window: Window,
        tape: &mut Vec<Back>,
    ) -> Result<Field, NoTheory> {
        let layer = self.variances(weights)?;
        let transition = self.settle(&mut field, tape)?;
        tape.push(Back::Conv { weight: layer.weight, window });
        field.convolve(layer, &window, weights.outputs);
        self.transitions.extend(transition.map(|dual| (dual, layer)));
        in_range(field)
    }

    fn record(
        &mut self,
        node: &Node,
        weights: &WeightLayer,
        after: &Signal,
        start: Fluctuation,
        tape: &mut Vec<Back>,
    ) {
        let (weight_variance, bias_variance) = self
            .init(weights)
            .map_or((f64::NAN, f64::NAN), |init| (init.weight_variance, init.bias_variance));
        let spread = after.as_ref().map(Field::over_positions).map_err(Clone::clone);
        let ln_q_variance = after.as_ref().map_err(Clone::clone).and_then(|field| {
            let own = field.fluctuation.clone()?;
            Ok(own.elasticity * own.elasticity * start.variance + own.variance)
        });
        if let Err(reason) = after {
            tape.push(Back::Broken(reason.clone()));
        }
        tape.push(Back::Layer(weights.index));
        self.layers.push(LayerPrediction {
            index: weights.index,
            kind: node.op.kind(),
            units: weights.outputs,
            weight_variance,
            bias_variance,
            spread,
            chi: Err(NoTheory::new("no layer follows")),
            ln_gradient: Err(NoTheory::new("no layer follows")),
            ln_q_variance,
            finite_width: Err(NoTheory::new("no layer follows")),
            on_data: None,
        });
    }

    fn pool(
        mut field: Field,
        node: &Node,
        pool: Pooling,
        stride: usize,
        tape: &mut Vec<Back>,
    ) -> Result<Field, NoTheory> {
        if pool.size == 1 && stride == 1 {
            return Ok(field);
        }
        if node.input.as_image().is_some() {
            return Err(NoTheory::new(format!(
                "`{}` over positions: their correlations depend on the image, and the law of the {} of them is measured, \
                 not predicted",
                pool.kind.key(),
                if pool.kind == PoolKind::Max { "largest" } else { "smallest" }
            )));
        }
        if matches!(field.law, Law::Input) {
            return Err(NoTheory::new("a pool acts on the raw inputs, which are not Gaussian"));
        }
        match &mut field.law {
            Law::Gaussian { pooling: pooling @ None, .. } => {
                *pooling = Some(pool);
            }
            // Windows of windows are windows, where they do not overlap.
            Law::Gaussian { pooling: Some(before), .. }
                if before.kind == pool.kind && stride == pool.size =>
            {
                before.size = before.size.saturating_mul(pool.size);
            }
            Law::Moments { .. } if pool.kind == PoolKind::Average => {
                // Units are independent given the input: only their mean is common.
                let k = pool.size as f64;
                let m2 = field.mean_ratio * field.mean_ratio;
                let before = field.mean();
                for spread in &mut field.spreads {
                    *spread = spread.map(|v, t| (v / k, (t + (k - 1.0) * m2 * (v + t)) / k));
                }
                let shrink = (0.5 * (before.ln_q() - field.mean().ln_q())).exp();
                field.mean_ratio *= if shrink.is_finite() { shrink } else { 0.0 };
                field.fluctuation =
                    Err(NoTheory::new("the width correction of pooled sums is not derived"));
                tape.push(Back::Scale(1.0 / k));
            }
            Law::Moments { what } => {
                return Err(NoTheory::new(format!(
                    "`{}` after {what}: the units are not Gaussian, their extremes are measured",
                    pool.kind.key()
                )));
            }
            _ => {
                return Err(NoTheory::new(
                    "overlapping pools of pools are measured, not predicted",
                ));
            }
        }
        field.width = node.output.size();
        Ok(field)
    }

    /// Mean over windows of positions, or over all of them.
    fn average(
        &mut self,
        mut field: Field,
        output: [usize; 2],
        window: Option<Window>,
        tape: &mut Vec<Back>,
    ) -> Result<Field, NoTheory> {
        let gaussian = field.is_plain_gaussian();
        if !gaussian {
            self.settle(&mut field, tape)?;
        }
        let [height, width] = field.extent;
        let windows: Vec<Vec<usize>> = match window {
            None => vec![(0..height * width).collect()],
            Some(window) => {
                window.outputs().map(|(row, column)| window.taps(row, column).0.collect()).collect()
            }
        };
        let taps = window.map_or(height * width, |window| window.side * window.side);
        let positions = field.positions();
        field.average_positions(output, &windows, taps);
        tape.push(Back::Windows { windows, taps, positions });
        if !gaussian && !matches!(field.law, Law::Input) {
            field.law = Law::Moments { what: "a mean over positions" };
        }
        Ok(field)
    }

    fn norm(
        &mut self,
        mut field: Field,
        norm: Norm,
        tape: &mut Vec<Back>,
    ) -> Result<Field, NoTheory> {
        self.not_plain("normalisations");
        if matches!(field.law, Law::Input) && norm != Norm::Batch {
            return Err(NoTheory::new(
                "a normalisation of each raw input depends on how its features are distributed",
            ));
        }
        if let Norm::Group(groups) = norm
            && field.width / groups.max(1) < SMALLEST_GROUP
        {
            return Err(NoTheory::new(format!(
                "group norm over {} units: theory takes groups to be large, at least {SMALLEST_GROUP}",
                field.width / groups.max(1)
            )));
        }
        let gaussian = field.is_plain_gaussian();
        if !gaussian {
            self.settle(&mut field, tape)?;
        }
        let before = field.moments();
        let done = if field.positions() == 1 {
            let done = normalise(norm, before)?;
            field.spreads = vec![done.moments.spread];
            done.gradient
        } else {
            normalise_positions(&mut field, norm)?
        };
        field.mean_ratio = if norm == Norm::Rms { before.mean_ratio } else { 0.0 };
        tape.push(match done {
            Ok(factor) => Back::Scale(factor),
            Err(reason) => Back::Broken(reason),
        });
        field.fluctuation = if gaussian || norm == Norm::Batch {
            Err(NoTheory::new("the width correction of normalised layers is not derived"))
        } else {
            // Each example's own mean square is 1 exactly, and so is that of the sum it enters.
            Ok(Fluctuation { elasticity: 0.0, variance: 0.0 })
        };
        if matches!(field.law, Law::Moments { .. }) {
            field.law = Law::Moments { what: "a normalised activation" };
        }
        Ok(field)
    }

    fn dropout(
        &mut self,
        mut field: Field,
        keep: f64,
        tape: &mut Vec<Back>,
    ) -> Result<Field, NoTheory> {
        if keep >= 1.0 {
            return Ok(field);
        }
        self.not_plain("dropout");
        self.settle(&mut field, tape)?;
        let mean_ratio = field.mean_ratio;
        for spread in &mut field.spreads {
            *spread = dropout(UnitMoments { spread: *spread, mean_ratio }, keep).spread;
        }
        field.mean_ratio *= keep.sqrt();
        field.across.same_input *= keep;
        field.across.two_inputs *= keep;
        tape.push(Back::Scale(1.0 / keep));
        if let Ok(fluctuation) = &mut field.fluctuation {
            *fluctuation = fluctuation.then(1.0, 0.0);
            field.fluctuation =
                Err(NoTheory::new("the width correction of dropout is not derived"));
        }
        if !matches!(field.law, Law::Input) {
            field.law = Law::Moments { what: "dropout" };
        }
        Ok(field)
    }

    fn residual(
        &mut self,
        (branch, shortcut, scale): (&[Node], &[Node], f64),
        signal: Signal,
        start: Fluctuation,
        tape: &mut Vec<Back>,
    ) -> Signal {
        // Both ways start from one signal: what is pending is applied once, unless the stream is Gaussian as it is.
        let signal = signal.and_then(|mut field| {
            if !field.is_plain_gaussian() {
                self.settle(&mut field, tape)?;
            }
            Ok(field)
        });
        let (mut back_branch, mut back_shortcut) = (Vec::new(), Vec::new());
        let base = match &signal {
            Ok(Field { fluctuation: Ok(own), .. }) => Fluctuation {
                elasticity: 1.0,
                variance: own.elasticity * own.elasticity * start.variance + own.variance,
            },
            _ => start,
        };
        let inner = signal.clone().map(|field| Field {
            fluctuation: field.fluctuation.clone().map(|_| Fluctuation::NONE),
            ..field
        });
        let around = self.sequence(shortcut, inner.clone(), base, &mut back_shortcut);
        let through = self.sequence(branch, inner, base, &mut back_branch);
        let weighted = |nodes: &[Node]| {
            nodes
                .iter()
                .any(|node| matches!(node.op, Op::Dense(_) | Op::Conv(..) | Op::Residual { .. }))
        };
        let independent = weighted(branch) || weighted(shortcut);
        let outer = signal.as_ref().ok().and_then(|field| field.fluctuation.clone().ok());
        let sum = self.meet(
            (around, &mut back_shortcut),
            (through, &mut back_branch),
            (scale, independent, outer),
        );
        tape.push(Back::Residual { branch: back_branch, shortcut: back_shortcut, scale });
        if let Err(reason) = &sum {
            tape.push(Back::Broken(reason.clone()));
        }
        sum
    }
}

impl Walk<'_> {
    /// The end of a block, where both ways are added.
    fn meet(
        &mut self,
        (around, back_shortcut): (Signal, &mut Vec<Back>),
        (through, back_branch): (Signal, &mut Vec<Back>),
        (scale, independent, outer): (f64, bool, Option<Fluctuation>),
    ) -> Signal {
        let (mut a, mut b) = (around?, through?);
        if !independent {
            return Err(NoTheory::new(
                "a residual block without weights adds a function of the stream to itself: measured",
            ));
        }
        for (field, tape) in [(&mut a, back_shortcut), (&mut b, back_branch)] {
            if !field.is_plain_gaussian() {
                self.settle(field, tape)?;
            }
        }
        Ok(sum(&a, &b, scale, outer))
    }
}

fn extent(shape: &Shape) -> [usize; 2] {
    shape.as_image().map_or([1, 1], |[_, height, width]| [height, width])
}
