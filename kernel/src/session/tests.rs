//! What a session promises, cell by cell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A session and the events of its last cell.
pub struct Notebook {
    pub session: Session,
    pub cells: usize,
    pub events: Arc<Mutex<Vec<SessionEvent>>>,
}

impl Notebook {
    pub fn new() -> Self {
        Self { session: Session::new(SessionOptions::default()), cells: 0, events: Arc::default() }
    }

    pub fn outcome(&mut self, code: &str) -> Outcome {
        self.cells += 1;
        self.events.lock().unwrap().clear();
        let events = Arc::clone(&self.events);
        let cell = Execute::cell(code, format!("In[{}]", self.cells));
        self.session.execute(&cell, Arc::new(move |e| events.lock().unwrap().push(e)))
    }

    /// Runs a cell that must succeed; the plain text of its value, "" for none.
    pub fn ok(&mut self, code: &str) -> String {
        match self.outcome(code).result {
            Ok(value) => value.map(|b| b.plain().to_owned()).unwrap_or_default(),
            Err(e) => panic!("{code}\n{e}"),
        }
    }

    /// Runs a cell that must fail.
    pub fn err(&mut self, code: &str) -> CellError {
        match self.outcome(code).result {
            Ok(value) => panic!("{code} gave {value:?}"),
            Err(e) => e,
        }
    }

    pub fn stdout(&self) -> String {
        let events = self.events.lock().unwrap();
        events.iter().filter_map(|e| if let SessionEvent::Stdout(t) = e { Some(t.as_str()) } else { None }).collect()
    }
}

#[test]
fn cells_share_variables() {
    let mut n = Notebook::new();
    n.ok("let x = 40; let y = [1, 2, 3]; let m = #{a: 1};");
    assert_eq!(n.ok("x + 2"), "42");
    n.ok("x += 1; y.push(4); y[0] = 10; m.a = 5; m.b = [1]; m.b[0] = 7; m.b.push(8);");
    assert_eq!(n.ok("x"), "41");
    assert_eq!(n.ok("y"), "[10, 2, 3, 4]");
    assert_eq!(n.ok("m"), "#{a: 5, b: [7, 8]}");
    n.ok("let x = \"now a string\";");
    assert_eq!(n.ok("x"), "\"now a string\"");
    assert_eq!(n.ok("let copy = y; copy.push(0); y.len()"), "4");
}

#[test]
fn functions_see_and_change_variables() {
    let mut n = Notebook::new();
    n.ok("let count = 0; let log = []; fn tick(n) { count += n; log.push(count); count }");
    assert_eq!(n.ok("tick(2); tick(3)"), "5");
    assert_eq!(n.ok("log"), "[2, 5]");
    // A function of a cell sees what that same cell defines, and parameters hide variables of the notebook.
    assert_eq!(n.ok("let late = 7; fn use_late() { late } use_late()"), "7");
    assert_eq!(n.ok("fn shadow(count) { let log = count * 2; log } shadow(21)"), "42");
    assert_eq!(n.ok("count"), "5");
    assert_eq!(n.ok("log.len()"), "2");
}

#[test]
fn a_later_cell_redefines_a_function_for_all() {
    let mut n = Notebook::new();
    n.ok("fn inner() { 1 } fn outer() { inner() * 10 }");
    assert_eq!(n.ok("outer()"), "10");
    n.ok("fn inner() { 2 }");
    assert_eq!(n.ok("outer()"), "20");
    assert_eq!(n.ok("let f = inner; f.call()"), "2");
    assert_eq!(n.ok("[1, 2].map(|x| inner() + x)"), "[3, 4]");
}

