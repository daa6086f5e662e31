//! Chat templates: Jinja programs that write a conversation as one text, run as `transformers` runs them.

use super::pyjson;
use crate::error::{Error, Result};
use crate::format::Metadata;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, Value as Jinja};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde_json::{Map, Value, json};
use std::path::Path;

/// How a conversation is rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatOptions {
    /// Ends with the start of the assistant's answer, so that the model writes it.
    pub add_generation_prompt: bool,
    /// Another template than the model's: the name of one of its templates (`"tool_use"`), or Jinja source.
    pub template: Option<String>,
    /// More variables for the template: `tools`, `documents`, `enable_thinking`, …
    pub variables: Map<String, Value>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, template: None, variables: Map::new() }
    }
}

/// The templates that came with a model.
#[derive(Debug, Clone, Default)]
pub(super) struct Templates {
    default: Option<String>,
    named: Vec<(String, String)>,
}

impl Templates {
    /// Those of a GGUF file.
    pub fn from_gguf(metadata: &Metadata) -> Self {
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let named = metadata
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix("tokenizer.chat_template.")?.to_owned(), value.as_str()?.to_owned()))
            })
            .collect();
        Self { default: text("tokenizer.chat_template"), named }
    }

    /// Those of a `tokenizer_config.json`: one, or a list of named ones.
    pub fn from_config(config: &Value) -> Self {
        match config.get("chat_template") {
            Some(Value::String(template)) => Self { default: Some(template.clone()), named: Vec::new() },
            Some(Value::Array(list)) => {
                let named: Vec<(String, String)> = list
                    .iter()
                    .filter_map(|t| {
                        Some((t.get("name")?.as_str()?.to_owned(), t.get("template")?.as_str()?.to_owned()))
                    })
                    .collect();
                let default = named.iter().find(|(name, _)| name == "default").map(|(_, source)| source.clone());
                Self { default, named }
            }
            _ => Self::default(),
        }
    }

    /// As `tokenizer_config.json` has them under `chat_template`.
    pub fn to_config(&self) -> Option<Value> {
        let default = self.default.iter().map(|source| ("default", source));
        let others =
            self.named.iter().filter(|(name, _)| name != "default").map(|(name, source)| (name.as_str(), source));
        match (&self.default, self.named.is_empty()) {
            (None, true) => None,
            (Some(source), true) => Some(Value::from(source.as_str())),
            _ => {
                let list = default.chain(others).map(|(name, source)| json!({ "name": name, "template": source }));
                Some(list.collect())
            }
        }
    }

    /// Replaces the default template.
    pub fn set_default(&mut self, source: String) {
        self.default = Some(source);
    }

    /// The default template.
    pub fn default_source(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The template to use.
    pub fn choose<'a>(&'a self, options: &'a ChatOptions, path: &Path) -> Result<&'a str> {
        let named =
            |wanted: &str| self.named.iter().find(|(name, _)| name == wanted).map(|(_, source)| source.as_str());
        if let Some(template) = &options.template {
            let is_source = template.contains("{{") || template.contains("{%") || template.contains("{#");
            return match named(template) {
                Some(source) => Ok(source),
                None if is_source => Ok(template),
                None => {
                    let known = self.named.iter().map(|(name, _)| name.as_str());
                    Err(Error::not_found("chat template", template, known)
                        .with_help("pass the name of one of the model's templates, or Jinja source"))
                }
            };
        }
        let tools = options.variables.get("tools").is_some_and(|tools| !tools.is_null());
        named("tool_use").filter(|_| tools).or(self.default_source()).ok_or_else(|| {
            Error::unsupported(
                format!("{}: the model has no chat template", path.display()),
                "base models have none: generate from a plain prompt, or pass a template as Jinja source",
            )
        })
    }
}

/// Runs a template. `special` are the model's named tokens, `bos_token` and so on.
pub(super) fn render(
    source: &str,
    messages: &[Value],
    options: &ChatOptions,
    special: &[(String, String)],
    path: &Path,
) -> Result<String> {
    let source = without_generation_tags(source);
    let environment = environment().map_err(|e| failure(&e, path))?;
    let template = environment.template_from_named_str("chat template", &source).map_err(|e| failure(&e, path))?;
    let mut context: Map<String, Value> =
        special.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect();
    context.insert("messages".to_owned(), Value::Array(messages.to_vec()));
    context.insert("add_generation_prompt".to_owned(), Value::Bool(options.add_generation_prompt));
    for name in ["tools", "documents"] {
        context.insert(name.to_owned(), Value::Null);
    }
    context.extend(options.variables.clone());
    template.render(Jinja::from(Serde(&context))).map_err(|e| failure(&e, path))
}

