//! Which classes untrained networks guess: shares, the largest share, agreement, the loss at initialization.

use super::estimate::{Estimate, Running};
use serde::Serialize;

/// The guesses of one network over the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Guesses {
    /// Inputs assigned to each class, `[classes]`.
    counts: Vec<u64>,
    examples: u64,
    softmax: f64,
    loss: f64,
    labelled: u64,
    correct: u64,
}

/// Number of classes that this many logits tell apart: one logit is a binary classifier by its sign.
pub const fn classes_of(logits: usize) -> usize {
    if logits == 1 { 2 } else { logits }
}

/// The class with the largest logit, the lowest index on ties; a single logit says class 1 where it is positive.
///
/// ```text
/// argmax_k h_k,   k = 0 … K-1
/// ```
pub fn guess(logits: &[f32]) -> usize {
    if let [logit] = logits {
        return usize::from(*logit > 0.0);
    }
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best
}

/// Softmax of one row of logits as `(largest probability, ln Σ exp)`, shifted so that nothing overflows.
fn largest_probability(logits: &[f32], scale: f64) -> (f64, f64) {
    if let [logit] = logits {
        // One logit h stands for the pair (0, h).
        return largest_of(&[0.0, *logit], scale);
    }
    largest_of(logits, scale)
}

fn largest_of(logits: &[f32], scale: f64) -> (f64, f64) {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(scale * f64::from(b)));
    let sum: f64 = logits.iter().map(|&h| (scale * f64::from(h) - largest).exp()).sum();
    (sum.recip(), largest + sum.ln())
}

impl Guesses {
    /// No guesses yet, for networks with this many logits.
    pub fn new(logits: usize) -> Self {
        Self {
            counts: vec![0; classes_of(logits)],
            examples: 0,
            softmax: 0.0,
            loss: 0.0,
            labelled: 0,
            correct: 0,
        }
    }

    /// Adds finite logits `[rows, logits]` and the labels of the same rows, where there are any.
    pub fn add(&mut self, block: &[f32], logits: usize, labels: Option<&[u32]>) {
        self.add_scaled(block, logits, labels, 1.0);
    }

    /// The same of logits that stand for `scale` times themselves.
    pub fn add_scaled(&mut self, block: &[f32], logits: usize, labels: Option<&[u32]>, scale: f64) {
        if logits == 0 {
            return;
        }
        for (row, h) in block.chunks_exact(logits).enumerate() {
            let class = guess(h);
            if let Some(count) = self.counts.get_mut(class) {
                *count += 1;
            }
            self.examples += 1;
            let (probability, ln_sum) = largest_probability(h, scale);
            self.softmax += probability;
            let Some(&label) = labels.and_then(|labels| labels.get(row)) else { continue };
            let label = label as usize;
            let logit = match h {
                [logit] => scale * f64::from(*logit) * label as f64,
                _ => h.get(label).map_or(f64::NAN, |&logit| scale * f64::from(logit)),
            };
            self.loss += ln_sum - logit;
            self.labelled += 1;
            self.correct += u64::from(label == class);
        }
    }

    /// Inputs assigned to each class.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Number of inputs.
    pub const fn examples(&self) -> u64 {
        self.examples
    }

    /// The most guessed class, the lowest index on ties.
    pub fn favoured(&self) -> usize {
        let mut best = 0;
        for (class, count) in self.counts.iter().enumerate() {
            if *count > self.counts[best] {
                best = class;
            }
        }
        best
    }

    /// Probability that two different inputs get the same class; `None` for a single input.
    ///
    /// ```text
    /// Σ_k n_k (n_k - 1) / (D (D - 1))
    /// ```
    ///
    /// Unbiased for `E Σ G_k²` at finite data, unlike the sum of squared shares.
    pub fn agreement(&self) -> Option<f64> {
        let pairs = |n: u64| n as f64 * (n as f64 - 1.0);
        (self.examples > 1)
            .then(|| self.counts.iter().map(|&n| pairs(n)).sum::<f64>() / pairs(self.examples))
    }

    /// Mean cross-entropy over the labelled inputs, in nats.
    pub fn loss(&self) -> Option<f64> {
        (self.labelled > 0).then(|| self.loss / self.labelled as f64)
    }
}

