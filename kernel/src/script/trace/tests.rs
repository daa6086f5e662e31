//! Looking into a model, as scripts do it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::display::Bundle;
use crate::session::{CellError, Execute, Session, SessionOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Notebook(Session);

impl Notebook {
    /// A session in which `m` is the sample model on candle.
    fn new() -> Self {
        let mut new = Self(Session::new(SessionOptions { stream: false, ..SessionOptions::default() }));
        new.ok("let m = load(\"sample\", #{ backend: \"candle\" });");
        new
    }

    fn run(&mut self, code: &str) -> Result<Bundle, CellError> {
        let outcome = self.0.execute(&Execute::cell(code, "In[1]"), Arc::new(|_| {}));
        outcome.result.map(Option::unwrap_or_default)
    }

    #[track_caller]
    fn ok(&mut self, code: &str) -> String {
        self.run(code).unwrap_or_else(|e| panic!("{code}\n{e}")).plain().to_owned()
    }

    #[track_caller]
    fn err(&mut self, code: &str) -> CellError {
        match self.run(code) {
            Ok(b) => panic!("{code} gave {}", b.plain()),
            Err(e) => e,
        }
    }
}

#[test]
fn a_trace_shows_what_it_holds() {
    let mut n = Notebook::new();
    let list = n.ok("m.hooks()");
    assert!(list.contains("hook_embed") && list.contains("[pos, 128]"), "{list}");
    assert!(n.ok("m.hooks(\"blocks.0.attn.hook_pattern\")[0].shape").contains(", pos, keys]"));
    n.ok("let r = m.run_with_cache(\"To be\", [\"blocks.*.hook_resid_post\", \"blocks.0.attn.hook_pattern\"]);");
    let shown = n.ok("r");
    assert!(shown.starts_with("Trace of ") && shown.contains("tokens: \"<|endoftext|>\""), "{shown}");
    assert!(shown.contains("blocks.0.hook_resid_post") && shown.contains("mean"), "{shown}");
    assert_eq!(n.ok("r.tokens[0]"), "\"<|endoftext|>\"");
    assert_eq!(n.ok("r.ids == m.tokens(\"To be\")"), "true");
    assert_eq!(n.ok("r.names[0] + r.names[1]"), "\"blocks.0.attn.hook_patternblocks.0.hook_resid_post\"");
    assert_eq!(
        n.ok("let t = r[\"blocks.0.attn.hook_pattern\"]; t.shape[1] == r.ids.len() && t.shape[2] == t.shape[1]"),
        "true"
    );
    assert_eq!(n.ok("t.sum(-1).max() - 1.0 < 1e-5"), "true");
    assert_eq!(n.ok("r.logits.allclose(m.logits(\"To be\"), 1e-4, 1e-4)"), "true");
    assert!(n.ok("m.run_with_cache(\"To be\").names.len() == m.hooks().len()") == "true");
    let e = n.err("r[\"blocks.0.hook_resid_pst\"]");
    assert!(e.to_string().contains("did you mean \"blocks.0.hook_resid_post\"?"), "{e}");
    let e = n.err("m.run_with_cache(\"To be\", \"blocks.*.hook_resid_pots\")");
    assert!(e.to_string().contains("did you mean \"blocks.0.hook_resid_post\"?"), "{e}");
    let e = n.err("m.run_with_cache(\"To be\", 5)");
    assert!(e.to_string().contains("a name or pattern of hook points, or an array of them, found int"), "{e}");
}

#[test]
fn functions_are_hooks() {
    let mut n = Notebook::new();
    n.ok("let p = \"blocks.1.hook_resid_post\"; let plain = m.logits(\"To be\");");
    assert_eq!(n.ok("m.run_with_hooks(\"To be\", [[p, |x| x]]).allclose(plain)"), "true");
    assert_eq!(n.ok("m.run_with_hooks(\"To be\", [[p, |x| x * 0.0]]).allclose(plain)"), "false");
    // A function that returns () only looks; it may keep what it sees, its name too, and use the model.
    n.ok("let seen = []; let l = m.run_with_hooks(\"To be\", [[\"blocks.*.hook_mlp_out\", |x, name| { seen.push(name); m.tokens(\"a\"); m.logits(\"a\"); () }]]);");
    assert_eq!(n.ok("seen[0] + \" \" + (seen.len() == m.info().layers)"), "\"blocks.0.hook_mlp_out true\"");
    assert_eq!(n.ok("l.allclose(plain)"), "true");
    n.ok("fn half(x) { x * 0.5 }");
    assert_eq!(
        n.ok("m.run_with_hooks(\"To be\", [[p, half]]).allclose(m.run_with_hooks(\"To be\", [[p, |x| x / 2.0]]))"),
        "true"
    );
    let both = "let r = m.run_with_cache(\"To be\", p, #{ hooks: [[p, |x| x * 2.0]] }); \
                r[p].allclose(m.run_with_cache(\"To be\", p)[p] * 2.0)";
    assert_eq!(n.ok(both), "true");
    // Patching: the activation of one text in the run of another.
    let patched = "let clean = m.run_with_cache(\"To be or not\", p); \
                   m.run_with_hooks(\"To be or you\", [[p, |x| clean[p]]])[-1]";
    n.ok(patched);
}

#[test]
fn what_a_hook_does_wrong_is_told_at_its_place() {
    let mut n = Notebook::new();
    n.ok("let p = \"blocks.1.hook_resid_post\"; let plain = m.logits(\"To be\");");
    let e = n.err("let a = 1;\nm.run_with_hooks(\"To be\", [[p,\n  |x| x.missing_method()]])");
    assert!(e.evalue.contains("missing_method"), "{e}");
    assert!(e.frames[0].line == 3, "{e}");
    let e = n.err("m.run_with_hooks(\"To be\", [[p, |x| throw \"my own\"]])");
    assert!(e.evalue.contains("my own"), "{e}");
    let e = n.err("m.run_with_hooks(\"To be\", [[p, |x| x[0]]])").to_string();
    assert!(e.contains("hook at \"blocks.1.hook_resid_post\": expected a tensor of the activation's shape ["), "{e}");
    let e = n.err("m.run_with_hooks(\"To be\", [[p, |x| 5]])").to_string();
    assert!(e.contains("expected a tensor, or () for no change, found int"), "{e}");
    for wrong in ["[5]", "[[p]]", "[[p, 5]]", "[[p, |x| x, 1]]"] {
        let e = n.err(&format!("m.run_with_hooks(\"To be\", {wrong})")).to_string();
        assert!(e.contains("expected an array of [pattern, function]"), "{e}");
    }
    assert_eq!(
        n.ok("let got = 0; try { m.run_with_hooks(\"To be\", [[p, |x| throw 7]]); } catch (e) { got = e; } got"),
        "7"
    );
    assert_eq!(n.ok("m.logits(\"To be\").allclose(plain)"), "true");
    assert_eq!(n.ok("m.run_with_hooks(\"To be\", [p, |x| x]).allclose(plain)"), "true");
}

#[test]
fn an_interrupt_reaches_a_hook() {
    let mut n = Notebook::new();
    let interrupt = n.0.interrupt();
    let stop = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        interrupt.raise();
    });
    let start = Instant::now();
    let e = n.err("m.run_with_hooks(\"To be\", [[\"hook_embed\", |x| { loop {} }]])");
    assert_eq!(e.ename, "Interrupted");
    assert!(start.elapsed() < Duration::from_secs(20));
    stop.join().unwrap();
    assert_eq!(n.ok("m.run_with_hooks(\"To be\", []).shape[0]"), n.ok("m.tokens(\"To be\").len()"));
}

