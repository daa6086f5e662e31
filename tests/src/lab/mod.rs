//! A client of `minerva lab`: it starts the real program in folders of its own and speaks HTTP and WebSockets to it, as a
//! program with the token, as a browser with cookies, or as somebody who should not be let in.
//!
//! It shares no code with the server: addresses, cookies and both framings of kernel messages are written out here a
//! second time.

mod browser;
mod http;
mod message;
mod processes;
mod raw;
mod server;
mod start;
mod tab;

pub use browser::Browser;
pub use http::{Answer, Cookie, Request};
pub use message::{Framing, LabMessage};
pub use server::Server;
pub use start::Start;
pub use tab::Tab;
