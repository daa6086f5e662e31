//! The learning rate: a linear warm-up, then a cosine down to nothing.

use super::options::Options;
use std::time::Duration;

/// Steps of warm-up.
const WARM_UP: usize = 100;

pub struct Schedule {
    steps: Option<usize>,
    limit: Option<Duration>,
    peak: f64,
}

impl Schedule {
    pub fn new(options: &Options) -> Self {
        Self { steps: options.steps, limit: options.limit, peak: options.lr }
    }

    /// The rate of a step, by the part of the run that is over, in steps or in time; `None` when all of it is.
    pub fn rate(&self, step: usize, elapsed: Duration) -> Option<f64> {
        let by_steps = self.steps.map_or(0.0, |n| step as f64 / n.max(1) as f64);
        let by_time = self.limit.map_or(0.0, |l| elapsed.as_secs_f64() / l.as_secs_f64().max(1e-9));
        let over = by_steps.max(by_time);
        if over >= 1.0 || self.steps == Some(0) {
            return None;
        }
        let warm = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
        Some(self.peak * warm * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * over).cos())))
    }
}
