//! One function: how it is called and what is said of it.

use super::documentation::Documentation;

/// One function, one overload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name; for a property, the property's.
    pub name: String,
    /// Its parameters; for a method written in the script, the receiver is not among them.
    pub params: Vec<Param>,
    /// What it returns; empty when that is not known or nothing.
    pub returns: String,
    /// Its documentation, comment marks removed.
    pub doc: String,
    /// The file of the script API that defines it, such as `tensor/linalg`; empty for the language's own.
    pub from: String,
    /// How it is called.
    pub role: Role,
    /// Defined in a cell.
    pub script: bool,
}

/// One parameter: name and type, either of which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type as a script says it.
    pub kind: String,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `name(…)` or `first.name(…)`.
    Call,
    /// `first.name`.
    Getter,
    /// Not a function: the documentation of a type of this name.
    Type,
    /// An operator, an indexer, a setter: not called by name.
    Other,
}

impl Function {
    /// Its documentation, taken apart.
    pub fn documentation(&self) -> Documentation {
        Documentation::parse(&self.doc)
    }

    /// Whether a value of type `receiver` can stand before the point.
    pub fn takes(&self, receiver: &str) -> bool {
        match self.params.first() {
            Some(first) => first.kind == receiver || (first.kind == "any" && self.script),
            None => false,
        }
    }

    /// The call as a person writes it; of a method with what stands before the point: `m.generate(prompt: string)`.
    pub fn call(&self, method: bool) -> String {
        match self.params.first().filter(|p| method && !p.name.is_empty()) {
            Some(first) => format!("{}.{}", first.name, self.signature(true)),
            None => self.signature(method),
        }
    }

    /// `name(prompt: string, options: map) -> Generation`; as a method without its first parameter.
    pub fn signature(&self, method: bool) -> String {
        let params: Vec<String> = self.params.iter().skip(usize::from(method)).map(Param::text).collect();
        let returns = if self.returns.is_empty() { String::new() } else { format!(" -> {}", self.returns) };
        match self.role {
            Role::Getter => format!("{}{returns}", self.name),
            _ => format!("{}({}){returns}", self.name, params.join(", ")),
        }
    }
}

impl Param {
    fn text(&self) -> String {
        match (self.name.as_str(), self.kind.as_str()) {
            ("", kind) => kind.to_owned(),
            (name, "" | "any") => name.to_owned(),
            (name, kind) => format!("{name}: {kind}"),
        }
    }
}
