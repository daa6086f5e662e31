//! What the terminal front ends share: where colour goes, and how a running cell's events are written.

mod ask;
mod colour;
mod graphics;
mod printer;
mod say;
mod stop;
mod written;

pub use ask::{asking, line};
pub use colour::{Stream, colour, is_terminal};
pub use graphics::{Graphics, Window, graphics, picture, window};
pub use printer::Printer;
pub use say::{answer, complain};
#[cfg(unix)]
pub use stop::ignored;
pub use stop::{STOPPED, Stop};
