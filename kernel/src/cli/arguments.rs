//! What the command line understands. The help texts teach with examples.

use clap::{Args, Parser, Subcommand, ValueEnum};
#[cfg(feature = "lab")]
use std::net::IpAddr;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  minerva                                     talk, cell by cell
  minerva run story.rhai model.gguf           a script; it sees `args[0] == \"model.gguf\"`
  minerva run notebook.ipynb                  a notebook, without a browser; outputs are written into it
  minerva inspect model.gguf 'blk.0.*'        what is in a file, without loading it
  minerva -e 'load(\"sample\").generate(\"Once\")'
  minerva lab                                 notebooks in a browser: JupyterLab, without Python
  minerva install                             tell Jupyter about this kernel

First steps: start `minerva`, type `let m = load(\"sample\");`, then `m.generate(\"Once upon\")`.";

/// A notebook kernel and scripting engine for local language models.
#[derive(Debug, Parser)]
#[command(name = "minerva", version, after_help = EXAMPLES, disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// Run this text and print its value
    #[arg(short = 'e', long = "eval", value_name = "CODE")]
    pub eval: Option<String>,

    /// After -e, what the text sees as `args`; else a script or notebook to run, and what it sees
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub args: Vec<String>,

    /// What to do; without one: talk
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Talk, cell by cell (what `minerva` alone does)
    #[command(after_help = "\
Keys: Tab completes, Enter runs a whole cell and breaks the line in an open one, Alt-Enter always breaks it,
Ctrl-C stops the work and keeps the session, Ctrl-R searches the history, Ctrl-D leaves.
`name?` shows what is known of a name.

Cells can come through a pipe, each ending with the line that makes it whole:
  echo '1 + 1' | minerva repl                 prints 2; ends with 0, with what exit(code) says, or with 1 after an error")]
    Repl {
        /// What the session sees as `args`
        #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run a script (.rhai) or a notebook (.ipynb)
    #[command(after_help = "\
Examples:
  minerva run story.rhai                      ends with 0, with what exit(code) says, or with 1 after an error
  minerva run sweep.rhai -- --steps 20        `args` is [\"--steps\", \"20\"]
  echo 'print(1 + 1)' | minerva run -         a script from a pipe
  minerva run report.ipynb                    executes the cells and writes their outputs into the file
  minerva run report.ipynb -o done.ipynb      leaves the file as it is
  minerva run report.ipynb --print            and prints it as text while it runs

`minerva story.rhai` is short for `minerva run story.rhai`.
A notebook ends at its first cell that fails, with exit code 1, or at a signal, with 128 and the signal's number; what
was done so far is written.
Text streams where a person watches; into a pipe go results alone.")]
    Run(Run),
    /// Show what is in a model file: format, metadata, tensors. Reads no weights
    #[command(after_help = "\
Examples:
  minerva inspect model.gguf
  minerva inspect model.safetensors '*.q_proj.*'     only the tensors that match
  minerva inspect folder-from-the-hub/               config.json and weights")]
    Inspect {
        /// A GGUF, safetensors or PyTorch file, an index of shards, or a folder from the hub
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only tensors whose name matches
        #[arg(value_name = "GLOB")]
        glob: Option<String>,
    },
    /// Write the reference of the script API, every example of which is tested
    #[command(after_help = "\
Examples:
  minerva docs                                minerva.html in this folder: one page, needs nothing else
  minerva docs --format markdown -o docs/     docs/minerva.md
  minerva docs --format markdown -o -         to standard output")]
    Docs {
        /// How it is written
        #[arg(long, value_enum, default_value = "html")]
        format: Format,
        /// Where to; - is standard output
        #[arg(short, long, value_name = "FOLDER", default_value = ".")]
        output: PathBuf,
    },
    /// Notebooks in a browser: JupyterLab, without Python
    #[cfg(feature = "lab")]
    #[command(
        args_conflicts_with_subcommands = true,
        disable_help_subcommand = true,
        after_help = "\
Examples:
  minerva lab                                 this folder, in the browser
  minerva lab story.ipynb                     one notebook, in its folder
  minerva lab ~/notebooks --no-browser        prints the address and opens nothing
  minerva lab list                            the servers that run, their kernels and how much memory these take
  minerva lab stop                            ends the server, and its kernels with it
  minerva lab ./list                          a folder that is called like a command

From another machine: leave the server as it is, and come through a tunnel, `ssh -L 8888:127.0.0.1:8888 MACHINE`.
With --host others reach it directly: whoever has the token runs code as you, and http is not encrypted.
The token is random; MINERVA_LAB_TOKEN gives one that no list of processes shows."
    )]
    Lab(Lab),
    /// Notebooks in a browser; not part of this build
    #[cfg(not(feature = "lab"))]
    #[command(hide = true)]
    Lab {
        /// What it would be called with
        #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run as a Jupyter kernel; Jupyter calls this
    Kernel {
        /// The connection file that Jupyter wrote
        #[arg(value_name = "FILE")]
        connection_file: PathBuf,
    },
    /// Tell Jupyter about this kernel
    #[command(after_help = "\
Examples:
  minerva install                             for this user
  minerva install --prefix ~/venv             for one environment
  jupyter lab                                 then choose Minerva in the launcher")]
    Install(Install),
}

