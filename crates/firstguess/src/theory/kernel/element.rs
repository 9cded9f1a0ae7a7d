//! The elementwise function between two layers, applied to a whole set of Gaussian points.

use super::hermite::Series;
use super::piecewise::Piecewise;
use super::points::Points;
use super::table::Table;
use super::vector::{self, HomogeneousMap};
use crate::spec::activation::Activation;
use crate::theory::NoTheory;
use crate::theory::dual::{Dual, Pointwise};
use rayon::prelude::*;

/// Variances beyond this have left the range of every method but the homogeneous one.
const LARGEST: f64 = 1e200;

/// One elementwise function, prepared for layer after layer.
pub(super) struct Element {
    dual: Dual,
    piecewise: Option<Piecewise>,
    /// The last ones that were made: layers of other positions come back to them.
    tables: Vec<Table>,
    /// Tables that were made for variances far apart.
    wide_tables: usize,
}

/// What became of the points.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// `E φ'²` at each point.
    pub(super) derivative_second: Vec<f64>,
    /// Bound on the error of a covariance relative to `√(M_a M_b)`.
    pub(super) error: f64,
}

/// Decades between the smallest and the largest variance beyond which a table takes seconds, and how many of these are made.
///
/// One serves data whose inputs differ that much. A network whose variance map repels pulls its inputs farther apart in every
/// layer, and would ask for one each.
const WIDE: f64 = 3.0;
const WIDE_TABLES: usize = 2;

/// Tables that are kept.
const KEPT_TABLES: usize = 8;

/// Error of the closed forms and of the series.
const EXACT: f64 = 1e-13;

impl Element {
    pub(super) fn new(function: &Pointwise) -> Self {
        Self {
            dual: Dual::of(function.clone()),
            piecewise: Piecewise::of(function),
            tables: Vec::new(),
            wide_tables: 0,
        }
    }

    pub(super) fn function(&self) -> &Pointwise {
        self.dual.function()
    }

    /// Makes what serves points of all these variances at once, where one function is tabulated.
    ///
    /// # Errors
    ///
    /// As [`Element::apply`].
    pub(super) fn prepare(&mut self, variances: impl Iterator<Item = f64>) -> Result<(), NoTheory> {
        let mut ends = [f64::INFINITY, f64::NEG_INFINITY];
        for q in variances.filter(|q| *q > 0.0 && *q <= LARGEST) {
            ends = [ends[0].min(q), ends[1].max(q)];
        }
        if ends[0] > ends[1] || !self.tabulated(&ends) {
            return Ok(());
        }
        self.table_for(&ends)
    }

    /// Whether points of these variances need a table.
    fn tabulated(&self, variances: &[f64]) -> bool {
        let functions = self.function().functions();
        let closed = matches!(
            functions,
            [Activation::Erf | Activation::Sin | Activation::Gelu | Activation::Sign]
        );
        self.dual.homogeneous().is_none()
            && !closed
            && self.piecewise.is_none()
            && Series::new(self.dual.function(), variances).is_none()
    }

    /// Carries jointly Gaussian points of mean zero through the function.
    pub(super) fn apply(&mut self, points: &mut Points) -> Result<Outcome, NoTheory> {
        if let Some(bad) = points.second.iter().find(|q| !q.is_finite() || **q > LARGEST) {
            return Err(NoTheory::new(format!(
                "a variance of {bad:.3e} is beyond the range of the moments"
            )));
        }
        let outcome = self.map(points)?;
        points.free_origins();
        Ok(outcome)
    }

    fn map(&mut self, points: &mut Points) -> Result<Outcome, NoTheory> {
        if let Some((left, right)) = self.dual.homogeneous() {
            return Ok(homogeneous(points, left, right));
        }
        if *self.function().functions() == [Activation::Sign] {
            return Ok(sign(points));
        }
        if let Some(series) = Series::new(self.dual.function(), &points.second) {
            return Ok(self.by_series(points, series));
        }
        if self.piecewise.is_some() {
            return Ok(self.by_pieces(points));
        }
        if matches!(
            self.function().functions(),
            [Activation::Erf | Activation::Sin | Activation::Gelu]
        ) {
            return Ok(self.by_closed_form(points));
        }
        self.by_table(points)
    }

    fn by_series(&self, points: &mut Points, series: Series) -> Outcome {
        let moments = series.moments(&points.second);
        let seconds: Vec<f64> = moments.iter().map(|m| m[1]).collect();
        series.map(points, &seconds);
        let mut derivative_second = Vec::with_capacity(moments.len());
        for ((q, mean), moment) in points.second.iter_mut().zip(&mut points.mean).zip(&moments) {
            derivative_second.push(if *q > 0.0 {
                moment[2]
            } else {
                self.dual.moments(0.0).derivative_second
            });
            (*mean, *q) = (moment[0], moment[1]);
        }
        Outcome { derivative_second, error: EXACT }
    }

