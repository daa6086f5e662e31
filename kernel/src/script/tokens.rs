//! Token ids between scripts and the engine.

use super::error::{ScriptResult, guard, raise};
use crate::display::type_name;
use minerva_engine::generate::Candidate;
use minerva_engine::model::Model;
use minerva_engine::{Error, Token};
use rhai::{Array, Dynamic, ImmutableString, Map};

/// Ids as a script's array.
pub fn to_array(ids: &[Token]) -> Array {
    ids.iter().map(|id| Dynamic::from(i64::from(*id))).collect()
}

/// One id or an array of ids.
pub fn ids(value: &Dynamic) -> ScriptResult<Vec<Token>> {
    let wrong = |found: &Dynamic| {
        let shown = found.as_int().map_or_else(|_| type_name(found).to_owned(), |n| n.to_string());
        raise(Error::argument("token ids", "whole numbers of at least 0, one or an array", shown))
    };
    let id = |v: &Dynamic| v.as_int().ok().and_then(|n| Token::try_from(n).ok()).ok_or_else(|| wrong(v));
    match value.read_lock::<Array>() {
        Some(array) => array.iter().map(id).collect(),
        None => Ok(vec![id(value)?]),
    }
}

/// A prompt: text, which the model's tokenizer turns into tokens, or an array of ids, taken as they are.
pub fn prompt(model: &Model, value: &Dynamic) -> ScriptResult<Vec<Token>> {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return guard(|| model.tokens(&text));
    }
    if value.is_array() {
        return ids(value);
    }
    Err(raise(Error::argument("prompt", "a string or an array of token ids", type_name(value))))
}

/// Several prompts: an array whose first item is a text or an array of ids. `None` for a single prompt, as text or as an
/// array of ids.
pub fn prompts(model: &Model, value: &Dynamic) -> ScriptResult<Option<Vec<Vec<Token>>>> {
    let several = value.read_lock::<Array>().filter(|a| a.first().is_some_and(|v| v.is_string() || v.is_array()));
    several.map(|texts| texts.iter().map(|text| prompt(model, text)).collect()).transpose()
}

/// A possible next token as a row of a table.
pub fn candidate(model: &Model, c: &Candidate) -> ScriptResult {
    let text = guard(|| model.tokenizer().decode(&[c.token], false))?;
    let mut map = Map::new();
    map.insert("rank".into(), (c.rank as i64).into());
    map.insert("token".into(), i64::from(c.token).into());
    map.insert("text".into(), text.into());
    map.insert("p".into(), f64::from(c.logprob.exp()).into());
    map.insert("logprob".into(), f64::from(c.logprob).into());
    map.insert("logit".into(), f64::from(c.logit).into());
    Ok(map.into())
}
