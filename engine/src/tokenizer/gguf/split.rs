//! Cutting a text into words by the stages of a pre-tokenizer.
//!
//! llama.cpp matches its patterns on a text in which every character outside ASCII has been replaced by one that stands
//! for its category, and all white space outside ASCII by a vertical tab. We do the same, which makes the meaning of
//! `\p{…}` and `\s` exactly llama.cpp's whatever Unicode version a regular expression crate has; our stand-ins have the
//! UTF-8 length of what they replace, so that offsets need no translation.

use super::pre::{Pre, Stage};
use super::unicode::{self, Class};
use crate::error::{Error, Result};
use fancy_regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::ops::Range;

/// A pre-tokenizer, compiled.
#[derive(Debug)]
pub(super) struct Splitter {
    stages: Vec<Compiled>,
}

#[derive(Debug)]
enum Compiled {
    /// A pattern on the text as it is, but for its white space.
    Plain(Regex),
    /// A pattern that names categories, on the text of stand-ins.
    Classes(Regex),
    Thousands,
    Lines,
    Kimi,
}

impl Splitter {
    /// Compiles the stages.
    pub fn new(pre: &Pre) -> Result<Self> {
        let compile = |pattern: &str| {
            // A pre-tokenizer must be able to cut texts of any length.
            RegexBuilder::new(pattern).backtrack_limit(usize::MAX).build().map_err(|e| {
                Error::unsupported(format!("the pattern of pre-tokenizer {:?} does not compile: {e}", pre.names), "")
            })
        };
        let stages = pre.stages.iter().map(|stage| {
            Ok(match stage {
                Stage::Regex(alternatives) => {
                    let pattern = alternatives.join("|");
                    let expanded = compile(&expand_classes(&pattern))?;
                    if pattern.contains(r"\p{") { Compiled::Classes(expanded) } else { Compiled::Plain(expanded) }
                }
                Stage::Thousands => Compiled::Thousands,
                Stage::Lines => Compiled::Lines,
                Stage::Kimi => Compiled::Kimi,
            })
        });
        Ok(Self { stages: stages.collect::<Result<_>>()? })
    }

    /// The words of a text, in order and without gaps, as ranges of bytes.
    #[expect(clippy::single_range_in_vec_init, reason = "one piece, which the stages cut up")]
    pub fn split(&self, text: &str) -> Result<Vec<Range<usize>>> {
        let mut pieces = vec![0..text.len()];
        let (mut plain, mut classes) = (None, None);
        for stage in &self.stages {
            let mut out = Vec::with_capacity(pieces.len() * 2);
            match stage {
                Compiled::Plain(regex) => {
                    let view: &Cow<'_, str> = plain.get_or_insert_with(|| stand_ins(text, false));
                    by_regex(regex, view, &pieces, &mut out)?;
                }
                Compiled::Classes(regex) => {
                    let view: &Cow<'_, str> = classes.get_or_insert_with(|| stand_ins(text, true));
                    by_regex(regex, view, &pieces, &mut out)?;
                }
                Compiled::Thousands => by(text, &pieces, &mut out, thousands),
                Compiled::Lines => by(text, &pieces, &mut out, lines),
                Compiled::Kimi => by(text, &pieces, &mut out, super::kimi::words),
            }
            pieces = out;
        }
        pieces.retain(|piece| !piece.is_empty());
        Ok(pieces)
    }
}

/// The category characters: private use, one for each UTF-8 length from two on.
fn stand_in(class: Class, length: usize) -> char {
    let class = match class {
        Class::Letter => 1,
        Class::Number => 2,
        Class::Punctuation => 3,
        Class::Mark => 4,
        Class::Symbol => 5,
        Class::Undefined | Class::Separator | Class::Control => 0,
    };
    // U+0100 and U+E000 and U+F0000 are no white space, nor in any range that a pattern with classes spells.
    let start = match length {
        2 => 0x100,
        3 => 0xE000,
        _ => 0xF_0000,
    };
    char::from_u32(start + class).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// What stands for white space of two and three bytes. The first is white space itself; the second is a noncharacter,
/// because a pattern has a range that covers all white space of that length, and so `\s` is made to include it.
const WHITE_2: char = '\u{85}';
const WHITE_3: char = '\u{FDD0}';

/// The text with white space outside ASCII made uniform, and with `classes` every other character outside ASCII
/// replaced by the stand-in of its category.
fn stand_ins(text: &str, classes: bool) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let replace = |c: char| match c {
        c if c.is_ascii() => c,
        c if c.is_whitespace() => {
            if c.len_utf8() == 2 {
                WHITE_2
            } else {
                WHITE_3
            }
        }
        WHITE_3 if !classes => '\u{FDD1}',
        c if classes => stand_in(unicode::class(c), c.len_utf8()),
        c => c,
    };
    Cow::Owned(text.chars().map(replace).collect())
}

