//! PNG: the diagram as a picture for programs that take no SVG.

use super::Format;
use crate::report::picture::{Theme, phase_diagram};
use crate::theory::phase_diagram::PhaseDiagram;

pub(super) const FORMAT: Format =
    Format { extension: "png", about: "a picture of 1440 pixels across", render };

fn render(diagram: &PhaseDiagram) -> Vec<u8> {
    phase_diagram(diagram).to_png(Theme::Light, 2.0)
}
