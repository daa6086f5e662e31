//! Colours of numbers: sequential palettes, and diverging ones for values on both sides of a middle.

use super::color::Rgb;

/// A continuous palette: colours at equal distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Its name, matplotlib's.
    pub name: &'static str,
    /// Two arms around a middle: for signed values, centred.
    pub diverging: bool,
    stops: &'static [u32],
}

/// matplotlib's viridis (CC0).
pub const VIRIDIS: Palette = Palette {
    name: "viridis",
    diverging: false,
    stops: &[0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725],
};
/// ColorBrewer's RdBu (Apache-2.0), blue for what is low.
pub const RDBU: Palette = Palette {
    name: "rdbu",
    diverging: true,
    stops: &[
        0x053061, 0x2065ab, 0x4393c3, 0x90c4dd, 0xd1e5f0, 0xf7f6f6, 0xfddbc7, 0xf3a481, 0xd6604d, 0xb1182b, 0x67001f,
    ],
};

/// Every palette. All are safe for colour-blind people and print in grey, the diverging ones apart.
pub const PALETTES: [Palette; 9] = [
    VIRIDIS,
    Palette {
        name: "magma",
        diverging: false,
        stops: &[0x000004, 0x1d1147, 0x51127c, 0x832681, 0xb73779, 0xe75263, 0xfc8961, 0xfec488, 0xfcfdbf],
    },
    Palette {
        name: "inferno",
        diverging: false,
        stops: &[0x000004, 0x210c4a, 0x57106e, 0x8a226a, 0xbc3754, 0xe45a31, 0xf98e09, 0xf9cb35, 0xfcffa4],
    },
    Palette {
        name: "plasma",
        diverging: false,
        stops: &[0x0d0887, 0x4c02a1, 0x7e03a8, 0xaa2395, 0xcc4778, 0xe66c5c, 0xf89540, 0xfdc527, 0xf0f921],
    },
    Palette {
        name: "cividis",
        diverging: false,
        stops: &[0x00224e, 0x1a386f, 0x434e6c, 0x61656f, 0x7d7c78, 0x9b9476, 0xbcae6c, 0xdec958, 0xfee838],
    },
    Palette {
        name: "blues",
        diverging: false,
        stops: &[0xf7fbff, 0xdeebf7, 0xc6dbef, 0x9dcae1, 0x6aaed6, 0x4191c6, 0x2070b4, 0x08509b, 0x08306b],
    },
    Palette {
        name: "greys",
        diverging: false,
        stops: &[0xffffff, 0xf0f0f0, 0xd9d9d9, 0xbdbdbd, 0x959595, 0x727272, 0x515151, 0x242424, 0x000000],
    },
    RDBU,
    Palette {
        name: "puor",
        diverging: true,
        stops: &[
            0x2d004b, 0x532687, 0x8073ac, 0xb1aad1, 0xd8daeb, 0xf7f7f6, 0xfee0b6, 0xfcb761, 0xe08214, 0xb25706,
            0x7f3b08,
        ],
    },
];

impl Palette {
    /// The palette of a name, in any case. matplotlib's other spellings of these are known too.
    pub fn named(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let name = match lower.as_str() {
            "rdbu_r" | "coolwarm" | "redblue" | "diverging" => "rdbu",
            "puor_r" | "purpleorange" => "puor",
            "grays" | "gray" | "grey" => "greys",
            "sequential" => "viridis",
            other => other,
        };
        PALETTES.iter().find(|p| p.name == name).copied()
    }

    /// The colour at `t` from 0 to 1.
    pub fn at(&self, t: f64) -> Rgb {
        let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
        let last = self.stops.len().saturating_sub(1);
        let place = t * last as f64;
        let low = (place as usize).min(last.saturating_sub(1));
        let stop = |i: usize| self.stops.get(i).map_or([0; 3], |v| Rgb::hex(*v).0);
        let (a, b, part) = (stop(low), stop(low + 1), place - low as f64);
        let mut out = [0u8; 3];
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
        }
        Rgb(out)
    }

    /// Its colours as CSS, at equal distances.
    pub fn css(&self) -> Vec<String> {
        self.stops.iter().map(|v| Rgb::hex(*v).css()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_pass_through_their_stops() {
        assert_eq!(VIRIDIS.at(0.0).css(), "#440154");
        assert_eq!(VIRIDIS.at(0.5).css(), "#21918c");
        assert_eq!(VIRIDIS.at(1.0).css(), "#fde725");
        assert_eq!(RDBU.at(0.5).css(), "#f7f6f6");
        let [r, _, b] = RDBU.at(0.2).0;
        assert!(b > r, "low is blue");
        assert_eq!(VIRIDIS.at(f64::NAN), VIRIDIS.at(0.0));
        assert_eq!(Palette::named("RdBu_r").map(|p| p.name), Some("rdbu"));
    }
}