    fn by_pieces(&self, points: &mut Points) -> Outcome {
        let Some(piecewise) = &self.piecewise else {
            return Outcome { derivative_second: Vec::new(), error: 0.0 };
        };
        let derivative_second = self.derivatives(points);
        let moments: Vec<[f64; 2]> =
            points.second.par_iter().map(|q| piecewise.moments(*q)).collect();
        let second: Vec<f64> = moments.iter().map(|m| m[1]).collect();
        piecewise.map(points, &second);
        points.mean = moments.iter().map(|m| m[0]).collect();
        points.second = second;
        Outcome { derivative_second, error: EXACT }
    }

    fn by_closed_form(&self, points: &mut Points) -> Outcome {
        let moments: Vec<_> = points.second.par_iter().map(|q| self.dual.moments(*q)).collect();
        let variances = points.second.clone();
        points.map(|a, b, e| {
            let kernel = self.dual.cross_kernel(variances[a], variances[b], 1.0 - e);
            let product = moments[a].second.sqrt() * moments[b].second.sqrt();
            if product > 0.0 { 1.0 - kernel / product } else { 1.0 }
        });
        points.mean = moments.iter().map(|m| m.mean).collect();
        points.second = moments.iter().map(|m| m.second).collect();
        Outcome {
            derivative_second: moments.iter().map(|m| m.derivative_second).collect(),
            error: EXACT,
        }
    }

    fn by_table(&mut self, points: &mut Points) -> Result<Outcome, NoTheory> {
        let moments: Vec<_> = points.second.par_iter().map(|q| self.dual.moments(*q)).collect();
        self.table_for(&points.second)?;
        let Some(table) = self.tables.iter().find(|table| table.covers(&points.second)) else {
            return Err(NoTheory::new("the kernel has no table"));
        };
        table.map(points, self.dual.function().value(0.0), &moments);
        points.mean = moments.iter().map(|m| m.mean).collect();
        points.second = moments.iter().map(|m| m.second).collect();
        Ok(Outcome {
            derivative_second: moments.iter().map(|m| m.derivative_second).collect(),
            error: table.error(),
        })
    }

    /// A table that covers these variances, in place of one that does not.
    fn table_for(&mut self, variances: &[f64]) -> Result<(), NoTheory> {
        let covered = self.tables.iter().any(|table| table.covers(variances));
        if !covered {
            let apart = decades_apart(variances);
            if apart > WIDE {
                self.wide_tables += 1;
                if self.wide_tables > WIDE_TABLES {
                    return Err(NoTheory::new(format!(
                        "the variances of the inputs have come apart by {apart:.1} decades and move on with every layer: too far \
                         for the kernel of `{}` to be tabulated anew each time",
                        self.function()
                    )));
                }
            }
            let table = Table::new(self.dual.function(), variances)?;
            self.tables.truncate(KEPT_TABLES - 1);
            self.tables.insert(0, table);
        }
        Ok(())
    }

    fn derivatives(&self, points: &Points) -> Vec<f64> {
        points.second.par_iter().map(|q| self.dual.moments(*q).derivative_second).collect()
    }
}

/// Between the smallest and the largest positive variance.
fn decades_apart(variances: &[f64]) -> f64 {
    let logs = variances.iter().filter(|q| **q > 0.0).map(|q| q.log10());
    let (low, high) =
        logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    (high - low).max(0.0)
}

fn homogeneous(points: &mut Points, left: f64, right: f64) -> Outcome {
    let (odd, even) = (0.5 * (right + left), 0.5 * (right - left));
    let square = odd * odd + even * even;
    // A straight line keeps every angle.
    if even != 0.0 {
        let (odd, even) = (odd * odd / square, even * even / square);
        vector::apply(points, HomogeneousMap { odd, even, bend: vector::bend() });
    }
    for (q, mean) in points.second.iter_mut().zip(&mut points.mean) {
        *mean = even * (std::f64::consts::FRAC_2_PI * *q).sqrt();
        *q *= square;
    }
    Outcome { derivative_second: vec![square; points.len()], error: EXACT }
}

/// `½E(sign u - sign v)² = 2θ/π`.
fn sign(points: &mut Points) -> Outcome {
    points.map(|_, _, e| 2.0 * std::f64::consts::FRAC_2_PI * (0.5 * e).sqrt().min(1.0).asin());
    for (q, mean) in points.second.iter_mut().zip(&mut points.mean) {
        // sign 0 = 0.
        *q = if *q > 0.0 { 1.0 } else { 0.0 };
        *mean = 0.0;
    }
    Outcome { derivative_second: vec![f64::INFINITY; points.len()], error: EXACT }
}
