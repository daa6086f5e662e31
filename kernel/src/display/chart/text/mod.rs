//! A chart in characters, for terminals and wherever there are no pictures.

mod bars;
mod canvas;
mod draw;
mod grid;
mod lines;
mod ticks;

pub use draw::draw;