#[test]
fn hooks_work_during_generation() {
    let mut n = Notebook::new();
    n.ok("let o = #{ max_tokens: 5, temperature: 0 }; let plain = m.generate(\"ROMEO:\", o).text;");
    n.ok("let shapes = []; o.hooks = [[\"hook_embed\", |x| { shapes.push(x.shape[0]); x }]];");
    assert_eq!(n.ok("m.generate(\"ROMEO:\", o).text == plain"), "true");
    assert_eq!(n.ok("shapes[0] == m.tokens(\"ROMEO:\").len()"), "true");
    assert_eq!(n.ok("shapes.extract(1)"), "[1, 1, 1, 1]");
    n.ok("o.hooks = [[\"blocks.*.hook_attn_out\", |x| x * 0.0]];");
    assert_eq!(n.ok("m.generate(\"ROMEO:\", o).text != plain"), "true");
    n.ok("m.chat(\"Hi\", o)");
    let e = n.err("let s = m.session(); s.feed(\"a\"); s.generate(o)");
    assert!(e.to_string().contains("m.generate(s.tokens"), "{e}");
}

#[test]
fn batches_lens_and_gradients() {
    let mut n = Notebook::new();
    assert_eq!(n.ok("m.logits([\"To be\", \"I\"])[1].allclose(m.logits(\"I\"), 1e-4, 1e-4)"), "true");
    assert_eq!(n.ok("m.logits([[0, 5], [7]]).len()"), "2");
    let lens = n.ok("let l = m.logit_lens(\"To be, or not to be\"); l");
    assert!(lens.starts_with("Logit lens of ") && lens.contains("embedding") && lens.contains("block 0"), "{lens}");
    assert_eq!(n.ok("l.p.shape == [m.info().layers + 1, l.ids.len()]"), "true");
    assert_eq!(n.ok("l.rows[-1].token == m.next(\"To be, or not to be\", 1)[0].token"), "true");
    let g = n.ok("let g = m.gradients(\"To be\", \"blocks.*.hook_resid_post\", #{ token: \",\", minus: 30 }); g");
    assert!(g.starts_with("Gradients of the logit of \",\" minus logit of "), "{g}");
    assert_eq!(n.ok("let d = m.logits(\"To be\")[-1]; let t = m.tokens(\",\")[-1]; (d[t].item() - d[30].item() - g.value).abs() < 1e-4"), "true");
    assert_eq!(n.ok("g[\"blocks.0.hook_resid_post\"].norm() > 0.0"), "true");
    for (options, said) in [
        ("#{}", "option token: expected the token whose prediction counts"),
        ("#{ token: \"two words\" }", "a text of one token"),
        ("#{ token: 1, position: 99 }", "negative from the end, found 99"),
        ("#{ token: 99999 }", "an id below the vocabulary's"),
        ("#{ tokn: 1 }", "did you mean `token`?"),
    ] {
        let e = n.err(&format!("m.gradients(\"To be\", \"hook_embed\", {options})")).to_string();
        assert!(e.contains(said), "{e}");
    }
}

