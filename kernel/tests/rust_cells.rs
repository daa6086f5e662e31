//! `%%rust`: cells through evcxr, values and functions across, errors, interrupts. They need the toolchain that runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use minerva_kernel::session::{CellError, Execute, Outcome, Session, SessionEvent, SessionOptions};
use std::sync::{Arc, Mutex};

/// A session whose Rust cells run in the real program, and the events of its last cell.
struct Notebook {
    session: Session,
    cells: usize,
    events: Arc<Mutex<Vec<SessionEvent>>>,
}

impl Notebook {
    fn new() -> Self {
        let session = Session::new(SessionOptions::default());
        session.set_rust_program(env!("CARGO_BIN_EXE_minerva").into());
        Self { session, cells: 0, events: Arc::default() }
    }

    fn outcome(&mut self, code: &str) -> Outcome {
        self.cells += 1;
        self.events.lock().unwrap().clear();
        let events = Arc::clone(&self.events);
        let cell = Execute::cell(code, format!("In[{}]", self.cells));
        self.session.execute(&cell, Arc::new(move |e| events.lock().unwrap().push(e)))
    }

    #[cfg(feature = "rust-cells")]
    fn ok(&mut self, code: &str) -> String {
        match self.outcome(code).result {
            Ok(value) => value.map(|b| b.plain().to_owned()).unwrap_or_default(),
            Err(e) => panic!("{code}\n{e}"),
        }
    }

    fn err(&mut self, code: &str) -> CellError {
        match self.outcome(code).result {
            Ok(value) => panic!("{code} gave {value:?}"),
            Err(e) => e,
        }
    }
}

#[cfg(not(feature = "rust-cells"))]
#[test]
fn a_build_without_rust_cells_says_so() {
    let e = Notebook::new().err("%%rust\n1");
    assert!(e.to_string().contains("no Rust cells") && e.to_string().contains("feature"), "{e}");
}

#[cfg(feature = "rust-cells")]
mod with_the_feature {
    use super::*;
    use minerva_kernel::session::Detail;
    use minerva_kernel::session::{Completeness, MatchKind};
    use std::time::{Duration, Instant};

    impl Notebook {
        fn text(&self, wanted: fn(&SessionEvent) -> Option<&str>) -> String {
            self.events.lock().unwrap().iter().filter_map(wanted).collect()
        }

        fn stdout(&self) -> String {
            self.text(|e| if let SessionEvent::Stdout(t) = e { Some(t) } else { None })
        }

        fn stderr(&self) -> String {
            self.text(|e| if let SessionEvent::Stderr(t) = e { Some(t) } else { None })
        }

        /// Runs a cell that is interrupted when it has printed `running`, or after a while where it prints nothing; how long
        /// it took to end.
        fn interrupted(&mut self, code: &str) -> (CellError, Duration) {
            let (interrupt, events) = (self.session.interrupt(), Arc::clone(&self.events));
            let since = Arc::new(Mutex::new(None));
            let set = Arc::clone(&since);
            let watcher = std::thread::spawn(move || {
                let patience = Instant::now();
                while patience.elapsed() < Duration::from_secs(120) {
                    std::thread::sleep(Duration::from_millis(5));
                    let printed = |e: &SessionEvent| matches!(e, SessionEvent::Stdout(t) if t.contains("running"));
                    if events.lock().unwrap().iter().any(printed) {
                        break;
                    }
                }
                *set.lock().unwrap() = Some(Instant::now());
                interrupt.raise();
            });
            let error = self.err(code);
            watcher.join().unwrap();
            let raised = since.lock().unwrap().unwrap();
            (error, raised.elapsed())
        }

