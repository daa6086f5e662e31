//! Options that say how a chart looks, the same for all of them.

use crate::display::chart::{Chart, Content, Rgb, Stack};
use crate::display::type_name;
use crate::script::error::{ScriptResult, raise};
use crate::script::options::Options;
use minerva_engine::Error;
use minerva_engine::error::nearest;
use rhai::{Array, Dynamic, ImmutableString};

/// Pixels a side that a chart may have.
const SIDES: std::ops::RangeInclusive<f64> = 60.0..=4000.0;

/// Title, labels, size, legend, background.
pub fn common(o: &mut Options, chart: &mut Chart) -> ScriptResult<()> {
    let text = |v: Option<String>, into: &mut String| {
        if let Some(v) = v {
            *into = v.replace(['\n', '\r', '\t'], " ");
        }
    };
    text(o.get("title")?, &mut chart.title);
    let (x, y) = (o.get("x_label")?, o.get("y_label")?);
    // The labels are those of the sides that one sees.
    let (along, across) = if chart.horizontal { (y, x) } else { (x, y) };
    text(along, &mut chart.x.label);
    text(across, &mut chart.y.label);
    for (name, side) in [("width", &mut chart.width), ("height", &mut chart.height)] {
        if let Some(pixels) = o.get::<f64>(name)? {
            if !SIDES.contains(&pixels) {
                return Err(o.wrong(name, "60 to 4000 pixels", &pixels.into()));
            }
            *side = Some(pixels);
        }
    }
    if let Some(legend) = o.get::<bool>("legend")? {
        chart.legend = Some(legend);
    }
    if o.get::<bool>("notes")? == Some(false) {
        chart.notes.clear();
    }
    if let Some(name) = o.get::<String>("background")? {
        chart.background = match name.as_str() {
            "transparent" | "none" => None,
            "dark" => Some(Rgb([0x11, 0x11, 0x11])),
            "light" => Some(Rgb([0xff; 3])),
            _ => Some(color("background", &name)?),
        };
    }
    Ok(())
}

/// Scales, ranges and lines of the axes.
pub fn axes(o: &mut Options, chart: &mut Chart) -> ScriptResult<()> {
    let log_x = o.get::<bool>("log_x")?;
    let log_y = o.get::<bool>("log_y")?;
    let x_scale = o.get::<String>("x_scale")?;
    let y_scale = o.get::<String>("y_scale")?;
    let x_range = range(o, "x_range")?;
    let y_range = range(o, "y_range")?;
    let log = |flag: Option<bool>, word: Option<String>| flag.or(word.map(|w| w == "log"));
    // As with labels, x is the side below.
    let flip = chart.horizontal;
    let (along, across) = (&mut chart.x, &mut chart.y);
    let (below, beside) = if flip { (across, along) } else { (along, across) };
    for (axis, log, range) in [(below, log(log_x, x_scale), x_range), (beside, log(log_y, y_scale), y_range)] {
        if let Some(log) = log {
            axis.log = log;
        }
        if let Some(range) = range {
            axis.range = range;
        }
    }
    if let Some(lines) = o.get::<bool>("grid")? {
        chart.grid_lines = lines;
    }
    Ok(())
}

/// Two ends, `()` for one that is left open.
pub fn range(o: &mut Options, name: &'static str) -> ScriptResult<Option<(Option<f64>, Option<f64>)>> {
    let Some(value) = o.get::<Dynamic>(name)? else { return Ok(None) };
    let wrong = || o.wrong(name, "two numbers, the lower first, such as [0, 1]; () leaves an end open", &value);
    let array = value.read_lock::<Array>().map(|a| a.clone()).ok_or_else(wrong)?;
    let [low, high] = array.as_slice() else { return Err(wrong()) };
    let end = |v: &Dynamic| match v.is_unit() {
        true => Some(None),
        false => super::data::number(v).filter(|v| v.is_finite()).map(Some),
    };
    match (end(low), end(high)) {
        (Some(Some(a)), Some(Some(b))) if a >= b => Err(wrong()),
        (Some(a), Some(b)) => Ok(Some((a, b))),
        _ => Err(wrong()),
    }
}

/// The opacity of marks.
pub fn opacity(o: &mut Options) -> ScriptResult<Option<f64>> {
    let Some(value) = o.get::<f64>("opacity")? else { return Ok(None) };
    if (0.0..=1.0).contains(&value) { Ok(Some(value)) } else { Err(o.wrong("opacity", "0 to 1", &value.into())) }
}

