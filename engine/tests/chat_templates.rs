//! Chat templates against what `transformers` 5.23 (Jinja2 3.1.6) makes of the same templates and messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_engine::format::{Metadata, TensorFile, gguf::GgufFile};
use minerva_engine::tokenizer::{ChatOptions, Tokenizer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn metadata() -> (Metadata, PathBuf) {
    let path = fixtures().join("tokenizer-vectors/ggml-vocab-llama-spm.gguf");
    (GgufFile::open(&path).unwrap().metadata().clone(), path)
}

fn tokenizer() -> Tokenizer {
    let (metadata, path) = metadata();
    Tokenizer::from_gguf(&metadata, &path).unwrap()
}

fn messages() -> Vec<Value> {
    vec![json!({"role": "user", "content": "Hi"})]
}

#[test]
fn templates_render_as_in_transformers() {
    let cases = std::fs::read_to_string(fixtures().join("chat-templates/cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    let tokenizer = tokenizer();
    let mut wrong = Vec::new();
    for case in &cases {
        let options = ChatOptions {
            add_generation_prompt: case["add_generation_prompt"].as_bool().unwrap(),
            template: Some(case["template"].as_str().unwrap().to_owned()),
            variables: case["variables"].as_object().unwrap().clone(),
        };
        let found = tokenizer.apply_chat_template(case["messages"].as_array().unwrap(), &options);
        let ok = match (&found, case["expected"].as_str(), case["error"].as_str()) {
            (Ok(text), Some(expected), _) => text == expected,
            (Err(error), None, Some(expected)) => error.to_string().contains(expected),
            _ => false,
        };
        if !ok {
            wrong.push(format!("{}: {found:#?}\nexpected {:#?}", case["name"], case["expected"].as_str()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_template_that_fails_says_where() {
    let render = |template: &str| {
        let options = ChatOptions { template: Some(template.to_owned()), ..ChatOptions::default() };
        tokenizer().apply_chat_template(&messages(), &options).unwrap_err().to_string()
    };
    let error = render("{{ bos_token }}\n\n{% for m in messages %}\n{{ m.content.nothing() }}{% endfor %}");
    assert!(error.contains("line 4"), "{error}");
    let error = render("a\n{% if %}");
    assert!(error.contains("line 2"), "{error}");
    let error = render("\n{{ raise_exception('no system role') }}");
    assert!(error.contains("line 2") && error.contains("refused") && error.contains("no system role"), "{error}");
    let error = render("{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}");
    assert!(error.contains("fuel"), "{error}");
    let error = render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
    assert!(error.contains("recursion") || error.contains("fuel"), "{error}");
    let error = render("tool_uze");
    assert!(error.contains("not found"), "{error}");
}

#[test]
fn templates_come_from_the_file() {
    let (mut metadata, path) = metadata();
    let options = ChatOptions::default();
    let none = Tokenizer::from_gguf(&metadata, &path).unwrap();
    assert_eq!(none.chat_template(), None);
    let error = none.apply_chat_template(&messages(), &options).unwrap_err().to_string();
    assert!(error.contains("no chat template") && error.contains("help:"), "{error}");

    metadata.insert("tokenizer.chat_template".into(), json!("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"));
    metadata.insert("tokenizer.chat_template.tool_use".into(), json!("tools {{ tools | length }}"));
    let own = Tokenizer::from_gguf(&metadata, &path).unwrap();
    assert_eq!(own.apply_chat_template(&messages(), &options).unwrap(), "<s>Hi</s>");
    assert_eq!(own.encode_chat("<s>Hi</s>").unwrap().iter().filter(|&&id| id == 1).count(), 1);
    let mut tools = ChatOptions::default();
    tools.variables.insert("tools".into(), json!([{}, {}]));
    assert_eq!(own.apply_chat_template(&messages(), &tools).unwrap(), "tools 2");
    let named = ChatOptions { template: Some("tool_use".into()), ..ChatOptions::default() };
    assert!(own.apply_chat_template(&messages(), &named).is_err(), "tools is none, and none has no length");
    let replaced = own.with_chat_template("{{ messages | length }}");
    assert_eq!(replaced.apply_chat_template(&messages(), &options).unwrap(), "1");
}

#[test]
fn the_date_is_todays() {
    let options =
        ChatOptions { template: Some("{{ strftime_now('%Y-%m-%d %d %b') }}".into()), ..ChatOptions::default() };
    let text = tokenizer().apply_chat_template(&messages(), &options).unwrap();
    let year: u32 = text.get(..4).unwrap().parse().unwrap();
    assert!(year >= 2025 && text.len() == "2025-01-31 31 Jan".len(), "{text}");
    let options = ChatOptions { template: Some("{{ strftime_now('%!') }}".into()), ..ChatOptions::default() };
    assert!(tokenizer().apply_chat_template(&messages(), &options).is_err());
}
