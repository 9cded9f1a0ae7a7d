//! How one network is measured, and with which buffers.

use super::conditioned::{Law, Sampler, Scratch};
use super::draw::{Collector, Draw, Lost, Plan, Signal, Trouble};
use super::engine::{Choice, EngineReport, LayerPaths, PathCounts};
use super::run::Options;
use crate::math::stream::{Purpose, Stream};
use crate::net::error::NonFinite;
use crate::net::scale::power_of_two;
use crate::net::{Masks, NetError, Program, Record, Scalar, Source, Tape, Weights, loss};
use crate::spec::Dataset;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes for the buffers of one pass: larger batches gain nothing.
pub(super) const PASS_MEMORY: u64 = 256 << 20;

/// Bytes for all networks at work at once.
const MEMORY: u64 = 8 << 30;

/// Multiplications of a draw that takes about a tenth of a second.
const LONG: u64 = 1 << 33;

/// Inputs whose gradients are measured, at most.
const GRADIENT_EXAMPLES: usize = 4096;

/// Norms kept of one network over all layers, at most.
const NORMS: usize = 1 << 21;

/// What the networks of an ensemble share.
pub(super) struct Job<'a> {
    network: &'a Network,
    init: &'a [LayerInit],
    data: &'a Dataset,
    options: &'a Options,
    plan: &'a Plan,
    programs: &'a Programs,
    choice: &'a Choice<'a>,
    blocks: Vec<Block>,
    gradient_examples: usize,
    /// Buffers that no thread is using.
    idle: Mutex<Vec<Buffers<'a>>>,
}

/// The network laid out for inputs whose gradients are wanted, and for the others.
pub(super) struct Programs {
    forward: Program,
    backward: Program,
    /// Backward from the inputs of the layers, without weights.
    inputs: Program,
}

impl Programs {
    pub(super) fn new(network: &Network) -> Self {
        Self {
            forward: Program::new(network, Record::Nothing),
            backward: Program::new(network, Record::Gradients),
            inputs: Program::new(network, Record::Inputs),
        }
    }

    const fn of(&self, block: &Block, choice: &Choice<'_>) -> &Program {
        match (block.backward, choice) {
            (false, _) => &self.forward,
            (true, Choice::Direct) => &self.backward,
            (true, Choice::Conditioned(_)) => &self.inputs,
        }
    }
}

/// Inputs sent through together.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    examples: Range<usize>,
    backward: bool,
}

/// Allocations reused from network to network.
struct Buffers<'a> {
    sampling: Sampling<'a>,
    forward: Tape<'a>,
    backward: Tape<'a>,
    entering: Vec<f32>,
}

/// What one network is drawn into.
enum Sampling<'a> {
    Weights(Weights),
    Law(&'a Law<'a>, Scratch),
}

