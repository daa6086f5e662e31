//! `m.steer(…)`: a handle of a model that adds a vector in every pass.

use crate::script::define;
use crate::script::error::{ScriptResult, guard};
use crate::script::model::ModelHandle;
use minerva_engine::tensor::Tensor;
use minerva_engine::trace;
use rhai::Engine;

/// Registers `steer`.
pub fn register(engine: &mut Engine) {
    let doc = "A second handle of the same weights that adds a vector at a hook point (or at all that match a pattern), for every token, whatever it does: generate, chat, logits, score, sessions, run_with_cache. m itself stays as it is; what is steered can be steered again. The vector has the shape of the activation of one token.";
    define("steer", &["m: Model", "point: string", "v: Tensor", "Model"], doc)
        .example("let p = \"blocks.1.hook_resid_post\";\nlet s = c.steer(p, c.run_with_cache(\"thou\", p)[p][-1]);")
        .register_into_engine(engine, |m: &mut ModelHandle, point: &str, v: Tensor| steer(m, point, &v, 1.0));
    let doc = "As steer, with the vector multiplied by a factor first.";
    define("steer", &["m: Model", "point: string", "v: Tensor", "factor: float", "Model"], doc)
        .example("let p = \"blocks.1.hook_resid_post\";\nc.steer(p, c.run_with_cache(\"thou\", p)[p][-1], 4.0).generate(\"JULIET:\")")
        .register_into_engine(engine, |m: &mut ModelHandle, point: &str, v: Tensor, k: f64| steer(m, point, &v, k));
    define("steer", &["m: Model", "point: string", "v: Tensor", "factor: int", "Model"], doc)
        .register_into_engine(engine, |m: &mut ModelHandle, point: &str, v: Tensor, k: i64| {
            steer(m, point, &v, k as f64)
        });
}

fn steer(m: &ModelHandle, point: &str, v: &Tensor, factor: f64) -> ScriptResult<ModelHandle> {
    let model = m.get()?;
    Ok(m.with(guard(|| trace::steer(&model, point, v, factor))?))
}