/// How the reference is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One page for a browser
    Html,
    /// One text in Markdown
    Markdown,
}

/// `minerva run`
#[derive(Debug, Args)]
pub struct Run {
    /// Where an executed notebook goes instead of over its file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the notebook as text, each output as it comes
    #[arg(long)]
    pub print: bool,
    /// The script or notebook; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the script sees as `args`
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// `minerva install`
#[derive(Debug, Args)]
pub struct Install {
    /// For this user only; the default
    #[arg(long, group = "place")]
    pub user: bool,
    /// Below this folder, such as a virtual environment
    #[arg(long, group = "place", value_name = "FOLDER")]
    pub prefix: Option<PathBuf>,
    /// For the active virtual or conda environment
    #[arg(long, group = "place")]
    pub sys_prefix: bool,
    /// For every user of this machine
    #[arg(long, group = "place")]
    pub system: bool,
    /// The kernel's name for Jupyter
    #[arg(long, value_name = "NAME", default_value = "minerva")]
    pub name: String,
    /// The name in Jupyter's launcher
    #[arg(long, value_name = "TEXT", default_value = "Minerva")]
    pub display_name: String,
}

/// `minerva lab`
#[cfg(feature = "lab")]
#[derive(Debug, Args)]
pub struct Lab {
    /// What to do; without one: serve
    #[command(subcommand)]
    pub command: Option<LabCommand>,
    /// The folder to serve, or a notebook to open in its folder; this folder by default
    #[arg(value_name = "DIR|NOTEBOOK")]
    pub place: Option<PathBuf>,
    /// The address to listen on; others than this machine reach any but 127.0.0.1
    #[arg(long, value_name = "ADDRESS", value_parser = super::lab::host)]
    pub host: Option<IpAddr>,
    /// The port, or the next one that is free; 8888 without it, any with 0
    #[arg(long)]
    pub port: Option<u16>,
    /// Do not open a browser
    #[arg(long)]
    pub no_browser: bool,
    /// The token that proves who may ask; random without it
    #[arg(long)]
    pub token: Option<String>,
    /// Show files whose names begin with a point
    #[arg(long)]
    pub hidden: bool,
    /// Stop kernels that did nothing for so long and that no tab is connected to
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub cull: Option<u32>,
    /// A name that the server goes by besides localhost, such as that of a proxy; can be repeated
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
}

/// What to do with servers that run.
#[cfg(feature = "lab")]
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Show the servers that run, with their kernels and memory
    List,
    /// End a server, and its kernels with it
    #[command(after_help = "\
Examples:
  minerva lab stop                            the server, where only one runs
  minerva lab stop 8889                       the one on this port
  minerva lab stop all                        all of yours")]
    Stop {
        /// The server's port, or all
        #[arg(value_name = "PORT|all")]
        which: Option<String>,
    },
}
