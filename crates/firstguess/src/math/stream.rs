//! The one random generator of the project: Philox4x32-10, addressed by counter.
//!
//! A [`Stream`] is named by (seed, draw, layer, [`Purpose`]) and holds no state: element `i` has the same value however
//! the range is split, in whatever order and on however many threads it is filled, and on every instruction set.
//!
//! ```text
//! key     = seed (64 bits)
//! counter = block (40 bits) | purpose (8) | draw (48) | layer (32)
//! ```
//!
//! Sixteen consecutive blocks of four words form a group, the unit of vectorisation. With `n` values taken from each
//! block, element `i` is value `(i / 16) mod n` of block `16 (i / 16n) + i mod 16`.
//!
//! # References
//!
//! `salmon2011` (Parallel random numbers: as easy as 1, 2, 3, SC11); Box and Muller 1958.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "counters are cut into words and words into fields on purpose"
)]

use super::elementary::{cos_sin_turn, cos_sin_turn_f32, ln, minus_ln_uniform_f32};
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// The number that fixes every random digit of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// What a random number is for: equal addresses with different purposes never share a counter.
///
/// The discriminants are part of the definition of every stream. They never change; a new purpose takes a new number
/// below 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Purpose {
    /// Weights of a layer.
    Weights = 1,
    /// Biases of a layer.
    Bias = 2,
    /// Synthetic inputs.
    Data = 3,
    /// Synthetic labels, or noise put on labels.
    Labels = 4,
    /// Random output gradients of a backward pass.
    Cotangent = 5,
    /// Dropout masks.
    Dropout = 6,
    /// Outputs drawn from their limiting law.
    Logits = 7,
    /// Noise added to activations or inputs.
    Noise = 8,
    /// Division of a data set into parts.
    Split = 9,
    /// Order of the samples in an epoch.
    Shuffle = 10,
    /// Pre-activations drawn conditionally on the layer before, without weights.
    Conditioned = 11,
    /// Random probe vectors (trace and norm estimates).
    Probe = 12,
    /// Resampling for standard errors.
    Bootstrap = 13,
    /// Random gains, residual gates and other per-layer parameters beside weight and bias.
    Parameter = 14,
    /// Anything in a test or an example.
    Test = 127,
}

/// A named sequence of independent random numbers, addressable by element.
///
/// # Examples
///
/// ```
/// use firstguess::math::stream::{Purpose, Seed, Stream};
/// let stream = Stream::new(Seed(0), 0, 0, Purpose::Weights);
/// let mut whole = [0.0_f32; 100];
/// stream.fill_normal_f32(0, &mut whole);
/// let mut part = [0.0_f32; 3];
/// stream.fill_normal_f32(41, &mut part);
/// assert_eq!(part, whole[41..44]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    key: [u32; 2],
    /// Counter words 1 to 3; the low 8 bits of the first are free for the block index.
    high: [u32; 3],
}

/// Blocks in a group: one per lane of the widest registers (16 words of 32 bits).
pub(crate) const LANES: usize = 16;

/// Marks a companion stream; purposes stay below it.
const COMPANION: u32 = 0x80 << 8;

