//! Where a function rises, falls and stands still.

use crate::theory::NoTheory;
use crate::theory::dual::Pointwise;

/// Turns beyond which level sets are not followed.
const MAX_PIECES: usize = 9;

/// Beyond this the function is taken to go on as it does there.
const FAR: f64 = 1e7;

/// An interval on which the function rises (`direction` 1), falls (-1) or is constant (0).
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) direction: i8,
    /// Points of the piece with their values, ascending in `x`: brackets for its inverse.
    pub(super) samples: Vec<(f64, f64)>,
}

/// The pieces of `φ` over the whole line.
///
/// # Errors
///
/// [`NoTheory`] if it turns more than eight times, or jumps where it also turns.
pub(super) fn pieces(function: &Pointwise) -> Result<Vec<Piece>, NoTheory> {
    let grid = scan_points(function);
    let direction = |x: f64| {
        let slope = function.value_and_derivative(x).1;
        if slope > 0.0 {
            1_i8
        } else if slope < 0.0 {
            -1
        } else {
            0
        }
    };
    // Each cell is judged at its middle, so that no kink decides.
    let mut found: Vec<Piece> = Vec::new();
    for cell in grid.windows(2) {
        let turn = direction(0.5 * (cell[0] + cell[1]));
        match found.last_mut() {
            Some(piece) if piece.direction == turn => piece.to = cell[1],
            Some(piece) => {
                let start = boundary(&direction, piece.to, cell, piece.direction);
                piece.to = start;
                found.push(Piece {
                    from: start,
                    to: cell[1],
                    direction: turn,
                    samples: Vec::new(),
                });
            }
            None => found.push(Piece {
                from: cell[0],
                to: cell[1],
                direction: turn,
                samples: Vec::new(),
            }),
        }
        if found.len() > 4 * MAX_PIECES {
            break;
        }
    }
    if found.iter().filter(|piece| piece.direction != 0).count() > MAX_PIECES {
        return Err(NoTheory::new(format!(
            "the largest of several units of {function}: its level sets have too many parts, as it turns more than {} \
             times",
            MAX_PIECES - 1
        )));
    }
    for piece in &mut found {
        let inside = grid.iter().copied().filter(|x| *x > piece.from && *x < piece.to);
        piece.samples = std::iter::once(piece.from)
            .chain(inside)
            .chain(std::iter::once(piece.to))
            .map(|x| (x, function.value(x)))
            .collect();
    }
    Ok(found)
}

/// Where the direction changes around the start of `cell`, by bisection on the derivative's sign.
fn boundary(direction: &impl Fn(f64) -> i8, known: f64, cell: &[f64], before: i8) -> f64 {
    // The change lies between the middle of the cell before and the middle of this one.
    let (mut low, mut high) = (known - 0.5 * (cell[1] - cell[0]), 0.5 * (cell[0] + cell[1]));
    if direction(low) != before {
        return known;
    }
    // A joint of two formulas is a point of the grid: exact.
    let tiny = 1e-9 * known.abs().max(1e-3);
    if direction(known - tiny) == before && direction(known + tiny) != before {
        return known;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if direction(middle) == before {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Dense around zero and the breaks, then geometric.
fn scan_points(function: &Pointwise) -> Vec<f64> {
    let scale = function.length_scale().min(1.0);
    let mut centres = function.breakpoints();
    centres.push(0.0);
    let mut points = centres.clone();
    for centre in centres {
        let mut distance = 0.02 * scale;
        let mut step = distance;
        while distance < FAR {
            points.extend([centre - distance, centre + distance]);
            if distance > 12.0 * scale {
                step *= 1.1;
            }
            distance += step;
        }
    }
    points.retain(|x| x.abs() <= FAR);
    points.sort_by(f64::total_cmp);
    points.dedup_by(|a, b| (*a - *b).abs() < 1e-6 * scale);
    points
}
