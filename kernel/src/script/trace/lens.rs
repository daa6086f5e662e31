//! `m.logit_lens(…)`: what the model would say after each block.

use super::table;
use crate::display::{Bundle, Cell, Table};
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::model::ModelHandle;
use crate::script::{Host, define, define_type, property, tokens};
use minerva_engine::Error;
use minerva_engine::model::Model;
use minerva_engine::tensor::Tensor;
use minerva_engine::trace::{self, Lens};
use rhai::{Array, Dynamic, Engine, Map};
use std::sync::Arc;

/// Positions that a page shows beside each other, the last ones.
const WIDE: usize = 32;
/// Positions that a terminal shows beside each other, the last ones.
const NARROW: usize = 4;

/// A lens in a script.
#[derive(Clone)]
pub struct LensHandle {
    model: Model,
    lens: Arc<Lens>,
}

/// Registers `logit_lens` and what it returns.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "What a model would say after each of its blocks.";
    define_type::<LensHandle>(engine, "Lens", doc, "let l = c.logit_lens(\"To be\");\nl.p.shape.len() // → 2");
    host.shows::<LensHandle>(engine, show);
    property("tokens", &["l: Lens", "array"], "The text of each token that was fed.")
        .register_into_engine(engine, |l: &mut LensHandle| table::token_array(&l.model, &l.lens.tokens));
    property("ids", &["l: Lens", "array"], "The ids of the tokens that were fed.")
        .register_into_engine(engine, |l: &mut LensHandle| tokens::to_array(&l.lens.tokens));
    property(
        "p",
        &["l: Lens", "Tensor"],
        "The probability of the likeliest token of each place, [layers + 1, positions].",
    )
    .register_into_engine(engine, |l: &mut LensHandle| probabilities(&l.lens));
    property("rows", &["l: Lens", "array"], "Every place and candidate as a map, for a table.")
        .register_into_engine(engine, rows);
    let doc = "What the model would say after each block if it were the last: the residual stream there through the final norm and the output layer. A table of the likeliest next token and its probability; l.p is a tensor [layers + 1, positions], l.rows an array of maps.";
    let h = host.clone();
    define("logit_lens", &["m: Model", "text: string|array", "Lens"], doc)
        .example("c.logit_lens(\"To be, or not to\")")
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic| lens(&h, m, &text, 1));
    let doc = "As logit_lens, with the n likeliest tokens of each place in l.rows.";
    let h = host.clone();
    define("logit_lens", &["m: Model", "text: string|array", "n: int", "Lens"], doc)
        .example("c.logit_lens(\"To be\", 3).rows")
        .register_into_engine(engine, move |m: &mut ModelHandle, text: Dynamic, n: i64| lens(&h, m, &text, n));
}

fn lens(host: &Host, m: &ModelHandle, text: &Dynamic, n: i64) -> ScriptResult<LensHandle> {
    let model = m.get()?;
    let n = usize::try_from(n).ok().filter(|n| *n > 0);
    let n = n.ok_or_else(|| raise(Error::argument("logit_lens", "at least 1 token per place", "fewer")))?;
    let ids = tokens::prompt(&model, text)?;
    let lens = guard(|| trace::logit_lens(&model, &ids, n, &host.control()))?;
    Ok(LensHandle { model, lens: Arc::new(lens) })
}

fn probabilities(lens: &Lens) -> ScriptResult<Tensor> {
    let best = lens.layers.iter().flatten().filter_map(|place| place.first());
    let values = best.map(|c| c.logprob.exp()).collect();
    guard(|| Tensor::from_vec(values, &[lens.layers.len(), lens.tokens.len()]))
}

fn rows(l: &mut LensHandle) -> ScriptResult<Array> {
    let mut rows = Array::new();
    for (layer, places) in l.lens.layers.iter().enumerate() {
        for (position, place) in places.iter().enumerate() {
            for candidate in place {
                let row = tokens::candidate(&l.model, candidate)?;
                let mut row = row.try_cast::<Map>().unwrap_or_default();
                row.insert("layer".into(), (layer as i64).into());
                row.insert("position".into(), (position as i64).into());
                rows.push(row.into());
            }
        }
    }
    Ok(rows)
}

fn show(l: &LensHandle) -> Bundle {
    let line = format!("Logit lens of {}", table::fed(&l.model, &l.lens.tokens));
    let html = format!("<div><code>{}</code></div>{}", crate::display::escape_html(&line), grid(l, WIDE).to_html());
    Bundle::html(html, format!("{line}\n{}", grid(l, NARROW).bundle().plain()))
}

/// A row per layer, last first as blocks are stacked in pictures; a column per position, the last `most` of them.
fn grid(l: &LensHandle, most: usize) -> Table {
    let texts = table::token_texts(&l.model, &l.lens.tokens).unwrap_or_default();
    let skipped = texts.len().saturating_sub(most);
    let header = texts.iter().enumerate().skip(skipped).map(|(i, t)| format!("{i} {t:?}"));
    let first = if skipped > 0 { format!("after (positions {skipped} on)") } else { "after".to_owned() };
    let mut table = Table::new(std::iter::once(first).chain(header));
    for (layer, places) in l.lens.layers.iter().enumerate().rev() {
        let name = if layer == 0 { "embedding".to_owned() } else { format!("block {}", layer - 1) };
        let cell = |place: &Vec<minerva_engine::generate::Candidate>| {
            let best = place.first()?;
            let text = table::token_texts(&l.model, &[best.token]).unwrap_or_default().concat();
            Some(Cell::text(format!("{text:?} {:.2}", best.logprob.exp())))
        };
        let cells = places.iter().skip(skipped).map(|place| cell(place).unwrap_or_else(|| Cell::text("")));
        table.push(std::iter::once(Cell::text(name)).chain(cells).collect());
    }
    table
}
