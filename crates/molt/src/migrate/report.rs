//! What a run tells while it works: lines for people, or one JSON object per line for programs.

use crate::client::ClientError;
use crate::show;
use serde_json::{Map, Value};
use std::time::Instant;

/// Tells, with the time since the run began.
pub struct Report {
    json: bool,
    begun: Instant,
}

impl Report {
    /// Begins to count.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self {
            json,
            begun: Instant::now(),
        }
    }

    /// Says what happened: `event` and `fields` for programs, `text` for people.
    pub fn tell(&self, event: &str, text: &str, fields: Value) {
        let line = if self.json {
            let mut object = Map::new();
            object.insert("event".into(), event.into());
            let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            object.insert("ms".into(), ms.into());
            if let Value::Object(fields) = fields {
                object.extend(fields);
            }
            Value::Object(object).to_string()
        } else {
            format!("{:>7.1} s  {text}", self.begun.elapsed().as_secs_f64())
        };
        // A reader that went away must not stop a migration half-way.
        let _: Result<(), ClientError> = show::line(&line);
    }
}
