//! Weights, drawn from their family at their address.
//!
//! The independent laws are filled element by element: any panel of a weight tensor may be drawn on its own, in any order
//! and on any thread, with the bits it has in the whole. Orthogonal matrices are drawn whole.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "weights are f32; the laws are computed in f64"
)]

use crate::math::elementary::{cos_sin_turn, exp, exp_m1_positive, ln};
use crate::math::stream::{BlockLaw, NormalF32, Stream, UniformF32, normal_pair, uniforms};
use crate::spec::weights::{
    TRUNCATED_STD, TRUNCATION, WeightError, WeightFamily, gamma_root, power_edge, weibull_root,
};
use faer::MatRef;
use std::f64::consts::SQRT_2;

/// Why weights could not be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum SampleError {
    /// The parameter of the law is out of range.
    #[error(transparent)]
    Law(#[from] WeightError),

    /// A scale that no f32 weight could carry.
    #[error("`{parameter}` must be in [0, 1e30], got {value}")]
    Scale { parameter: &'static str, value: f64 },

    /// The entries of an orthogonal matrix depend on each other: it is drawn whole.
    #[error("`{family}` weights depend on each other and are drawn as a whole matrix")]
    NotIndependent { family: WeightFamily },

    /// A matrix or kernel with a zero side or more than 2²⁸ entries.
    #[error("a weight tensor of shape {shape:?} must have between 1 and 2^28 entries")]
    Size { shape: Vec<usize> },

    /// The elements lie beyond those that have randomness of their own.
    #[error("element {last} is out of reach: a layer has at most 2^34 weights")]
    OutOfReach { last: u64 },
}

/// Elements of one stream that draw their spare randomness from counters of their own.
const REACH: u64 = 1 << 34;

/// Attempts per element of a rejection law; each fails less than once in twenty.
const ATTEMPTS: u64 = 64;

/// Largest matrix that is drawn whole.
const LARGEST: usize = 1 << 28;

/// Fills `out` with the weights `first_element..` of an independent law with standard deviation `std`.
///
/// Element `i` depends on `stream`, `family`, `std` and `i` alone, in whatever pieces the tensor is drawn. The scheme
/// turns `fan_in` and `fan_out` into `std`; the law itself needs neither.
///
/// # Errors
///
/// [`SampleError::NotIndependent`] for the orthogonal families, [`SampleError::Law`] for a parameter out of range,
/// [`SampleError::Scale`] unless `std` is in `[0, 1e30]`, [`SampleError::OutOfReach`] beyond 2³⁴ weights.
///
/// # References
///
/// Box and Muller 1958 (normal), `bailey1994` (Student's t), `marsaglia2000` (χ by gamma variates); inverse distribution
/// functions for the rest.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::{Purpose, Seed, Stream};
/// use firstguess::{net::sample::fill_weights, spec::weights::WeightFamily};
/// let stream = Stream::new(Seed(0), 0, 1, Purpose::Weights);
/// let mut weights = vec![0.0; 256 * 256];
/// fill_weights(WeightFamily::Laplace, 0.0625, &stream, 0, &mut weights)?;
/// let variance = weights.iter().map(|w| w * w).sum::<f32>() / 65536.0;
/// assert!((variance * 256.0 - 1.0).abs() < 0.05);
/// # Ok::<(), firstguess::net::sample::SampleError>(())
/// ```
pub fn fill_weights(
    family: WeightFamily,
    std: f64,
    stream: &Stream,
    first_element: u64,
    out: &mut [f32],
) -> Result<(), SampleError> {
    family.check()?;
    check_scale("std", std)?;
    let last = first_element.saturating_add(out.len() as u64);
    if last > REACH {
        return Err(SampleError::OutOfReach { last });
    }
    match family {
        WeightFamily::Orthogonal | WeightFamily::DeltaOrthogonal => {
            return Err(SampleError::NotIndependent { family });
        }
        WeightFamily::Normal | WeightFamily::Sphere { dimension: 1 } => {
            stream.fill(Normal { std: std as f32 }, first_element, out);
        }
        WeightFamily::Uniform => {
            let width = (std * 12f64.sqrt()) as f32;
            stream.fill(Uniform { width }, first_element, out);
        }
        WeightFamily::TruncatedNormal => fill_truncated(std, stream, first_element, out),
        WeightFamily::Rademacher => stream.fill(Sign { std: std as f32 }, first_element, out),
        WeightFamily::SymmetricWeibull { shape } => {
            let law = Weibull { power: 1.0 / shape, scale: std / weibull_root(shape) };
            stream.fill(Signed(law), first_element, out);
        }
        WeightFamily::StudentT { degrees_of_freedom: nu } => {
            let law = Student { power: 2.0 / nu, scale: std * (nu - 2.0).sqrt() };
            stream.fill(law, first_element, out);
        }
        WeightFamily::Laplace => {
            stream.fill(Signed(Exponential { scale: std / SQRT_2 }), first_element, out);
        }
        // χ_2² is exponential.
        WeightFamily::Sphere { dimension: 2 } => {
            stream.fill(Signed(Weibull { power: 0.5, scale: std }), first_element, out);
        }
        WeightFamily::Sphere { dimension } => {
            fill_sphere(dimension, std, stream, first_element, out);
        }
        WeightFamily::BoundedPower { exponent } => {
            let law = Power { power: 1.0 / exponent, scale: std * power_edge(exponent) };
            stream.fill(Signed(law), first_element, out);
        }
        WeightFamily::GeneralizedGamma { shape, power } => {
            fill_gamma([shape, power], std, stream, first_element, out);
        }
    }
    Ok(())
}

fn check_scale(parameter: &'static str, value: f64) -> Result<(), SampleError> {
    if (0.0..=1e30).contains(&value) {
        Ok(())
    } else {
        Err(SampleError::Scale { parameter, value })
    }
}

#[derive(Clone, Copy)]
struct Normal {
    std: f32,
}

impl BlockLaw<4> for Normal {
    type Value = f32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f32; 4] {
        NormalF32.values(block).map(|z| z * self.std)
    }
}

