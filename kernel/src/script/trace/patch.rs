//! `m.patch(…)`: which places carry what two prompts differ in.

use super::{gradients, table};
use crate::display::{Bundle, Cell, Table, escape_html};
use crate::script::error::{ScriptResult, guard, raise};
use crate::script::model::ModelHandle;
use crate::script::options::{OptionSpec, Options};
use crate::script::{Host, define, define_type, property, tokens};
use minerva_engine::model::Model;
use minerva_engine::tensor::{Scale, number};
use minerva_engine::trace::{self, PatchBy, PatchOptions, Patching};
use minerva_engine::{Error, Token};
use rhai::{Array, Dynamic, Engine, Map};
use std::sync::Arc;

/// Columns that a page shows beside each other, the last ones.
const WIDE: usize = 64;
/// Columns that a terminal shows beside each other, the last ones.
const NARROW: usize = 6;

/// The options of `patch`.
const PATCH: &[OptionSpec] = &[
    OptionSpec::new::<Dynamic>("answer", "the token whose prediction counts, an id or the text of one token")
        .also(&["token"])
        .or("the likeliest after the clean prompt"),
    OptionSpec::new::<Dynamic>("wrong", "another token: then the metric is the difference of the two logits")
        .also(&["minus"]),
    OptionSpec::new::<i64>("position", "whose prediction counts").or("-1"),
    OptionSpec::new::<String>("by", "what is patched at a time").one_of(&["position", "head"]),
    OptionSpec::new::<bool>(
        "normalize",
        "scores from 0, the corrupt prompt, to 1, the clean one; false: the metric itself",
    )
    .or("true"),
];

/// The outcome of patching in a script.
#[derive(Clone)]
pub struct PatchingHandle {
    model: Model,
    found: Arc<Patching>,
}

/// Registers `patch` and what it returns.
pub fn register(engine: &mut Engine, host: &Host) {
    parts(engine, host);
    let doc = "Activation patching: runs the clean prompt once, then the corrupt one with the activation of one block and position in place of its own, for every block and position. A heat map of what each patch restores: 0 is the corrupt prompt, 1 the clean one. The metric is the log-probability of the token that is likeliest after the clean prompt. The prompts must have the same number of tokens. Points: resid_pre, resid_mid, resid_post, attn_out, mlp_out and others by position; z, q, k, v, pattern by head.";
    let h = host.clone();
    define("patch", &["m: Model", "clean: string|array", "corrupt: string|array", "point: string", "Patching"], doc)
        .example("c.patch(\"if thou do\", \"if he do\", \"resid_pre\")")
        .register_into_engine(engine, move |m: &mut ModelHandle, clean: Dynamic, corrupt: Dynamic, point: &str| {
            patch(&h, m, &clean, &corrupt, point, Map::new())
        });
    let doc = "Activation patching with another metric, or by head.";
    let h = host.clone();
    define(
        "patch",
        &["m: Model", "clean: string|array", "corrupt: string|array", "point: string", "options: map", "Patching"],
        doc,
    )
    .options(&[PATCH])
    .example("c.patch(\"if thou do\", \"if he do\", \"z\", #{ answer: 20, wrong: 30, by: \"head\" })")
    .register_into_engine(
        engine,
        move |m: &mut ModelHandle, clean: Dynamic, corrupt: Dynamic, point: &str, options: Map| {
            patch(&h, m, &clean, &corrupt, point, options)
        },
    );
}

