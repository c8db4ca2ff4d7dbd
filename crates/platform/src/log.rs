//! Structured log lines: one JSON object each, as `observability` indexes them.

use molt_common::redaction;
use serde_json::{Map, Value, json};

/// The one way of a field into a log, so that no caller has to think of what it may hold.
fn line(level: &str, event: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("level".into(), json!(level));
    object.insert("event".into(), json!(event));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    redaction::json(Value::Object(object)).to_string()
}

/// Something happened. `fields` is a JSON object; credentials in it are masked by name and by shape ([`redaction::json`]).
pub fn info(event: &str, fields: Value) {
    worker::console_log!("{}", line("info", event, fields));
}

/// Something failed that a person should look at; `fields` as for [`info`].
pub fn error(event: &str, fields: Value) {
    worker::console_error!("{}", line("error", event, fields));
}

#[cfg(test)]
mod tests {
    use super::line;
    use serde_json::json;

    #[test]
    fn no_field_carries_a_credential_into_a_line() {
        let written = line(
            "info",
            "request",
            json!({"requestId": "req_0123456789abcdef0123456789abcdef", "query": "a=1&code=Abc", "headers": {"cookie": "a=b"},
                   "error": "cannot reach http://ann:hunter22@db/",
                   "path": concat!("/a/sk-", "ant-api03-abcdefgh")}),
        );
        for secret in ["Abc", "a=b", "hunter22", "abcdefgh"] {
            assert!(!written.contains(secret), "{written}");
        }
        assert!(
            written.contains("req_0123456789abcdef0123456789abcdef") && written.contains("a=1"),
            "{written}"
        );
    }
}
