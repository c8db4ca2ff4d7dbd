//! Flags and their changes as people read them.

use molt_common::api::flags::{FlagChange, FlagView};
use molt_common::flag::FlagSetting;
use serde_json::{Value, json};

/// Columns of a flag.
pub const FLAG: &[&str] = &["name", "standing", "source", "version", "author", "updatedAt", "reason"];
/// Columns of a change.
pub const CHANGE: &[&str] = &["version", "action", "before", "after", "author", "at", "reason"];
/// Columns of an evaluation.
pub const EVALUATION: &[&str] = &["name", "subject", "on", "reason", "source", "version"];

/// A flag.
pub fn row(flag: &FlagView) -> Value {
    json!({
        "name": flag.name, "standing": standing(flag.setting().as_ref()), "source": flag.source, "version": flag.version,
        "author": flag.author, "updatedAt": flag.updated_at, "reason": flag.reason,
    })
}

/// A change.
pub fn history_row(change: &FlagChange) -> Value {
    json!({
        "version": change.version, "action": change.action, "before": standing(change.before.as_ref()),
        "after": standing(change.after.as_ref()), "author": change.author, "at": change.at, "reason": change.reason,
    })
}

/// A setting in a few words.
fn standing(setting: Option<&FlagSetting>) -> String {
    let Some(setting) = setting else {
        return "by variable".into();
    };
    let mut words = match (setting.killed, setting.enabled) {
        (true, _) => "killed".to_owned(),
        (false, false) => "off".to_owned(),
        (false, true) => format!("{} %", setting.percent),
    };
    for (count, what) in [(setting.allow.len(), "allowed"), (setting.deny.len(), "denied")] {
        if count > 0 {
            words.push_str(&format!(", {count} {what}"));
        }
    }
    if setting.discard_disk {
        words.push_str(", may discard disks");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::standing;
    use molt_common::flag::FlagSetting;

    #[test]
    fn a_setting_is_told_in_a_few_words() {
        assert_eq!(standing(None), "by variable");
        let some: FlagSetting =
            serde_json::from_str(r#"{"enabled": true, "percent": 5, "allow": ["a", "b"], "discardDisk": true}"#)
                .unwrap();
        assert_eq!(standing(Some(&some)), "5 %, 2 allowed, may discard disks");
        assert_eq!(
            standing(Some(&FlagSetting { killed: true, ..some })),
            "killed, 2 allowed, may discard disks"
        );
        assert_eq!(standing(Some(&FlagSetting::all_or_nobody(false))), "off");
    }
}
