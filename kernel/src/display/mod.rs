//! A value as a MIME bundle: what a notebook, a terminal or a file shows of it.

mod bundle;
pub mod chart;
pub mod measure;
pub mod picture;
mod shows;
mod table;
pub mod tensor;
pub mod tokens;
mod value;
mod width;

pub use bundle::{Bundle, escape_html};
pub use shows::Shows;
pub use table::{Cell, Table};
pub use value::{plain_type_name, text, type_name};
pub use width::{set_width, width};
