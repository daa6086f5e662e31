//! Progress of long work in a notebook: one display per task, updated in place, in HTML and in text.

use crate::display::escape_html;
use minerva_engine::error::bytes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Work that is done sooner than this shows no bar, and a bar is not redrawn more often.
const INTERVAL: Duration = Duration::from_millis(100);

struct Bar {
    id: String,
    started: Instant,
    /// What was done when it was first heard of: time is counted from there.
    first: u64,
    done: u64,
    drawn: Option<Instant>,
}

/// The bars of one cell, by label.
#[derive(Default)]
pub struct Bars {
    bars: HashMap<String, Bar>,
}

/// What to show: the MIME data, the display id, and whether that id is on screen already.
#[derive(Debug, PartialEq)]
pub struct Drawn {
    /// MIME type to value.
    pub data: Value,
    /// The display to create or to update.
    pub id: String,
    /// False the first time.
    pub update: bool,
}

impl Bars {
    /// Takes note that `done` of `total` (0: unknown) units are finished; says what to show, if anything.
    pub fn update(&mut self, label: &str, done: u64, total: u64, unit: &str, now: Instant) -> Option<Drawn> {
        let finished = total > 0 && done >= total;
        let bar = self.bars.entry(label.to_owned()).or_insert_with(|| Bar {
            id: format!("progress-{}", uuid::Uuid::new_v4().simple()),
            started: now,
            first: done,
            done,
            drawn: None,
        });
        if done < bar.done {
            // Another bar of the same name: its pace is its own.
            (bar.started, bar.first) = (now, done);
        }
        bar.done = done;
        let due = now.duration_since(bar.drawn.unwrap_or(bar.started)) >= INTERVAL;
        let drawn = match bar.drawn {
            Some(_) if due || finished => true,
            None if due && !finished => true,
            _ => false,
        }
        .then(|| {
            let elapsed = now.duration_since(bar.started);
            let state = State { label, first: bar.first, done, total, unit, elapsed };
            Drawn { data: state.draw(), id: bar.id.clone(), update: bar.drawn.replace(now).is_some() }
        });
        if finished {
            self.bars.remove(label);
        }
        drawn
    }
}

struct State<'a> {
    label: &'a str,
    first: u64,
    done: u64,
    total: u64,
    unit: &'a str,
    elapsed: Duration,
}

impl State<'_> {
    fn draw(&self) -> Value {
        json!({ "text/html": self.html(), "text/plain": self.text() })
    }

    /// Between 0 and 1; `None` where the length is not known.
    fn fraction(&self) -> Option<f64> {
        (self.total > 0).then(|| (self.done as f64 / self.total as f64).clamp(0.0, 1.0))
    }

    /// The seconds that what is left takes at the pace so far; `None` while nothing is known of it.
    fn left(&self) -> Option<f64> {
        let since = self.done.checked_sub(self.first).filter(|since| *since > 0)?;
        Some(self.elapsed.as_secs_f64() * self.total.saturating_sub(self.done) as f64 / since as f64)
    }

    /// `45 % · 44.1 of 98.0 MB · 1.2 s left`
    fn numbers(&self) -> String {
        let amount = |n: u64| if self.unit == "B" { bytes(n) } else { n.to_string() };
        let unit = if self.unit == "B" || self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let elapsed = self.elapsed.as_secs_f64();
        match self.fraction() {
            None => format!("{}{unit} · {}", amount(self.done), seconds(elapsed)),
            Some(f) if self.done >= self.total => {
                format!("{:.0} % · {}{unit} in {}", f * 100.0, amount(self.done), seconds(elapsed))
            }
            Some(f) => {
                let left = self.left().map_or(String::new(), |left| format!(" · {} left", seconds(left)));
                format!("{:.0} % · {} of {}{unit}{left}", f * 100.0, amount(self.done), amount(self.total))
            }
        }
    }

    fn text(&self) -> String {
        const WIDTH: f64 = 24.0;
        const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let bar = match self.fraction() {
            None => String::new(),
            Some(f) => {
                let eighths = (f * WIDTH * 8.0).round() as usize;
                let part = PARTS.get(eighths % 8).copied().unwrap_or_default();
                let bar = format!("{}{part}", "█".repeat(eighths / 8));
                format!(" ▕{bar:<width$}▏", width = WIDTH as usize)
            }
        };
        format!("{}{bar} {}", self.label, self.numbers())
    }

    fn html(&self) -> String {
        let bar = self.fraction().map(|f| {
            format!(
                "<span style=\"flex:0 0 16em;height:0.5em;border-radius:0.25em;overflow:hidden;\
                 background:rgba(128,128,128,0.25)\"><span style=\"display:block;height:100%;width:{:.1}%;\
                 background:#4a86c5\"></span></span>",
                f * 100.0
            )
        });
        format!(
            "<div style=\"display:flex;flex-wrap:wrap;align-items:center;gap:0 0.9em;\
             font-variant-numeric:tabular-nums\"><span>{}</span>{}<span style=\"opacity:0.7\">{}</span></div>",
            escape_html(self.label),
            bar.unwrap_or_default(),
            escape_html(&self.numbers())
        )
    }
}

fn seconds(s: f64) -> String {
    match s {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min {:02.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn short_work_shows_nothing_and_long_work_updates_one_display() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut bars = Bars::default();
        assert_eq!(bars.update("quick", 0, 10, "tensors", at(0)), None);
        assert_eq!(bars.update("quick", 10, 10, "tensors", at(50)), None);

        assert_eq!(bars.update("load", 0, 100, "B", at(0)), None);
        let first = bars.update("load", 50, 100, "B", at(150)).unwrap();
        assert!(!first.update);
        assert_eq!(bars.update("load", 60, 100, "B", at(200)), None, "too soon to redraw");
        let last = bars.update("load", 100, 100, "B", at(210)).unwrap();
        assert!(last.update && last.id == first.id, "the end is always drawn, in the same place");
        let text = first.data["text/plain"].as_str().unwrap();
        assert_eq!(text, "load ▕████████████            ▏ 50 % · 50 B of 100 B · 0.1 s left");
        assert_eq!(last.data["text/plain"].as_str().unwrap(), "load ▕████████████████████████▏ 100 % · 100 B in 0.2 s");
    }

    #[test]
    fn the_pace_counts_from_the_first_news() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut bars = Bars::default();
        // 80 of 100 are done when the bar is first heard of; one more takes a second.
        assert_eq!(bars.update("late", 80, 100, "steps", at(0)), None);
        let drawn = bars.update("late", 80, 100, "steps", at(500)).unwrap();
        assert!(!drawn.data["text/plain"].as_str().unwrap().contains("left"), "nothing is known of its pace");
        let drawn = bars.update("late", 81, 100, "steps", at(1000)).unwrap();
        assert!(drawn.data["text/plain"].as_str().unwrap().ends_with("81 of 100 steps · 19 s left"));
        bars.update("late", 0, 10, "steps", at(60_000));
        let drawn = bars.update("late", 1, 10, "steps", at(61_000)).unwrap();
        assert!(drawn.data["text/plain"].as_str().unwrap().ends_with("1 of 10 steps · 9.0 s left"), "another bar");
    }

    #[test]
    fn a_label_cannot_inject_html() {
        let state =
            State { label: "<b>&", first: 0, done: 1, total: 0, unit: "tokens", elapsed: Duration::from_secs(75) };
        assert!(state.html().contains("&lt;b&gt;&amp;"));
        assert_eq!(state.text(), "<b>& 1 tokens · 75 s");
    }
}
