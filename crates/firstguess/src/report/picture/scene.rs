//! What is drawn, in places on paper: the common ground of SVG and PNG.

use super::ink::Ink;

/// A place; y downwards.
pub(crate) type At = (f64, f64);

/// A line's look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) ink: Ink,
    pub(crate) width: f64,
    /// Lengths drawn and left out in turn; none for a whole line.
    pub(crate) dash: Option<[f64; 2]>,
}

/// Which end of a text its place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text {
    pub(crate) at: At,
    pub(crate) words: String,
    pub(crate) size: f64,
    pub(crate) anchor: Anchor,
    pub(crate) ink: Ink,
    pub(crate) bold: bool,
    /// Read upwards.
    pub(crate) upright: bool,
}

/// One thing drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// Lines through places; closed ones may be filled.
    Path {
        lines: Vec<Vec<At>>,
        fill: Option<(Ink, f64)>,
        stroke: Option<Stroke>,
        /// Whether edges follow the pixels.
        crisp: bool,
    },
    /// A disc.
    Disc { centre: At, radius: f64, fill: Ink, stroke: Option<Stroke> },
    /// Words.
    Text(Text),
    /// Things that belong together, with a class and attributes.
    Group { class: String, attributes: Vec<(&'static str, String)>, items: Vec<Item> },
}

impl Item {
    /// An open line.
    pub(crate) fn line(lines: Vec<Vec<At>>, ink: Ink, width: f64) -> Self {
        let stroke = Some(Stroke { ink, width, dash: None });
        Self::Path { lines, fill: None, stroke, crisp: false }
    }

    /// A filled rectangle.
    pub(crate) fn rectangle((left, top): At, (right, bottom): At, ink: Ink, opacity: f64) -> Self {
        let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
        Self::Path { lines: vec![corners], fill: Some((ink, opacity)), stroke: None, crisp: true }
    }
}

/// A rectangle of paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Frame {
    /// The parts of a line that are inside. A place that is not a number is a gap.
    pub(crate) fn clip(&self, line: &[At]) -> Vec<Vec<At>> {
        let mut parts: Vec<Vec<At>> = Vec::new();
        let mut open = false;
        for pair in line.windows(2) {
            let Some((start, end)) = self.segment(pair[0], pair[1]) else {
                open = false;
                continue;
            };
            match parts.last_mut() {
                Some(part) if open && start == pair[0] => part.push(end),
                _ => parts.push(vec![start, end]),
            }
            open = end == pair[1];
        }
        parts
    }

    /// Liang and Barsky.
    fn segment(&self, a: At, b: At) -> Option<(At, At)> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        if !(dx.is_finite() && dy.is_finite()) {
            return None;
        }
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        let sides = [
            (-dx, a.0 - self.left),
            (dx, self.right - a.0),
            (-dy, a.1 - self.top),
            (dy, self.bottom - a.1),
        ];
        for (speed, room) in sides {
            if speed == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if speed < 0.0 {
                from = from.max(room / speed);
            } else {
                to = to.min(room / speed);
            }
        }
        if from > to {
            return None;
        }
        let on = |t: f64| (a.0 + t * dx, a.1 + t * dy);
        Some((if from > 0.0 { on(from) } else { a }, if to < 1.0 { on(to) } else { b }))
    }

    /// The nearest place inside.
    pub(crate) fn nearest(&self, (x, y): At) -> At {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }

    /// Whether a place is inside, its rim included.
    pub(crate) fn holds(&self, (x, y): At) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }
}

/// A finished drawing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) items: Vec<Item>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_frame_and_at_gaps() {
        let frame = Frame { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };
        let line = [(-5.0, 5.0), (5.0, 5.0), (5.0, 20.0), (8.0, 20.0), (8.0, 5.0)];
        let parts = frame.clip(&line);
        assert_eq!(
            parts,
            [vec![(0.0, 5.0), (5.0, 5.0), (5.0, 10.0)], vec![(8.0, 10.0), (8.0, 5.0)]]
        );
        let gap = [(1.0, 1.0), (2.0, 2.0), (3.0, f64::NAN), (4.0, 4.0), (5.0, 5.0)];
        assert_eq!(frame.clip(&gap).len(), 2);
        assert!(frame.clip(&[(20.0, 0.0), (30.0, 5.0)]).is_empty());
    }
}
