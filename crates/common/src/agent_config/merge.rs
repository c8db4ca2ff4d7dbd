//! What changes make of documents.

use json_patch::PatchOperation;
use serde_json::{Map, Value};

/// A document after a patch: objects merge, arrays and everything else are replaced, `null` takes a key away (RFC 7396).
#[must_use]
pub fn patched(document: &Value, patch: &Value) -> Value {
    let mut patched = document.clone();
    json_patch::merge(&mut patched, patch);
    patched
}

/// What `wanted` changes of `base`, done to `found`: key by key, so that what only `found` has stays. Where both changed the same key, `wanted` wins.
#[must_use]
pub fn three_way(base: &Value, wanted: &Value, found: &Value) -> Value {
    let (Value::Object(wanted_fields), Value::Object(found_fields)) = (wanted, found) else {
        return if wanted == base { found } else { wanted }.clone();
    };
    let empty = Map::new();
    let base_fields = base.as_object().unwrap_or(&empty);
    let mut merged = Map::new();
    for (name, found) in found_fields {
        match (base_fields.get(name), wanted_fields.get(name)) {
            (base, Some(wanted)) => {
                let base = base.unwrap_or(&Value::Null);
                merged.insert(name.clone(), three_way(base, wanted, found));
            }
            // It was taken away on purpose.
            (Some(_), None) => {}
            (None, None) => {
                merged.insert(name.clone(), found.clone());
            }
        }
    }
    for (name, wanted) in wanted_fields {
        // What was taken away where it was found stays so unless it was changed meanwhile.
        if !found_fields.contains_key(name) && base_fields.get(name) != Some(wanted) {
            merged.insert(name.clone(), wanted.clone());
        }
    }
    Value::Object(merged)
}

/// The steps from one document to another (RFC 6902).
#[must_use]
pub fn difference(from: &Value, to: &Value) -> Vec<Value> {
    let steps: Vec<PatchOperation> = json_patch::diff(from, to).0;
    steps
        .iter()
        .map(|step| serde_json::to_value(step).unwrap_or_default())
        .collect()
}

/// Most paths that a note names.
const MOST_PATHS: usize = 50;
/// Longest of them, in characters: names of keys may be as long as a document.
const LONGEST_PATH: usize = 200;

/// The places that differ, as JSON pointers, without values: what an audit trail may say.
#[must_use]
pub fn changed_paths(from: &Value, to: &Value) -> Vec<String> {
    let steps = json_patch::diff(from, to).0;
    let paths = steps.iter().map(|step| step.path().to_string());
    let paths = paths.map(|path| path.chars().take(LONGEST_PATH).collect());
    paths.take(MOST_PATHS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::documents;
    use super::{LONGEST_PATH, MOST_PATHS, changed_paths, difference, patched, three_way};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn objects_merge_arrays_replace_and_null_deletes() {
        let document = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"});
        let patch = json!({"a": {"c": [3], "b": null, "e": {"f": null, "g": 2}}, "d": {"h": 1}});
        assert_eq!(
            patched(&document, &patch),
            json!({"a": {"c": [3], "e": {"g": 2}}, "d": {"h": 1}})
        );
        assert_eq!(patched(&document, &json!({})), document);
    }

    #[test]
    fn both_sides_keep_what_only_they_changed() {
        let base = json!({"a": 1, "b": {"c": 1, "d": 1}, "gone": 1, "dropped": 1});
        let wanted = json!({"a": 2, "b": {"c": 1, "d": 2}, "gone": 1, "new": {"x": 1}});
        let found = json!({"a": 1, "b": {"c": 3, "d": 1}, "dropped": 1, "theirs": true});
        assert_eq!(
            three_way(&base, &wanted, &found),
            json!({"a": 2, "b": {"c": 3, "d": 2}, "new": {"x": 1}, "theirs": true})
        );
    }

    #[test]
    fn a_difference_names_places_and_a_note_no_values() {
        let (from, to) = (json!({"a": {"b": 1}}), json!({"a": {"b": 2, "c/d": 3}}));
        assert_eq!(changed_paths(&from, &to), ["/a/b", "/a/c~1d"]);
        assert_eq!(
            difference(&from, &to).first(),
            Some(&json!({"op": "replace", "path": "/a/b", "value": 2}))
        );
    }

    #[test]
    fn a_note_is_short_however_long_the_keys_are() {
        let long = "k".repeat(100_000);
        let leaves: Value = (0..100).map(|leaf| (leaf.to_string(), json!(1))).collect();
        let paths = changed_paths(&json!({long.as_str(): {}}), &json!({long.as_str(): leaves}));
        assert_eq!(paths.len(), MOST_PATHS);
        assert!(paths.iter().all(|path| path.chars().count() == LONGEST_PATH));
    }

    proptest! {
        #[test]
        fn what_was_merged_merges_to_the_same(base in documents::documents(), wanted in documents::documents(), found in documents::documents()) {
            let merged = three_way(&base, &wanted, &found);
            prop_assert_eq!(three_way(&base, &wanted, &merged), merged.clone());
        }

        #[test]
        fn a_difference_leads_from_one_to_the_other(from in documents::documents(), to in documents::documents()) {
            let steps: json_patch::Patch = serde_json::from_value(Value::from(difference(&from, &to))).unwrap();
            let mut walked = from.clone();
            json_patch::patch(&mut walked, &steps).unwrap();
            prop_assert_eq!(walked, to);
        }

        #[test]
        fn three_ways_agree_where_only_one_was_walked(base in documents::documents(), other in documents::documents()) {
            prop_assert_eq!(three_way(&base, &other, &base), other.clone());
            prop_assert_eq!(three_way(&base, &base, &other), other.clone());
            prop_assert_eq!(three_way(&base, &other, &other), other);
        }

        #[test]
        fn a_patch_twice_is_the_patch_once(document in documents::documents(), patch in documents::documents()) {
            let once = patched(&document, &patch);
            prop_assert_eq!(patched(&once, &patch), once);
        }
    }
}
