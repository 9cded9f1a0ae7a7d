//! What single layers make of a signal, whatever came before.

use super::field::{Across, Field, Fluctuation, Law};
use crate::spec::activation::Activation;
use crate::spec::layer::{Norm, PoolKind};
use crate::theory::NoTheory;
use crate::theory::mean_field::Spread;
use crate::theory::norm::UnitMoments;
use crate::theory::residual::add;

/// The stream after a block.
pub(super) fn sum(a: &Field, b: &Field, scale: f64, outer: Option<Fluctuation>) -> Field {
    let (mean_a, mean_b) = (a.mean(), b.mean());
    let total = add(a.moments(), b.moments(), scale);
    let spreads: Vec<Spread> = a
        .spreads
        .iter()
        .zip(&b.spreads)
        .map(|(x, y)| {
            let x = UnitMoments { spread: *x, mean_ratio: a.mean_ratio };
            let y = UnitMoments { spread: *y, mean_ratio: b.mean_ratio };
            add(x, y, scale).spread
        })
        .collect();
    let ln_total = total.spread.ln_q();
    let share_of = |ln: f64| if ln_total.is_finite() { (ln - ln_total).exp() } else { 0.0 };
    let (share_a, share_b) = (share_of(mean_a.ln_q()), scale * scale * share_of(mean_b.ln_q()));
    let cross = (1.0 - share_a - share_b).clamp(-1.0, 1.0);
    let mix = |x: f64, y: f64| (share_a * x + share_b * y + cross).clamp(-1.0, 1.0);
    let fluctuation = match (&a.fluctuation, &b.fluctuation, outer) {
        (Ok(x), Ok(y), Some(outer)) => {
            let elasticity = share_a * x.elasticity + share_b * y.elasticity;
            let added = share_a * share_a * x.variance + share_b * share_b * y.variance;
            Ok(outer.then(elasticity, added))
        }
        (Err(reason), _, _) | (_, Err(reason), _) => Err(reason.clone()),
        (_, _, None) => Err(NoTheory::new("the width correction of the stream is not derived")),
    };
    let gaussian = a.is_plain_gaussian() && b.is_plain_gaussian();
    Field {
        law: if gaussian {
            Law::Gaussian { functions: Vec::new(), pooling: None }
        } else {
            Law::Moments { what: "the sum of a residual block" }
        },
        extent: a.extent,
        spreads,
        mean_ratio: total.mean_ratio,
        across: Across {
            same_input: mix(a.across.same_input, b.across.same_input),
            two_inputs: mix(a.across.two_inputs, b.across.two_inputs),
        },
        width: a.width,
        fluctuation,
    }
}

pub(super) fn activation_on(mut field: Field, activation: &Activation) -> Result<Field, NoTheory> {
    match &mut field.law {
        Law::Gaussian { functions, pooling: None } => {
            functions.push(activation.clone());
            Ok(field)
        }
        Law::Gaussian { functions, pooling: Some(pool) }
            if pool.kind != PoolKind::Average && never_falls(activation) =>
        {
            // The largest of φ(x) is φ of the largest.
            functions.push(activation.clone());
            Ok(field)
        }
        Law::Gaussian { .. } => Err(NoTheory::new(format!(
            "`{activation}` after a pool: only activations that never fall commute with the largest of several units"
        ))),
        Law::Input | Law::Moments { .. } if *activation == Activation::Linear => Ok(field),
        Law::Input => {
            Err(NoTheory::new("an activation acts on the raw inputs, which are not Gaussian"))
        }
        Law::Moments { what } => Err(NoTheory::new(format!(
            "`{activation}` acts on {what}, which is not Gaussian: no closed map, the measurement has it"
        ))),
    }
}

/// Activations known not to fall anywhere.
fn never_falls(activation: &Activation) -> bool {
    match activation {
        Activation::LeakyRelu { slope } => *slope >= 0.0,
        Activation::Elu { alpha } => *alpha >= 0.0,
        Activation::Linear
        | Activation::Relu
        | Activation::Celu { .. }
        | Activation::Selu
        | Activation::Softplus
        | Activation::Sigmoid
        | Activation::Tanh
        | Activation::HardTanh
        | Activation::Erf
        | Activation::Sign
        | Activation::Relu6
        | Activation::SquaredRelu
        | Activation::ShiftedRelu { .. }
        | Activation::LogPeriodic { .. } => true,
        _ => false,
    }
}

/// Batch norm takes each channel's mean over inputs and positions, layer norm each input's over channels and positions.
pub(super) fn normalise_positions(
    field: &mut Field,
    norm: Norm,
) -> Result<Result<f64, NoTheory>, NoTheory> {
    let mean = field.mean();
    let positions = field.positions() as f64;
    let m2 = field.mean_ratio * field.mean_ratio;
    // What is removed, relative to the mean q: a centre that all positions and inputs share.
    let removed = match norm {
        Norm::Batch => {
            (mean.c() + (positions - 1.0) * field.across.two_inputs.max(0.0)) / positions
        }
        Norm::Layer | Norm::Group(_) => m2,
        Norm::Rms => 0.0,
    };
    let left = 1.0 - removed;
    let ln_q = mean.ln_q();
    if left < 1e-14 || !ln_q.is_finite() {
        return Err(NoTheory::new("a normalisation of units that do not vary"));
    }
    for spread in &mut field.spreads {
        let relative = (spread.ln_q() - ln_q).exp();
        let c = spread.c();
        let t = (relative * c - removed) / left;
        *spread = Spread::new(relative * (1.0 - c) / left, t.max(0.0));
    }
    let carry = |c: f64| ((c - removed) / left).clamp(-1.0, 1.0);
    field.across = Across {
        same_input: carry(field.across.same_input),
        two_inputs: carry(field.across.two_inputs).max(0.0),
    };
    let alike = norm != Norm::Batch || field.mean_ratio == 0.0 || removed < 1e-9;
    Ok(if alike {
        Ok((-ln_q).exp() / left)
    } else {
        Err(NoTheory::new(
            "batch norm after an activation whose units have centres of their own: each is divided by its own spread",
        ))
    })
}

pub(super) fn in_range(field: Field) -> Result<Field, NoTheory> {
    if field.spreads.iter().any(|spread| spread.ln_q().is_nan() || spread.ln_q() == f64::INFINITY) {
        return Err(NoTheory::new("the variance overflows in this layer"));
    }
    Ok(field)
}
