//! SVG: the diagram as a picture that stays sharp.

use super::Format;
use crate::report::picture::phase_diagram;
use crate::theory::phase_diagram::PhaseDiagram;

pub(super) const FORMAT: Format =
    Format { extension: "svg", about: "a picture, sharp at every size", render };

fn render(diagram: &PhaseDiagram) -> Vec<u8> {
    phase_diagram(diagram).to_svg().into_bytes()
}
