//! Pictures as SVG and PNG: phase diagrams, depth profiles, laws of guesses, courses of training.
//!
//! A [`Picture`] is axes and series first; [`Picture::to_svg`] and [`Picture::to_png`] draw the same scene. Colours are those
//! of Okabe and Ito; an SVG turns dark where its reader asks for that; a PNG brings its own letters. Neither needs a font of
//! the system, and both depend on nothing but what they show.

mod chart;
mod font;
mod gaussianity;
mod guesses;
mod ink;
mod layers;
mod layout;
mod phase;
mod raster;
mod scene;
mod svg;
#[cfg(test)]
pub(crate) mod tests;
mod ticks;
mod training;
mod variance;

pub use gaussianity::gaussianity;
pub use phase::phase_diagram;
pub use training::training;
pub use variance::variance_search;

pub(crate) use chart::{Axis, Chart, Dash, Marks, Scale, Series, point};
pub(crate) use ink::{Ink, SERIES, dark_rules};
pub(crate) use svg::escaped;

use super::Report;
use layout::Panel;

/// The light under which a PNG is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Dark on white.
    #[default]
    Light,
    /// Light on black.
    Dark,
}

/// One picture.
///
/// # Examples
///
/// ```
/// use firstguess::report::picture::{Theme, phase_diagram};
/// use firstguess::spec::Activation;
/// use firstguess::theory::{dual::Dual, phase_diagram::{Axis, PhaseDiagram}};
/// let diagram = PhaseDiagram::new(
///     &Dual::new(&Activation::Tanh),
///     Axis { low: 0.0, high: 4.0, points: 20 },
///     Axis { low: 0.0, high: 0.2, points: 20 },
/// );
/// let picture = phase_diagram(&diagram);
/// assert!(picture.to_svg().starts_with("<svg"));
/// assert!(picture.to_png(Theme::Light, 1.0).starts_with(b"\x89PNG"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    name: &'static str,
    title: String,
    description: String,
    panels: Vec<Panel>,
}

impl Picture {
    pub(crate) fn new(
        name: &'static str,
        title: impl Into<String>,
        description: impl Into<String>,
        chart: Chart,
    ) -> Self {
        let panels = vec![Panel { title: None, chart, height: 320.0 }];
        Self { name, title: title.into(), description: description.into(), panels }
    }

    /// Its name among the pictures of one subject, fit for a file: `gradient`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The same under another name.
    pub(crate) fn renamed(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// What it shows, in one line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How to read it, in a few sentences.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The picture as an SVG file.
    pub fn to_svg(&self) -> String {
        svg::file(&layout::scene(self), self.name, &self.title, &self.description)
    }

    /// The picture as a PNG file of `720 · scale` pixels across; `scale` from 0.25 to 8.
    pub fn to_png(&self, theme: Theme, scale: f64) -> Vec<u8> {
        let scale = if scale.is_nan() { 1.0 } else { scale.clamp(0.25, 8.0) };
        raster::png(&layout::scene(self), theme, scale)
    }

    /// The charts as a part of a page that brings [`dark_rules`] and shows title and description itself.
    pub(crate) fn to_fragment(&self) -> String {
        svg::fragment(&layout::bare_scene(self), self.name, &self.title, &self.description)
    }

    /// Its charts.
    pub(crate) fn charts(&self) -> impl Iterator<Item = &Chart> {
        self.panels.iter().map(|panel| &panel.chart)
    }
}

impl Report {
    /// Its pictures: signals and gradients by depth, the law of the guesses, the classes; those that have something to show.
    pub fn pictures(&self) -> Vec<Picture> {
        let mut pictures = layers::pictures(self);
        pictures.extend(guesses::pictures(self));
        pictures
    }

    /// The picture of this name.
    pub fn picture(&self, name: &str) -> Option<Picture> {
        self.pictures().into_iter().find(|picture| picture.name == name)
    }
}
