//! The tails are cut where the law has none, or are there where it cuts them.
//!
//! A truncated normal stops at two standard deviations of its parent, 2.27 of its own. Cutting without rescaling makes weights 12 %
//! smaller (`weight-scale` sees that); cutting at fixed bounds such as ±2, as some frameworks do unless told otherwise, cuts nothing
//! at the usual scales, and everything at scales of one.
//!
//! ## When
//!
//! Warning, if the values of a law without a bound end where more than fifteen are to be expected beyond, or values of a truncated
//! law lie more than 5 % beyond its bound.
//!
//! ## What to do
//!
//! Give the bounds in units of the standard deviation (`a=-2*std, b=2*std`) and rescale by 1/0.8796, or use a normal law.
//!
//! References: derived in docs/theory/mean-field.md: at infinite width only the variance counts.

use super::audited::exact;
use super::{Evidence, Finding, Severity, short};
use crate::audit::{Audit, Pool};
use crate::spec::weights::{TRUNCATED_STD, TRUNCATION, WeightFamily};

/// Values beyond the largest that must be expected for their absence to mean something: a chance of 3e-7.
const EXPECTED: f64 = 15.0;

/// Relative distance beyond the bound that rounding and the estimated scale may reach.
const SLACK: f64 = 0.05;

pub(super) fn judge(audit: &Audit) -> Option<Finding> {
    let (pool, title, bound) = audit.pooled.iter().find_map(|pool| {
        cut(pool).or_else(|| beyond(pool)).map(|(title, bound)| (pool, title, bound))
    })?;
    Some(Finding {
        id: "weight-truncation",
        severity: Severity::Warning,
        title,
        explanation: "The variance counts most; but a law that is cut differently was drawn by another initialiser."
            .to_owned(),
        evidence: vec![Evidence::new(
            "largest weight in standard deviations",
            bound,
            Some(exact(pool.largest)),
        )],
        remedy: Some("give truncation bounds in units of the standard deviation".to_owned()),
        references: &[],
    })
}

type Cut = (String, Option<f64>);

fn cut(pool: &Pool) -> Option<Cut> {
    let bounded = matches!(
        pool.family,
        WeightFamily::TruncatedNormal
            | WeightFamily::Uniform
            | WeightFamily::BoundedPower { .. }
            | WeightFamily::Rademacher
    );
    let missing = pool.count as f64 * pool.family.absolute_survival(pool.largest)?;
    (!bounded && missing > EXPECTED).then(|| {
        let title = format!(
            "the weights end at {} standard deviations; {missing:.0} of {} should lie beyond if they were {}",
            short(pool.largest),
            pool.count,
            pool.family
        );
        (title, None)
    })
}

fn beyond(pool: &Pool) -> Option<Cut> {
    let bound = TRUNCATION / TRUNCATED_STD;
    let out = pool.family == WeightFamily::TruncatedNormal && pool.largest > bound * (1.0 + SLACK);
    out.then(|| {
        let title = format!(
            "weights of a truncated normal law reach {} standard deviations, where it ends at {}",
            short(pool.largest),
            short(bound)
        );
        (title, Some(bound))
    })
}
