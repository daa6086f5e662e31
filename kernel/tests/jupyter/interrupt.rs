//! Interrupts at random moments, by message and by signal. The time each takes is printed where `MINERVA_MEASURE` is
//! set; the test asks only that everything is answered and nothing is lost.

use super::{Client, MINERVA};
use minerva_tests::hub_server::{HubServer, Repo, Sending};
use minerva_tests::{client::Kernel, real_model};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Numbers that look random and are the same in every run.
pub struct Moments(pub u64);

impl Moments {
    /// The next one, up to `most`.
    pub fn next(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((self.0 >> 33) as f64 / f64::from(1_u32 << 31))
    }
}

/// Runs `code`, interrupts it after `delay`, and returns how long the answer took.
fn interrupt(kernel: &Kernel, client: &mut Client, code: &str, delay: Duration, by_signal: bool) -> Duration {
    let running = client.start(code);
    std::thread::sleep(delay);
    let (reply, took) = stop(kernel, client, running, by_signal);
    assert_eq!((&reply["status"], &reply["ename"]), (&json!("error"), &json!("Interrupted")), "{code}: {reply}");
    took
}

/// Interrupts what runs: its reply, and how long that took. Reads until all is idle.
pub fn stop(kernel: &Kernel, client: &mut Client, running: String, by_signal: bool) -> (Value, Duration) {
    let asked = Instant::now();
    let mut open = vec![running.clone()];
    if by_signal {
        super::signal(kernel.pid(), libc::SIGINT);
    } else {
        let id = client.send_control("interrupt_request", json!({}));
        assert_eq!(client.expect_control(&id, "interrupt_reply")["status"], "ok");
        open.push(id);
    }
    let reply = client.expect_reply(&running, "execute_reply");
    let took = asked.elapsed();
    while !open.is_empty() {
        let message = client.iopub();
        assert!(open.iter().any(|id| id == message.parent_id()), "{message:?}");
        if message.content["execution_state"] == "idle" {
            open.retain(|id| id != message.parent_id());
        }
    }
    (reply, took)
}

/// A hub with a model that takes minutes to come.
fn slow_hub() -> HubServer {
    let repo = Repo::new("org/slow", &[("slow.gguf", vec![0; 8 << 20].as_slice())]);
    HubServer::start(move |request| repo.answer(request).sent(Sending::Slow(Duration::from_millis(20))))
}

fn many(times: usize, prepare: &str, cells: &[(&str, String)]) {
    let (hub, cache) = (slow_hub(), tempfile::tempdir().unwrap());
    let environment = [
        ("HF_ENDPOINT", hub.url()),
        ("HF_HUB_CACHE", cache.path().display().to_string()),
        ("HF_HUB_OFFLINE", "0".to_owned()),
        ("TRANSFORMERS_OFFLINE", "0".to_owned()),
    ];
    let kernel = Kernel::start_with(MINERVA, &environment.each_ref().map(|(name, value)| (*name, value.as_str())));
    let mut client = kernel.connect();
    client.patience = Duration::from_secs(60);
    let prepared = client.run(prepare);
    assert_eq!(prepared.reply["status"], "ok", "{prepared:?}");
    let before = client.run("probe()");
    assert!(before.result().is_some(), "{before:?}");
    let mut moments = Moments(7);
    let mut took: Vec<(Duration, &str)> = Vec::new();
    for n in 0..times {
        let (name, code) = &cells[n % cells.len()];
        let delay = moments.next(Duration::from_millis(60));
        took.push((interrupt(&kernel, &mut client, code, delay, n % 2 == 1), name));
        if n % 20 == 19 {
            assert_eq!(client.run("probe()").result(), before.result(), "variables and models are as they were");
        }
    }
    if std::env::var_os("MINERVA_MEASURE").is_some() {
        report(&took);
    }
}

/// Prints median and maximum of each kind.
pub fn report(took: &[(Duration, &str)]) {
    use std::io::Write;
    let mut names: Vec<&str> = took.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let mut times: Vec<Duration> = took.iter().filter(|(_, n)| *n == name).map(|(t, _)| *t).collect();
        times.sort_unstable();
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        let _ = writeln!(
            std::io::stderr(),
            "{name:<24} {:>3} interrupts, median {median:.1?}, most {most:.1?}",
            times.len()
        );
    }
}

#[cfg(unix)]
#[test]
fn two_hundred_interrupts_at_random_moments_lose_nothing() {
    let prepare = "let kept = [1, #{a: 2}]; let m = load(\"sample\"); let long = \"\"; \
                   for i in 0..12 { long += \"KING: to be or not \"; } \
                   fn probe() { [kept, m.generate(\"ROMEO:\", #{ max_tokens: 8, seed: 1, stream: false }).text] }";
    let decode = "loop { m.generate(\"KING:\", #{ max_tokens: 200, ignore_eos: true, stream: STREAM }) }";
    many(
        200,
        prepare,
        &[
            ("empty loop", "loop {}".into()),
            ("loop that prints", "let i = 0; loop { print(i); i += 1; }".into()),
            ("array functions", "let a = []; a.pad(1000, 3); loop { a.map(|x| x * 2).filter(|x| x > 5).len() }".into()),
            ("decode, streamed", decode.replace("STREAM", "true")),
            ("decode", decode.replace("STREAM", "false")),
            ("prefill", "loop { m.logits(long) }".into()),
            ("load", "loop { load(\"sample\") }".into()),
            ("load for candle", "loop { load(\"sample\", #{ backend: \"candle\" }) }".into()),
            ("download", "load(\"org/slow\")".into()),
            ("sleep", "sleep(600)".into()),
            ("try and catch", "loop { try { loop {} } catch { } }".into()),
        ],
    );
}

#[cfg(unix)]
#[test]
fn a_real_model_is_interrupted_and_stays_as_it_is() {
    let Some(path) = real_model::smollm2() else { return };
    let path = path.display().to_string();
    let prepare = format!(
        "let m = load({path:?}); let c = load({path:?}, #{{ backend: \"candle\" }}); let long = \"\"; \
         for i in 0..150 {{ long += \"One two three four five six seven eight. \"; }} \
         fn probe() {{ [m.generate(\"Once\", #{{ max_tokens: 4, seed: 1, stream: false }}).text, \
         c.generate(\"Once\", #{{ max_tokens: 4, seed: 1, stream: false }}).text] }}"
    );
    many(
        40,
        &prepare,
        &[
            ("decode", "loop { m.generate(\"Once\", #{ max_tokens: 400, ignore_eos: true, stream: false }) }".into()),
            ("prefill", "loop { m.logits(long) }".into()),
            ("load", format!("loop {{ load({path:?}) }}")),
            (
                "candle decode",
                "loop { c.generate(\"Once\", #{ max_tokens: 400, ignore_eos: true, stream: false }) }".into(),
            ),
            ("candle prefill", "loop { c.logits(long) }".into()),
        ],
    );
}
