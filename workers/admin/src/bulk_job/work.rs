//! What a bulk job does for each of its users, as lists and the audit trail show it.

use super::calls::Work;
use molt_common::sandbox_change::Wanted;
use serde_json::{Value, json};

impl Work {
    /// In one line; whoever shows it takes credentials out.
    pub fn shown(&self) -> String {
        match self {
            Self::Exec { request } => request.shown(),
            Self::Restart { restart } => Wanted::Restart { scope: restart.scope }.title(),
            Self::Config { .. } => "patch configuration".into(),
        }
    }

    /// For the audit trail. Of what may hold secrets, only how much there was.
    pub fn detail(&self) -> Value {
        match self {
            Self::Exec { request } => json!({
                "command": request.shown(),
                "variables": request.env.keys().collect::<Vec<_>>(),
                "stdinBytes": request.stdin.as_ref().map_or(0, String::len),
            }),
            Self::Restart { restart } => json!({"restart": restart.scope, "discardDisk": restart.discard_disk}),
            Self::Config { config } => {
                let sections = config.patch.as_object().map(|patch| patch.keys().collect::<Vec<_>>());
                json!({"configSections": sections, "reason": config.reason})
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::bulk_job::calls::Work;
    use serde_json::{Value, json};

    fn read(json: Value) -> Work {
        serde_json::from_value(json).unwrap_or_else(|_| unreachable!())
    }

    #[test]
    fn all_forms_are_read_and_written_as_they_are_stored() {
        let exec = json!({"request": {"command": "true"}});
        let restart = json!({"restart": {"scope": "sandbox", "discardDisk": true, "timeoutMs": 5}});
        let config = json!({"config": {"patch": {"a": null}, "reason": null}});
        for (stored, shown) in [
            (exec, "true"),
            (restart, "restart sandbox"),
            (config, "patch configuration"),
        ] {
            let work = read(stored.clone());
            assert_eq!(work.shown(), shown);
            let written = serde_json::to_value(&work).unwrap_or_default();
            let field = |json: &Value| json.as_object().and_then(|fields| fields.keys().next().cloned());
            assert_eq!(field(&written), field(&stored));
        }
    }
}