/// What untrained networks guess.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrejudiceMeasurement {
    /// Classes told apart: the number of logits, or two for a single logit.
    pub classes: usize,
    /// Share of the most guessed class of each network. Finite data bias it upwards: see `finite_data_share`.
    pub largest_share: Estimate,
    /// The largest share that fair independent guesses would show over as many inputs, to leading order.
    pub finite_data_share: f64,
    /// Probability that two different inputs get the same class, `E Σ_k G_k²`.
    pub agreement: Estimate,
    /// Mean share of each class by index; 1/K each where classes are alike.
    pub shares: Vec<Estimate>,
    /// Mean share of the first, second … most guessed class of each network.
    pub ordered_shares: Vec<Estimate>,
    /// Quantiles over networks of the largest share.
    pub largest_share_quantiles: Vec<Quantile>,
    /// Largest share over networks in twenty equal bins of [0, 1]: counts of networks.
    pub largest_share_histogram: Vec<u64>,
    /// Mean over inputs of the largest softmax probability.
    pub mean_max_softmax: Estimate,
    /// Share of inputs whose guess is their label.
    pub accuracy: Estimate,
    /// Share of networks that put every input into one class.
    pub one_class_fraction: Estimate,
}

/// A quantile of a law over networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantile {
    /// Probability in (0, 1).
    pub probability: f64,
    /// The smallest observed value that this share of the networks does not exceed.
    pub value: f64,
}

/// Probabilities at which the law of the largest share is reported.
const PROBABILITIES: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
const BINS: usize = 20;
const UNLABELLED: &str = "the data have no labels";
const ONE_INPUT: &str = "needs two inputs";

/// [`Guesses`] over the ensemble. Memory `O(classes + inputs)`, whatever the number of networks.
#[derive(Debug, Clone)]
pub struct RunningPrejudice {
    examples: usize,
    /// Networks by their largest count, `[inputs + 1]`: the exact law of the largest share.
    largest: Vec<u64>,
    largest_share: Running,
    agreement: Running,
    shares: Vec<Running>,
    ordered: Vec<Running>,
    softmax: Running,
    accuracy: Running,
    loss: Running,
    one_class: Running,
}

impl RunningPrejudice {
    /// Nothing yet, for networks with this many logits on this many inputs.
    pub fn new(logits: usize, examples: usize) -> Self {
        let classes = classes_of(logits);
        Self {
            examples,
            largest: vec![0; examples + 1],
            largest_share: Running::default(),
            agreement: Running::default(),
            shares: vec![Running::default(); classes],
            ordered: vec![Running::default(); classes],
            softmax: Running::default(),
            accuracy: Running::default(),
            loss: Running::default(),
            one_class: Running::default(),
        }
    }

    /// Adds one network.
    pub fn push(&mut self, draw: &Guesses) {
        let examples = draw.examples as f64;
        let mut ordered = draw.counts.clone();
        ordered.sort_unstable_by(|a, b| b.cmp(a));
        let largest = ordered.first().copied().unwrap_or(0);
        if let Some(slot) = usize::try_from(largest).ok().and_then(|k| self.largest.get_mut(k)) {
            *slot += 1;
        }
        self.largest_share.push(largest as f64 / examples);
        for (running, &count) in self.shares.iter_mut().zip(&draw.counts) {
            running.push(count as f64 / examples);
        }
        for (running, &count) in self.ordered.iter_mut().zip(&ordered) {
            running.push(count as f64 / examples);
        }
        if let Some(agreement) = draw.agreement() {
            self.agreement.push(agreement);
        }
        self.softmax.push(draw.softmax / examples);
        if let Some(loss) = draw.loss() {
            self.loss.push(loss);
            self.accuracy.push(draw.correct as f64 / draw.labelled as f64);
        }
        self.one_class.push(f64::from(u8::from(largest == draw.examples)));
    }

    /// Mean cross-entropy at initialization.
    pub fn loss(&self) -> Estimate {
        or_else_missing(self.loss.mean(), UNLABELLED)
    }

