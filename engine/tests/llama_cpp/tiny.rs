//! Small random Llama models as GGUF files, written by our own writer and read by llama.cpp.

use minerva_engine::format::DType;
use minerva_engine::format::gguf::{Value, Writer};
use std::path::Path;

/// The shape of a model.
#[derive(Clone, Copy)]
pub struct Tiny {
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub feed_forward: usize,
    pub vocab: usize,
    pub context: u32,
}

pub const TINY: Tiny =
    Tiny { hidden: 64, layers: 2, heads: 4, kv_heads: 2, feed_forward: 96, vocab: 101, context: 2048 };

/// Numbers that look random and are the same everywhere.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f32 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    pub fn tokens(&mut self, n: usize, vocab: usize) -> Vec<u32> {
        (0..n).map(|_| (((self.next() + 0.5) * vocab as f32) as u32).min(vocab as u32 - 1)).collect()
    }
}

impl Tiny {
    /// The metadata llama.cpp asks for.
    pub fn metadata(&self) -> Vec<(String, Value)> {
        let n = |v: usize| Value::U32(v as u32);
        [
            ("general.architecture", Value::String("llama".into())),
            ("general.name", Value::String("Tiny".into())),
            ("llama.context_length", Value::U32(self.context)),
            ("llama.embedding_length", n(self.hidden)),
            ("llama.block_count", n(self.layers)),
            ("llama.feed_forward_length", n(self.feed_forward)),
            ("llama.attention.head_count", n(self.heads)),
            ("llama.attention.head_count_kv", n(self.kv_heads)),
            ("llama.rope.dimension_count", n(self.hidden / self.heads)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
            ("llama.vocab_size", n(self.vocab)),
            ("tokenizer.ggml.model", Value::String("no_vocab".into())),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .to_vec()
    }

    /// Names and shapes of the weights.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let kv = self.hidden / self.heads * self.kv_heads;
        let mut all = vec![
            ("token_embd.weight".to_owned(), vec![self.vocab, self.hidden]),
            ("output_norm.weight".to_owned(), vec![self.hidden]),
            ("output.weight".to_owned(), vec![self.vocab, self.hidden]),
        ];
        for i in 0..self.layers {
            let mut add = |name: &str, shape: &[usize]| all.push((format!("blk.{i}.{name}.weight"), shape.to_vec()));
            add("attn_norm", &[self.hidden]);
            add("attn_q", &[self.hidden, self.hidden]);
            add("attn_k", &[kv, self.hidden]);
            add("attn_v", &[kv, self.hidden]);
            add("attn_output", &[self.hidden, self.hidden]);
            add("ffn_norm", &[self.hidden]);
            add("ffn_gate", &[self.feed_forward, self.hidden]);
            add("ffn_up", &[self.feed_forward, self.hidden]);
            add("ffn_down", &[self.hidden, self.feed_forward]);
        }
        all
    }

    /// Writes the model; `change` may alter metadata, and `weights` a tensor's values.
    pub fn write_with(
        &self,
        path: &Path,
        change: impl FnOnce(&mut Vec<(String, Value)>),
        weights: impl Fn(&str, &mut Vec<f32>),
    ) {
        let mut metadata = self.metadata();
        change(&mut metadata);
        let mut writer = Writer::new();
        for (key, value) in metadata {
            writer.metadata(&key, value).unwrap();
        }
        let mut noise = Noise(1);
        for (name, shape) in self.shapes() {
            let n: usize = shape.iter().product();
            let mut values: Vec<f32> =
                if shape.len() == 1 { vec![1.0; n] } else { (0..n).map(|_| noise.next() * 0.4).collect() };
            weights(&name, &mut values);
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            writer.tensor(&name, DType::F32, &shape, bytes).unwrap();
        }
        writer.write(path).unwrap();
    }

    pub fn write(&self, path: &Path) {
        self.write_with(path, |_| {}, |_, _| {});
    }
}

/// Replaces or adds a value.
pub fn set(metadata: &mut Vec<(String, Value)>, key: &str, value: Value) {
    match metadata.iter_mut().find(|(k, _)| k == key) {
        Some(pair) => pair.1 = value,
        None => metadata.push((key.to_owned(), value)),
    }
}