impl Stream {
    /// The stream of one draw, layer and purpose.
    ///
    /// For draws below 2⁴⁸ two different (seed, draw, layer, purpose) never share a (key, counter) pair. Draws beyond
    /// move to another key, so within one seed no two streams ever meet.
    pub fn new(seed: Seed, draw: u64, layer: u32, purpose: Purpose) -> Self {
        // Odd multiplier: distinct excess draws give distinct keys.
        let key = seed.0 ^ (draw >> 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let draw_high = (draw >> 32) as u32 & 0xffff;
        Self {
            key: [key as u32, (key >> 32) as u32],
            high: [(draw_high << 16) | ((purpose as u32) << 8), draw as u32, layer],
        }
    }

    /// The same address on counters of its own: for laws whose elements need more randomness now and then.
    #[must_use]
    pub(crate) fn companion(self) -> Self {
        let [first, second, third] = self.high;
        Self { high: [first | COMPANION, second, third], ..self }
    }

    /// The four words of block `index` (modulo 2⁴⁰).
    #[inline(always)]
    pub(crate) fn block(&self, index: u64) -> [u32; 4] {
        let carry = (index >> 32) as u32 & 0xff;
        philox([index as u32, self.high[0] | carry, self.high[1], self.high[2]], self.key)
    }

    /// Fills `out` with the 32-bit words at elements `first_element..` (modulo 2⁴²).
    pub fn fill_u32(&self, first_element: u64, out: &mut [u32]) {
        self.fill(Words, first_element, out);
    }

    /// Fills `out` with uniforms in the open interval (0, 1): odd multiples of 2⁻²⁴.
    pub fn fill_uniform_f32(&self, first_element: u64, out: &mut [f32]) {
        self.fill(UniformF32, first_element, out);
    }

    /// Fills `out` with uniforms in the open interval (0, 1): odd multiples of 2⁻⁵³, two to a block.
    pub fn fill_uniform_f64(&self, first_element: u64, out: &mut [f64]) {
        self.fill(UniformF64, first_element, out);
    }

    /// Fills `out` with standard normals of 32 random bits each.
    ///
    /// ```text
    /// r = √(-2 ln u),  (r cos 2πv, r sin 2πv),  u = (x + ½)/2³², v = (y + ½)/2³²
    /// ```
    ///
    /// The largest value is 6.76. Relative error of each value below 1e-6.
    pub fn fill_normal_f32(&self, first_element: u64, out: &mut [f32]) {
        self.fill(NormalF32, first_element, out);
    }

    /// Fills `out` with standard normals of 53 random bits each; the largest value is 8.57.
    pub fn fill_normal_f64(&self, first_element: u64, out: &mut [f64]) {
        self.fill(NormalF64, first_element, out);
    }

    /// The one value that [`Stream::fill_normal_f32`] puts at `element`.
    pub fn normal_at(&self, element: u64) -> f32 {
        self.at(NormalF32, element)
    }

    /// The one value that [`Stream::fill_uniform_f64`] puts at `element`.
    pub fn uniform_at(&self, element: u64) -> f64 {
        self.at(UniformF64, element)
    }

    /// Fills `out` with the elements `first_element..` of `law`, with the widest instructions of this machine.
    pub(crate) fn fill<const N: usize, L: BlockLaw<N>>(
        &self,
        law: L,
        first_element: u64,
        out: &mut [L::Value],
    ) {
        self.fill_on(Arch::new(), law, first_element, out);
    }

    /// [`Stream::fill`] on a given instruction set: the bits do not depend on it.
    pub(crate) fn fill_on<const N: usize, L: BlockLaw<N>>(
        &self,
        arch: Arch,
        law: L,
        first_element: u64,
        out: &mut [L::Value],
    ) {
        arch.dispatch(Fill { stream: *self, law, first_element, out });
    }

    /// One element of `law`.
    pub(crate) fn at<const N: usize, L: BlockLaw<N>>(&self, law: L, element: u64) -> L::Value {
        let group = element / (LANES * N) as u64;
        let within = (element % (LANES * N) as u64) as usize;
        let block = group.wrapping_mul(LANES as u64).wrapping_add((within % LANES) as u64);
        law.values(self.block(block))[within / LANES]
    }
}

/// A law whose values come `N` at a time from one Philox block.
///
/// `values` must be branch-free and marked `#[inline(always)]` for the fill loop to vectorise.
pub(crate) trait BlockLaw<const N: usize>: Copy {
    type Value: Copy + Default;
    fn values(self, block: [u32; 4]) -> [Self::Value; N];
}

#[derive(Clone, Copy)]
pub(crate) struct Words;

impl BlockLaw<4> for Words {
    type Value = u32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [u32; 4] {
        block
    }
}

#[derive(Clone, Copy)]
pub(crate) struct UniformF32;

impl BlockLaw<4> for UniformF32 {
    type Value = f32;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f32; 4] {
        block.map(|word| ((word >> 9) as f32 + 0.5) * 0.5_f32.powi(23))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct UniformF64;

impl BlockLaw<2> for UniformF64 {
    type Value = f64;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f64; 2] {
        uniforms(block)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct NormalF32;

impl BlockLaw<4> for NormalF32 {
    type Value = f32;
    #[inline(always)]
    fn values(self, [a, b, c, d]: [u32; 4]) -> [f32; 4] {
        let [first, second] = normal_pair_f32(a, b);
        let [third, fourth] = normal_pair_f32(c, d);
        [first, second, third, fourth]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct NormalF64;

impl BlockLaw<2> for NormalF64 {
    type Value = f64;
    #[inline(always)]
    fn values(self, block: [u32; 4]) -> [f64; 2] {
        normal_pair(block)
    }
}

#[inline(always)]
fn normal_pair_f32(radius: u32, angle: u32) -> [f32; 2] {
    let r = (2.0 * minus_ln_uniform_f32(radius)).sqrt();
    let (cosine, sine) = cos_sin_turn_f32(angle);
    [r * cosine, r * sine]
}

/// Two standard normals from one block.
#[inline(always)]
pub(crate) fn normal_pair(block: [u32; 4]) -> [f64; 2] {
    let [u, v] = uniforms(block);
    let r = (-2.0 * ln(u)).sqrt();
    let (cosine, sine) = cos_sin_turn(v);
    [r * cosine, r * sine]
}

/// Two uniforms in (0, 1) from one block.
#[inline(always)]
pub(crate) fn uniforms([a, b, c, d]: [u32; 4]) -> [f64; 2] {
    [uniform(a, b), uniform(c, d)]
}

/// `(k + ½) 2⁻⁵²`, `k` the upper 52 of the 64 bits: exact, and neither 0 nor 1.
#[inline(always)]
fn uniform(high: u32, low: u32) -> f64 {
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    // A 52-bit mantissa under the exponent of 1, less 1: integer conversions of 64 bits do not vectorise below AVX-512.
    let k = (u64::from(high) << 20) | u64::from(low >> 12);
    (f64::from_bits(ONE | k) - 1.0) + 0.5_f64.powi(53)
}

/// Philox4x32 with ten rounds.
#[inline(always)]
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let first = 0xd251_1f53_u64 * u64::from(counter[0]);
        let second = 0xcd9e_8d57_u64 * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

/// The fill loop, compiled once for each instruction set.
struct Fill<'a, const N: usize, L: BlockLaw<N>> {
    stream: Stream,
    law: L,
    first_element: u64,
    out: &'a mut [L::Value],
}

impl<const N: usize, L: BlockLaw<N>> Fill<'_, N, L> {
    /// One whole group. The loop over lanes is what vectorises: scalar code, one block per lane.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "lanes run across the rows of `values`")]
    fn group(&self, group: u64, values: &mut [[L::Value; LANES]; N]) {
        let base = group.wrapping_mul(LANES as u64);
        for lane in 0..LANES {
            let of_block = self.law.values(self.stream.block(base | lane as u64));
            for k in 0..N {
                values[k][lane] = of_block[k];
            }
        }
    }

    #[inline(always)]
    fn run(self) {
        let size = LANES * N;
        let mut group = self.first_element / size as u64;
        let mut skip = (self.first_element % size as u64) as usize;
        let mut values = [[L::Value::default(); LANES]; N];
        let mut written = 0;
        while written < self.out.len() {
            self.group(group, &mut values);
            let fresh = &values.as_flattened()[skip..];
            let count = fresh.len().min(self.out.len() - written);
            self.out[written..written + count].copy_from_slice(&fresh[..count]);
            written += count;
            skip = 0;
            group = group.wrapping_add(1);
        }
    }
}

impl<const N: usize, L: BlockLaw<N>> WithSimd for Fill<'_, N, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.run();
    }
}

#[cfg(test)]
mod tests;
