//! The prediction for programs.

use firstguess::theory::phase::FixedPoint;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Answer, Layer};
use crate::json::Fields;

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (args, limit) = (self.args, &self.limit);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("activation", &args.activation.activation)?;
        map.serialize_entry("weight_variance", &args.weight_variance)?;
        map.serialize_entry("bias_variance", &args.bias_variance)?;
        map.serialize_entry("input_correlation", &args.input_correlation)?;
        map.serialize_entry("depth", &args.depth)?;
        map.number("q_star", &limit.q_star)?;
        map.number("q_slope", &limit.q_slope)?;
        map.number("chi_1", &limit.chi_1)?;
        map.number("c_star", &limit.c_star)?;
        map.number("chi_c", &limit.chi_c)?;
        map.number("depth_scale_q", &limit.depth_scale_q)?;
        map.number("depth_scale_c", &limit.depth_scale_c)?;
        map.number("gradient_depth_scale", &limit.gradient_depth_scale)?;
        map.number("gamma_star", &limit.gamma_star)?;
        map.maybe("phase", limit.phase.as_ref())?;
        map.maybe("prejudice", limit.prejudice.as_ref())?;
        let points: Vec<_> = limit.fixed_points.iter().map(Point).collect();
        map.serialize_entry("fixed_points", &points)?;
        map.serialize_entry("layers", &Layers(self))?;
        if let Some(why) = &self.path.ended {
            map.serialize_entry("layers_reason", &why.reason)?;
        }
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

/// Written layer by layer: there may be a million.
struct Layers<'a>(&'a Answer<'a>);

impl Serialize for Layers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0.path.layers.len()).map(|index| self.0.layer(index)))
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("kind", "dense")?;
        map.number("q", &self.q)?;
        map.number("c", &self.c)?;
        map.number("v", &self.v)?;
        map.number("t", &self.t)?;
        map.number("gamma", &self.gamma)?;
        map.number("gradient", &self.gradient)?;
        map.end()
    }
}
