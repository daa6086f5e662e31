//! `convert(…)` and `quantize(…)`: models into other files.

use super::error::{ScriptResult, guard, raise};
use super::options::{OptionSpec, Options};
use super::tensor::convert::dtype;
use super::{Host, define};
use minerva_engine::format::DType;
use minerva_engine::hub::HubOptions;
use minerva_engine::{convert, model};
use rhai::{Engine, Map};

/// The options of `convert`.
const CONVERT: &[OptionSpec] = &[OptionSpec::new::<String>("dtype", "how weights are stored")
    .such_as(&["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"])
    .also(&["type"])
    .or("\"F16\"")];

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    let doc = "Converts a model: into one GGUF file where the second path ends in .gguf, otherwise from GGUF into a folder in the hub's layout. Weights become F16. Returns the path.";
    let h = host.clone();
    define("convert", &["from: string", "to: string", "string"], doc)
        .example("load(convert(sample_path(\"safetensors\"), \"sample.gguf\"))")
        .register_into_engine(engine, move |from: &str, to: &str| run(&h, from, to, None));
    let doc = "Converts a model, with its weights stored in another type.";
    let h = host.clone();
    define("convert", &["from: string", "to: string", "options: map", "string"], doc)
        .example("convert(sample_path(\"safetensors\"), \"sample.gguf\", #{ dtype: \"Q8_0\" }) // → \"sample.gguf\"")
        .options(&[CONVERT])
        .register_into_engine(engine, move |from: &str, to: &str, options: Map| -> ScriptResult<String> {
            let mut options = Options::of("convert", &[CONVERT], options);
            let stored = options.get::<String>("dtype")?;
            options.finish()?;
            let stored = stored.map(|name| dtype(&name)).transpose().map_err(raise)?;
            run(&h, from, to, stored)
        });
    let doc = "Writes a model, a GGUF file or a folder in the hub's layout, as GGUF with its weights stored in another type. Returns the path.";
    let h = host.clone();
    define("quantize", &["from: string", "to: string", "dtype: string", "string"], doc)
        .example("quantize(sample_path(\"gguf\"), \"sample.Q4_0.gguf\", \"Q4_0\") // → \"sample.Q4_0.gguf\"")
        .register_into_engine(engine, move |from: &str, to: &str, stored: &str| {
            run(&h, from, to, Some(dtype(stored).map_err(raise)?))
        });
}

fn run(host: &Host, from: &str, to: &str, stored: Option<DType>) -> ScriptResult<String> {
    guard(|| {
        let control = host.control();
        convert::convert(model::resolve(from, &HubOptions::default(), &control)?, to, stored, &control)
    })?;
    Ok(to.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use crate::session::{Execute, Session, SessionOptions};
    use std::sync::Arc;

    fn run(code: &str) -> Result<String, String> {
        let mut session = Session::new(SessionOptions::default());
        let outcome = session.execute(&Execute::cell(code, "In[1]"), Arc::new(|_| {}));
        outcome.result.map(|b| b.unwrap_or_default().plain().to_owned()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_becomes_a_folder_that_is_a_model() {
        let folder = tempfile::tempdir().unwrap();
        let code = format!(
            "let file = sample_path(\"gguf\");
             let folder = convert(file, {:?}, #{{ dtype: \"f32\" }});
             let say = |path| load(path, #{{ backend: \"candle\" }}).generate(\"ROMEO:\", #{{ max_tokens: 20, temperature: 0.0 }}).text;
             [say.call(file) == say.call(folder), load(folder).tokens(\"To be\") == load(file).tokens(\"To be\")]",
            folder.path().join("model").display().to_string()
        );
        assert_eq!(run(&code).unwrap(), "[true, true]");
    }

    #[test]
    fn a_folder_becomes_a_file_becomes_a_smaller_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (whole, small) = (path("whole.gguf"), path("small.gguf"));
        let code = format!(
            "let whole = convert(sample_path(\"safetensors\"), {whole:?});
             let small = quantize(whole, {small:?}, \"Q8_0\");
             let direct = convert(sample_path(\"safetensors\"), {:?}, #{{ dtype: \"q8_0\" }});
             [load(whole).info().dtype, load(small).info().dtype, load(direct).info().dtype]",
            path("direct.gguf")
        );
        assert_eq!(run(&code).unwrap(), "[\"F16\", \"Q8_0\", \"Q8_0\"]");
        let e = run(&format!("convert({whole:?}, {small:?}, #{{ dtyp: \"F16\" }})")).unwrap_err();
        assert!(e.contains("did you mean `dtype`?"), "{e}");
        let e = run(&format!("convert(sample_path(\"safetensors\"), {:?})", path("folder"))).unwrap_err();
        assert!(e.contains("expected a path that ends in .gguf"), "{e}");
    }
}
