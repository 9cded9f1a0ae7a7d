//! How one network is measured, and with which buffers.

use super::draw::{Collector, Draw, Lost, Plan, Signal, Trouble};
use super::run::Options;
use crate::math::stream::{Purpose, Stream};
use crate::net::error::NonFinite;
use crate::net::{Masks, NetError, Program, Record, Tape, Wanted, Weights, loss};
use crate::spec::Dataset;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes for the buffers of one pass: larger batches gain nothing.
pub(super) const PASS_MEMORY: u64 = 256 << 20;

/// Bytes for all networks at work at once.
const MEMORY: u64 = 8 << 30;

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
    blocks: Vec<Block>,
    gradient_examples: usize,
    /// Buffers that no thread is using.
    idle: Mutex<Vec<Buffers<'a>>>,
}

/// The network laid out for inputs whose gradients are wanted, and for the others.
pub(super) struct Programs {
    forward: Program,
    backward: Program,
}

impl Programs {
    pub(super) fn new(network: &Network) -> Self {
        Self {
            forward: Program::new(network, Record::Nothing),
            backward: Program::new(network, Record::Gradients),
        }
    }

    const fn of(&self, block: &Block) -> &Program {
        if block.backward { &self.backward } else { &self.forward }
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
    weights: Weights,
    forward: Tape<'a>,
    backward: Tape<'a>,
    entering: Vec<f32>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        network: &'a Network,
        init: &'a [LayerInit],
        data: &'a Dataset,
        options: &'a Options,
        plan: &'a Plan,
        programs: &'a Programs,
        pass_memory: u64,
    ) -> Self {
        let examples = data.examples();
        let kept = (NORMS / plan.layers.len().max(1)).clamp(16, GRADIENT_EXAMPLES);
        let gradient_examples = if options.gradients { kept.min(examples) } else { 0 };
        let blocks = if plan.batch_norm {
            // Its statistics are those of the whole batch.
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
        let pass = |block: &Block| self.programs.of(block).bytes::<f32>(block.examples.len());
        let buffers = self.blocks.iter().map(pass).max().unwrap_or(0);
        let weights = self.network.parameters().saturating_mul(4);
        let bytes = buffers.saturating_add(weights).max(1);
        let threads = rayon::current_num_threads();
        let fitting = usize::try_from(MEMORY / bytes).unwrap_or(usize::MAX).max(1);
        if fitting >= threads { 4 * threads } else { fitting }
    }

    /// Draws and measures one network: a function of the seed and `draw` alone.
    pub(super) fn measure(&self, draw: u64) -> Result<Draw, NetError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = idle().pop();
        let mut buffers = match reused {
            Some(buffers) => buffers,
            None => Buffers {
                weights: Weights::zeros(self.network)?,
                forward: Tape::new(&self.programs.forward),
                backward: Tape::new(&self.programs.backward),
                entering: Vec::new(),
            },
        };
        let outcome = self.measure_with(&mut buffers, draw);
        idle().push(buffers);
        outcome
    }

    fn measure_with(&self, buffers: &mut Buffers<'a>, draw: u64) -> Result<Draw, NetError> {
        let Options { seed, gaussianity, .. } = *self.options;
        let Buffers { weights, forward, backward, entering } = buffers;
        weights.redraw(self.init, seed, draw)?;
        let mut seen = Collector::new(self.plan, self.gradient_examples, gaussianity);
        let mut trouble = Trouble::default();
        let (features, logits) = (self.data.features(), self.plan.logits);
        for (number, block) in (0_u64..).zip(&self.blocks) {
            let tape = if block.backward { &mut *backward } else { &mut *forward };
            let Range { start, end } = block.examples;
            let inputs = &self.data.inputs()[start * features..end * features];
            let labels = self.data.labels().map(|labels| &labels[start..end]);
            // Draws stay below 2²⁴: the blocks of one network have dropout masks of their own.
            let masks = Masks::Draw { seed, draw: draw | (number << 24) };
            match tape.forward(weights, inputs, masks, |h| seen.forward(h.index, h.values)) {
                Ok(values) => seen.logits(values, labels),
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
                Some(labels) => Some(loss::cross_entropy(tape.logits(), logits, labels)?.gradient),
                None => None,
            };
            let signals = [(Signal::Loss, of_loss.as_ref()), (Signal::Cotangent, Some(&*entering))];
            for (signal, entering) in signals {
                let Some(entering) = entering else { continue };
                seen.entering(signal, entering);
                let outcome = tape.backward(weights, entering, Wanted::default(), |delta| {
                    seen.backward(signal, delta.index, delta.values);
                });
                if let Err(error) = outcome {
                    trouble.backward(lost(error)?);
                }
            }
        }
        Ok(seen.finish(self.data.examples(), self.data.labels(), trouble))
    }
}

/// Where numbers left the range of f32; any other error is passed on.
fn lost(error: NetError) -> Result<Lost, NetError> {
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
