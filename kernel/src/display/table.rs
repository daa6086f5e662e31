//! Tables: an array of maps, or a single map, as aligned text and as HTML.

use super::measure::{cut, left, right, width_of};
use super::value::{Render, float};
use super::width::width;
use super::{Bundle, escape_html};
use rhai::{Array, Dynamic, Map};

/// Longer tables show their beginning and end.
const MOST_ROWS: usize = 60;
/// Rows shown before and after the gap of a long table.
const EDGE_ROWS: usize = 20;

/// Columns that stand first, in this order; the others follow by name.
const FIRST: [&str; 8] = ["rank", "name", "tensor", "backend", "token", "text", "p", "logprob"];

/// Columns of cells, each row as long as the header.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Column titles; empty titles are allowed.
    pub header: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<Cell>>,
}

/// One cell: its text and whether it is a number, which decides its alignment.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What the cell shows.
    pub text: String,
    /// Numbers stand right-aligned.
    pub number: bool,
}

impl Cell {
    /// A cell of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: false }
    }

    /// A cell that holds a number, already formatted.
    pub fn number(text: impl ToString) -> Self {
        Self { text: text.to_string(), number: true }
    }
}

impl Table {
    /// A table with these column titles and no rows yet.
    pub fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; it is cut or filled up to the header's length.
    pub fn push(&mut self, mut row: Vec<Cell>) {
        row.resize(self.header.len(), Cell::text(""));
        self.rows.push(row);
    }

