//! Waiting.

use super::{Host, define, error};
use rhai::Engine;
use std::time::{Duration, Instant};

/// How often the interrupt is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    // In the place of Rhai's own `sleep`, which nothing can interrupt.
    let doc = "Waits for some seconds.";
    let h = host.clone();
    define("sleep", &["seconds: float"], doc)
        .example("sleep(0.01)")
        .register_into_engine(engine, move |seconds: f64| error::guard(|| sleep(&h, seconds)));
    let h = host.clone();
    define("sleep", &["seconds: int"], doc)
        .register_into_engine(engine, move |seconds: i64| error::guard(|| sleep(&h, seconds as f64)));
}

fn sleep(host: &Host, seconds: f64) -> minerva_engine::Result<()> {
    let started = Instant::now();
    // Negative, infinite and NaN are no time to wait for.
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    loop {
        host.interrupt().check()?;
        let left = time.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(POLL));
    }
}
