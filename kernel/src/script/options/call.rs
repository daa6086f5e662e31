//! The options of one call, taken out of its map.

use super::{FromOption, OptionSpec};
use crate::display::{text, type_name};
use crate::script::error::{ScriptResult, raise, raise_text};
use minerva_engine::Error;
use minerva_engine::error::nearest;
use rhai::{Dynamic, ImmutableString, Map};

/// The options of one call.
///
/// ```
/// # use minerva_kernel::script::options::{OptionSpec, Options};
/// const MAKE: &[OptionSpec] = &[
///     OptionSpec::new::<usize>("max_tokens", "at most this many tokens").also(&["max_new_tokens"]).or("128"),
///     OptionSpec::new::<String>("style", "how it sounds").one_of(&["plain", "ornate"]),
/// ];
/// # let mut map = rhai::Map::new();
/// # map.insert("max_new_tokens".into(), 8_i64.into());
/// let mut options = Options::of("make", &[MAKE], map);
/// let max_tokens: usize = options.get("max_tokens")?.unwrap_or(128);
/// let style: Option<String> = options.get("style")?;
/// options.finish()?; // an option that is in no table is an error that names the nearest one
/// # assert_eq!((max_tokens, style), (8, None));
/// # Ok::<(), Box<rhai::EvalAltResult>>(())
/// ```
#[derive(Debug)]
pub struct Options {
    function: &'static str,
    map: Map,
    specs: Vec<&'static OptionSpec>,
    known: Vec<&'static str>,
}

