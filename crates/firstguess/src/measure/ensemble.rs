//! Networks added up one after the other, in the order of their number: the threads that drew them leave no trace.

use super::class_pairs::RunningPairs;
use super::draw::{Draw, LayerPlan, Lost, Plan};
use super::engine::EngineReport;
use super::estimate::{Estimate, Running};
use super::gaussianity::{GaussianityMeasurement, Sample};
use super::gradients::{GradientMeasurement, RunningGradient, RunningLogitGradient};
use super::moments::RunningMoments;
use super::prejudice::{RunningPrejudice, classes_of};
use super::stopping::{Stop, Watched};
use super::{InputMeasurement, LayerMeasurement, LossMeasurement, Measurement, Options, Overflow};
use crate::spec::Dataset;

/// What a measurement says beside what the networks did.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) seed: u64,
    pub(super) examples: usize,
    pub(super) gradient_examples: usize,
    /// Networks that were allowed, the relative error that was asked for, and why no more were drawn.
    pub(super) allowed: usize,
    pub(super) precision: Option<f64>,
    pub(super) stopped: &'static str,
    pub(super) layers: bool,
    pub(super) gaussianity: bool,
    pub(super) input: InputMeasurement,
    pub(super) absent: Absent,
}

impl Question {
    pub(super) fn new(
        options: &Options,
        data: &Dataset,
        gradient_examples: usize,
        stopped: &'static str,
    ) -> Self {
        Self {
            seed: options.seed.0,
            examples: data.examples(),
            gradient_examples,
            allowed: options.draws,
            precision: options.precision,
            stopped,
            layers: options.layers,
            gaussianity: options.gaussianity,
            input: InputMeasurement::of(data),
            absent: Absent::new(options, data),
        }
    }
}

