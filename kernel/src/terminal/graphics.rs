//! Pictures in terminals that can show them, by the escape sequences of kitty and of iTerm2.

use super::colour::{Stream, is_terminal};
use crate::display::Bundle;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How a terminal is given a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graphics {
    /// It shows text alone.
    None,
    /// kitty's graphics protocol: kitty, Ghostty, Konsole.
    Kitty,
    /// iTerm2's inline images: iTerm2, WezTerm.
    Iterm,
}

/// Bytes of base64 that one sequence of kitty's protocol may carry.
const PIECE: usize = 4096;
/// Pixels of a character, across; a guess that decides only how large a picture is shown.
const CHARACTER: f64 = 9.0;

/// What stdout can show: `MINERVA_GRAPHICS` (`kitty`, `iterm`, `none`) where it is set, else what the environment tells.
pub fn graphics() -> Graphics {
    detect(is_terminal(Stream::Out), &|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
}

fn detect(terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> Graphics {
    match variable("MINERVA_GRAPHICS").as_deref() {
        Some("kitty") => return Graphics::Kitty,
        Some("iterm" | "iterm2") => return Graphics::Iterm,
        Some("auto") | None => {}
        Some(_) => return Graphics::None,
    }
    let term = variable("TERM").unwrap_or_default();
    // A multiplexer between us and the terminal swallows pictures.
    if !terminal || variable("TMUX").is_some() || term.starts_with("screen") || term.starts_with("tmux") {
        return Graphics::None;
    }
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    if variable("KITTY_WINDOW_ID").is_some()
        || term.contains("kitty")
        || term.contains("ghostty")
        || program == "ghostty"
    {
        return Graphics::Kitty;
    }
    if program == "iTerm.app" || program == "WezTerm" || variable("LC_TERMINAL").as_deref() == Some("iTerm2") {
        return Graphics::Iterm;
    }
    Graphics::None
}

/// The terminal's window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Characters across.
    pub columns: usize,
    /// Height of a character by its width.
    pub slender: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self { columns: 80, slender: 2.0 }
    }
}

/// The window that shows stdout; `None` where that is none.
pub fn window() -> Option<Window> {
    if !is_terminal(Stream::Out) {
        return None;
    }
    let found = crossterm::terminal::window_size().ok().filter(|w| w.columns > 0)?;
    let across = f64::from(found.width) / f64::from(found.columns);
    let down = f64::from(found.height) / f64::from(found.rows.max(1));
    // Many terminals do not tell their pixels.
    let slender = if across > 0.0 && down > 0.0 { down / across } else { Window::default().slender };
    Some(Window { columns: usize::from(found.columns), slender })
}

/// The picture of a bundle as the terminal takes it, no wider than the window. `None` where either has none.
pub fn picture(bundle: &Bundle, graphics: Graphics, window: Window) -> Option<String> {
    if graphics == Graphics::None {
        return None;
    }
    let png = bundle.data.get("image/png").and_then(Value::as_str)?;
    let side = |name: &str| bundle.metadata.get("image/png").and_then(|m| m.get(name)).and_then(Value::as_f64);
    let (width, height) = (side("width").unwrap_or(560.0).max(1.0), side("height").unwrap_or(340.0));
    let columns = ((width / CHARACTER).round() as usize).clamp(1, window.columns.max(1));
    Some(match graphics {
        Graphics::Iterm => {
            let size = STANDARD.decode(png).map_or(0, |bytes| bytes.len());
            format!("\x1b]1337;File=inline=1;size={size};width={columns};preserveAspectRatio=1:{png}\x07\n")
        }
        _ => {
            // Both sides: some terminals stretch a picture that is given one.
            let rows = (columns as f64 * height / width / window.slender).round().max(1.0);
            let mut out = String::with_capacity(png.len() + png.len() / 200);
            let pieces: Vec<&str> = png.as_bytes().chunks(PIECE).filter_map(|p| std::str::from_utf8(p).ok()).collect();
            for (i, piece) in pieces.iter().enumerate() {
                let first = if i == 0 { format!("a=T,f=100,q=2,c={columns},r={rows},") } else { String::new() };
                let more = u8::from(i + 1 < pieces.len());
                out.push_str(&format!("\x1b_G{first}m={more};{piece}\x1b\\"));
            }
            out.push('\n');
            out
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(terminal: bool, set: &[(&str, &str)]) -> Graphics {
        detect(terminal, &|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_environment_tells_the_terminal() {
        assert_eq!(found(true, &[("TERM", "xterm-kitty")]), Graphics::Kitty);
        assert_eq!(found(true, &[("TERM_PROGRAM", "iTerm.app")]), Graphics::Iterm);
        assert_eq!(found(true, &[("TERM", "xterm-256color")]), Graphics::None);
        assert_eq!(found(false, &[("TERM", "xterm-kitty")]), Graphics::None);
        assert_eq!(found(true, &[("TERM", "xterm-kitty"), ("TMUX", "/tmp/x")]), Graphics::None);
        assert_eq!(found(true, &[("TERM", "xterm-kitty"), ("MINERVA_GRAPHICS", "none")]), Graphics::None);
        assert_eq!(found(false, &[("MINERVA_GRAPHICS", "iterm")]), Graphics::Iterm);
    }

    #[test]
    fn the_picture_travels_whole() {
        let bytes: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
        let bundle = Bundle::text("x").with("image/png", STANDARD.encode(&bytes));
        assert_eq!(picture(&Bundle::text("x"), Graphics::Kitty, Window::default()), None);
        assert_eq!(picture(&bundle, Graphics::None, Window::default()), None);
        let kitty = picture(&bundle, Graphics::Kitty, Window::default()).unwrap();
        let sent: String = kitty
            .split("\x1b_G")
            .filter_map(|p| p.split_once(';'))
            .map(|(_, p)| p.split('\x1b').next().unwrap())
            .collect();
        assert_eq!(STANDARD.decode(sent).unwrap(), bytes);
        assert!(kitty.starts_with("\x1b_Ga=T,f=100,q=2,c=62,r=19,m=1;") && kitty.contains("\x1b_Gm=0;"), "{kitty:.60}");
        let iterm = picture(&bundle, Graphics::Iterm, Window { columns: 40, slender: 2.0 }).unwrap();
        assert!(iterm.starts_with("\x1b]1337;File=inline=1;size=10000;width=40;preserveAspectRatio=1:"));
    }
}
