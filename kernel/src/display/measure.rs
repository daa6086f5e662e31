//! Text measured in the columns it takes in a terminal: a Chinese character takes two, a combining accent none.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that a line of text takes.
pub fn width_of(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text on one line, shortened to so many columns.
pub fn cut(text: &str, columns: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width_of(&flat) <= columns {
        return flat;
    }
    let mut out = String::new();
    let mut taken = 1; // of the ellipsis
    for c in flat.chars() {
        taken += UnicodeWidthChar::width(c).unwrap_or(0);
        if taken > columns {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// The text filled up with blanks before it.
pub fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width_of(text))))
}

/// The text filled up with blanks after it.
pub fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width_of(text))))
}

/// `1,000,000` of `1000000`: the digits before the point in threes.
pub fn grouped(number: &str, separator: char) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let digits = whole.chars().count();
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (digits - i).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(c);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_not_characters() {
        assert_eq!((width_of("abc"), width_of("漢字"), width_of("e\u{301}")), (3, 4, 1));
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("two\nlines", 20), "two lines");
        assert_eq!((left("漢", 4).as_str(), right("漢", 4).as_str()), ("漢  ", "  漢"));
    }

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!(grouped("1234567.25", ','), "1,234,567.25");
        assert_eq!(grouped("134515008", '_'), "134_515_008");
        assert_eq!((grouped("12", ','), grouped("", ',')), ("12".to_owned(), String::new()));
    }
}
