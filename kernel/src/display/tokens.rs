//! Generated tokens with their probabilities: each as a chip, the more surprising the stronger its colour.

use super::escape_html;
use serde_json::{Value, json};
use std::fmt::Write;

/// The MIME type of [`json`].
pub const MIME: &str = "application/vnd.minerva.tokens+json";

/// A probability below this has the full colour, in nats: e⁻⁶ is a quarter of a percent.
const FULL: f32 = 6.0;

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: u32,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest tokens at its place, likeliest first, in the same form without others of their own.
    pub top: Vec<Shown>,
}

/// The tokens as data, for a front end that draws them itself.
pub fn json(tokens: &[Shown]) -> Value {
    let plain = |t: &Shown| json!({ "text": t.text, "id": t.id, "logprob": t.logprob });
    let tokens = tokens.iter().map(|t| {
        let mut token = plain(t);
        if !t.top.is_empty() {
            token["top"] = t.top.iter().map(plain).collect();
        }
        token
    });
    json!({ "tokens": tokens.collect::<Vec<_>>() })
}

/// The tokens as HTML without script: what else was likely stands in the title of each.
pub fn html(tokens: &[Shown]) -> String {
    let mut out = String::from("<div style=\"font-family:monospace;line-height:1.9;white-space:pre-wrap\">");
    for token in tokens {
        let strength = ((0.0 - token.logprob) / FULL).clamp(0.0, 1.0) * 0.6;
        let title = std::iter::once(line(token)).chain(token.top.iter().map(line)).collect::<Vec<_>>().join("\n");
        // Writing into a text cannot fail.
        let _ = write!(
            out,
            "<span title=\"{}\" style=\"background:rgba(230,97,0,{strength:.2});border-radius:3px;padding:1px 0\">{}</span>",
            escape_html(&title),
            escape_html(&visible(&token.text)),
        );
    }
    out.push_str("</div>");
    out
}

fn line(token: &Shown) -> String {
    format!("{:6.2} %  {:?}  {}", token.logprob.exp() * 100.0, token.text, token.id)
}

/// A token that ends a line shows that it does.
fn visible(text: &str) -> String {
    text.replace('\n', "↵\n").replace('\t', "→\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, id: u32, p: f32) -> Shown {
        Shown { text: text.to_owned(), id, logprob: p.ln(), top: Vec::new() }
    }

    #[test]
    fn a_surprising_token_has_more_colour_and_what_else_was_likely() {
        let sure = token("To", 1, 1.0);
        let odd = Shown { top: vec![token("be", 2, 0.9), token("<b>", 3, 0.001)], ..token("<b>", 3, 0.001) };
        let html = html(&[sure.clone(), odd.clone()]);
        assert!(html.contains("rgba(230,97,0,0.00)") && html.contains("rgba(230,97,0,0.60)"), "{html}");
        assert!(html.contains(" 90.00 %  &quot;be&quot;  2"), "{html}");
        assert!(html.contains(">&lt;b&gt;</span>") && !html.contains("<b>"), "{html}");
        let data = json(&[sure, odd]);
        assert_eq!(data["tokens"][0], serde_json::json!({ "text": "To", "id": 1, "logprob": 0.0 }));
        assert_eq!(data["tokens"][1]["top"][0]["id"], 2);
    }

    #[test]
    fn the_end_of_a_line_is_seen() {
        assert!(html(&[token("a\n", 1, 0.5)]).contains("a↵\n"));
    }
}
