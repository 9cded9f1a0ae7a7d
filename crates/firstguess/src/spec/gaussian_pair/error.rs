//! Why a Gaussian pair, or its table, was refused.

/// Why a Gaussian pair was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum PairError {
    /// A parameter lies outside the set on which the family is defined.
    #[error("`{parameter}` must be {domain}, got {value}")]
    OutOfDomain { parameter: &'static str, domain: &'static str, value: f64 },

    /// No family is written like this.
    #[error("`{text}` names no family of weights; known: {known}")]
    UnknownFamily { text: String, known: String },

    /// No activation exists: the weights vary more, in logarithm, than the normal law that the product should have.
    #[error(
        "{law} weights have no Gaussian partner: their tails are heavier than the normal law's, and the product \
         W·φ(X) has tails at least as heavy as W's (the characteristic function of ln|φ| would exceed 1). \
         Choose weights with lighter tails, such as the Weibull family with theta ≥ 2"
    )]
    HeavyTails { law: String },

    /// The partner is the constant magnitude: `φ = ±1`.
    #[error(
        "Gaussian weights force |φ(X)| to be constant: only φ = sign (or a constant) makes W·φ(X) normal. \
         Choose the Weibull family with theta ≥ 2 for a smooth activation"
    )]
    ConstantActivation,

    /// The weights vanish with positive probability.
    #[error(
        "weights that vanish with probability {probability} have no Gaussian partner: W·φ(X) is zero with that \
         probability, the normal law never (this covers dropout, sparse weights, and activations such as ReLU)"
    )]
    AtomAtZero { probability: f64 },

    /// The density that the moments ask for is negative.
    #[error(
        "generalised-gamma weights with shape {shape} and power {power} have no Gaussian partner: below shape = \
         1/power the density of |φ(X)| would be negative at 0"
    )]
    NegativeDensity { shape: f64, power: f64 },

    /// The law exists, but its numerics need more contour nodes than are reasonable.
    #[error(
        "a power of {power} is too close to 2 for the numerics (the contour integral decays too slowly between 2 and \
         2.005): take exactly 2, which has a closed form, or at least 2.005"
    )]
    TooCloseToTwo { power: f64 },

    /// The law exists, but φ has an infinite slope at its zero.
    #[error(
        "the weight density is positive at 0, so φ has an infinite slope at 0 (φ ~ x^(1/3)) and E φ'² diverges: \
         choose weights whose density vanishes at 0 (a larger shape or exponent)"
    )]
    Cusp,

    /// The law exists, but φ bends too sharply for a table of bounded size.
    #[error(
        "φ bends too sharply near x = {x} for a table of {segments} segments: move away from the edge of the family"
    )]
    Unresolved { x: f64, segments: usize },
}
