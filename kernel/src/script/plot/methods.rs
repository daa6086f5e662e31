//! A chart as a value: how it shows itself, and what one does with it.

use super::tables::{AXES, COMMON, SAVE};
use super::{histogram, look, make};
use crate::display::chart::{self, Chart, Content};
use crate::display::width;
use crate::script::error::{ScriptResult, guard, raise_text};
use crate::script::options::Options;
use crate::script::{Host, define, define_type};
use minerva_engine::tensor::Histogram;
use rhai::{Engine, Map};
use std::path::Path;

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    let about =
        "A chart: drawn in a notebook, as text in a terminal, saved as a picture. `a + b` draws one over the other.";
    define_type::<Chart>(engine, "Chart", about, "plot([1, 4, 9, 16]).save(\"squares.png\");");
    host.shows::<Chart>(engine, |c| chart::bundle(c, width()));
    // In text no picture is needed: these replace what `shows` registered.
    for name in ["to_string", "to_debug", "print", "debug"] {
        engine.register_fn(name, |c: &mut Chart| chart::plain(c, width()));
    }
    host.shows::<Histogram>(engine, |counts| chart::bundle(&histogram::of_counts(counts), width()));
    let doc = "Writes the chart into a file: a picture (.svg, .png) or its Vega-Lite specification (.json).";
    define("save", &["chart: Chart", "path: string"], doc)
        .example("line([1, 2, 3]).save(\"chart.svg\");")
        .register_into_engine(engine, |c: Chart, path: &str| guard(|| chart::save(&c, Path::new(path), None)));
    define("save", &["chart: Chart", "path: string", "options: map"], doc)
        .options(&[SAVE])
        .example("line([1, 2, 3]).save(\"chart.png\", #{ scale: 3 });")
        .register_into_engine(engine, |c: Chart, path: &str, options: Map| -> ScriptResult<()> {
            let mut options = Options::of("save", &[SAVE], options);
            let scale = options.get::<f64>("scale")?;
            options.finish()?;
            guard(|| chart::save(&c, Path::new(path), scale))
        });
    define("options", &["chart: Chart", "options: map", "Chart"], "The same chart with another look.")
        .options(&[AXES, COMMON])
        .example("line([1, 10, 100]).options(#{ log_y: true, title: \"Growth\" })")
        .register_into_engine(engine, |mut c: Chart, options: Map| -> ScriptResult<Chart> {
            let mut options = Options::of("options", &[AXES, COMMON], options);
            if matches!(c.content, Content::Series(_)) {
                look::axes(&mut options, &mut c)?;
            }
            look::common(&mut options, &mut c)?;
            options.finish()?;
            look::check(&mut c, "options")?;
            Ok(c)
        });
    define("to_json", &["chart: Chart", "string"], "The Vega-Lite specification of the chart, as JSON.")
        .example("line([1, 2, 3]).to_json()")
        .register_into_engine(engine, |c: Chart| -> ScriptResult<String> {
            let bytes = guard(|| chart::encode(&c, "json", None))?;
            String::from_utf8(bytes).map_err(|e| raise_text("InternalError", e.to_string()))
        });
    define("+", &["a: Chart", "b: Chart", "Chart"], "One chart over the other, on the same axes.")
        .example("line([1, 2, 3]) + scatter([1, 2, 3])")
        .register_into_engine(engine, make::layered);
}
