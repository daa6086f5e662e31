//! Rotary embeddings in hub configurations: transformers 5 says `rope_parameters`, earlier ones `rope_theta` beside
//! `rope_scaling`.

use crate::error::{Error, Result};
use crate::transformer::{Config, Rope, RopeScaling, RopeStyle};

/// Base of the frequencies where a configuration does not say.
pub const THETA: f64 = 10_000.0;

/// The one rotary embedding of a configuration, half-split.
pub fn from_hub(config: &Config, head_dim: usize, theta: f64) -> Result<Rope> {
    partial(config, head_dim, 1.0, theta)
}

/// As [`from_hub`], where the part of a head that turns is `part` unless the configuration says otherwise.
pub fn partial_from_hub(config: &Config, head_dim: usize, part: f64) -> Result<Rope> {
    partial(config, head_dim, part, THETA)
}

fn partial(config: &Config, head_dim: usize, part: f64, theta: f64) -> Result<Rope> {
    let new = config.object("rope_parameters")?;
    if new.is_some_and(|p| p.has_objects()) {
        return Err(Error::unsupported(
            "rope_parameters per layer type",
            "the candle backend computes one rotary embedding for all layers of this architecture",
        ));
    }
    // Where both are there the older key wins, as in transformers: people add it by hand to newer files.
    let scaling = config.object("rope_scaling")?.or(new);
    build(config, new.as_ref(), scaling.as_ref(), head_dim, Usual { part, key: "rope_theta", theta })
}

/// The rotary embedding of one kind of layer: `rope_parameters.KIND` (transformers 5), or the key `key` without scaling
/// unless `scaled`; `theta` where neither says.
pub fn of_kind(config: &Config, kind: &str, head_dim: usize, (key, theta): (&str, f64), scaled: bool) -> Result<Rope> {
    let new = match config.object("rope_parameters")? {
        Some(p) if p.has_objects() => p.object(kind)?,
        other => other,
    };
    let scaling = if scaled { config.object("rope_scaling")?.or(new) } else { new };
    build(config, new.as_ref(), scaling.as_ref(), head_dim, Usual { part: 1.0, key, theta })
}

/// What a configuration that does not say means.
struct Usual<'a> {
    /// The part of a head that turns.
    part: f64,
    /// The older key of the base.
    key: &'a str,
    /// The base.
    theta: f64,
}

fn build(
    config: &Config,
    new: Option<&Config>,
    scaling: Option<&Config>,
    head_dim: usize,
    usual: Usual,
) -> Result<Rope> {
    let in_new = |key: &str| -> Result<Option<f64>> { Ok(new.map(|p| p.number(key)).transpose()?.flatten()) };
    let mut theta = in_new("rope_theta")?;
    for key in [usual.key, "rotary_emb_base"] {
        theta = theta.or(config.number(key)?);
    }
    let mut stated = in_new("partial_rotary_factor")?;
    for key in ["partial_rotary_factor", "rotary_pct", "rope_pct"] {
        stated = stated.or(config.number(key)?);
    }
    Ok(Rope {
        theta: theta.unwrap_or(usual.theta),
        dims: (head_dim as f64 * stated.unwrap_or(usual.part)) as usize,
        style: RopeStyle::HalfSplit,
        scaling: scaling.map_or(Ok(RopeScaling::None), |s| scaling_from_hub(config, s))?,
    })
}

fn scaling_from_hub(config: &Config, scaling: &Config) -> Result<RopeScaling> {
    let kind = scaling.text("rope_type")?.or(scaling.text("type")?).unwrap_or("default");
    let context = || config.need_number("max_position_embeddings");
    let original = || -> Result<f64> {
        match scaling.number("original_max_position_embeddings")? {
            Some(n) => Ok(n),
            None => config.number("original_max_position_embeddings")?.map_or_else(context, Ok),
        }
    };
    Ok(match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: scaling.need_number("factor")? },
        "dynamic" => RopeScaling::Dynamic { factor: scaling.need_number("factor")?, original: context()? },
        "llama3" => RopeScaling::Llama3 {
            factor: scaling.need_number("factor")?,
            low: scaling.need_number("low_freq_factor")?,
            high: scaling.need_number("high_freq_factor")?,
            original: scaling.need_number("original_max_position_embeddings")?,
        },
        // Phi-3's configurations once called it so.
        "yarn" if scaling.has("short_factor") => long(scaling, original()?, context()?)?,
        "yarn" => yarn(scaling, original()?, context()?)?,
        "longrope" | "su" => long(scaling, original()?, context()?)?,
        other => {
            return Err(Error::unsupported(
                format!("the candle backend does not compute rope scaling {other:?}"),
                "it computes linear, dynamic, llama3, yarn and longrope",
            ));
        }
    })
}

/// The magnitude is `0.1 ln(factor) + 1` unless stated; `mscale` and `mscale_all_dim` (DeepSeek) make it a quotient.
fn yarn(scaling: &Config, original: f64, context: f64) -> Result<RopeScaling> {
    let factor = scaling.number("factor")?.unwrap_or(context / original);
    let scale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
    let magnitude =
        match (scaling.number("attention_factor")?, scaling.number("mscale")?, scaling.number("mscale_all_dim")?) {
            (Some(stated), ..) => stated,
            (None, Some(m), Some(all)) if m != 0.0 && all != 0.0 => scale(m) / scale(all),
            _ => scale(1.0),
        };
    Ok(RopeScaling::Yarn {
        factor,
        original,
        fast: scaling.number("beta_fast")?.unwrap_or(32.0),
        slow: scaling.number("beta_slow")?.unwrap_or(1.0),
        truncate: scaling.flag("truncate")?.unwrap_or(true),
        magnitude,
    })
}

fn long(scaling: &Config, original: f64, context: f64) -> Result<RopeScaling> {
    let factor = scaling.number("factor")?.unwrap_or(context / original);
    let magnitude = match scaling.number("attention_factor")? {
        Some(stated) => stated,
        None => long_magnitude(factor, original),
    };
    let table = |key: &str| scaling.numbers(key)?.ok_or_else(|| scaling.missing(key));
    Ok(RopeScaling::Long {
        short: table("short_factor")?,
        long: table("long_factor")?,
        original: original as usize,
        magnitude,
    })
}

/// `sqrt(1 + ln(factor) / ln(original))`, for a context stretched by `factor`.
pub fn long_magnitude(factor: f64, original: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() }
}