#[test]
fn patching_is_a_labelled_heat_map() {
    let mut n = Notebook::new();
    n.ok("let p = m.patch(\"To be or not\", \"To be or you\", \"resid_pre\");");
    let b = n.run("p").unwrap();
    let (text, html) = (b.plain(), b.data["text/html"].as_str().unwrap());
    assert!(
        text.starts_with("Patching hook_resid_pre: log-probability of ") && text.contains("0 corrupt, 1 clean"),
        "{text}"
    );
    assert!(text.contains("blocks.0.hook_resid_pre") && text.contains(" → ") && text.contains("1.00"), "{text}");
    assert!(html.contains("background:rgba(") && html.contains("blocks.1.hook_resid_pre"), "{html}");
    assert_eq!(n.ok("p.scores.shape == [m.info().layers, m.tokens(\"To be or not\").len()]"), "true");
    assert_eq!(n.ok("p.answer == m.next(\"To be or not\", 1)[0].token && p.wrong == ()"), "true");
    let heads =
        "let h = m.patch(\"To be or not\", \"To be or you\", \"z\", #{ answer: \",\", wrong: 30, normalize: false });";
    n.ok(heads);
    assert_eq!(n.ok("h.scores.shape == [m.info().layers, m.info().heads]"), "true");
    assert!(n.ok("h").contains("head 0"));
    let gap = "let gap = |t| { let l = m.logits(t)[-1]; l[m.tokens(\",\")[-1]].item() - l[30].item() }; \
               (gap.call(\"To be or not\") - h.clean).abs() < 1e-3 && (gap.call(\"To be or you\") - h.corrupt).abs() < 1e-3";
    assert_eq!(n.ok(gap), "true");
    assert_eq!(n.ok("m.patch(\"To be or not\", \"To be or you\", \"z\", #{ by: \"position\" }).scores.shape[1] == p.tokens.len()"), "true");
    for (call, said) in [
        ("m.patch(\"To be\", \"To be or not\", \"resid_pre\")", "two prompts of the same number of tokens"),
        ("m.patch(\"To be or not\", \"To be or you\", \"resid_per\")", "did you mean \"resid_pre\"?"),
        ("m.patch(\"a\", \"b\", \"z\", #{ anwser: 1 })", "did you mean `answer`?"),
        ("m.patch(\"a\", \"b\", \"z\", #{ by: \"layer\" })", "\"position\", \"head\""),
        ("m.patch(\"a\", \"b\", \"z\", #{ answer: 3, wrong: 3 })", "two different tokens"),
        (
            "m.patch(\"a\", \"b\", \"z\", #{ answer: \"two words\" })",
            "patch: option answer: expected a token id, or a text of one token",
        ),
    ] {
        let e = n.err(call).to_string();
        assert!(e.contains(said), "{e}");
    }
}

