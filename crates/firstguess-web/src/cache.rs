//! A few answers kept, the least used going first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// At most so many values, of at most so much weight together.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    kept: Mutex<Kept<K, V>>,
    most: usize,
    heaviest: usize,
}

#[derive(Debug)]
struct Kept<K, V> {
    /// Value, weight and time of the last use.
    values: HashMap<K, (V, usize, u64)>,
    weight: usize,
    clock: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(most: usize, heaviest: usize) -> Self {
        let kept = Kept { values: HashMap::new(), weight: 0, clock: 0 };
        Self { kept: Mutex::new(kept), most, heaviest }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let (value, _, used) = kept.values.get_mut(key)?;
        *used = now;
        Some(value.clone())
    }

    /// Keeps a value, unless it alone is too heavy; what was used longest ago makes room.
    pub(crate) fn put(&self, key: K, value: V, weight: usize) {
        if weight > self.heaviest {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        if let Some((_, old, _)) = kept.values.insert(key, (value, weight, now)) {
            kept.weight -= old;
        }
        kept.weight += weight;
        while kept.values.len() > self.most || kept.weight > self.heaviest {
            let oldest = kept.values.iter().min_by_key(|(_, (_, _, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            if let Some((_, weight, _)) = kept.values.remove(&oldest) {
                kept.weight -= weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_goes_first_and_weight_is_bounded() {
        let cache = Cache::new(2, 10);
        cache.put("a", 1, 4);
        cache.put("b", 2, 4);
        assert_eq!(cache.get(&"a"), Some(1));
        cache.put("c", 3, 4);
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.get(&"c")), (Some(1), None, Some(3)));
        cache.put("d", 4, 9);
        assert_eq!((cache.get(&"a"), cache.get(&"c"), cache.get(&"d")), (None, None, Some(4)));
        cache.put("e", 5, 11);
        assert_eq!((cache.get(&"e"), cache.get(&"d")), (None, Some(4)));
        cache.put("d", 6, 1);
        assert_eq!(cache.get(&"d"), Some(6));
    }
}
