//! GPT-2's spelling of bytes: each byte is one printable character, so that a vocabulary is text.

/// The character that stands for a byte: itself when it is printable Latin-1, otherwise from U+0100 on.
pub(crate) fn to_char(byte: u8) -> char {
    match byte {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
        // The 68 others, in order: 0x00-0x20, 0x7F-0xA0, 0xAD.
        0x00..=0x20 => shifted(u32::from(byte)),
        0x7F..=0xA0 => shifted(33 + u32::from(byte) - 0x7F),
        0xAD => shifted(67),
    }
}

/// The byte that a character stands for.
pub(crate) fn from_char(c: char) -> Option<u8> {
    match u32::from(c) {
        n @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => u8::try_from(n).ok(),
        n @ 0x100..=0x120 => u8::try_from(n - 0x100).ok(),
        n @ 0x121..=0x142 => u8::try_from(n - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// The byte of a `<0xNN>` token.
pub(crate) fn from_hex(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let two_digits = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    two_digits.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

fn shifted(n: u32) -> char {
    char::from_u32(0x100 + n).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_byte_has_its_own_character() {
        let mut seen = std::collections::HashSet::new();
        for byte in 0..=255u8 {
            let c = to_char(byte);
            assert!(!c.is_control() && !c.is_whitespace(), "{byte:#x} is {c:?}");
            assert!(seen.insert(c));
            assert_eq!(from_char(c), Some(byte));
        }
        assert_eq!((to_char(b' '), to_char(b'\n'), to_char(b'a')), ('Ġ', 'Ċ', 'a'));
        assert_eq!(from_char('我'), None);
    }

    #[test]
    fn hexadecimal_byte_tokens() {
        assert_eq!(from_hex("<0x0A>"), Some(10));
        assert_eq!((from_hex("<0xA>"), from_hex("<0x+1>"), from_hex("<s>")), (None, None, None));
    }
}
