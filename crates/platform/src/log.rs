//! Structured log lines: one JSON object each, as `observability` indexes them.

use serde_json::{Map, Value, json};

fn line(level: &str, event: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("level".into(), json!(level));
    object.insert("event".into(), json!(event));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object).to_string()
}

/// Something happened. `fields` is a JSON object without secrets.
pub fn info(event: &str, fields: Value) {
    worker::console_log!("{}", line("info", event, fields));
}

/// Something failed that a person should look at.
pub fn error(event: &str, fields: Value) {
    worker::console_error!("{}", line("error", event, fields));
}