#[derive(Clone, Copy)]
struct Uniform {
    width: f32,
}

impl BlockLaw<4> for Uniform {
    type Value = f32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f32; 4] {
        UniformF32.values(block).map(|u| (u - 0.5) * self.width)
    }
}

#[derive(Clone, Copy)]
struct Sign {
    std: f32,
}

impl BlockLaw<4> for Sign {
    type Value = f32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f32; 4] {
        block.map(|word| f32::from_bits(self.std.to_bits() | (word & 0x8000_0000)))
    }
}

/// A law drawn by inverting the distribution function of its magnitude; the sign is a bit of the same uniform.
trait SignedMagnitude: Copy {
    /// The magnitude at the uniform `v` in (0, 1).
    fn magnitude(self, v: f64) -> f64;
}

/// Two weights from one block: `2u - 1` holds a sign and an independent uniform.
#[derive(Clone, Copy)]
struct Signed<M>(M);

impl<M: SignedMagnitude> Signed<M> {
    // No closure over the array: one called twice is not inlined, and the loop around it stays scalar.
    #[inline(always)]
    fn value(self, u: f64) -> f32 {
        let y = 2.0 * u - 1.0;
        self.0.magnitude(y.abs()).copysign(y) as f32
    }
}

impl<M: SignedMagnitude> BlockLaw<2> for Signed<M> {
    type Value = f32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f32; 2] {
        let [u, v] = uniforms(block);
        [self.value(u), self.value(v)]
    }
}

/// `scale · sign · E^power`, `E` exponential.
#[derive(Clone, Copy)]
struct Weibull {
    power: f64,
    scale: f64,
}

impl SignedMagnitude for Weibull {
    #[inline(always)]
    fn magnitude(self, v: f64) -> f64 {
        self.scale * exp(ln(-ln(v)) * self.power)
    }
}

#[derive(Clone, Copy)]
struct Exponential {
    scale: f64,
}

impl SignedMagnitude for Exponential {
    #[inline(always)]
    fn magnitude(self, v: f64) -> f64 {
        self.scale * -ln(v)
    }
}

/// `scale · sign · U^power`.
#[derive(Clone, Copy)]
struct Power {
    power: f64,
    scale: f64,
}

impl SignedMagnitude for Power {
    #[inline(always)]
    fn magnitude(self, v: f64) -> f64 {
        self.scale * exp(ln(v) * self.power)
    }
}

/// `scale · √(U^{-2/ν} - 1) cos 2πV`: Bailey's form of Box-Muller for Student's t.
#[derive(Clone, Copy)]
struct Student {
    power: f64,
    scale: f64,
}

impl BlockLaw<1> for Student {
    type Value = f32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f32; 1] {
        let [u, v] = uniforms(block);
        let r = exp_m1_positive(-ln(u) * self.power).sqrt();
        let (cosine, _) = cos_sin_turn(v);
        [(self.scale * r * cosine) as f32]
    }
}

/// Address of a block that belongs to one attempt of one element alone, on the companion stream.
fn spare_block(stream: &Stream, element: u64, attempt: u64) -> [u32; 4] {
    stream.companion().block(element.wrapping_mul(ATTEMPTS).wrapping_add(attempt))
}

