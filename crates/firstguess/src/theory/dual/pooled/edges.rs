//! Edges of panels.

/// Sorts, clips to `[low, high]`, adds the ends and drops doubles.
pub(super) fn close(edges: &mut Vec<f64>, low: f64, high: f64) {
    edges.retain(|e| *e > low && *e < high);
    edges.push(low);
    edges.push(high);
    edges.sort_by(f64::total_cmp);
    edges.dedup_by(|a, b| (*a - *b).abs() <= 1e-12 * (high - low));
}

/// Half the distances of each two, in units of `scale`.
pub(super) fn crossings(places: &[f64], scale: f64) -> Vec<f64> {
    let pairs = places.iter().enumerate();
    pairs
        .flat_map(|(i, a)| places[i + 1..].iter().map(move |b| 0.5 * (b - a).abs() / scale))
        .collect()
}

/// Drops edges closer than `distance`, or half their own size, to the one before or to one in `exact`.
///
/// Both ends stay, and so do those in `exact`: the integrand bends there.
pub(super) fn thin(edges: &mut Vec<f64>, distance: f64, exact: &[f64]) {
    let (Some(&first), Some(&last)) = (edges.first(), edges.last()) else { return };
    let apart = |a: f64, b: f64| (a - b).abs() >= distance.min(0.5 * a.max(b));
    let mut exact: Vec<f64> = exact.iter().copied().filter(|e| *e > first && *e < last).collect();
    exact.sort_by(f64::total_cmp);
    exact.dedup_by(|a, b| (*a - *b).abs() <= 1e-12 * last);
    let mut kept = f64::NEG_INFINITY;
    edges.retain(|e| {
        let keep = apart(*e, kept) && exact.iter().all(|x| apart(*e, *x));
        if keep {
            kept = *e;
        }
        keep || *e == first
    });
    if edges.last() != Some(&last) {
        edges.push(last);
    }
    edges.extend(exact);
    edges.sort_by(f64::total_cmp);
}

/// Cuts panels that are wider than `finest` into equal parts.
pub(super) fn split(edges: &mut Vec<f64>, finest: f64) {
    let cuts: Vec<f64> = edges
        .windows(2)
        .flat_map(|panel| {
            let (start, width) = (panel[0], panel[1] - panel[0]);
            let parts = (width / finest).ceil();
            std::iter::successors(Some(1.0), |k| Some(k + 1.0))
                .take_while(move |k| *k < parts)
                .map(move |k| start + width * k / parts)
        })
        .collect();
    edges.extend(cuts);
    edges.sort_by(f64::total_cmp);
}
