//! Rows without repetition.

use std::collections::HashMap;

/// Which rows of a matrix are distinct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    /// The first row of each kind.
    pub(super) first: Vec<usize>,
    /// The kind of each row; none for rows of zeros, where those are told apart.
    pub(super) of: Vec<Option<usize>>,
}

impl Rows {
    pub(super) fn distinct(&self) -> usize {
        self.first.len()
    }

    /// The distinct rows of `[rows, width]`, compared bit by bit; `None` where all are distinct.
    pub(super) fn of(values: &[f32], width: usize) -> Option<Self> {
        let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut rows = Self { first: Vec::new(), of: Vec::new() };
        for (position, row) in values.chunks_exact(width.max(1)).enumerate() {
            // Zeros of both signs multiply alike.
            let bits: Vec<u32> = row.iter().map(|x| (x + 0.0).to_bits()).collect();
            let next = rows.first.len();
            let kind = *known.entry(bits).or_insert(next);
            if kind == next {
                rows.first.push(position);
            }
            rows.of.push(Some(kind));
        }
        (rows.first.len() < rows.of.len()).then_some(rows)
    }
}

/// Gradients without repetition: equal ones of equal inputs are drawn once, those that vanish not at all; `None` where
/// nothing is saved.
pub(super) fn representatives(
    inputs: Option<&Rows>,
    gradient: &[f32],
    width: usize,
) -> Option<Rows> {
    let row = |i: usize| &gradient[i * width..(i + 1) * width];
    let vanishes = |i: usize| row(i).iter().all(|g| *g == 0.0);
    let count = gradient.len() / width.max(1);
    if inputs.is_none() && !(0..count).any(vanishes) {
        return None;
    }
    let mut of_kind: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut few = Rows { first: Vec::new(), of: Vec::with_capacity(count) };
    for i in 0..count {
        if vanishes(i) {
            few.of.push(None);
            continue;
        }
        let kind = inputs.and_then(|rows| rows.of[i]).unwrap_or(i);
        let alike = of_kind.entry(kind).or_default();
        let known = alike.iter().copied().find(|k| row(few.first[*k]) == row(i));
        let place = known.unwrap_or_else(|| {
            few.first.push(i);
            alike.push(few.first.len() - 1);
            few.first.len() - 1
        });
        few.of.push(Some(place));
    }
    Some(few)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_are_found() {
        let values = [1.0, 2.0, 0.0, -0.0, 1.0, 2.0, -0.0, 0.0, 2.0, 1.0];
        let rows = Rows::of(&values, 2).unwrap();
        assert_eq!(rows.first, [0, 1, 4]);
        assert_eq!(rows.of, [0, 1, 0, 1, 2].map(Some));
        assert_eq!(Rows::of(&values[..4], 2), None);
        // Equal gradients count as one only where the inputs are equal too.
        let gradient = [5.0, 5.0, 0.0, 5.0, 7.0];
        let few = representatives(Some(&rows), &gradient, 1).unwrap();
        assert_eq!(few.first, [0, 1, 4]);
        assert_eq!(few.of, [Some(0), Some(1), None, Some(1), Some(2)]);
        assert_eq!(representatives(None, &[1.0, 1.0], 1), None);
        assert_eq!(representatives(None, &[1.0, 0.0], 1).unwrap().of, [Some(0), None]);
    }
}
