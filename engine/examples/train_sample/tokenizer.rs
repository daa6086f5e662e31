//! Trains the tokenizer: byte-level BPE that splits text as GPT-2 does, so that llama.cpp's pre-tokenizer `gpt-2` is the same.

use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Model, Tokenizer, TokenizerBuilder};

/// Begins every text, and ends it.
pub const BOS_TEXT: &str = "<|endoftext|>";

/// Its id: special tokens come first.
pub const BOS: u32 = 0;

/// Tokens in all.
const VOCABULARY: usize = 1024;

/// Learns merges from `text`.
pub fn train(text: &str) -> Result<Tokenizer, Box<dyn std::error::Error>> {
    let byte_level = ByteLevel::new(false, true, true);
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(VOCABULARY)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(BOS_TEXT, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut tokenizer = TokenizerBuilder::<BPE, tokenizers::NormalizerWrapper, _, _, _>::default()
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(byte_level))
        .with_post_processor(Some(byte_level))
        .with_decoder(Some(byte_level))
        .build()
        .map_err(|e| e.to_string())?;
    tokenizer.train(&mut trainer, text.split_inclusive("\n\n").map(str::to_owned)).map_err(|e| e.to_string())?;
    let mut tokenizer: Tokenizer =
        tokenizer.to_string(false).map_err(|e| e.to_string())?.parse().map_err(|e: tokenizers::Error| e.to_string())?;
    let begin = TemplateProcessing::builder()
        .try_single(format!("{BOS_TEXT} $A"))?
        .try_pair(format!("{BOS_TEXT} $A {BOS_TEXT} $B:1"))?
        .special_tokens(vec![(BOS_TEXT, BOS)])
        .build()?;
    tokenizer.with_post_processor(Some(begin));
    assert_eq!(tokenizer.get_model().token_to_id(BOS_TEXT), Some(BOS), "the special token comes first");
    Ok(tokenizer)
}
