//! The tokenizer that the rest of the engine sees, whatever file it came from.

use super::chat::{self, ChatOptions, Templates};
use super::gguf::GgufTokenizer;
use super::hub::HubTokenizer;
use super::stream::TextStream;
use crate::Token;
use crate::error::{Error, Result};
use crate::format::Metadata;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encode {
    /// Adds what the model was trained to see around a text: BOS, EOS, `[CLS]` and the like, where the tokenizer says so.
    pub add_special: bool,
    /// Reads `<|im_end|>` and its kind as the tokens they name, not as characters.
    pub parse_special: bool,
}

impl Encode {
    /// A text alone: nothing is added, and special tokens are characters.
    pub const PLAIN: Self = Self { add_special: false, parse_special: false };
    /// A text for a model: special tokens are added and read.
    pub const PROMPT: Self = Self { add_special: true, parse_special: true };
    /// The middle of a text for a model: special tokens are read, none is added.
    pub const PART: Self = Self { add_special: false, parse_special: true };
}

impl Default for Encode {
    fn default() -> Self {
        Self::PROMPT
    }
}

/// A tokenizer. Cheap to clone, and safe to share between threads.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    source: PathBuf,
    kind: Arc<Kind>,
    templates: Templates,
    end_of_generation: BTreeSet<Token>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Gguf(Box<GgufTokenizer>),
    Hub(Box<HubTokenizer>),
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. `tokenizer_config` is the parsed `tokenizer_config.json` beside it: it names BOS and
    /// EOS and holds the chat template; without it both are guessed from the tokens' texts, and there is no template.
    pub fn from_file(path: impl AsRef<Path>, tokenizer_config: Option<&Value>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::from_json_bytes(&bytes, path, tokenizer_config)
    }

    /// Reads a `tokenizer.json` that is already in memory. `path` names it in errors.
    pub fn from_json_bytes(bytes: &[u8], path: impl AsRef<Path>, tokenizer_config: Option<&Value>) -> Result<Self> {
        let path = path.as_ref();
        let hub = HubTokenizer::read(bytes, path, tokenizer_config)?;
        let templates = tokenizer_config.map(Templates::from_config).unwrap_or_default();
        let end_of_generation = hub.end_of_generation();
        Ok(Self::new(path, Kind::Hub(Box::new(hub)), templates, end_of_generation))
    }

    /// Reads the vocabulary of a GGUF file from its metadata. `path` names the file in errors.
    ///
    /// Tokenizes exactly as llama.cpp does. A vocabulary that contradicts itself is an error, also where llama.cpp
    /// would stop the process.
    pub fn from_gguf(metadata: &Metadata, path: &Path) -> Result<Self> {
        let gguf = GgufTokenizer::read(metadata, path)?;
        let templates = Templates::from_gguf(metadata);
        let end_of_generation = gguf.end_of_generation().clone();
        Ok(Self::new(path, Kind::Gguf(Box::new(gguf)), templates, end_of_generation))
    }

    fn new(path: &Path, kind: Kind, templates: Templates, end_of_generation: BTreeSet<Token>) -> Self {
        Self { inner: Arc::new(Inner { source: path.to_owned(), kind: Arc::new(kind), templates, end_of_generation }) }
    }

    /// The same tokenizer with a chat template, such as the contents of `chat_template.jinja`, as its default.
    #[must_use]
    pub fn with_chat_template(mut self, template: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner).templates.set_default(template.into());
        self
    }

    /// The same tokenizer with more tokens that end a generation, such as `eos_token_id` of `generation_config.json`.
    #[must_use]
    pub fn with_end_of_generation(mut self, ids: impl IntoIterator<Item = Token>) -> Self {
        Arc::make_mut(&mut self.inner).end_of_generation.extend(ids);
        self
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.inner.kind
    }

    /// The tokens of a text.
    pub fn encode(&self, text: &str, options: Encode) -> Result<Vec<Token>> {
        match self.kind() {
            Kind::Gguf(t) => t.encode(text, options.add_special, options.parse_special),
            Kind::Hub(t) => t.encode(text, options.add_special, options.parse_special),
        }
    }

    /// The tokens of a rendered chat: special tokens are read, and BOS is added where the tokenizer adds it unless the
    /// template has already put it there.
    pub fn encode_chat(&self, rendered: &str) -> Result<Vec<Token>> {
        let mut tokens = self.encode(rendered, Encode::PART)?;
        if let Some(bos) = self.bos().filter(|_| self.add_bos())
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// The text of tokens. Bytes that are no UTF-8 become U+FFFD. With `skip_special`, special tokens are left out.
    /// The space that SentencePiece puts before a text is taken away again. An id outside the vocabulary is an error.
    pub fn decode(&self, ids: &[Token], skip_special: bool) -> Result<String> {
        match self.kind() {
            Kind::Gguf(t) => t.decode(ids, skip_special).map(|b| String::from_utf8_lossy(&b).into_owned()),
            Kind::Hub(t) => t.decode(ids, skip_special),
        }
    }

    /// The bytes one token adds in the middle of a text: a part of a character is possible. Special tokens give their
    /// name. `None` for a vocabulary whose tokens have no text of their own (WordPiece in `tokenizer.json`).
    pub fn token_bytes(&self, id: Token) -> Result<Option<Vec<u8>>> {
        match self.kind() {
            Kind::Gguf(t) => t.bytes(id, false).map(Some),
            Kind::Hub(t) => t.bytes(id, false),
        }
    }

    /// The vocabulary's own spelling of a token: `Ġhello`, `▁hello`, `<0x0A>`.
    pub fn piece(&self, id: Token) -> Option<String> {
        match self.kind() {
            Kind::Gguf(t) => t.piece(id).map(str::to_owned),
            Kind::Hub(t) => t.piece(id),
        }
    }

    /// The token with this spelling.
    pub fn id(&self, piece: &str) -> Option<Token> {
        match self.kind() {
            Kind::Gguf(t) => t.id(piece),
            Kind::Hub(t) => t.id(piece),
        }
    }

    /// One more than the highest token id.
    pub fn vocab_size(&self) -> usize {
        match self.kind() {
            Kind::Gguf(t) => t.len(),
            Kind::Hub(t) => t.len(),
        }
    }

    /// Beginning of sequence.
    pub fn bos(&self) -> Option<Token> {
        match self.kind() {
            Kind::Gguf(t) => t.bos(),
            Kind::Hub(t) => t.bos(),
        }
    }

    /// End of sequence. A chat may end with another token: see [`Tokenizer::is_end_of_generation`].
    pub fn eos(&self) -> Option<Token> {
        match self.kind() {
            Kind::Gguf(t) => t.eos(),
            Kind::Hub(t) => t.eos(),
        }
    }

    /// Whether encoding with `add_special` puts BOS in front.
    pub fn add_bos(&self) -> bool {
        match self.kind() {
            Kind::Gguf(t) => t.add_bos(),
            Kind::Hub(t) => t.add_bos(),
        }
    }

    /// Whether a token is special: it steers the model and is not text.
    pub fn is_special(&self, id: Token) -> bool {
        match self.kind() {
            Kind::Gguf(t) => t.is_special(id),
            Kind::Hub(t) => t.is_special(id),
        }
    }

    /// Whether a token ends a generation: EOS, and what the tokens' names say (`<|im_end|>`, `<|eot_id|>`, …) by
    /// llama.cpp's rules.
    pub fn is_end_of_generation(&self, id: Token) -> bool {
        self.inner.end_of_generation.contains(&id)
    }

    /// The tokens that end a generation, in ascending order.
    pub fn end_of_generation(&self) -> impl Iterator<Item = Token> + '_ {
        self.inner.end_of_generation.iter().copied()
    }

    /// Turns tokens into text one at a time, as they are generated. Special tokens are left out.
    pub fn stream(&self) -> TextStream {
        TextStream::new(self.clone(), true)
    }

    /// As [`Tokenizer::stream`], with special tokens shown by name.
    pub fn stream_with_special(&self) -> TextStream {
        TextStream::new(self.clone(), false)
    }

    /// An error when the vocabulary has more tokens than the model's embedding has rows. Fewer are common: models pad.
    pub fn check_fits(&self, rows: usize) -> Result<()> {
        let tokens = self.vocab_size();
        if tokens <= rows {
            return Ok(());
        }
        Err(Error::format(
            &self.inner.source,
            format!("the tokenizer has {tokens} tokens, but the model's embedding only {rows} rows"),
        )
        .with_help("this tokenizer belongs to another model: use the one that came with the weights"))
    }

    /// The files that the hub keeps a tokenizer in, by name: `tokenizer.json`, and with roles, chat templates and the
    /// ends of a generation `tokenizer_config.json` and `generation_config.json`.
    ///
    /// # Errors
    /// The tokenizer comes from such files itself, or the hub has no form for its vocabulary.
    pub fn hub_files(&self) -> Result<[(&'static str, Value); 3]> {
        let Kind::Gguf(gguf) = self.kind() else {
            return Err(Error::unsupported("writing a tokenizer that comes from a hub folder", "copy its files"));
        };
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_bos_token": self.add_bos(),
            "clean_up_tokenization_spaces": false,
        });
        for (role, id) in gguf.named_special() {
            config[role] = gguf.piece(id).into();
        }
        if let Some(templates) = self.inner.templates.to_config() {
            config["chat_template"] = templates;
        }
        let ends: Vec<Token> = self.end_of_generation().collect();
        let generation = json!({ "bos_token_id": self.bos(), "eos_token_id": ends });
        let tokenizer = gguf.hub_form(&self.inner.source.display().to_string())?;
        Ok([("tokenizer.json", tokenizer), ("tokenizer_config.json", config), ("generation_config.json", generation)])
    }

    /// The source of the default chat template.
    pub fn chat_template(&self) -> Option<&str> {
        self.inner.templates.default_source()
    }

    /// The text of a conversation as the model's chat template writes it. `messages` are objects with `role` and
    /// `content` and whatever else the template reads. Encode the result with [`Tokenizer::encode_chat`].
    pub fn apply_chat_template(&self, messages: &[Value], options: &ChatOptions) -> Result<String> {
        let special = match self.kind() {
            Kind::Gguf(t) => t
                .named_special()
                .into_iter()
                .filter_map(|(name, id)| Some((name.to_owned(), t.piece(id)?.to_owned())))
                .collect(),
            Kind::Hub(t) => t.named_special().to_vec(),
        };
        let source = self.inner.templates.choose(options, &self.inner.source)?;
        chat::render(source, messages, options, &special, &self.inner.source)
    }
}
