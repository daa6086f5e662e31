//! The sample model: a small Llama trained on Shakespeare, inside the program, so that a first run needs no download.
//!
//! The same weights come in two forms. Both are files to everything else: [`path`] writes the form asked for into the
//! user's cache and says where.

use crate::error::{Error, Result};
use crate::format::atomic::write_small;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What a script calls the model.
pub const NAME: &str = "sample";

/// How the weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One GGUF file, for either backend.
    Gguf,
    /// A folder in the hub's layout with safetensors weights, for candle.
    Hub,
}

macro_rules! embedded {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../notebooks/sample-model/", $name)).as_slice())
    };
}

static GGUF: &[(&str, &[u8])] = &[embedded!("model.gguf")];

static HUB: &[(&str, &[u8])] = &[
    embedded!("config.json"),
    embedded!("tokenizer.json"),
    embedded!("tokenizer_config.json"),
    embedded!("model.safetensors"),
];

/// The path of the sample model, a file ([`Form::Gguf`]) or a folder ([`Form::Hub`]), written when it is not there yet.
///
/// It lies in `$XDG_CACHE_HOME/minerva` or `~/.cache/minerva`, under a name that tells one version from another. What lies
/// there already is compared with what it should be. Where neither can be written to, it lies in a folder of this process
/// alone among the system's temporary files.
///
/// # Errors
/// None of these places can be written to.
pub fn path(form: Form) -> Result<PathBuf> {
    let mut first = None;
    let caches = places().map(|place| -> Result<PathBuf> { Ok(place.join("minerva")) });
    for cache in caches.chain(std::iter::once_with(private)) {
        match cache.and_then(|cache| path_in(&cache, form)) {
            Ok(path) => return Ok(path),
            Err(e) => first = first.or(Some(e)),
        }
    }
    let error = first.unwrap_or_else(|| Error::unsupported("there is no folder to unpack the sample model to", ""));
    Err(error.with_help("set XDG_CACHE_HOME to a folder that can be written to"))
}

/// As [`path`], inside `cache`.
pub fn path_in(cache: &Path, form: Form) -> Result<PathBuf> {
    let files = match form {
        Form::Gguf => GGUF,
        Form::Hub => HUB,
    };
    let folder = cache.join(format!("sample-{:016x}", fingerprint(files)));
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        if std::fs::read(&path).is_ok_and(|found| found == *bytes) {
            continue;
        }
        // Whole or not at all: another process may be reading or writing the same name.
        write_small(&path, bytes)?;
    }
    Ok(match form {
        Form::Gguf => folder.join("model.gguf"),
        Form::Hub => folder,
    })
}

fn places() -> impl Iterator<Item = PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = variable("HOME").or_else(|| variable("USERPROFILE")).map(|h| h.join(".cache"));
    [variable("XDG_CACHE_HOME").filter(|p| p.is_absolute()), home].into_iter().flatten()
}