/// Normals, and fresh ones for those beyond the cut: exact rejection, still addressable.
fn fill_truncated(std: f64, stream: &Stream, first_element: u64, out: &mut [f32]) {
    const CUT: f32 = TRUNCATION as f32;
    stream.fill_normal_f32(first_element, out);
    let scale = (std / TRUNCATED_STD) as f32;
    for (element, w) in (first_element..).zip(out) {
        if w.abs() > CUT {
            // All 128 spare normals outside: probability 1e-172.
            *w = (0..ATTEMPTS)
                .flat_map(|attempt| normal_pair(spare_block(stream, element, attempt)))
                .map(|z| z as f32)
                .find(|z| z.abs() <= CUT)
                .unwrap_or(0.0);
        }
        *w *= scale;
    }
}

/// `± scale · Gamma(shift + 1/3)^power` by Marsaglia and Tsang; NaN marks a rejected attempt.
#[derive(Clone, Copy)]
struct GammaAttempt {
    /// Shape of the gamma variate less 1/3; at least 2/3.
    shift: f64,
    /// `1/√(9 shift)`.
    slope: f64,
    power: f64,
    /// Of the cube, `shift` included.
    scale: f64,
}

impl GammaAttempt {
    fn new(shape: f64, power: f64, scale: f64) -> Self {
        let shift = shape - 1.0 / 3.0;
        let scale = scale * shift.powf(power);
        Self { shift, slope: 1.0 / (9.0 * shift).sqrt(), power, scale }
    }
}

impl BlockLaw<1> for GammaAttempt {
    type Value = f32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f32; 1] {
        // One normal from the first pair of words; the second pair holds the sign and the acceptance test.
        let z = f64::from(NormalF32.values(block)[0]);
        let [_, v] = uniforms(block);
        let y = 2.0 * v - 1.0;
        let base = 1.0 + self.slope * z;
        let cube = base * base * base;
        // A base that is not positive is rejected; the floor only keeps the logarithm's argument in range.
        let ln_cube = 3.0 * ln(base.max(1e-300));
        let bound = 0.5 * z * z + self.shift * (1.0 - cube + ln_cube);
        let accepted = (base > 0.0) & (ln(y.abs()) < bound);
        let magnitude = self.scale * exp(ln_cube * self.power);
        [if accepted { magnitude.copysign(y) as f32 } else { f32::NAN }]
    }
}

fn fill_accepted(law: GammaAttempt, stream: &Stream, first_element: u64, out: &mut [f32]) {
    stream.fill(law, first_element, out);
    for (element, w) in (first_element..).zip(out) {
        if w.is_nan() {
            // All attempts rejected: probability below 1e-80. The mode of the cube then stands in.
            *w = (0..ATTEMPTS - 1)
                .map(|attempt| law.values(spare_block(stream, element, attempt))[0])
                .find(|w| !w.is_nan())
                .unwrap_or(law.scale as f32);
        }
    }
}

/// `±χ_d/√d`.
fn fill_sphere(dimension: u32, std: f64, stream: &Stream, first_element: u64, out: &mut [f32]) {
    let half = 0.5 * f64::from(dimension);
    fill_accepted(GammaAttempt::new(half, 0.5, std / half.sqrt()), stream, first_element, out);
}

/// `|w|^power ~ Gamma(shape)` up to scale.
fn fill_gamma(
    [shape, power]: [f64; 2],
    std: f64,
    stream: &Stream,
    first_element: u64,
    out: &mut [f32],
) {
    let scale = std / gamma_root(shape, power);
    if shape >= 1.0 {
        fill_accepted(GammaAttempt::new(shape, 1.0 / power, scale), stream, first_element, out);
        return;
    }
    // Gamma(a) is Gamma(a + 1) U^(1/a), U from the address that no attempt uses.
    fill_accepted(GammaAttempt::new(shape + 1.0, 1.0 / power, scale), stream, first_element, out);
    for (element, w) in (first_element..).zip(out) {
        let [u, _] = uniforms(spare_block(stream, element, ATTEMPTS - 1));
        *w = (f64::from(*w) * exp(ln(u) / (shape * power))) as f32;
    }
}