/// A positive number of pixels.
pub fn pixels(o: &mut Options, name: &'static str) -> ScriptResult<Option<f64>> {
    let Some(value) = o.get::<f64>(name)? else { return Ok(None) };
    if value > 0.0 && value <= 200.0 {
        Ok(Some(value))
    } else {
        Err(o.wrong(name, "above 0, up to 200 pixels", &value.into()))
    }
}

/// The words of an option that is one string or several.
pub fn words(value: &Dynamic) -> Option<Vec<String>> {
    if let Some(one) = value.read_lock::<ImmutableString>() {
        return Some(vec![one.to_string()]);
    }
    let word = |v: &Dynamic| v.read_lock::<ImmutableString>().map(|s| s.to_string());
    value.read_lock::<Array>()?.iter().map(word).collect()
}

/// A colour by name or number.
pub fn color(option: &str, name: &str) -> ScriptResult<Rgb> {
    Rgb::parse(name).ok_or_else(|| {
        let known = Rgb::names().collect::<Vec<_>>().join(", ");
        let error = Error::argument(option, format!("{known} or \"#rrggbb\""), format!("{name:?}"));
        raise(match nearest(name, Rgb::names()) {
            Some(near) => error.with_help(format!("did you mean {near:?}?")),
            None => error,
        })
    })
}

/// Gives the series names and colours that were asked for.
pub fn names_and_colors(
    function: &'static str,
    chart: &mut Chart,
    labels: Option<Dynamic>,
    colors: &[String],
) -> ScriptResult<()> {
    let Content::Series(series) = &mut chart.content else { return Ok(()) };
    let count = series.len();
    if let Some(labels) = labels {
        let found = type_name(&labels);
        let wrong = |found: String| {
            let expected = format!("{count} {}", if count == 1 { "name" } else { "names, one per series" });
            raise(Error::argument(format!("{function}: option labels"), expected, found))
        };
        let labels = words(&labels).ok_or_else(|| wrong(found))?;
        if labels.len() != count {
            return Err(wrong(labels.len().to_string()));
        }
        series.iter_mut().zip(labels).for_each(|(s, label)| s.name = label);
    }
    if colors.is_empty() {
        return Ok(());
    }
    if colors.len() != 1 && colors.len() != count {
        let what = format!("{function}: option color");
        return Err(raise(Error::argument(what, format!("{count} colours, one per series"), colors.len().to_string())));
    }
    for (s, name) in series.iter_mut().zip(colors.iter().cycle()) {
        s.color = Some(color(&format!("{function}: option color"), name)?);
    }
    Ok(())
}

/// Looks at the finished chart: what cannot be shown is an error, what is left out is said.
pub fn check(chart: &mut Chart, function: &'static str) -> ScriptResult<()> {
    let Content::Series(series) = &chart.content else { return Ok(()) };
    let all = || series.iter().flat_map(|s| s.x.iter().copied().zip(s.y.iter().copied()));
    let finite = all().filter(|(x, y)| x.is_finite() && y.is_finite()).count();
    if finite == 0 {
        let none = all().count() == 0;
        let found = if none { "none" } else { "only NaN or infinite values" };
        return Err(raise(Error::argument(function, "at least one value", found)));
    }
    let bars = series.iter().any(crate::display::chart::Series::is_bars);
    for (axis, log, of_x) in [("x", chart.x.log, true), ("y", chart.y.log, false)] {
        if !log {
            continue;
        }
        let below = all().filter(|(x, y)| if of_x { *x <= 0.0 } else { *y <= 0.0 }).count();
        if below >= finite {
            let error = Error::argument(format!("{function}: logarithmic {axis} axis"), "a value above 0", "none");
            return Err(raise(error));
        }
        let range = if of_x { chart.x.range } else { chart.y.range };
        if range.0.is_some_and(|v| v <= 0.0) || range.1.is_some_and(|v| v <= 0.0) {
            let what = format!("{function}: range of a logarithmic {axis} axis");
            return Err(raise(Error::argument(what, "ends above 0", format!("{range:?}"))));
        }
        let note = match below {
            0 => continue,
            1 => "1 value that is not above 0 is".to_owned(),
            n => format!("{n} values that are not above 0 are"),
        };
        // An empty bin is nothing that is missing.
        let note = format!("{note} not on the logarithmic axis");
        if (!bars || of_x) && !chart.notes.contains(&note) {
            chart.notes.push(note);
        }
    }
    if chart.stack == Stack::OnTop && chart.y.log {
        return Err(raise(Error::argument(function, "a linear axis for stacked bars", "a logarithmic one")));
    }
    Ok(())
}
