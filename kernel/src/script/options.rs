//! A script function's options map: typed values by name, and an error for what is misspelt or of the wrong type.

use super::error::{ScriptResult, raise};
use crate::display::{text, type_name};
use minerva_engine::Error;
use minerva_engine::error::nearest;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};

/// The options of one call.
///
/// ```
/// # use minerva_kernel::script::options::Options;
/// # let mut map = rhai::Map::new();
/// # map.insert("max_new_tokens".into(), 8_i64.into());
/// let mut options = Options::new("generate", map);
/// let max_tokens: usize = options.take("max_tokens", &["max_new_tokens"])?.unwrap_or(128);
/// let temperature: f32 = options.take("temperature", &[])?.unwrap_or(0.8);
/// options.finish()?; // an option nobody took is an error that names the nearest one
/// # assert_eq!(max_tokens, 8);
/// # Ok::<(), Box<rhai::EvalAltResult>>(())
/// ```
#[derive(Debug)]
pub struct Options {
    function: &'static str,
    map: Map,
    known: Vec<&'static str>,
}

impl Options {
    /// The options `map` of a call to `function`, whose name errors mention.
    pub fn new(function: &'static str, map: Map) -> Self {
        Self { function, map, known: Vec::new() }
    }

    /// Takes the option `name`, or one of its other spellings. `None` where it is absent or `()`.
    ///
    /// # Errors
    /// When its value is not a `T`, or when two spellings of it are given.
    pub fn take<T: FromOption>(&mut self, name: &'static str, aliases: &[&'static str]) -> ScriptResult<Option<T>> {
        self.known.push(name);
        self.known.extend(aliases);
        let mut found: Option<(&'static str, Dynamic)> = None;
        for spelling in std::iter::once(&name).chain(aliases) {
            if let Some(value) = self.map.remove(*spelling) {
                if let Some((first, _)) = found {
                    let what = format!("{}: {first} and {spelling} are the same option", self.function);
                    return Err(raise(Error::argument(what, "one of them", "both")));
                }
                found = Some((spelling, value));
            }
        }
        let Some((spelling, value)) = found.filter(|(_, value)| !value.is_unit()) else { return Ok(None) };
        match T::from_option(&value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong(spelling, T::EXPECTED, &value)),
        }
    }

    /// Takes an option that is one of a few words, such as `backend: "auto"`.
    ///
    /// # Errors
    /// When it is not a string, or none of `choices`; the nearest is suggested.
    pub fn choice(&mut self, name: &'static str, choices: &[&'static str]) -> ScriptResult<Option<&'static str>> {
        let Some(given) = self.take::<String>(name, &[])? else { return Ok(None) };
        if let Some(choice) = choices.iter().copied().find(|c| c.eq_ignore_ascii_case(&given)) {
            return Ok(Some(choice));
        }
        let expected = choices.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ");
        let mut error = Error::argument(format!("{}: option {name}", self.function), expected, format!("{given:?}"));
        if let Some(near) = nearest(&given, choices.iter().copied()) {
            error = error.with_help(format!("did you mean {near:?}?"));
        }
        Err(raise(error))
    }

    /// An error about the value of an option, for a range that [`FromOption`] cannot know.
    pub fn wrong(&self, name: &str, expected: &str, found: &Dynamic) -> Box<rhai::EvalAltResult> {
        let shown = text(found, &|v| type_name(v));
        let shown: String = shown.chars().take(60).collect();
        let found = format!("{} {shown}", type_name(found));
        raise(Error::argument(format!("{}: option {name}", self.function), expected, found))
    }

    /// Rejects options that nobody took.
    ///
    /// # Errors
    /// Names the first unknown option, the nearest known one, and all known ones.
    pub fn finish(self) -> ScriptResult<()> {
        let Some(name) = self.map.keys().next() else { return Ok(()) };
        let near = nearest(name, self.known.iter().copied());
        let mut text = format!("{}: unknown option `{name}`", self.function);
        text.push_str(&match near {
            Some(near) => format!("\nhelp: did you mean `{near}`?"),
            None if self.known.is_empty() => "\nhelp: this function takes no options".to_owned(),
            None => format!("\nhelp: known options are {}", self.known.join(", ")),
        });
        Err(super::error::raise_text("ArgumentError", text))
    }
}

/// A type that an option can have.
pub trait FromOption: Sized {
    /// What a person is told was expected: `"a whole number of at least 0"`.
    const EXPECTED: &'static str;
    /// The value, when it is of this type and in its range.
    fn from_option(value: &Dynamic) -> Option<Self>;
}

impl FromOption for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.as_bool().ok()
    }
}

