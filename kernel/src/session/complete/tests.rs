//! What is offered at the cursor.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::session::tests::Notebook;
use crate::session::{Detail, Match, MatchKind};
use std::time::{Duration, Instant};

fn matches(n: &Notebook, code: &str) -> Vec<Match> {
    n.session.complete(code, code.chars().count()).matches
}

fn texts(n: &Notebook, code: &str) -> Vec<String> {
    matches(n, code).into_iter().map(|m| m.text).collect()
}

#[test]
fn completion_offers_what_can_stand_there() {
    let mut n = Notebook::new();
    n.ok(
        "let temperature = 0.8; let text = \"abc\"; let opts = #{max_tokens: 5, nested: #{deep: 1}}; fn tempo() { 1 }",
    );
    let of = |code: &str| {
        let c = n.session.complete(code, code.chars().count());
        (c.start, c.matches.into_iter().map(|m| m.text).collect::<Vec<_>>())
    };
    assert_eq!(of("let ä = 1; temp"), (11, vec!["temperature".to_owned(), "tempo".to_owned()]));
    let (start, names) = of("print(text.to_u");
    assert_eq!((start, names), (11, vec!["to_upper".to_owned()]));
    assert_eq!(of("opts.max").1, ["max_tokens"]);
    assert_eq!(
        of("opts.nested.d"),
        (12, vec!["deep".to_owned()].into_iter().chain(of("opts.nested.d").1.into_iter().skip(1)).collect())
    );
    assert!(of("for index in 0..3 { ind").1.contains(&"index".to_owned()));
    assert!(of("whi").1.contains(&"while".to_owned()));
    assert!(of("text.").1.len() > 10);
    assert!(!of("text.").1.contains(&"temperature".to_owned()));
    assert!(of("xyz(\"sr").1.contains(&"src/".to_owned()), "tests run in the crate's folder");
    assert_eq!(of("print(\"no/such/folder/").1, Vec::<String>::new());
    let mut n = Notebook::new();
    n.ok("let shown = html(\"<b>\"); let bar = progress(3);");
    let c = n.session.complete("bar.st", 6);
    assert_eq!(c.matches.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["step"]);
    assert!(n.session.inspect("bar", 1, Detail::Brief).unwrap().plain().starts_with("bar: Progress"));
    // The cursor may stand anywhere, also past the end.
    for cursor in 0..20 {
        let _ = n.session.complete("tex.té`(", cursor);
        let _ = n.session.inspect("tex.té`(", cursor, Detail::More);
    }
}

#[test]
fn completion_offers_options_inside_a_call() {
    let mut n = Notebook::new();
    n.ok("/// Makes text.\n/// Options: max_tokens, temperature, stop.\nfn make(text, options) { text }");
    let of = |code: &str| {
        let matches = n.session.complete(code, code.chars().count()).matches;
        matches.into_iter().filter(|m| m.kind == MatchKind::Option).map(|m| m.text).collect::<Vec<_>>()
    };
    assert_eq!(of("make(\"a\", #{"), ["max_tokens", "stop", "temperature"]);
    assert_eq!(of("make(\"a\", #{stop: [\"x\", \"}\"], te"), ["temperature"]);
    n.ok("/// Like it, with the options of make and more.\nfn remake(text, options) { text }");
    let of = |code: &str| {
        let matches = n.session.complete(code, code.chars().count()).matches;
        matches.into_iter().filter(|m| m.kind == MatchKind::Option).map(|m| m.text).collect::<Vec<_>>()
    };
    assert_eq!(of("remake(\"a\", #{ma"), ["max_tokens"]);
    assert_eq!(of("make(\"a\", #{stop: te"), Vec::<String>::new());
    assert_eq!(of("make(\"a\", #{}, te"), Vec::<String>::new());
}

fn with_models() -> Notebook {
    let mut n = Notebook::new();
    n.ok("let m = load(\"sample\"); let c = load(\"sample\", #{ backend: \"candle\" }); let f = open(sample_path(\"gguf\"));");
    n
}

#[test]
fn a_chain_of_calls_is_followed_by_its_types() {
    let n = with_models();
    let has = |code: &str, name: &str| texts(&n, code).iter().any(|t| t == name);
    assert!(has("m.generate(\"a\", #{ max_tokens: 3 }).", "finish_reason"));
    assert!(!has("m.generate(\"a\").", "generate"), "a generation is no model");
    assert!(has("m.generate(\"a\").timings.", "keys") && !has("m.generate(\"a\").timings.", "svd"));
    assert!(has("m.tensor(\"x\").T[0].", "svd") && has("f[\"x\"].", "svd") && has("(m.logits(\"a\"))[-1].", "svd"));
    assert!(has("c.run_with_cache(\"a\")[\"b\"].", "svd") && has("c.run_with_cache(\"a\").", "names"));
    assert!(has("\"text\".", "to_upper") && has("[1, 2].", "push") && has("#{a: 1}.", "keys"));
    // A property that several types have is one of each.
    assert!(has("m.na", "name") && has("m.tensor(\"x\").na", "name") && has("m.session().te", "text"));
    assert!(has("m.generate(\"a\").te", "text"));
    // What the same text defines is known before it runs, and hides what the notebook has.
    assert!(has("let g = load(\"sample\").generate(\"a\");\ng.", "seed"));
    assert!(has("let m = \"text\"; m.", "to_upper") && !has("let m = \"text\"; m.", "generate"));
    assert!(has("for t in m.tensors(\"*\") { t.", "svd"));
    assert!(has("let x = m.tensor(\"a\"); let y = x.softmax(); y.so", "softmax"));
    // Of what nothing is known, everything is offered.
    assert!(has("unknown_thing.", "generate") && has("unknown_thing.", "svd"));
}

