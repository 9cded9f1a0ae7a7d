//! The commands that have points, and what of their answers becomes columns.

use serde::{Deserialize, Serialize};

use super::columns::Kind;
use super::error::GridError;
use crate::spec::error::nearest;

/// A command whose question a grid varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Theory of equal layers, or of a spec.
    Predict,
    /// One cell of a phase diagram.
    PhasePoint,
    /// The critical variances.
    Critical,
    /// The law of the guesses.
    Guess,
    /// Prediction, measurement and verdict of a spec.
    Check,
    /// Trainings of a spec.
    Train,
    /// The loss doctor on a spec.
    Losses,
    /// A Gaussian pair.
    Pair,
    /// How Gaussian narrow networks are.
    Gaussianity,
}

/// Whether a command asks of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spec {
    Never,
    Optional,
    Required,
}

/// A column of results: its name, its type, and where in the answer it stands.
pub(super) type Source = (&'static str, Kind, &'static str);

use Kind::{Integer, Number, Text};

const LIMITS: [Source; 12] = [
    ("q_star", Number, "q_star"),
    ("q_slope", Number, "q_slope"),
    ("chi_1", Number, "chi_1"),
    ("c_star", Number, "c_star"),
    ("one_minus_c_star", Number, "one_minus_c_star"),
    ("chi_c", Number, "chi_c"),
    ("depth_scale_q", Number, "depth_scale_q"),
    ("depth_scale_c", Number, "depth_scale_c"),
    ("gradient_depth_scale", Number, "gradient_depth_scale"),
    ("gamma_star", Number, "gamma_star"),
    ("phase", Text, "phase"),
    ("prejudice", Text, "prejudice"),
];

const PREDICT: [Source; 23] = [
    // Of a spec: the field `activation` of a question without one has that name already.
    ("repeated_activation", Text, "activation"),
    ("q_star", Number, "q_star"),
    ("q_slope", Number, "q_slope"),
    ("chi_1", Number, "chi_1"),
    ("c_star", Number, "c_star"),
    ("chi_c", Number, "chi_c"),
    ("depth_scale_q", Number, "depth_scale_q"),
    ("depth_scale_c", Number, "depth_scale_c"),
    ("gradient_depth_scale", Number, "gradient_depth_scale"),
    ("gamma_star", Number, "gamma_star"),
    ("phase", Text, "phase"),
    ("prejudice", Text, "prejudice"),
    ("last_q", Number, "layers.-1.q"),
    ("last_c", Number, "layers.-1.c"),
    ("last_v", Number, "layers.-1.v"),
    ("last_t", Number, "layers.-1.t"),
    ("last_gamma", Number, "layers.-1.gamma"),
    ("first_gradient", Number, "layers.0.gradient"),
    ("guess_gamma", Number, "guess.gamma"),
    ("largest_share", Number, "guess.largest_share"),
    ("neutral_share", Number, "guess.neutral_share"),
    ("agreement", Number, "guess.agreement"),
    ("loss", Number, "loss"),
];

const CRITICAL: [Source; 11] = [
    ("edge_weight_variance", Number, "edge_of_chaos.0.weight_variance"),
    ("edge_q_star", Number, "edge_of_chaos.0.q_star"),
    ("edge_q_slope", Number, "edge_of_chaos.0.q_slope"),
    ("edge_stable", Kind::Flag, "edge_of_chaos.0.stable"),
    ("second_edge_weight_variance", Number, "edge_of_chaos.1.weight_variance"),
    ("neutral_weight_variance", Number, "neutrality.weight_variance"),
    ("neutral_q_star", Number, "neutrality.q_star"),
    ("forward_weight_variance", Number, "forward_weight_variance"),
    ("gradient_weight_variance", Number, "gradient_weight_variance"),
    ("network_gradient_weight_variance", Number, "gradient_weight_variances.0"),
    ("network_forward_weight_variance", Number, "forward_weight_variances.0"),
];

const GUESS: [Source; 8] = [
    ("gamma", Number, "gamma"),
    ("correlation", Number, "correlation"),
    ("mean_max", Number, "mean_max"),
    ("variance", Number, "variance"),
    ("agreement", Number, "agreement"),
    ("quantile_0.05", Number, "quantiles.0\\.05"),
    ("median", Number, "quantiles.0\\.5"),
    ("quantile_0.95", Number, "quantiles.0\\.95"),
];