#[test]
fn closures_work_across_cells() {
    let mut n = Notebook::new();
    n.ok("let factor = 3; let times = |x| x * factor;");
    assert_eq!(n.ok("times.call(5)"), "15");
    n.ok("factor = 4;");
    assert_eq!(n.ok("times.call(5)"), "20");
    // The cell that defines it is run again: functions and closures agree on what they see.
    n.ok("let factor = 10;");
    assert_eq!(n.ok("times.call(5)"), "50");
    n.ok("let total = 0; let add = |x| total += x; add.call(2); add.call(3);");
    assert_eq!(n.ok("total"), "5");
    assert_eq!(n.ok("fn make(k) { |x| x + k } let plus = make(100); plus.call(1)"), "101");
    assert_eq!(n.ok("[1, 2, 3].filter(|x| x > 1).map(|x| x * factor)"), "[20, 30]");
}

#[test]
fn higher_order_methods_may_read_their_own_array() {
    let mut n = Notebook::new();
    n.ok("let xs = [1.0, 2.0, 3.0]; fn mean() { xs.reduce(|a, b| a + b, 0.0) / xs.len() }");
    assert_eq!(n.ok("xs.map(|x| x - mean())"), "[-1.0, 0.0, 1.0]");
    assert_eq!(n.ok("xs.filter(|x| x > xs[0])"), "[2.0, 3.0]");
    assert_eq!(n.ok("xs.map(|x| x + xs.len()).len()"), "3");
    assert_eq!(n.ok("let ws = [1, 2]; fn size() { ws.len() } ws.map(|x| x * size() + ws.len())"), "[4, 6]");
    assert_eq!(n.ok("let k = 1; { let k = 2; let inner = 3; k += inner; } k"), "1");
    assert_eq!(n.ok("let k = 1; let r = []; for k in 5..7 { r.push(k); } r.push(k); r"), "[5, 6, 1]");
    assert_eq!(n.ok("xs.map(|x, i| x * i)"), "[0.0, 2.0, 6.0]");
    assert_eq!(
        n.ok("[xs.some(|x| x > 2.0), xs.all(|x| x > 2.0), xs.find(|x| x > 1.0), xs.index_of(|x| x == 9.0)]"),
        "[true, false, 2.0, -1]"
    );
    assert_eq!(
        n.ok("[xs.reduce(|sum, x| if sum == () { x } else { sum + x }), xs.reduce_rev(|a, x| a - x, 0.0)]"),
        "[6.0, -6.0]"
    );
    assert_eq!(n.ok("xs.for_each(|| this *= 2.0); xs"), "[2.0, 4.0, 6.0]");
    let e = n.err("xs.for_each(|| this *= mean())");
    assert!(e.evalue.contains("`xs` is in use") && e.help[0].contains("copy"), "{e}");
    assert_eq!(n.ok("let zs = [3, 1, 2]; zs.sort(|a, b| b - a); zs"), "[3, 2, 1]");
    assert_eq!(n.ok("fn rank(x) { zs.index_of(x) } zs.sort(|a, b| rank(b) < rank(a)); zs"), "[1, 2, 3]");
    assert_eq!(n.err("zs.sort(|a, b| missing(a))").ename, "FunctionNotFound");
    assert_eq!(n.ok("zs.sort(|a, b| if a % 2 == 0 { -1 } else { 1.5 }); zs.len()"), "3");
    assert_eq!(n.ok("let ds = [1, 1, 2, 2, 1]; ds.dedup(|a, b| a == b && ds.len() > 0); ds"), "[1, 2, 1]");
}

#[test]
fn constants_stay_constant_until_they_are_defined_again() {
    let mut n = Notebook::new();
    n.ok("const K = 5; fn k() { K }");
    assert_eq!(n.ok("K + k()"), "10");
    let e = n.err("K = 6");
    assert!(e.evalue.contains("`K` is a constant"), "{e}");
    n.ok("let K = 6;");
    assert_eq!(n.ok("k()"), "6");
}

