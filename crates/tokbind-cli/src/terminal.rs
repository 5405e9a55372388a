//! Text for a terminal, which obeys some characters.

/// JSON without characters that a terminal might obey. Every writer of JSON escapes those below U+0020, and no other.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() && character != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

/// A line without characters that a terminal might obey: servers have a hand in much that is told of them.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(harmless("text/html; charset=\u{e4}"), "text/html; charset=\u{e4}");
        assert_eq!(harmless("\u{1b}[2J\u{9b}2J\t\n"), "\u{fffd}[2J\u{fffd}2J\u{fffd}\u{fffd}");
        let value = serde_json::json!({ "a\u{85}": "\u{1b}\u{9b}2J\u{7f}\u{e4}\n" });
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
