//! Colours by what they mean: those of Okabe and Ito, which people with any kind of colour vision tell apart.

use serde::Serialize;
use std::fmt::Write as _;

/// What a stroke or a surface stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ink {
    /// The paper.
    Paper,
    /// Words, and lines as strong as words.
    Text,
    /// Lesser words.
    Soft,
    /// Grid lines.
    Grid,
    /// What theory says; the first of several alike.
    Theory,
    /// What was measured; the second.
    Measured,
    /// The third of several alike.
    Third,
    /// The fourth.
    Fourth,
    /// The fifth.
    Fifth,
    /// The sixth.
    Sixth,
    /// Region: ordered.
    Ordered,
    /// Region: chaotic and deeply prejudiced.
    Chaotic,
    /// Region: chaotic and prejudiced.
    Prejudiced,
    /// Region: neutral.
    Neutral,
    /// Region: critical everywhere.
    Critical,
    /// Region of which theory says nothing.
    Unknown,
}

/// Inks of several series alike, in order.
pub(crate) const SERIES: [Ink; 6] =
    [Ink::Theory, Ink::Measured, Ink::Third, Ink::Fourth, Ink::Fifth, Ink::Sixth];

/// Every ink.
pub(crate) const ALL: [Ink; 16] = [
    Ink::Paper,
    Ink::Text,
    Ink::Soft,
    Ink::Grid,
    Ink::Theory,
    Ink::Measured,
    Ink::Third,
    Ink::Fourth,
    Ink::Fifth,
    Ink::Sixth,
    Ink::Ordered,
    Ink::Chaotic,
    Ink::Prejudiced,
    Ink::Neutral,
    Ink::Critical,
    Ink::Unknown,
];

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

impl Ink {
    /// Its name in style sheets.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Text => "text",
            Self::Soft => "soft",
            Self::Grid => "grid",
            Self::Theory => "theory",
            Self::Measured => "measured",
            Self::Third => "third",
            Self::Fourth => "fourth",
            Self::Fifth => "fifth",
            Self::Sixth => "sixth",
            Self::Ordered => "ordered",
            Self::Chaotic => "chaotic",
            Self::Prejudiced => "prejudiced",
            Self::Neutral => "neutral",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// On white paper.
    pub(crate) const fn light(self) -> Rgb {
        match self {
            Self::Paper => [255, 255, 255],
            Self::Text => [27, 31, 36],
            Self::Soft => [87, 96, 106],
            Self::Grid => [225, 229, 234],
            Self::Theory => [0, 114, 178],
            Self::Measured => [213, 94, 0],
            Self::Third => [0, 130, 95],
            Self::Fourth => [170, 80, 135],
            Self::Fifth => [140, 110, 0],
            Self::Sixth => [60, 66, 74],
            Self::Ordered => [196, 222, 243],
            Self::Chaotic => [243, 170, 120],
            Self::Prejudiced => [250, 218, 180],
            Self::Neutral => [226, 243, 214],
            Self::Critical => [255, 246, 190],
            Self::Unknown => [238, 238, 238],
        }
    }

    /// On dark paper.
    pub(crate) const fn dark(self) -> Rgb {
        match self {
            Self::Paper => [16, 20, 26],
            Self::Text => [232, 236, 241],
            Self::Soft => [163, 172, 183],
            Self::Grid => [44, 52, 62],
            Self::Theory => [86, 180, 233],
            Self::Measured => [240, 160, 40],
            Self::Third => [60, 200, 155],
            Self::Fourth => [222, 145, 190],
            Self::Fifth => [240, 228, 66],
            Self::Sixth => [200, 206, 214],
            Self::Ordered => [24, 62, 96],
            Self::Chaotic => [122, 58, 12],
            Self::Prejudiced => [84, 56, 22],
            Self::Neutral => [30, 58, 40],
            Self::Critical => [74, 70, 16],
            Self::Unknown => [40, 44, 50],
        }
    }

    /// Under this light.
    pub(crate) const fn rgb(self, theme: super::Theme) -> Rgb {
        match theme {
            super::Theme::Light => self.light(),
            super::Theme::Dark => self.dark(),
        }
    }
}

/// `#0072b2`.
pub(crate) fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Style rules that turn the light colours of drawings into dark ones where the reader asks for that; paper stays light.
pub(crate) fn dark_rules() -> String {
    let mut rules = String::new();
    for ink in ALL {
        let (name, color) = (ink.name(), hex(ink.dark()));
        // Writing to a string cannot fail.
        let _ = write!(rules, ".f-{name}{{fill:{color}}}.s-{name}{{stroke:{color}}}");
    }
    format!("@media screen and (prefers-color-scheme:dark){{{rules}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: Rgb) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [r, g, b] = color.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// As deuteranopes see it, after Viénot, Brettel and Mollon.
    fn without_green(color: Rgb) -> [f64; 3] {
        let [r, g, b] = color.map(|part| (f64::from(part) / 255.0).powf(2.2));
        let mixed = 0.29275 * r + 0.70725 * g;
        [mixed, mixed, -0.02234 * r + 0.02234 * g + b].map(|part| part.max(0.0).powf(1.0 / 2.2))
    }

    /// WCAG: words 4.5, lines that carry meaning 3.
    #[test]
    fn words_and_lines_stand_out_in_both_lights() {
        for color in [Ink::light, Ink::dark] {
            assert!(contrast(color(Ink::Text), color(Ink::Paper)) > 10.0);
            assert!(contrast(color(Ink::Soft), color(Ink::Paper)) > 4.5);
            for ink in SERIES {
                assert!(contrast(color(ink), color(Ink::Paper)) > 3.0, "{ink:?}");
            }
            for region in [Ink::Ordered, Ink::Chaotic, Ink::Prejudiced, Ink::Neutral, Ink::Critical]
            {
                assert!(contrast(color(Ink::Text), color(region)) > 4.5, "{region:?}");
            }
        }
    }

    #[test]
    fn neighbours_differ_without_green_too() {
        let pairs = [
            (Ink::Theory, Ink::Measured),
            (Ink::Ordered, Ink::Chaotic),
            (Ink::Ordered, Ink::Prejudiced),
            (Ink::Chaotic, Ink::Prejudiced),
            (Ink::Prejudiced, Ink::Neutral),
            (Ink::Ordered, Ink::Critical),
            (Ink::Neutral, Ink::Critical),
        ];
        for (a, b) in pairs {
            for color in [Ink::light, Ink::dark] {
                let (x, y) = (without_green(color(a)), without_green(color(b)));
                let distance: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
                assert!(distance.sqrt() > 0.08, "{a:?} and {b:?}: {}", distance.sqrt());
            }
        }
    }
}
