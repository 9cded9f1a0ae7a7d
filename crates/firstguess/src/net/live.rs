//! Inputs of a dense layer that are zero in every example of a batch.
//!
//! Where activations are exactly zero on a side, deep networks align their inputs, and unit after unit is silent on all of
//! them: under He's rule a fifth of a layer of `ReLU` at depth 20, on a thousand independent inputs. A weight that meets
//! nothing but zeros need neither be multiplied nor made, and leaves no trace in the result.
#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined into the dispatched loop is compiled for the baseline instruction set"
)]

use super::error::NetError;
use super::gemm::{DEPTH, Matrix};
use super::scalar::Scalar;
use super::weights::{Rows, grow};
use pulp::{Arch, Simd, WithSimd};

/// Fewest examples, inputs and outputs for which the search is worth its time.
const WORTHWHILE: usize = 128;
/// One input in so many has to be silent: below that, moving the others together costs what it saves.
const SILENT: usize = 16;
/// Examples between two looks at how many inputs are still silent.
const STRIDE: usize = 32;

/// Where the search works.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveInputs<T> {
    positions: Vec<u32>,
    /// `[batch, positions]`.
    values: Vec<T>,
    /// Of each input, whether it was seen to differ from zero: one or zero.
    seen: Vec<T>,
}

impl<T: Scalar> LiveInputs<T> {
    /// The factors that make up `input`, `[batch, inputs]`, and the rows of the weights that they meet: one factor with all of them,
    /// or those of inputs that are not zero in every example, where leaving out the others pays.
    ///
    /// Cut where a product of all inputs is cut, so that the same terms are added in the same order: the result has the bits that
    /// it has with the zeros.
    ///
    /// # Errors
    ///
    /// [`NetError::Memory`] if the machine has no room for the copy.
    pub(super) fn factors<'a>(
        &'a mut self,
        input: &'a [T],
        inputs: usize,
        outputs: usize,
    ) -> Result<Vec<Factor<'a, T>>, NetError> {
        let batch = input.len() / inputs;
        if batch.min(inputs).min(outputs) < WORTHWHILE || !self.search(input, inputs) {
            return Ok(vec![Factor::whole(input, inputs)]);
        }
        let live = self.positions.len();
        grow(&mut self.values, "the inputs of a layer", batch * live)?;
        let rows = input.chunks_exact(inputs);
        for (row, packed) in rows.zip(self.values.chunks_exact_mut(live)) {
            for (to, from) in packed.iter_mut().zip(&self.positions) {
                *to = row[*from as usize];
            }
        }
        let mut first = 0;
        let parts = self.positions.chunk_by(|a, b| *a as usize / DEPTH == *b as usize / DEPTH);
        Ok(parts
            .map(|rows| {
                let values = &self.values[first..batch * live];
                first += rows.len();
                let input = Matrix::new(values, batch, rows.len()).with_stride(live);
                Factor { rows: Rows::Some(rows), input }
            })
            .collect())
    }

    /// Finds the inputs that are not zero throughout; false if too few or none are to be left.
    fn search(&mut self, input: &[T], inputs: usize) -> bool {
        self.seen.clear();
        self.seen.resize(inputs, T::ZERO);
        for rows in input.chunks(STRIDE * inputs) {
            let live = Arch::new().dispatch(See { rows, seen: &mut self.seen });
            if (inputs - live) * SILENT < inputs {
                return false;
            }
        }
        let seen = (0..).zip(&self.seen).filter(|(_, seen)| **seen != T::ZERO);
        self.positions.clear();
        self.positions.extend(seen.map(|(position, _)| position));
        !self.positions.is_empty()
    }
}

/// One factor of a product, and the rows of the other that it meets.
pub(super) struct Factor<'a, T> {
    pub(super) rows: Rows<'a>,
    pub(super) input: Matrix<'a, T>,
}

impl<'a, T> Factor<'a, T> {
    /// All of `input`, `[batch, inputs]`.
    pub(super) fn whole(input: &'a [T], inputs: usize) -> Self {
        let all = Matrix::new(input, input.len() / inputs, inputs);
        Self { rows: Rows::All(inputs), input: all }
    }
}

/// Marks the inputs that are not zero in some of `rows`; the number of those marked so far.
struct See<'a, T> {
    rows: &'a [T],
    seen: &'a mut [T],
}

impl<T: Scalar> WithSimd for See<'_, T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        for row in self.rows.chunks_exact(self.seen.len()) {
            for (seen, x) in self.seen.iter_mut().zip(row) {
                *seen = if *x == T::ZERO { *seen } else { T::ONE };
            }
        }
        self.seen.iter().filter(|seen| **seen != T::ZERO).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 600 inputs of which every third is silent, and one more in some examples only.
    fn input(batch: usize) -> Vec<f32> {
        let value = |row: usize, unit: usize| match unit {
            10 if row + 1 == batch => 0.5,
            _ if unit % 3 == 1 => -0.0,
            _ => 1.0 + (row * 600 + unit) as f32,
        };
        (0..batch).flat_map(|row| (0..600).map(move |unit| value(row, unit))).collect()
    }

    #[test]
    fn inputs_that_speak_are_moved_together_in_parts() {
        let (input, mut live) = (input(150), LiveInputs::default());
        let factors = live.factors(&input, 600, 128).unwrap();
        let rows: Vec<Vec<u64>> = factors.iter().map(|f| f.rows.iter().collect()).collect();
        let expected: Vec<u64> = (0..600).filter(|unit| unit % 3 != 1 || *unit == 10).collect();
        assert_eq!(rows.concat(), expected);
        assert_eq!(
            [rows[0].last(), rows[1].first()],
            [Some(&510), Some(&512)],
            "cut as a whole product is"
        );
        assert_eq!(live.values[..3], [1.0, 3.0, 4.0]);
        assert_eq!(live.values[149 * expected.len() + 7], 0.5);
    }

    #[test]
    fn small_or_lively_layers_are_left_as_they_are() {
        let mut live = LiveInputs::default();
        let mut untouched = |input: &[f32], outputs| {
            let factors = live.factors(input, 600, outputs).unwrap();
            matches!(factors[..], [Factor { rows: Rows::All(600), .. }])
        };
        assert!(untouched(&input(100), 128), "few examples");
        assert!(untouched(&input(150), 100), "few outputs");
        assert!(untouched(&vec![1.0; 600 * 150], 128), "none is silent");
        assert!(untouched(&vec![0.0; 600 * 150], 128), "all are");
        assert!(!untouched(&input(150), 128));
    }
}