/// The outcome as a type of its own.
fn parts(engine: &mut Engine, host: &Host) {
    let about = "What activation patching found: a heat map of blocks by positions or heads.";
    let example = "let p = c.patch(\"if thou do\", \"if he do\", \"resid_pre\");\np.scores.shape.len() // → 2";
    define_type::<PatchingHandle>(engine, "Patching", about, example);
    host.shows::<PatchingHandle>(engine, show);
    let p = |name: &str, kind: &str, doc: &str| property(name, &["p: Patching", kind], doc);
    p("scores", "Tensor", "A tensor [layers, positions] or [layers, heads].")
        .register_into_engine(engine, |p: &mut PatchingHandle| p.found.scores.clone());
    p("clean", "float", "The metric after the clean prompt.")
        .register_into_engine(engine, |p: &mut PatchingHandle| f64::from(p.found.clean_value));
    p("corrupt", "float", "The metric after the corrupt prompt.")
        .register_into_engine(engine, |p: &mut PatchingHandle| f64::from(p.found.corrupt_value));
    p("answer", "int", "The token whose prediction counts.")
        .register_into_engine(engine, |p: &mut PatchingHandle| i64::from(p.found.answer));
    let wrong = |p: &mut PatchingHandle| p.found.wrong.map_or(Dynamic::UNIT, |token| i64::from(token).into());
    p("wrong", "int", "The token whose logit is subtracted, or ().").register_into_engine(engine, wrong);
    let names = |p: &mut PatchingHandle| -> Array { names(&p.found).map(Dynamic::from).collect() };
    p("names", "array", "The hook points that were patched, one for each row of the scores.")
        .register_into_engine(engine, names);
    p("tokens", "array", "The tokens of the clean prompt.")
        .register_into_engine(engine, |p: &mut PatchingHandle| table::token_array(&p.model, &p.found.clean));
    p("corrupt_tokens", "array", "The tokens of the corrupt prompt.")
        .register_into_engine(engine, |p: &mut PatchingHandle| table::token_array(&p.model, &p.found.corrupt));
}

fn patch(
    host: &Host,
    m: &ModelHandle,
    clean: &Dynamic,
    corrupt: &Dynamic,
    point: &str,
    options: Map,
) -> ScriptResult<PatchingHandle> {
    let model = m.get()?;
    let (clean, corrupt) = (tokens::prompt(&model, clean)?, tokens::prompt(&model, corrupt)?);
    let options = patch_options(&model, options)?;
    let found = guard(|| trace::patch(&model, &clean, &corrupt, point, options, &host.control()))?;
    Ok(PatchingHandle { model, found: Arc::new(found) })
}

fn patch_options(model: &Model, map: Map) -> ScriptResult<PatchOptions> {
    let mut o = Options::of("patch", &[PATCH], map);
    let token = |name: &str, value: Option<Dynamic>| -> ScriptResult<Option<Token>> {
        value.map(|value| gradients::token(model, "patch", name, &value)).transpose()
    };
    let d = PatchOptions::default();
    let options = PatchOptions {
        answer: token("answer", o.get("answer")?)?,
        wrong: token("wrong", o.get("wrong")?)?,
        position: o.get("position")?.unwrap_or(d.position),
        by: match o.get::<String>("by")?.as_deref() {
            Some("head") => Some(PatchBy::Head),
            Some(_) => Some(PatchBy::Position),
            None => None,
        },
        normalize: o.get("normalize")?.unwrap_or(d.normalize),
    };
    o.finish()?;
    if options.wrong.is_some() && options.answer == options.wrong {
        return Err(raise(Error::argument("patch: options", "two different tokens", "the same as answer and wrong")));
    }
    Ok(options)
}

fn names(p: &Patching) -> impl Iterator<Item = String> {
    p.layers.iter().map(|layer| format!("blocks.{layer}.{}", p.point))
}

/// Column titles, and how many columns before them are left out because nothing can change there.
fn columns(p: &PatchingHandle, most: usize) -> (usize, Vec<String>) {
    let found = &p.found;
    let all: Vec<String> = match found.by {
        PatchBy::Head => {
            (0..found.scores.shape().last().copied().unwrap_or(0)).map(|head| format!("head {head}")).collect()
        }
        PatchBy::Position => {
            let clean = table::token_texts(&p.model, &found.clean).unwrap_or_default();
            let corrupt = table::token_texts(&p.model, &found.corrupt).unwrap_or_default();
            let name = |(i, (a, b)): (usize, (&String, &String))| {
                if a == b { format!("{i} {a:?}") } else { format!("{i} {a:?} → {b:?}") }
            };
            clean.iter().zip(&corrupt).enumerate().map(name).collect()
        }
    };
    let same = match found.by {
        PatchBy::Head => 0,
        PatchBy::Position => found.clean.iter().zip(&found.corrupt).take_while(|(a, b)| a == b).count(),
    };
    let skipped = same.max(all.len().saturating_sub(most));
    (skipped, all.into_iter().skip(skipped).collect())
}

