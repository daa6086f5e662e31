//! From patterns to hook points.

use crate::error::{Error, Result, most_alike, nearest};
use crate::transformer::{HookPoint, Point};
use globset::GlobBuilder;
use std::collections::{BTreeSet, HashMap};

/// The hook points that each of several patterns matches.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    points: Vec<HookPoint>,
    /// Which patterns match a point, by their place in the list, ascending.
    by_point: HashMap<(Point, usize), Vec<usize>>,
}

impl Selection {
    /// The points among `known` whose names match. Patterns are globs: `*` spans dots, `?` is one character,
    /// `[0-3]` one of several, `{a,b}` either.
    ///
    /// # Errors
    /// A pattern that is no glob, or that matches nothing: the nearest name is suggested.
    pub fn new<S: AsRef<str>>(known: &[HookPoint], patterns: &[S]) -> Result<Self> {
        let mut selection = Self::default();
        for (place, pattern) in patterns.iter().enumerate() {
            let pattern = pattern.as_ref();
            let glob = GlobBuilder::new(pattern).build().map_err(|e| {
                let found = format!("{pattern:?} ({})", e.kind());
                Error::argument("hook pattern", "a glob such as blocks.*.hook_resid_post", found)
            })?;
            let glob = glob.compile_matcher();
            let mut found = false;
            for point in known.iter().filter(|p| glob.is_match(&p.name)) {
                found = true;
                selection.by_point.entry((point.point, point.layer)).or_default().push(place);
            }
            if !found {
                return Err(nothing(known, pattern));
            }
        }
        let chosen = known.iter().filter(|p| selection.by_point.contains_key(&(p.point, p.layer)));
        selection.points = chosen.cloned().collect();
        Ok(selection)
    }

    /// The points that any pattern matches, in the order of the pass.
    pub fn points(&self) -> &[HookPoint] {
        &self.points
    }

    /// Which patterns match a point, by their place in the list, ascending.
    pub fn patterns_at(&self, point: Point, layer: usize) -> &[usize] {
        self.by_point.get(&(point, layer)).map_or(&[], Vec::as_slice)
    }
}

fn nothing(known: &[HookPoint], pattern: &str) -> Error {
    // `blocks.*.hook_resid_pots`: a star stands for a number far more often than for anything else.
    let number = pattern.replace('*', "0");
    let names = || known.iter().map(|p| p.name.as_str());
    let near = nearest(pattern, names()).or_else(|| nearest(&number, names()));
    let alike = if near.is_some() { String::new() } else { alike(known, pattern) };
    let help = format!("{alike}the model has {} hook points; hooks() lists them", known.len());
    Error::NotFound { kind: "hook point", name: pattern.to_owned(), nearest: near, help }
}

/// The points of one block stand for those of all.
fn alike(known: &[HookPoint], pattern: &str) -> String {
    let starred = |p: &HookPoint| p.name.replacen(&format!("blocks.{}.", p.layer), "blocks.*.", 1);
    let names: BTreeSet<String> = known.iter().map(starred).collect();
    most_alike(pattern, names.iter().map(String::as_str))
}
