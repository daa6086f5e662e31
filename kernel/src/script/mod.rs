//! The script API, a file per noun: thin over the engine, registered on the language's `Engine`.
//!
//! A noun has `pub fn register(engine: &mut rhai::Engine, host: &Host)`. Functions come in through [`define`], properties
//! through [`property`], types through [`define_type`], each with what people read of it and an example that the tests
//! run. What works long or can fail goes through [`error::guard`], options come in through [`options::Options`] and the
//! table that also documents them, and a type shows itself through [`Host::shows`].

mod arrays;
mod ask;
mod convert;
pub mod core;
mod define;
mod display;
pub mod error;
mod event;
mod files;
pub mod generation;
pub mod help;
mod host;
mod load;
pub mod model;
pub mod names;
pub mod options;
pub mod plot;
mod progress;
pub mod reference;
pub mod session;
pub mod tensor;
mod time;
pub mod tokens;
pub mod trace;

pub use ask::{Asking, NoAnswer, Question};
pub use define::{Definition, define, define_type, property};
pub use display::Display;
pub use event::SessionEvent;
pub use host::{Events, Host};

/// Registers every noun.
pub fn register(engine: &mut rhai::Engine, host: &Host) {
    core::register(engine, host);
    display::register(engine, host);
    ask::register(engine, host);
    load::register(engine, host);
    model::register(engine, host);
    generation::register(engine, host);
    session::register(engine, host);
    tensor::register(engine, host);
    trace::register(engine, host);
    plot::register(engine, host);
    arrays::register(engine);
    progress::register(engine, host);
    time::register(engine, host);
    files::register(engine);
    convert::register(engine, host);
    help::register(engine);
}