/// Replaces `\p{…}`, `\s` and `\S` by the characters that [`stand_ins`] leaves of them.
fn expand_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let (mut rest, mut depth) = (pattern, 0usize);
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix(r"\p{").and_then(|r| r.split_once('}')) {
            let (class, ascii) = match name.chars().next() {
                Some('L') => (Class::Letter, "A-Za-z"),
                Some('N') => (Class::Number, "0-9"),
                Some('P') => (Class::Punctuation, r"!-\#%-*,-/:;?@\[-\]_\{\}"),
                Some('M') => (Class::Mark, ""),
                _ => (Class::Symbol, r"$+<->\^`\|\~"),
            };
            let members: String = (2..=4).map(|length| stand_in(class, length)).collect();
            if depth == 0 {
                out.push('[');
            }
            out.push_str(ascii);
            out.push_str(&members);
            if depth == 0 {
                out.push(']');
            }
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix(r"\s") {
            out.push_str(&if depth == 0 { format!(r"[\s{WHITE_3}]") } else { format!(r"\s{WHITE_3}") });
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix(r"\S").filter(|_| depth == 0) {
            out.push_str(&format!(r"[^\s{WHITE_3}]"));
            rest = after;
            continue;
        }
        // An escape is two characters; brackets that are not escaped open and close classes.
        let length = if c == '\\' { 1 + rest.chars().nth(1).map_or(0, char::len_utf8) } else { c.len_utf8() };
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let (taken, after) = rest.split_at(length);
        out.push_str(taken);
        rest = after;
    }
    out
}

/// Cuts pieces at the matches of a pattern; what lies between matches is a piece too.
fn by_regex(regex: &Regex, view: &str, pieces: &[Range<usize>], out: &mut Vec<Range<usize>>) -> Result<()> {
    for piece in pieces {
        let mut end = piece.start;
        // The pattern sees the piece alone: `$` and look-aheads stop at its end.
        for found in regex.find_iter(view.get(piece.clone()).unwrap_or_default()) {
            let found = found.map_err(|e| Error::unsupported(format!("a text cannot be cut into words: {e}"), ""))?;
            let found = piece.start + found.start()..piece.start + found.end();
            if found.start > end {
                out.push(end..found.start);
            }
            end = found.end;
            out.push(found);
        }
        if end < piece.end {
            out.push(end..piece.end);
        }
    }
    Ok(())
}

/// Cuts each piece with a function that pushes the ends of its words, as offsets into the piece.
fn by(text: &str, pieces: &[Range<usize>], out: &mut Vec<Range<usize>>, cut: impl Fn(&str, &mut Vec<usize>)) {
    let mut ends = Vec::new();
    for piece in pieces {
        ends.clear();
        cut(text.get(piece.clone()).unwrap_or_default(), &mut ends);
        let mut start = piece.start;
        for end in ends.iter().map(|end| piece.start + end) {
            out.push(start..end);
            start = end;
        }
        if start < piece.end {
            out.push(start..piece.end);
        }
    }
}

fn lines(piece: &str, ends: &mut Vec<usize>) {
    let mut previous = None;
    for (at, c) in piece.char_indices() {
        let newline = c == '\n';
        if previous.is_some_and(|p| p != newline) {
            ends.push(at);
        }
        previous = Some(newline);
    }
}

fn thousands(piece: &str, ends: &mut Vec<usize>) {
    let mut run: Vec<usize> = Vec::new();
    for (at, c) in piece.char_indices().chain([(piece.len(), ' ')]) {
        if unicode::class(c) == Class::Number {
            run.push(at);
            continue;
        }
        let digits = run.len();
        // A group starts wherever a multiple of three digits is left. What stands before the run stays with its first
        // group, as in llama.cpp.
        ends.extend(
            run.iter().enumerate().filter(|(i, _)| *i > 0 && (digits - i).is_multiple_of(3)).map(|(_, &at)| at),
        );
        if digits > 0 {
            ends.push(at);
        }
        run.clear();
    }
}
