//! The reference of the script API as one page: what `help` says, all at once, for a browser or as Markdown.

mod html;
mod markdown;

pub use html::html;
pub use markdown::markdown;

/// What the names in examples are.
const BEFORE: &str = "\
let m = load(\"sample\");
let c = load(\"sample\", #{ backend: \"candle\" });      // whose passes can be looked into
let s = m.session();
s.feed(\"To be\");";

/// What the page begins with.
const INTRODUCTION: &str = "\
What scripts and notebooks of Minerva can call beside [the language itself](https://rhai.rs/book). \
`help(\"name\")` and `name?` say the same where you work. Options are a map; an unknown option is an error that names \
the nearest one. Examples are run by the tests; what follows `// →` is what the line gives. In them these are defined:";
