//! The one generation loop: sampler chain, stop strings, streaming. The same for every backend.

mod distribution;
mod options;
mod run;
mod sampler;
mod stop;

pub use distribution::{Candidate, log_softmax_at, top};
pub use options::{GenerateOptions, SamplerOptions};
pub use run::{FinishReason, Generation, Timings, TokenLogprobs, run};
pub use sampler::Sampler;
pub use stop::StopScanner;
