//! The pre-tokenizers of GGUF vocabularies: how a text is cut into words before byte pairs are merged.
//!
//! A GGUF file names its pre-tokenizer in `tokenizer.ggml.pre`. The names and the rules are facts of the models, as
//! llama.cpp (`llama-vocab.cpp`) records them; where llama.cpp departs from a model's own `tokenizer.json`, the table
//! follows llama.cpp, because that is what GGUF files are used with.

use crate::error::{Error, Result, nearest};
use std::path::Path;

/// One step of a pre-tokenizer: it cuts each piece that the steps before left into smaller ones.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Matches of the alternatives are pieces, and so is what lies between them. `\p{…}` classes are llama.cpp's: the
    /// letter classes (`\p{Lu}` and the like) are not told apart.
    Regex(&'static [&'static str]),
    /// Numbers become groups of three counted from the right: `1234567` is `1`, `234`, `567`.
    Thousands,
    /// Runs of newlines and runs of anything else.
    Lines,
    /// Kimi's words: as GPT-4o's, with Han characters apart.
    Kimi,
}

/// A pre-tokenizer.
#[derive(Debug)]
pub(super) struct Pre {
    /// The names that files use for it.
    pub names: &'static [&'static str],
    /// Its steps, in order.
    pub stages: &'static [Stage],
    /// Whether the vocabulary spells bytes as GPT-2 does; otherwise it holds plain UTF-8 and `<0xNN>` tokens.
    pub byte_encode: bool,
    /// Whether a space is written `▁` (U+2581).
    pub escape_whitespaces: bool,
    /// Whether a word that is a token is that token, without merging.
    pub ignore_merges: bool,
    /// Whether a run of newlines that is a token is that token.
    pub whole_newlines: bool,
    /// Whether words start at each `▁`, and each line gets one in front (SentencePiece's "Metaspace").
    pub metaspace: bool,
    /// Whether BOS is added unless the file says otherwise.
    pub add_bos: bool,
    /// Whether BOS is added whatever the file says.
    pub force_bos: bool,
    /// Whether there is no BOS unless the file names one.
    pub no_default_bos: bool,
}

use Stage::{Kimi, Lines, Regex, Thousands};

const PLAIN: Pre = Pre {
    names: &[],
    stages: &[],
    byte_encode: true,
    escape_whitespaces: false,
    ignore_merges: false,
    whole_newlines: false,
    metaspace: false,
    add_bos: false,
    force_bos: false,
    no_default_bos: false,
};

// The alternatives that the rules are made of.
const APOS: &str = r"'s|'t|'re|'ve|'m|'ll|'d";
const APOS_ANY: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const WORD: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+";
const DIGIT: &str = r"\p{N}";
const DIGITS: &str = r"\p{N}+";
const DIGITS3: &str = r"\p{N}{1,3}";
const PUNCTUATION: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*";
const PUNCTUATION_SLASH: &str = r" ?[^\s\p{L}\p{N}]+[\r\n/]*";
const NEWLINES: &str = r"\s*[\r\n]+";
/// Spaces up to the last one before a word: that one belongs to the word.
const SPACES_BEFORE: &str = r"\s+(?!\S)";
const SPACES: &str = r"\s+";
const GPT2: Stage = Regex(&[APOS, r" ?\p{L}+", r" ?\p{N}+", r" ?[^\s\p{L}\p{N}]+", SPACES_BEFORE]);
const LLAMA3: Stage = Regex(&[APOS_ANY, WORD, DIGITS3, PUNCTUATION, NEWLINES, SPACES_BEFORE, SPACES]);
const QWEN2: Stage = Regex(&[APOS_ANY, WORD, DIGIT, PUNCTUATION, NEWLINES, SPACES_BEFORE, SPACES]);

const CJK: &str = r"[一-龥぀-ゟ゠-ヿ]+";
const PUNCTUATED_WORD: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##;
const MARKED_WORD: &str = r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+";
const DEEPSEEK3: Stage =
    Regex(&[PUNCTUATED_WORD, MARKED_WORD, r" ?[\p{P}\p{S}]+[\r\n]*", NEWLINES, SPACES_BEFORE, SPACES]);

// Words told apart by case, `HelloWorld` being two. The classes that llama.cpp spells as look-aheads are
// intersections here: among letters and marks only ASCII has a case.
const CASED_1: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+";
const CASED_2: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*";
const CASED_APOS_1: &str =
    r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
const CASED_APOS_2: &str =
    r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
