//! From the command line to a front end and an exit code.

use super::arguments::{Arguments, Command, Format, Install, Run};
use super::{cpu, inspect};
use crate::jupyter::install::Location;
use crate::jupyter::{self, InstallOptions};
use crate::run::notebook::{self, NotebookOptions, Watch};
use crate::run::script;
use crate::rust_cells;
use crate::session::{Session, SessionOptions, similar};
use crate::terminal::{Printer, Stop, Stream, answer, colour, complain, is_terminal};
use crate::{docs, panics, repl};
use clap::{CommandFactory, Parser};
use minerva_engine::Interrupt;
use minerva_engine::error::nearest;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Exit code of a program that was started wrongly, as clap has it.
pub(super) const USAGE: i32 = 2;
/// Exit code after a fault of ours.
const FAULT: i32 = 70;
/// Exit code where this processor cannot run the program.
const WRONG_PROCESSOR: i32 = 69;

/// The whole program.
pub fn main() -> ExitCode {
    // First of all, before anything that a compiler could have made of instructions this processor lacks.
    let missing = cpu::missing();
    if !missing.is_empty() {
        let _ = writeln!(std::io::stderr(), "{}", cpu::message(&missing));
        return exit(WRONG_PROCESSOR);
    }
    rust_cells::hook();
    panics::silence_all();
    let code = panics::catch(|| command(Arguments::parse())).unwrap_or_else(|panic| {
        complain(&panic.to_string());
        FAULT
    });
    exit(code)
}

fn command(arguments: Arguments) -> i32 {
    // A server computes nothing, and gives back what a large notebook took.
    if !matches!(arguments.command, Some(Command::Lab { .. })) {
        minerva_engine::memory::keep_freed();
    }
    if let Some(code) = arguments.eval {
        return script::code_of(&code, "-e", arguments.args, true);
    }
    match arguments.command {
        Some(Command::Repl { args }) => repl::run(args),
        Some(Command::Run(run)) => run_file(run),
        Some(Command::Inspect { file, glob }) => inspect_file(&file, glob.as_deref()),
        Some(Command::Kernel { connection_file }) => jupyter::serve(&connection_file),
        Some(Command::Docs { format, output }) => write_reference(format, &output),
        Some(Command::Install(install)) => tell_jupyter(install),
        #[cfg(feature = "lab")]
        Some(Command::Lab(lab)) => super::lab::run(lab),
        #[cfg(not(feature = "lab"))]
        Some(Command::Lab { args: _ }) => {
            complain("this program was built without its server\nhelp: build it with --features lab");
            USAGE
        }
        None if !arguments.args.is_empty() => named(arguments.args),
        None if std::io::stdin().is_terminal() => repl::run(Vec::new()),
        // `echo 'print(1)' | minerva`
        None => standard_input(Vec::new()),
    }
}

fn run_file(run: Run) -> i32 {
    if run.file == Path::new("-") {
        return standard_input(run.args);
    }
    if run.file.extension().is_some_and(|e| e.eq_ignore_ascii_case("ipynb")) {
        return run_notebook(run);
    }
    if run.output.is_some() || run.print {
        complain(&format!(
            "{}: -o and --print are for notebooks (.ipynb); a script prints as it runs",
            run.file.display()
        ));
        return USAGE;
    }
    script::file(&run.file, run.args).unwrap_or_else(|(problem, code)| {
        complain(&problem);
        code
    })
}

/// `minerva story.rhai`: the first word is no command, so it is a file.
fn named(args: Vec<String>) -> i32 {
    let name = args.first().cloned().unwrap_or_default();
    if name != "-" && !Path::new(&name).exists() {
        complain(&unknown(&name));
        return USAGE;
    }
    // Behind the file the same words mean the same as they do with `run`.
    let words = ["minerva", "run"].into_iter().map(str::to_owned).chain(args);
    match Arguments::parse_from(words).command {
        Some(Command::Run(run)) => run_file(run),
        _ => USAGE,
    }
}

