//! Array methods that call a function, so written that the function may use the array it is called on.
//!
//! rhai's own versions hold the array while they call back, and a notebook's variables are shared: a callback that
//! reads the same variable, directly or through a function, would find it in use. These work on a copy. rhai's `sort` and
//! `dedup` also hide an error of the callback; these raise it.

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext};
use std::any::TypeId;
use std::cmp::Ordering;

type Raised<T> = Result<T, Box<EvalAltResult>>;

/// Registers `map`, `filter`, `reduce`, `reduce_rev`, `some`, `all`, `find`, `find_map`, `index_of`, `sort`, `dedup`.
pub fn register(engine: &mut Engine) {
    let doc = "An array of what the function returns for each item. The function may take the index as well.";
    super::define("map", &["array: array", "function: function", "array"], doc)
        .example("[1, 2, 3].map(|x| x * x) // → [1, 4, 9]")
        .register_into_engine(engine, |context: NativeCallContext<'_>, array: Array, f: FnPtr| -> Raised<Array> {
            array.into_iter().enumerate().map(|(n, item)| call(&context, &f, item, n)).collect()
        });
    let doc = "The items for which the function returns true. The function may take the index as well.";
    super::define("filter", &["array: array", "function: function", "array"], doc)
        .example("[1, 2, 3].filter(|x| x > 1) // → [2, 3]")
        .register_into_engine(engine, |context: NativeCallContext<'_>, array: Array, f: FnPtr| -> Raised<Array> {
            let mut kept = Array::new();
            for (n, item) in array.into_iter().enumerate() {
                if truth(&context, &f, &item, n)? {
                    kept.push(item);
                }
            }
            Ok(kept)
        });
    searching(engine);
    folding(engine);
    in_place(engine);
}

fn searching(engine: &mut Engine) {
    let doc = "Whether the function returns true for some item.";
    super::define("some", &["array: array", "function: function", "bool"], doc)
        .example("[1, 2].some(|x| x > 1) // → true")
        .register_into_engine(engine, |context: NativeCallContext<'_>, array: Array, f: FnPtr| {
            Ok::<_, Box<EvalAltResult>>(position(&context, &array, &f)?.is_some())
        });
    let doc = "Whether the function returns true for every item.";
    super::define("all", &["array: array", "function: function", "bool"], doc)
        .example("[1, 2].all(|x| x > 1) // → false")
        .register_into_engine(engine, |context: NativeCallContext<'_>, array: Array, f: FnPtr| -> Raised<bool> {
            for (n, item) in array.iter().enumerate() {
                if !truth(&context, &f, item, n)? {
                    return Ok(false);
                }
            }
            Ok(true)
        });
    let doc = "The first item for which the function returns true, or ().";
    super::define("find", &["array: array", "function: function", "any"], doc)
        .example("[1, 2, 3].find(|x| x > 1) // → 2")
        .register_into_engine(engine, |context: NativeCallContext<'_>, array: Array, f: FnPtr| -> Raised<Dynamic> {
            let at = position(&context, &array, &f)?;
            Ok(at.and_then(|n| array.into_iter().nth(n)).unwrap_or(Dynamic::UNIT))
        });
    let doc = "The first thing the function returns that is not ().";
    super::define("find_map", &["array: array", "function: function", "any"], doc)
        .example("[1, 2].find_map(|x| if x > 1 { x * 10 }) // → 20")
        .register_into_engine(engine, |context: NativeCallContext<'_>, array: Array, f: FnPtr| -> Raised<Dynamic> {
            for (n, item) in array.into_iter().enumerate() {
                let found = call(&context, &f, item, n)?;
                if !found.is_unit() {
                    return Ok(found);
                }
            }
            Ok(Dynamic::UNIT)
        });
    let doc = "The position of the first item for which the function returns true, or -1.";
    super::define("index_of", &["array: array", "function: function", "int"], doc)
        .example("[5, 6].index_of(|x| x == 6) // → 1")
        .register_into_engine(engine, |context: NativeCallContext<'_>, array: Array, f: FnPtr| -> Raised<i64> {
            Ok(position(&context, &array, &f)?.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1))
        });
}

fn folding(engine: &mut Engine) {
    for (name, reversed) in [("reduce", false), ("reduce_rev", true)] {
        let order = if reversed { "from the last item to the first" } else { "from the first item to the last" };
        let doc =
            format!("Goes through the array {order}: the function gets what it returned before, (), and an item.");
        super::define(name, &["array: array", "function: function", "any"], &doc)
            .example(&format!("[1, 2, 3].{name}(|sum, x| if sum == () {{ x }} else {{ sum + x }}) // → 6"))
            .register_into_engine(engine, move |context: NativeCallContext<'_>, array: Array, f: FnPtr| {
                fold(&context, array, &f, Dynamic::UNIT, reversed)
            });
        let doc = format!("Goes through the array {order}: the function gets what it returned before and an item.");
        super::define(name, &["array: array", "function: function", "initial", "any"], &doc)
            .example(&format!("[1, 2, 3].{name}(|sum, x| sum + x, 0) // → 6"))
            .register_into_engine(
                engine,
                move |context: NativeCallContext<'_>, array: Array, f: FnPtr, initial: Dynamic| {
                    // As in rhai: an initial value that is a function is called for the value.
                    let initial = match initial.read_lock::<FnPtr>().map(|f| f.clone()) {
                        Some(make) => make.call_raw(&context, None, [])?,
                        None => initial,
                    };
                    fold(&context, array, &f, initial, reversed)
                },
            );
    }
}

