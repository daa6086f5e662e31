//! Where the program becomes the one that runs Rust cells.

use super::{host, protocol};

/// Call it first in `main`: where this process was started to run Rust cells, or by evcxr to load what it compiled, it does
/// that and never returns. Otherwise it costs a look at the arguments and at two environment variables.
pub fn hook() {
    evcxr::runtime_hook();
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|a| a == protocol::SERVE)
        && let Some(folder) = arguments.next()
    {
        host::serve(folder.into());
    }
}