/// Instructions a template may run: far more than any conversation takes, and the end of a loop without end.
const FUEL: u64 = 20_000_000;

/// Jinja as `transformers` sets it up.
fn environment<'source>() -> Result<Environment<'source>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(method);
    environment.set_formatter(format);
    environment.add_filter("tojson", tojson);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    Ok(environment)
}

/// Python's methods of strings, lists and dictionaries.
fn method(
    state: &mut State<'_, '_>,
    value: &Jinja,
    name: &str,
    arguments: &[Jinja],
) -> Result<Jinja, minijinja::Error> {
    match (name, value.as_str(), arguments) {
        // Python starts a word after whatever is no letter, minijinja-contrib after white space.
        ("title", Some(text), []) => Ok(Jinja::from(pyjson::title(text))),
        _ => unknown_method_callback(state, value, name, arguments),
    }
}

/// Prints booleans, none and containers as Python does.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Jinja) -> Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::Bool | ValueKind::None | ValueKind::Seq | ValueKind::Map => {
            let json = serde_json::to_value(value).unwrap_or_default();
            out.write_str(&pyjson::repr(&json)).map_err(minijinja::Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// `tojson` of `transformers`, which unlike Jinja's own escapes nothing.
fn tojson(value: &Jinja, options: Kwargs) -> Result<Jinja, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    if indent.is_some_and(|n| n > MOST_INDENT) {
        // The template comes with a file from anywhere: it must not choose how much memory we allocate.
        let text = format!("tojson: expected an indent of at most {MOST_INDENT}");
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, text));
    }
    let separators: Option<Vec<String>> = options.get("separators")?;
    let sort_keys: Option<bool> = options.get("sort_keys")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let json =
        serde_json::to_value(value).map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    let json = if sort_keys == Some(true) { pyjson::sorted(json) } else { json };
    let separators = separators.and_then(|list| <[String; 2]>::try_from(list).ok()).map(|[item, key]| (item, key));
    Ok(Jinja::from_safe_string(pyjson::dumps(&json, indent, separators)))
}

/// Far more than anyone indents by.
const MOST_INDENT: usize = 64;

/// Marks an error as the template's own refusal.
const REFUSED: &str = "the template refused the messages: ";

fn raise_exception(message: &str) -> Result<Jinja, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("{REFUSED}{message}")))
}

/// The local time, in C's `strftime` format.
fn strftime_now(format: &str) -> Result<String, minijinja::Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|e| minijinja::Error::new(ErrorKind::InvalidOperation, format!("strftime_now({format:?}): {e}")))
}

/// `{% generation %}` marks the assistant's words for training and writes nothing. It becomes an `if` that always
/// holds, which trims space in the same way.
fn without_generation_tags(source: &str) -> String {
    if !source.contains("generation") {
        return source.to_owned();
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{%") {
        out.push_str(before);
        out.push_str("{%");
        rest = after;
        let Some((tag, _)) = after.split_once("%}") else { break };
        let name = tag.trim_matches(['-', '+']).trim();
        let replacement = match name {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => continue,
        };
        out.push_str(&tag.replace(name, &format!(" {replacement} ")));
        rest = after.get(tag.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// A failed template as our error, with its line.
fn failure(error: &minijinja::Error, path: &Path) -> Error {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let line =
        error.line().map(|n| format!("chat template, line {n}: ")).unwrap_or_else(|| "chat template: ".to_owned());
    if detail.starts_with(REFUSED) {
        return Error::format(path, format!("{line}{detail}"))
            .with_help("change the messages to what the model was trained on: roles, their order, their contents");
    }
    let what = if error.detail().is_some() { format!("{}: {detail}", error.kind()) } else { detail };
    Error::format(path, format!("{line}{what}"))
        .with_help("pass another template, or report this one if it works with transformers")
}
