//! Which file of the script API is about what. A file that is not listed is a topic of its own name.

/// Folder or file below `script/`, and what people call its subject; in the order people meet them.
const TOPICS: [(&str, &str); 16] = [
    ("load", "Models"),
    ("model", "Models"),
    ("generation", "Sampling"),
    ("session", "Sessions"),
    ("tensor", "Tensors"),
    ("trace", "Looking inside"),
    ("convert", "Converting"),
    ("core", "Showing"),
    ("display", "Showing"),
    ("ask", "Asking"),
    ("plot", "Charts"),
    ("progress", "Progress bars"),
    ("files", "Files"),
    ("time", "Time"),
    ("arrays", "Arrays"),
    ("help", "Help"),
];

/// The subject of a file such as `tensor/linalg`, and its place among the others.
pub fn topic(from: &str) -> (usize, String) {
    let stem = from.split('/').next().unwrap_or(from);
    if let Some((_, title)) = TOPICS.iter().find(|(file, _)| *file == stem) {
        let first = TOPICS.iter().position(|(_, t)| t == title).unwrap_or(TOPICS.len());
        return (first, (*title).to_owned());
    }
    let words = stem.replace('_', " ");
    let mut letters = words.chars();
    let title = letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect());
    (TOPICS.len(), title)
}