const CASED_MARKED_1: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^a-z]]*[\p{L}\p{M}&&[^A-Z]]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
const CASED_MARKED_2: &str = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}&&[^a-z]]+[\p{L}\p{M}&&[^A-Z]]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
// Where the rule names the letter classes, llama.cpp sees one class of letters.
const UNCASED_1: &str =
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]*[\p{L}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
const UNCASED_2: &str =
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+[\p{L}\p{M}]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
const BLOOM: Stage = Regex(&[r" ?[^(\s|.,!?…。，、।۔،)]+"]);

/// Every pre-tokenizer.
#[rustfmt::skip]
static TABLE: &[Pre] = &[
    // "default" must come first: it is what a file without a name gets.
    Pre { names: &["default"], stages: &[Regex(&[r"[\p{P}\$\+<=>\^~\|]+"]), GPT2, Regex(&[DIGITS]), Regex(&["[0-9][0-9][0-9]"])], ..PLAIN },
    Pre { names: &["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"], stages: &[LLAMA3], ignore_merges: true, add_bos: true, ..PLAIN },
    Pre { names: &["dbrx", "smaug-bpe"], stages: &[LLAMA3], ..PLAIN },
    Pre { names: &["chatglm-bpe"], stages: &[LLAMA3], no_default_bos: true, ..PLAIN },
    Pre { names: &["glm4", "glm5"], stages: &[LLAMA3], no_default_bos: true, ignore_merges: true, ..PLAIN },
    Pre { names: &["jais-2"], stages: &[Regex(&[APOS_ANY, WORD, DIGITS3, PUNCTUATION, NEWLINES, r"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"])], ..PLAIN },
    Pre { names: &["gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert", "exaone4", "mpt", "olmo", "jais", "trillion", "granite-docling", "jina-v1-en", "jina-v2-code", "roberta-bpe"], stages: &[GPT2], ..PLAIN },
    Pre { names: &["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"], stages: &[Regex(&[DIGIT]), GPT2], ..PLAIN },
    Pre { names: &["falcon"], stages: &[Regex(&[r"[\p{P}\$\+<=>\^~\|`]+"]), GPT2, Regex(&["[0-9][0-9][0-9]"])], ..PLAIN },
    Pre { names: &["stablelm2", "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "hunyuan", "solar-open", "grok-2"], stages: &[QWEN2], ..PLAIN },
    Pre { names: &["qwen35"], stages: &[Regex(&[APOS_ANY, r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+", DIGIT, r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*", NEWLINES, SPACES_BEFORE, SPACES])], ..PLAIN },
    Pre { names: &["ufakzeka"], stages: &[Regex(&[WORD, DIGIT, PUNCTUATION, NEWLINES, SPACES_BEFORE, SPACES])], ..PLAIN },
    Pre { names: &["laguna"], stages: &[Lines, QWEN2], ..PLAIN },
    Pre { names: &["minicpm5"], stages: &[Regex(&[DIGITS3]), Regex(&[APOS_ANY, WORD, DIGITS, PUNCTUATION, NEWLINES, SPACES_BEFORE, SPACES])], ignore_merges: true, ..PLAIN },
    Pre { names: &["seed-coder"], stages: &[Regex(&[APOS_ANY, WORD, DIGIT, r" ?[^\s\p{L}\p{N}\r\n]+", NEWLINES, SPACES_BEFORE, SPACES])], ..PLAIN },
    Pre { names: &["bailingmoe", "bailingmoe2", "llada-moe"], stages: &[Regex(&["'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])", WORD, DIGIT, PUNCTUATION, r"\s*[\r\n]", SPACES_BEFORE, SPACES])], ..PLAIN },
    Pre { names: &["exaone-moe"], stages: &[Regex(&[APOS_ANY, r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+", DIGIT, r" ?[^\s\p{L}\p{N}]+[\r\n/]?", r"\s*[\r\n]", SPACES_BEFORE, SPACES])], ..PLAIN },
    Pre { names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"], stages: &[Regex(&[DIGITS3]), Regex(&[CJK]), DEEPSEEK3], ..PLAIN },
    Pre { names: &["spark2_5"], stages: &[Regex(&[DIGITS3]), Regex(&[CJK]), Regex(&[PUNCTUATED_WORD, MARKED_WORD, r" ?[\p{P}\p{S}]+", r"[\r\n]", SPACES_BEFORE, SPACES]), Regex(&[DIGIT])], ..PLAIN },
    Pre { names: &["afmoe"], stages: &[Thousands, Regex(&[r"[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+"]), DEEPSEEK3], ..PLAIN },
    Pre { names: &["deepseek-llm"], stages: &[Regex(&[r"[\r\n]"]), Regex(&[r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"]), Regex(&[r"\s?[!-/:-~！-／：-～‘-‟　-。]+"]), Regex(&[r"\s+$"]), Regex(&[r"[一-龥ࠀ-一가-퟿]+"]), Regex(&[DIGITS])], ..PLAIN },
    Pre { names: &["deepseek-coder"], stages: &[Regex(&[r"[\r\n]"]), Regex(&[r"\s?\p{L}+"]), Regex(&[r"\s?\p{P}+"]), Regex(&[r"[一-龥ࠀ-一가-퟿]+"]), Regex(&[DIGIT])], ..PLAIN },
    Pre { names: &["youtu"], stages: &[Regex(&[r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+"]), Regex(&[UNCASED_1, UNCASED_2, DIGIT, PUNCTUATION_SLASH, NEWLINES, SPACES_BEFORE, SPACES])], ignore_merges: true, ..PLAIN },
    Pre { names: &["tiny_aya", "cohere2moe"], stages: &[Thousands, Regex(&[UNCASED_1, UNCASED_2, DIGITS3, PUNCTUATION_SLASH, NEWLINES, SPACES_BEFORE, SPACES])], ..PLAIN },
    Pre { names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], stages: &[Regex(&[CASED_APOS_1, CASED_APOS_2, DIGITS3, PUNCTUATION_SLASH, NEWLINES, SPACES_BEFORE, SPACES])], ..PLAIN },
    Pre { names: &["granite-embed-multi-97m"], stages: &[Regex(&[CASED_MARKED_1, CASED_MARKED_2, DIGITS3, PUNCTUATION_SLASH, NEWLINES, SPACES_BEFORE, SPACES])], ignore_merges: true, ..PLAIN },
    Pre { names: &["tekken"], stages: &[Regex(&[CASED_1, CASED_2, DIGIT, PUNCTUATION_SLASH, NEWLINES, SPACES_BEFORE, SPACES])], ignore_merges: true, add_bos: true, ..PLAIN },
    Pre { names: &["kimi-k2"], stages: &[Kimi], ..PLAIN },
    Pre { names: &["poro-chat", "bloom", "gpt3-finnish"], stages: &[BLOOM], ..PLAIN },
    Pre { names: &["viking"], stages: &[BLOOM, Regex(&[DIGIT])], ..PLAIN },
    Pre { names: &["superbpe"], stages: &[Regex(&[DIGITS]), Regex(&["(?=([0-9]{3})+(?![0-9]))"])], ..PLAIN },
    Pre { names: &["chameleon"], stages: &[Regex(&["<sentinel:[0-9]+>"]), Regex(&["IMGIMG[A-I]{1,4}Z"]), Regex(&[r"[\t\n]|    |  "]), Regex(&[DIGIT]), Regex(&[r"[\p{P}!-/:-@\[-`{-~]"]), GPT2], add_bos: true, ..PLAIN },
    Pre { names: &["gemma4", "granite-embed-multi-311m"], stages: &[Lines], byte_encode: false, escape_whitespaces: true, whole_newlines: true, force_bos: true, ..PLAIN },
    Pre { names: &["sarvam-moe"], stages: &[Lines], byte_encode: false, escape_whitespaces: true, ..PLAIN },
    Pre { names: &["mmbert"], stages: &[Lines], byte_encode: false, escape_whitespaces: true, whole_newlines: true, metaspace: true, ..PLAIN },
    Pre { names: &["whitespace"], stages: &[Regex(&[r"\S+"])], byte_encode: false, ..PLAIN },
];

/// Every name that `tokenizer.ggml.pre` may have, the default first.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|pre| pre.names.iter().copied())
}

/// The pre-tokenizer of that name. `None` or an empty name is what old files have: the default.
pub(super) fn find(name: Option<&str>, path: &Path) -> Result<&'static Pre> {
    let wanted = name.filter(|n| !n.is_empty()).unwrap_or("default");
    TABLE.iter().find(|pre| pre.names.contains(&wanted)).ok_or_else(|| {
        let near = nearest(wanted, names()).map(|n| format!("; the nearest known name is {n:?}")).unwrap_or_default();
        Error::unsupported(
            format!("{}: unknown pre-tokenizer {wanted:?} (tokenizer.ggml.pre){near}", path.display()),
            "the model may be newer than this build: update, or load the model from its Hugging Face folder \
             (safetensors and tokenizer.json), which needs no such name",
        )
    })
}
