//! The functions that make charts.

use super::tables::{AXES, COMMON, HEATMAP, HISTOGRAM, LINE, PLOT, SERIES, of_kind};
use super::{heatmap, histogram, make};
use crate::script::error::{ScriptResult, raise};
use crate::script::options::OptionSpec;
use crate::script::{Host, define};
use minerva_engine::Error;
use rhai::{Dynamic, Engine, Map};

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    series(engine, host);
    counts(engine, host);
    grids(engine, host);
}

fn series(engine: &mut Engine, host: &Host) {
    let line = "A line through values: an array, a tensor [n] or [series, n], a map of arrays, or a table with the columns named by the options x, y and color. NaN is a gap.";
    let scatter = "A point for each pair of positions and values; data as in line.";
    let bar = "A bar for each value: names and values, a map of numbers, a map of arrays (beside one another, or stacked), or a table with the columns named by the options x, y and color.";
    let plot = "A chart of whatever it is given: a line for numbers, bars for named numbers, a histogram for counted ones, or what the option kind says, with the options of that function.";
    let kinds: [(_, _, _, &[&'static [OptionSpec]]); 4] = [
        (
            "line",
            line,
            "line(#{ train: [4.1, 3.2, 2.9], test: [4.3, 3.6, 3.5] }, #{ x_label: \"epoch\", y_label: \"loss\" })",
            &of_kind("line"),
        ),
        (
            "scatter",
            scatter,
            "scatter([1, 2, 3], [2.0, 4.1, 5.9], #{ x_label: \"layer\", y_label: \"norm\" })",
            &of_kind("scatter"),
        ),
        (
            "bar",
            bar,
            "bar([\"the\", \"a\", \"my\"], [0.5, 0.3, 0.2], #{ horizontal: true, x_label: \"p\" })",
            &of_kind("bar"),
        ),
        ("plot", plot, "plot([1, 4, 9, 16], #{ title: \"Squares\" })", &[PLOT, LINE, SERIES, AXES, COMMON]),
    ];
    for (kind, doc, example, tables) in kinds {
        let run =
            move |host: &Host, x: Option<Dynamic>, y: Dynamic, options: Map| make::chart(host, kind, x, y, options);
        let h = host.clone();
        define(kind, &["data: array|Tensor|map", "Chart"], doc)
            .register_into_engine(engine, move |y: Dynamic| run(&h, None, y, Map::new()));
        let h = host.clone();
        define(kind, &["data: array|Tensor|map", "options: map", "Chart"], doc)
            .options(tables)
            .example(example)
            .register_into_engine(engine, move |a: Dynamic, b: Dynamic| match b.is_map() && !is_data(&a, &b) {
                true => run(&h, None, a, b.cast::<Map>()),
                false => run(&h, Some(a), b, Map::new()),
            });
        let h = host.clone();
        define(kind, &["x: array|Tensor", "y: array|Tensor|map", "options: map", "Chart"], doc)
            .options(tables)
            .register_into_engine(engine, move |x: Dynamic, y: Dynamic, options: Map| run(&h, Some(x), y, options));
    }
}

/// Whether a second argument that is a map holds series, not options: `line(steps, #{ train: […], test: […] })`.
fn is_data(first: &Dynamic, second: &Dynamic) -> bool {
    let column = |v: &Dynamic| v.is_array() || v.is::<minerva_engine::tensor::Tensor>();
    let names = ["x", "y", "color", "colors", "labels", "label", "x_range", "y_range", "xlim", "ylim", "names"];
    let Some(map) = second.read_lock::<Map>() else { return false };
    column(first) && !map.is_empty() && map.iter().all(|(k, v)| column(v) && !names.contains(&k.as_str()))
}

fn counts(engine: &mut Engine, host: &Host) {
    let doc = "How values are spread, in equal bins: of an array, all values of a tensor (read where they lie, however large), a map of either, or columns of a table.";
    let h = host.clone();
    define("histogram", &["data: array|Tensor|map", "Chart"], doc)
        .register_into_engine(engine, move |data: Dynamic| histogram::chart(&h, &data, Map::new()));
    let h = host.clone();
    define("histogram", &["data: array|Tensor|map", "options: map", "Chart"], doc)
        .options(&[HISTOGRAM, AXES, COMMON])
        .example("histogram(randn([10000], 1), #{ bins: 40, x_label: \"value\" })")
        .register_into_engine(engine, move |data: Dynamic, options: Dynamic| {
            histogram::chart(&h, &data, options_or("histogram", "bins", options)?)
        });
}

fn grids(engine: &mut Engine, host: &Host) {
    let doc = "A matrix as colours: a tensor [rows, columns], nested arrays, or a table of numbers. Signed values are blue and red around zero, others run through viridis.";
    let h = host.clone();
    define("heatmap", &["data: Tensor|array", "Chart"], doc)
        .register_into_engine(engine, move |data: Dynamic| heatmap::chart(&h, &data, Map::new()));
    let h = host.clone();
    define("heatmap", &["data: Tensor|array", "options: map", "Chart"], doc)
        .options(&[HEATMAP, COMMON])
        .example("heatmap(randn([8, 8], 1), #{ x_label: \"key\", y_label: \"query\" })")
        .register_into_engine(engine, move |data: Dynamic, options: Dynamic| {
            heatmap::chart(&h, &data, options_or("heatmap", "pixels", options)?)
        });
}

/// The options map, or one made of the number that stands in its place.
fn options_or(function: &'static str, name: &str, value: Dynamic) -> ScriptResult<Map> {
    if value.is_int() {
        return Ok(Map::from([(name.into(), value)]));
    }
    let found = crate::display::type_name(&value);
    let expected = format!("options such as #{{ {name}: 64 }}");
    value.try_cast::<Map>().ok_or_else(|| raise(Error::argument(function, expected, found)))
}