        /// Runs a cell that is interrupted while it compiles, on most machines.
        fn interrupted_soon(&mut self, code: &str) -> CellError {
            let interrupt = self.session.interrupt();
            // What is asked from here on is kept, however late the cell begins.
            self.session.begin();
            let later = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(60));
                interrupt.raise();
            });
            let e = self.err(code);
            later.join().unwrap();
            assert!(e.is_interrupt(), "{e}");
            e
        }
    }

    #[test]
    fn state_stays_and_values_are_shown() {
        let mut n = Notebook::new();
        assert_eq!(n.ok("%%rust\nlet mut v = vec![1, 2, 3];\nfn twice(x: i32) -> i32 { 2 * x }\nv.len()"), "3");
        assert_eq!(n.ok("%%rust\nv.push(twice(5)); v"), "[1, 2, 3, 10]");
        assert_eq!(
            n.ok("%%rust\nuse std::collections::BTreeMap;\nlet m: BTreeMap<&str, i32> = BTreeMap::from([(\"a\", 1)]);"),
            ""
        );
        assert_eq!(n.ok("%%rust\nBTreeMap::from([(\"b\", m[\"a\"])])"), "{\"b\": 1}");
        assert_eq!(n.ok("%%rust\n// nothing but a comment"), "");
        assert_eq!(n.ok("%%rust\nfor i in 0..3 { print!(\"{i} \") }"), "", "the value of a loop is not shown");
        assert_eq!(n.stdout(), "0 1 2 ", "and a line that is not ended is");
        assert_eq!(n.ok("%%rust\nprint!(\"open\"); eprintln!(\"aside\"); 7"), "7");
        assert_eq!((n.stdout().as_str(), n.stderr().as_str()), ("open", "aside\n"));
    }

    #[test]
    fn output_comes_while_the_cell_runs_and_whole() {
        let mut n = Notebook::new();
        n.ok("%%rust\nfor i in 0..20_000 { println!(\"line {i}\"); }");
        let expected: String = (0..20_000).map(|i| format!("line {i}\n")).collect();
        assert!(n.stdout() == expected, "{} of {} bytes", n.stdout().len(), expected.len());
        assert!(n.events.lock().unwrap().len() > 1, "in more than one piece");
    }

    #[test]
    fn values_go_in_as_their_types_and_come_out_again() {
        let mut n = Notebook::new();
        n.ok("let i = 40; let f = 2.5; let s = \"né \\\"q\\\"\\n\"; let b = true; let a = [1, 2.5]; let mixed = [1, \"a\", ()];
              let m = #{ x: 1, y: 2 }; let deep = [[1], [2, 3]]; let odd = #{ k: [1, #{}], n: 1.0 / 0.0 }; let none = [];");
        let code = "%%rust --in i,f,s,b --in a --in mixed --in m --in deep --in odd --in none --out out --out back
            let types: (i64, f64, String, bool, Vec<f64>) = (i, f, s.clone(), b, a.clone());
            let more: (Vec<Value>, std::collections::BTreeMap<String, i64>, Vec<Vec<i64>>) = (mixed.clone(), m.clone(), deep.clone());
            let last: (std::collections::BTreeMap<String, Value>, Vec<Value>) = (odd.clone(), none);
            let out = (i + 2, f * 2.0, s, m, \"text\");
            let back = vec![Value::Array(mixed), Value::Map(odd)];";
        n.ok(code);
        assert_eq!(n.ok("out == [42, 5.0, s, m, \"text\"]"), "true", "{}", n.ok("out"));
        assert_eq!(n.ok("back[0] == mixed && back[1].k == odd.k && `${back[1].n}` == \"inf\""), "true");
        assert_eq!(
            n.ok("%%rust --in deep:Vec<Vec<f32>> --out total\nlet total: f32 = deep.iter().flatten().sum();\ntotal"),
            "6.0"
        );
        assert_eq!(n.ok("total + 1"), "7.0", "an output of a cell that also shows a value");
    }

    #[test]
    fn tensors_go_both_ways_bit_for_bit() {
        let mut n = Notebook::new();
        n.ok("let t = randn([300, 500], 7); let two = [tensor([1, 2]), tensor([[0.5]])];");
        let code = "%%rust --in t --in two --out u --out parts
            let mut u = t.clone();
            u.data.iter_mut().for_each(|v| *v *= 2.0);
            let parts: Vec<Tensor> = two.into_iter().rev().collect();
            (u.shape.clone(), parts[1].data.clone())";
        assert_eq!(n.ok(code), "([300, 500], [1.0, 2.0])");
        assert_eq!(
            n.ok("[u.shape, (u - t * 2.0).max(), (u - t * 2.0).min(), parts[0].shape, parts.len()]"),
            "[[300, 500], 0.0, 0.0, [1, 1], 2]"
        );
    }

    #[test]
    fn functions_are_called_from_the_language() {
        let mut n = Notebook::new();
        let code = "%%rust
            /// The sum of squares.
            pub fn squares(values: &[f64]) -> f64 { values.iter().map(|v| v * v).sum() }
            pub fn half(n: i64) -> Result<i64, String> { if n % 2 == 0 { Ok(n / 2) } else { Err(format!(\"{n} is odd\")) } }
            pub fn greet(name: &str, times: usize) -> Vec<String> { println!(\"greets\"); vec![format!(\"Hi {name}\"); times] }
            pub fn relu(t: &Tensor) -> Tensor { Tensor::new(&t.shape, t.data.iter().map(|v| v.max(0.0)).collect()) }
            pub fn at(values: Vec<i64>, n: usize) -> i64 { values[n] }
            pub fn change(x: &mut f64) {}
            fn hidden() {}";
        n.ok(code);
        assert!(
            n.stderr().contains("scripts cannot call `change`") && !n.stderr().contains("hidden"),
            "{}",
            n.stderr()
        );
        assert_eq!(n.ok("squares([3, 4.0])"), "25.0");
        assert_eq!(n.ok("squares(tensor([3, 4]))"), "25.0", "a tensor is a slice, too");
        assert!(n.err("squares(tensor([[3, 4]]))").evalue.contains("[1, 2]"));
        assert_eq!(n.ok("greet(\"you\", 2)"), "[\"Hi you\", \"Hi you\"]");
        assert_eq!(n.stdout(), "greets\n");
        assert_eq!(n.ok("[half(8), (tensor([-1.0, 2.0]).relu()).to_array()]"), "[4, [0.0, 2.0]]");
        assert_eq!(n.ok("let sum = 0; for i in 0..500 { sum += half(2 * i); } sum"), "124750");
        let e = n.err("let x = 1;\nhalf(7)");
        assert!(e.ename == "RustError" && e.evalue == "7 is odd" && e.frames[0].line == 2, "{e}");
        assert_eq!(n.ok("let said = (); try { half(7) } catch (e) { said = e.message; } said"), "\"7 is odd\"");
        let e = n.err("at([1, 2], 5)");
        assert!(e.ename == "RustPanic" && e.evalue.contains("index is 5") && e.evalue.contains("In[1]:7"), "{e}");
        let e = n.err("squares(\"text\")");
        assert!(e.evalue.contains("values: expected an array, found string"), "{e}");
        let e = n.err("squares(1, 2)");
        assert!(e.to_string().contains("squares(values: array) -> float"), "{e}");
        assert!(n.session.inspect("squares", 3, Detail::Brief).unwrap().plain().contains("The sum of squares."));
        n.ok("%%rust\npub fn half(n: f64) -> f64 { n / 2.0 }");
        assert_eq!(n.ok("half(7)"), "3.5", "the newest of a name is called");
        n.ok("%%rust\npub fn half(n: f64, of: f64) -> f64 { n / of }");
        assert_eq!(n.ok("half(6, 3)"), "2.0");
        assert!(n.err("half(7)").evalue.contains("takes 2 arguments, not 1"), "nor are its former parameters");
        n.ok("%%rust\nfn half() {}");
        assert!(n.err("half(7, 2)").evalue.contains("no longer"), "and none that is not public any more");
    }

    #[test]
    fn a_function_that_another_hides_is_told() {
        let mut n = Notebook::new();
        n.ok("fn mine(x) { x }");
        let of_cell = "pub fn sleep(seconds: f64) -> f64 { seconds } pub fn mine(x: i64) -> i64 { x + 1 }";
        n.ok(&format!("%%rust\n{of_cell}\npub fn sleep_twice(seconds: f64) -> f64 {{ seconds }}"));
        let said = n.stderr();
        assert!(said.contains("scripts that call `sleep` get") && said.contains("of the language"), "{said}");
        assert!(said.contains("scripts that call `mine` get") && said.contains("of a cell"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
        n.ok("%%rust\npub fn sleep_twice(seconds: f64) -> f64 { 2.0 * seconds }");
        assert_eq!(n.stderr(), "", "an earlier one of a Rust cell hides nothing");
        assert_eq!(n.ok("sleep_twice(2)"), "4.0");
    }

    #[test]
    fn compile_errors_have_their_places() {
        let mut n = Notebook::new();
        n.ok("%%rust\nlet kept = 5;");
        let e = n.err("%%rust\nlet a = 1;\n    let b: String = a + 1;\nlet c = missing;");
        assert_eq!(e.ename, "CompileError");
        let shown = e.to_string();
        let places: Vec<_> = e.frames.iter().filter(|f| f.line > 0).map(|f| (f.line, f.column)).collect();
        assert!(places.contains(&(4, 9)) || places.contains(&(3, 21)), "{shown}");
        assert!(shown.contains("E0425") && shown.contains("missing") && shown.contains("let c = missing;"), "{shown}");
        let e = n.err("%%rust\nlet b: String = 1;\nlet c: u8 = \"s\";");
        assert_eq!(e.frames.iter().filter(|f| f.column > 12).map(|f| f.line).collect::<Vec<_>>(), [2, 3], "{e}");
        assert!(e.to_string().contains("    |                 ^\n") || e.to_string().contains("^"), "{e}");
        let e = n.err("%%rust\nlet s = 1; s.nothing()");
        assert_eq!((e.frames[0].line, e.frames[0].column, e.frames[0].width), (2, 14, 7), "{e}");
        let e = n.err("%%rust\nlet s = (1;\n2");
        assert!(e.frames.iter().any(|f| f.line == 2), "{e}");
        let e = n.err("%%rust\nlet f = |x: i32| { let unused = 1; x };");
        assert!(e.to_string().contains("closure") && e.ename == "RustError", "a warning is not why it fails: {e}");
        assert_eq!(n.ok("%%rust\nkept"), "5", "what does not compile changes nothing");
    }

    #[test]
    fn what_cannot_go_across_is_said_at_the_option() {
        let mut n = Notebook::new();
        n.ok("let m = load(\"sample\"); let text = \"t\"; let x = 1;");
        let e = n.err("%%rust --in tex\n1");
        assert!(e.to_string().contains("did you mean `text`?") && e.frames[0].column == 13, "{e}");
        let e = n.err("\n%%rust --in m\n1");
        assert!(e.to_string().contains("found Model") && e.frames[0].line == 2, "{e}");
        let e = n.err("%%rust --in text:f64\ntext");
        assert!(e.to_string().contains("--in text: expected f64, found string"), "{e}");
        let e = n.err("%%rust --out y\nlet z = 1;");
        assert!(e.to_string().contains("`y`") && e.frames[0].column == 14, "{e}");
        let e = n.err("%%rust --out y\nstruct Own; let y: Vec<Own> = vec![];");
        assert!(e.to_string().contains("cannot become a value of the notebook") && e.frames[0].line == 1, "{e}");
        assert!(n.err("%%rust --on x\n1").to_string().contains("did you mean"));
        assert_eq!(n.ok("x"), "1");
        // What failed has left no files; the running cell has a folder of its own.
        let folders = "%%rust --in x\n{ let cells = std::path::PathBuf::from(std::env::var(\"EVCXR_TMPDIR\").unwrap());
            let names = std::fs::read_dir(cells.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name());
            names.filter(|n| n.to_string_lossy().starts_with(\"values-\")).count() }";
        assert_eq!(n.ok(folders), "1");
    }

    #[test]
    fn panics_lose_what_they_must_and_no_more() {
        let mut n = Notebook::new();
        n.ok("let outside = 3;");
        n.ok("%%rust\nlet kept = vec![1, 2];\nfn pick(v: &[i32], n: usize) -> i32 {\n    v[n]\n}");
        let e = n.err("%%rust\nlet gone = 1;\nlet two = 1;\npick(&kept, 9);");
        assert_eq!(e.ename, "RustPanic");
        assert!(e.evalue.contains("the len is 2 but the index is 9"), "{e}");
        assert_eq!((e.frames[0].cell.as_str(), e.frames[0].line, e.frames[0].column), ("In[2]", 4, 5), "{e}");
        assert!(e.help[0].contains("gone, two") && !n.stderr().contains("backtrace"), "{e}\n{}", n.stderr());
        assert_eq!(n.ok("%%rust\nkept"), "[1, 2]");
        let e = n.err("%%rust\nlet n: i32 = \"x\".parse()?;\nn");
        assert!(e.ename == "RustError" && e.evalue.contains("invalid digit"), "{e}");
        n.ok("%%rust\neprintln!(\"said before\");");
        let e = n.err("%%rust\nstd::process::abort();");
        assert!(e.ename == "RustProcessDied" && e.help[0].contains("variables are gone"), "{e}");
        assert!(!e.to_string().contains("said before"), "{e}");
        assert_eq!(n.ok("%%rust\npick(&[4, 5], 1)"), "5", "functions are still there");
        assert!(n.err("%%rust\nkept").to_string().contains("kept"));
        assert_eq!(n.ok("outside"), "3");
    }

    #[test]
    fn an_interrupt_ends_the_cell_or_the_call_and_keeps_the_session() {
        let mut n = Notebook::new();
        n.ok("let outside = 3;");
        n.ok("%%rust\nlet kept = 1;\npub fn spin() { println!(\"running\"); loop { std::hint::spin_loop() } }\npub fn one() -> i64 { 1 }");
        let (e, took) = n.interrupted("%%rust\nprintln!(\"running\"); loop { std::hint::spin_loop() }");
        assert!(e.is_interrupt() && e.to_string().contains("Rust variables are gone"), "{e}");
        // Far from hanging: a measurement is the business of a benchmark.
        assert!(took < Duration::from_secs(60), "{took:?}");
        assert_eq!(n.ok("outside + one()"), "4");
        let (e, _) = n.interrupted("spin()");
        assert!(e.is_interrupt() && e.to_string().contains("Rust variables are gone"), "{e}");
        assert_eq!(n.ok("outside + one()"), "4");
        // While it compiles nothing is lost.
        n.ok("%%rust\nlet kept = 2;");
        let e = n.interrupted_soon("%%rust\nloop { std::hint::spin_loop() }");
        if e.to_string().contains("as they were") {
            assert_eq!(n.ok("%%rust\nkept"), "2");
        }
        assert_eq!(n.ok("%%rust\n1 + 1"), "2");
    }

    #[test]
    fn an_interrupt_of_the_first_cell_leaves_a_process_that_goes_on_starting() {
        let mut n = Notebook::new();
        for _ in 0..2 {
            n.interrupted_soon("%%rust\nprintln!(\"never\");");
        }
        assert_eq!(n.ok("%%rust\nprintln!(\"at last\"); 1 + 1"), "2");
        assert_eq!(n.stdout(), "at last\n", "what was stopped does not run later");
    }

    #[test]
    fn pictures_are_display_data() {
        let mut n = Notebook::new();
        let code = "%%rust\nstruct Dot;\nimpl Dot { fn evcxr_display(&self) { println!(\"EVCXR_BEGIN_CONTENT text/html\\n<b>dot</b>\\nEVCXR_END_CONTENT\"); } }\nDot";
        let bundle = n.outcome(code).result.unwrap().unwrap();
        assert_eq!(bundle.data["text/html"], "<b>dot</b>");
        assert_eq!(bundle.plain(), "<text/html>");
    }

    #[test]
    fn front_ends_are_answered_about_rust_cells() {
        let mut n = Notebook::new();
        n.ok("let text = 1;");
        n.ok("%%rust\nlet numbers = vec![1];");
        let names = |n: &Notebook, code: &str| {
            let found = n.session.complete(code, code.chars().count());
            found.matches.into_iter().map(|m| (m.text, m.kind)).collect::<Vec<_>>()
        };
        let push = ("push".to_owned(), MatchKind::Function);
        let patience = Instant::now();
        // The first answer needs what rust-analyzer knows of the standard library, and may take longer than a front end waits.
        while !names(&n, "%%rust\nlet é = numbers.pus").contains(&push) {
            let found = names(&n, "%%rust\nnumbers.pus");
            assert!(patience.elapsed() < Duration::from_secs(120), "{found:?}");
        }
        assert_eq!(names(&n, "%%rust --in te"), [("text".to_owned(), MatchKind::Variable)]);
        assert_eq!(names(&n, "%%rust --o"), [("--out".to_owned(), MatchKind::Option)]);
        assert!(n.session.inspect("%%rust\n1", 3, Detail::Brief).unwrap().plain().starts_with("Rust cell"));
        assert_eq!(n.session.is_complete("%%rust\n1\n"), Completeness::Complete);
    }

    /// The whole way: a Jupyter client, the real kernel, its process of Rust cells, and nothing left of it afterwards.
    #[test]
    fn a_jupyter_client_sees_streams_values_errors_and_interrupts() {
        use minerva_tests::client::Kernel;
        let kernel = Kernel::start(env!("CARGO_BIN_EXE_minerva"));
        let mut client = kernel.connect();
        // The first Rust cell compiles what evcxr and cells need.
        client.patience = Duration::from_secs(120);
        client.run("let x = [1, 2, 3];");
        let ran = client.run("%%rust --in x --out y\nprintln!(\"from Rust\");\nlet y: i64 = x.iter().sum();\ny");
        assert_eq!(ran.kinds(), ["stream", "execute_result"]);
        assert_eq!((ran.stream("stdout").as_str(), ran.result()), ("from Rust\n", Some("6")));
        assert_eq!(client.run("y * 7").result(), Some("42"));
        let ran = client.run("%%rust\nlet z: String = 1;");
        assert_eq!(ran.kinds(), ["error"]);
        assert_eq!(ran.reply["ename"], "CompileError");
        assert!(ran.reply["traceback"].to_string().contains("let z: String = 1;"));
        let running = client.start("%%rust\nprintln!(\"running\"); loop { std::hint::spin_loop() }");
        client.expect_iopub(&running, "stream");
        // SAFETY: a signal to a child of this test.
        assert_eq!(unsafe { libc::kill(kernel.pid() as libc::pid_t, libc::SIGINT) }, 0);
        let stopped = client.finish(&running);
        assert_eq!(stopped.reply["ename"], "Interrupted", "{stopped:?}");
        assert_eq!(client.run("y").result(), Some("6"));
        let ran = client.run("%%rust\nstd::process::id()");
        let pid: u32 = ran.result().unwrap().parse().unwrap();
        drop(kernel);
        let patience = Instant::now();
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            assert!(patience.elapsed() < Duration::from_secs(60), "the process of the Rust cells outlives its kernel");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
