//! From script values to named columns of numbers.

use crate::display::type_name;
use crate::script::error::{ScriptResult, guard, raise, raise_text};
use minerva_engine::Error;
use minerva_engine::tensor::Tensor;
use rhai::{Array, Dynamic, ImmutableString, Map};

/// More values than this are not read into memory for a chart of single values.
const MOST: usize = 20_000_000;

/// Positions or names along an axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers; NaN where there is none.
    Numbers(Vec<f64>),
    /// Names.
    Names(Vec<String>),
}

/// What a chart of series is made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Data {
    /// Positions, where they are given.
    pub x: Option<Column>,
    /// Name and values of each series, and its own positions where they differ from series to series.
    pub series: Vec<Values>,
    /// How many values are `()`, left out by intent.
    pub empty: usize,
    /// What the columns of a table are called.
    pub x_label: String,
    /// As `x_label`.
    pub y_label: String,
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Its name; may be empty.
    pub name: String,
    /// Its positions, where they are its own.
    pub x: Option<Column>,
    /// Its values.
    pub y: Vec<f64>,
}

/// Which columns of a table are meant.
#[derive(Debug, Clone, Default)]
pub struct Pick {
    /// Along the axis.
    pub x: Option<String>,
    /// Values.
    pub y: Vec<String>,
    /// Each value of this column is a series of its own.
    pub group: Option<String>,
}

/// A number, a truth value, `()` for none, or a tensor of one value.
pub fn number(v: &Dynamic) -> Option<f64> {
    if let Ok(v) = v.as_int() {
        return Some(v as f64);
    }
    if let Some(t) = v.read_lock::<Tensor>() {
        return t.item().ok();
    }
    v.as_float().ok().or_else(|| v.as_bool().ok().map(f64::from)).or_else(|| v.is_unit().then_some(f64::NAN))
}

fn empties(v: &Dynamic) -> usize {
    let inner = v.read_lock::<Array>().map(|a| a.iter().map(empties).sum());
    inner.unwrap_or(usize::from(v.is_unit()))
}

fn is_list(v: &Dynamic) -> bool {
    v.is_array() || v.read_lock::<Tensor>().is_some_and(|t| t.rank() > 0)
}

/// Reads what a function was given.
///
/// # Errors
/// When it is nothing that can be drawn, or a column does not exist.
pub fn read(function: &'static str, value: &Dynamic, pick: &Pick) -> ScriptResult<Data> {
    let plain = |series: Vec<(String, Vec<f64>)>| Data {
        empty: empties(value),
        series: series.into_iter().map(|(name, y)| Values { name, x: None, y }).collect(),
        ..Data::default()
    };
    if let Some(t) = value.read_lock::<Tensor>() {
        return Ok(plain(tensor(function, &t)?));
    }
    if let Some(map) = value.read_lock::<Map>() {
        return of_map(function, &map, pick);
    }
    let Some(array) = value.read_lock::<Array>() else { return Err(raise(wrong(function, value))) };
    if !array.is_empty() && array.iter().all(Dynamic::is_map) {
        return table(function, &array, pick);
    }
    if let Some(name) = pick.x.as_ref().or(pick.y.first()).or(pick.group.as_ref()) {
        let text = format!("{function}: column {name:?} is asked for, and the data have no columns");
        return Err(raise_text("ArgumentError", text + "\nhelp: a table is an array of maps, or a map of arrays"));
    }
    if array.iter().any(is_list) {
        let list = |(i, v): (usize, &Dynamic)| Ok((i.to_string(), numbers(function, v)?));
        return Ok(plain(array.iter().enumerate().map(list).collect::<ScriptResult<_>>()?));
    }
    Ok(plain(vec![(String::new(), numbers(function, value)?)]))
}

fn wrong(function: &'static str, value: &Dynamic) -> Error {
    let expected = "numbers: an array, a tensor, a map of arrays, or a table (an array of maps)";
    Error::argument(function, expected, type_name(value))
}

