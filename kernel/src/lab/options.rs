//! What a server is started with.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What a server is started with, from the command line or a test.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// The folder that is served. Nothing outside it can be named.
    pub root: PathBuf,
    /// A notebook or other file below `root` that is opened first, with forward slashes.
    pub open: Option<String>,
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; the next free one is taken where it is in use, as Jupyter does. 0: any.
    pub port: u16,
    /// The token; `None` makes a random one.
    pub token: Option<String>,
    /// Whether to open a browser.
    pub browser: bool,
    /// Whether files whose names begin with a point are listed and can be opened.
    pub hidden: bool,
    /// Kernels that did nothing for so long are stopped when no front end is connected to them.
    pub cull: Option<Duration>,
    /// Names under which the server may be asked, besides its own address and `localhost`.
    pub hosts: Vec<String>,
}
