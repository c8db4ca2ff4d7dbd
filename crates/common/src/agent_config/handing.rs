//! What a start is told of the configuration that it begins with.

use super::fits;
use crate::control::config::HandOver;
use serde_json::{Map, Value};

/// The order: the document that counts, the one that is believed to be on the disk, and hashes of those that were there before.
///
/// A version that is longer than may be kept, which an earlier release took from the disk, is left out: no supervisor would take it, and the start would wait
/// for ever. Without it nobody knows what the disk holds, so that what is found there stays but for what is to be changed.
#[must_use]
pub fn order(id: String, document: Value, base: Value, known: Vec<String>) -> HandOver {
    let (base, known) = if fits(&base) {
        (base, known)
    } else {
        (Value::Object(Map::new()), Vec::new())
    };
    let document = if fits(&document) { document } else { base.clone() };
    HandOver {
        id,
        document,
        base,
        known,
    }
}

#[cfg(test)]
mod tests {
    use super::super::LONGEST;
    use super::order;
    use serde_json::{Value, json};

    fn handed(document: &Value, base: &Value) -> (Value, Value, usize) {
        let order = order("7-2".into(), document.clone(), base.clone(), vec!["h".into()]);
        assert_eq!(order.id, "7-2");
        (order.document, order.base, order.known.len())
    }

    #[test]
    fn what_is_too_long_is_left_out_and_erases_nothing() {
        let (long, one, two) = (json!({"a": "x".repeat(LONGEST)}), json!({"a": 1}), json!({"a": 2}));
        assert_eq!(handed(&two, &one), (two.clone(), one.clone(), 1));
        // Where nothing is staged the document is the base: it changes nothing of a disk that nobody has seen.
        assert_eq!(handed(&long, &long), (json!({}), json!({}), 0));
        assert_eq!(handed(&two, &long), (two, json!({}), 0));
        assert_eq!(handed(&long, &one), (one.clone(), one, 1));
    }
}