    /// The estimates so far.
    pub fn finish(&self) -> PrejudiceMeasurement {
        let classes = self.shares.len();
        PrejudiceMeasurement {
            classes,
            largest_share: self.largest_share.mean(),
            finite_data_share: finite_data_share(classes, self.examples),
            agreement: or_else_missing(self.agreement.mean(), ONE_INPUT),
            shares: self.shares.iter().map(Running::mean).collect(),
            ordered_shares: self.ordered.iter().map(Running::mean).collect(),
            largest_share_quantiles: self.quantiles(),
            largest_share_histogram: self.histogram(),
            mean_max_softmax: self.softmax.mean(),
            accuracy: or_else_missing(self.accuracy.mean(), UNLABELLED),
            one_class_fraction: self.one_class.mean(),
        }
    }

    fn quantiles(&self) -> Vec<Quantile> {
        let networks: u64 = self.largest.iter().sum();
        if networks == 0 {
            return Vec::new();
        }
        PROBABILITIES
            .iter()
            .map(|&probability| {
                let mut below = 0;
                let at = self.largest.iter().position(|&count| {
                    below += count;
                    below as f64 >= probability * networks as f64
                });
                let value = at.unwrap_or(self.examples) as f64 / self.examples as f64;
                Quantile { probability, value }
            })
            .collect()
    }

    fn histogram(&self) -> Vec<u64> {
        let mut bins = vec![0; BINS];
        for (count, &networks) in self.largest.iter().enumerate() {
            let bin = count * BINS / self.examples.max(1);
            bins[bin.min(BINS - 1)] += networks;
        }
        bins
    }
}

fn or_else_missing(estimate: Estimate, reason: &'static str) -> Estimate {
    if estimate.n == 0 { Estimate::missing(reason) } else { estimate }
}

