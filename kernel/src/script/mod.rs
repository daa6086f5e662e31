//! The script API, a file per noun: thin over the engine, registered on the language's `Engine`.
//!
//! A noun has `pub fn register(engine: &mut rhai::Engine, host: &Host)`. Functions that work long or can fail go
//! through [`error::guard`], options come in through [`options::Options`], and a type of its own shows itself through
//! [`Host::shows`].

mod arrays;
mod ask;
mod convert;
pub mod core;
mod display;
pub mod error;
mod event;
mod files;
pub mod generation;
mod help;
mod host;
pub mod model;
pub(crate) mod names;
pub mod options;
pub mod plot;
mod progress;
pub mod session;
pub mod tensor;
mod time;
pub mod tokens;
pub mod trace;

pub use ask::{Asking, NoAnswer, Question};
pub use display::Display;
pub use event::SessionEvent;
pub use host::{Events, Host};

/// Registers every noun.
pub fn register(engine: &mut rhai::Engine, host: &Host) {
    core::register(engine, host);
    display::register(engine, host);
    ask::register(engine, host);
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

/// Starts the registration of a function that people can look up: its name, its parameters as they read in a signature
/// (`"prompt: string"`; one more than the function has names what it returns), and its documentation.
///
/// ```
/// # let mut engine = rhai::Engine::new();
/// use minerva_kernel::script::define;
/// define("twice", &["n: int", "int"], "Two times n.").register_into_engine(&mut engine, |n: i64| 2 * n);
/// ```
pub fn define(name: &str, params: &[&str], doc: &str) -> rhai::FuncRegistration {
    let comments: Vec<String> = doc.lines().map(|line| format!("/// {line}")).collect();
    rhai::FuncRegistration::new(name).with_params_info(params).with_comments([comments.join("\n")])
}
