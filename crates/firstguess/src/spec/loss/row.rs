//! One row of logits with its softmax.

/// The logits of one example, their softmax and its logarithm, in f64; reused from row to run.
///
/// ```text
/// ln p_k = (z_k - max z) - ln(1 + Σ_(j ≠ top) exp(z_j - max z))
/// ```
///
/// A single logit `z` is a binary classifier by its sign: the row `(0, z)`.
///
/// # Examples
///
/// ```
/// use firstguess::spec::loss::Row;
/// let row = Row::new([1e4, 0.0]);
/// assert_eq!((row.ln_p(0), row.ln_p(1), row.p(1)), (0.0, -1e4, 0.0));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    logits: Vec<f64>,
    ln_p: Vec<f64>,
    p: Vec<f64>,
}

impl Row {
    /// The row of these logits.
    pub fn new(logits: impl IntoIterator<Item = f64>) -> Self {
        let mut row = Self::default();
        row.set(logits);
        row
    }

    /// Overwrites the row.
    pub fn set(&mut self, logits: impl IntoIterator<Item = f64>) {
        self.logits.clear();
        self.logits.extend(logits);
        if let [z] = self.logits[..] {
            self.logits = vec![0.0, z];
        }
        let (top, largest) =
            self.logits.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (k, z)| {
                if *z > best.1 { (k, *z) } else { best }
            });
        self.p.clear();
        self.p.extend(self.logits.iter().map(|z| (z - largest).exp()));
        let before: f64 = self.p[..top.min(self.p.len())].iter().sum();
        let rest = before + self.p.iter().skip(top + 1).sum::<f64>();
        let ln_total = rest.ln_1p();
        self.ln_p.clear();
        self.ln_p.extend(self.logits.iter().map(|z| (z - largest) - ln_total));
        for p in &mut self.p {
            *p /= 1.0 + rest;
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.logits.len()
    }

    /// The logit of class `k`.
    pub fn logit(&self, k: usize) -> f64 {
        self.logits[k]
    }

    /// `ln p_k`.
    pub fn ln_p(&self, k: usize) -> f64 {
        self.ln_p[k]
    }

    /// `p_k`.
    pub fn p(&self, k: usize) -> f64 {
        self.p[k]
    }

    /// The softmax.
    pub fn probabilities(&self) -> &[f64] {
        &self.p
    }

    /// The class of the largest logit, the first of equals.
    pub fn guess(&self) -> usize {
        (1..self.logits.len()).fold(
            0,
            |best, k| {
                if self.logits[k] > self.logits[best] { k } else { best }
            },
        )
    }
}
