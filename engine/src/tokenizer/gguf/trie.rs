//! A trie over bytes, for the algorithms that look for every token at a place.

use crate::Token;
use std::collections::HashMap;

/// A set of byte strings, each with a token.
#[derive(Debug, Default)]
pub(super) struct Trie {
    children: HashMap<(u32, u8), u32>,
    tokens: HashMap<u32, Token>,
    nodes: u32,
}

impl Trie {
    /// Adds a string; a later one of the same text replaces its token.
    pub fn insert(&mut self, text: &[u8], token: Token) {
        let mut node = 0;
        for &byte in text {
            node = *self.children.entry((node, byte)).or_insert_with(|| {
                self.nodes += 1;
                self.nodes
            });
        }
        self.tokens.insert(node, token);
    }

    /// Every string of the set that `text` starts with, shortest first: its length and token.
    pub fn prefixes<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, Token)> + 'a {
        let mut node = 0;
        text.iter()
            .map_while(move |&byte| {
                node = *self.children.get(&(node, byte))?;
                Some(node)
            })
            .zip(1..)
            .filter_map(|(node, length)| Some((length, *self.tokens.get(&node)?)))
    }

    /// The length of the longest start of `text` that is the start of any string of the set.
    pub fn path(&self, text: &[u8]) -> usize {
        let mut node = 0;
        text.iter()
            .take_while(|&&byte| match self.children.get(&(node, byte)) {
                Some(&child) => {
                    node = child;
                    true
                }
                None => false,
            })
            .count()
    }
}