impl Options {
    /// The options `map` of a call to `function`, whose name errors mention, as these tables describe them.
    pub fn of(function: &'static str, tables: &[&'static [OptionSpec]], map: Map) -> Self {
        let specs: Vec<&OptionSpec> = tables.iter().copied().flatten().collect();
        let known = specs.iter().flat_map(|s| std::iter::once(s.name).chain(s.aliases.iter().copied())).collect();
        Self { function, map, specs, known }
    }

    /// Takes an option by the name it has in its table, under any spelling. `None` where it is absent or `()`.
    ///
    /// # Errors
    /// When its value is not a `T` or none of those it may have, and when two spellings of it are given.
    pub fn get<T: FromOption>(&mut self, name: &'static str) -> ScriptResult<Option<T>> {
        let Some(spec) = self.specs.iter().copied().find(|s| s.name == name) else {
            let text = format!("{}: option {name} is in no table; this is a defect of Minerva", self.function);
            return Err(raise_text("InternalError", text));
        };
        match self.find(spec.name, spec.aliases)? {
            Some((spelling, value)) => self.read(spelling, spec, &value).map(Some),
            None => Ok(None),
        }
    }

    fn read<T: FromOption>(&self, spelling: &str, spec: &OptionSpec, value: &Dynamic) -> ScriptResult<T> {
        if spec.closed
            && let Some(given) = value.read_lock::<ImmutableString>()
        {
            let choice = self.among(spelling, spec.values, &given)?;
            return T::from_option(&choice.into()).ok_or_else(|| self.wrong(spelling, spec.expected, value));
        }
        T::from_option(value).ok_or_else(|| self.wrong(spelling, spec.expected, value))
    }

    fn among(&self, name: &str, choices: &[&'static str], given: &str) -> ScriptResult<&'static str> {
        if let Some(choice) = choices.iter().copied().find(|c| c.eq_ignore_ascii_case(given)) {
            return Ok(choice);
        }
        let expected = choices.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ");
        let mut error = Error::argument(format!("{}: option {name}", self.function), expected, format!("{given:?}"));
        if let Some(near) = nearest(given, choices.iter().copied()) {
            error = error.with_help(format!("did you mean {near:?}?"));
        }
        Err(raise(error))
    }

    /// The value of an option under whichever spelling it is given; `()` counts as absent.
    fn find(&mut self, name: &'static str, aliases: &[&'static str]) -> ScriptResult<Option<(&'static str, Dynamic)>> {
        let mut found: Option<(&'static str, Dynamic)> = None;
        for spelling in std::iter::once(name).chain(aliases.iter().copied()) {
            if let Some(value) = self.map.remove(spelling) {
                if let Some((first, _)) = found {
                    let what = format!("{}: {first} and {spelling} are the same option", self.function);
                    return Err(raise(Error::argument(what, "one of them", "both")));
                }
                found = Some((spelling, value));
            }
        }
        Ok(found.filter(|(_, value)| !value.is_unit()))
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
        Err(raise_text("ArgumentError", text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const GENERATE: &[OptionSpec] = &[
        OptionSpec::new::<usize>("max_tokens", "at most this many").also(&["max_new_tokens"]),
        OptionSpec::new::<f32>("temperature", "how freely"),
        OptionSpec::new::<Vec<String>>("stop", "where it ends"),
        OptionSpec::new::<u64>("seed", "where chance begins"),
        OptionSpec::new::<u32>("top_k", "how many to choose from").expecting("a whole number from 0 on"),
        OptionSpec::new::<bool>("echo", "whether the prompt is part of it"),
    ];

    fn options(script: &str) -> Options {
        Options::of("generate", &[GENERATE], rhai::Engine::new().eval(script).unwrap())
    }

    fn text(e: impl AsRef<rhai::EvalAltResult>) -> String {
        match e.as_ref() {
            rhai::EvalAltResult::ErrorRuntime(v, _) => v.clone().cast::<crate::script::error::ScriptError>().message,
            other => other.to_string(),
        }
    }

    #[test]
    fn values_come_out_typed_under_any_spelling() {
        let mut o = options("#{max_new_tokens: 8, temperature: 1, stop: \"x\", seed: (), top_k: 40.0}");
        assert_eq!(o.get::<usize>("max_tokens").unwrap(), Some(8));
        assert_eq!(o.get::<f32>("temperature").unwrap(), Some(1.0));
        assert_eq!(o.get::<Vec<String>>("stop").unwrap(), Some(vec!["x".to_owned()]));
        assert_eq!(o.get::<u64>("seed").unwrap(), None);
        assert_eq!(o.get::<u32>("top_k").unwrap(), Some(40));
        assert_eq!(o.get::<bool>("echo").unwrap(), None);
        o.finish().unwrap();
    }

    const MAKE: &[OptionSpec] = &[
        OptionSpec::new::<usize>("max_tokens", "at most this many").also(&["max_new_tokens"]).or("128"),
        OptionSpec::new::<String>("backend", "who computes").one_of(&["auto", "candle"]).or("\"auto\""),
    ];

    #[test]
    fn a_table_says_what_is_understood() {
        let of = |script: &str| Options::of("make", &[MAKE], rhai::Engine::new().eval(script).unwrap());
        let mut o = of("#{max_new_tokens: 8, backend: \"Candle\"}");
        assert_eq!(o.get::<usize>("max_tokens").unwrap(), Some(8));
        assert_eq!(o.get::<String>("backend").unwrap().unwrap(), "candle");
        o.finish().unwrap();
        let e = text(of("#{backend: \"candel\"}").get::<String>("backend").unwrap_err());
        assert!(e.contains("expected \"auto\", \"candle\"") && e.contains("did you mean \"candle\"?"), "{e}");
        assert!(text(of("#{backend: 1}").get::<String>("backend").unwrap_err()).contains("expected a string"));
        // An option is known before it is asked for, so that an early error cannot shorten the list.
        let e = text(of("#{max_token: 1}").finish().unwrap_err());
        assert!(e.contains("did you mean `max_tokens`?"), "{e}");
        assert!(text(of("#{}").get::<usize>("seed").unwrap_err()).contains("in no table"));
        let lines: Vec<String> = MAKE.iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "max_tokens: int = 128: at most this many (also max_new_tokens)");
        assert_eq!(lines[1], "backend: \"auto\"|\"candle\" = \"auto\": who computes");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let e = text(options("#{max_tokens: \"many\"}").get::<usize>("max_tokens").unwrap_err());
        assert!(e.contains("max_tokens: expected a whole number of at least 0, found string \"many\""), "{e}");
        let e = text(options("#{max_tokens: -1}").get::<usize>("max_tokens").unwrap_err());
        assert!(e.contains("found int -1"), "{e}");
        let e = text(options("#{top_k: 2.5}").get::<u32>("top_k").unwrap_err());
        assert!(e.contains("top_k: expected a whole number from 0 on, found float 2.5"), "{e}");
        // What f32 cannot hold is refused here, not as an infinity that nobody wrote.
        for number in ["1e300", "1.0 / 0.0", "\"warm\""] {
            let script = format!("#{{temperature: {number}}}");
            let e = text(options(&script).get::<f32>("temperature").unwrap_err());
            assert!(e.contains("temperature: expected a finite number, found "), "{e}");
        }
        let mut o = options("#{max_tokens: 1, max_new_tokens: 2}");
        assert!(text(o.get::<usize>("max_tokens").unwrap_err()).contains("same option"));
        let e = text(options("#{temprature: 1.0}").finish().unwrap_err());
        assert!(e.contains("unknown option `temprature`\nhelp: did you mean `temperature`?"), "{e}");
    }
}