impl FromOption for i64 {
    const EXPECTED: &'static str = "a whole number";
    fn from_option(value: &Dynamic) -> Option<Self> {
        // A float that is whole is what arithmetic leaves behind: 8.0 is meant as 8.
        let whole = |f: f64| (f.fract() == 0.0 && f.abs() < 9e15).then_some(f as i64);
        value.as_int().ok().or_else(|| value.as_float().ok().and_then(whole))
    }
}

macro_rules! unsigned {
    ($($type:ty)*) => { $(
        impl FromOption for $type {
            const EXPECTED: &'static str = "a whole number of at least 0";
            fn from_option(value: &Dynamic) -> Option<Self> {
                i64::from_option(value).and_then(|n| n.try_into().ok())
            }
        }
    )* };
}
unsigned!(u32 u64 usize);

impl FromOption for f64 {
    const EXPECTED: &'static str = "a number";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.as_float().ok().or_else(|| value.as_int().ok().map(|n| n as f64)).filter(|f| f.is_finite())
    }
}

impl FromOption for f32 {
    const EXPECTED: &'static str = "a number";
    fn from_option(value: &Dynamic) -> Option<Self> {
        f64::from_option(value).map(|f| f as f32)
    }
}

impl FromOption for String {
    const EXPECTED: &'static str = "a string";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<ImmutableString>().map(|s| s.to_string())
    }
}

impl FromOption for Vec<String> {
    const EXPECTED: &'static str = "a string or an array of strings";
    fn from_option(value: &Dynamic) -> Option<Self> {
        if let Some(one) = String::from_option(value) {
            return Some(vec![one]);
        }
        value.read_lock::<Array>()?.iter().map(String::from_option).collect()
    }
}

impl FromOption for Map {
    const EXPECTED: &'static str = "a map #{…}";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<Map>().map(|m| m.clone())
    }
}

impl FromOption for Array {
    const EXPECTED: &'static str = "an array";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<Array>().map(|a| a.clone())
    }
}

impl FromOption for FnPtr {
    const EXPECTED: &'static str = "a function, such as |x| x";
    fn from_option(value: &Dynamic) -> Option<Self> {
        value.read_lock::<FnPtr>().map(|f| f.clone())
    }
}

impl FromOption for Dynamic {
    const EXPECTED: &'static str = "any value";
    fn from_option(value: &Dynamic) -> Option<Self> {
        Some(value.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn options(script: &str) -> Options {
        Options::new("generate", rhai::Engine::new().eval(script).unwrap())
    }

    #[test]
    fn values_come_out_typed_under_any_spelling() {
        let mut o = options("#{max_new_tokens: 8, temperature: 1, stop: \"x\", seed: (), top_k: 40.0}");
        assert_eq!(o.take::<usize>("max_tokens", &["max_new_tokens"]).unwrap(), Some(8));
        assert_eq!(o.take::<f32>("temperature", &[]).unwrap(), Some(1.0));
        assert_eq!(o.take::<Vec<String>>("stop", &[]).unwrap(), Some(vec!["x".to_owned()]));
        assert_eq!(o.take::<u64>("seed", &[]).unwrap(), None);
        assert_eq!(o.take::<u32>("top_k", &[]).unwrap(), Some(40));
        assert_eq!(o.take::<bool>("echo", &[]).unwrap(), None);
        o.finish().unwrap();
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = |e: Box<rhai::EvalAltResult>| match *e {
            rhai::EvalAltResult::ErrorRuntime(v, _) => v.cast::<crate::script::error::ScriptError>().message,
            other => other.to_string(),
        };
        let e = text(options("#{max_tokens: \"many\"}").take::<usize>("max_tokens", &[]).unwrap_err());
        assert!(e.contains("max_tokens: expected a whole number of at least 0, found string \"many\""), "{e}");
        let e = text(options("#{max_tokens: -1}").take::<usize>("max_tokens", &[]).unwrap_err());
        assert!(e.contains("found int -1"), "{e}");
        let mut o = options("#{max_tokens: 1, max_new_tokens: 2}");
        assert!(text(o.take::<usize>("max_tokens", &["max_new_tokens"]).unwrap_err()).contains("same option"));
        let mut o = options("#{temprature: 1.0}");
        o.take::<f32>("temperature", &[]).unwrap();
        let e = text(o.finish().unwrap_err());
        assert!(e.contains("unknown option `temprature`\nhelp: did you mean `temperature`?"), "{e}");
        let e = text(options("#{backend: \"lama_cpp\"}").choice("backend", &["auto", "llama_cpp"]).unwrap_err());
        assert!(e.contains("did you mean \"llama_cpp\"?"), "{e}");
    }
}
