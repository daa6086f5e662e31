//! The front end's part of a running server.

use super::config::PageConfig;
use super::embedded;
use super::settings::Settings;
use super::workspaces::Workspaces;
use crate::lab::options::LabOptions;
use crate::lab::paths::Folders;

/// JupyterLab's page, settings and workspaces.
#[derive(Debug)]
pub struct Frontend {
    /// What the page is told.
    pub config: PageConfig,
    /// The address of the program that the page starts.
    pub main: String,
    /// What the user has set.
    pub settings: Settings,
    /// Which tabs were open, and where.
    pub workspaces: Workspaces,
}

impl Frontend {
    /// The front end of one user and one folder.
    pub fn new(folders: &Folders, options: &LabOptions) -> Result<Self, String> {
        let main = embedded::main_script().ok_or(
            "expected JupyterLab's main script in this program, found none\n\
             help: pack its files with kernel/lab/pack.sh and build again",
        )?;
        Ok(Self {
            config: PageConfig::new(options),
            main: format!("/{}", main.replacen("static/", "static/lab/", 1)),
            settings: Settings::new(folders.data.join("settings")),
            workspaces: Workspaces::new(folders.data.join("workspaces")),
        })
    }
}