/// A temporary folder that this process keeps. Others share the place it lies in: nobody can guess its name, make it
/// beforehand or write into it.
fn private() -> Result<PathBuf> {
    static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut folder = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = &*folder {
        return Ok(made.clone());
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix("minerva-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let made = builder.tempdir().map_err(|e| Error::io(std::env::temp_dir(), e))?.keep();
    Ok(folder.insert(made).clone())
}

/// FNV-1a over names and contents: tells versions apart, protects against nothing.
fn fingerprint(files: &[(&str, &[u8])]) -> u64 {
    let all = files.iter().flat_map(|(name, bytes)| name.bytes().chain(bytes.iter().copied()));
    all.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::backend::candle::{CandleOptions, ConfigSource, load};
    use crate::backend::{Backend, Rows};
    use crate::control::Control;
    use crate::format::TensorFile;
    use crate::format::gguf::GgufFile;
    use crate::format::hub::HubFolder;
    use crate::tokenizer::{Encode, Tokenizer};
    use std::sync::Arc;

    fn gguf(cache: &Path) -> Arc<dyn Backend> {
        let file = Arc::new(GgufFile::open(path_in(cache, Form::Gguf).unwrap()).unwrap());
        load(file, ConfigSource::Gguf, &CandleOptions::default(), &Control::default()).unwrap()
    }

    fn hub(cache: &Path) -> Arc<dyn Backend> {
        let hub = HubFolder::open(path_in(cache, Form::Hub).unwrap()).unwrap();
        let config = ConfigSource::Hub(&hub.config);
        load(hub.weights.clone(), config, &CandleOptions::default(), &Control::default()).unwrap()
    }

    /// Mean negative log-likelihood of each token after the first, in nats.
    fn loss(logits: &crate::backend::Logits, tokens: &[u32]) -> f64 {
        let row = |i: usize| {
            let row = logits.row(i).unwrap();
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = row.iter().map(|v| f64::from(v - top).exp()).sum();
            sum.ln() + f64::from(top - row[tokens[i + 1] as usize])
        };
        (0..tokens.len() - 1).map(row).sum::<f64>() / (tokens.len() - 1) as f64
    }

    #[test]
    fn both_forms_are_the_same_model_and_it_has_learnt_something() {
        let cache = tempfile::tempdir().unwrap();
        let text = "<|endoftext|>".to_owned()
            + "ROMEO:\nWhat say you to the king? I will not speak of it.\n\nJULIET:\nMy lord, I know not what you mean.\n\n";
        let hub_path = path_in(cache.path(), Form::Hub).unwrap();
        let tokenizer = tokenizers::Tokenizer::from_file(hub_path.join("tokenizer.json")).unwrap();
        let tokens = tokenizer.encode(text, false).unwrap().get_ids().to_vec();
        assert_eq!(tokens[0], 0);
        let feed = |backend: Arc<dyn Backend>| {
            backend.sequence().unwrap().feed(&tokens, Rows::All, &Control::default()).unwrap()
        };
        let (a, b) = (feed(gguf(cache.path())), feed(hub(cache.path())));
        let power: f64 = b.data().iter().map(|v| f64::from(*v).powi(2)).sum();
        let error: f64 = a.data().iter().zip(b.data()).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!(error / power < 1e-10, "normalized mean squared error {}", error / power);
        let loss = loss(&a, &tokens);
        assert!(loss < 4.0, "{loss} nats per token where chance is {}", 1024f64.ln());
    }

    #[test]
    fn both_forms_tokenize_alike_and_hold_the_same_chat_template() {
        let cache = tempfile::tempdir().unwrap();
        let hub = HubFolder::open(path_in(cache.path(), Form::Hub).unwrap()).unwrap();
        let config = hub.tokenizer_config.as_ref();
        let hub = Tokenizer::from_file(hub.tokenizer_json.as_ref().unwrap(), config).unwrap();
        let path = path_in(cache.path(), Form::Gguf).unwrap();
        let gguf = Tokenizer::from_gguf(GgufFile::open(&path).unwrap().metadata(), &path).unwrap();
        let texts = ["ROMEO:\nWherefore art thou?", "it's  a 12 tea-spoon…\t\n\n  Ünïcode 🎭 x", "", "<|endoftext|>!"];
        for text in texts {
            for (add_special, parse_special) in [(true, true), (false, false), (true, false)] {
                let options = Encode { add_special, parse_special };
                let (a, b) = (hub.encode(text, options).unwrap(), gguf.encode(text, options).unwrap());
                assert_eq!(a, b, "{text:?} {options:?}");
                assert_eq!(hub.decode(&a, true).unwrap(), gguf.decode(&b, true).unwrap());
            }
        }
        assert_eq!((hub.bos(), hub.add_bos()), (gguf.bos(), gguf.add_bos()));
        assert!(gguf.add_bos() && gguf.is_end_of_generation(0) && hub.is_end_of_generation(0));
        assert!(gguf.chat_template().is_some_and(|t| hub.chat_template() == Some(t)));
    }

    #[cfg(feature = "llama-cpp")]
    #[test]
    fn llama_cpp_computes_the_same() {
        use crate::backend::llama_cpp;
        let cache = tempfile::tempdir().unwrap();
        let file = GgufFile::open(path_in(cache.path(), Form::Gguf).unwrap()).unwrap();
        let theirs = llama_cpp::load(&file, &llama_cpp::LlamaOptions::default(), &Control::default()).unwrap();
        let tokens: Vec<u32> = (0..200).map(|i| i * 37 % 1024).collect();
        let feed = |backend: Arc<dyn Backend>| {
            backend.sequence().unwrap().feed(&tokens, Rows::All, &Control::default()).unwrap().into_data()
        };
        let (ours, theirs) = (feed(hub(cache.path())), feed(theirs));
        let power: f64 = ours.iter().map(|v| f64::from(*v).powi(2)).sum();
        let error: f64 = ours.iter().zip(&theirs).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!(error / power < 1e-4, "normalized mean squared error {}", error / power);
    }

    #[test]
    fn it_is_small_and_counted() {
        let size: usize = GGUF.iter().chain(HUB).map(|(_, bytes)| bytes.len()).sum();
        assert!(size < 6_000_000, "{size} bytes");
        let cache = tempfile::tempdir().unwrap();
        let backend = gguf(cache.path());
        assert_eq!(backend.info().parameters, hub(cache.path()).info().parameters);
        assert!((900_000..1_300_000).contains(&backend.info().parameters));
        assert_eq!((backend.info().architecture.as_str(), backend.info().context), ("llama", 256));
    }

    #[test]
    fn the_folder_of_last_resort_is_private() {
        let folder = private().unwrap();
        assert_eq!(folder, private().unwrap(), "one for each process");
        assert!(path_in(&folder, Form::Gguf).unwrap().starts_with(&folder));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_lies_in_the_cache_is_checked() {
        let cache = tempfile::tempdir().unwrap();
        let path = path_in(cache.path(), Form::Gguf).unwrap();
        std::fs::write(&path, b"GGUF, but damaged").unwrap();
        assert_eq!(path_in(cache.path(), Form::Gguf).unwrap(), path);
        assert_eq!(std::fs::read(&path).unwrap(), GGUF[0].1);
        let file = cache.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(path_in(&file, Form::Gguf).is_err());
    }
}
