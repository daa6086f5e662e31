//! Interrupts of Rust cells at random moments. The time each takes is printed where `MINERVA_MEASURE` is set, which also makes
//! them ten times as many; the test asks only that everything is answered, and that what is gone is said to be gone.

use super::interrupt::{Moments, report, stop};
use super::{Client, start};
use minerva_tests::client::Kernel;
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

const PREPARE: &str = "%%rust
let rust_kept = 7;
pub fn spin() { println!(\"running\"); loop { std::hint::spin_loop() } }
pub fn seven() -> i64 { 7 }";

/// When the interrupt comes.
#[derive(Clone, Copy)]
enum When {
    /// Within this time of the cell's beginning.
    Begun(Duration),
    /// Within this time of the first thing that the cell prints.
    Printed(Duration),
}

/// One kind of cell: its name, its code, when it is interrupted, and whether it may end by itself before that.
struct Kind(&'static str, &'static str, When, bool);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const KINDS: &[Kind] = &[
    Kind("busy loop", "%%rust\nprintln!(\"running\"); loop { std::hint::spin_loop() }", When::Printed(ms(60)), false),
    Kind(
        "sleep",
        "%%rust\nprintln!(\"running\"); std::thread::sleep(std::time::Duration::from_secs(600));",
        When::Printed(ms(60)),
        false,
    ),
    Kind(
        "loop that prints",
        "%%rust\nlet mut i = 0_u64; loop { println!(\"running {i}\"); i += 1; }",
        When::Printed(ms(60)),
        false,
    ),
    Kind("call of a function", "spin()", When::Printed(ms(60)), false),
    Kind("compilation", "%%rust\nloop { std::hint::spin_loop() }", When::Begun(ms(300)), false),
    Kind(
        "around its end",
        "%%rust\nprintln!(\"running\"); std::thread::sleep(std::time::Duration::from_millis(30));",
        When::Printed(ms(90)),
        true,
    ),
];

/// Runs a cell and interrupts it: its reply, and how long that took from the interrupt on.
fn interrupt(
    kernel: &Kernel,
    client: &mut Client,
    kind: &Kind,
    moments: &mut Moments,
    by_signal: bool,
) -> (Value, Duration) {
    let Kind(_, code, when, may_end) = kind;
    let running = client.start(code);
    match *when {
        When::Begun(most) => std::thread::sleep(moments.next(most)),
        When::Printed(most) => {
            client.expect_iopub(&running, "stream");
            std::thread::sleep(moments.next(most));
        }
    }
    // A signal has no answer: it could come after the end, and be taken for one to the next cell.
    let (reply, took) = stop(kernel, client, running, by_signal && !may_end);
    assert!(reply["ename"] == "Interrupted" || *may_end && reply["status"] == "ok", "{code}: {reply}");
    (reply, took)
}

fn prepare(client: &mut Client) {
    let prepared = client.run(PREPARE);
    assert_eq!(prepared.reply["status"], "ok", "{prepared:?}");
}

#[test]
fn interrupts_of_rust_cells_at_random_moments_are_answered_and_tell_what_is_gone() {
    let measures = std::env::var_os("MINERVA_MEASURE").is_some();
    let times = if measures { 200 } else { 20 };
    let (kernel, mut client) = start();
    // The first Rust cell compiles what evcxr and cells need.
    client.patience = Duration::from_secs(120);
    assert_eq!(client.run("let kept = [1, #{ a: 2 }];").reply["status"], "ok");
    prepare(&mut client);
    let mut moments = Moments(11);
    let (mut took, mut all_gone, mut untold) = (Vec::new(), 0, 0);
    for n in 0..times {
        let kind = &KINDS[n % KINDS.len()];
        // Each kind by message and by signal in turn.
        let (reply, time) = interrupt(&kernel, &mut client, kind, &mut moments, n / KINDS.len() % 2 == 1);
        took.push((time, kind.0));
        assert_eq!(client.run("kept").result(), Some("[1, #{a: 2}]"), "after {}", kind.0);
        let said = reply["traceback"].to_string();
        all_gone += usize::from(said.contains("types are gone"));
        if said.contains("gone") {
            prepare(&mut client);
        } else {
            let ran = client.run("%%rust\nrust_kept");
            if ran.result() != Some("7") {
                assert!(ran.stream("stderr").contains("Rust variables are gone"), "{}: {reply} {ran:?}", kind.0);
                untold += 1;
                prepare(&mut client);
            }
        }
        assert_eq!(client.run("seven()").result(), Some("7"), "after {}", kind.0);
    }
    if measures {
        report(&took);
        let _ = writeln!(std::io::stderr(), "{all_gone} of {times} ended all Rust cells, {untold} told of it later");
    }
}