#[test]
fn methods_come_with_signature_and_sentence() {
    let n = with_models();
    let found = matches(&n, "m.gener");
    assert_eq!(found[0].text, "generate");
    assert!(found[0].signature.starts_with("generate(prompt: string|array"), "{}", found[0].signature);
    assert_eq!(found[0].doc, "Continues a prompt (text or token ids).");
    let option = matches(&n, "m.generate(\"a\", #{ temp").remove(0);
    assert_eq!((option.kind, option.signature.as_str()), (MatchKind::Option, "temperature: float = 0.8"));
    assert!(option.doc.contains("likeliest"));
    assert!(!texts(&n, "m.generate(\"a\", #{ seed: 1, ").contains(&"seed".to_owned()), "it is given already");
    assert!(texts(&n, "m.chat(\"a\", #{ temp").contains(&"template".to_owned()));
}

#[test]
fn strings_are_completed_by_what_they_are_for() {
    let n = with_models();
    let one = |code: &str, text: &str| {
        let found = texts(&n, code);
        assert!(found.iter().any(|t| t == text), "{code}: {found:?}");
    };
    one("c.run_with_cache(\"a\", \"blocks.0.hook_res", "blocks.0.hook_resid_post");
    one("c.run_with_cache(\"a\", [\"blocks.1.hook_mlp_out\", \"blocks.0.attn.hook_p", "blocks.0.attn.hook_pattern");
    one("c.run_with_hooks(\"a\", [[\"blocks.1.", "blocks.1.hook_mlp_out");
    one("c.generate(\"a\", #{ hooks: [[\"blocks.1.", "blocks.1.hook_mlp_out");
    one("c.hooks(\"ln_f", "ln_final.hook_normalized");
    one("m.tensor(\"blk.0.attn_q", "blk.0.attn_q.weight");
    one("m.tensor(\"ttn_q.wei", "blk.0.attn_q.weight");
    one("f[\"blk.0.attn_q", "blk.0.attn_q.weight");
    one("f.tensors(\"blk.0.attn_q", "blk.0.attn_q.weight");
    one("load(\"sam", "sample");
    one("load(\"x\", #{ backend: \"can", "candle");
    one("load(\"x\", #{ quantize: \"Q8", "Q8_0");
    one("m.tensor(\"a\").to(\"BF", "BF16");
    one("open(\"sr", "src/");
    one("help(\"gener", "generate");
    let path = minerva_engine::sample::path(minerva_engine::sample::Form::Gguf).unwrap().display().to_string();
    one(&format!("open({path:?}).tensor(\"blk.0.attn_q"), "blk.0.attn_q.weight");
    let mut n = n;
    n.ok("let r = c.run_with_cache(\"To\", \"*hook_embed\"); let opts = #{ \"two words\": 1 };");
    assert_eq!(texts(&n, "r[\"hook"), ["hook_embed"]);
    assert_eq!(texts(&n, "opts[\"tw"), ["two words"]);
    // A prompt is nobody's name, and what is replaced begins after the quote.
    assert!(texts(&n, "m.generate(\"bl").is_empty());
    let c = n.session.complete("m.tensor(\"blk.0.attn_q", 22);
    assert_eq!((c.start, c.end), (10, 22));
    assert!(texts(&n, "// m.").is_empty() && texts(&n, "/* m.").is_empty());
}

#[test]
fn magics_are_completed_where_they_can_stand() {
    let n = Notebook::new();
    assert_eq!(texts(&n, "%ti"), ["%time"]);
    assert_eq!(texts(&n, "%%h"), ["%%html"]);
    assert!(texts(&n, "%").contains(&"%%time".to_owned()));
    assert_eq!(texts(&n, "%load sr"), ["src/"]);
    assert!(texts(&n, "%time pri").contains(&"print".to_owned()));
    assert!(!texts(&n, "5 %").iter().any(|t| t == "%time"));
}

