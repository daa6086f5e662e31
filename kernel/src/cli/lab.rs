//! `minerva lab`, `minerva lab list`, `minerva lab stop`.

use super::arguments::{Lab, LabCommand};
use crate::display::{Cell, Table};
use crate::lab::life::census::{Counted, TITLES};
use crate::lab::life::running::{self, Server, Which};
use crate::lab::life::{client, listen};
use crate::lab::paths::Folders;
use crate::lab::{LabOptions, serve};
use crate::session::similar;
use crate::terminal::{answer, complain};
use minerva_engine::error::nearest;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

/// Where a token may stand that no list of processes shall show.
const TOKEN: &str = "MINERVA_LAB_TOKEN";
/// The port that people know.
const PORT: u16 = 8888;

/// What the words behind `minerva lab` ask for; the exit code.
pub fn run(lab: Lab) -> i32 {
    let done = match &lab.command {
        None => return options(lab).map_or_else(wrongly, serve),
        Some(LabCommand::List) => list(),
        Some(LabCommand::Stop { which }) => stop(which.as_deref()),
    };
    done.map_or_else(failed, |()| 0)
}

fn failed(problem: String) -> i32 {
    complain(&problem);
    1
}

fn wrongly(problem: String) -> i32 {
    complain(&problem);
    super::dispatch::USAGE
}

fn options(lab: Lab) -> Result<LabOptions, String> {
    let place = lab.place.unwrap_or_else(|| ".".into());
    let (root, open) = place_of(&place)?;
    let token = lab.token.or_else(|| std::env::var(TOKEN).ok().filter(|token| !token.is_empty()));
    // Kernels inherit the environment, and cells print it.
    // SAFETY: no other thread runs yet that could read the environment.
    unsafe { std::env::remove_var(TOKEN) };
    Ok(LabOptions {
        root,
        open,
        host: lab.host.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        port: lab.port.unwrap_or(PORT),
        token,
        browser: !lab.no_browser,
        hidden: lab.hidden,
        cull: lab.cull.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        hosts: lab.allow_host,
    })
}

/// The folder to serve, and the file in it to open.
fn place_of(place: &Path) -> Result<(std::path::PathBuf, Option<String>), String> {
    let real = std::fs::canonicalize(place).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{}: there is no such folder or notebook{}", place.display(), near(place))
        }
        _ => format!("{}: {e}", place.display()),
    })?;
    if real.is_dir() {
        return Ok((real, None));
    }
    // The name as it was given: what it is a link to may lie outside.
    let folder = place.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = std::fs::canonicalize(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    match place.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok((root, Some(name.to_owned()))),
        None => Err(format!("{}: expected a name that is text in UTF-8", place.display())),
    }
}

fn near(place: &Path) -> String {
    let known = ["list", "stop"];
    match place.to_str().and_then(|word| nearest(word, known)) {
        Some(near) => format!("\nhelp: did you mean `minerva lab {near}`?"),
        None => similar(place),
    }
}

/// An address to listen on.
///
/// # Errors
/// When it is none.
pub fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text.parse().map_err(|_| {
            "expected an address of this machine such as 192.168.1.5, or 0.0.0.0 for all of them".to_owned()
        }),
    }
}

fn servers() -> Result<Vec<Server>, String> {
    Ok(running::list(&Folders::of_user()?.runtime))
}

fn list() -> Result<(), String> {
    let servers = servers()?;
    if servers.is_empty() {
        return answer("no server runs; `minerva lab` starts one\n");
    }
    let mut table = Table::new(["address", "folder"].into_iter().chain(TITLES));
    for server in &servers {
        let address = listen::page(&server.url, None, Some(&server.token));
        let kernels = client::ask(server, "GET", "/api/minerva/kernels")
            .and_then(|kernels| serde_json::from_value::<Vec<Counted>>(kernels).map_err(|e| e.to_string()));
        let mut rows = match kernels {
            Ok(kernels) if kernels.is_empty() => vec![vec![Cell::text("none")]],
            Ok(kernels) => kernels.iter().map(Counted::cells).collect(),
            Err(problem) => vec![vec![Cell::text(problem)]],
        }
        .into_iter();
        let folder = server.root_dir.display().to_string();
        let first = [Cell::text(address), Cell::text(folder)];
        table.push(first.into_iter().chain(rows.next().into_iter().flatten()).collect());
        for row in rows {
            table.push([Cell::text(""), Cell::text("")].into_iter().chain(row).collect());
        }
    }
    answer(&format!("{}\n", table.to_text(None)))
}

fn stop(which: Option<&str>) -> Result<(), String> {
    let which = match which {
        None => Which::Only,
        Some("all") => Which::All,
        Some(port) => Which::Port(port.parse().map_err(|_| format!("{port}: expected a port such as {PORT}, or all"))?),
    };
    let mut problems = Vec::new();
    for server in running::chosen(servers()?, which)? {
        match running::stop(&server) {
            Ok(()) => answer(&format!("stopped {} ({})\n", server.url, server.root_dir.display()))?,
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::cli::arguments::{Arguments, Command};
    use clap::Parser;

    fn parsed(words: &[&str]) -> Lab {
        let words = ["minerva", "lab"].iter().chain(words);
        match Arguments::try_parse_from(words).unwrap().command {
            Some(Command::Lab(lab)) => lab,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_are_commands_and_paths_are_paths() {
        assert!(matches!(parsed(&["list"]).command, Some(LabCommand::List)));
        assert!(matches!(parsed(&["stop", "8889"]).command, Some(LabCommand::Stop { which: Some(w) }) if w == "8889"));
        let lab = parsed(&["./list", "--port", "9000", "--allow-host", "a", "--allow-host", "b", "--cull", "5"]);
        assert!(lab.command.is_none());
        assert_eq!(lab.place.as_deref(), Some(Path::new("./list")));
        assert_eq!((lab.port, lab.cull), (Some(9000), Some(5)));
        assert_eq!(lab.allow_host, ["a", "b"]);
        assert!(Arguments::try_parse_from(["minerva", "lab", "--host", "example.org"]).is_err());
        assert_eq!(parsed(&["--host", "localhost"]).host, Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_notebook_is_opened_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let notebook = folder.path().join("a b.ipynb");
        std::fs::write(&notebook, "{}").unwrap();
        assert_eq!(place_of(folder.path()), Ok((root.clone(), None)));
        assert_eq!(place_of(&notebook), Ok((root, Some("a b.ipynb".into()))));
        let problem = place_of(&folder.path().join("a b.ipnb")).unwrap_err();
        assert!(problem.contains("did you mean") && problem.contains("a b.ipynb"), "{problem}");
        assert!(place_of(Path::new("lst")).unwrap_err().contains("minerva lab list"));
    }
}
