//! The kernels that run, for people: with their documents and their memory.

use super::processes;
use crate::display::{Cell, Table};
use crate::lab::state::App;
use minerva_engine::error::bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A running kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Its id.
    pub id: String,
    /// The name of its specification.
    pub name: String,
    /// What it does: `idle`, `busy` …
    pub execution_state: String,
    /// The document that uses it, if one does.
    pub document: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// The memory of its process and all that this one started, in bytes.
    pub memory: Option<u64>,
}

/// The kernels that run.
pub async fn count(app: &App) -> Vec<Counted> {
    let documents = app.sessions.open_documents();
    let mut all: Vec<Counted> = app.kernels.list().iter().map(|k| counted(&k.model(), k.pid(), &documents)).collect();
    let pids: Vec<u32> = all.iter().filter_map(|k| k.pid).collect();
    if !pids.is_empty()
        && let Ok(memory) = tokio::task::spawn_blocking(move || processes::memory(&pids)).await
    {
        all.iter_mut().for_each(|k| k.memory = k.pid.and_then(|pid| memory.get(&pid).copied()));
    }
    all
}

fn counted(model: &Value, pid: Option<u32>, documents: &[(String, String)]) -> Counted {
    let text = |key: &str| model.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = text("id");
    let document = documents.iter().find(|(_, kernel)| *kernel == id).map(|(path, _)| path.clone());
    Counted { id, name: text("name"), execution_state: text("execution_state"), document, pid, memory: None }
}

impl Counted {
    /// Kernel, document, state and memory, as cells of a table.
    pub fn cells(&self) -> Vec<Cell> {
        let memory = self.memory.map_or("?".to_owned(), bytes);
        let document = self.document.as_deref().unwrap_or("none");
        vec![Cell::text(&*self.name), Cell::text(document), Cell::text(&*self.execution_state), Cell::number(memory)]
    }
}

/// The titles of [`Counted::cells`].
pub const TITLES: [&str; 4] = ["kernel", "document", "state", "memory"];

/// The kernels as a table for a terminal.
pub fn table(kernels: &[Counted]) -> String {
    let mut table = Table::new(TITLES);
    kernels.iter().for_each(|kernel| table.push(kernel.cells()));
    table.to_text(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_kernel_is_told_by_its_document() {
        let model = serde_json::json!({"id": "1", "name": "minerva", "execution_state": "busy"});
        let documents = [("a.ipynb".to_owned(), "2".to_owned()), ("b.ipynb".to_owned(), "1".to_owned())];
        let mut kernel = counted(&model, Some(7), &documents);
        kernel.memory = Some(1_700_000);
        assert_eq!(kernel.document.as_deref(), Some("b.ipynb"));
        let text = table(&[kernel]);
        assert!(text.contains("memory") && text.contains("b.ipynb") && text.contains("1.7 MB"), "{text}");
    }
}
