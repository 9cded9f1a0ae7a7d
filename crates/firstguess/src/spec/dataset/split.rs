//! A set divided at random, every class in proportion.

use super::{Dataset, DatasetError};
use crate::math::stream::{Purpose, Seed, Stream};

/// Examples to train on and examples held out, by their indices in the whole set, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// All others.
    pub train: Vec<usize>,
    /// One part in k.
    pub held_out: Vec<usize>,
}

impl Dataset {
    /// Divides the examples at random into parts of these shares, each class in proportion: the size of a part is within one example
    /// of its share of all, and within two of its share of each class.
    ///
    /// Indices ascend within each part. A set without labels counts as one class.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Division`] if the shares are not positive and sum to 1, or a part would be empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # use firstguess::spec::{Dataset, Shape};
    /// # use firstguess::math::stream::Seed;
    /// let data = Dataset::new("ten", Shape::flat(1)?, vec![0.0; 10])?.with_labels(vec![0, 0, 0, 0, 0, 1, 1, 1, 1, 1], 2)?;
    /// let [train, test] = &data.split(&[0.6, 0.4], Seed(0))?[..] else { panic!("two parts") };
    /// assert_eq!((train.class_counts(), test.class_counts()), (vec![3, 3], vec![2, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split(&self, shares: &[f64], seed: Seed) -> Result<Vec<Self>, DatasetError> {
        self.split_indices(shares, seed)?.iter().map(|part| self.subset(part)).collect()
    }

    /// As [`Dataset::split`], the indices instead of the examples.
    ///
    /// # Errors
    ///
    /// As [`Dataset::split`].
    pub fn split_indices(
        &self,
        shares: &[f64],
        seed: Seed,
    ) -> Result<Vec<Vec<usize>>, DatasetError> {
        let refuse =
            |problem: String| Err(DatasetError::Division { examples: self.examples(), problem });
        let positive = shares.iter().all(|share| share.is_finite() && *share > 0.0);
        let sum: f64 = shares.iter().sum();
        if !positive || (sum - 1.0).abs() > 1e-9 {
            return refuse(format!("shares must be positive and sum to 1, got {shares:?}"));
        }
        let mut parts = vec![Vec::new(); shares.len()];
        for (place, example) in self.by_class_at_random(seed).into_iter().enumerate() {
            // The part that lags furthest behind its share; of equals the first.
            let mut furthest = (0, f64::NEG_INFINITY);
            for (part, share) in shares.iter().enumerate() {
                let lag = share * (place + 1) as f64 - parts[part].len() as f64;
                if lag > furthest.1 + 1e-9 {
                    furthest = (part, lag);
                }
            }
            parts[furthest.0].push(example);
        }
        if parts.iter().any(Vec::is_empty) {
            return refuse(format!("a share of {shares:?} is less than one example"));
        }
        for part in &mut parts {
            part.sort_unstable();
        }
        Ok(parts)
    }

    /// Divides the examples at random into `count` folds for cross-validation: every example is held out once, and the held-out parts
    /// differ by at most one example, in all and in each class.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Division`] for fewer than 2 folds or more than there are examples.
    pub fn folds(&self, count: usize, seed: Seed) -> Result<Vec<Fold>, DatasetError> {
        let examples = self.examples();
        if !(2..=examples).contains(&count) {
            let problem = format!("{count} folds; from 2 to the number of examples are possible");
            return Err(DatasetError::Division { examples, problem });
        }
        let mut fold_of = vec![0; examples];
        for (place, example) in self.by_class_at_random(seed).into_iter().enumerate() {
            fold_of[example] = place % count;
        }
        let fold = |wanted: usize| {
            let (held_out, train) = (0..examples).partition(|&i| fold_of[i] == wanted);
            Fold { train, held_out }
        };
        Ok((0..count).map(fold).collect())
    }

    /// All examples, one class after the other, at random within each.
    fn by_class_at_random(&self, seed: Seed) -> Vec<usize> {
        let mut keys = vec![0.0; self.examples()];
        Stream::new(seed, 0, 2, Purpose::Split).fill_uniform_f64(0, &mut keys);
        let class = |i: usize| self.labels().map_or(0, |labels| labels[i]);
        let mut order: Vec<usize> = (0..self.examples()).collect();
        order.sort_by(|&a, &b| class(a).cmp(&class(b)).then(keys[a].total_cmp(&keys[b])));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Shape;

    /// 700 of class 0, 250 of class 1, 50 of class 2, mixed.
    fn uneven() -> Dataset {
        let labels = (0..1000_u32).map(|i| if i % 20 == 7 { 2 } else { u32::from(i % 4 == 1) });
        let data = Dataset::new("uneven", Shape::flat(1).unwrap(), vec![0.0; 1000]).unwrap();
        data.with_labels(labels.collect(), 3).unwrap()
    }

    fn counts(data: &Dataset, part: &[usize]) -> Vec<usize> {
        data.subset(part).unwrap().class_counts()
    }

    #[test]
    fn parts_are_disjoint_complete_and_in_proportion() {
        let data = uneven();
        let shares = [0.7, 0.2, 0.1];
        let parts = data.split_indices(&shares, Seed(1)).unwrap();
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..1000));
        for (part, share) in parts.iter().zip(shares) {
            assert!(part.is_sorted() && (part.len() as f64 - share * 1000.0).abs() <= 1.0);
            for (count, whole) in counts(&data, part).iter().zip(data.class_counts()) {
                assert!((*count as f64 - share * whole as f64).abs() <= 2.0, "{count} of {whole}");
            }
        }
        assert_eq!(parts, data.split_indices(&shares, Seed(1)).unwrap());
        assert_ne!(parts, data.split_indices(&shares, Seed(2)).unwrap());
    }

    #[test]
    fn folds_hold_every_example_out_once_and_differ_by_one() {
        let data = uneven();
        let folds = data.folds(7, Seed(3)).unwrap();
        let mut held: Vec<usize> = folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
        held.sort_unstable();
        assert!(held.iter().copied().eq(0..1000));
        for fold in &folds {
            assert_eq!(fold.train.len() + fold.held_out.len(), 1000);
            assert!(fold.train.iter().all(|i| fold.held_out.binary_search(i).is_err()));
            assert!(fold.held_out.len().abs_diff(142) <= 1);
            for (count, whole) in counts(&data, &fold.held_out).iter().zip(data.class_counts()) {
                assert!((*count as f64 - whole as f64 / 7.0).abs() < 1.0, "{count} of {whole}");
            }
        }
    }

    #[test]
    fn impossible_divisions_are_refused() {
        let data = uneven();
        for shares in [&[0.5, 0.6][..], &[1.0, 0.0], &[f64::NAN], &[], &[0.99999, 0.00001]] {
            assert!(data.split_indices(shares, Seed(0)).is_err(), "{shares:?}");
        }
        for count in [0, 1, 1001] {
            assert!(data.folds(count, Seed(0)).is_err());
        }
        let unlabelled = Dataset::new("x", Shape::flat(1).unwrap(), vec![0.0; 4]).unwrap();
        assert_eq!(unlabelled.split(&[0.5, 0.5], Seed(0)).unwrap()[0].examples(), 2);
    }
}
