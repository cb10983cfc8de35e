//! The words of `#![shared(..)]`: what may be said about a block.

use proc_macro::{Delimiter, Ident, Literal, Span, TokenStream, TokenTree};

use crate::error::{Error, Result};
use crate::literal::{integer_value, string_text};
use crate::tokens::{Cursor, fill, group, split_at_commas};

/// Words that choose among a few values; the first one is the default.
const CHOICES: [(&str, [&str; 2]); 5] = [
    ("keep", ["while_attached", "until_removed"]),
    ("attach", ["at_load", "by_call"]),
    ("on_failure", ["exit", "private"]),
    ("on_mismatch", ["refuse", "separate"]),
    ("when_privileged", ["private", "share"]),
];

/// Words that mean nothing without `name`, and why.
const NEED_NAME: [(&str, &str); 3] = [
    ("mode", "a block without a name is private to the user who runs the program"),
    ("group", "a block without a name is private to the user who runs the program"),
    ("on_mismatch", "a block without a name is shared by one build only, so nothing can differ"),
];

const MAX_NAME_CHARS: usize = 100;
/// How the segments of blocks without a name are called, and what stands for System V memory.
const RESERVED_PREFIXES: [(&str, &str); 2] =
    [("image-", "blocks without a name"), ("sysv-", "System V segments, which are found by their key")];

const MODE_OWNER: u64 = 0o600;
const MODE_GROUP: u64 = 0o060;
const MODE_READ_WRITE: u64 = 0o666;
const MODE_OTHERS_WRITE: u64 = 0o002;

/// What was said about a block, in the form that `__block!` wants; `None` is what was left out or is a mistake.
#[derive(Default)]
pub(crate) struct Words {
    name: Option<Literal>,
    mode: Option<(u64, Span)>,
    group: Option<Literal>,
    choices: [Option<Ident>; CHOICES.len()],
}

impl Words {
    /// Reads the words; the mistakes go to `errors`.
    pub(crate) fn parse(words: TokenStream, errors: &mut Vec<Error>) -> Words {
        let mut parsed = Words::default();
        let mut seen: Vec<Ident> = Vec::new();
        for piece in split_at_commas(words) {
            if let Err(error) = parsed.read(piece, &mut seen) {
                errors.push(error);
            }
        }
        parsed.check_together(&seen, errors);
        parsed
    }

