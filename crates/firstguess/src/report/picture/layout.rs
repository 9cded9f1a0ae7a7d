//! From axes and series to places on paper.

use super::Picture;
use super::chart::{Axis, Chart, Dash, Marks, Scale, Series};
use super::font::Font;
use super::ink::Ink;
use super::scene::{Anchor, At, Frame, Item, Scene, Stroke, Text};
use super::ticks::{Tick, ticks};

/// Width of a picture of its own.
pub(crate) const WIDTH: f64 = 720.0;

/// Width of a picture in a page, which shows it in columns and on telephones: its words must stay large enough.
const NARROW: f64 = 540.0;

const MARGIN: f64 = 18.0;
const TITLE: f64 = 17.0;
const WORDS: f64 = 12.0;
const LINE: f64 = 17.0;

/// Length of a sample in the legend.
const SAMPLE: f64 = 24.0;

/// What one chart of a picture looks like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panel {
    pub(crate) title: Option<String>,
    pub(crate) chart: Chart,
    /// Height of the plot without its words.
    pub(crate) height: f64,
}

/// The whole picture: its title and description above its charts.
pub(crate) fn scene(picture: &Picture) -> Scene {
    let font = Font::new();
    let mut items = Vec::new();
    let mut y = MARGIN + 12.0;
    let room = WIDTH - 2.0 * MARGIN;
    for line in wrapped(&font, &picture.title, TITLE * 1.06, room) {
        items.push(label((MARGIN, y), line, TITLE, Anchor::Start, Ink::Text, true));
        y += TITLE + 4.0;
    }
    for line in wrapped(&font, &picture.description, WORDS, room) {
        items.push(label((MARGIN, y), line, WORDS, Anchor::Start, Ink::Soft, false));
        y += LINE;
    }
    panels((&font, WIDTH), &mut items, &picture.panels, &mut y);
    Scene { width: WIDTH, height: y + 6.0, items }
}

/// The charts alone: a page has words of its own.
pub(crate) fn bare_scene(picture: &Picture) -> Scene {
    let font = Font::new();
    let (mut items, mut y) = (Vec::new(), 14.0);
    panels((&font, NARROW), &mut items, &picture.panels, &mut y);
    Scene { width: NARROW, height: y + 6.0, items }
}

/// The font, and the width of the paper.
type Paper<'a> = (&'a Font, f64);

fn panels(paper: Paper<'_>, items: &mut Vec<Item>, panels: &[Panel], y: &mut f64) {
    for panel in panels {
        if let Some(title) = &panel.title {
            *y += 8.0;
            items.push(label((MARGIN, *y), title.clone(), 13.0, Anchor::Start, Ink::Text, true));
            *y += LINE;
        }
        legend(paper, items, &panel.chart.series, y);
        plot(paper, items, panel, y);
    }
}

fn label(at: At, words: String, size: f64, anchor: Anchor, ink: Ink, bold: bool) -> Item {
    Item::Text(Text { at, words, size, anchor, ink, bold, upright: false })
}

