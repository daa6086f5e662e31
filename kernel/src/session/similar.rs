//! The file that was probably meant.

use std::path::Path;

/// A line of help for a file that does not exist: that name with the ending of a script or a notebook, or the nearest
/// name in the same folder. Empty where there is none.
pub fn similar(path: &Path) -> String {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return String::new() };
    let with_ending = [format!("{name}.rhai"), format!("{name}.ipynb")];
    let near = with_ending.into_iter().find(|n| names.contains(n));
    match near.or_else(|| minerva_engine::error::nearest(name, names.iter().map(String::as_str))) {
        Some(near) => format!("\nhelp: did you mean {}?", path.with_file_name(near).display()),
        None => String::new(),
    }
}
