//! Who may ask, and how they prove it.
//!
//! [`guard`] stands before every handler. It looks at the `Host` (a name that somebody else made point here is turned
//! away), at the proof ([`Access`]: a token, or the cookie that a browser got for it), and at the page that a request comes
//! from: what a browser sends along by itself, a cookie, counts only for requests of our own pages.

mod cookies;
mod guard;
mod headers;
mod host;
mod keeper;
mod limiter;
mod login;
mod origin;
pub(super) mod query;
mod seal;
mod secret;

pub use guard::guard;
pub use keeper::Access;
pub use login::routes;
