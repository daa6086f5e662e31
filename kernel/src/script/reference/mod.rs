//! What there is to call, in order: the functions of a session by topic and by type, as text and as Markdown.

mod entry;
mod section;
mod topics;

pub use entry::{Entry, wrapped};
pub use section::{Reference, Section};
