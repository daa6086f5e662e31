//! A sequence of tokens in a context's cache.

use super::context::{Context, Decoded, State};
use super::load::Model;
use crate::Token;
use crate::backend::{Logits, Rows, Sequence};
use crate::control::{Control, Interrupt};
use crate::error::{Error, Result};
use std::sync::Arc;

/// A sequence. It shares its context, and the cells of common tokens, with the sequences forked from it, until they need
/// more room than the context has; then the one that runs out moves to a context of its own.
pub struct LlamaSequence {
    context: Arc<Context>,
    id: i32,
    tokens: Vec<Token>,
    /// The cache holds nothing of `tokens`: it could not forget a part (recurrent models) and was emptied. The next feed
    /// fills it again.
    stale: bool,
}

impl LlamaSequence {
    /// An empty sequence in a new context.
    pub fn new(model: Arc<Model>) -> Result<Self> {
        Self::in_context(Context::new(model)?, Vec::new())
    }

    fn in_context(context: Arc<Context>, tokens: Vec<Token>) -> Result<Self> {
        let id = context.lock().take_id();
        match id {
            Some(id) => Ok(Self { context, id, tokens, stale: false }),
            None => Err(Error::backend(super::NAME, "a new context has no room for a sequence")),
        }
    }

    /// The same contents in a context of its own, copied.
    fn copy_out(&self) -> Result<Self> {
        let bytes = match self.stale || self.tokens.is_empty() {
            true => None,
            false => Some(self.context.lock().save(self.id)?),
        };
        let mut copy = Self::in_context(Context::new(self.context.model().clone())?, self.tokens.clone())?;
        match bytes {
            Some(bytes) => copy.context.lock().restore(copy.id, &bytes)?,
            None => copy.stale = !self.tokens.is_empty(),
        }
        Ok(copy)
    }

    /// Moves this sequence to a context of its own.
    fn move_out(&mut self) -> Result<()> {
        let mut moved = self.copy_out()?;
        // What is swapped away drops: its cells in the old context are free again.
        std::mem::swap(self, &mut moved);
        Ok(())
    }

    /// Feeds `tokens`, all of them checked, and collects the rows wanted.
    fn run(&mut self, tokens: &[Token], rows: Rows, interrupt: &Interrupt, out: &mut Vec<f32>) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = tokens.get(done..).filter(|rest| !rest.is_empty()) {
            interrupt.check()?;
            let start = self.tokens.len();
            let step = self.context.model().steps().tokens(start, rows).min(rest.len());
            let (now, later) = rest.split_at(step);
            let last = if later.is_empty() { Some(step - 1) } else { None };
            let wanted = |i: usize| match rows {
                Rows::None => false,
                Rows::Last => Some(i) == last,
                Rows::All => true,
            };
            let context = self.context.clone();
            let mut state = context.lock_interruptibly(interrupt)?;
            let outcome = state.decode(self.id, start, now, wanted, interrupt);
            match outcome {
                Ok(Decoded::Done) => {}
                Ok(Decoded::Full) => {
                    drop(state);
                    // Ours is then the only handle where no fork shares the context.
                    drop(context);
                    self.leave_full_context(start + step)?;
                    continue;
                }
                Ok(Decoded::Aborted) => {
                    self.settle(&mut state);
                    return Err(Error::Interrupted);
                }
                Err(e) => {
                    self.settle(&mut state);
                    return Err(e);
                }
            }
            let count = (0..step).filter(|&i| wanted(i)).count();
            if count > 0 {
                let vocab = self.context.model().vocab();
                let read = state.logits(count).and_then(|values| {
                    finite(values, vocab, start + step - count)?;
                    out.extend_from_slice(values);
                    Ok(())
                });
                if let Err(e) = read {
                    self.settle(&mut state);
                    return Err(e);
                }
            }
            self.tokens.extend_from_slice(now);
            done += step;
        }
        Ok(())
    }

    /// The forks in this context fill it: a context of its own has room.
    fn leave_full_context(&mut self, needed: usize) -> Result<()> {
        if Arc::strong_count(&self.context) > 1 {
            return self.move_out();
        }
        let context = self.context.model().context();
        Err(Error::ContextOverflow { tokens: needed, context })
    }

    /// Brings the cache back to what `tokens` says, after a decode that did not succeed.
    fn settle(&mut self, state: &mut State) {
        let len = self.tokens.len();
        if state.usable().is_err() {
            // Nobody may ask a context that an assertion left half done.
            self.stale = len > 0;
            return;
        }
        if !state.remove_from(self.id, len) || state.cached(self.id) != len {
            state.remove_from(self.id, 0);
            self.stale = len > 0;
        }
    }

    /// Fills an emptied cache with the tokens it should hold.
    fn refill(&mut self, interrupt: &Interrupt) -> Result<()> {
        let tokens = std::mem::take(&mut self.tokens);
        self.stale = false;
        let outcome = self.run(&tokens, Rows::None, interrupt, &mut Vec::new());
        if outcome.is_err() {
            // Not where it was: empty it again, and leave the work to the next feed.
            self.context.lock().remove_from(self.id, 0);
            self.stale = true;
        }
        self.tokens = tokens;
        outcome
    }
}