/// The rows of a tensor.
fn tensor(function: &'static str, t: &Tensor) -> ScriptResult<Vec<(String, Vec<f64>)>> {
    if t.elements() > MOST {
        let error = Error::argument(function, format!("at most {MOST} values"), t.header());
        return Err(raise(error.with_help("take a slice; histogram and heatmap read tensors of any size")));
    }
    let values = guard(|| t.to_vec_f64())?;
    match *t.shape() {
        [_, n] if n > 0 => Ok(values.chunks(n).enumerate().map(|(i, row)| (i.to_string(), row.to_vec())).collect()),
        [] | [_] | [_, _] => Ok(vec![(String::new(), values)]),
        _ => {
            let error = Error::argument(function, "a tensor [n] or [series, n]", format!("{:?}", t.shape()));
            Err(raise(error.with_help("take a part of it, such as t[0]")))
        }
    }
}

/// One list of numbers.
pub fn numbers(function: &'static str, value: &Dynamic) -> ScriptResult<Vec<f64>> {
    if let Some(t) = value.read_lock::<Tensor>() {
        let rows = tensor(function, &t)?;
        return Ok(rows.into_iter().flat_map(|(_, row)| row).collect());
    }
    let array = value.read_lock::<Array>().ok_or_else(|| raise(wrong(function, value)))?;
    let each = |(i, v): (usize, &Dynamic)| {
        number(v).ok_or_else(|| raise(Error::argument(format!("{function}, at [{i}]"), "a number", type_name(v))))
    };
    array.iter().enumerate().map(each).collect()
}

/// Positions: numbers, or names.
pub fn column(function: &'static str, value: &Dynamic) -> ScriptResult<Column> {
    if let Some(array) = value.read_lock::<Array>()
        && array.iter().any(|v| v.is::<ImmutableString>() || v.is_char())
    {
        return Ok(Column::Names(array.iter().map(name).collect()));
    }
    numbers(function, value).map(Column::Numbers)
}

/// A value as a name: text as it is, blanks made visible where there is nothing else.
fn name(v: &Dynamic) -> String {
    let text = v.read_lock::<ImmutableString>().map_or_else(|| v.to_string(), |s| s.to_string());
    visible(&text)
}

/// Tokens are often blanks and line ends; as labels they must be seen.
pub fn visible(text: &str) -> String {
    if !text.is_empty() && text.trim().is_empty() || text.chars().any(char::is_control) {
        let quoted = format!("{text:?}");
        return quoted;
    }
    text.to_owned()
}

fn of_map(function: &'static str, map: &Map, pick: &Pick) -> ScriptResult<Data> {
    let columns = pick.x.is_some() || pick.group.is_some();
    if !map.is_empty() && map.values().all(|v| !is_list(v)) {
        // Named numbers.
        let mut names = Vec::new();
        let mut y = Vec::new();
        for (key, v) in map {
            let found =
                || raise(Error::argument(format!("{function}, entry {key:?}"), "a number or numbers", type_name(v)));
            names.push(visible(key));
            y.push(number(v).ok_or_else(found)?);
        }
        let series = vec![Values { name: String::new(), x: None, y }];
        let empty = map.values().filter(|v| v.is_unit()).count();
        return Ok(Data { x: Some(Column::Names(names)), series, empty, ..Data::default() });
    }
    if columns {
        // A map of columns is a table, too.
        let lists: Vec<(&str, Array)> = map
            .iter()
            .filter_map(|(k, v)| Some((k.as_str(), v.read_lock::<Array>().map(|a| a.clone()).or_else(|| listed(v))?)))
            .collect();
        let rows = lists.iter().map(|(_, a)| a.len()).max().unwrap_or(0);
        let row =
            |i: usize| -> Map { lists.iter().filter_map(|(k, a)| Some(((*k).into(), a.get(i)?.clone()))).collect() };
        let rows: Array = (0..rows).map(|i| Dynamic::from_map(row(i))).collect();
        return table(function, &rows, pick);
    }
    let wanted = |key: &str| pick.y.is_empty() || pick.y.iter().any(|y| y == key);
    if let Some(missing) = pick.y.iter().find(|y| !map.contains_key(y.as_str())) {
        return Err(raise(Error::not_found("entry", missing, map.keys().map(|k| k.as_str()))));
    }
    let series = map.iter().filter(|(key, _)| wanted(key)).map(|(key, v)| {
        let y = numbers(function, v)?;
        Ok(Values { name: key.to_string(), x: None, y })
    });
    let empty = map.iter().filter(|(key, _)| wanted(key)).map(|(_, v)| empties(v)).sum();
    Ok(Data { series: series.collect::<ScriptResult<_>>()?, empty, ..Data::default() })
}

