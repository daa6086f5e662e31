//! Patterns with `*` and `?`, as the history of IPython understands them.

/// Whether `text` fits `pattern`. Linear in the text for each star: after a mismatch only the last star can take one
/// character more.
pub fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(q) if *q == '?' || q == c => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_and_question_marks() {
        assert!(fits("", "") && fits("*", "") && fits("a*b*c", "a--b--b-c") && fits("?é", "xé"));
        assert!(!fits("", "a") && !fits("a*b", "a") && !fits("?", ""));
    }
}