/// A semi-orthogonal `rows × cols` matrix times `gain`, row-major, uniform (Haar) among all such.
///
/// ```text
/// W Wᵀ = gain² I  if rows ≤ cols,     Wᵀ W = gain² I  if rows ≥ cols
/// ```
///
/// `gain` is the standard deviation `σ_w` itself: there is no division by `√fan_in`. The signs of `R` in the QR
/// factorisation of a Gaussian matrix are moved into `Q`; without that the law is not Haar.
///
/// The draw is deterministic on one machine. Across instruction sets the factorisation may round differently.
///
/// # Errors
///
/// [`SampleError::Size`] for a zero side or more than 2²⁸ entries, [`SampleError::Scale`] unless `gain` is in `[0, 1e30]`.
///
/// # Accuracy
///
/// `|W Wᵀ/gain² - I| ≤ 1e-5` entrywise.
///
/// # References
///
/// `mezzadri2007` (arXiv:math-ph/0609050); `saxe2014` (arXiv:1312.6120).
pub fn orthogonal(
    rows: usize,
    cols: usize,
    gain: f64,
    stream: &Stream,
) -> Result<Vec<f32>, SampleError> {
    check_scale("gain", gain)?;
    let entries = check_size(&[rows, cols])?;
    let (tall, thin) = (rows.max(cols), rows.min(cols));
    let mut gaussian = vec![0.0_f32; entries];
    stream.fill_normal_f32(0, &mut gaussian);
    let qr = MatRef::from_column_major_slice(&gaussian, tall, thin).qr();
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R());
    let scale = |j: usize| (gain as f32).copysign(r[(j, j)]);
    let mut out = gaussian;
    for (i, row) in out.chunks_exact_mut(cols).enumerate() {
        for (j, w) in row.iter_mut().enumerate() {
            *w = if rows >= cols { scale(j) * q[(i, j)] } else { scale(i) * q[(j, i)] };
        }
    }
    Ok(out)
}

/// A convolution kernel `[out_channels, in_channels, height, width]`: [`orthogonal`] at the centre tap, zero elsewhere.
///
/// The centre of a side of length `k` is tap `(k - 1)/2`, counted from zero: for odd sides and same padding the layer then
/// acts on each pixel as the orthogonal matrix itself.
///
/// # Errors
///
/// As [`orthogonal`], the size being that of the whole kernel.
///
/// # References
///
/// `xiao2018` (arXiv:1806.05393).
pub fn delta_orthogonal(
    out_channels: usize,
    in_channels: usize,
    [height, width]: [usize; 2],
    gain: f64,
    stream: &Stream,
) -> Result<Vec<f32>, SampleError> {
    let entries = check_size(&[out_channels, in_channels, height, width])?;
    let centre = orthogonal(out_channels, in_channels, gain, stream)?;
    let taps = height * width;
    let tap = (height - 1) / 2 * width + (width - 1) / 2;
    let mut kernel = vec![0.0; entries];
    for (slot, w) in kernel.iter_mut().skip(tap).step_by(taps).zip(centre) {
        *slot = w;
    }
    Ok(kernel)
}

fn check_size(shape: &[usize]) -> Result<usize, SampleError> {
    shape
        .iter()
        .try_fold(1_usize, |product, &side| product.checked_mul(side))
        .filter(|entries| (1..=LARGEST).contains(entries))
        .ok_or_else(|| SampleError::Size { shape: shape.to_vec() })
}

/// The weight variance `σ_w² = fan_in · Var(W_ij)` that mean-field theory sees in an [`orthogonal`] matrix.
///
/// `rows` is the number of outputs, `cols` the number of inputs (`fan_in`).
///
/// ```text
/// σ_w² = gain² · cols / max(rows, cols)
/// ```
///
/// That is `gain²` for a layer that keeps or lowers the width (`rows ≤ cols`, orthonormal rows), and `gain² cols/rows` for
/// one that widens (orthonormal columns: the norm is kept exactly, so each of the more numerous outputs gets less).
/// Backwards, `fan_out · Var(W_ij) = gain² rows / max(rows, cols)`. For [`delta_orthogonal`], with the channels as rows
/// and columns, the same values hold: `fan_in` is larger by the number of taps, the variance over taps smaller.
/// NaN if both sides are zero.
///
/// # References
///
/// From `E W_ij² = gain²/max(rows, cols)`: the rows (or columns) have length `gain` and exchangeable entries.
pub fn effective_weight_variance(rows: usize, cols: usize, gain: f64) -> f64 {
    gain * gain * (cols as f64 / rows.max(cols) as f64)
}

/// `E w⁴ / (E w²)²` over the entries of an [`orthogonal`] matrix: `3n/(n + 2)` with `n` its longer side.
///
/// An entry is a coordinate of a uniform point on the sphere in `n` dimensions: `w² ~ Beta(1/2, (n - 1)/2)`.
/// NaN if both sides are zero.
pub fn orthogonal_entry_kurtosis(rows: usize, cols: usize) -> f64 {
    let n = rows.max(cols) as f64;
    if n == 0.0 { f64::NAN } else { 3.0 * n / (n + 2.0) }
}

#[cfg(test)]
mod tests;