#[test]
fn the_last_definition_of_a_cell_wins() {
    let mut n = Notebook::new();
    assert_eq!(n.ok("let a = 1; let b = a; let a = a + 1; fn of_a() { a } [a, b, of_a()]"), "[2, 1, 2]");
    assert_eq!(n.ok("a += 1; [a, of_a()]"), "[3, 3]");
    assert_eq!(n.ok("const k = 1; let k = 2; k += 1; let c = 1; const c = 5; [k, c]"), "[3, 5]");
    assert!(n.err("c = 6").evalue.contains("`c` is a constant"));
    assert_eq!(n.ok("k"), "3");
    // A second definition that fails leaves the first.
    n.err("let d = [1]; d.push(2); let d = missing;");
    assert_eq!(n.ok("d"), "[1, 2]");
    assert_eq!(n.ok("let e = 1; { let e = 2; let e = 3; } e"), "1");
}

#[test]
fn numbers_compare_as_ieee_754_says() {
    let mut n = Notebook::new();
    n.ok("let inf = 1.0 / 0.0; let tiny = 1e-17; fn above(x) { x > 0.0 }");
    assert_eq!(
        n.ok("[inf > 1.0, inf == inf, above(tiny), tiny == 0, 0.1 + 0.2 == 0.3]"),
        "[true, true, true, false, false]"
    );
    assert_eq!(n.ok("[1.0, inf, tiny].filter(|x| x >= 1)"), "[1.0, inf]");
    assert_eq!(n.ok("(tensor([1.0, 2.0]) > 1.5).to_array()"), "[false, true]");
    // A single value of a tensor compares as a number does.
    n.ok("let t = tensor([1, 2, 3]);");
    assert_eq!(
        n.ok("[t[0] == 1, 2.5 > t[1], t[0] != t[1], t[2] in [2, 3], t[1] >= 3]"),
        "[true, true, true, true, false]"
    );
    assert_eq!(n.ok("[[4, 3].filter(|x| x == t[2]), [4, 3].index_of(t[2])]"), "[[3], 1]");
    assert!(n.err("() - ()").evalue.contains("is not defined for () and ()"));
    let e = n.err("#{a: 1} < #{a: 2}");
    assert!(e.evalue.contains("operator `<` is not defined for map and map"), "{e}");
}

#[test]
fn the_value_of_the_last_expression_is_the_result() {
    let mut n = Notebook::new();
    assert_eq!(n.ok("1; 2; 3"), "3");
    assert_eq!(n.ok("let a = 5"), "");
    assert_eq!(n.ok("a;"), "");
    assert_eq!(n.ok("a; // comment"), "");
    assert_eq!(n.ok("a // comment; with semicolon"), "5");
    assert_eq!(n.ok("if a > 3 { \"big\" } else { \"small\" }"), "\"big\"");
    assert_eq!(n.ok("if a > 3 { return 1; } 2"), "1");
    assert_eq!(n.ok("if a > 9 { return 1; } 2"), "2");
    assert_eq!(n.ok("return 7; 8"), "7");
    assert_eq!(n.ok(""), "");
    assert_eq!(n.ok("// only a comment"), "");
    assert_eq!(n.ok("fn only() { 1 }"), "");
    assert_eq!(n.outcome("print(1); exit(3); print(2)").exit, Some(3));
    assert_eq!(n.stdout(), "1\n");
}

#[test]
fn what_a_failing_cell_did_stays() {
    let mut n = Notebook::new();
    n.err("let kept = 1; fn kept_too() { 2 } throw \"stop\"; let never = 3;");
    assert_eq!(n.ok("kept + kept_too()"), "3");
    assert_eq!(n.err("never").ename, "VariableNotFound");
}

