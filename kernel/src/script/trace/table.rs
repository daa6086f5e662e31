//! How activations show themselves.

use crate::display::{Bundle, Cell, Table, escape_html};
use crate::script::error::{ScriptResult, guard};
use minerva_engine::model::Model;
use minerva_engine::tensor::{Tensor, number};
use minerva_engine::trace::Activations;
use minerva_engine::{Control, Token};
use rhai::{Array, Dynamic};

/// Of a longer list of activations, the rows at both ends that a table shows.
const EDGE: usize = 20;
/// A list this long is shown whole.
const WHOLE: usize = 60;
/// Tokens written out in the line above a table.
const TOKENS: usize = 24;

/// Each token as text, special tokens written out.
pub fn token_texts(model: &Model, tokens: &[Token]) -> ScriptResult<Vec<String>> {
    guard(|| tokens.iter().map(|t| model.tokenizer().decode(&[*t], false)).collect())
}

/// The same as a script's array.
pub fn token_array(model: &Model, tokens: &[Token]) -> ScriptResult<Array> {
    Ok(token_texts(model, tokens)?.into_iter().map(Dynamic::from).collect())
}

/// `5 tokens: "<|endoftext|>" "To" " be"`: what was fed, always shown.
pub fn fed(model: &Model, tokens: &[Token]) -> String {
    let shown = token_texts(model, tokens.get(..TOKENS).unwrap_or(tokens)).unwrap_or_default();
    let texts: Vec<String> = shown.iter().map(|t| format!("{t:?}")).collect();
    let more = if tokens.len() > TOKENS { " …" } else { "" };
    format!("{} tokens: {}{more}", tokens.len(), texts.join(" "))
}

/// Name, shape, mean and deviation of each activation, and a line before them.
pub fn bundle(line: &str, activations: &Activations, control: &Control) -> Bundle {
    if activations.is_empty() {
        return Bundle::text(line);
    }
    let mut table = Table::new(["name", "shape", "mean", "std"]);
    let count = activations.len();
    for (i, (name, tensor)) in activations.iter().enumerate() {
        let seen = count <= WHOLE || i < EDGE || i >= count - EDGE;
        let row = if seen { row(name, tensor, control) } else { vec![Cell::text(name)] };
        table.push(row);
    }
    let shown = table.bundle();
    let html = format!("<div><code>{}</code></div>{}", escape_html(line), table.to_html());
    Bundle::html(html, format!("{line}\n{}", shown.plain()))
}

fn row(name: &str, tensor: &Tensor, control: &Control) -> Vec<Cell> {
    let shape = Cell::text(format!("{:?}", tensor.shape()));
    match tensor.stats(control) {
        Ok(stats) => vec![Cell::text(name), shape, Cell::number(number(stats.mean)), Cell::number(number(stats.std))],
        Err(_) => vec![Cell::text(name), shape],
    }
}
