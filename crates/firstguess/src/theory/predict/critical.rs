//! The weight variances that matter for one whole network of finite depth, whatever its layers.

use super::{InputStatistics, Prediction, predict};
use crate::math::roots;
use crate::spec::network::Network;
use crate::spec::scheme::LayerInit;
use crate::theory::{NoTheory, Predicted};

/// Weight variances at which a whole network is critical, every layer drawn with the same one.
///
/// An infinitely deep network of equal dense layers has one edge of chaos; here depth is what it is, and layers may be
/// convolutions, norms, pools or residual blocks. Each list is ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkCritical {
    /// Where the squared gradient is as large at the first layer as at the logits.
    pub gradient: Result<Vec<f64>, NoTheory>,
    /// Where the logits have the variance of the first layer's outputs.
    pub forward: Result<Vec<f64>, NoTheory>,
    /// Where `γ` of the logits is one: below it or above it the guesses favour a class.
    pub neutrality: Result<Vec<f64>, NoTheory>,
}

/// Weight variances that are searched, and the steps between them.
const RANGE: (f64, f64) = (0.05, 50.0);
const STEPS: usize = 36;

/// Finds them at one bias variance; `inits` say the laws of the weights, their variances are replaced.
///
/// # Errors
///
/// Each list has its own [`NoTheory`]: a layer without theory, or a quantity that no weight variance from 0.05 to 50 brings
/// to its critical value (a normalised network has gradients that do not depend on it).
///
/// # References
///
/// Derived in docs/theory/mean-field.md.
pub fn network_critical(
    network: &Network,
    inits: &[LayerInit],
    input: InputStatistics,
    bias_variance: f64,
) -> NetworkCritical {
    let at = |ln_weight: f64| -> Prediction {
        let drawn: Vec<LayerInit> = inits
            .iter()
            .map(|init| LayerInit {
                weight_variance: ln_weight.exp(),
                bias_variance,
                ..init.clone()
            })
            .collect();
        predict(network, &drawn, input, 2)
    };
    let grid: Vec<f64> = (0..=STEPS)
        .map(|i| {
            let part = i as f64 / STEPS as f64;
            RANGE.0.ln() * (1.0 - part) + RANGE.1.ln() * part
        })
        .collect();
    let scan: Vec<Prediction> = grid.iter().map(|ln_weight| at(*ln_weight)).collect();
    let search = |what: &str, of: fn(&Prediction) -> Predicted| {
        let values: Vec<f64> = scan.iter().map(|p| of(p).unwrap_or(f64::NAN)).collect();
        if values.iter().all(|value| value.is_nan()) {
            return Err(scan
                .first()
                .and_then(|p| of(p).err())
                .unwrap_or_else(|| NoTheory::new("the network has no layers")));
        }
        let mut found = Vec::new();
        for (pair, ends) in values.windows(2).zip(grid.windows(2)) {
            if pair[0] == 0.0 {
                found.push(ends[0].exp());
            } else if pair[0] * pair[1] < 0.0 {
                let root = roots::brent(
                    |ln_weight| of(&at(ln_weight)).unwrap_or(f64::NAN),
                    ends[0],
                    ends[1],
                    1e-12,
                );
                found.extend(root.map(f64::exp));
            }
        }
        if found.is_empty() {
            return Err(NoTheory::new(format!(
                "no weight variance from {} to {} {what}",
                RANGE.0, RANGE.1
            )));
        }
        Ok(found)
    };
    NetworkCritical {
        gradient: search(
            "brings the gradient to the first layer unchanged",
            Prediction::ln_gradient,
        ),
        forward: search("gives the logits the variance of the first layer", |p| {
            let ends = p.layers.first().zip(p.layers.last());
            let (first, last) = ends.ok_or_else(|| NoTheory::new("the network has no layers"))?;
            Ok(last.spread.clone()?.ln_q() - first.spread.clone()?.ln_q())
        }),
        neutrality: search("brings the drift ratio of the logits to one", |p| {
            let last = p.layers.last().ok_or_else(|| NoTheory::new("the network has no layers"))?;
            Ok(last.spread.clone()?.gamma().ln())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::network::Architecture;
    use crate::spec::scheme::InitScheme;
    use crate::spec::shape::Shape;

    fn of(json: &str, shape: Shape, bias: f64) -> NetworkCritical {
        let layers = serde_json::from_str(json).unwrap();
        let network = Architecture { layers }.resolve(&shape).unwrap();
        let init = InitScheme::explicit(1.0, 0.0);
        let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        network_critical(&network, &inits, InputStatistics::WHITE, bias)
    }

    /// ReLU keeps both at 2, pooled ReLU at two different ones, each as in the limit of infinite depth.
    #[test]
    fn plain_networks_have_the_critical_variances_of_their_layers() {
        let flat = Shape::flat(64).unwrap();
        let block = |inner: &str| {
            format!(r#"[{{"dense":64}},{{"repeat":9,"layers":[{inner},{{"dense":64}}]}}]"#)
        };
        let relu = of(&block(r#""relu""#), flat, 0.0);
        for found in [relu.gradient.unwrap(), relu.forward.unwrap()] {
            assert!(found.len() == 1 && (found[0] - 2.0).abs() < 1e-9, "{found:?}");
        }
        let pooled = of(&block(r#""relu",{"max_pool":2}"#), flat, 0.0);
        assert!((pooled.gradient.unwrap()[0] - 4.0 / 3.0).abs() < 1e-8);
        assert!((pooled.forward.unwrap()[0] - 1.09992252).abs() < 1e-7);
        // Residual blocks: 1 + χ, never 1; the head alone balances them.
        let stream =
            of(&block(r#"{"residual":["relu",{"dense":64}],"branch_scale":0.3}"#), flat, 0.0);
        let weight = stream.gradient.unwrap()[0];
        let total = 9.0 * (1.0 + 0.09 * weight / 2.0).ln() + 9.0 * weight.ln();
        assert!(total.abs() < 1e-9, "{weight}");
        // Batch norm: gradients do not depend on the weights, but for the first and last layer.
        let image = Shape::image(3, 8, 8).unwrap();
        let conv = r#"[{"conv":16,"padding":0,"kernel":1},"relu",{"conv":16,"padding":0,"kernel":1},"relu","flatten",{"dense":10}]"#;
        assert!((of(conv, image, 0.0).gradient.unwrap()[0] - 2.0).abs() < 1e-9);
        let none = of(r#"["relu",{"dense":64},{"dense":10}]"#, flat, 0.0);
        assert!(none.gradient.is_err() && none.neutrality.is_err());
    }
}
