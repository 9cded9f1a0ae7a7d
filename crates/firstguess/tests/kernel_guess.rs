//! The first guess that a kernel predicts, where sampled logits meet a closed form.
//!
//! Samples are those that a caller hands to the theory: it draws none itself.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::spec::{Architecture, Dataset, InitScheme, Shape};
use firstguess::theory::kernel::{ClassShares, DataKernel, LogitKernel};
use firstguess::theory::prejudice::class_gradients;

/// The kernel of one linear layer without biases: `σ_w² x_a·x_b/N₀`.
fn linear(inputs: &[Vec<f32>], weight: f64) -> LogitKernel {
    let shape = Shape::flat(inputs[0].len()).unwrap();
    let data = Dataset::new("given", shape, inputs.concat()).unwrap();
    let layers = serde_json::from_str(r#"[{"dense":2}]"#).unwrap();
    let network = Architecture { layers }.resolve(&shape).unwrap();
    let inits = firstguess::layer_inits(&InitScheme::explicit(weight, 0.0), &network).unwrap();
    DataKernel::new(&network, &inits, &data).logits.unwrap()
}

fn sampled(kernel: &LogitKernel, classes: usize, draws: usize) -> ClassShares {
    let factor = kernel.factor(1e-9, kernel.inputs());
    let mut normals = vec![0.0_f64; draws * factor.normals_per_draw(classes)];
    Stream::new(Seed(5), 0, 0, Purpose::Test).fill_normal_f64(0, &mut normals);
    factor.class_shares(&normals, classes).unwrap()
}

/// Two inputs of negative correlation and four classes: agreement by a two-dimensional integral and by counting.
#[test]
fn negative_agreement_matches_a_count() {
    let kernel = linear(&[vec![1.0, 0.0], vec![-0.6, 0.8]], 1.0);
    let (classes, draws) = (4, 40_000);
    let shares = sampled(&kernel, classes, draws);
    let agree = shares.largest().iter().filter(|m| **m == 1.0).count() as f64 / draws as f64;
    let expected = 2.0 * kernel.agreement(classes).unwrap() - 1.0;
    let error = (expected * (1.0 - expected) / draws as f64).sqrt();
    assert!(((agree - expected) / error).abs() < 4.0, "{agree} {expected}");
    assert!(expected < 0.1);
}

/// Two logits of equally correlated inputs: the sampled gradients against the integrals over `(V, T)`.
///
/// 4000 draws of 64 inputs leave 1 % of the means; the finite set picks the wrong class where the shares are even, which
/// costs as much: an error of 4 % of the means is seen. A median is `2 σ(-gap)²` of a gap known to a tenth: 25 %.
#[test]
fn sampled_gradients_by_class_follow_the_closed_form() {
    let n = 64;
    for (weight, offset) in [(1.0_f64, 0.25_f32), (4.0, 1.0), (1.0, 3.0)] {
        let inputs: Vec<Vec<f32>> = (0..n)
            .map(|a| {
                let mut row = vec![0.0_f32; n + 1];
                row[a] = 8.0;
                row[n] = 8.0 * offset;
                row
            })
            .collect();
        let kernel = linear(&inputs, weight);
        let t = kernel.covariance(0, 1);
        let v = kernel.covariance(0, 0) - t;
        let found = sampled(&kernel, 2, 4000).gradients.unwrap();
        let exact = class_gradients(v, t).unwrap();
        for (what, a, b, allow) in [
            ("favoured mean", found.favoured_mean, exact.favoured_mean, 0.04),
            ("other mean", found.unfavoured_mean, exact.unfavoured_mean, 0.04),
            ("favoured median", found.favoured_median, exact.favoured_median, 0.25),
            ("other median", found.unfavoured_median, exact.unfavoured_median, 0.25),
        ] {
            assert!((a / b - 1.0).abs() < allow, "{weight} {offset} {what}: {a} {b}");
        }
    }
}