fn listed(v: &Dynamic) -> Option<Array> {
    let t = v.read_lock::<Tensor>()?;
    Some(t.to_vec_f64().ok()?.into_iter().map(Dynamic::from).collect())
}

/// Columns of an array of maps.
fn table(function: &'static str, rows: &Array, pick: &Pick) -> ScriptResult<Data> {
    let rows: Vec<Map> = rows.iter().filter_map(|r| r.read_lock::<Map>().map(|m| m.clone())).collect();
    let mut names: Vec<String> = Vec::new();
    for key in rows.iter().flat_map(|r| r.keys()) {
        if !names.iter().any(|n| n == key.as_str()) {
            names.push(key.to_string());
        }
    }
    let known = |name: &String| -> ScriptResult<()> {
        if names.contains(name) {
            return Ok(());
        }
        let error = Error::not_found("column", name, names.iter().map(String::as_str));
        Err(raise(error.with_help(format!("the columns are {}", names.join(", ")))))
    };
    pick.x.iter().chain(&pick.y).chain(&pick.group).try_for_each(known)?;
    let cell = |row: &Map, name: &str| row.get(name).cloned().unwrap_or(Dynamic::UNIT);
    let numeric = |name: &String| {
        rows.iter().all(|r| number(&cell(r, name)).is_some()) && rows.iter().any(|r| !cell(r, name).is_unit())
    };
    let text = |name: &&String| rows.iter().any(|r| cell(r, name).is::<ImmutableString>());
    let group = pick.group.clone();
    let x_name = pick.x.clone().or_else(|| names.iter().filter(|n| Some(*n) != group.as_ref()).find(text).cloned());
    let mut y_names = pick.y.clone();
    if y_names.is_empty() {
        let free = |n: &&String| Some(*n) != x_name.as_ref() && Some(*n) != group.as_ref();
        y_names = names.iter().filter(free).filter(|n| numeric(n)).cloned().collect();
    }
    if let Some(bad) = y_names.iter().find(|n| !numeric(n)) {
        let error = Error::argument(format!("{function}, column {bad:?}"), "numbers", "something else");
        return Err(raise(error));
    }
    if y_names.is_empty() {
        return Err(raise(Error::argument(function, "a table with a column of numbers", names.join(", "))));
    }
    let group_of = |row: &Map| group.as_ref().map(|g| name(&cell(row, g))).unwrap_or_default();
    let mut groups: Vec<String> = Vec::new();
    for row in &rows {
        let g = group_of(row);
        if !groups.contains(&g) {
            groups.push(g);
        }
    }
    let mut series = Vec::new();
    for g in &groups {
        let own: Vec<&Map> = rows.iter().filter(|r| group_of(r) == *g).collect();
        for y in &y_names {
            let label = match (g.is_empty(), y_names.len()) {
                (true, 1) => String::new(),
                (true, _) => y.clone(),
                (false, 1) => g.clone(),
                (false, _) => format!("{g}, {y}"),
            };
            let x: Option<Array> = x_name.as_ref().map(|x| own.iter().map(|r| cell(r, x)).collect());
            let x = x.map(|x| column(function, &Dynamic::from_array(x))).transpose()?;
            let values = own.iter().map(|r| number(&cell(r, y)).unwrap_or(f64::NAN)).collect();
            series.push(Values { name: label, x, y: values });
        }
    }
    let y_label = if let [only] = y_names.as_slice() { only.clone() } else { String::new() };
    let empty = rows.iter().map(|r| y_names.iter().filter(|y| cell(r, y).is_unit()).count()).sum();
    let mut data = Data { x: None, series, empty, x_label: x_name.unwrap_or_default(), y_label };
    if group.is_none() {
        // All series share the rows.
        data.x = data.series.first().and_then(|s| s.x.clone());
        data.series.iter_mut().for_each(|s| s.x = None);
    }
    Ok(data)
}