#[test]
fn errors_point_into_the_right_cell() {
    let mut n = Notebook::new();
    n.ok("// first line\nfn divide(a, b) {\n    let unused = 1;\n    a % b\n}");
    n.ok("fn twice(x) {\n    divide(x, 0) * 2\n}");
    let e = n.err("let ok = 1;\nlet bad = twice(4);");
    let places: Vec<String> = e.frames.iter().map(|f| format!("{}:{}:{}", f.cell, f.line, f.column)).collect();
    assert_eq!(places, ["In[1]:4:7", "In[2]:2:5", "In[3]:2:11"], "{e}");
    let text = e.to_string();
    assert!(text.contains("4 |     a % b\n  |       ^"), "{text}");
    assert!(text.contains("In[3]:2:11 calls `twice`"), "{text}");
    let e = n.err("let a = 1;\n\nlet b = a +* 2;");
    assert_eq!((e.ename.as_str(), e.frames[0].cell.as_str(), e.frames[0].line), ("SyntaxError", "In[4]", 3), "{e}");
    let e = n.err("[1].map(|x| {\n  missing_fn(x)\n})");
    assert_eq!((e.frames[0].cell.as_str(), e.frames[0].line), ("In[5]", 2), "{e}");
    // Cells whose names repeat (a file run twice) show the text of the latest run.
    assert!(e.traceback.iter().any(|l| l.contains("\u{1b}[")));
}

#[test]
fn names_are_suggested() {
    let mut n = Notebook::new();
    n.ok("let temperature = 0.8; fn tokenize(text) { text }");
    let help = |e: CellError| format!("{e}");
    let e = help(n.err("qq"));
    assert!(!e.contains("did you mean"), "{e}");
    let long = format!("{} nope", "let a = 1; ".repeat(60));
    assert!(n.err(&long).lines(false).iter().all(|l| l.chars().count() < 140));
    let e = help(n.err("temprature"));
    assert!(e.contains("variable `temprature` not found") && e.contains("did you mean `temperature`?"), "{e}");
    let e = help(n.err("tokenise(\"a\")"));
    assert!(e.contains("function `tokenise` not found") && e.contains("did you mean `tokenize`?"), "{e}");
    let e = help(n.err("tokenize(1, #{a: 2})"));
    assert!(e.contains("`tokenize` cannot be called with (int, map)") && e.contains("there is tokenize(text)"), "{e}");
    let e = help(n.err("[1, 2].pussh(3)"));
    assert!(e.contains("array has no method `pussh`") && e.contains("did you mean `push`?"), "{e}");
    let e = help(n.err("\"a\".lenn"));
    assert!(e.contains("string has no property `lenn`") && e.contains("did you mean `len`?"), "{e}");
    let e = help(n.err("display + 1"));
    assert!(e.contains("`display` is a function"), "{e}");
    let e = help(n.err("\"a\" - #{}"));
    assert!(e.contains("operator `-` is not defined for string and map"), "{e}");
    let e = help(n.err("let f = |x| x; f(1)"));
    assert!(e.contains("f.call("), "{e}");
    let e = help(n.err("[1, 2][5]"));
    assert!(e.contains("index 5 is out of range: the array has 2 items"), "{e}");
    let e = help(n.err("import \"no/such\" as m;"));
    assert!(e.contains("module `no/such` not found") && e.contains("no/such.rhai;") && e.contains("%load"), "{e}");
    let e = help(n.err("plot([1, 2], #{ y_log: true })"));
    assert!(e.contains("unknown option `y_log`") && e.contains("did you mean `log_y`?"), "{e}");
    let e = help(n.err("let one = 1; if one { 2 }"));
    assert!(e.contains("expected bool, found int"), "{e}");
    assert_eq!(n.ok("let yes = true; if yes && !false { 1 } else { 2 }"), "1");
}

#[test]
fn thrown_values_and_engine_errors_can_be_caught() {
    let mut n = Notebook::new();
    assert_eq!(n.ok("let got = (); try { throw \"x\" } catch (e) { got = e; } got"), "\"x\"");
    assert_eq!(n.ok("try { table([1], []) } catch (e) { got = e.kind; } got"), "\"ArgumentError\"");
    assert_eq!(n.ok("try { table([1], []) } catch (e) { got = `${e}`.contains(\"every row\"); } got"), "true");
    let e = n.err("throw #{code: 5}");
    assert_eq!((e.ename.as_str(), e.evalue.as_str()), ("RuntimeError", "#{code: 5}"));
}

