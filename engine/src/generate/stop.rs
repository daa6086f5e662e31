//! Stop strings that may begin in one token and end in another.

/// Lets text through until a stop string appears; holds back what might be the beginning of one.
#[derive(Debug, Clone, Default)]
pub struct StopScanner {
    stops: Vec<String>,
    held: String,
    hit: Option<String>,
}

impl StopScanner {
    /// Scans for any of `stops`; empty strings are ignored.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|s| !s.is_empty()).collect(), ..Self::default() }
    }

    /// The stop string that was met.
    pub fn hit(&self) -> Option<&str> {
        self.hit.as_deref()
    }

    /// Adds text and returns what can be shown. After a hit, nothing more comes.
    pub fn push(&mut self, text: &str) -> String {
        if self.hit.is_some() {
            return String::new();
        }
        self.held.push_str(text);
        // The earliest occurrence wins; where two start together, the longer.
        let found = self
            .stops
            .iter()
            .filter_map(|s| self.held.find(s.as_str()).map(|at| (at, s)))
            .min_by_key(|(at, s)| (*at, std::cmp::Reverse(s.len())));
        if let Some((at, stop)) = found {
            self.hit = Some(stop.clone());
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let keep = self.stops.iter().map(|s| overlap(&self.held, s)).max().unwrap_or(0);
        self.held.drain(..self.held.len() - keep).collect()
    }

    /// What is still held back when the text ends without a stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Bytes of the longest suffix of `text` that is a proper prefix of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(i, _)| i)
        .rev()
        .find(|&n| n > 0 && stop.get(..n).is_some_and(|prefix| text.ends_with(prefix)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(stops: &[&str], pieces: &[&str]) -> (String, Option<String>) {
        let mut s = StopScanner::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut out: String = pieces.iter().map(|p| s.push(p)).collect();
        out += &s.finish();
        (out, s.hit)
    }

    #[test]
    fn stops_are_found_across_pieces() {
        assert_eq!(scan(&["\n\n"], &["a\n", "\nb"]), ("a".into(), Some("\n\n".into())));
        assert_eq!(scan(&["END"], &["xE", "N", "Dy"]), ("x".into(), Some("END".into())));
        assert_eq!(scan(&["END"], &["xE", "N", "O"]), ("xENO".into(), None));
        assert_eq!(scan(&["é!"], &["caf", "é", "!"]), ("caf".into(), Some("é!".into())));
        assert_eq!(scan(&["b", "abc"], &["ab", "c"]), ("a".into(), Some("b".into())));
        assert_eq!(scan(&["aab"], &["a", "a", "a", "b"]), ("a".into(), Some("aab".into())));
    }

    #[test]
    fn nothing_is_held_longer_than_needed() {
        let mut s = StopScanner::new(vec!["END".into()]);
        assert_eq!(s.push("hello E"), "hello ");
        assert_eq!(s.push("x"), "Ex");
    }
}