#[test]
fn a_model_of_many_tensors_is_no_burden() {
    let mut n = Notebook::new();
    n.ok("let many = #{}; for i in 0..10000 { many[`layers.${i}.weight`] = i; }");
    let start = Instant::now();
    let found = texts(&n, "many[\"layers.99");
    assert!(found.contains(&"layers.9999.weight".to_owned()));
    assert!(texts(&n, "many[\"").len() <= 1000);
    // Far above what it takes, far below what a person waits for.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn no_text_is_too_odd() {
    let mut n = with_models();
    n.ok("let text = \"abc\";");
    let alphabet = [
        "m", ".", "(", ")", "[", "]", "{", "}", "#", "\"", "`", "$", "let ", "=", ";", ",", ":", "\n", "%", "é",
        "for ", " in ", "generate", "/", "?",
    ];
    let mut seed = 11_u64;
    for _ in 0..1500 {
        let code: String = (0..12)
            .map(|_| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                alphabet[(seed >> 33) as usize % alphabet.len()]
            })
            .collect();
        let length = code.chars().count();
        for cursor in [0, length / 2, length, length + 5] {
            let found = n.session.complete(&code, cursor);
            assert!(found.start <= found.end && found.end <= length, "{code:?}");
            let _ = n.session.inspect(&code, cursor, Detail::More);
            let _ = n.session.is_complete(&code);
        }
    }
}

#[test]
fn inspection_tells_signature_documentation_or_value() {
    let mut n = Notebook::new();
    n.ok("/// Doubles a number.\nfn twice(n) { n * 2 }\nlet rows = [#{a: 1}];");
    let text = |code: &str, cursor: usize| {
        n.session.inspect(code, cursor, Detail::Brief).map(|b| b.plain().to_owned()).unwrap_or_default()
    };
    assert!(text("twice(4)", 3).contains("twice(n)") && text("twice(4)", 3).contains("Doubles a number."));
    assert!(text("twice(", 6).contains("twice(n)"));
    assert!(text("rows", 4).starts_with("rows: array"));
    assert!(text("display", 2).contains("Shows a value now"));
    assert_eq!(text("nothing_here", 3), "");
}

#[test]
fn inspection_knows_the_value_at_hand() {
    let mut n = with_models();
    n.ok("/// Doubles.\nfn twice(n) {\n    n * 2\n}\nlet t = tensor([[1.0, 2.0]]); let opts = #{ deep: [1, 2] }; let word = \"abc\"; let again = twice;");
    let of = |code: &str, detail| n.session.inspect(code, code.chars().count(), detail);
    let text = |code: &str| of(code, Detail::Brief).map(|b| b.plain().to_owned()).unwrap_or_default();
    // A method is that of the value's type.
    assert!(text("m.generate").contains("m.generate(prompt") && !text("m.generate").contains("s.generate("));
    assert!(text("m.generate(\"a\", #{").contains("temperature: float = 0.8"));
    assert!(text("m.generate(\"a").contains("m.generate(prompt"), "inside a string of the call");
    assert!(text("generate").contains("m.generate(prompt") && text("generate").contains("s.generate("));
    assert!(text("m").starts_with("m: Model") && text("t").starts_with("t: Tensor"));
    assert!(text("t").contains("μ="), "{}", text("t"));
    assert!(text("opts").starts_with("opts: map, 1 entry") && text("opts.deep").starts_with("deep: array, 2 items"));
    assert!(text("word").starts_with("word: string, 3 characters"));
    assert!(text("twice").contains("fn twice(n) {\n    n * 2\n}") && text("twice").contains("Doubles."));
    assert!(text("again").contains("n * 2"));
    assert!(text("%time").contains("%time expression") && text("Tensor").contains("svd"));
    let more = of("m", Detail::More).unwrap();
    assert!(more.plain().contains("It has") && more.plain().contains("run_with_cache"));
    let rich = of("m.generate", Detail::Brief).unwrap();
    assert!(rich.data["text/markdown"].as_str().unwrap().contains("| `temperature` |"));
    assert!(of("t", Detail::Brief).unwrap().data["text/html"].as_str().unwrap().contains("t: Tensor"));
    // Functions of the language are known too.
    assert!(text("word.to_upper").contains("to_upper"));
}

#[test]
fn a_question_mark_explains() {
    let mut n = Notebook::new();
    n.ok("/// Doubles.\nfn twice(n) { n * 2 } let x = 5;");
    assert!(n.ok("twice?").contains("Doubles."));
    assert!(n.ok("?x").contains("int"));
    assert!(n.ok("x??").contains("It has") && n.ok("twice??").contains("n * 2"));
    assert!(n.ok("nothing_such?").contains("nothing is known"));
    assert!(n.ok("help()").contains("display(value, id: string)") && n.ok("help()").contains("twice(n)"));
    assert!(n.ok("help(\"sleep\")").contains("Waits"));
    let said = n.ok("help(\"top_k\")");
    assert!(said.contains("An option of") && said.contains("Model.generate") && said.contains("top_k: int"), "{said}");
    assert!(n.ok("help(\"max_new_tokens\")").contains("max_tokens: int"), "another spelling");
    assert!(n.err("help(\"slep\")").evalue.contains("did you mean \"sleep\"?"));
}
