//! A notebook while it is executed: at any moment what it is, with the outputs so far.

use super::file::{Notebook, insert};
use super::outputs::Outputs;
use crate::session::CellError;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The notebook, which its cells' events, the front end and a signal that ends it have in common.
pub type Shared = Arc<Mutex<Running>>;

/// The state; what a panic left behind is still the state.
pub fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A notebook, where it goes, and what its cells have shown.
pub struct Running {
    notebook: Notebook,
    target: PathBuf,
    /// What the cells have shown.
    pub outputs: Outputs,
    /// Cells that ran, by their place in the notebook: their number among the outputs and their count; `None` for one
    /// without code.
    executed: Vec<(usize, Option<(usize, u32)>)>,
    /// A cell runs.
    busy: bool,
}

impl Running {
    /// A notebook of which no cell has run.
    pub fn new(notebook: Notebook, target: PathBuf) -> Self {
        Self { notebook, target, outputs: Outputs::default(), executed: Vec::new(), busy: false }
    }

    /// Cell `index` as the file has it.
    pub fn cell(&self, index: usize) -> Option<Value> {
        self.notebook.cells().get(index).cloned()
    }

    /// Cell `index` has no code.
    pub fn skip(&mut self, index: usize) {
        self.executed.push((index, None));
    }

    /// Cell `index` begins, the `count`-th that runs.
    pub fn begin(&mut self, index: usize, count: u32) {
        let number = self.outputs.begin();
        self.executed.push((index, Some((number, count))));
        self.busy = true;
    }

    /// The running cell has ended.
    pub fn end(&mut self) {
        self.busy = false;
    }

    /// Writes the notebook with the outputs so far, and returns it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self) -> Result<Notebook, String> {
        let mut notebook = self.notebook.clone();
        for (index, ran) in &self.executed {
            let Some(cell) = notebook.cells_mut().get_mut(*index).and_then(Value::as_object_mut) else { continue };
            let (shown, count) = match ran {
                Some((number, count)) => (self.outputs.to_json(*number), json!(count)),
                None => (json!([]), Value::Null),
            };
            insert(cell, "execution_count", count);
            insert(cell, "outputs", shown);
        }
        notebook.sign();
        notebook.write(&self.target)?;
        Ok(notebook)
    }

    /// Writes the notebook because the program is ended while a cell does not let go.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn abandon(&mut self) -> Result<Notebook, String> {
        if std::mem::take(&mut self.busy) {
            let text = "stopped before it had ended: it did not answer the signal that ended the program";
            self.outputs.error(&CellError::plain("Interrupted", text));
        }
        self.write()
    }
}
