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
    assert!(start.elapsed() < Duration::from_secs(3));
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

#[cfg(feature = "llama-cpp")]
#[test]
fn llama_cpp_says_who_can() {
    let mut n = Notebook::new();
    let e = n.err("load(\"sample\", #{ backend: \"llama_cpp\" }).run_with_cache(\"To be\")").to_string();
    assert!(e.contains("load the model with #{ backend: \"candle\" }"), "{e}");
}