#[test]
fn an_interrupt_stops_a_loop_and_keeps_variables() {
    let mut n = Notebook::new();
    n.ok("let before = 1; let i = 0;");
    for code in [
        "loop { i += 1; }",
        "try { loop { i += 1; } } catch { print(\"swallowed\"); } loop {}",
        "fn forever() { loop { i += 1; } } forever()",
        "let big = []; loop { big.push(big.len()); [3, 1, 2].sort(); }",
    ] {
        let flag = n.session.interrupt();
        let raised = Arc::new(Mutex::new(None));
        let when = Arc::clone(&raised);
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            *when.lock().unwrap() = Some(Instant::now());
            flag.raise();
        });
        let e = n.err(code);
        let late = raised.lock().unwrap().unwrap().elapsed();
        stopper.join().unwrap();
        assert!(e.is_interrupt(), "{e}");
        // By itself it would never stop. How soon it does is measured in tests/jupyter/interrupt.rs.
        assert!(late < Duration::from_secs(10), "{code}: stopped after {late:?}");
        assert_eq!(n.stdout(), "");
    }
    assert_eq!(n.ok("i > 100 && before == 1"), "true");
}

#[test]
fn deep_recursion_is_an_error() {
    let mut n = Notebook::new();
    let e = n.err("fn down(n) { if n > 0 { 1 + down(n + 1) } else { down(1) } } down(1)");
    assert_eq!(e.ename, "StackOverflow", "{e}");
    assert!(e.to_string().lines().count() < 40, "{e}");
    assert_eq!(n.ok("fn sum(n) { if n == 0 { 0 } else { n + sum(n - 1) } } sum(500)"), "125250");
    // Closures that call each other through native methods use more of the stack per level.
    let e = n.err("fn deep(n) { [n].map(|x| deep(x + 1)) } deep(0)");
    assert_eq!(e.ename, "StackOverflow", "{e}");
    let wide = format!("fn wide(n) {{ {}wide(n + 1){} }} wide(0)", "[1 + ".repeat(40), "]".repeat(40));
    assert_eq!(n.err(&wide).ename, "StackOverflow");
    let nested = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(n.err(&nested).ename, "SyntaxError");
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(n.err(&nested).ename, "SyntaxError");
    assert_eq!(n.ok("1 + 1"), "2");
}

#[test]
fn events_come_in_order() {
    let mut n = Notebook::new();
    n.ok("print(\"a\", 1, 2.5); display([#{x: 1}]); print([1, \"b\"]); display(1, \"id\"); display(2, \"id\"); html(\"<b>\")");
    let events = n.events.lock().unwrap().clone();
    assert_eq!(events.len(), 5, "{events:?}");
    assert_eq!(events[0], SessionEvent::Stdout("a 1 2.5\n".into()));
    assert!(matches!(&events[1], SessionEvent::Display { bundle, .. } if bundle.data.contains_key("text/html")));
    assert_eq!(events[2], SessionEvent::Stdout("[1, \"b\"]\n".into()));
    assert!(matches!(&events[3], SessionEvent::Display { update: false, display_id: Some(id), .. } if id == "id"));
    assert!(matches!(&events[4], SessionEvent::Display { update: true, .. }));
}

#[test]
fn is_complete_knows_what_is_open() {
    let session = Session::new(SessionOptions::default());
    let of = |code: &str| session.is_complete(code);
    for whole in
        ["", "1 + 1", "let x = 1;", "fn f() {\n 1\n}", "// comment {", "\"a { b\"", "`a ${1 + 2} b`", "/* x */ 1"]
    {
        assert_eq!(of(whole), Completeness::Complete, "{whole:?}");
    }
    for (open, indent) in [
        ("fn f() {", 4),
        ("if true {\n    let m = #{", 8),
        ("print(", 4),
        ("[1,", 4),
        ("let x =", 0),
        ("1 +", 0),
        ("1 + // more\n", 0),
        ("m.generate(\"x\",\n", 4),
        ("/* comment", 0),
        ("/* outer /* inner */", 0),
        ("let s = `line", 0),
        ("`a ${1 + ", 0),
        ("foo.", 0),
        ("if true", 0),
    ] {
        assert_eq!(of(open), Completeness::Incomplete { indent: " ".repeat(indent) }, "{open:?}");
    }
    for wrong in ["let 1 = 2;", "foo)", "\"open string", "1 +* 2; foo", "}", "fn f( { }"] {
        assert_eq!(of(wrong), Completeness::Invalid, "{wrong:?}");
    }
}

