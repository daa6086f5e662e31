//! Weights as candle variables: for training, and for gradients.

use super::bindings::{self, Names, Naming};
use super::spec::Spec;
use super::weights::{Part, Source, Weight};
use crate::error::{Error, Result};
use candle_core::{Device, Tensor, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A named variable per weight of a spec.
#[derive(Debug, Clone)]
pub struct Variables {
    all: Vec<(String, Var)>,
}

impl Variables {
    /// Fresh weights in the manner of GPT-2: matrices normal with deviation `0.5/sqrt(hidden)`, those that write into the
    /// residual stream smaller by `sqrt(2 * layers)`; norms 1, biases 0. The same seed gives the same weights.
    pub fn random(spec: &Spec, seed: u64, device: &Device) -> Result<Self> {
        spec.validate()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let deviation = 0.5 / (spec.hidden_size as f64).sqrt();
        let residual = deviation / ((2 * spec.layers.len()) as f64).sqrt();
        let all = bindings::expected(spec, &Names::of(spec, Naming::Hub))
            .into_iter()
            .map(|e| {
                let tensor = if e.bias {
                    Tensor::zeros(e.shape, candle_core::DType::F32, device)?
                } else if e.shape.len() == 1 {
                    Tensor::ones(e.shape, candle_core::DType::F32, device)?
                } else {
                    let writes = matches!(e.slot, bindings::Slot::O | bindings::Slot::Down);
                    let count = e.shape.iter().product();
                    let values = normal(&mut rng, count, if writes { residual } else { deviation });
                    Tensor::from_vec(values, e.shape, device)?
                };
                Ok((e.name, Var::from_tensor(&tensor)?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { all })
    }

    /// Every variable with its name in the hub's layout, in the order of the forward pass.
    pub fn all(&self) -> &[(String, Var)] {
        &self.all
    }

    fn get(&self, name: &str) -> Result<Tensor> {
        let var = self.all.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let var = var.ok_or_else(|| Error::not_found("weight", name, self.all.iter().map(|(n, _)| n.as_str())))?;
        Ok(var.as_tensor().clone())
    }
}

impl Source for Variables {
    fn matrix(&mut self, name: &str, part: Part) -> Result<Weight> {
        let all = self.get(name)?;
        let all = if part.transposed { all.t()? } else { all.reshape(((), part.cols))? };
        Ok(Weight::Dense(all.narrow(0, part.start, part.rows)?))
    }

    fn vector(&mut self, name: &str, start: usize, size: usize) -> Result<Tensor> {
        Ok(self.get(name)?.flatten_all()?.narrow(0, start, size)?)
    }

    fn ones(&self, size: usize) -> Result<Tensor> {
        let device = self.all.first().map_or(&Device::Cpu, |(_, var)| var.device());
        Ok(Tensor::ones(size, candle_core::DType::F32, device)?)
    }
}

/// Normal deviates by Box and Muller's method.
fn normal(rng: &mut ChaCha8Rng, count: usize, deviation: f64) -> Vec<f32> {
    use rand::RngExt;
    (0..count)
        .map(|_| {
            // 1 - u keeps the logarithm's argument above zero.
            let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
            let value = (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos();
            (value * deviation) as f32
        })
        .collect()
}
