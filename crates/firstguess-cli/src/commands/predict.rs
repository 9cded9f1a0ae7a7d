//! `firstguess predict`.

mod json;
mod text;

use firstguess::theory::dual::Dual;
use firstguess::theory::mean_field::{LayerVariance, Spread, Trajectory, trajectory};
use firstguess::theory::phase::{Asymptotics, asymptotics};
use firstguess::theory::{NoTheory, Predicted};

use crate::args::PredictArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

pub(crate) fn run(args: &PredictArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    let answer = Answer::new(args);
    if out.json() {
        out.object("predict", &answer)?
    } else {
        answer.print(out)?
    }
    Ok(ExitStatus::Fine)
}

/// Equal layers: where they lead, and the way there.
struct Answer<'a> {
    args: &'a PredictArgs,
    phi: Dual,
    limit: Asymptotics,
    path: Trajectory,
    /// `ln` of the product of `χ` from each layer to the last.
    ln_gradient: Vec<f64>,
}

impl<'a> Answer<'a> {
    fn new(args: &'a PredictArgs) -> Self {
        let phi = Dual::new(&args.activation.activation);
        let layer = LayerVariance { weight: args.weight_variance, bias: args.bias_variance };
        let c = args.input_correlation;
        let first = Spread::first_layer(layer, 1.0 - c, c);
        let limit = asymptotics(&phi, layer, first);
        let path = trajectory(&phi, layer, first, args.depth);
        let mut ln_gradient = vec![0.0; path.layers.len()];
        for (index, chi) in path.chi.iter().enumerate().rev() {
            ln_gradient[index] = ln_gradient[index + 1] + chi.ln();
        }
        Self { args, phi, limit, path, ln_gradient }
    }

    /// The numbers of one layer, counted from 0.
    fn layer(&self, index: usize) -> Layer {
        let spread = self.path.layers[index];
        let (c, complement) = (spread.c(), spread.complement());
        let defined = |value: f64| {
            if value.is_nan() {
                return Err(NoTheory::new("the variance is zero: 0/0"));
            }
            Ok(value)
        };
        let gradient = match &self.path.ended {
            Some(why) => Err(NoTheory::new(format!("the last layer is out of reach: {why}"))),
            None => in_range(self.ln_gradient[index].exp(), self.ln_gradient[index]),
        };
        Layer {
            index: index + 1,
            q: in_range(spread.q(), spread.ln_q()),
            c: defined(c),
            v: in_range(spread.v(), spread.ln_q() + complement.ln()),
            t: in_range(spread.t(), spread.ln_q() + c.ln()),
            gamma: defined(spread.gamma()),
            gradient,
        }
    }
}

/// One pre-activation layer.
struct Layer {
    /// From 1.
    index: usize,
    q: Predicted,
    c: Predicted,
    v: Predicted,
    t: Predicted,
    gamma: Predicted,
    /// Mean square of the gradient, relative to the last layer.
    gradient: Predicted,
}

/// A number that a double may be too small for: told by its logarithm from a true zero.
fn in_range(value: f64, ln: f64) -> Predicted {
    if ln.is_finite() && (value == 0.0 || value.is_infinite()) {
        return Err(NoTheory::new(format!("exp({ln:.1}), beyond the range of a double")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ActivationArg;
    use firstguess::spec::Activation;

    fn args(activation: Activation, weight_variance: f64, depth: usize) -> PredictArgs {
        PredictArgs {
            activation: ActivationArg { activation },
            weight_variance,
            bias_variance: 0.0,
            depth,
            input_correlation: 0.0,
        }
    }

    /// ReLU at `σ_w² = 4`: `q` and the squared gradients double with every layer.
    #[test]
    fn gradients_are_the_product_of_what_is_still_ahead() {
        let args = args(Activation::Relu, 4.0, 5);
        let answer = Answer::new(&args);
        for index in 0..5_u8 {
            let layer = answer.layer(index.into());
            let (q, gradient) = (layer.q.unwrap(), layer.gradient.unwrap());
            assert!((q / 4.0 / f64::from(1_u8 << index) - 1.0).abs() < 1e-12);
            assert!((gradient / f64::from(1_u8 << (4 - index)) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn underflow_is_told_from_zero() {
        let args = args(Activation::Relu, 0.02, 500);
        let deep = Answer::new(&args).layer(499);
        assert!(deep.q.unwrap_err().reason.starts_with("exp(-"));
        assert!(deep.c.unwrap() > 0.99);
        assert_eq!(Answer::new(&args).layer(0).t, Ok(0.0));
    }
}
