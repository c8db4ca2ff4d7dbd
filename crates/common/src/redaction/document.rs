//! JSON documents and named values.

use super::MASK;
use super::address::{hides_something, query, url};
use super::names::{Announces, announces, is_number, is_plain_word};
use super::scan::text;
use serde_json::{Map, Value};

/// The value of a header, field or variable as it may be written down.
#[must_use]
pub fn field(name: &str, value: &str) -> String {
    let hidden = match announces(name) {
        Announces::Secret | Announces::SecretLine => !value.is_empty(),
        Announces::Perhaps => !is_plain_word(value),
        Announces::Count => !is_number(value),
        Announces::Nothing => false,
    };
    if hidden {
        return MASK.to_owned();
    }
    match name.to_ascii_lowercase().as_str() {
        "query" | "search" => query(value.trim_start_matches('?')),
        "url" | "uri" | "path" | "location" | "referer" | "referrer" => url(value),
        _ => {
            let shown = text(value).into_owned();
            // Only under percent signs: nothing of it can be kept in place.
            if value.contains('%') && shown == value && hides_something(value) {
                MASK.to_owned()
            } else {
                shown
            }
        }
    }
}

/// The document with every credential replaced, by the names of its fields and by shape, however deep. Empty values, `null`, booleans
/// and numbers that count something stay.
#[must_use]
pub fn json(value: Value) -> Value {
    match value {
        Value::String(value) => Value::String(text(&value).into_owned()),
        Value::Array(values) => Value::Array(values.into_iter().map(json).collect()),
        Value::Object(fields) => Value::Object(object(fields)),
        other => other,
    }
}

fn object(fields: Map<String, Value>) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| {
            let value = named(&name, value);
            (text(&name).into_owned(), value)
        })
        .collect()
}

fn named(name: &str, value: Value) -> Value {
    let mask = || Value::String(MASK.to_owned());
    match (announces(name), value) {
        (_, Value::String(value)) => Value::String(field(name, &value)),
        (_, unsaid @ (Value::Null | Value::Bool(_))) | (Announces::Count, unsaid @ Value::Number(_)) => unsaid,
        (Announces::Perhaps, Value::Number(number)) if is_plain_word(&number.to_string()) => Value::Number(number),
        (Announces::Secret | Announces::SecretLine, _) | (Announces::Perhaps, Value::Number(_)) => mask(),
        (_, Value::Array(values)) => Value::Array(values.into_iter().map(|value| named(name, value)).collect()),
        (_, value) => json(value),
    }
}