#[test]
fn a_steered_model_is_a_model() {
    let mut n = Notebook::new();
    n.ok("let p = \"blocks.1.hook_resid_post\"; let v = m.run_with_cache(\"thou\", p)[p][-1]; let s = m.steer(p, v, 2.0);");
    let shown = n.ok("s");
    assert!(shown.contains("; steered by 2 × v (norm ") && shown.contains("at blocks.1.hook_resid_post"), "{shown}");
    assert!(!n.ok("m").contains("steered"));
    assert_eq!(n.ok("s.info().steered_by.len() + m.info().steered_by.len()"), "1");
    assert_eq!(
        n.ok("s.logits(\"To be\").allclose(m.run_with_hooks(\"To be\", [[p, |x| x + v * 2.0]]), 1e-4, 1e-4)"),
        "true"
    );
    assert_eq!(n.ok("s.steer(p, v, -2).logits(\"To be\").allclose(m.logits(\"To be\"), 1e-3, 1e-3)"), "true");
    assert_eq!(n.ok("m.steer(p, v).score(\"To be\").total != m.score(\"To be\").total"), "true");
    n.ok("let o = #{ max_tokens: 6, temperature: 0 }; let a = s.generate(\"JULIET:\", o).text;");
    assert_eq!(n.ok("let q = s.session(); q.feed(\"JULIET:\"); q.generate(o).text == a"), "true");
    n.ok("let h = #{ max_tokens: 6, temperature: 0, hooks: [[p, |x| x + v * 2.0]] };");
    assert_eq!(n.ok("m.generate(\"JULIET:\", h).text == a"), "true");
    n.ok("s.chat(\"Hi\", o)");
    // Each handle is given back alone.
    n.ok("unload(m);");
    assert_eq!(n.ok("s.generate(\"JULIET:\", o).text == a"), "true");
    let e = n.err("s.steer(p, tensor([1.0, 2.0]), 1.0)").to_string();
    assert!(e.contains("expected a vector of shape [128], added for every token, found shape [2]"), "{e}");
}

#[test]
fn several_texts_give_several_traces() {
    let mut n = Notebook::new();
    n.ok("let p = \"blocks.1.hook_resid_post\"; let all = m.run_with_cache([\"To be, or not\", \"I\"], p);");
    assert_eq!(n.ok("all.len()"), "2");
    assert_eq!(n.ok("all[1][p].allclose(m.run_with_cache(\"I\", p)[p])"), "true");
    assert_eq!(n.ok("all[0].ids == m.tokens(\"To be, or not\")"), "true");
    let l = "let l = m.run_with_hooks([\"To be, or not\", \"I\"], [[p, |x| x * 0.5]]); \
             l.len() == 2 && l[1].allclose(m.run_with_hooks(\"I\", [[p, |x| x * 0.5]]))";
    assert_eq!(n.ok(l), "true");
    assert_eq!(n.ok("m.run_with_cache([[0, 5], [7]], p)[1].ids"), "[7]");
    assert!(n.err("m.run_with_cache([\"a\", 5], p)").to_string().contains("a string or an array of token ids"));
}

#[test]
fn a_hook_that_keeps_what_it_makes_to_itself_is_told() {
    let mut n = Notebook::new();
    n.ok("let p = \"blocks.1.hook_resid_post\"; let plain = m.logits(\"To be\");");
    for lost in ["|x| { x *= 2.0; }", "|x, name| { x = x + 1.0; }", "|x| { x = 5; }"] {
        let e = n.err(&format!("m.run_with_hooks(\"To be\", [[p, {lost}]])")).to_string();
        assert!(
            e.contains("hook at \"blocks.1.hook_resid_post\": expected the function to return the activation it makes"),
            "{e}"
        );
        assert!(e.contains("|x| { x *= 2.0; x }"), "{e}");
    }
    assert_eq!(n.ok("m.run_with_hooks(\"To be\", [[p, |x| { x *= 2.0; x }]]).allclose(m.run_with_hooks(\"To be\", [[p, |x| x * 2.0]]))"), "true");
    // One that only looks may return nothing, whatever it does with what it sees.
    n.ok("let seen = []; let look = |x| { let y = x * 2.0; y *= 3.0; seen.push(x.dot(x)); seen.push(x[0]); let f = |a| a + x; f.call(x); () };");
    assert_eq!(n.ok("m.run_with_hooks(\"To be\", [[p, look]]).allclose(plain)"), "true");
    assert_eq!(n.ok("seen.len() == 2 && seen[1].shape == [m.info().hidden_size]"), "true");
    for wrong in ["|| 5", "|a, b, c| a"] {
        let e = n.err(&format!("m.run_with_hooks(\"To be\", [[p, {wrong}]])")).to_string();
        assert!(
            e.contains("expected a function of the activation, or of the activation and the name of the hook point"),
            "{e}"
        );
        assert!(e.contains("a function of another number of parameters"), "{e}");
    }
    let e = n.err("fn three(a, b, c) { a } m.run_with_hooks(\"To be\", [[p, three]])").to_string();
    assert!(e.contains("fn three of another number of parameters"), "{e}");
}

#[cfg(feature = "llama-cpp")]
#[test]
fn llama_cpp_says_who_can() {
    let mut n = Notebook::new();
    let e = n.err("load(\"sample\", #{ backend: \"llama_cpp\" }).run_with_cache(\"To be\")").to_string();
    assert!(e.contains("load the model with #{ backend: \"candle\" }"), "{e}");
}