    /// Reads one `word = value`.
    fn read(&mut self, piece: Vec<TokenTree>, seen: &mut Vec<Ident>) -> Result<()> {
        let mut cursor = Cursor::new(piece.iter().cloned());
        let word = cursor.take_ident().ok_or_else(|| Error::over(&piece, "expected `word = value`"))?;
        let text = word.to_string();
        if !all_words().any(|known| known == text) {
            let known = all_words().collect::<Vec<_>>();
            return Err(Error::at(
                word.span(),
                format!("a block knows no word `{text}`.{}", suggestion(&text, &known)),
            ));
        }
        if seen.iter().any(|other| other.to_string() == text) {
            return Err(Error::at(word.span(), format!("`{text}` is said twice: keep one of them")));
        }
        seen.push(word.clone());
        if !cursor.take_punct('=') {
            return Err(Error::over(&piece, format!("`{text}` needs a value: `{}`", example(&text))));
        }
        let value = cursor.take_until(|_, _| false);
        let [value] = value.as_slice() else {
            let wrong = if value.is_empty() { &piece } else { &value };
            let message = format!("`{text}` takes one value: `{}`. Between words stands a comma", example(&text));
            return Err(Error::over(wrong, message));
        };
        match text.as_str() {
            "name" => self.name = Some(read_name(value)?),
            "mode" => self.mode = Some((read_mode(value)?, value.span())),
            "group" => self.group = Some(read_group(value)?),
            _ => {
                for (choice, (known, values)) in self.choices.iter_mut().zip(CHOICES) {
                    if known == text {
                        *choice = Some(read_choice(&text, value, &values)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn check_together(&self, seen: &[Ident], errors: &mut Vec<Error>) {
        let said = |word: &str| seen.iter().find(|ident| ident.to_string() == word);
        if said("name").is_none() {
            for (word, why) in NEED_NAME {
                if let Some(ident) = said(word) {
                    let message = format!("`{word}` needs a `name` beside it: {why}. Add `name = \"acme.web\"`");
                    errors.push(Error::at(ident.span(), message));
                }
            }
        }
        if let (Some(group), Some((mode, _))) = (&self.group, self.mode) {
            if mode & MODE_GROUP == 0 {
                errors.push(Error::at(
                    group.span(),
                    format!(
                        "mode 0o{mode:o} lets nobody of the group in: say `mode = 0o660`, or `0o640` to let the group \
                         read only, or leave `mode` out"
                    ),
                ));
            }
        }
    }

    /// All words, in a fixed order, with defaults for those left out.
    pub(crate) fn tokens(self, span: Span) -> TokenStream {
        let default_mode = if self.group.is_some() { MODE_OWNER | MODE_GROUP } else { MODE_OWNER };
        let (mode, mode_span) = self.mode.unwrap_or((default_mode, span));
        let mode = format!("0o{mode:o}").parse::<Literal>().ok().map(|mut literal| {
            literal.set_span(mode_span);
            TokenTree::from(literal)
        });
        let or_none = |literal: Option<Literal>| match literal {
            Some(literal) => TokenTree::from(literal).into(),
            None => fill("none", span, &[]),
        };
        let mut out = fill(
            "name: $name, mode: $mode, group: $group",
            span,
            &[("name", or_none(self.name)), ("mode", mode.into_iter().collect()), ("group", or_none(self.group))],
        );
        for (choice, (word, [default, _])) in self.choices.into_iter().zip(CHOICES) {
            let chosen = choice.unwrap_or_else(|| Ident::new(default, span));
            let word = Ident::new(word, span);
            out.extend(fill(
                ", $word: $value",
                span,
                &[("word", TokenTree::from(word).into()), ("value", TokenTree::from(chosen).into())],
            ));
        }
        out
    }
}

fn all_words() -> impl Iterator<Item = &'static str> {
    ["name", "mode", "group"].into_iter().chain(CHOICES.map(|(word, _)| word))
}

fn example(word: &str) -> String {
    match CHOICES.iter().find(|(known, _)| *known == word) {
        Some((_, [_, other])) => format!("{word} = {other}"),
        None if word == "mode" => "mode = 0o660".to_owned(),
        None if word == "group" => "group = \"www-data\"".to_owned(),
        None => "name = \"acme.web\"".to_owned(),
    }
}

fn read_name(value: &TokenTree) -> Result<Literal> {
    let refuse = |message: String| Error::at(value.span(), message);
    let name = string_text(value).ok_or_else(|| refuse("a name is a string: `name = \"acme.web\"`".to_owned()))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if let Some(wrong) = name.chars().find(|&c| !is_plain(c)) {
        return Err(refuse(format!(
            "a name consists of letters and digits of ASCII, `.`, `_` and `-`; {wrong:?} is none of them"
        )));
    }
    let length = name.len();
    if length == 0 || length > MAX_NAME_CHARS {
        return Err(refuse(format!("a name has 1 to {MAX_NAME_CHARS} characters; this one has {length}")));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(refuse(format!("a name begins with a letter or a digit, not with `{}`", &name[..1])));
    }
    match RESERVED_PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        Some((prefix, whose)) => Err(refuse(format!("names that begin with `{prefix}` belong to {whose}"))),
        None => Ok(string_literal(&name, value)),
    }
}

fn read_group(value: &TokenTree) -> Result<Literal> {
    match string_text(value) {
        Some(group) if group.contains('\0') => Err(Error::at(value.span(), "the name of a group holds no zero byte")),
        Some(group) if !group.is_empty() => Ok(string_literal(&group, value)),
        _ => Err(Error::at(value.span(), "a group is the name of one, as a string: `group = \"www-data\"`")),
    }
}

fn string_literal(text: &str, written: &TokenTree) -> Literal {
    let mut literal = Literal::string(text);
    literal.set_span(written.span());
    literal
}

fn read_mode(value: &TokenTree) -> Result<u64> {
    let refuse = |message: String| Error::at(value.span(), message);
    let (mode, is_decimal) = integer_value(value)
        .ok_or_else(|| refuse("a mode is an integer, best written in octal: `mode = 0o660`".to_owned()))?;
    if mode & !MODE_READ_WRITE != 0 || mode & MODE_OWNER != MODE_OWNER {
        let digits = mode.to_string();
        let meant = u64::from_str_radix(&digits, 8).unwrap_or(0);
        if is_decimal && meant & !MODE_READ_WRITE == 0 && meant & MODE_OWNER == MODE_OWNER {
            return Err(refuse(format!("{digits} is a decimal number: did you mean `0o{digits}`?")));
        }
    }
    if mode & !MODE_READ_WRITE != 0 {
        return Err(refuse(format!(
            "mode 0o{mode:o} has bits other than read and write: of `0o666` take those that you want, as in `0o660`"
        )));
    }
    if mode & MODE_OWNER != MODE_OWNER {
        return Err(refuse(format!(
            "mode 0o{mode:o} does not let its own user read and write: it must contain `0o600`, as in `0o640`"
        )));
    }
    if mode & MODE_OTHERS_WRITE != 0 {
        return Err(refuse(format!(
            "mode 0o{mode:o} would let every user of this machine write: use `group` (`group = \"www-data\"` and \
             `mode = 0o660`)"
        )));
    }
    Ok(mode)
}

fn read_choice(word: &str, value: &TokenTree, values: &[&str]) -> Result<Ident> {
    let written = string_text(value);
    let text = written.clone().unwrap_or_else(|| opened(value));
    if !values.contains(&text.as_str()) {
        return Err(Error::at(value.span(), format!("`{word}` cannot be `{text}`.{}", suggestion(&text, values))));
    }
    if written.is_some() {
        return Err(Error::at(value.span(), format!("the value of `{word}` stands without quotes: `{word} = {text}`")));
    }
    Ok(Ident::new(&text, value.span()))
}

/// The token's text, without the group that a `$value:ident` or `$value:expr` of a user's macro put around it.
fn opened(token: &TokenTree) -> String {
    group(token, Delimiter::None).map_or_else(|| token.to_string(), |group| group.stream().to_string())
}

/// " Did you mean `x`?", if something is close; then what there is.
fn suggestion(written: &str, known: &[&str]) -> String {
    let close = known.iter().map(|known| (distance(written, known), known)).min();
    let guess = match close {
        Some((distance, known)) if distance <= 1 + known.len() / 4 => format!(" Did you mean `{known}`?"),
        _ => String::new(),
    };
    let list: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    format!("{guess} There is: {}", list.join(", "))
}

/// How many characters must be put in, taken out or replaced to make `b` of `a` (Levenshtein, 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
