//! Reads the paths that a Rust source names: `crate::…`, `super::…` and `std::…`, in `use` trees
//! and in expressions alike, resolved to the crate root. No macro is expanded.

use std::collections::BTreeMap;

/// A path as the source names it, resolved.
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Inside a module under `#[cfg(test)]`.
    pub(crate) in_test: bool,
    pub(crate) is_macro: bool,
}

impl Named {
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Words, `::`, and single signs; comments, strings and characters are left out.
fn tokens(source: &str) -> Vec<Token> {
    let code = without_comments_and_literals(source);
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if word(first) {
                rest.find(|c| !word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: rest[..length].to_owned(), line: index + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The source with every comment and literal turned into blanks; line ends stay.
fn without_comments_and_literals(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut kept = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at).max(at + 1);
        let literal = end > at + 1;
        for &c in &chars[at..end] {
            kept.push(if literal && c != '\n' { ' ' } else { c });
        }
        at = end;
    }
    kept
}

/// Where the comment or literal that starts at `at` ends; `at` if none starts there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    match (chars[at], next(1)) {
        ('/', '/') => find(chars, at, |c| c[0] == '\n', 0),
        ('/', '*') => {
            let (mut depth, mut end) = (1, at + 2);
            while depth > 0 && end < chars.len() {
                match (chars[end], chars.get(end + 1)) {
                    ('/', Some('*')) => (depth, end) = (depth + 1, end + 2),
                    ('*', Some('/')) => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            end.min(chars.len())
        }
        ('"', _) => quoted_end(chars, at, '"'),
        // `'a'` and `'\n'` are characters, `'a` is a lifetime.
        ('\'', '\\') => quoted_end(chars, at, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        ('r', '"' | '#') if at == 0 || !is_word(chars[at - 1]) || chars[at - 1] == 'b' => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if next(1 + hashes) != '"' {
                return at; // a raw identifier
            }
            let close: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
            let begin = at + 2 + hashes;
            find(chars, begin, |c| c.starts_with(&close), close.len())
        }
        _ => at,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first place from `at` on where `ends` holds, plus `length`; the end of the text if none.
fn find(chars: &[char], at: usize, ends: impl Fn(&[char]) -> bool, length: usize) -> usize {
    let found = (at..chars.len()).find(|&place| ends(&chars[place..]));
    found.map_or(chars.len(), |place| place + length)
}

fn quoted_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

/// All resolved paths of a file whose module path is `module`, and its lone words that are types
/// (`Stream`) or macros (`println`).
pub(crate) fn named_paths(source: &str, module: &[String]) -> Vec<Named> {
    let tokens = tokens(source);
    let mut named = Vec::new();
    // Inline modules around the current token: name, brace depth, under `#[cfg(test)]`.
    let mut inline: Vec<(String, usize, bool)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while at < tokens.len() {
        let word = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text.as_str());
        match word(0) {
            "mod" if word(2) == "{" => {
                inline.push((word(1).to_owned(), depth, is_under_cfg_test(&tokens[..at])));
                depth += 1;
                at += 3;
                continue;
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.last().is_some_and(|(_, opened, _)| *opened == depth) {
                    inline.pop();
                }
            }
            _ => {}
        }
        let in_test = inline.iter().any(|(_, _, test)| *test);
        let here = || -> Vec<String> {
            let names = inline.iter().map(|(name, ..)| name.clone());
            module.iter().cloned().chain(names).collect()
        };
        let starts_path = at == 0 || tokens[at - 1].text != "::" || !is_name(&tokens, at, 2);
        let starts_path = starts_path && is_name(&tokens, at, 0);
        if starts_path {
            let (mut found, end) = tree(&tokens, at, &[]);
            for path in &mut found {
                path.segments = resolved(&path.segments, here());
                path.in_test = in_test;
                path.is_macro = tokens.get(end).is_some_and(|token| token.text == "!");
            }
            named.append(&mut found);
            at = end;
        } else {
            at += 1;
        }
    }
    named
}

/// Whether the token `back` places before `at` begins with a letter or `_`.
fn is_name(tokens: &[Token], at: usize, back: usize) -> bool {
    let token = at.checked_sub(back).and_then(|at| tokens.get(at));
    token.is_some_and(|token| token.text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// Whether `#[cfg(test)]` stands before an item, other attributes and `pub` between.
fn is_under_cfg_test(before: &[Token]) -> bool {
    let item = before.iter().rposition(|token| matches!(token.text.as_str(), ";" | "{" | "}"));
    let attributes: String =
        before[item.map_or(0, |at| at + 1)..].iter().map(|token| token.text.as_str()).collect();
    attributes.contains("#[cfg(test)]")
}

/// Reads the path or `use` tree at `at`: all the paths it stands for, and where it ends.
fn tree(tokens: &[Token], at: usize, prefix: &[String]) -> (Vec<Named>, usize) {
    let line = tokens.get(at).map_or(0, |token| token.line);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut segments = prefix.to_vec();
    let mut at = at;
    loop {
        match word(at) {
            "{" => {
                let mut named = Vec::new();
                at += 1;
                while at < tokens.len() && word(at) != "}" {
                    let (mut found, end) = tree(tokens, at, &segments);
                    named.append(&mut found);
                    at = end.max(at + 1);
                    // Past the comma, or past an alias.
                    while at < tokens.len() && !matches!(word(at), "," | "}") {
                        at += 1;
                    }
                    at += usize::from(word(at) == ",");
                }
                return (named, at + 1);
            }
            "*" => {
                segments.push("*".to_owned());
                at += 1;
                break;
            }
            // `use a::{self}` names `a`.
            "self" if !prefix.is_empty() => at += 1,
            name => {
                segments.push(name.to_owned());
                at += 1;
            }
        }
        let goes_on =
            word(at) == "::" && (matches!(word(at + 1), "{" | "*") || is_name(tokens, at + 1, 0));
        if !goes_on {
            break;
        }
        at += 1;
    }
    (vec![Named { segments, line, in_test: false, is_macro: false }], at)
}

/// Replaces a leading `self` or chain of `super` by the path from the crate root.
fn resolved(segments: &[String], here: Vec<String>) -> Vec<String> {
    let mut base = here;
    let mut rest = segments;
    let mut relative = false;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(base.pop()),
            // `std::println!` prints as `println!` does.
            "std" if after.len() == 1 && after[0].starts_with("print") => return after.to_vec(),
            _ => break,
        }
        relative = true;
        rest = after;
    }
    if !relative {
        return segments.to_vec();
    }
    let mut path = vec!["crate".to_owned()];
    path.extend(base);
    path.extend_from_slice(rest);
    path
}

/// The names that `lib.rs` re-exports, each with the top-level module it comes from.
pub(crate) fn root_names(lib: &str) -> BTreeMap<String, String> {
    let tokens = tokens(lib);
    let mut names = BTreeMap::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| token.text == "use") {
        let end = tokens[at..].iter().position(|token| token.text == ";").map_or(at, |n| at + n);
        for path in tree(&tokens, at + 1, &[]).0 {
            let mut segments =
                path.segments.iter().filter(|name| !["crate", "self"].contains(&name.as_str()));
            if let (Some(top), Some(last)) = (segments.next(), path.segments.last()) {
                names.insert(last.clone(), top.clone());
                // `name as alias`: the alias follows the name.
                let statement = &tokens[at..end];
                let alias = statement.windows(3).find(|w| w[0].text == *last && w[1].text == "as");
                names.extend(alias.map(|w| (w[2].text.clone(), top.clone())));
            }
        }
    }
    names
}
