//! What documentation says, taken apart: prose, options, examples.

/// The parts of a documentation text.
///
/// Prose comes first. A line `Options:` starts a list of lines `- name: type = default: what it does`; a line that reads
/// `Options: a, b, c.` names options and no more. Examples stand between fences; one whose fence says
/// `no_run` is not run by the tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documentation {
    /// Everything but options and examples.
    pub text: String,
    /// The options, in the order they are listed.
    pub options: Vec<OptionDoc>,
    /// The examples.
    pub examples: Vec<Example>,
}

/// What documentation says of one option.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionDoc {
    /// Its name.
    pub name: String,
    /// Its type, or the words it can be: `"auto"|"candle"`.
    pub kind: String,
    /// Its default as written; may be empty.
    pub default: String,
    /// What it does; may be empty.
    pub doc: String,
}

/// An example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its text.
    pub code: String,
    /// Whether it can run anywhere.
    pub runs: bool,
}

impl Documentation {
    /// Takes a text apart. Any text is documentation.
    pub fn parse(doc: &str) -> Self {
        let mut out = Self::default();
        let mut prose: Vec<&str> = Vec::new();
        let mut listing = false;
        let mut lines = doc.lines();
        while let Some(line) = lines.next() {
            if let Some(mark) = line.trim_start().strip_prefix("```") {
                let code: Vec<&str> = lines.by_ref().take_while(|l| !l.trim_start().starts_with("```")).collect();
                out.examples.push(Example { code: code.join("\n"), runs: !mark.contains("no_run") });
                continue;
            }
            match line.trim() {
                "Options:" => listing = true,
                "# Example" | "# Examples" => {}
                item if listing && item.starts_with("- ") => {
                    out.options.extend(OptionDoc::parse(item.trim_start_matches("- ")))
                }
                item => {
                    listing &= item.is_empty();
                    out.options.extend(named(item));
                    prose.push(line);
                }
            }
        }
        out.text = prose.join("\n").trim().replace("\n\n\n", "\n\n");
        out
    }

    /// The first sentence or line.
    pub fn summary(&self) -> &str {
        let line = self.text.lines().next().unwrap_or_default();
        line.split_once(". ").map_or(line, |(first, _)| line.get(..=first.len()).unwrap_or(line))
    }
}

impl OptionDoc {
    /// `name: type = default: what it does`; default and text may be missing.
    fn parse(item: &str) -> Option<Self> {
        let (name, rest) = item.split_once(": ").unwrap_or((item, ""));
        let name = name.trim_matches('`').to_owned();
        if !rhai::is_valid_identifier(&name) {
            return None;
        }
        let (said, doc) = rest.split_once(": ").unwrap_or((rest, ""));
        let (kind, default) = said.split_once(" = ").unwrap_or((said, ""));
        Some(Self { name, kind: kind.to_owned(), default: default.to_owned(), doc: doc.to_owned() })
    }

    /// The words that it can be, as far as they are known.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.kind.split('|').filter_map(|word| word.strip_prefix('"')?.strip_suffix('"'))
    }

    /// Whether this is its name, or one of the other spellings that its text ends in: `(also max_new_tokens)`.
    pub fn is_called(&self, name: &str) -> bool {
        let also = self.doc.rsplit_once("(also ").and_then(|(_, list)| list.strip_suffix(')')).unwrap_or_default();
        self.name == name || also.split(", ").any(|other| !other.is_empty() && other == name)
    }

    /// `temperature: float = 0.8`, as far as it is known.
    pub fn signature(&self) -> String {
        let kind = if self.kind.is_empty() { String::new() } else { format!(": {}", self.kind) };
        let default = if self.default.is_empty() { String::new() } else { format!(" = {}", self.default) };
        format!("{}{kind}{default}", self.name)
    }
}

/// The names in `Options: a, b, c.`
fn named(line: &str) -> impl Iterator<Item = OptionDoc> {
    let list = line.split_once("ptions: ").map_or("", |(_, list)| list);
    let list = list.split_once(". ").map_or(list, |(list, _)| list);
    let names = list.split(',').map(|o| o.split('(').next().unwrap_or(o).trim().trim_end_matches('.'));
    names.filter(|o| rhai::is_valid_identifier(o)).map(|o| OptionDoc { name: o.to_owned(), ..OptionDoc::default() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::script::options::OptionSpec;

    #[test]
    fn prose_options_and_examples_come_apart() {
        let doc = "Makes text. And more.\n\nOptions:\n- seed: int: where chance begins\n- mode: \"a\"|\"b\"|… = \"a\": how\n\nAfterwards.\n\n```\nmake(1)\nmake(2)\n```\n\n```no_run\nmake(\"hub/name\")\n```";
        let parsed = Documentation::parse(doc);
        assert_eq!(parsed.text, "Makes text. And more.\n\nAfterwards.");
        assert_eq!(parsed.summary(), "Makes text.");
        let option = |n: usize| parsed.options[n].clone();
        assert_eq!((option(0).name.as_str(), option(0).kind.as_str(), option(0).default.as_str()), ("seed", "int", ""));
        assert_eq!(option(1).values().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((option(1).default.as_str(), option(1).doc.as_str()), ("\"a\"", "how"));
        assert_eq!(parsed.examples[0], Example { code: "make(1)\nmake(2)".into(), runs: true });
        assert!(!parsed.examples[1].runs);
        for odd in ["", "```", "```\nopen", "Options:", "- a: b", "Options:\n- 1: x", "é. "] {
            let _ = Documentation::parse(odd).summary().len();
        }
    }

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        const SPECS: [OptionSpec; 2] = [
            OptionSpec::new::<f32>("temperature", "how freely: 0 never").or("0.8").also(&["temp"]),
            OptionSpec::new::<String>("backend", "who computes").one_of(&["auto", "candle"]).or("\"auto\""),
        ];
        let doc = format!("Options:\n- {}\n- {}", SPECS[0], SPECS[1]);
        let options = Documentation::parse(&doc).options;
        assert_eq!(options[0].signature(), "temperature: float = 0.8");
        assert_eq!(options[0].doc, "how freely: 0 never (also temp)");
        assert_eq!(options[1].values().collect::<Vec<_>>(), ["auto", "candle"]);
    }

    #[test]
    fn a_sentence_can_name_options() {
        let names = |line: &str| named(line).map(|o| o.name).collect::<Vec<_>>();
        assert_eq!(names("Makes text. Options: a, b (as in c), d. More"), ["a", "b", "d"]);
        assert_eq!(names("Nothing: here"), Vec::<String>::new());
    }
}
