//! Where Jupyter looks for kernelspecs.

use std::path::PathBuf;

/// For whom the kernel is installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Location {
    /// The user who runs the command (the default). Follows `JUPYTER_DATA_DIR`.
    #[default]
    User,
    /// The environment below a folder: `FOLDER/share/jupyter`.
    Prefix(PathBuf),
    /// The active virtual or conda environment.
    Environment,
    /// Every user of this machine.
    System,
}

impl Location {
    /// The folder that holds one folder per kernel.
    pub fn kernels(&self) -> Result<PathBuf, String> {
        self.data(&|name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from))
            .map(|d| d.join("kernels"))
    }

    /// Jupyter's data folder, as `jupyter --paths` finds it, in an environment of variables.
    fn data(&self, var: &dyn Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, String> {
        let home = || {
            var(if cfg!(windows) { "USERPROFILE" } else { "HOME" })
                .ok_or("the home folder is not known (HOME is not set)\nhelp: pass --prefix FOLDER".to_owned())
        };
        match self {
            Self::Prefix(prefix) => Ok(prefix.join("share").join("jupyter")),
            Self::Environment => var("VIRTUAL_ENV")
                .or_else(|| var("CONDA_PREFIX"))
                .map(|prefix| prefix.join("share").join("jupyter"))
                .ok_or("no environment is active (neither VIRTUAL_ENV nor CONDA_PREFIX is set)".to_owned()),
            Self::System if cfg!(windows) => {
                Ok(var("PROGRAMDATA").unwrap_or_else(|| PathBuf::from(r"C:\ProgramData")).join("jupyter"))
            }
            Self::System => Ok(PathBuf::from("/usr/local/share/jupyter")),
            Self::User => match var("JUPYTER_DATA_DIR") {
                Some(folder) => Ok(folder),
                None if cfg!(target_os = "macos") => Ok(home()?.join("Library").join("Jupyter")),
                None if cfg!(windows) => match var("APPDATA") {
                    Some(folder) => Ok(folder.join("jupyter")),
                    None => Ok(home()?.join("AppData").join("Roaming").join("jupyter")),
                },
                None => match var("XDG_DATA_HOME") {
                    Some(folder) => Ok(folder.join("jupyter")),
                    None => Ok(home()?.join(".local").join("share").join("jupyter")),
                },
            },
        }
    }
}

/// Where Jupyter keeps the connection files of running kernels.
pub fn runtime_folder() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("JUPYTER_RUNTIME_DIR").or_else(|| Some(Location::User.data(&var).ok()?.join("runtime")))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_folders_are_those_that_jupyter_looks_in() {
        let env = |vars: &'static [(&str, &str)]| {
            move |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v))
        };
        let user = |vars| Location::User.data(&env(vars)).unwrap();
        assert_eq!(user(&[("HOME", "/home/a")]), PathBuf::from("/home/a/.local/share/jupyter"));
        assert_eq!(user(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "/x")]), PathBuf::from("/x/jupyter"));
        assert_eq!(user(&[("HOME", "/home/a"), ("JUPYTER_DATA_DIR", "/j")]), PathBuf::from("/j"));
        assert_eq!(Location::Prefix("/p".into()).data(&env(&[])).unwrap(), PathBuf::from("/p/share/jupyter"));
        assert!(Location::User.data(&env(&[])).unwrap_err().contains("--prefix"));
        assert!(Location::Environment.data(&env(&[("HOME", "/home/a")])).is_err());
    }
}
