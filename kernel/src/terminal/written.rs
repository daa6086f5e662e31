//! What a cell has written to a terminal, so that it can be cleared again.

use unicode_width::UnicodeWidthChar;

/// Where the cursor stands, seen from where the cell began; not known any more once something was written whose place in
/// the window cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    rows: usize,
    column: usize,
    known: bool,
}

impl Default for Written {
    fn default() -> Self {
        Self { rows: 0, column: 0, known: true }
    }
}

impl Written {
    /// Takes note of text in a window of so many columns. A line that the window breaks, a tab or an escape sequence takes
    /// room that is not known here.
    pub fn add(&mut self, text: &str, columns: usize) {
        for c in text.chars() {
            match c {
                '\n' => (self.rows, self.column) = (self.rows + 1, 0),
                '\r' => self.column = 0,
                c => match c.width() {
                    Some(width) => self.column += width,
                    None => self.known = false,
                },
            }
            self.known &= self.column < columns;
        }
    }

    /// Something was written whose place is not known.
    pub fn lose(&mut self) {
        self.known = false;
    }

    /// The same with the cursor at the beginning of a line, so many rows higher.
    pub fn up(self, rows: usize) -> Self {
        Self { rows: self.rows.saturating_sub(rows), column: 0, ..self }
    }

    /// What clears it in a window of so many rows; `None` where that is not known, or some of it has scrolled away.
    pub fn clearing(&self, rows: usize) -> Option<String> {
        if !self.known || self.rows >= rows {
            return None;
        }
        let up = if self.rows > 0 { format!("\x1b[{}A", self.rows) } else { String::new() };
        Some(format!("\r{up}\x1b[J"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clearing(text: &str) -> Option<String> {
        let mut written = Written::default();
        written.add(text, 10);
        written.clearing(5)
    }

    #[test]
    fn the_cursor_goes_back_to_where_the_cell_began() {
        assert_eq!(clearing("").as_deref(), Some("\r\x1b[J"));
        assert_eq!(clearing("abc").as_deref(), Some("\r\x1b[J"));
        assert_eq!(clearing("a\nb\rcc\nd").as_deref(), Some("\r\x1b[2A\x1b[J"));
        let mut written = Written::default();
        written.add("1\n2\n3\n", 10);
        assert_eq!(written.up(2).clearing(5).as_deref(), Some("\r\x1b[1A\x1b[J"));
    }

    #[test]
    fn what_has_no_known_place_is_not_cleared() {
        for text in ["0123456789", "日本語日本", "a\tb", "\x1b[31mred", "1\n2\n3\n4\n5\n"] {
            assert_eq!(clearing(text), None, "{text:?}");
        }
        let mut written = Written::default();
        written.lose();
        assert_eq!(written.clearing(5), None);
    }
}
