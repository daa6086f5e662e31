//! SentencePiece's precompiled character map: a double array of prefixes, XOR-compressed, and their replacements.
//! Layout: Kanda, "Space- and Time-Efficient String Dictionaries" (2018).

use super::keys::Keys;
use crate::error::Result;

/// A character map.
#[derive(Debug)]
pub(super) struct CharsMap {
    nodes: Vec<u32>,
    /// NUL-terminated replacements.
    replacements: Vec<u8>,
}

impl CharsMap {
    /// Reads the map of a vocabulary; `None` when it has none.
    pub fn read(keys: Keys<'_>) -> Result<Option<Self>> {
        let key = "tokenizer.ggml.precompiled_charsmap";
        let Some(values) = keys.array(key)? else { return Ok(None) };
        if values.is_empty() {
            return Ok(None);
        }
        let bytes: Vec<u8> = values
            .iter()
            .map(|v| v.as_i64().filter(|n| (-128..256).contains(n)).map(|n| n as u8))
            .collect::<Option<_>>()
            .ok_or_else(|| keys.bad(format!("{key}: expected bytes")))?;
        let split = bytes.split_first_chunk::<4>().and_then(|(size, rest)| {
            let size = u32::from_le_bytes(*size) as usize;
            (size < rest.len()).then(|| rest.split_at(size))
        });
        let Some((nodes, replacements)) = split else {
            return Err(keys.bad(format!("{key}: {} bytes are fewer than its header promises", bytes.len())));
        };
        let nodes =
            nodes.chunks_exact(4).map(|b| b.iter().rev().fold(0, |n, &byte| n << 8 | u32::from(byte))).collect();
        Ok(Some(Self { nodes, replacements: replacements.to_vec() }))
    }

    /// The replacement of the longest known start of `text`, and the length of that start. `None` where nothing is
    /// replaced, and where a damaged map points outside itself.
    pub fn longest(&self, text: &[u8]) -> Option<(&[u8], usize)> {
        let mut node = base(self.node(0)?);
        let mut found = None;
        for (length, &byte) in (1..).zip(text.iter().take_while(|&&b| b != 0)) {
            node ^= u32::from(byte);
            let Some(packed) = self.node(node) else { break };
            // The check: bit 31 marks a value, the low byte says which byte leads here.
            if packed & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            node ^= base(packed);
            if packed >> 8 & 1 == 1 {
                let Some(value) = self.node(node) else { break };
                found = Some((value & !(1 << 31), length));
            }
        }
        let (offset, length) = found?;
        let replacement = self.replacements.get(offset as usize..)?;
        let end = replacement.iter().position(|&b| b == 0)?;
        Some((replacement.get(..end)?, length))
    }

    fn node(&self, index: u32) -> Option<u32> {
        self.nodes.get(index as usize).copied()
    }
}

/// Where the children of a node lie: bits 10 to 30, times 256 when bit 9 is set.
fn base(packed: u32) -> u32 {
    (packed >> 10) << ((packed & 1 << 9) >> 6)
}