const CHECK: [Source; 31] = [
    ("verdict", Text, "verdict.status"),
    ("findings", Text, "findings.*.id"),
    ("draws", Integer, "measurement.draws"),
    ("largest_share", Number, "measurement.prejudice.largest_share.value"),
    ("largest_share_error", Number, "measurement.prejudice.largest_share.std_error"),
    ("predicted_largest_share", Number, "prediction.guess.largest_share"),
    ("agreement", Number, "measurement.prejudice.agreement.value"),
    ("agreement_error", Number, "measurement.prejudice.agreement.std_error"),
    ("accuracy", Number, "measurement.prejudice.accuracy.value"),
    ("cross_entropy", Number, "measurement.loss.cross_entropy.value"),
    ("cross_entropy_error", Number, "measurement.loss.cross_entropy.std_error"),
    ("last_q", Number, "measurement.layers.-1.q.value"),
    ("last_q_error", Number, "measurement.layers.-1.q.std_error"),
    ("predicted_last_q", Number, "prediction.layers.-1.q"),
    ("last_c", Number, "measurement.layers.-1.c.value"),
    ("last_c_error", Number, "measurement.layers.-1.c.std_error"),
    ("last_gamma", Number, "measurement.layers.-1.gamma.value"),
    ("last_gamma_error", Number, "measurement.layers.-1.gamma.std_error"),
    ("predicted_last_gamma", Number, "prediction.layers.-1.gamma"),
    ("first_gradient", Number, "measurement.layers.0.gradient.value"),
    ("first_gradient_error", Number, "measurement.layers.0.gradient.std_error"),
    ("ln_first_gradient", Number, "measurement.layers.0.ln_gradient.value"),
    ("ln_last_gradient", Number, "measurement.layers.-1.ln_gradient.value"),
    ("predicted_ln_gradient", Number, "prediction.ln_gradient"),
    ("weight_layers", Integer, "network.weight_layers"),
    ("activation", Text, "prediction.activation"),
    ("weight_variance", Number, "prediction.weight_variance"),
    ("bias_variance", Number, "prediction.bias_variance"),
    ("chi_1", Number, "prediction.chi_1"),
    ("phase", Text, "prediction.phase"),
    ("prejudice", Text, "prediction.prejudice"),
];

const TRAIN: [Source; 15] = [
    ("arm", Text, "arms.0.name"),
    ("loss_name", Text, "arms.0.loss"),
    ("rate", Number, "arms.0.rate"),
    ("accuracy", Number, "arms.0.accuracy.mean"),
    ("accuracy_low", Number, "arms.0.accuracy.low"),
    ("accuracy_high", Number, "arms.0.accuracy.high"),
    ("cross_entropy", Number, "arms.0.cross_entropy.mean"),
    ("cross_entropy_low", Number, "arms.0.cross_entropy.low"),
    ("cross_entropy_high", Number, "arms.0.cross_entropy.high"),
    ("mean_largest_share", Number, "arms.0.mean_largest_share.mean"),
    ("median_debias_step", Integer, "arms.0.median_debias_step"),
    ("debiased", Integer, "arms.0.debiased"),
    ("diverged", Integer, "arms.0.diverged"),
    ("trainings", Integer, "arms.0.seeds"),
    ("trained_steps", Integer, "steps"),
];

impl Command {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::Predict,
        Self::PhasePoint,
        Self::Critical,
        Self::Guess,
        Self::Check,
        Self::Train,
        Self::Losses,
        Self::Pair,
        Self::Gaussianity,
    ];

    /// As in a grid file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::PhasePoint => "phase-point",
            Self::Critical => "critical",
            Self::Guess => "guess",
            Self::Check => "check",
            Self::Train => "train",
            Self::Losses => "losses",
            Self::Pair => "pair",
            Self::Gaussianity => "gaussianity",
        }
    }

    /// By its name.
    ///
    /// # Errors
    ///
    /// [`GridError::UnknownCommand`], with the nearest name.
    pub fn named(name: &str) -> Result<Self, GridError> {
        let found = Self::ALL.into_iter().find(|command| command.name() == name);
        let allowed: Vec<&'static str> = Self::ALL.iter().map(|command| command.name()).collect();
        found.ok_or_else(|| GridError::UnknownCommand {
            found: name.to_owned(),
            nearest: nearest(name, allowed.iter().copied()),
            allowed,
        })
    }

    pub(super) const fn spec(self) -> Spec {
        match self {
            Self::PhasePoint | Self::Guess | Self::Pair | Self::Gaussianity => Spec::Never,
            Self::Predict | Self::Critical => Spec::Optional,
            Self::Check | Self::Train | Self::Losses => Spec::Required,
        }
    }

    /// Columns of results.
    pub(super) const fn sources(self) -> &'static [Source] {
        match self {
            Self::Predict => &PREDICT,
            Self::PhasePoint => &LIMITS,
            Self::Critical => &CRITICAL,
            Self::Guess => &GUESS,
            Self::Check => &CHECK,
            Self::Train => &TRAIN,
            Self::Losses | Self::Pair | Self::Gaussianity => &[],
        }
    }

    /// Whether the whole answer is kept even unasked: there is no other column.
    pub(super) const fn always_whole(self) -> bool {
        self.sources().is_empty()
    }

    /// Points to a chunk, where nobody says: a chunk should take seconds, not minutes.
    pub(super) const fn usual_chunk(self) -> u64 {
        match self {
            Self::PhasePoint | Self::Critical | Self::Guess => 1000,
            Self::Predict => 500,
            Self::Pair => 100,
            Self::Check | Self::Losses => 10,
            Self::Train | Self::Gaussianity => 2,
        }
    }
}
