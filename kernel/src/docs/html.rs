//! The reference as one page for a browser, which needs nothing beside itself.

use super::markdown::{about, is_property, magics, properties};
use super::{BEFORE, INTRODUCTION};
use crate::display::escape_html;
use crate::script::names::Names;
use crate::script::reference::{Reference, Section};
use pulldown_cmark::{Options, Parser};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");
const FILTER: &str = include_str!("filter.js");

/// The page.
pub fn html(names: &Names) -> String {
    let reference = Reference::of(names);
    let mut nav = String::new();
    let mut main =
        format!("<h1>Minerva: the script API</h1>\n{}", rendered(&format!("{INTRODUCTION}\n\n```rhai\n{BEFORE}\n```")));
    for section in &reference.sections {
        nav.push_str(&links(section));
        main.push_str(&written(section));
    }
    nav.push_str("<a class=\"topic\" href=\"#magics\">Magics</a>\n");
    let _ = write!(main, "<section><h2 id=\"magics\">Magics</h2>\n{}</section>\n", rendered(&magics()));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Minerva: the script API</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<nav>\n<input type=\"search\" placeholder=\"Filter\" aria-label=\"Filter\">\n\
         {nav}</nav>\n<main>\n{main}<footer>Minerva {}, written by <code>minerva docs</code></footer>\n</main>\n\
         <script>\n{FILTER}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// A section's part of the table of contents.
fn links(section: &Section<'_>) -> String {
    let mut out = format!("<a class=\"topic\" href=\"#{}\">{}</a>\n", id(&section.title), escape_html(&section.title));
    for entry in section.entries.iter().filter(|e| !is_property(e)) {
        let _ = writeln!(out, "<a href=\"#{}\">{}</a>", id(&entry.key()), escape_html(entry.name()));
    }
    out
}

fn written(section: &Section<'_>) -> String {
    let mut out = format!("<section><h2 id=\"{}\">{}</h2>\n", id(&section.title), escape_html(&section.title));
    for text in [about(section), properties(section)].into_iter().flatten() {
        out.push_str(&rendered(&text));
    }
    for entry in section.entries.iter().filter(|e| !is_property(e)) {
        let key = entry.key();
        let _ = write!(
            out,
            "<article><h3 id=\"{0}\"><a href=\"#{0}\">{1}</a></h3>\n{2}</article>\n",
            id(&key),
            escape_html(&key),
            rendered(&entry.markdown())
        );
    }
    out + "</section>\n"
}

fn rendered(markdown: &str) -> String {
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, Parser::new_ext(markdown, Options::ENABLE_TABLES));
    out
}

/// A name as the fragment of an address.
fn id(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "._".contains(c) { c } else { '-' }).collect()
}
