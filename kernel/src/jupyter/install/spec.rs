//! The kernelspec: a folder with `kernel.json` and logos.

use super::Location;
use crate::jupyter::wire::PROTOCOL_VERSION;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The logos of the kernelspec: name and bytes.
pub const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-32x32.png", include_bytes!("logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("logo-64x64.png")),
    ("logo-svg.svg", include_bytes!("logo-svg.svg")),
];

/// What to install, and where.
#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// For whom.
    pub location: Location,
    /// The name that `--kernel` and notebooks use, and the name of the folder.
    pub name: String,
    /// What front ends show.
    pub display_name: String,
    /// The program to start; `None` is the one that is running.
    pub program: Option<PathBuf>,
}

impl Default for InstallOptions {
    fn default() -> Self {
        Self { location: Location::User, name: "minerva".to_owned(), display_name: "Minerva".to_owned(), program: None }
    }
}

/// Installs the kernelspec, in the place of one of the same name, and returns its folder.
///
/// The new folder is complete before it takes the old one's place: a front end never sees half a kernelspec.
pub fn install(options: &InstallOptions) -> Result<PathBuf, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if options.name.is_empty() || !options.name.chars().all(legal) || options.name.starts_with('.') {
        return Err(format!(
            "kernel name {:?}: expected ASCII letters, digits, '.', '_' and '-', as Jupyter asks",
            options.name
        ));
    }
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(|e| format!("cannot find the running program: {e}"))?,
    };
    let kernels = options.location.kernels()?;
    let folder = kernels.join(&options.name);
    write(&kernels, &folder, &kernel_json(&program, &options.display_name)).map_err(|e| {
        let help = match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "\nhelp: install for yourself with --user, or elsewhere with --prefix"
            }
            _ => "",
        };
        format!("cannot install the kernelspec in {}: {e}{help}", folder.display())
    })?;
    Ok(folder)
}

/// What `kernel.json` says for a program.
pub fn kernel_json(program: &Path, display_name: &str) -> Value {
    json!({
        "argv": [program, "kernel", "{connection_file}"],
        "display_name": display_name,
        "language": "rhai",
        "interrupt_mode": "message",
        // From 5.6 on a launcher may give a registration file instead of ports.
        "kernel_protocol_version": PROTOCOL_VERSION,
        "metadata": { "debugger": false },
    })
}

fn write(kernels: &Path, folder: &Path, spec: &Value) -> std::io::Result<()> {
    fs::create_dir_all(kernels)?;
    let fresh = tempfile::Builder::new().prefix(".minerva-").tempdir_in(kernels)?;
    let mut text = serde_json::to_string_pretty(spec)?;
    text.push('\n');
    fs::write(fresh.path().join("kernel.json"), text)?;
    for (name, bytes) in LOGOS {
        fs::write(fresh.path().join(name), bytes)?;
    }
    #[cfg(unix)]
    {
        // A temporary folder is private; a kernelspec below a shared prefix is for everybody.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o755))?;
    }
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::rename(fresh.keep(), folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn options(prefix: &Path) -> InstallOptions {
        InstallOptions { location: Location::Prefix(prefix.to_owned()), ..InstallOptions::default() }
    }

    #[test]
    fn an_installed_spec_replaces_the_old_one_whole() {
        let prefix = tempfile::tempdir().unwrap();
        let folder = install(&options(prefix.path())).unwrap();
        assert_eq!(folder, prefix.path().join("share/jupyter/kernels/minerva"));
        fs::write(folder.join("stale"), "x").unwrap();
        install(&InstallOptions { program: Some("/opt/minerva".into()), ..options(prefix.path()) }).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"]);
        let spec: Value = serde_json::from_slice(&fs::read(folder.join("kernel.json")).unwrap()).unwrap();
        assert_eq!(spec["argv"], json!(["/opt/minerva", "kernel", "{connection_file}"]));
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1, "no temporary folder is left");
    }

    #[test]
    fn a_name_that_jupyter_would_refuse_is_refused() {
        let prefix = tempfile::tempdir().unwrap();
        for name in ["", "a b", "../x", ".hidden", "é"] {
            let options = InstallOptions { name: name.to_owned(), ..options(prefix.path()) };
            assert!(install(&options).unwrap_err().contains("kernel name"), "{name:?}");
        }
    }

    #[test]
    fn the_logos_have_the_sizes_that_their_names_say() {
        for (name, bytes) in &LOGOS[..2] {
            let side: u32 = name[5..7].parse().unwrap();
            let info = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap().info().size();
            assert_eq!(info, (side, side));
        }
    }
}
