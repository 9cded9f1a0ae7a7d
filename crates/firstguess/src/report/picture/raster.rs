//! A drawing as PNG, with letters from [`Font`]: no system fonts, no viewer needed.

use super::Theme;
use super::font::{Font, Segment};
use super::ink::Ink;
use super::scene::{Anchor, At, Item, Scene, Stroke, Text};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke as Pen,
    StrokeDash, Transform,
};

/// The drawing in so many pixels per unit. A scene that has no extent gives no bytes.
pub(crate) fn png(scene: &Scene, theme: Theme, scale: f64) -> Vec<u8> {
    let [width, height] = [scene.width, scene.height].map(|side| pixels(side * scale));
    let Some(mut canvas) = Pixmap::new(width, height) else { return Vec::new() };
    let [r, g, b] = Ink::Paper.rgb(theme);
    canvas.fill(Color::from_rgba8(r, g, b, 255));
    let mut painter = Painter { canvas: &mut canvas, theme, scale, font: Font::new() };
    for item in &scene.items {
        painter.item(item);
    }
    // The paper is opaque: what lies on it is too.
    let rows: Vec<u8> = canvas
        .data()
        .chunks_exact(4 * width as usize)
        .flat_map(|row| {
            let pixels = row.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]);
            std::iter::once(0).chain(pixels)
        })
        .collect();
    encoded(width, height, &rows)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn pixels(side: f64) -> u32 {
    side.ceil().clamp(1.0, 16384.0) as u32
}

struct Painter<'a> {
    canvas: &'a mut Pixmap,
    theme: Theme,
    scale: f64,
    font: Font,
}

impl Painter<'_> {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Path { lines, fill, stroke, crisp } => {
                let Some(path) = self.path(lines, fill.is_some(), *crisp) else { return };
                if let Some((ink, opacity)) = fill {
                    let paint = self.paint(*ink, *opacity, !crisp);
                    self.fill(&path, &paint);
                }
                if let Some(stroke) = stroke {
                    self.stroke(&path, stroke);
                }
            }
            Item::Disc { centre, radius, fill, stroke } => {
                let [x, y, r] = [centre.0, centre.1, *radius].map(|length| self.length(length));
                let Some(path) = PathBuilder::from_circle(x, y, r) else { return };
                let paint = self.paint(*fill, 1.0, true);
                self.fill(&path, &paint);
                if let Some(stroke) = stroke {
                    self.stroke(&path, stroke);
                }
            }
            Item::Text(text) => self.text(text),
            Item::Group { items, .. } => {
                for item in items {
                    self.item(item);
                }
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "pixels need no more digits")]
    fn length(&self, length: f64) -> f32 {
        (length * self.scale) as f32
    }

    fn paint(&self, ink: Ink, opacity: f64, smooth: bool) -> Paint<'static> {
        let [r, g, b] = ink.rgb(self.theme);
        let mut paint = Paint { anti_alias: smooth, ..Paint::default() };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 255"
        )]
        let alpha = (255.0 * opacity.clamp(0.0, 1.0)).round() as u8;
        paint.set_color_rgba8(r, g, b, alpha);
        paint
    }

    fn fill(&mut self, path: &Path, paint: &Paint<'_>) {
        self.canvas.fill_path(path, paint, FillRule::Winding, Transform::identity(), None);
    }

    fn stroke(&mut self, path: &Path, stroke: &Stroke) {
        let dash = stroke.dash.and_then(|lengths| {
            StrokeDash::new(lengths.map(|length| self.length(length)).to_vec(), 0.0)
        });
        let pen = Pen {
            width: self.length(stroke.width),
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            dash,
            ..Pen::default()
        };
        let paint = self.paint(stroke.ink, 1.0, true);
        self.canvas.stroke_path(path, &paint, &pen, Transform::identity(), None);
    }

    fn path(&self, lines: &[Vec<At>], closed: bool, crisp: bool) -> Option<Path> {
        let mut builder = PathBuilder::new();
        let place = |length: f64| {
            let length = self.length(length);
            if crisp { length.round() } else { length }
        };
        for line in lines {
            for (i, (x, y)) in line.iter().enumerate() {
                let (x, y) = (place(*x), place(*y));
                if i == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
            }
            if closed {
                builder.close();
            }
        }
        builder.finish()
    }

    fn text(&mut self, text: &Text) {
        let width = self.font.width(&text.words, text.size);
        let back = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => 0.5 * width,
            Anchor::End => width,
        };
        let mut builder = PathBuilder::new();
        let (x, y) = text.at;
        // Words read upwards are turned about their place.
        let place = |(dx, dy): At| {
            let (dx, dy) = if text.upright { (dy, -dx) } else { (dx, dy) };
            (self.length(x + dx), self.length(y + dy))
        };
        self.font.outline(&text.words, text.size, (-back, 0.0), &mut |segment| match segment {
            Segment::Move(at) => {
                let (x, y) = place(at);
                builder.move_to(x, y);
            }
            Segment::Line(at) => {
                let (x, y) = place(at);
                builder.line_to(x, y);
            }
            Segment::Quad(control, at) => {
                let ((a, b), (x, y)) = (place(control), place(at));
                builder.quad_to(a, b, x, y);
            }
            Segment::Cubic(first, second, at) => {
                let ((a, b), (c, d), (x, y)) = (place(first), place(second), place(at));
                builder.cubic_to(a, b, c, d, x, y);
            }
            Segment::Close => builder.close(),
        });
        let Some(path) = builder.finish() else { return };
        let paint = self.paint(text.ink, 1.0, true);
        self.fill(&path, &paint);
        if text.bold {
            // No second font: a rim makes letters strong.
            self.stroke(&path, &Stroke { ink: text.ink, width: 0.045 * text.size, dash: None });
        }
    }
}

/// Rows of RGB, each behind the number of its filter, as a PNG file.
fn encoded(width: u32, height: u32, rows: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Eight bits, RGB, deflate, the usual filters, no interlacing.
    header.extend([8, 2, 0, 0, 0]);
    let mut file = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(rows, 7));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    // A picture has far fewer than 2³¹ bytes.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    file.extend(length.to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(data);
    let sum = checksum(&file[start..]);
    file.extend(sum.to_be_bytes());
}

/// CRC-32 as PNG has it.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the standard.
    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }
}
