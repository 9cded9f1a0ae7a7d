//! The letters of pictures that no system draws: a part of DejaVu Sans, in the program.

use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// Latin, Greek, digits above and below the line, signs of mathematics. Its licence lies beside it.
const BYTES: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");

/// The font, or none if its bytes were spoilt: words are then left out.
pub(crate) struct Font(Option<Face<'static>>);

impl Font {
    pub(crate) fn new() -> Self {
        Self(Face::parse(BYTES, 0).ok())
    }

    /// Of one unit of the font at this size.
    fn scale(&self, size: f64) -> f64 {
        self.0.as_ref().map_or(0.0, |face| size / f64::from(face.units_per_em()))
    }

    /// The glyph of a character; that of a character it does not know is a box.
    fn glyph(&self, character: char) -> GlyphId {
        self.0.as_ref().and_then(|face| face.glyph_index(character)).unwrap_or(GlyphId(0))
    }

    fn advance(&self, glyph: GlyphId) -> f64 {
        f64::from(self.0.as_ref().and_then(|face| face.glyph_hor_advance(glyph)).unwrap_or(0))
    }

    /// Width of a line of words at this size.
    pub(crate) fn width(&self, words: &str, size: f64) -> f64 {
        let units: f64 = words.chars().map(|character| self.advance(self.glyph(character))).sum();
        units * self.scale(size)
    }

    /// Sends the outlines of a line of words to a builder, in its place, y downwards.
    pub(crate) fn outline(
        &self,
        words: &str,
        size: f64,
        start: (f64, f64),
        builder: &mut dyn FnMut(Segment),
    ) {
        let Some(face) = &self.0 else { return };
        let scale = self.scale(size);
        let mut pen = start.0;
        for character in words.chars() {
            let glyph = self.glyph(character);
            let mut placed = Placed { builder, scale, x: pen, y: start.1 };
            // A space has no outline.
            let _ = face.outline_glyph(glyph, &mut placed);
            pen += self.advance(glyph) * scale;
        }
    }
}

/// A part of an outline, in places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Segment {
    Move((f64, f64)),
    Line((f64, f64)),
    Quad((f64, f64), (f64, f64)),
    Cubic((f64, f64), (f64, f64), (f64, f64)),
    Close,
}

struct Placed<'a> {
    builder: &'a mut dyn FnMut(Segment),
    scale: f64,
    x: f64,
    y: f64,
}

impl Placed<'_> {
    fn at(&self, x: f32, y: f32) -> (f64, f64) {
        (self.x + f64::from(x) * self.scale, self.y - f64::from(y) * self.scale)
    }
}

impl OutlineBuilder for Placed<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let at = self.at(x, y);
        (self.builder)(Segment::Move(at));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let at = self.at(x, y);
        (self.builder)(Segment::Line(at));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (control, at) = (self.at(x1, y1), self.at(x, y));
        (self.builder)(Segment::Quad(control, at));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (first, second, at) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        (self.builder)(Segment::Cubic(first, second, at));
    }

    fn close(&mut self) {
        (self.builder)(Segment::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sign that the pictures of this project use has a shape of its own.
    #[test]
    fn the_signs_of_the_field_are_there() {
        let font = Font::new();
        for sign in "azAZ09 γσχξφθρεΣΔμλκπτω²₁₂⁻¹⁰³⁴⁵⁶⁷⁸⁹·±→≥≤≈∞−×–—…½√*_|½°éüßñ".chars()
        {
            assert_ne!(font.glyph(sign), GlyphId(0), "{sign}");
        }
        assert!(font.width("wide", 10.0) > font.width("i", 10.0));
    }
}
