//! From the command line to a front end and an exit code.

use super::arguments::{Arguments, Command, Format, Install, Run};
use super::{cpu, inspect};
use crate::jupyter::install::Location;
use crate::jupyter::{self, InstallOptions};
use crate::run::notebook::{self, NotebookOptions, Watch};
use crate::run::script;
use crate::rust_cells;
use crate::session::{Session, SessionOptions};
use crate::terminal::{Printer, STOPPED, Stream, colour, is_terminal, on_ctrl_c};
use crate::{docs, panics, repl};
use clap::Parser;
use nu_ansi_term::{Color, Style};
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Exit code of a program that was started wrongly, as clap has it.
const USAGE: i32 = 2;
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
    minerva_engine::memory::keep_freed();
    panics::silence_all();
    let code = panics::catch(|| command(Arguments::parse())).unwrap_or_else(|panic| {
        complain(&panic.to_string());
        FAULT
    });
    exit(code)
}

fn command(arguments: Arguments) -> i32 {
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

fn run_notebook(run: Run) -> i32 {
    let watched = is_terminal(Stream::Out);
    let mut session = Session::new(SessionOptions { stream: true, args: run.args });
    let interrupt = session.interrupt();
    on_ctrl_c(interrupt.clone());
    session.ask_through(notebook::nobody());
    let printer = Printer::new(interrupt.clone());
    let style = notebook::Style { colour: colour(Stream::Out) };
    let watch = (watched && !run.print).then(|| Watch { printer: printer.clone(), style });
    let result = notebook::run(&mut session, &NotebookOptions { input: run.file, output: run.output, watch });
    printer.finish();
    match result {
        Ok(notebook) if run.print => {
            // A reader that has seen enough is no fault.
            let _ = notebook::print(&notebook, &mut std::io::stdout().lock(), style);
            0
        }
        Ok(_) => 0,
        Err(problem) => {
            complain(&problem);
            if interrupt.is_raised() { STOPPED } else { 1 }
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
            let _ = writeln!(
                std::io::stdout(),
                "{name} is installed in {}\nNext: jupyter lab, then choose {name}",
                folder.display()
            );
            0
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
        // A reader that has seen enough, as in `| head`, is no fault.
        Ok(report) => {
            let _ = writeln!(std::io::stdout(), "{report}");
            0
        }
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
        let _ = std::io::stdout().write_all(text.as_bytes());
        return 0;
    }
    let path = folder.join(name);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
    match written {
        Ok(()) => {
            let _ = writeln!(std::io::stdout(), "{}", path.display());
            0
        }
        Err(e) => {
            complain(&format!("{}: {e}", path.display()));
            1
        }
    }
}

/// An error on stderr; lines that start with `help:` stay lines.
fn complain(text: &str) {
    let red = if colour(Stream::Err) { Style::new().bold().fg(Color::Red) } else { Style::new() };
    let _ = writeln!(std::io::stderr(), "{} {text}", red.paint("error:"));
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code.rem_euclid(256)).unwrap_or(1))
}
