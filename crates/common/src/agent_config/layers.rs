//! The layers: the platform's keys over the user's document over defaults, and back from what is on the disk to the user's part.

use super::locked::{AGENTS_OWN, WHOLE};
use super::providers;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The document that the agent is to find: `locked` over `document` over `defaults`. Everything else in `document` stays, but for providers that the
/// platform offered once.
#[must_use]
pub fn effective(document: &Value, locked: &Value, defaults: &Value) -> Value {
    let mut merged = defaults.clone();
    // Anything but an object is no document.
    if document.is_object() {
        overlay(&mut merged, document);
    }
    let no_longer_offered = !providers::found_in(&merged).is_empty();
    for path in platforms(&merged, locked) {
        remove(&mut merged, &path);
    }
    if no_longer_offered {
        prune(&mut merged);
    }
    overlay(&mut merged, locked);
    merged
}

/// The places in a document that are the platform's whole, whatever stands below them: fixed ones, providers that are offered, and those that were.
fn platforms<'a>(document: &Value, locked: &'a Value) -> Vec<Vec<Cow<'a, str>>> {
    let fixed = WHOLE
        .iter()
        .map(|path| path.iter().map(|name| (*name).into()).collect());
    let offered = providers::PATH.iter().try_fold(locked, |value, key| value.get(*key));
    let offered = offered.and_then(Value::as_object).into_iter().flatten();
    let offered = offered.map(|(id, _)| provider(id.as_str().into()));
    let found = providers::found_in(document).into_iter().map(|id| provider(id.into()));
    fixed.chain(offered).chain(found).collect()
}

fn provider(id: Cow<'_, str>) -> Vec<Cow<'_, str>> {
    let [models, providers] = providers::PATH;
    vec![models.into(), providers.into(), id]
}

/// Takes objects away that hold nothing, where the platform's providers and its model would be: they say the same as none, and come and go with those.
fn prune(document: &mut Value) {
    let places = json!({ "models": { "providers": {} }, "agents": { "defaults": { "model": {} } } });
    take_out(document, &places, false);
}

/// A document on the disk without the default model that the platform put there, if that still stands.
#[must_use]
pub fn without_default(disk: &Value, model: Option<&str>) -> Value {
    let mut document = disk.clone();
    if let Some(model) = model {
        let placed = json!({ "agents": { "defaults": { "model": { "primary": model } } } });
        take_out(&mut document, &placed, false);
    }
    document
}

/// Puts `upper` over `lower`: objects key by key, everything else whole.
fn overlay(lower: &mut Value, upper: &Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                overlay(lower.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (lower, Value::Object(upper)) => {
            let mut object = Value::Object(Map::new());
            overlay(&mut object, &Value::Object(upper.clone()));
            *lower = object;
        }
        (lower, upper) => *lower = upper.clone(),
    }
}

fn remove(document: &mut Value, path: &[impl AsRef<str>]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let parent = parents
        .iter()
        .try_fold(document, |value, key| value.get_mut(key.as_ref()));
    if let Some(Value::Object(parent)) = parent {
        parent.remove(last.as_ref());
    }
}

/// What is the user's of a document on the disk: without the platform's keys, without defaults that he did not change, without what the agent keeps for
/// itself. Objects that hold nothing else are gone too, so that it is the same again after it was put under the platform's keys.
#[must_use]
pub fn user_part(document: &Value, locked: &Value, defaults: &Value) -> Value {
    let mut part = match document {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    for name in AGENTS_OWN {
        part.remove(name);
    }
    let mut part = Value::Object(part);
    for path in platforms(&part, locked) {
        remove(&mut part, &path);
    }
    take_out(&mut part, locked, true);
    take_out(&mut part, defaults, false);
    prune(&mut part);
    part
}

/// Takes the leaves of `taken` out of `document`, only where they are equal unless `any`, and objects that are empty on the way.
fn take_out(document: &mut Value, taken: &Value, any: bool) {
    let (Value::Object(fields), Value::Object(taken)) = (document, taken) else {
        return;
    };
    for (name, taken) in taken {
        let Some(value) = fields.get_mut(name) else { continue };
        let gone = if taken.is_object() {
            take_out(value, taken, any);
            // Of what should be an object and is none, nothing of the user's can stay under the platform's keys.
            value.as_object().map_or(any, Map::is_empty)
        } else {
            any || value == taken
        };
        if gone {
            fields.remove(name);
        }
    }
}

/// A document without what is the platform's among its providers. What was a user's own once may be offered by now, and a supervisor that knows of no
/// offer takes what is left of one for the user's: neither is a reason to refuse the rest of it.
#[must_use]
pub fn without_providers(document: &Value, locked: &Value) -> Value {
    let mut rest = document.clone();
    for path in platforms(document, locked) {
        if path.first().is_some_and(|name| name == providers::PATH[0]) {
            remove(&mut rest, &path);
        }
    }
    if rest != *document {
        prune(&mut rest);
    }
    rest
}

/// The paths of a document that are not the user's to set, dotted, in order.
#[must_use]
pub fn violations(document: &Value, locked: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for name in AGENTS_OWN {
        if document.get(name).is_some() {
            found.push(name.to_owned());
        }
    }
    let whole: Vec<String> = platforms(document, locked).iter().map(|path| path.join(".")).collect();
    collide(document, locked, "", &whole, &mut found);
    // Under whatever name: what asks at the platform's address is the platform's.
    for id in providers::found_in(document) {
        found.push(provider(id.as_str().into()).join("."));
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn collide(document: &Value, locked: &Value, at: &str, whole: &[String], found: &mut Vec<String>) {
    match (document, locked) {
        (Value::Object(fields), Value::Object(locked)) => {
            for (name, locked) in locked {
                let Some(value) = fields.get(name) else { continue };
                let path = dotted(at, name);
                if whole.contains(&path) {
                    found.push(path);
                } else {
                    collide(value, locked, &path, whole, found);
                }
            }
        }
        // A leaf of the platform's, or something else in the place of an object that holds some.
        _ => found.push(at.to_owned()),
    }
}

/// A path, one name longer.
pub(super) fn dotted(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
