//! Sections of the reference: a topic with its functions, a type with its properties and methods.

use super::entry::Entry;
use super::topics::topic;
use crate::script::names::{Function, Names, Role};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Everything that Minerva and the cells add to the language.
#[derive(Debug, Clone)]
pub struct Reference<'n> {
    /// Topics in the order people meet them, each followed by its types.
    pub sections: Vec<Section<'n>>,
}

/// A topic or a type.
#[derive(Debug, Clone)]
pub struct Section<'n> {
    /// `Tensors`; of a type its name, `Tensor`.
    pub title: String,
    /// Of a type, what it is.
    pub about: Option<&'n Function>,
    /// Functions by name; of a type its properties, then its methods.
    pub entries: Vec<Entry<'n>>,
}

/// Where a section stands: its topic, topics before types, functions of cells last; then its title.
type Place = (bool, usize, bool, String);

impl<'n> Reference<'n> {
    /// Sorts the functions of a session; those of the language itself are left out.
    pub fn of(names: &'n Names) -> Self {
        let ours: Vec<&Function> = names.all().filter(|f| is_ours(f)).collect();
        let types: HashMap<&str, &Function> =
            ours.iter().filter(|f| f.role == Role::Type).map(|f| (f.name.as_str(), *f)).collect();
        let receiver = |f: &Function| f.params.first().and_then(|p| types.get(p.kind.as_str()).copied());
        // A function that takes a number or a tensor belongs to tensors under every signature.
        let homes: HashMap<(&str, &str), &Function> =
            ours.iter().filter_map(|f| receiver(f).map(|home| ((f.name.as_str(), f.from.as_str()), home))).collect();
        let mut sections: BTreeMap<Place, Section<'n>> = BTreeMap::new();
        for function in ours.iter().copied() {
            let home =
                receiver(function).or_else(|| homes.get(&(function.name.as_str(), function.from.as_str())).copied());
            let (place, about) = match home.filter(|_| !function.script) {
                Some(home) => ((false, topic(&home.from).0, true, home.name.clone()), Some(home)),
                None if function.script => ((true, 0, false, "Defined in cells".to_owned()), None),
                None => {
                    let (at, title) = topic(&function.from);
                    ((false, at, false, title), None)
                }
            };
            let title = place.3.clone();
            let section = sections.entry(place).or_insert_with(|| Section { title, about, entries: Vec::new() });
            section.add(function, about.is_some());
        }
        Self { sections: sections.into_values().map(Section::sorted).collect() }
    }

    /// Every function and property.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<'n>> {
        self.sections.iter().flat_map(|s| &s.entries)
    }

    /// The type or topic of this name.
    pub fn section(&self, title: &str) -> Option<&Section<'n>> {
        self.sections.iter().find(|s| s.title == title)
    }
}

impl<'n> Section<'n> {
    fn add(&mut self, function: &'n Function, method: bool) {
        if function.role == Role::Type {
            return;
        }
        let same = |e: &&mut Entry<'_>| e.name() == function.name && e.role() == function.role;
        match self.entries.iter_mut().find(same) {
            Some(entry) => entry.overloads.push(function),
            None => self.entries.push(Entry { overloads: vec![function], method }),
        }
    }

    fn sorted(mut self) -> Self {
        self.entries.sort_by_key(|e| (e.role() != Role::Getter, e.name().to_lowercase()));
        self
    }

    /// The names in this section, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.entries.iter().map(Entry::name).filter(|n| seen.insert(*n)).collect()
    }
}

/// What a value shows itself with is registered for every type and called by `print`; people do not call it.
fn is_ours(f: &Function) -> bool {
    let shows = ["to_string", "to_debug", "print", "debug"].contains(&f.name.as_str()) && f.doc.is_empty();
    f.role != Role::Other && !shows && (!f.from.is_empty() || f.script)
}
