//! Chebyshev interpolation on an interval.

use std::f64::consts::PI;

/// Nodes and cosines of the `n`-point rule on [-1, 1], shared by all intervals.
#[derive(Debug, Clone)]
pub struct ChebyshevBasis {
    /// Roots of the Chebyshev polynomial of degree `n`, ascending.
    pub nodes: Vec<f64>,
    /// `T_k(node_j)`, row by row in `k`.
    cosines: Vec<f64>,
}

impl ChebyshevBasis {
    /// The basis with `n ≥ 1` nodes.
    pub fn new(n: usize) -> Self {
        let n = n.max(1);
        let angle = |j: usize| PI * (j as f64 + 0.5) / n as f64;
        let nodes = (0..n).map(|j| -angle(j).cos()).collect();
        // The nodes ascend, hence the reversed angle; reducing k(2j+1) mod 4n keeps the cosine exact to rounding.
        let cosines = (0..n * n)
            .map(|i| {
                let (k, j) = (i / n, n - 1 - i % n);
                let reduced = (k * (2 * j + 1)) % (4 * n);
                (PI * reduced as f64 / (2.0 * n as f64)).cos()
            })
            .collect();
        Self { nodes, cosines }
    }

    /// Coefficients of the polynomial through `values` at the nodes.
    pub fn coefficients(&self, values: &[f64]) -> Vec<f64> {
        let n = self.nodes.len();
        self.cosines
            .chunks_exact(n)
            .enumerate()
            .map(|(k, row)| {
                let sum: f64 = row.iter().zip(values).map(|(c, v)| c * v).sum();
                sum * if k == 0 { 1.0 } else { 2.0 } / n as f64
            })
            .collect()
    }
}

/// `Σ c_k T_k(t)` by Clenshaw's recurrence.
pub fn clenshaw(coefficients: &[f64], t: f64) -> f64 {
    let (mut b1, mut b2) = (0.0, 0.0);
    for c in coefficients.iter().skip(1).rev() {
        (b1, b2) = (2.0 * t * b1 - b2 + c, b1);
    }
    coefficients.first().copied().unwrap_or(0.0) + t * b1 - b2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entire_function_is_reproduced_to_rounding() {
        let basis = ChebyshevBasis::new(20);
        let values: Vec<f64> = basis.nodes.iter().map(|t| (1.3 * t).exp()).collect();
        let coefficients = basis.coefficients(&values);
        for i in -50..=50 {
            let t = f64::from(i) / 50.0;
            assert!((clenshaw(&coefficients, t) / (1.3 * t).exp() - 1.0).abs() < 3e-15, "{t}");
        }
        assert!(coefficients[19].abs() < 1e-15);
    }

    #[test]
    fn a_polynomial_of_low_degree_has_its_own_coefficients() {
        // x³ = (3 T₁ + T₃)/4.
        let basis = ChebyshevBasis::new(6);
        let values: Vec<f64> = basis.nodes.iter().map(|t| t.powi(3)).collect();
        for (got, expected) in
            basis.coefficients(&values).iter().zip([0.0, 0.75, 0.0, 0.25, 0.0, 0.0])
        {
            assert!((got - expected).abs() < 1e-15);
        }
        assert_eq!(clenshaw(&[], 0.3), 0.0);
    }
}
