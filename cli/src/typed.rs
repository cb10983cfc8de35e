//! Values as JSON, and JSON as values.
//!
//! What JSON has no numbers for is a text: integers over 64 bits, NaN and the infinities. Bytes that are no value of
//! their type are `{"bytes": "0a ff"}`.

use anyhow::{Context, Result, anyhow, bail};
use cotenant::inspect::{Layout, Typed, printable};
use cotenant::schema::Kind;
use serde_json::{Map, Number, Value};

use crate::human;

/// A value as JSON.
pub(crate) fn to_json(typed: &Typed) -> Value {
    match typed {
        Typed::Bool(value) => Value::Bool(*value),
        Typed::Unsigned(number) => u64::try_from(*number).map_or_else(|_| number.to_string().into(), Value::from),
        Typed::Signed(number) => i64::try_from(*number).map_or_else(|_| number.to_string().into(), Value::from),
        Typed::Float(number) => Number::from_f64(*number).map_or_else(|| number.to_string().into(), Value::Number),
        Typed::Text(text) => Value::String(text.clone()),
        Typed::List(items) => Value::Array(items.iter().map(to_json).collect()),
        Typed::Fields(fields) => {
            Value::Object(fields.iter().map(|(name, typed)| (name.clone(), to_json(typed))).collect())
        }
        Typed::Bytes(bytes) => {
            let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Value::Object(Map::from_iter([("bytes".to_owned(), Value::String(bytes.join(" ")))]))
        }
        _ => Value::Null,
    }
}

/// JSON as a value; whether it suits the type is seen when it is put there.
pub(crate) fn from_json(json: &Value) -> Result<Typed> {
    Ok(match json {
        Value::Null => Typed::None,
        Value::Bool(value) => Typed::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => Typed::Unsigned(number.into()),
            (_, Some(number), _) => Typed::Signed(number.into()),
            (.., Some(number)) => Typed::Float(number),
            _ => bail!("{number} is no number that a value can have"),
        },
        Value::String(text) => Typed::Text(text.clone()),
        Value::Array(items) => Typed::List(items.iter().map(from_json).collect::<Result<_>>()?),
        Value::Object(fields) => {
            let field = |(name, json): (&String, &Value)| Ok((name.clone(), from_json(json)?));
            Typed::Fields(fields.iter().map(field).collect::<Result<_>>()?)
        }
    })
}

/// What was typed on the command line for a value of this layout: JSON; a text, a character and a variant's name also
/// without quotation marks, a span of time also as `1.5s`.
pub(crate) fn from_words(words: &str, layout: &Layout) -> Result<Typed> {
    let kind = layout.parts().next().filter(|_| layout.kind() == Some(Kind::Optional)).unwrap_or(layout.clone());
    let json = serde_json::from_str::<Value>(words);
    let is_text = matches!(kind.kind(), Some(Kind::Text | Kind::Char | Kind::Enum));
    let is_integer = matches!(kind.kind(), Some(Kind::Unsigned | Kind::Signed));
    match json {
        Ok(Value::Null) if kind.kind() != layout.kind() => Ok(Typed::None),
        Ok(Value::Number(number)) if kind.kind() == Some(Kind::Enum) => from_json(&Value::Number(number)),
        // JSON's numbers over 64 bits are not exact.
        Ok(Value::Number(number)) if is_integer && !number.is_u64() && !number.is_i64() => {
            Ok(Typed::Text(words.replace('_', "")))
        }
        Ok(json) if !is_text || json.is_string() => from_json(&json),
        _ if is_text => Ok(Typed::Text(words.to_owned())),
        _ if is_duration(&kind) => duration(words),
        // Numbers that JSON does not have: 2^64 and more, NaN; and sizes, such as 64MiB.
        _ if matches!(kind.kind(), Some(Kind::Unsigned | Kind::Signed | Kind::Float)) => match human::size(words) {
            Ok(bytes) if kind.kind() != Some(Kind::Float) => Ok(Typed::Unsigned(bytes.into())),
            _ => Ok(Typed::Text(words.replace('_', ""))),
        },
        Ok(json) => from_json(&json),
        Err(error) => {
            let type_text = printable(&layout.type_text());
            Err(error).with_context(|| format!("`{}` is no JSON, which {type_text} needs", printable(words)))
        }
    }
}

/// A value as one line for people: a text without quotation marks, everything else as JSON.
pub(crate) fn to_line(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `cotenant::value::Duration`.
fn is_duration(layout: &Layout) -> bool {
    let fields: Vec<_> = layout.parts().map(|part| part.name().to_owned()).collect();
    layout.kind() == Some(Kind::Struct) && layout.type_text() == "Duration" && fields == ["seconds", "nanoseconds"]
}

fn duration(words: &str) -> Result<Typed> {
    let wrong = |why| anyhow!("`{}` is no span of time: {why}", printable(words));
    let duration = human::duration(words).map_err(wrong)?;
    let field = |name: &str, number: u64| (name.to_owned(), Typed::Unsigned(number.into()));
    let nanoseconds = field("nanoseconds", duration.subsec_nanos().into());
    Ok(Typed::Fields(vec![field("seconds", duration.as_secs()), nanoseconds]))
}

#[cfg(test)]
mod tests {
    use cotenant::value::{Duration, Optional, Text};
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_values_are_each_others() {
        for json in
            [json!(null), json!(true), json!(7), json!(-7), json!(1.5), json!("a"), json!([1, 2]), json!({"a": 1})]
        {
            assert_eq!(to_json(&from_json(&json).expect("a value")), json);
        }
        assert_eq!(to_json(&Typed::Unsigned(1 << 64)), json!("18446744073709551616"));
        assert_eq!(to_json(&Typed::Float(f64::NAN)), json!("NaN"));
        assert_eq!(to_json(&Typed::Bytes(vec![10, 255])), json!({"bytes": "0a ff"}));
    }

    #[test]
    fn words_are_taken_as_the_type_wants_them() {
        let words = |words: &str, layout: &Layout| to_json(&from_words(words, layout).expect("a value"));
        assert_eq!(words("5", &Layout::of::<Text<8>>()), json!("5"));
        assert_eq!(words("\"5\"", &Layout::of::<Text<8>>()), json!("5"));
        assert_eq!(words("5", &Layout::of::<u64>()), json!(5));
        assert_eq!(words("1_000", &Layout::of::<u64>()), json!(1000));
        assert_eq!(words("64MiB", &Layout::of::<u64>()), json!(64 << 20));
        assert_eq!(words("18446744073709551616", &Layout::of::<u64>()), json!("18446744073709551616"));
        // Not a neighbour of what was typed, or `diff` would see changes that nobody made.
        assert_eq!(words("0.029244278000000002", &Layout::of::<f64>()), json!(0.029244278000000002_f64));
        assert_eq!(words("null", &Layout::of::<Optional<Text<8>>>()), json!(null));
        assert_eq!(words("abc", &Layout::of::<Optional<Text<8>>>()), json!("abc"));
        let spans = json!({"seconds": 2, "nanoseconds": 500_000_000});
        assert_eq!(words("2s 500ms", &Layout::of::<Duration>()), spans);
        assert_eq!(words("2.5s", &Layout::of::<Duration>()), spans);
        assert!(from_words("{", &Layout::of::<[u8; 2]>()).expect_err("no JSON").to_string().contains("is no JSON"));
    }
}