impl Sequence for LlamaSequence {
    fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    fn feed(&mut self, tokens: &[Token], rows: Rows, control: &Control) -> Result<Logits> {
        let model = self.context.model().clone();
        let vocab = model.vocab();
        if let Some(bad) = tokens.iter().find(|&&t| t as usize >= vocab) {
            return Err(Error::argument("token", format!("an id below the vocabulary's {vocab}"), bad.to_string()));
        }
        let total = self.tokens.len().saturating_add(tokens.len());
        if total > model.context() {
            return Err(Error::ContextOverflow { tokens: total, context: model.context() });
        }
        if self.stale && !tokens.is_empty() {
            self.refill(&control.interrupt)?;
        }
        let expected = match rows {
            Rows::None => 0,
            Rows::Last => tokens.len().min(1),
            Rows::All => tokens.len(),
        };
        let mut out = Vec::with_capacity(expected * vocab);
        self.run(tokens, rows, &control.interrupt, &mut out)?;
        Logits::new(out, vocab)
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        if len > self.tokens.len() {
            let expected = format!("at most the {} tokens there are", self.tokens.len());
            return Err(Error::argument("truncate", expected, len.to_string()));
        }
        if len == self.tokens.len() {
            return Ok(());
        }
        self.tokens.truncate(len);
        if self.stale {
            self.stale = len > 0;
            return Ok(());
        }
        let context = self.context.clone();
        let mut state = context.lock();
        self.settle(&mut state);
        Ok(())
    }

    fn fork(&self) -> Result<Box<dyn Sequence>> {
        let mut state = self.context.lock();
        if let Some(id) = state.take_id() {
            // Owned before anything can fail, so that the id is given back.
            let fork = Self { context: self.context.clone(), id, tokens: self.tokens.clone(), stale: self.stale };
            let shared = state.share(self.id, id);
            drop(state);
            return shared.map(|()| Box::new(fork) as Box<dyn Sequence>);
        }
        drop(state);
        Ok(Box::new(self.copy_out()?))
    }
}

impl Drop for LlamaSequence {
    fn drop(&mut self) {
        self.context.lock().release(self.id);
    }
}

impl std::fmt::Debug for LlamaSequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlamaSequence").field("id", &self.id).field("len", &self.tokens.len()).finish_non_exhaustive()
    }
}

/// Refuses rows with NaN or +inf in them; -inf is how some models mask tokens.
fn finite(values: &[f32], vocab: usize, first_position: usize) -> Result<()> {
    // Without a branch per value, so that it vectorizes: it runs for every token.
    let bad = |row: &[f32]| row.iter().fold(false, |bad, v| bad | v.is_nan() | (*v == f32::INFINITY));
    if !bad(values) {
        return Ok(());
    }
    let row = values.chunks(vocab.max(1)).position(bad).unwrap_or(0);
    Err(Error::Numeric(format!(
        "the logits at position {} are not numbers (NaN or infinite)\nhelp: the file's weights are damaged, or overflow \
         in this precision; open(path).tensors() and t.stats() show which",
        first_position + row
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_infinity_are_refused_and_a_mask_is_not() {
        assert!(finite(&[0.0, 1.0, f32::NEG_INFINITY, 2.0], 2, 0).is_ok());
        let e = finite(&[0.0, 1.0, f32::NAN, 2.0], 2, 7).map_err(|e| e.to_string());
        assert!(e.is_err_and(|e| e.contains("position 8")));
        assert!(finite(&[f32::INFINITY], 1, 0).is_err());
    }
}
