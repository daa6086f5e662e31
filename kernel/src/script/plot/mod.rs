//! Charts in scripts: `plot`, `line`, `scatter`, `bar`, `histogram`, `heatmap`, and what one does with a chart.

mod data;
mod functions;
mod heatmap;
mod histogram;
mod look;
mod make;
mod methods;
mod shrink;
mod tables;
#[cfg(test)]
mod tests;

/// Registers the functions that make charts and the methods of a chart.
pub fn register(engine: &mut rhai::Engine, host: &super::Host) {
    methods::register(engine, host);
    functions::register(engine, host);
}
