//! The command line: a text file, then `key=value`.

use std::path::PathBuf;
use std::time::Duration;

/// What to train on and for how long.
pub struct Options {
    pub corpus: PathBuf,
    pub out: PathBuf,
    pub from: Option<PathBuf>,
    pub steps: Option<usize>,
    pub limit: Option<Duration>,
    pub batch: usize,
    pub length: usize,
    pub lr: f64,
    pub dropout: f32,
    pub seed: u64,
    pub every: usize,
}

impl Options {
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Self {
            corpus: PathBuf::new(),
            out: "sample-model".into(),
            from: None,
            steps: None,
            limit: None,
            batch: 8,
            length: super::super::CONTEXT,
            lr: 3e-3,
            dropout: 0.15,
            seed: 1,
            every: 100,
        };
        for argument in arguments {
            let Some((key, value)) = argument.split_once('=') else {
                options.corpus = argument.into();
                continue;
            };
            match key {
                "out" => options.out = value.into(),
                "from" => options.from = Some(value.into()),
                "steps" => options.steps = Some(value.parse()?),
                "minutes" => options.limit = Some(Duration::try_from_secs_f64(60.0 * value.parse::<f64>()?)?),
                "batch" => options.batch = value.parse()?,
                "length" => options.length = value.parse::<usize>()?.clamp(2, super::super::CONTEXT),
                "lr" => options.lr = value.parse()?,
                "dropout" => options.dropout = value.parse()?,
                "seed" => options.seed = value.parse()?,
                "every" => options.every = value.parse::<usize>()?.max(1),
                _ => return Err(format!("unknown option {key:?}").into()),
            }
        }
        if options.corpus.as_os_str().is_empty() {
            return Err(
                "usage: train_sample TEXT [out=DIR] [minutes=30 | steps=N] [batch=8] [length=256] [lr=3e-3]".into()
            );
        }
        if options.steps.is_none() && options.limit.is_none() {
            options.limit = Some(Duration::from_secs(30 * 60));
        }
        Ok(options)
    }
}