/// Methods that change the array: they change a copy, which then takes the array's place.
fn in_place(engine: &mut Engine) {
    let types = [TypeId::of::<Array>(), TypeId::of::<FnPtr>()];
    engine.register_raw_fn("sort", types, |context, args| {
        change(args, |array, f| {
            let mut raised = None;
            let mut sorted = array;
            sorted = merge_sort(sorted, &mut |a, b| match raised {
                Some(_) => Ordering::Equal,
                None => order(&context, f, a, b).unwrap_or_else(|e| {
                    raised = Some(e);
                    Ordering::Equal
                }),
            });
            raised.map_or(Ok(sorted), Err)
        })
    });
    engine.register_raw_fn("dedup", types, |context, args| {
        change(args, |array, f| {
            let mut kept = Array::with_capacity(array.len());
            for item in array {
                let same = match kept.last() {
                    Some(last) => f.call_raw(&context, None, [last.clone(), item.clone()])?.as_bool().unwrap_or(false),
                    None => false,
                };
                if !same {
                    kept.push(item);
                }
            }
            Ok(kept)
        })
    });
}

fn change(args: &mut [&mut Dynamic], work: impl FnOnce(Array, &FnPtr) -> Raised<Array>) -> Raised<()> {
    let [target, f] = args else { return Err("two arguments expected".into()) };
    let f = f.read_lock::<FnPtr>().map(|f| f.clone()).ok_or("a function expected")?;
    let array = target.read_lock::<Array>().map(|a| a.clone()).ok_or("an array expected")?;
    let changed = work(array, &f)?;
    if let Some(mut target) = target.write_lock::<Array>() {
        *target = changed;
    }
    Ok(())
}

/// What the callback says of two items: a number below, at or above 0, or whether the first comes first.
fn order(context: &NativeCallContext<'_>, f: &FnPtr, a: &Dynamic, b: &Dynamic) -> Raised<Ordering> {
    let said = f.call_raw(context, None, [a.clone(), b.clone()])?;
    if let Ok(first) = said.as_bool() {
        return Ok(if first { Ordering::Less } else { Ordering::Greater });
    }
    let number = said.as_float().or_else(|_| said.as_int().map(|n| n as f64)).map_err(|found| {
        let text = format!(
            "sort: the function must return a number or a bool, not {}",
            crate::display::plain_type_name(found)
        );
        super::error::raise_text("TypeError", text)
    })?;
    Ok(number.partial_cmp(&0.0).unwrap_or(Ordering::Equal))
}

/// A stable sort that no comparison, however contradictory, can upset: the standard one may panic on those.
fn merge_sort(mut items: Array, compare: &mut impl FnMut(&Dynamic, &Dynamic) -> Ordering) -> Array {
    if items.len() < 2 {
        return items;
    }
    let right = merge_sort(items.split_off(items.len() / 2), compare);
    let left = merge_sort(items, compare);
    let mut out = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(b, a) == Ordering::Less { right.next() } else { left.next() };
        out.extend(next);
    }
    out.extend(left);
    out.extend(right);
    out
}

/// Calls as rhai's own methods do: the item is the argument, or `this` for a function without parameters, and a second
/// parameter gets the index.
fn call(context: &NativeCallContext<'_>, f: &FnPtr, mut item: Dynamic, index: usize) -> Raised<Dynamic> {
    let index = Dynamic::from(i64::try_from(index).unwrap_or(i64::MAX));
    f.call_raw_with_extra_args("callback", context, Some(&mut item), [], [index], Some(0))
}

fn truth(context: &NativeCallContext<'_>, f: &FnPtr, item: &Dynamic, index: usize) -> Raised<bool> {
    Ok(call(context, f, item.clone(), index)?.as_bool().unwrap_or(false))
}

fn position(context: &NativeCallContext<'_>, array: &Array, f: &FnPtr) -> Raised<Option<usize>> {
    for (n, item) in array.iter().enumerate() {
        if truth(context, f, item, n)? {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

fn fold(context: &NativeCallContext<'_>, array: Array, f: &FnPtr, initial: Dynamic, reversed: bool) -> Raised<Dynamic> {
    let mut items: Vec<(usize, Dynamic)> = array.into_iter().enumerate().collect();
    if reversed {
        items.reverse();
    }
    items.into_iter().try_fold(initial, |result, (n, item)| {
        let index = Dynamic::from(i64::try_from(n).unwrap_or(i64::MAX));
        f.call_raw_with_extra_args("reduce", context, None, [result, item], [index], None)
    })
}