    /// The table of an array of maps: its columns are the maps' keys, those of the first map first. `None` for
    /// anything else.
    pub fn from_value(value: &Dynamic, render: &Render<'_>) -> Option<Self> {
        let array = value.read_lock::<Array>()?;
        if array.is_empty() || !array.iter().all(|v| v.is_map()) {
            return None;
        }
        let mut header: Vec<String> = Vec::new();
        for row in array.iter() {
            for name in row.read_lock::<Map>()?.keys() {
                if !header.iter().any(|h| h == name.as_str()) {
                    header.push(name.to_string());
                }
            }
        }
        // The language's maps keep no order of their own: what a row is about comes before what is said of it.
        let place = |name: &String| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len());
        header.sort_by_key(place);
        Self::from_rows(&array, header, render)
    }

    /// The table of an array of maps with the columns asked for. `None` when a row is no map.
    pub fn from_rows(rows: &Array, columns: Vec<String>, render: &Render<'_>) -> Option<Self> {
        let mut table = Self::new(columns);
        for row in rows {
            let row = row.read_lock::<Map>()?;
            let cells =
                table.header.iter().map(|name| row.get(name.as_str()).map_or(Cell::text(""), |v| cell(v, render)));
            let cells = cells.collect();
            table.push(cells);
        }
        Some(table)
    }

    /// Aligned text and an HTML table.
    pub fn bundle(&self) -> Bundle {
        Bundle::html(self.to_html(), self.to_text(Some(width())))
    }

    /// Aligned text, numbers to the right. Where `width` is given, wide cells are shortened towards it, and columns that
    /// still find no room are named below.
    pub fn to_text(&self, width: Option<usize>) -> String {
        let rows = self.shown();
        let mut widths: Vec<usize> = self.header.iter().map(|h| columns(h)).collect();
        for row in rows.iter().flatten() {
            for (w, c) in widths.iter_mut().zip(row.iter()) {
                *w = (*w).max(columns(&c.text));
            }
        }
        if let Some(width) = width {
            shrink(&mut widths, width.saturating_sub(2 * self.header.len()));
        }
        let fitting = width.map_or(widths.len(), |width| fitting(&widths, width));
        widths.truncate(fitting);
        let mut out = String::new();
        let header: Vec<Cell> =
            self.header.iter().zip(self.numeric()).map(|(h, number)| Cell { text: h.clone(), number }).collect();
        if self.header.iter().any(|h| !h.is_empty()) {
            push_line(&mut out, &header, &widths);
            let rule: Vec<Cell> = widths.iter().map(|w| Cell::text("─".repeat(*w))).collect();
            push_line(&mut out, &rule, &widths);
        }
        for row in &rows {
            match row {
                Some(row) => push_line(&mut out, row, &widths),
                None => out.push_str("…\n"),
            }
        }
        if rows.len() < self.rows.len() {
            out.push_str(&format!("({} rows)\n", self.rows.len()));
        }
        let hidden = self.header.get(fitting..).unwrap_or_default();
        if !hidden.is_empty() {
            let line = format!("(not shown: {})", hidden.join(", "));
            out.push_str(&cut(&line, width.unwrap_or(usize::MAX)));
            out.push('\n');
        }
        out.truncate(out.trim_end_matches('\n').len());
        out
    }

    /// An HTML table that inherits the page's colours.
    pub fn to_html(&self) -> String {
        let mut out = String::from("<table>");
        if self.header.iter().any(|h| !h.is_empty()) {
            out.push_str("<thead><tr>");
            for (title, number) in self.header.iter().zip(self.numeric()) {
                out.push_str(&format!("<th style=\"text-align:{}\">{}</th>", align(number), escape_html(title)));
            }
            out.push_str("</tr></thead>");
        }
        out.push_str("<tbody>");
        let rows = self.shown();
        for row in &rows {
            out.push_str("<tr>");
            match row {
                Some(row) => {
                    for c in row.iter() {
                        let text = escape_html(&c.text).replace('\n', "<br>");
                        out.push_str(&format!("<td style=\"text-align:{}\">{text}</td>", align(c.number)));
                    }
                }
                None => out.push_str(&format!("<td colspan=\"{}\">…</td>", self.header.len())),
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
        if rows.len() < self.rows.len() {
            out.push_str(&format!("<p>{} rows</p>", self.rows.len()));
        }
        out
    }

    /// The rows that are shown, `None` standing for the gap.
    fn shown(&self) -> Vec<Option<&Vec<Cell>>> {
        if self.rows.len() <= MOST_ROWS {
            return self.rows.iter().map(Some).collect();
        }
        let head = self.rows.iter().take(EDGE_ROWS).map(Some);
        let tail = self.rows.iter().skip(self.rows.len() - EDGE_ROWS).map(Some);
        head.chain([None]).chain(tail).collect()
    }

    /// For each column, whether it holds numbers and nothing else.
    fn numeric(&self) -> Vec<bool> {
        (0..self.header.len())
            .map(|i| {
                let mut cells = self.rows.iter().filter_map(|r| r.get(i)).filter(|c| !c.text.is_empty()).peekable();
                cells.peek().is_some() && cells.all(|c| c.number)
            })
            .collect()
    }
}

fn cell(value: &Dynamic, render: &Render<'_>) -> Cell {
    if let Some(s) = value.read_lock::<rhai::ImmutableString>() {
        return Cell::text(quoted_where_needed(&s));
    }
    if let Some(f) = value.read_lock::<f64>() {
        return Cell::number(rounded(*f));
    }
    // Of a value that takes several lines, such as a tensor, the first is what fits a cell.
    let text = render(value);
    let text = text.lines().next().unwrap_or_default().to_owned();
    Cell { text, number: value.is_int() }
}

/// A string as it is, or in quotes where blanks at its ends or characters that do not show would go unseen.
fn quoted_where_needed(s: &str) -> String {
    let unseen = s.trim() != s || s.is_empty() || s.chars().any(|c| c.is_control() && c != '\n');
    if unseen { format!("{s:?}") } else { s.to_owned() }
}

/// A number for a table: six significant digits are enough to compare rows by eye.
fn rounded(f: f64) -> String {
    let size = f.abs();
    if !f.is_finite() || f == 0.0 {
        return float(f);
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{f:.4e}");
    }
    let decimals = (5 - size.log10().floor() as i32).clamp(0, 8) as usize;
    let text = format!("{f:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn align(number: bool) -> &'static str {
    if number { "right" } else { "left" }
}

fn columns(text: &str) -> usize {
    text.lines().map(width_of).max().unwrap_or(0)
}

/// Takes from the widest columns until all fit, leaving each readable.
fn shrink(widths: &mut [usize], room: usize) {
    const NARROWEST: usize = 12;
    while widths.iter().sum::<usize>() > room {
        match widths.iter_mut().max_by_key(|w| **w) {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => return,
        }
    }
}

/// How many columns fit beside each other; the first always does.
fn fitting(widths: &[usize], width: usize) -> usize {
    let mut taken = 0;
    let fits = widths.iter().take_while(|w| {
        taken += *w + 2;
        taken <= width + 2
    });
    fits.count().max(1)
}

fn push_line(out: &mut String, cells: &[Cell], widths: &[usize]) {
    let mut line = String::new();
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if i > 0 {
            line.push_str("  ");
        }
        let text: String = cell.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = cut(&text, *width);
        line.push_str(&if cell.number { right(&text, *width) } else { left(&text, *width) });
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn table(script: &str) -> Table {
        let value: Dynamic = rhai::Engine::new().eval(script).unwrap();
        Table::from_value(&value, &|v| v.to_string()).unwrap()
    }

    #[test]
    fn an_array_of_maps_is_a_table_with_numbers_to_the_right() {
        let t = table(r#"[#{name: "a", p: 0.5}, #{name: "long name", p: 12.25, extra: 1}]"#);
        let text = t.to_text(None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "name           p  extra");
        assert_eq!(lines[2], "a            0.5");
        assert_eq!(lines[3], "long name  12.25      1");
    }

    #[test]
    fn html_is_escaped() {
        let html = table(r#"[#{"<b>": "<script>alert(1)</script>"}]"#).to_html();
        assert!(html.contains("&lt;b&gt;") && html.contains("&lt;script&gt;") && !html.contains("<script>"));
    }

    #[test]
    fn long_tables_are_cut_and_wide_ones_shortened() {
        let t = table("let a = []; for i in 0..500 { a.push(#{i: i, t: `${i}`.to_upper()}); } a");
        assert_eq!(t.to_text(None).lines().filter(|l| *l == "…").count(), 1);
        assert!(t.to_text(None).ends_with("(500 rows)"));
        let wide = table(r#"let s = ""; for i in 0..300 { s += "x"; } [#{s: s, n: 1}]"#);
        assert!(wide.to_text(Some(80)).lines().all(|l| l.chars().count() <= 80));
        let many = table(r#"let r = #{}; for i in 0..30 { r[`column${i}`] = 1234567890; } [r, r]"#).to_text(Some(60));
        assert!(many.lines().all(|l| l.chars().count() <= 60), "{many}");
        assert!(many.lines().last().unwrap().starts_with("(not shown: column"), "{many}");
    }

    #[test]
    fn numbers_keep_six_digits() {
        assert_eq!(rounded(3.0), "3");
        assert_eq!(rounded(0.123_456_789), "0.123457");
        assert_eq!(rounded(1_234.567_89), "1234.57");
        assert_eq!(rounded(1.0e-7), "1.0000e-7");
        assert_eq!(rounded(f64::NAN), "NaN");
    }
}
