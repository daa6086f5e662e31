//! What stands before a point: its value where it has one, or its type, as far as signatures tell. Nothing is run.

use super::cursor::Before;
use crate::script::names::{Names, Role};
use crate::session::lexer::Kind;
use crate::session::variables::Variables;
use rhai::{Array, Dynamic, ImmutableString, Map};

/// Expressions inside expressions that are followed.
const DEEPEST: usize = 12;

/// What is known of an expression.
#[derive(Debug, Clone)]
pub enum Known {
    /// Its value.
    Value(Dynamic),
    /// The type of its value.
    Type(String),
}

impl Known {
    /// The type's name.
    pub fn kind(&self, names: &Names) -> String {
        match self {
            Self::Value(value) => names.type_of(value),
            Self::Type(kind) => kind.clone(),
        }
    }
}

/// What is known of the expression that ends before the piece `end`: names, calls, methods, properties, indices.
pub fn known(before: &Before, end: usize, variables: &Variables, names: &Names) -> Option<Known> {
    Search { before, variables, names }.ending(end, 0).map(|(found, _)| found)
}

struct Search<'a> {
    before: &'a Before,
    variables: &'a Variables,
    names: &'a Names,
}

impl Search<'_> {
    /// What the postfix expression before piece `end` is, and the piece where it starts.
    fn ending(&self, end: usize, depth: usize) -> Option<(Known, usize)> {
        if depth > DEEPEST {
            return None;
        }
        let last = end.checked_sub(1)?;
        let kind = |text: &str| Some((Known::Type(text.to_owned()), last));
        match self.before.pieces.get(last)?.kind {
            Kind::Text { .. } => {
                let mark = self.before.pieces.get(last).and_then(|p| self.before.chars.get(p.start));
                kind(if mark == Some(&'\'') { "char" } else { "string" })
            }
            Kind::Number => kind("int"),
            Kind::Word if last > 0 && self.before.is(last - 1, '.') => {
                let (receiver, start) = self.ending(last - 1, depth + 1)?;
                Some((self.property(&receiver, &self.before.word(last)?)?, start))
            }
            Kind::Word => Some((self.name(&self.before.word(last)?, last, depth)?, last)),
            Kind::Mark(')') => self.called(last, depth),
            Kind::Mark(']') => self.indexed(last, depth),
            Kind::Mark('}') => {
                let open = self.opening(last)?;
                let map = open > 0 && self.before.is(open - 1, '#');
                map.then(|| (Known::Type("map".to_owned()), open - 1))
            }
            _ => None,
        }
    }

    /// `name(…)`, `value.name(…)`, `(…)`.
    fn called(&self, close: usize, depth: usize) -> Option<(Known, usize)> {
        let open = self.opening(close)?;
        let Some(name) = open.checked_sub(1).and_then(|at| self.before.word(at)) else {
            let (inner, start) = self.ending(close, depth + 1)?;
            return (start == open + 1).then_some((inner, open));
        };
        if open > 1 && self.before.is(open - 2, '.') {
            let (receiver, start) = self.ending(open - 2, depth + 1)?;
            return Some((Known::Type(self.returned(&name, Some(&receiver.kind(self.names)))?), start));
        }
        Some((Known::Type(self.returned(&name, None)?), open - 1))
    }

    /// `value[…]`, or an array.
    fn indexed(&self, close: usize, depth: usize) -> Option<(Known, usize)> {
        let open = self.opening(close)?;
        let Some((receiver, start)) = self.ending(open, depth + 1) else {
            return Some((Known::Type("array".to_owned()), open));
        };
        if let Known::Value(value) = &receiver {
            let index = self.before.pieces.get(open + 1).filter(|_| open + 2 == close);
            let text = index.map(|p| self.before.text(p)).unwrap_or_default();
            if let Some(array) = value.read_lock::<Array>() {
                let item = text.parse::<usize>().ok().and_then(|n| array.get(n)).or(array.first())?;
                return Some((Known::Value(item.clone()), start));
            }
            if let Some(map) = value.read_lock::<Map>() {
                return Some((Known::Value(map.get(text.trim_matches('"'))?.clone()), start));
            }
            if value.read_lock::<ImmutableString>().is_some() {
                return Some((Known::Type("char".to_owned()), start));
            }
        }
        let tensor =
            ["Tensor", "TensorList", "File", "Trace", "Gradients"].contains(&receiver.kind(self.names).as_str());
        tensor.then(|| (Known::Type("Tensor".to_owned()), start))
    }

    fn opening(&self, close: usize) -> Option<usize> {
        self.before.open_bracket(close).map(|(open, _)| open)
    }

    fn property(&self, receiver: &Known, name: &str) -> Option<Known> {
        if let Known::Value(value) = receiver
            && let Some(map) = value.read_lock::<Map>()
        {
            return map.get(name).cloned().map(Known::Value);
        }
        let kind = receiver.kind(self.names);
        let getter = self.names.members(&kind).find(|f| f.role == Role::Getter && f.name == name)?;
        (!getter.returns.is_empty()).then(|| Known::Type(getter.returns.clone()))
    }

    /// What a call gives, where all signatures that fit agree.
    fn returned(&self, name: &str, receiver: Option<&str>) -> Option<String> {
        let fits = |kind: &str| receiver.is_none_or(|r| r == kind);
        let calls = self.names.calls(name).into_iter();
        let mut kinds = calls
            .filter(|f| f.params.first().map_or(receiver.is_none(), |p| fits(&p.kind)))
            .map(|f| f.returns.as_str());
        let first = kinds.next().filter(|k| !k.is_empty() && *k != "number")?;
        kinds.all(|k| k == first).then(|| first.to_owned())
    }

    /// A variable: one that the text itself defines before this place, or one of the notebook.
    fn name(&self, name: &str, at: usize, depth: usize) -> Option<Known> {
        for n in (1..at).rev() {
            if self.before.word(n).as_deref() != Some(name) {
                continue;
            }
            let keyword = self.before.word(n - 1);
            match keyword.as_deref() {
                Some("let" | "const") if self.before.is(n + 1, '=') => {
                    let end = self.end_of_statement(n + 2, at);
                    let (found, start) = self.ending(end, depth + 1)?;
                    return (start == n + 2).then_some(found);
                }
                Some("let" | "const") => return None,
                Some("for") => return self.item(n, at, depth),
                _ => {}
            }
        }
        self.variables.get(name).filter(|v| !v.is_locked()).map(|v| Known::Value(v.flatten()))
    }

    /// What `for name in …` goes through, of the types whose items are of one type.
    fn item(&self, name: usize, at: usize, depth: usize) -> Option<Known> {
        let body = (name..at).find(|n| self.before.is(*n, '{'))?;
        let (through, _) = self.ending(body, depth + 1)?;
        if let Known::Value(value) = &through
            && let Some(array) = value.read_lock::<Array>()
        {
            return array.first().cloned().map(Known::Value);
        }
        let kind = through.kind(self.names);
        matches!(kind.as_str(), "Tensor" | "TensorList").then(|| Known::Type("Tensor".to_owned()))
    }

    fn end_of_statement(&self, from: usize, at: usize) -> usize {
        let mut depth = 0_i64;
        for n in from..at {
            match self.before.pieces.get(n).map(|p| p.kind) {
                Some(Kind::Mark('(' | '[' | '{')) => depth += 1,
                Some(Kind::Mark(')' | ']' | '}')) => depth -= 1,
                Some(Kind::Mark(';')) if depth == 0 => return n,
                _ => {}
            }
        }
        at
    }
}
