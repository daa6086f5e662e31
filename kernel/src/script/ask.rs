//! `input` and `password`: a question to the person, which a front end asks.

use super::error::{INTERRUPTED, ScriptResult, raise_text};
use super::{Host, define};
use minerva_engine::Interrupt;
use rhai::{Engine, EvalAltResult, Position};
use std::sync::Arc;

/// A question to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What stands before the place for the answer.
    pub prompt: String,
    /// The answer is not to be seen while it is typed.
    pub secret: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nobody can be asked; the text says why.
    Nobody(String),
    /// What answers has come to its end, as a file does.
    End,
    /// The interrupt was raised while the question stood.
    Interrupted,
}

/// How a front end asks. It blocks until there is an answer, without its line end, and polls the interrupt meanwhile.
pub type Asking = Arc<dyn Fn(&Question, &Interrupt) -> Result<String, NoAnswer> + Send + Sync>;

/// Registers the functions of this file.
pub fn register(engine: &mut Engine, host: &Host) {
    for (name, secret, doc) in [
        ("input", false, "Asks the person for a line of text and returns it."),
        ("password", true, "Asks the person for a line of text that is not shown while it is typed, and returns it."),
    ] {
        let h = host.clone();
        define(name, &["string"], doc).register_into_engine(engine, move || ask(&h, name, "", secret));
        let h = host.clone();
        define(name, &["prompt: string", "string"], doc)
            .example_not_run(&format!("let answer = {name}(\"Your name? \");"))
            .register_into_engine(engine, move |prompt: &str| ask(&h, name, prompt, secret));
    }
}

fn ask(host: &Host, function: &str, prompt: &str, secret: bool) -> ScriptResult<String> {
    let help = "help: set the value in the script instead, or run it where somebody can answer";
    host.ask(&Question { prompt: prompt.to_owned(), secret }).map_err(|reason| match reason {
        NoAnswer::Nobody(why) => raise_text("InputError", format!("{function}: nobody can be asked: {why}\n{help}")),
        NoAnswer::End => {
            let text = "expected a line to read, found the end of the input";
            let help = "help: give it a line for each question, or set the value in the script instead";
            raise_text("InputError", format!("{function}: {text}\n{help}"))
        }
        NoAnswer::Interrupted => Box::new(EvalAltResult::ErrorTerminated(INTERRUPTED.into(), Position::NONE)),
    })
}
