//! Kimi's words. llama.cpp cuts them by hand, not by pattern, and this follows what it does.

use super::unicode::{self, Class};

/// A character with what the rules ask about it.
#[derive(Clone, Copy)]
struct Letter {
    at: usize,
    c: char,
    class: Class,
    han: bool,
}

impl Letter {
    fn space(self) -> bool {
        self.c.is_whitespace()
    }

    fn newline(self) -> bool {
        matches!(self.c, '\r' | '\n')
    }

    /// A letter that is not Han.
    fn word(self) -> bool {
        self.class == Class::Letter && !self.han
    }

    fn number(self) -> bool {
        self.class == Class::Number
    }

    fn punctuation(self) -> bool {
        !self.space() && self.class != Class::Letter && !self.number()
    }
}

/// Pushes the end of every word of `piece`.
pub(super) fn words(piece: &str, ends: &mut Vec<usize>) {
    let letters: Vec<Letter> = piece
        .char_indices()
        .map(|(at, c)| Letter { at, c, class: unicode::class(c), han: unicode::is_han(c) })
        .collect();
    let at = |i: usize| letters.get(i).map_or(piece.len(), |l| l.at);
    let mut i = 0;
    while i < letters.len() {
        i = next(&letters, i);
        ends.push(at(i));
    }
}

/// The end of the word that starts at `i`; always after `i`.
fn next(letters: &[Letter], i: usize) -> usize {
    let is = |i: usize, test: fn(Letter) -> bool| letters.get(i).copied().is_some_and(test);
    let run = |mut i: usize, test: fn(Letter) -> bool| {
        while is(i, test) {
            i += 1;
        }
        i
    };
    let Some(&first) = letters.get(i) else { return i + 1 };
    if first.han {
        return run(i, |l| l.han);
    }
    let lead = !first.newline() && first.class != Class::Letter && !first.number();
    if first.word() || (lead && is(i + 1, Letter::word)) {
        let end = run(i + usize::from(lead), Letter::word);
        return end + apostrophe(letters, end);
    }
    if first.number() {
        return run(i, Letter::number).min(i + 3);
    }
    let body = i + usize::from(first.c == ' ');
    if is(body, Letter::punctuation) {
        return run(run(body, Letter::punctuation), Letter::newline);
    }
    let spaces = run(i, Letter::space);
    if let Some(last) = (i..spaces).rev().find(|&k| is(k, Letter::newline)) {
        return last + 1;
    }
    if spaces > i + 1 && spaces < letters.len() {
        return spaces - 1;
    }
    spaces.max(i + 1)
}

/// Length of an English contraction at `i`: `'s`, `'re` and the like.
fn apostrophe(letters: &[Letter], i: usize) -> usize {
    let c = |k: usize| letters.get(i + k).map_or('\0', |l| unicode::lowercase(l.c));
    match (c(0), c(1), c(2)) {
        ('\'', 's' | 't' | 'm' | 'd', _) => 2,
        ('\'', 'r' | 'v', 'e') | ('\'', 'l', 'l') => 3,
        _ => 0,
    }
}
