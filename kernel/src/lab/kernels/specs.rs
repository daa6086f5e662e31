//! Kernelspecs: which kernels there are on this machine, and how each is started.

use super::connection::KernelConnection;
use crate::jupyter::install::{LOGOS, kernel_json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The kernel that is always there: this program.
pub const BUILT_IN: &str = "minerva";

/// Bytes of a resource that are served. A logo is far smaller.
const LARGEST_RESOURCE: u64 = 16 << 20;

/// What stays as it is in an address.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a kernel is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterruptMode {
    /// By SIGINT.
    Signal,
    /// By an `interrupt_request`.
    Message,
}

/// What `kernel.json` says.
#[derive(Debug, Clone, Deserialize)]
struct File {
    #[serde(default)]
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    interrupt_mode: Option<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    kernel_protocol_version: String,
}

/// One kernelspec.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The name that notebooks use.
    pub name: String,
    /// How it is interrupted.
    pub interrupt_mode: InterruptMode,
    file: File,
    /// The folder of its files; the built-in kernel has none.
    folder: Option<PathBuf>,
    /// The program, where it is not the first argument.
    program: Option<PathBuf>,
}

impl Spec {
    /// This program as a kernel.
    fn built_in(program: &Path) -> Option<Self> {
        // The text is for who reads it; the path itself starts the program.
        let shown = program.to_string_lossy();
        let file = serde_json::from_value(kernel_json(Path::new(&*shown), "Minerva")).ok()?;
        Self::new(BUILT_IN.to_owned(), file, None, Some(program.to_owned()))
    }

    /// The kernelspec in a folder; nothing where there is none, or one that cannot be read.
    fn read(name: String, folder: PathBuf) -> Option<Self> {
        let file = serde_json::from_slice(&std::fs::read(folder.join("kernel.json")).ok()?).ok()?;
        Self::new(name, file, Some(folder), None)
    }

    fn new(name: String, file: File, folder: Option<PathBuf>, program: Option<PathBuf>) -> Option<Self> {
        let interrupt_mode = match file.interrupt_mode.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("signal") => InterruptMode::Signal,
            Some("message") => InterruptMode::Message,
            Some(_) => return None,
        };
        Some(Self { name, interrupt_mode, file, folder, program })
    }

    /// Whether this is the kernel that is always there.
    pub fn is_built_in(&self) -> bool {
        self.program.is_some()
    }

    /// What front ends show.
    pub fn display_name(&self) -> &str {
        &self.file.display_name
    }

    /// The language, in the spelling of the file.
    pub fn language(&self) -> &str {
        &self.file.language
    }

    /// The model of the REST interface.
    pub fn model(&self) -> Value {
        let mode = match self.interrupt_mode {
            InterruptMode::Signal => "signal",
            InterruptMode::Message => "message",
        };
        json!({
            "name": self.name,
            "spec": {
                "argv": self.file.argv,
                "env": self.file.env,
                "display_name": self.file.display_name,
                "language": self.file.language,
                "interrupt_mode": mode,
                "metadata": self.file.metadata,
                "kernel_protocol_version": self.file.kernel_protocol_version,
            },
            "resources": self.resources(),
        })
    }

    /// Logos and the like, with their addresses.
    fn resources(&self) -> Map<String, Value> {
        let files = match &self.folder {
            None => LOGOS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            Some(folder) => names(folder),
        };
        let shown = files.into_iter().filter_map(|file| {
            let key = match file.as_str() {
                "kernel.js" | "kernel.css" => file.clone(),
                logo if logo.starts_with("logo-") => logo.rsplit_once('.').map_or(logo, |(stem, _)| stem).to_owned(),
                _ => return None,
            };
            let encode = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
            Some((key, Value::from(format!("/kernelspecs/{}/{}", encode(&self.name), encode(&file)))))
        });
        shown.collect()
    }

    /// The bytes of a file of this kernelspec: of its own folder and no other, whatever the name says or links to.
    pub fn resource(&self, file: &str) -> Option<Vec<u8>> {
        let Some(folder) = &self.folder else {
            return LOGOS.iter().find(|(name, _)| *name == file).map(|(_, bytes)| bytes.to_vec());
        };
        // A name and nothing else: no separator of any system, no drive, no `..`.
        if file.is_empty() || file.starts_with('.') || file.contains(['/', '\\', ':', '\0']) {
            return None;
        }
        let folder = folder.canonicalize().ok()?;
        let path = folder.join(file).canonicalize().ok()?;
        let data = path.metadata().ok()?;
        if !path.starts_with(&folder) || !data.is_file() || data.len() > LARGEST_RESOURCE {
            return None;
        }
        std::fs::read(path).ok()
    }

    /// The command that starts this kernel on a connection.
    ///
    /// # Errors
    /// When the kernelspec names no program.
    pub fn command(&self, connection: &KernelConnection) -> Result<Vec<OsString>, String> {
        let file = connection.file.canonicalize().unwrap_or_else(|_| connection.file.clone());
        let lossy = |path: &Path| path.to_string_lossy().into_owned();
        let value = |name: &str| match name {
            "connection_file" => Some(lossy(&file)),
            "resource_dir" => self.folder.as_deref().map(lossy),
            "prefix" => self.prefix().map(lossy),
            _ => None,
        };
        let mut command: Vec<OsString> =
            self.file.argv.iter().map(|argument| home(&fill(argument, &value)).into()).collect();
        let Some(first) = command.first_mut() else {
            let place =
                self.folder.as_ref().map_or(String::new(), |f| format!(" of {}", f.join("kernel.json").display()));
            return Err(format!("kernel {:?} has no program to start\nhelp: complete \"argv\"{place}", self.name));
        };
        if let Some(program) = self.program.clone().or_else(|| self.python()) {
            *first = program.into();
        }
        Ok(command)
    }

    /// The environment below which this kernelspec is installed: `PREFIX/share/jupyter/kernels/NAME`.
    fn prefix(&self) -> Option<&Path> {
        match &self.folder {
            None => self.program.as_deref()?.parent()?.parent(),
            Some(folder) => {
                let jupyter = folder.parent()?.parent()?;
                let share = jupyter.parent()?;
                (jupyter.ends_with("jupyter") && share.ends_with("share")).then(|| share.parent()).flatten()
            }
        }
    }

    /// A kernelspec inside an environment says `python` and means that of its environment, active or not.
    fn python(&self) -> Option<PathBuf> {
        let first = self.file.argv.first()?;
        let version = first.strip_prefix("python")?;
        if !version.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let prefix = self.prefix()?;
        let places = if cfg!(windows) {
            [prefix.join("python.exe"), prefix.join("Scripts").join("python.exe")]
        } else {
            [prefix.join("bin").join(first), prefix.join("bin").join("python")]
        };
        places.into_iter().find(|path| path.is_file())
    }

    /// What this kernelspec adds to the environment; `known` are the variables it may refer to.
    pub fn environment(&self, known: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
        self.file.env.iter().map(|(name, text)| (name.clone(), expand(text, known))).collect()
    }
}