#[test]
fn a_native_panic_becomes_an_error() {
    let mut n = Notebook::new();
    n.session.define_for_tests("explode", |_: i64| -> i64 { panic!("kaboom") });
    n.ok("let x = 5; let y = 6;");
    let e = n.err("explode(1)");
    assert_eq!(e.ename, "InternalError");
    assert!(e.evalue.contains("kaboom") && e.help[0].contains("report"), "{e}");
    assert_eq!(n.ok("x + y"), "11");
    // A panic in the middle of a method leaves its receiver locked for good: it is lost, and that is said.
    n.session.define_method_for_tests("explode_too", |_: &mut i64| panic!("kaboom"));
    let e = n.err("x.explode_too()");
    assert!(e.to_string().contains("lost: x"), "{e}");
    assert_eq!(n.err("x").ename, "VariableNotFound");
    assert_eq!(n.ok("let x = 1; x + y"), "7");
}

#[test]
fn progress_bars_count_and_end() {
    let mut n = Notebook::new();
    n.ok("let sum = 0; for x in progress([1, 2, 3], \"adding\") { sum += x; } for i in progress(100) { if i == 2 { break; } }");
    assert_eq!(n.ok("sum"), "6");
    n.ok("for x in progress([1, 2, 3], \"adding\") { sum += x; } for i in progress(100) { if i == 2 { break; } }");
    let events = n.events.lock().unwrap().clone();
    let ends: Vec<(String, u64)> = events
        .iter()
        .filter_map(|e| match e {
            SessionEvent::Progress { label, done, total, .. } if done == total => Some((label.clone(), *total)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [("adding".to_owned(), 3), ("progress".to_owned(), 100)]);
}

#[test]
fn progress_goes_through_whatever_has_a_length() {
    let mut n = Notebook::new();
    let through = "fn through(bar) { let seen = []; for x in bar { seen.push(x); } seen }";
    n.ok(through);
    assert_eq!(
        n.ok("[through(progress(2)), through(progress(2..4)), through(progress(2..=4))]"),
        "[[0, 1], [2, 3], [2, 3, 4]]"
    );
    assert_eq!(
        n.ok("[through(progress([\"a\"], \"b\")), through(progress(4..2)), through(progress(-1))]"),
        "[[\"a\"], [], []]"
    );
    n.ok("progress(1..=3, \"numbers\").step();");
    let events = n.events.lock().unwrap().clone();
    let first = events.iter().find_map(|e| match e {
        SessionEvent::Progress { label, done, total, .. } => Some((label.clone(), *done, *total)),
        _ => None,
    });
    assert_eq!(first, Some(("numbers".to_owned(), 0, 3)), "a bar is known from its start");
}

#[test]
fn waiting_can_be_interrupted() {
    let mut n = Notebook::new();
    let flag = n.session.interrupt();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        flag.raise();
    });
    let start = Instant::now();
    assert!(n.err("try { sleep(30) } catch {}").is_interrupt());
    assert!(start.elapsed() < Duration::from_secs(20));
    stopper.join().unwrap();
}

#[test]
fn arguments_of_the_script_are_a_constant() {
    let mut session = Session::new(SessionOptions { args: vec!["a".into(), "b".into()], ..Default::default() });
    let outcome = session.execute(&Execute::cell("args[1] + args.len()", "In[1]"), Arc::new(|_| {}));
    assert_eq!(outcome.result.unwrap().unwrap().plain(), "\"b2\"");
}