/// Mean largest share of `D` fair independent guesses among `K` classes, by the normal approximation of the counts.
///
/// ```text
/// 1/K + √((1/K)/D) · e_K,   e_K ≈ Φ⁻¹((K - π/8)/(K - π/4 + 1)),   at most 1
/// ```
///
/// `e_K`, the mean largest of K normals, by Blom's rule as refined by Elfving, within 1 %.
fn finite_data_share(classes: usize, examples: usize) -> f64 {
    let k = classes as f64;
    if classes < 2 || examples == 0 {
        return 1.0;
    }
    let eighth = std::f64::consts::FRAC_PI_8;
    let largest = crate::math::special::normal_quantile((k - eighth) / (k - 2.0 * eighth + 1.0));
    (1.0 / k + largest * (1.0 / (k * examples as f64)).sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::stream::{Purpose, Seed, Stream};

    fn guesses(block: &[f32], logits: usize, labels: Option<&[u32]>) -> Guesses {
        let mut guesses = Guesses::new(logits);
        guesses.add(block, logits, labels);
        guesses
    }

    #[test]
    fn ties_go_to_the_lowest_class_and_a_single_logit_decides_by_sign() {
        assert_eq!(guess(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(guess(&[0.0; 5]), 0);
        assert_eq!((guess(&[-0.1]), guess(&[0.0]), guess(&[0.1])), (0, 0, 1));
        assert_eq!(guesses(&[0.5, -0.5, 2.0], 1, None).counts(), [1, 2]);
        assert_eq!(guesses(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2, None).favoured(), 0);
    }

    /// Equal logits: ln K and 1/K; one logit h against the pair (0, h).
    #[test]
    fn loss_and_softmax_agree_with_their_definitions() {
        let equal = guesses(&[2.0; 8], 4, Some(&[0, 3]));
        assert!((equal.loss().unwrap() - 4.0_f64.ln()).abs() < 1e-15);
        assert!((equal.softmax / 2.0 - 0.25).abs() < 1e-15);
        let one = guesses(&[1.5, -0.7], 1, Some(&[1, 1]));
        let pair = guesses(&[0.0, 1.5, 0.0, -0.7], 2, Some(&[1, 1]));
        assert_eq!((one.loss(), one.softmax), (pair.loss(), pair.softmax));
        // -ln σ(1.5) and -ln σ(-0.7) in 12 digits.
        let expected = f64::midpoint(0.201_413_277_983, 1.103_186_048_885);
        assert!((one.loss().unwrap() - expected).abs() < 1e-7);
        // Logits as large as f32 holds: no overflow.
        let huge = guesses(&[f32::MAX, -f32::MAX], 2, Some(&[0]));
        assert_eq!((huge.loss(), huge.softmax), (Some(0.0), 1.0));
    }

    /// Sixty classes by chance over few inputs: the plain sum of squared shares is 0.2 + 0.8 · 0.01 too high.
    ///
    /// 20 000 networks of five inputs see an error of 0.0008 in the agreement of 1/K = 1/60.
    #[test]
    fn agreement_is_unbiased_at_five_inputs() {
        let (classes, inputs) = (60, 5);
        let mut running = RunningPrejudice::new(classes, inputs);
        let mut z = vec![0.0_f32; classes * inputs];
        for draw in 0..20_000 {
            Stream::new(Seed(5), draw, 0, Purpose::Test).fill_normal_f32(0, &mut z);
            running.push(&guesses(&z, classes, None));
        }
        let found = running.finish();
        let fair = 1.0 / 60.0;
        assert!(found.agreement.z_score(fair).unwrap().abs() < 4.0, "{:?}", found.agreement);
        // 60 checks at 4.5: a fresh seed fails by luck 4 times in 10 000.
        for share in &found.shares {
            assert!(share.z_score(fair).unwrap().abs() < 4.5, "{share:?}");
        }
        let total: f64 = found.ordered_shares.iter().map(|share| share.value).sum();
        assert!((total - 1.0).abs() < 1e-12);
        assert_eq!(found.ordered_shares[0], found.largest_share);
    }

    /// Fair guesses by simulation against the normal approximation, 2 % apart at most here.
    #[test]
    fn finite_data_share_is_what_fair_guesses_show() {
        for (classes, inputs) in [(2, 400), (10, 1000)] {
            let mut running = RunningPrejudice::new(classes, inputs);
            let mut z = vec![0.0_f32; classes * inputs];
            for draw in 0..500 {
                Stream::new(Seed(6), draw, 0, Purpose::Test).fill_normal_f32(0, &mut z);
                running.push(&guesses(&z, classes, None));
            }
            let found = running.finish();
            let ratio = found.largest_share.value / found.finite_data_share;
            assert!((ratio - 1.0).abs() < 0.02, "{classes} classes: {ratio}");
        }
    }

    #[test]
    fn quantiles_and_histogram_are_those_of_the_sample() {
        let mut running = RunningPrejudice::new(2, 4);
        // Largest shares ½, ¾, 1, 1.
        for block in [[0.0, 1.0, 1.0, 0.0], [0.0; 4]].iter().map(|b: &[f32; 4]| b.as_slice()) {
            let mut draw = Guesses::new(2);
            draw.add(block, 2, None);
            draw.add(&[0.0, 0.0, 0.0, 1.0], 2, None);
            running.push(&draw);
        }
        // First network: guesses 1, 0, 0, 1; second: 0, 0, 0, 1.
        let found = running.finish();
        assert_eq!(found.largest_share.value, 0.625);
        let median = found.largest_share_quantiles.iter().find(|q| q.probability == 0.5).unwrap();
        assert_eq!(median.value, 0.5);
        assert_eq!(found.largest_share_quantiles.last().unwrap().value, 0.75);
        assert_eq!((found.largest_share_histogram[10], found.largest_share_histogram[15]), (1, 1));
        assert_eq!(found.largest_share_histogram.iter().sum::<u64>(), 2);
        assert_eq!(found.accuracy.reason, Some(UNLABELLED));
        assert_eq!(running.loss().reason, Some(UNLABELLED));
    }

    #[test]
    fn one_input_has_shares_but_no_agreement() {
        let mut running = RunningPrejudice::new(3, 1);
        running.push(&guesses(&[0.0, 2.0, 1.0], 3, Some(&[2])));
        let found = running.finish();
        assert_eq!(found.agreement.reason, Some(ONE_INPUT));
        assert_eq!((found.largest_share.value, found.accuracy.value), (1.0, 0.0));
        assert_eq!(found.largest_share.std_error, None);
        assert_eq!(found.one_class_fraction.value, 1.0);
    }
}