impl<'a> Job<'a> {
    #[expect(
        clippy::too_many_arguments,
        reason = "what all networks share, each from its own place"
    )]
    pub(super) fn new(
        network: &'a Network,
        init: &'a [LayerInit],
        data: &'a Dataset,
        options: &'a Options,
        plan: &'a Plan,
        programs: &'a Programs,
        choice: &'a Choice<'a>,
        pass_memory: u64,
    ) -> Self {
        let examples = data.examples();
        let kept = (NORMS / plan.layers.len().max(1)).clamp(16, GRADIENT_EXAMPLES);
        let gradient_examples = if options.gradients { kept.min(examples) } else { 0 };
        let blocks = if plan.batch_norm || matches!(choice, Choice::Conditioned(_)) {
            // Statistics are those of the whole batch; without weights all inputs are drawn together.
            vec![Block { examples: 0..examples, backward: options.gradients }]
        } else {
            let with = (0..gradient_examples, &programs.backward, true);
            let without = (gradient_examples..examples, &programs.forward, false);
            [with, without]
                .into_iter()
                .flat_map(|(range, program, backward)| {
                    let rows = rows_within(program, pass_memory);
                    range.clone().step_by(rows).map(move |start| Block {
                        examples: start..range.end.min(start.saturating_add(rows)),
                        backward,
                    })
                })
                .collect()
        };
        Self {
            network,
            init,
            data,
            options,
            plan,
            programs,
            choice,
            blocks,
            gradient_examples,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Inputs whose gradients are measured.
    pub(super) const fn gradient_examples(&self) -> usize {
        self.gradient_examples
    }

    /// Networks drawn between two reports of progress: a few per thread, or as many as fit into memory.
    pub(super) fn draws_at_once(&self) -> usize {
        let pass =
            |block: &Block| self.programs.of(block, self.choice).bytes::<f32>(block.examples.len());
        let buffers = self.blocks.iter().map(pass).max().unwrap_or(0);
        let weights = match self.choice {
            Choice::Direct => self.network.parameters().saturating_mul(4),
            // Buffers of the sampler: as much as the values themselves at most.
            Choice::Conditioned(_) => buffers,
        };
        let bytes = buffers.saturating_add(weights).max(1);
        let threads = rayon::current_num_threads();
        let fitting = usize::try_from(MEMORY / bytes).unwrap_or(usize::MAX).max(1);
        // Long ones come one to a thread: a stop need not wait for four.
        let operations = self.network.parameters().saturating_mul(self.data.examples() as u64);
        let each = if operations > LONG { 1 } else { 4 };
        if fitting >= threads { each * threads } else { fitting }
    }

    /// The engine, before any network was drawn.
    pub(super) fn engine(&self, reason: String) -> EngineReport {
        let (engine, layers) = match self.choice {
            Choice::Direct => ("direct", Vec::new()),
            Choice::Conditioned(_) => {
                let none = PathCounts::default();
                let layer = |index| LayerPaths { index, forward: none, backward: none };
                ("conditioned", (1..=self.network.weight_layers).map(layer).collect())
            }
        };
        EngineReport { engine, reason, layers }
    }

    /// Draws and measures one network: a function of the seed and `draw` alone.
    pub(super) fn measure(&self, draw: u64) -> Result<Draw, NetError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = idle().pop();
        let mut buffers = match reused {
            Some(buffers) => buffers,
            None => Buffers {
                sampling: match self.choice {
                    Choice::Direct => Sampling::Weights(Weights::zeros(self.network)?),
                    Choice::Conditioned(law) => Sampling::Law(law, Scratch::default()),
                },
                forward: Tape::new(&self.programs.forward).carrying(),
                backward: Tape::new(match self.choice {
                    Choice::Direct => &self.programs.backward,
                    Choice::Conditioned(_) => &self.programs.inputs,
                })
                .carrying(),
                entering: Vec::new(),
            },
        };
        let outcome = self.measure_with(&mut buffers, draw);
        idle().push(buffers);
        outcome
    }

    /// Measures the one network with these weights.
    pub(super) fn measure_found(&self, weights: &Weights) -> Result<Draw, NetError> {
        let mut forward = Tape::new(&self.programs.forward).carrying();
        let mut backward = Tape::new(&self.programs.backward).carrying();
        let (seen, trouble) = self.passes(
            &mut Source::Kept(weights),
            [&mut forward, &mut backward],
            &mut Vec::new(),
            0,
        )?;
        Ok(seen.finish(self.data.examples(), trouble, Vec::new()))
    }

    fn measure_with(&self, buffers: &mut Buffers<'a>, draw: u64) -> Result<Draw, NetError> {
        let seed = self.options.seed;
        let Buffers { sampling, forward, backward, entering } = buffers;
        match sampling {
            Sampling::Weights(weights) => {
                weights.redraw(self.init, seed, draw)?;
                let (seen, trouble) =
                    self.passes(&mut Source::Kept(weights), [forward, backward], entering, draw)?;
                Ok(seen.finish(self.data.examples(), trouble, Vec::new()))
            }
            Sampling::Law(law, scratch) => {
                let mut sampler = Sampler::new(law, scratch, seed, draw);
                let (seen, trouble) = self.passes(
                    &mut Source::Sampled(&mut sampler),
                    [forward, backward],
                    entering,
                    draw,
                )?;
                Ok(seen.finish(self.data.examples(), trouble, sampler.into_paths()))
            }
        }
    }

    /// Sends all inputs through one network, and gradients back.
    fn passes(
        &self,
        source: &mut Source<'_, f32>,
        [forward, backward]: [&mut Tape<'a>; 2],
        entering: &mut Vec<f32>,
        draw: u64,
    ) -> Result<(Collector<'_>, Trouble), NetError> {
        let Options { seed, gaussianity, .. } = *self.options;
        let labels = self.data.labels();
        let mut seen = Collector::new(self.plan, labels, self.gradient_examples, gaussianity);
        let mut trouble = Trouble::default();
        let (features, logits) = (self.data.features(), self.plan.logits);
        for (number, block) in (0_u64..).zip(&self.blocks) {
            let tape = if block.backward { &mut *backward } else { &mut *forward };
            let Range { start, end } = block.examples;
            let inputs = &self.data.inputs()[start * features..end * features];
            let labels = self.data.labels().map(|labels| &labels[start..end]);
            // Draws stay below 2²⁴: the blocks of one network have dropout masks of their own.
            let masks = Masks::Draw { seed, draw: draw | (number << 24) };
            match tape.run_forward(source, inputs, masks, |h| seen.forward(h)) {
                Ok(_) => seen.logits(tape.logits(), labels, tape.logits_exponent()),
                Err(error) => {
                    trouble.forward(lost(error)?);
                    continue;
                }
            }
            if !block.backward {
                continue;
            }
            entering.resize((end - start) * logits, 0.0);
            let stream = Stream::new(seed, draw, 0, Purpose::Cotangent);
            stream.fill_normal_f32((start * logits) as u64, entering);
            let of_loss = match labels {
                Some(labels) => Some(loss_gradient(tape, logits, labels)?),
                None => None,
            };
            let signals = [(Signal::Loss, of_loss.as_ref()), (Signal::Cotangent, Some(&*entering))];
            for (signal, entering) in signals {
                let Some(entering) = entering else { continue };
                seen.entering(signal, entering);
                let outcome = tape.run_backward(source, entering, None, false, |delta| {
                    seen.backward(signal, delta);
                });
                if let Err(error) = outcome {
                    trouble.backward(lost(error)?);
                }
            }
        }
        Ok((seen, trouble))
    }
}

/// The gradient of the cross-entropy at the logits, those beyond the range of f32 included.
fn loss_gradient(tape: &Tape<'_>, logits: usize, labels: &[u32]) -> Result<Vec<f32>, NetError> {
    let exponent = tape.logits_exponent();
    if exponent == 0 {
        return Ok(loss::cross_entropy(tape.logits(), logits, labels)?.gradient);
    }
    let scale = power_of_two(exponent);
    let wide: Vec<f64> = tape.logits().iter().map(|h| scale * f64::from(*h)).collect();
    let gradient = loss::cross_entropy(&wide, logits, labels)?.gradient;
    Ok(gradient.into_iter().map(f32::from_f64).collect())
}

/// Where numbers left the range of f32; any other error is passed on.
pub(super) fn lost(error: NetError) -> Result<Lost, NetError> {
    match error {
        NetError::NonFinite { kind, index, found, .. } => {
            let found = match found {
                NonFinite::Infinity => "infinity",
                NonFinite::NaN => "NaN",
            };
            Ok((index, kind, found))
        }
        other => Err(other),
    }
}

/// Inputs whose pass takes at most so many bytes; one where even that is too much.
fn rows_within(program: &Program, bytes: u64) -> usize {
    let each = program.bytes::<f32>(2).saturating_sub(program.bytes::<f32>(1)).max(1);
    usize::try_from(bytes / each).unwrap_or(usize::MAX).max(1)
}
