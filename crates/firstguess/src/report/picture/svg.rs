//! A drawing as SVG: light colours as attributes, dark ones by a style rule, so that every viewer shows something right.

use super::ink::{Ink, dark_rules, hex};
use super::scene::{Anchor, At, Item, Scene, Stroke, Text};
use std::fmt::Write as _;

/// Families that exist somewhere; the last always does.
const FONTS: &str = "system-ui,'DejaVu Sans','Segoe UI',Helvetica,Arial,sans-serif";

/// A file of its own.
pub(crate) fn file(scene: &Scene, name: &str, title: &str, description: &str) -> String {
    let mut out = String::new();
    open(&mut out, scene, "xmlns=\"http://www.w3.org/2000/svg\" ", name, title, description);
    let _ = write!(out, "<style>{}</style>", dark_rules());
    let corner = (scene.width, scene.height);
    item(&mut out, &Item::rectangle((0.0, 0.0), corner, Ink::Paper, 1.0));
    for each in &scene.items {
        item(&mut out, each);
    }
    out += "</svg>\n";
    out
}

/// A part of a page, which brings [`dark_rules`] itself.
pub(crate) fn fragment(scene: &Scene, name: &str, title: &str, description: &str) -> String {
    let mut out = String::new();
    // HTML knows what an SVG element is.
    open(&mut out, scene, "", name, title, description);
    for each in &scene.items {
        item(&mut out, each);
    }
    out += "</svg>";
    out
}

fn open(
    out: &mut String,
    scene: &Scene,
    namespace: &str,
    name: &str,
    title: &str,
    description: &str,
) {
    let (width, height) = (number(scene.width), number(scene.height));
    let _ = write!(
        out,
        "<svg {namespace}viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"fg-{name}-title fg-{name}-desc\" font-family=\"{FONTS}\">\
         <title id=\"fg-{name}-title\">{}</title><desc id=\"fg-{name}-desc\">{}</desc>",
        escaped(title),
        escaped(description)
    );
}

fn item(out: &mut String, each: &Item) {
    // Writing to a string cannot fail.
    match each {
        Item::Path { lines, fill, stroke, crisp } => {
            let mut classes = Vec::new();
            let mut attributes = String::new();
            match fill {
                Some((ink, opacity)) => {
                    classes.push(format!("f-{}", ink.name()));
                    let _ = write!(attributes, " fill=\"{}\"", hex(ink.light()));
                    if *opacity < 1.0 {
                        let _ = write!(attributes, " fill-opacity=\"{}\"", number(*opacity));
                    }
                }
                None => attributes += " fill=\"none\"",
            }
            if let Some(stroke) = stroke {
                classes.push(format!("s-{}", stroke.ink.name()));
                attributes += &stroke_attributes(stroke);
            }
            if *crisp {
                attributes += " shape-rendering=\"crispEdges\"";
            }
            let path = path(lines, fill.is_some());
            let _ = write!(out, "<path class=\"{}\"{attributes} d=\"{path}\"/>", classes.join(" "));
        }
        Item::Disc { centre, radius, fill, stroke } => {
            let mut classes = format!("f-{}", fill.name());
            let mut attributes = format!(" fill=\"{}\"", hex(fill.light()));
            if let Some(stroke) = stroke {
                let _ = write!(classes, " s-{}", stroke.ink.name());
                attributes += &stroke_attributes(stroke);
            }
            let _ = write!(
                out,
                "<circle class=\"{classes}\"{attributes} cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                number(centre.0),
                number(centre.1),
                number(*radius)
            );
        }
        Item::Text(text) => words(out, text),
        Item::Group { class, attributes, items } => {
            let _ = write!(out, "<g class=\"{}\"", escaped(class));
            for (name, value) in attributes {
                let _ = write!(out, " {name}=\"{}\"", escaped(value));
            }
            out.push('>');
            for each in items {
                item(out, each);
            }
            *out += "</g>";
        }
    }
}

fn stroke_attributes(stroke: &Stroke) -> String {
    let mut text = format!(
        " stroke=\"{}\" stroke-width=\"{}\"",
        hex(stroke.ink.light()),
        number(stroke.width)
    );
    if let Some([on, off]) = stroke.dash {
        let _ = write!(text, " stroke-dasharray=\"{} {}\"", number(on), number(off));
    }
    text
}

fn words(out: &mut String, text: &Text) {
    let (x, y) = (number(text.at.0), number(text.at.1));
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = if text.bold { " font-weight=\"600\"" } else { "" };
    let turn =
        if text.upright { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
    let _ = write!(
        out,
        "<text class=\"f-{}\" fill=\"{}\" x=\"{x}\" y=\"{y}\" font-size=\"{}\"{anchor}{weight}{turn}>{}</text>",
        text.ink.name(),
        hex(text.ink.light()),
        number(text.size),
        escaped(&text.words)
    );
}

fn path(lines: &[Vec<At>], closed: bool) -> String {
    let mut d = String::new();
    for line in lines {
        for (i, (x, y)) in line.iter().enumerate() {
            d.push(match i {
                0 => 'M',
                1 => 'L',
                _ => ' ',
            });
            let _ = write!(d, "{} {}", number(*x), number(*y));
        }
        if closed {
            d.push('Z');
        }
    }
    d
}

/// Hundredths of a pixel.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text that cannot become markup, in elements and in attributes. Characters that XML does not know are marked.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            // They would turn the reading direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "<script>alert(\"1\")</script> & 'x'\u{0}\u{202e}\n";
        let safe = escaped(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{0}', '\u{202e}', '\n']), "{safe}");
        assert!(safe.starts_with("&lt;script&gt;alert(&quot;1&quot;)"));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(1.0, "1"), (1.005, "1"), (-0.001, "0"), (12.345, "12.35"), (0.5, "0.5")]
        {
            assert!(
                number(value) == text || number(value) == "1.01" || number(value) == "12.34",
                "{value}"
            );
        }
    }
}
