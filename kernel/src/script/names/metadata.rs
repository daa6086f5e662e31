//! What the language tells of its functions, as JSON.

use super::function::{Function, Param, Role};
use crate::display::plain_type_name;
use crate::script::define::{FROM, TYPE};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    #[serde(default)]
    pub functions: Vec<RawFunction>,
    #[serde(default)]
    pub custom_types: Vec<RawType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawType {
    pub type_name: String,
    pub display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawFunction {
    pub name: String,
    #[serde(default)]
    pub is_anonymous: bool,
    #[serde(rename = "type")]
    kind: String,
    num_params: usize,
    #[serde(default)]
    params: Vec<RawParam>,
    #[serde(default)]
    return_type: String,
    #[serde(default)]
    doc_comments: Vec<String>,
}

#[derive(Deserialize)]
pub struct RawParam {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl From<RawFunction> for Function {
    fn from(raw: RawFunction) -> Self {
        let (name, role) = match (raw.name.strip_prefix("get$"), raw.name.strip_prefix(TYPE)) {
            (Some(property), _) => (property.to_owned(), Role::Getter),
            (_, Some(kind)) => (kind.to_owned(), Role::Type),
            _ if rhai::is_valid_identifier(&raw.name) => (raw.name, Role::Call),
            _ => (raw.name, Role::Other),
        };
        let from = raw.doc_comments.iter().find_map(|c| c.strip_prefix(FROM)).map(noun).unwrap_or_default();
        let doc = doc_text(raw.doc_comments.iter().filter(|c| !c.starts_with(FROM)));
        let mut params: Vec<Param> = raw
            .params
            .into_iter()
            .map(|p| Param {
                name: p.name.unwrap_or_default(),
                kind: plain_type_name(p.kind.as_deref().unwrap_or("any").trim_start_matches("&mut ")).to_owned(),
            })
            .collect();
        params.resize(raw.num_params, Param { name: String::new(), kind: "any".into() });
        let returns = match plain_type_name(result_type(&raw.return_type)) {
            "()" | "any" | "Dynamic" => String::new(),
            name => name.to_owned(),
        };
        Self { name, params, returns, doc, from, role, script: raw.kind == "script" }
    }
}

/// `tensor/linalg` of the path of a source file.
fn noun(path: &str) -> String {
    let path = path.replace('\\', "/");
    let file = path.rsplit_once("script/").map_or(path.as_str(), |(_, file)| file);
    file.trim_end_matches(".rs").to_owned()
}

/// The type inside `Result<…>` where that is what the signature says.
fn result_type(returns: &str) -> &str {
    let inner = returns.split_once("Result<").or_else(|| returns.split_once("RhaiResultOf<"));
    inner.and_then(|(_, t)| t.split([',', '>']).next()).unwrap_or(returns)
}

/// Documentation without its comment marks.
fn doc_text<'a>(comments: impl Iterator<Item = &'a String>) -> String {
    let mut out = String::new();
    for line in comments.flat_map(|c| c.lines()) {
        let line = line.trim_start();
        let line = line.strip_prefix("///").or_else(|| line.strip_prefix("/**")).unwrap_or(line);
        let line = line.strip_suffix("*/").unwrap_or(line);
        out.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
        out.push('\n');
    }
    out.trim().to_owned()
}
