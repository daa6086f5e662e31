//! Colours of series: the Okabe-Ito palette, which colour-blind people tell apart.

use super::palette::VIRIDIS;

/// A colour without opacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub [u8; 3]);

/// Okabe and Ito's colours (2008) in an order in which neighbours differ; its yellow, hardly seen on white, last.
const SERIES: [(&str, Rgb); 7] = [
    ("blue", Rgb([0x00, 0x72, 0xb2])),
    ("red", Rgb([0xd5, 0x5e, 0x00])),
    ("green", Rgb([0x00, 0x9e, 0x73])),
    ("purple", Rgb([0xcc, 0x79, 0xa7])),
    ("orange", Rgb([0xe6, 0x9f, 0x00])),
    ("sky", Rgb([0x56, 0xb4, 0xe9])),
    ("yellow", Rgb([0xf0, 0xe4, 0x42])),
];
const OTHERS: [(&str, Rgb); 5] = [
    ("black", Rgb([0, 0, 0])),
    ("white", Rgb([255, 255, 255])),
    ("gray", Rgb([0x80, 0x80, 0x80])),
    ("grey", Rgb([0x80, 0x80, 0x80])),
    ("vermillion", Rgb([0xd5, 0x5e, 0x00])),
];

impl Rgb {
    /// The colour of series `i` of `n`: Okabe-Ito's for up to seven; more than that, such as layers, run through viridis.
    pub fn of_series(i: usize, n: usize) -> Self {
        if n <= SERIES.len() {
            return SERIES.get(i % SERIES.len()).map_or(Self([0; 3]), |(_, c)| *c);
        }
        // The ends of viridis are hardly seen, one on white, the other on black.
        VIRIDIS.at(0.2 + 0.72 * i as f64 / (n - 1).max(1) as f64)
    }

    /// A colour by name (those of the series palette, black, white, gray) or as `#rgb` or `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(digits) = text.strip_prefix('#') {
            let long: String = match digits.chars().count() {
                3 => digits.chars().flat_map(|c| [c, c]).collect(),
                6 => digits.to_owned(),
                _ => return None,
            };
            let value = u32::from_str_radix(&long, 16).ok()?;
            return Some(Self::hex(value));
        }
        let lower = text.to_lowercase();
        SERIES.iter().chain(&OTHERS).find(|(name, _)| *name == lower).map(|(_, c)| *c)
    }

    /// The names that [`Rgb::parse`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SERIES.iter().chain(&OTHERS).map(|(name, _)| *name)
    }

    pub(super) const fn hex(value: u32) -> Self {
        Self([(value >> 16) as u8, (value >> 8) as u8, value as u8])
    }

    /// `#rrggbb`.
    pub fn css(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Whether dark ink is read better on it than light ink.
    pub fn is_light(self) -> bool {
        // Relative luminance as WCAG has it; beyond 0.179 black has more contrast than white.
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let [r, g, b] = self.0.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_by_name_and_by_number() {
        assert_eq!(Rgb::parse("#0af"), Some(Rgb([0, 0xaa, 0xff])));
        assert_eq!(Rgb::parse("Blue").map(Rgb::css).as_deref(), Some("#0072b2"));
        assert_eq!(Rgb::parse("#12345"), None);
        assert_eq!(Rgb::parse("bleu"), None);
        assert_eq!(Rgb::parse("#äää"), None);
    }

    #[test]
    fn many_series_have_as_many_colours() {
        for n in [1, 2, 7, 8, 30] {
            let all: Vec<Rgb> = (0..n).map(|i| Rgb::of_series(i, n)).collect();
            assert!(all.iter().enumerate().all(|(i, c)| !all.iter().skip(i + 1).any(|d| c == d)), "{n}");
        }
    }
}