/// What to say of a first word that is nothing we know.
fn unknown(name: &str) -> String {
    let mut known = Arguments::command();
    known.build();
    if name.starts_with('-') {
        let options: Vec<String> =
            known.get_arguments().filter_map(|a| a.get_long()).map(|l| format!("--{l}")).collect();
        let near = nearest(name, options.iter().map(String::as_str));
        let help = near.map_or("minerva --help lists the options".to_owned(), |near| format!("did you mean {near}?"));
        return format!("{name}: there is no such option\nhelp: {help}");
    }
    let near = nearest(name, known.get_subcommands().map(clap::Command::get_name));
    let help = match (near, similar(Path::new(name))) {
        (Some(near), _) => format!("\nhelp: did you mean `minerva {near}`?"),
        (None, near) if !near.is_empty() => near,
        _ => "\nhelp: minerva --help lists the commands; minerva run FILE runs a script or a notebook".to_owned(),
    };
    format!("{name}: neither a command nor a file{help}")
}

fn run_notebook(run: Run) -> i32 {
    let mut session = Session::new(SessionOptions { stream: true, args: run.args });
    let stop = Stop::listen(session.interrupt());
    session.ask_through(notebook::nobody());
    // The notebook is what the run is for: it goes on when nobody reads along any more.
    let printer = Printer::new(Interrupt::default());
    let style = notebook::Style { colour: colour(Stream::Out) };
    let watched = run.print || is_terminal(Stream::Out);
    let watch = watched.then(|| Watch { printer: printer.clone(), style });
    let options = NotebookOptions { input: run.file, output: run.output, watch, stop: stop.clone() };
    let result = notebook::run(&mut session, &options);
    printer.finish();
    let unwritten = printer.lost();
    for problem in result.as_ref().err().into_iter().chain(&unwritten) {
        complain(problem);
    }
    match result {
        Ok(0) => i32::from(unwritten.is_some()),
        Ok(code) => code,
        Err(_) => stop.stopped().unwrap_or(1),
    }
}

/// Writes an answer to stdout; the exit code.
fn answered(text: &str) -> i32 {
    match answer(text) {
        Ok(()) => 0,
        Err(problem) => {
            complain(&problem);
            1
        }
    }
}

fn tell_jupyter(install: Install) -> i32 {
    let location = match (install.prefix, install.sys_prefix, install.system) {
        (Some(folder), _, _) => Location::Prefix(folder),
        (None, true, _) => Location::Environment,
        (None, false, true) => Location::System,
        (None, false, false) => Location::User,
    };
    let Install { name, display_name, .. } = install;
    let options = InstallOptions { location, name, display_name, program: None };
    match jupyter::install(&options) {
        Ok(folder) => {
            let name = &options.display_name;
            answered(&format!("{name} is installed in {}\nNext: jupyter lab, then choose {name}\n", folder.display()))
        }
        Err(problem) => {
            complain(&problem);
            1
        }
    }
}

fn standard_input(args: Vec<String>) -> i32 {
    let mut code = String::new();
    match std::io::stdin().read_to_string(&mut code) {
        Ok(_) => script::code_of(&code, "standard input", args, false),
        Err(e) => {
            complain(&format!("standard input: {e}"));
            1
        }
    }
}

fn inspect_file(file: &Path, glob: Option<&str>) -> i32 {
    match inspect::report(file, glob) {
        Ok(report) => answered(&format!("{report}\n")),
        Err(error) => {
            complain(&error.to_string());
            1
        }
    }
}

fn write_reference(format: Format, folder: &Path) -> i32 {
    let session = Session::new(SessionOptions::default());
    let (text, name) = match format {
        Format::Html => (docs::html(session.names()), "minerva.html"),
        Format::Markdown => (docs::markdown(session.names()), "minerva.md"),
    };
    if folder == Path::new("-") {
        return answered(&text);
    }
    let path = folder.join(name);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
    match written {
        Ok(()) => answered(&format!("{}\n", path.display())),
        Err(e) => {
            complain(&format!("{}: {e}", path.display()));
            1
        }
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code.rem_euclid(256)).unwrap_or(1))
}