/// Replaces `{name}` where `value` knows it.
fn fill(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let known = after.split_once('}').and_then(|(name, after)| Some((value(name)?, after)));
        match known {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

/// Replaces `$NAME` and `${NAME}` where `known` knows it, and `$$` by a dollar; the rest stays as it is.
fn expand(text: &str, known: &dyn Fn(&str) -> Option<String>) -> String {
    let name_end = |s: &str| s.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(s.len());
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let named = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}'),
            None => Some(after.split_at(name_end(after))),
        };
        match named.and_then(|(name, after)| Some((known(name)?, after))) {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

/// `~/` at the beginning is the home folder.
fn home(argument: &str) -> String {
    match (argument.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
        _ => argument.to_owned(),
    }
}

/// The names in a folder that are text.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Where kernelspecs are looked for.
#[derive(Debug, Clone)]
pub struct Specs {
    folders: Vec<PathBuf>,
    built_in: Option<Spec>,
}

impl Specs {
    /// Looks in `DIR/kernels` for each of these folders, the first first. Reads nothing yet.
    pub fn new(folders: &[PathBuf]) -> Self {
        let built_in = std::env::current_exe().ok().and_then(|program| Spec::built_in(&program));
        Self { folders: folders.iter().map(|folder| folder.join("kernels")).collect(), built_in }
    }

    /// All kernels by name, as the disk says now. This program comes before an installed kernel of its name.
    pub fn all(&self) -> BTreeMap<String, Spec> {
        let mut found: BTreeMap<String, Spec> = BTreeMap::new();
        found.extend(self.built_in.clone().map(|spec| (spec.name.clone(), spec)));
        for folder in &self.folders {
            for file in names(folder) {
                let name = file.to_ascii_lowercase();
                let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
                if !legal || name.starts_with('.') || found.contains_key(&name) {
                    continue;
                }
                if let Some(spec) = Spec::read(name.clone(), folder.join(file)) {
                    found.insert(name, spec);
                }
            }
        }
        found
    }

    /// The kernel of this name, however it is capitalized. `python` is what old notebooks call `python3`.
    pub fn get(&self, name: &str) -> Option<Spec> {
        let mut all = self.all();
        let name = name.to_ascii_lowercase();
        all.remove(&name).or_else(|| if name == "python" { all.remove("python3") } else { None })
    }
}

#[cfg(test)]
mod tests;