impl InputMeasurement {
    /// Of these inputs.
    pub(super) fn of(data: &Dataset) -> Self {
        let (offset, reason) = match data.offset() {
            Ok(offset) => (Some(offset), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self { offset, second_moment: data.second_moment(), reason }
    }
}

/// Running sums over the networks. Memory does not grow with their number, but for samples of bounded size.
pub(super) struct Ensemble {
    draws: u64,
    layers: Vec<LayerEnsemble>,
    prejudice: RunningPrejudice,
    logit_gradient: RunningLogitGradient,
    forward: Losses,
    backward: Losses,
    engine: EngineReport,
}

struct LayerEnsemble {
    moments: RunningMoments,
    dead: Running,
    saturated: Running,
    sample: Sample,
    loss: RunningGradient,
    cotangent: RunningGradient,
    pairs: RunningPairs,
}

/// Networks whose numbers left the range of f32, and where.
#[derive(Default)]
pub(super) struct Losses {
    first: Option<Lost>,
    pub(super) draws: u64,
}

/// Values kept for the tests of Gaussianity, over all layers: 64 MiB.
const SAMPLE_VALUES: usize = 1 << 24;

/// Values kept of one layer: a noise floor of 0.001 where they are independent.
const SAMPLE_PER_LAYER: usize = 1 << 20;

impl Ensemble {
    pub(super) fn new(plan: &Plan, examples: usize, engine: EngineReport) -> Self {
        let capacity = (SAMPLE_VALUES / plan.layers.len().max(1)).clamp(64, SAMPLE_PER_LAYER);
        let layers = plan
            .layers
            .iter()
            .map(|layer| LayerEnsemble {
                moments: RunningMoments::default(),
                dead: Running::default(),
                saturated: Running::default(),
                sample: Sample::new(layer.units, capacity),
                loss: RunningGradient::default(),
                cotangent: RunningGradient::default(),
                pairs: RunningPairs::new(plan.classes),
            })
            .collect();
        Self {
            draws: 0,
            layers,
            prejudice: RunningPrejudice::new(plan.logits, examples),
            logit_gradient: RunningLogitGradient::default(),
            forward: Losses::default(),
            backward: Losses::default(),
            engine,
        }
    }

    /// Adds the next network.
    pub(super) fn push(&mut self, draw: &Draw) {
        self.draws += 1;
        for (running, layer) in self.layers.iter_mut().zip(&draw.layers) {
            if let Some(moments) = &layer.moments {
                running.moments.push(moments);
            }
            if let Some(dead) = layer.dead {
                running.dead.push(dead);
            }
            if let Some(saturated) = layer.saturated {
                running.saturated.push(saturated);
            }
            if let Some(pairs) = &layer.pairs {
                running.pairs.push(pairs);
            }
            running.sample.push(&layer.sample);
            let signals = [&mut running.loss, &mut running.cotangent];
            for ((running, gradient), entered) in
                signals.into_iter().zip(layer.gradients).zip(draw.entered)
            {
                if let (Some(gradient), Some(entered)) = (gradient, entered) {
                    running.push(gradient, entered);
                }
            }
        }
        for (layer, paths) in self.engine.layers.iter_mut().zip(&draw.paths) {
            paths.count(&mut layer.forward, &mut layer.backward);
        }
        if let Some(guesses) = &draw.guesses {
            self.prejudice.push(guesses);
        }
        if let Some(gradient) = &draw.logit_gradient {
            self.logit_gradient.push(gradient);
        }
        if let Some(lost) = &draw.trouble.forward {
            self.forward.add(lost, |new, known| new < known);
        }
        if let Some(lost) = &draw.trouble.backward {
            self.backward.add(lost, |new, known| new > known);
        }
    }

    /// The numbers whose errors tell whether there are networks enough.
    pub(super) fn watched(&self) -> Vec<Watched> {
        let guess = self.prejudice.finish();
        let logits = self.layers.last().map(|layer| layer.moments.finish().q);
        [
            ("q", logits),
            ("largest_share", Some(guess.largest_share)),
            ("agreement", Some(guess.agreement)),
            ("cross_entropy", Some(self.prejudice.loss())),
        ]
        .into_iter()
        .filter_map(|(name, estimate)| Watched::new(name, &estimate?))
        .collect()
    }

    /// The measurement of the networks so far.
    pub(super) fn finish(&self, plan: &Plan, question: &Question) -> Measurement {
        let classes = classes_of(plan.logits);
        let layers = self
            .layers
            .iter()
            .zip(&plan.layers)
            .map(|(running, plan)| running.finish(plan, question))
            .collect();
        Measurement {
            draws: usize::try_from(self.draws).unwrap_or(usize::MAX),
            stop: Stop {
                reason: question.stopped,
                allowed: question.allowed,
                precision: question.precision,
                watched: self.watched(),
                overrun: None,
            },
            sampling: self.engine.clone(),
            examples: question.examples,
            gradient_examples: question.gradient_examples,
            classes,
            seed: question.seed,
            layers,
            prejudice: self.prejudice.finish(),
            loss: LossMeasurement {
                cross_entropy: self.prejudice.loss(),
                ln_classes: (classes as f64).ln(),
                logit_gradient: self.logit_gradient.finish(question.absent.loss),
            },
            input: question.input.clone(),
            overflow: self.forward.report(self.draws),
            gradient_overflow: self.backward.report(self.draws),
        }
    }
}

/// Why a gradient has no value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absent {
    pub(super) loss: &'static str,
    pub(super) cotangent: &'static str,
}

impl Absent {
    fn new(options: &Options, data: &Dataset) -> Self {
        let off = "gradients were not asked for";
        let lost = "the values or gradients left the range of f32 in every draw";
        match (options.gradients, data.labels()) {
            (false, _) => Self { loss: off, cotangent: off },
            (true, None) => Self { loss: "the data have no labels", cotangent: lost },
            (true, Some(_)) => Self { loss: lost, cotangent: lost },
        }
    }
}

impl LayerEnsemble {
    fn finish(&self, plan: &LayerPlan, question: &Question) -> LayerMeasurement {
        let absent = question.absent;
        let mut moments = self.moments.finish();
        if !question.layers {
            moments.name_absence("only the logits were looked at");
        }
        let gaussianity = if question.gaussianity {
            self.sample.finish()
        } else {
            GaussianityMeasurement::missing("tests of Gaussianity were not asked for")
        };
        let gradient: GradientMeasurement = self.loss.finish(absent.loss);
        let cotangent = self.cotangent.finish(absent.cotangent);
        let (unprobed, flat) = match &plan.probe {
            None => ("no activation follows directly", "no activation follows directly"),
            Some(probe) if probe.saturation().is_none() => {
                (OVERFLOWED, "the activation has no flat ends")
            }
            Some(_) => (OVERFLOWED, OVERFLOWED),
        };
        let or = |running: &Running, reason| {
            if running.n() == 0 { Estimate::missing(reason) } else { running.mean() }
        };
        LayerMeasurement {
            index: plan.index,
            kind: plan.kind,
            units: plan.units,
            positions: plan.positions,
            q: moments.q,
            v: moments.v,
            t: moments.t,
            c: moments.c,
            gamma: moments.gamma,
            ln_q: moments.ln_q,
            class_correlation: self.pairs.finish(),
            constant_units: moments.constant_units,
            gradient: gradient.ratio,
            ln_gradient: gradient.ln_ratio,
            median_gradient: gradient.median_ratio,
            cotangent_gradient: cotangent.ratio,
            ln_cotangent_gradient: cotangent.ln_ratio,
            median_cotangent_gradient: cotangent.median_ratio,
            dead_fraction: or(&self.dead, unprobed),
            saturated_fraction: or(&self.saturated, flat),
            ks_raw: gaussianity.ks_raw,
            ks_standardised: gaussianity.ks_standardised,
            excess_kurtosis: gaussianity.excess_kurtosis,
            anderson_darling: gaussianity.anderson_darling,
            noise_floor: gaussianity.noise_floor,
            effective_sample: gaussianity.effective_sample,
        }
    }
}

const OVERFLOWED: &str = "the values left the range of f32 in every draw";

impl Losses {
    pub(super) fn add(&mut self, lost: &Lost, sooner: fn(usize, usize) -> bool) {
        self.draws += 1;
        if self.first.as_ref().is_none_or(|known| sooner(lost.0, known.0)) {
            self.first = Some(lost.clone());
        }
    }

    pub(super) fn report(&self, draws: u64) -> Option<Overflow> {
        let (layer, kind, found) = self.first.clone()?;
        let fraction_of_draws = self.draws as f64 / draws as f64;
        Some(Overflow { layer, kind, found, fraction_of_draws })
    }
}
