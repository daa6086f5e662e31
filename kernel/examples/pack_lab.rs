//! Packs JupyterLab's files for the program: `pack_lab FROM TO`, as `kernel/lab/pack.sh` calls it.
//!
//! Every file is compressed by itself, so that it can be sent as it lies here. The outcome depends on nothing but the
//! files: their order, times and owners do not matter.

use brotli::enc::BrotliEncoderParams;
use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

/// Sources that are in the bundle already, and the template of a page that the server writes itself.
const LEFT_OUT: &[&str] = &["index.html", "index.out.js", "bootstrap.js", "style.js", "build_log.json", "package.json"];

/// What these files were, and what became of them.
#[derive(Default)]
struct Count {
    files: usize,
    before: usize,
    after: usize,
}

fn main() {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: pack_lab FROM TO");
        process::exit(2);
    };
    match pack(from, to) {
        Ok(count) => println!("{} files, {} bytes packed into {}", count.files, count.before, count.after),
        Err(e) => {
            eprintln!("{e}");
            process::exit(1);
        }
    }
}

fn pack(from: &Path, to: &Path) -> io::Result<Count> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let mut count = Count::default();
    for part in ["schemas", "static", "themes"] {
        let files = files_below(&from.join(part))?;
        let legacy = legacy_fonts(&files)?;
        for path in &files {
            let inside = path.strip_prefix(from).map_err(io::Error::other)?;
            if is_left_out(inside) || legacy.contains(path) {
                continue;
            }
            write(path, &to.join(inside), &mut count)?;
        }
    }
    Ok(count)
}

fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_left_out(inside: &Path) -> bool {
    let name = inside.file_name().unwrap_or_default().to_string_lossy();
    (inside.starts_with("static") && LEFT_OUT.contains(&name.as_ref())) || name.ends_with(".map")
}

/// Fonts in forms that only browsers older than WOFF ask for. An SVG is a font if it says so.
fn legacy_fonts(files: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut fonts = Vec::new();
    for path in files {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let is_font = match extension.as_ref() {
            "eot" | "ttf" => true,
            "svg" => fs::read(path)?.windows(6).any(|part| part == b"<font "),
            _ => false,
        };
        if is_font {
            fonts.push(path.clone());
        }
    }
    let woff = files.iter().filter(|path| path.extension().is_some_and(|e| e == "woff2")).count();
    if fonts.len() > 3 * woff {
        return Err(io::Error::other(format!(
            "expected each font as WOFF2 beside its older forms, found {} older forms and {woff} of WOFF2\n\
             help: look at what changed in JupyterLab's fonts, and change `legacy_fonts`",
            fonts.len()
        )));
    }
    Ok(fonts)
}

fn write(from: &Path, to: &Path, count: &mut Count) -> io::Result<()> {
    let content = fs::read(from)?;
    let packed = compress(&content)?;
    let helps = packed.len() < content.len() / 100 * 98;
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    if helps {
        name.push(".br");
    }
    let to = to.with_file_name(name);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let kept = if helps { &packed } else { &content };
    fs::write(&to, kept)?;
    count.files += 1;
    count.before += content.len();
    count.after += kept.len();
    Ok(())
}

/// The best that brotli can do. The window is as wide as the content, so that whoever unpacks needs no more memory.
fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    let bits = usize::BITS - (content.len() + 16).leading_zeros();
    let params = BrotliEncoderParams {
        quality: 11,
        lgwin: bits.clamp(16, 24) as i32,
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut packed, &params)?;
    let mut unpacked = Vec::with_capacity(content.len());
    brotli::BrotliDecompress(&mut packed.as_slice(), &mut unpacked)?;
    if unpacked != content {
        return Err(io::Error::other("brotli gives back something else than it was given"));
    }
    Ok(packed)
}
