//! Unicode categories as llama.cpp has them: those of Unicode 15.1, seven classes, letters not told apart.

use regex_syntax::Parser;
use regex_syntax::hir::{Class as HirClass, HirKind};
use std::sync::OnceLock;

/// The general category of a code point, first letter only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Not assigned in Unicode 15.1.
    Undefined,
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// `\p{P}`
    Punctuation,
    /// `\p{M}`
    Mark,
    /// `\p{S}`
    Symbol,
    /// `\p{Z}`
    Separator,
    /// `\p{C}` without the unassigned: controls, format characters, private use.
    Control,
}

/// Each class with the pattern that defines it. llama.cpp's table is that of Unicode 15.1, and what was assigned later
/// is undefined there.
const CLASSES: [(Class, &str); 7] = [
    (Class::Letter, r"[\p{L}&&\p{age:15.1}]"),
    (Class::Number, r"[\p{N}&&\p{age:15.1}]"),
    (Class::Punctuation, r"[\p{P}&&\p{age:15.1}]"),
    (Class::Mark, r"[\p{M}&&\p{age:15.1}]"),
    (Class::Symbol, r"[\p{S}&&\p{age:15.1}]"),
    (Class::Separator, r"[\p{Z}&&\p{age:15.1}]"),
    (Class::Control, r"[[\p{Cc}\p{Cf}\p{Co}]&&\p{age:15.1}]"),
];

/// Ranges in ascending order, both ends included.
fn table() -> &'static [(char, char, Class)] {
    static TABLE: OnceLock<Vec<(char, char, Class)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut ranges = Vec::with_capacity(3500);
        for (class, pattern) in CLASSES {
            // The patterns are constants, and a test walks them: a failure to parse cannot reach a user.
            let Ok(hir) = Parser::new().parse(pattern) else { continue };
            if let HirKind::Class(HirClass::Unicode(set)) = hir.kind() {
                ranges.extend(set.iter().map(|r| (r.start(), r.end(), class)));
            }
        }
        ranges.sort_unstable_by_key(|r| r.0);
        ranges
    })
}

/// The class of a character.
pub(super) fn class(c: char) -> Class {
    if c.is_ascii_alphabetic() {
        return Class::Letter;
    }
    let table = table();
    let after = table.partition_point(|range| range.0 <= c);
    match after.checked_sub(1).and_then(|i| table.get(i)) {
        Some(&(_, end, class)) if c <= end => class,
        _ => Class::Undefined,
    }
}

/// The lower case of a character: the first character of its full mapping, as llama.cpp's table has it.
pub(super) fn lowercase(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// The base of a character: the first character of its canonical decomposition.
pub(super) fn base(c: char) -> char {
    let mut first = None;
    unicode_normalization::char::decompose_canonical(c, |d| {
        first.get_or_insert(d);
    });
    first.unwrap_or(c)
}

/// Han characters as llama.cpp lists them for Kimi.
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2EBEF}' | '\u{F900}'..='\u{FAFF}' | '\u{2F800}'..='\u{2FA1F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_unicode_15_1() {
        for (c, expected) in [
            ('a', Class::Letter),
            ('\n', Class::Control),
            (' ', Class::Separator),
            ('$', Class::Symbol),
            ('_', Class::Punctuation),
            ('½', Class::Number),
            ('我', Class::Letter),
            ('\u{301}', Class::Mark),
            ('🦙', Class::Symbol),
            ('\u{200D}', Class::Control),
            ('\u{E000}', Class::Control),
            ('\u{2FFC}', Class::Symbol),    // new in 15.1
            ('\u{1C89}', Class::Undefined), // a letter since 16.0
            ('\u{10FFFF}', Class::Undefined),
        ] {
            assert_eq!(class(c), expected, "{c:?}");
        }
    }

    #[test]
    fn the_classes_do_not_overlap() {
        for pair in table().windows(2) {
            assert!(pair[0].1 < pair[1].0, "{pair:?}");
        }
        assert_eq!(CLASSES.len(), 7);
        assert!(CLASSES.iter().all(|(class, _)| table().iter().any(|r| r.2 == *class)));
    }

    #[test]
    fn bases_and_lower_case() {
        assert_eq!((base('é'), base('ự'), base('가'), base('x')), ('e', 'u', '\u{1100}', 'x'));
        assert_eq!((lowercase('Ä'), lowercase('İ'), lowercase('ß')), ('ä', 'i', 'ß'));
    }
}