/// Lines of words that fit; a word that is too long by itself is cut.
fn wrapped(font: &Font, text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shortened(font, word, size, room);
        match lines.last_mut() {
            Some(line) if font.width(&format!("{line} {word}"), size) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// The start of a text that is too long, and dots.
fn shortened(font: &Font, text: &str, size: f64, room: f64) -> String {
    if font.width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if font.width(&kept, size) + font.width("…", size) > room {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

fn legend((font, width): Paper<'_>, items: &mut Vec<Item>, series: &[Series], y: &mut f64) {
    let right = width - MARGIN;
    let named: Vec<&Series> = series.iter().filter(|series| !series.name.is_empty()).collect();
    if named.is_empty() {
        return;
    }
    *y += 4.0;
    let mut x = MARGIN;
    for series in named {
        let room = right - MARGIN - SAMPLE - 8.0;
        let words = shortened(font, &series.name, WORDS, room);
        let taken = SAMPLE + 7.0 + font.width(&words, WORDS) + 18.0;
        if x > MARGIN && x + taken - 18.0 > right {
            x = MARGIN;
            *y += LINE;
        }
        let middle = *y - 4.0;
        items.extend(sample(series, (x, middle)));
        let at = (x + SAMPLE + 7.0, *y);
        items.push(label(at, words, WORDS, Anchor::Start, Ink::Text, false));
        x += taken;
    }
    *y += 12.0;
}

/// A piece of the series, before its name.
fn sample(series: &Series, (x, middle): At) -> Vec<Item> {
    let ink = series.ink;
    match &series.marks {
        Marks::Line(_) => vec![stroked(vec![vec![(x, middle), (x + SAMPLE, middle)]], series)],
        Marks::Points(_) => {
            let centre = (x + 0.5 * SAMPLE, middle);
            let bar = vec![(centre.0, middle - 7.0), (centre.0, middle + 7.0)];
            vec![Item::line(vec![bar], ink, 1.3), disc(centre, 3.2, ink)]
        }
        Marks::Band(_) => {
            vec![Item::rectangle((x, middle - 6.0), (x + SAMPLE, middle + 6.0), ink, BAND)]
        }
        Marks::Bars(_) => {
            vec![Item::rectangle((x + 5.0, middle - 6.0), (x + 19.0, middle + 6.0), ink, BAR)]
        }
        Marks::Cells(_) => {
            let (start, end) = ((x + 4.0, middle - 7.0), (x + SAMPLE - 2.0, middle + 7.0));
            vec![Item::rectangle(start, end, ink, 1.0), border(start, end)]
        }
        Marks::Place(..) => here((x + 0.5 * SAMPLE, middle), ink),
    }
}

fn border((left, top): At, (right, bottom): At) -> Item {
    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    Item::line(vec![corners], Ink::Soft, 0.6)
}

/// Opacity of what lies behind lines.
const BAND: f64 = 0.22;
const BAR: f64 = 0.45;

fn disc(centre: At, radius: f64, ink: Ink) -> Item {
    Item::Disc { centre, radius, fill: ink, stroke: None }
}

/// The reader's own point: a ring with a dot, to be seen on every ground.
fn here(centre: At, ink: Ink) -> Vec<Item> {
    let stroke = Some(Stroke { ink, width: 2.0, dash: None });
    vec![Item::Disc { centre, radius: 6.5, fill: Ink::Paper, stroke }, disc(centre, 2.6, ink)]
}

fn stroked(lines: Vec<Vec<At>>, series: &Series) -> Item {
    let dash = match series.dash {
        Dash::Solid => None,
        Dash::Dashed => Some([7.0, 4.0]),
        Dash::Dotted => Some([2.0, 3.0]),
    };
    let stroke = Some(Stroke { ink: series.ink, width: 2.0, dash });
    Item::Path { lines, fill: None, stroke, crisp: false }
}

/// One chart in its frame.
fn plot((font, width): Paper<'_>, items: &mut Vec<Item>, panel: &Panel, y: &mut f64) {
    let chart = &panel.chart;
    let across = ticks(&chart.x, 8);
    let wanted = if panel.height < 200.0 { 4 } else { 6 };
    let up = ticks(&chart.y, wanted);
    let widest = up
        .iter()
        .filter_map(|tick| tick.label.as_deref())
        .map(|words| font.width(words, WORDS))
        .fold(0.0, f64::max);
    let frame = Frame {
        left: MARGIN + 16.0 + widest + 8.0,
        top: *y,
        right: width - MARGIN - 4.0,
        bottom: *y + panel.height,
    };
    let map = Map { frame, chart };
    let mut inside = map.grid(&across, &up);
    for (index, series) in chart.series.iter().enumerate() {
        inside.push(Item::Group {
            class: "fg-series".to_owned(),
            attributes: vec![
                ("data-series", index.to_string()),
                ("data-name", series.name.clone()),
            ],
            items: map.series(series),
        });
    }
    inside.extend(map.axes(font, &across, &up));
    let middle = 0.5 * (frame.top + frame.bottom);
    inside.push(Item::Text(Text {
        at: (MARGIN + 4.0, middle),
        words: shortened(font, &chart.y.label, WORDS, panel.height + 60.0),
        size: WORDS,
        anchor: Anchor::Middle,
        ink: Ink::Text,
        bold: false,
        upright: true,
    }));
    let below = (0.5 * (frame.left + frame.right), frame.bottom + 38.0);
    inside.push(label(below, chart.x.label.clone(), WORDS, Anchor::Middle, Ink::Text, false));
    items.push(Item::Group {
        class: "fg-plot".to_owned(),
        attributes: map.attributes(),
        items: inside,
    });
    *y = frame.bottom + 52.0;
}

struct Map<'a> {
    frame: Frame,
    chart: &'a Chart,
}

impl Map<'_> {
    fn at(&self, x: f64, y: f64) -> At {
        let Frame { left, top, right, bottom } = self.frame;
        let (across, up) = (self.chart.x.part(x), self.chart.y.part(y));
        (left + across * (right - left), bottom - up * (bottom - top))
    }

    /// What a program needs to read values off the drawing.
    fn attributes(&self) -> Vec<(&'static str, String)> {
        let Frame { left, top, right, bottom } = self.frame;
        let frame = [left, top, right, bottom].map(super::svg::number).join(" ");
        let axis = |axis: &Axis| {
            let scale = if axis.scale == Scale::Log { "log" } else { "linear" };
            format!("{scale} {} {}", axis.low, axis.high)
        };
        vec![
            ("data-frame", frame),
            ("data-x", axis(&self.chart.x)),
            ("data-y", axis(&self.chart.y)),
        ]
    }

    fn grid(&self, across: &[Tick], up: &[Tick]) -> Vec<Item> {
        let Frame { left, top, right, bottom } = self.frame;
        let (low_x, low_y) = (self.chart.x.low, self.chart.y.low);
        let mut lines: Vec<Vec<At>> = Vec::new();
        for tick in across.iter().filter(|tick| tick.label.is_some()) {
            let x = self.at(tick.value, low_y).0;
            lines.push(vec![(x, top), (x, bottom)]);
        }
        for tick in up.iter().filter(|tick| tick.label.is_some()) {
            let y = self.at(low_x, tick.value).1;
            lines.push(vec![(left, y), (right, y)]);
        }
        let grid = Item::line(lines, Ink::Grid, 1.0);
        vec![Item::Group { class: "fg-grid".to_owned(), attributes: Vec::new(), items: vec![grid] }]
    }

    fn axes(&self, font: &Font, across: &[Tick], up: &[Tick]) -> Vec<Item> {
        let Frame { left, top, right, bottom } = self.frame;
        let (low_x, low_y) = (self.chart.x.low, self.chart.y.low);
        let mut marks = vec![vec![(left, top), (left, bottom), (right, bottom)]];
        let mut words = Vec::new();
        let mut free = f64::NEG_INFINITY;
        for tick in across {
            let x = self.at(tick.value, low_y).0;
            let length = if tick.label.is_some() { 5.0 } else { 3.0 };
            marks.push(vec![(x, bottom), (x, bottom + length)]);
            let Some(text) = &tick.label else { continue };
            let half = 0.5 * font.width(text, WORDS);
            if x - half > free {
                free = x + half + 6.0;
                let at = (x, bottom + 19.0);
                words.push(label(at, text.clone(), WORDS, Anchor::Middle, Ink::Soft, false));
            }
        }
        let mut free = f64::INFINITY;
        for tick in up {
            let y = self.at(low_x, tick.value).1;
            let length = if tick.label.is_some() { 5.0 } else { 3.0 };
            marks.push(vec![(left - length, y), (left, y)]);
            let Some(text) = &tick.label else { continue };
            if y + 7.0 < free {
                free = y - 7.0;
                let at = (left - 8.0, y + 4.3);
                words.push(label(at, text.clone(), WORDS, Anchor::End, Ink::Soft, false));
            }
        }
        let mut items = vec![Item::line(marks, Ink::Soft, 1.0)];
        items.extend(words);
        vec![Item::Group { class: "fg-axes".to_owned(), attributes: Vec::new(), items }]
    }

    fn series(&self, series: &Series) -> Vec<Item> {
        let ink = series.ink;
        match &series.marks {
            Marks::Line(points) => {
                let places: Vec<At> = points.iter().map(|(x, y)| self.at(*x, *y)).collect();
                let lines = self.frame.clip(&places);
                if lines.is_empty() { Vec::new() } else { vec![stroked(lines, series)] }
            }
            Marks::Points(points) => self.points(points, ink),
            Marks::Band(points) => self.band(points, ink),
            Marks::Bars(bars) => self.bars(bars, ink),
            Marks::Cells(cells) => {
                let corners = cells.iter().map(|(left, right, bottom, top)| {
                    let (x0, y0) = self.frame.nearest(self.at(*left, *top));
                    let (x1, y1) = self.frame.nearest(self.at(*right, *bottom));
                    vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
                });
                let (lines, fill) = (corners.collect(), Some((ink, 1.0)));
                vec![Item::Path { lines, fill, stroke: None, crisp: true }]
            }
            Marks::Place(x, y) => {
                let at = self.at(*x, *y);
                if self.frame.holds(at) { here(at, ink) } else { Vec::new() }
            }
        }
    }

    fn points(&self, points: &[(f64, f64, f64)], ink: Ink) -> Vec<Item> {
        let radius = if points.len() > 60 { 2.2 } else { 3.2 };
        let mut errors = Vec::new();
        let mut discs = Vec::new();
        for (x, y, error) in points {
            let at = self.at(*x, *y);
            if !(at.0.is_finite() && at.1.is_finite()) {
                continue;
            }
            if *error > 0.0 {
                errors.extend(self.error_bar(*x, *y, *error, radius));
            }
            if self.frame.holds(at) {
                discs.push(disc(at, radius, ink));
            }
        }
        let bars = (!errors.is_empty()).then(|| Item::line(errors, ink, 1.3));
        bars.into_iter().chain(discs).collect()
    }

    /// A line from one error below to one above, with a cap at each end that is inside.
    fn error_bar(&self, x: f64, y: f64, error: f64, cap: f64) -> Vec<Vec<At>> {
        let top = self.at(x, y + error);
        let found = self.at(x, y - error);
        // Below zero on a logarithmic axis: down to the rim, without a cap.
        let low = if found.1.is_finite() { found } else { (top.0, self.frame.bottom) };
        let mut lines = self.frame.clip(&[low, top]);
        for end in [found, top] {
            if self.frame.holds(end) && (top.1 - low.1).abs() > 2.0 {
                lines.push(vec![(end.0 - cap, end.1), (end.0 + cap, end.1)]);
            }
        }
        lines
    }

    fn band(&self, points: &[(f64, f64, f64)], ink: Ink) -> Vec<Item> {
        let known = points.iter().filter(|(_, low, high)| low.is_finite() && high.is_finite());
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for (x, low, high) in known {
            let place = |y: f64| {
                let at = self.at(*x, y);
                self.frame.nearest(if at.1.is_finite() { at } else { (at.0, self.frame.bottom) })
            };
            upper.push(place(*high));
            lower.push(place(*low));
        }
        upper.extend(lower.into_iter().rev());
        let fill = Some((ink, BAND));
        vec![Item::Path { lines: vec![upper], fill, stroke: None, crisp: false }]
    }

    fn bars(&self, bars: &[(f64, f64, f64, f64)], ink: Ink) -> Vec<Item> {
        let mut corners = Vec::new();
        let mut errors = Vec::new();
        for (left, right, height, error) in bars {
            let foot = self.at(*left, 0.0).1;
            let foot = if foot.is_finite() { foot } else { self.frame.bottom };
            let (x0, y0) = self.frame.nearest(self.at(*left, *height));
            let (x1, y1) = self.frame.nearest((self.at(*right, *height).0, foot));
            corners.push(vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)]);
            if *error > 0.0 {
                errors.extend(self.error_bar(0.5 * (left + right), *height, *error, 3.0));
            }
        }
        let fill = Some((ink, BAR));
        let mut items = vec![Item::Path { lines: corners, fill, stroke: None, crisp: false }];
        if !errors.is_empty() {
            items.push(Item::line(errors, ink, 1.3));
        }
        items
    }
}
