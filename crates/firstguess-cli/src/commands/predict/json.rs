//! The prediction for programs.

use firstguess::report::block_fields;
use firstguess::theory::log_periodic::PeriodicFixedPoints;
use firstguess::theory::phase::FixedPoint;
use firstguess::theory::predict::BlockLimit;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Answer, Guess, LayerNumbers};
use crate::commands::preserved::Shown;
use crate::json::Fields;

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.question {
            map.serialize_entry(name, value)?;
        }
        map.number("q_star", &self.limit_of(|blocks| blocks.q_star, |limit| &limit.q_star))?;
        map.number("q_slope", &self.limit(|limit| &limit.q_slope))?;
        map.number("chi_1", &self.chi())?;
        map.number("c_star", &self.limit_of(BlockLimit::c_star, |limit| &limit.c_star))?;
        map.number("chi_c", &self.limit(|limit| &limit.chi_c))?;
        map.number("depth_scale_q", &self.limit(|limit| &limit.depth_scale_q))?;
        map.number("depth_scale_c", &self.limit(|limit| &limit.depth_scale_c))?;
        map.number("gradient_depth_scale", &self.limit(|limit| &limit.gradient_depth_scale))?;
        map.number(
            "gamma_star",
            &self.limit_of(BlockLimit::gamma_star, |limit| &limit.gamma_star),
        )?;
        map.maybe("phase", self.phase().as_ref())?;
        map.maybe("prejudice", self.prejudice().as_ref())?;
        if let Some(found) = &self.block {
            map.serialize_entry("block", &block_fields(found).into_value())?;
        }
        let points: Vec<_> = self.fixed_points().iter().map(Point).collect();
        map.serialize_entry("fixed_points", &points)?;
        if let Some(periodic) = &self.periodic {
            map.serialize_entry("periodic_fixed_points", &Periodic(periodic))?;
        }
        map.maybe("preserved", self.preserved.as_ref().map(Shown))?;
        if let Some(pull) = self.class_gradients() {
            map.maybe("class_gradients", pull.as_ref())?;
        }
        if let Some(guess) = &self.guess {
            map.serialize_entry("guess", guess)?;
            map.number("loss", &guess.loss)?;
        }
        map.serialize_entry("layers", &Layers(self))?;
        if let Some(why) = &self.ended {
            map.serialize_entry("layers_reason", &why.reason)?;
        }
        map.end()
    }
}

struct Periodic<'a>(&'a PeriodicFixedPoints);

impl Serialize for Periodic<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let points: Vec<_> = self.0.per_period.iter().map(Point).collect();
        map.serialize_entry("per_period", &points)?;
        map.finite("factor", self.0.factor)?;
        map.finite("smallest_ratio", self.0.range.0)?;
        map.finite("largest_ratio", self.0.range.1)?;
        map.serialize_entry("exact", &self.0.exact)?;
        map.end()
    }
}

struct Point<'a>(&'a FixedPoint);

impl Serialize for Point<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.finite("q_star", self.0.q_star)?;
        map.finite("q_slope", self.0.q_slope)?;
        map.serialize_entry("stable", &self.0.stable)?;
        map.end()
    }
}

impl Serialize for Guess {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |field: fn(&firstguess::theory::predict::PrejudicePrediction) -> f64| {
            self.prejudice.as_ref().map(field).map_err(Clone::clone)
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("classes", &self.classes)?;
        map.number("gamma", &of(|guess| guess.gamma))?;
        map.number("largest_share", &of(|guess| guess.largest_share))?;
        map.number("agreement", &of(|guess| guess.agreement))?;
        map.number("share_variance", &of(|guess| guess.share_variance))?;
        map.number("neutral_share", &of(|guess| guess.neutral_share))?;
        map.end()
    }
}

/// Written layer by layer: there may be a million.
struct Layers<'a>(&'a Answer);

impl Serialize for Layers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0.layers.len()).map(|index| self.0.layer(index)))
    }
}

impl Serialize for LayerNumbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("kind", self.kind)?;
        map.number("q", &self.q)?;
        map.number("c", &self.c)?;
        map.number("v", &self.v)?;
        map.number("t", &self.t)?;
        map.number("gamma", &self.gamma)?;
        map.number("gradient", &self.gradient)?;
        if let Some(correction) = &self.finite_width {
            map.maybe("finite_width", correction.as_ref())?;
        }
        if let Some(found) = &self.on_data {
            map.finite("mean_correlation", found.mean_correlation)?;
            map.maybe("class_correlations", found.class_correlations.as_ref())?;
        }
        map.end()
    }
}