fn line(p: &PatchingHandle) -> String {
    let found = &p.found;
    let text = |token| table::token_texts(&p.model, &[token]).unwrap_or_default().concat();
    let what = match found.wrong {
        Some(wrong) => format!("logit of {:?} minus logit of {:?}", text(found.answer), text(wrong)),
        None => format!("log-probability of {:?}", text(found.answer)),
    };
    let scale = if found.normalized { "; scores: 0 corrupt, 1 clean" } else { "" };
    let (clean, corrupt) = (number(f64::from(found.clean_value)), number(f64::from(found.corrupt_value)));
    format!("Patching {}: {what}, clean {clean}, corrupt {corrupt}{scale}", found.point)
}

fn show(p: &PatchingHandle) -> Bundle {
    let found = &p.found;
    let values = found.scores.to_vec().unwrap_or_default();
    let width = found.scores.shape().last().copied().unwrap_or(1).max(1);
    let line = line(p);
    // The last block on top, as in a picture of a model.
    let rows = || names(found).zip(values.chunks(width)).collect::<Vec<_>>().into_iter().rev();
    let (skipped, header) = columns(p, NARROW);
    let mut plain = Table::new(std::iter::once(note(p, skipped)).chain(header));
    for (name, row) in rows() {
        let cells = row.iter().skip(skipped).map(|v| Cell::number(format!("{v:.2}")));
        plain.push(std::iter::once(Cell::text(name)).chain(cells).collect());
    }
    let (skipped, header) = columns(p, WIDE);
    let none = if found.normalized { 0.0 } else { found.corrupt_value };
    let most = values.iter().map(|v| (v - none).abs()).filter(|v| v.is_finite()).fold(1e-6, f32::max);
    let scale = Scale { low: f64::from(-most), high: f64::from(most), diverging: true, nan: false };
    let titles: String = header.iter().map(|h| format!("<th>{}</th>", escape_html(h))).collect();
    let body: String = rows()
        .map(|(name, row)| {
            let cells: String = row.iter().skip(skipped).map(|v| cell(*v, none, most, &scale)).collect();
            format!("<tr><th style=\"text-align:left\">{name}</th>{cells}</tr>")
        })
        .collect();
    let first = escape_html(&note(p, skipped));
    let html = format!(
        "<div><code>{}</code></div><table><thead><tr><th style=\"text-align:left\">{first}</th>{titles}</tr></thead><tbody>{body}</tbody></table>",
        escape_html(&line)
    );
    Bundle::html(html, format!("{line}\n{}", plain.bundle().plain()))
}

/// What stands over the names of the rows.
fn note(p: &PatchingHandle, skipped: usize) -> String {
    match p.found.by {
        PatchBy::Position if skipped > 0 => format!("clean → corrupt, positions {skipped} on"),
        PatchBy::Position => "clean → corrupt".to_owned(),
        PatchBy::Head if skipped > 0 => format!("heads {skipped} on"),
        PatchBy::Head => String::new(),
    }
}

/// A number on its colour: nothing where the patch does nothing, so that it is read on a light and on a dark page.
fn cell(value: f32, none: f32, most: f32, scale: &Scale) -> String {
    let [r, g, b, a] = scale.color(f64::from((value - none) / most + 1.0) / 2.0);
    let opacity = f64::from(a) / 255.0 * 0.75;
    format!("<td style=\"text-align:right;background:rgba({r},{g},{b},{opacity:.2})\">{value:.2}</td>")
}
