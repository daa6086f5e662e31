//! PyTorch checkpoints as `torch.save` writes them since 1.6: a zip of uncompressed storages and a pickle that says which
//! tensor is where. The tensors are used where they lie in the file; the pickle is read by a machine that knows the few
//! instructions and names that a state_dict needs, and runs nothing.
//!
//! The format: <https://docs.pytorch.org/docs/stable/notes/serialization.html>.

mod archive;
mod file;
mod globals;
mod layout;
mod pickle;
mod problem;
mod state_dict;

#[cfg(test)]
mod pickle_tests;
#[cfg(test)]
mod tests;

pub(super) use archive::{LEGACY_MAGIC, RESAVE};
pub use file::PyTorchFile;
