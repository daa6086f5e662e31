//! JSON, as much of it as goes between the kernel and a cell. What JSON lacks stands in a map with one odd key: a tensor as
//! its place in the file of tensors, and the floats that are not numbers by name.

use super::{Tensor, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Starts such a key. One of a map of the person's that starts so has it once more.
const MARK: char = '\u{1}';
/// The key of a tensor's place.
const TENSOR: &str = "\u{1}t";
/// The key of a float that JSON cannot write.
const FLOAT: &str = "\u{1}f";

/// Reads a text; tensors in it are taken out of `tensors`.
pub(super) fn parse(text: &str, tensors: &mut [Tensor]) -> Result<Value, String> {
    let mut parser = Parser { text: text.as_bytes(), at: 0, tensors };
    let value = parser.value()?;
    parser.space();
    if parser.at == text.len() { Ok(value) } else { Err(parser.wrong("the end")) }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    tensors: &'a mut [Tensor],
}

impl Parser<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn wrong(&self, expected: &str) -> String {
        format!("broken JSON at byte {}: expected {expected}", self.at)
    }

    fn take(&mut self, text: &str) -> Result<(), String> {
        if !self.text[self.at..].starts_with(text.as_bytes()) {
            return Err(self.wrong(text));
        }
        self.at += text.len();
        Ok(())
    }

    /// Whether another item follows; `close` ends the list.
    fn more(&mut self, first: bool, close: u8) -> Result<bool, String> {
        self.space();
        match self.peek() {
            c if c == close => self.at += 1,
            b',' if !first => {
                self.at += 1;
                return Ok(true);
            }
            _ if first => return Ok(true),
            _ => return Err(self.wrong("a comma")),
        }
        Ok(false)
    }

    fn value(&mut self) -> Result<Value, String> {
        self.space();
        Ok(match self.peek() {
            b'n' => self.take("null").map(|()| Value::Unit)?,
            b't' => self.take("true").map(|()| Value::Bool(true))?,
            b'f' => self.take("false").map(|()| Value::Bool(false))?,
            b'"' => Value::String(self.string()?),
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while self.more(items.is_empty(), b']')? {
                    items.push(self.value()?);
                }
                Value::Array(items)
            }
            b'{' => {
                self.at += 1;
                let mut map = BTreeMap::new();
                while self.more(map.is_empty(), b'}')? {
                    self.space();
                    let key = self.string()?;
                    self.space();
                    self.take(":")?;
                    map.insert(key, self.value()?);
                }
                self.special(map)?
            }
            _ => self.number()?,
        })
    }

    fn special(&mut self, map: BTreeMap<String, Value>) -> Result<Value, String> {
        if let Some(Value::Int(n)) = map.get(TENSOR) {
            let slot = self.tensors.get_mut(*n as usize).ok_or("a tensor is missing from its file")?;
            return Ok(Value::Tensor(std::mem::take(slot)));
        }
        if let Some(Value::String(name)) = map.get(FLOAT) {
            return name.parse().map(Value::Float).map_err(|_| self.wrong("a float"));
        }
        let plain = |key: String| key.strip_prefix(MARK).map(str::to_owned).unwrap_or(key);
        Ok(Value::Map(map.into_iter().map(|(key, value)| (plain(key), value)).collect()))
    }

    fn number(&mut self) -> Result<Value, String> {
        let from = self.at;
        while matches!(self.peek(), b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.text[from..self.at]).unwrap_or_default();
        if let Ok(whole) = text.parse() {
            return Ok(Value::Int(whole));
        }
        text.parse().map(Value::Float).map_err(|_| self.wrong("a value"))
    }

    fn string(&mut self) -> Result<String, String> {
        self.take("\"")?;
        let mut out = Vec::new();
        loop {
            let c = self.peek();
            self.at += 1;
            match c {
                b'"' => return String::from_utf8(out).map_err(|_| self.wrong("UTF-8")),
                b'\\' => {
                    let escaped = self.peek();
                    self.at += 1;
                    let c = match escaped {
                        b'n' => '\n',
                        b't' => '\t',
                        b'r' => '\r',
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'u' => self.unicode()?,
                        other => char::from(other),
                    };
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0 => return Err(self.wrong("a closing quote")),
                c => out.push(c),
            }
        }
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|d| std::str::from_utf8(d).ok());
        self.at += 4;
        digits.and_then(|d| u32::from_str_radix(d, 16).ok()).ok_or_else(|| self.wrong("four hexadecimal digits"))
    }

    fn unicode(&mut self) -> Result<char, String> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or('\u{fffd}'));
        }
        self.take("\\u")?;
        let low = self.hex()?;
        let code = 0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
        Ok(char::from_u32(code).unwrap_or('\u{fffd}'))
    }
}

/// Writes a value; its tensors are gathered in `tensors`, in the order of their places.
pub(super) fn write<'a>(value: &'a Value, out: &mut String, tensors: &mut Vec<&'a Tensor>) {
    match value {
        Value::Unit => out.push_str("null"),
        Value::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
        Value::Int(v) => drop(write!(out, "{v}")),
        Value::Float(v) if v.is_finite() => drop(write!(out, "{v:?}")),
        Value::Float(v) => drop(write!(out, "{{\"\\u0001f\":\"{v}\"}}")),
        Value::String(v) => quote(v, out),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(item, out, tensors);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (n, (key, item)) in map.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                match key.starts_with(MARK) {
                    true => quote(&format!("{MARK}{key}"), out),
                    false => quote(key, out),
                }
                out.push(':');
                write(item, out, tensors);
            }
            out.push('}');
        }
        Value::Tensor(t) => {
            let _ = write!(out, "{{\"\\u0001t\":{}}}", tensors.len());
            tensors.push(t);
        }
    }
}

/// A string with its quotes.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
