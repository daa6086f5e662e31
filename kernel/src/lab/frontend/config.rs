//! What the page is told: where things are, and what is turned off.

use super::embedded::EXTENSION_NAME;
use crate::lab::kernels::activity::UNTRACKED;
use crate::lab::options::LabOptions;
use serde_json::{Value, json};
use std::path::Path;

/// Which JupyterLab this is.
pub const JUPYTERLAB_VERSION: &str = "4.6.6";

/// What needs Python, the internet or a service that is not here. Without it no error appears and nothing is missed.
const DISABLED: &[&str] = &[
    "@jupyterlab/apputils-extension:announcements",
    "@jupyterlab/extensionmanager-extension",
    "@jupyterlab/pluginmanager-extension",
    "@jupyterlab/lsp-extension",
    "@jupyterlab/fileeditor-extension:language-server",
    "@jupyterlab/notebook-extension:language-server",
    "@jupyterlab/hub-extension",
    "@jupyterlab/terminal-extension",
    // Its menu would be empty: there is no nbconvert.
    "@jupyterlab/notebook-extension:export",
    // Our extension shows another logo, says what this is, and opens help in a tab of its own: pages of other hosts get no
    // frame here.
    "@jupyterlab/application-extension:logo",
    "@jupyterlab/help-extension:about",
    "@jupyterlab/help-extension:open",
    "@jupyterlab/help-extension:jupyter-forum",
];

/// Services and habits that are not here.
const OFF: &[&str] = &[
    "terminalsAvailable",
    "buildAvailable",
    "buildCheck",
    "nbclassic_enabled",
    "devMode",
    "exposeAppInBrowser",
    "copyAbsolutePath",
];

/// How much of the window JupyterLab uses for documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `/lab`: tabs and side bars.
    Lab,
    /// `/doc`: one document and nothing else.
    Doc,
}

/// The configuration of all pages.
#[derive(Debug)]
pub struct PageConfig {
    all: Value,
}

impl PageConfig {
    /// What the pages of a server with these options are told.
    pub fn new(options: &LabOptions) -> Self {
        let load = json!({ "name": EXTENSION_NAME, "load": "static/remote.js", "extension": "./extension" });
        let mut all = json!({
            "appName": "Minerva", "minervaVersion": env!("CARGO_PKG_VERSION"), "appNamespace": "lab", "appVersion": JUPYTERLAB_VERSION,
            "baseUrl": "/", "wsUrl": "", "token": "", "fullStaticUrl": "/static/lab",
            "serverRoot": shown(&options.root), "preferredPath": "/", "allow_hidden_files": options.hidden,
            "delete_to_trash": true, "notebookStartsKernel": true, "quitButton": true, "cacheFiles": true,
            "notebookVersion": "[2, 21, 1]", "store_id": 0, "news": { "disabled": true },
            "disabledExtensions": DISABLED, "deferredExtensions": [], "ignorePlugins": [],
            "federated_extensions": [load], "untracked_message_types": UNTRACKED,
        });
        for name in OFF {
            insert(&mut all, name, json!(false));
        }
        for (name, url) in [
            ("labextensionsUrl", "/lab/extensions"),
            ("licensesUrl", "/lab/api/licenses"),
            ("listingsUrl", "/lab/api/listings"),
            ("settingsUrl", "/lab/api/settings"),
            ("themesUrl", "/lab/api/themes"),
            ("translationsApiUrl", "/lab/api/translations"),
            ("treeUrl", "/lab/tree"),
            ("workspacesApiUrl", "/lab/api/workspaces"),
            ("appUrl", "/lab"),
        ] {
            let (first, rest) = name.split_at_checked(1).unwrap_or_default();
            insert(&mut all, &format!("full{}{rest}", first.to_uppercase()), json!(url));
            insert(&mut all, name, json!(url));
        }
        Self { all }
    }

    /// What one page is told.
    pub fn page(&self, mode: Mode, workspace: &str, tree: &str, not_found: Option<&str>) -> Value {
        let mut page = self.all.clone();
        let mode = if mode == Mode::Doc { "single-document" } else { "multiple-document" };
        insert(&mut page, "mode", json!(mode));
        insert(&mut page, "workspace", json!(workspace));
        insert(&mut page, "treePath", json!(tree));
        if let Some(path) = not_found {
            insert(&mut page, "notFoundUrl", json!(path));
        }
        page
    }
}

fn insert(config: &mut Value, name: &str, value: Value) {
    if let Some(config) = config.as_object_mut() {
        config.insert(name.to_string(), value);
    }
}

/// The folder as JupyterLab shows it.
fn shown(root: &Path) -> String {
    let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
    let text = root.to_string_lossy().replace('\\', "/");
    text.strip_prefix("//?/").unwrap_or(&text).to_string()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    pub(crate) fn options() -> LabOptions {
        LabOptions {
            root: std::env::temp_dir(),
            open: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            token: None,
            browser: false,
            hidden: false,
            cull: None,
            hosts: Vec::new(),
        }
    }

    #[test]
    fn a_page_is_told_where_it_stands() {
        let config = PageConfig::new(&options());
        let page = config.page(Mode::Doc, "default", "a/b.ipynb", None);
        assert_eq!((&page["mode"], &page["treePath"]), (&json!("single-document"), &json!("a/b.ipynb")));
        assert_eq!(page["fullSettingsUrl"], "/lab/api/settings");
        assert_eq!(page["fullLabextensionsUrl"], "/lab/extensions");
        assert!(page.get("notFoundUrl").is_none());
        assert_eq!(config.page(Mode::Lab, "w", "", Some("/lab/x"))["notFoundUrl"], "/lab/x");
    }

    #[test]
    fn no_secret_and_no_other_host_is_named() {
        let text = PageConfig::new(&options()).page(Mode::Lab, "default", "", None).to_string();
        assert!(!text.contains("http:") && !text.contains("https:"));
        assert!(text.contains("\"token\":\"\""));
    }
}
