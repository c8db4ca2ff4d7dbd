//! Request and answer types of `/api/super/flags`.

use crate::flag::{Flag, FlagSetting, LONGEST_LIST, Reason, Source, Subject};
use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Longest reason of a change, characters.
pub const LONGEST_REASON: usize = 500;
/// Subjects that an audit entry names of those whom a change puts on a list or takes off it; the history has them all.
const NAMED: usize = 20;

/// Body of `PUT /api/super/flags/{name}`: the whole setting. What is left out has its default, not the value that it has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagRequest {
    /// Off: nobody but those on the allow list.
    pub enabled: bool,
    /// Share of subjects, 0 to 100; when absent 100 if it is enabled, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u64>,
    /// Subjects who are always in: ids of users, at most 1,000. Nobody when absent.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Subjects who are never in, at most 1,000; nobody is on both lists. Nobody when absent.
    #[serde(default)]
    pub deny: Vec<String>,
    /// Nobody is in, whatever the rest says. False when absent.
    #[serde(default)]
    pub killed: bool,
    /// Users whom this flag no longer covers go back though the disk of their sandbox is discarded by that. False when absent.
    #[serde(default)]
    pub discard_disk: bool,
    /// Why, for the history and the audit trail: 1 to 500 characters.
    pub reason: String,
}

impl FlagRequest {
    /// The setting that is wanted.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn setting(&self) -> Result<FlagSetting, Problem> {
        let percent = self.percent.unwrap_or(if self.enabled { 100 } else { 0 });
        let percent = u8::try_from(percent).ok().filter(|percent| *percent <= 100);
        let setting = FlagSetting {
            enabled: self.enabled,
            percent: percent.ok_or_else(|| Problem::invalid("percent", "must be from 0 to 100"))?,
            allow: subjects("allow", &self.allow)?,
            deny: subjects("deny", &self.deny)?,
            killed: self.killed,
            discard_disk: self.discard_disk,
        };
        match setting.deny.iter().find(|subject| setting.allow.contains(subject)) {
            Some(both) => Err(Problem::invalid(
                "deny",
                format!("names {}, whom allow names too", both.as_str()),
            )),
            None => Ok(setting),
        }
    }
}

fn subjects(field: &str, given: &[String]) -> Result<BTreeSet<Subject>, Problem> {
    if given.len() > LONGEST_LIST {
        return Err(Problem::invalid(field, format!("has more than {LONGEST_LIST} entries")));
    }
    let read = |(index, text): (usize, &String)| {
        Subject::parse(text).map_err(|why| Problem::invalid(&format!("{field}[{index}]"), why))
    };
    given.iter().enumerate().map(read).collect()
}

/// A reason as it is kept.
///
/// # Errors
/// 400 that names the field `reason`.
pub fn reason(given: &str) -> Result<String, Problem> {
    let reason = given.trim();
    let length = reason.chars().count();
    if length == 0 || length > LONGEST_REASON || reason.chars().any(char::is_control) {
        return Err(Problem::invalid(
            "reason",
            format!("must be 1 to {LONGEST_REASON} printable characters"),
        ));
    }
    Ok(reason.to_owned())
}

/// Body of `POST /api/super/flags/{name}/undo`, which may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UndoRequest {
    /// Why, for the history and the audit trail: 1 to 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A flag as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagView {
    /// Which.
    pub name: Flag,
    /// `control-plane` when it is set here; `var` when the variable of deployment of each router decides, which this API does not know
    /// (the router's `/api/status` shows it).
    pub source: Source,
    /// Null when `source` is `var`.
    pub enabled: Option<bool>,
    /// 0 to 100; null when `source` is `var`.
    pub percent: Option<u8>,
    /// Always in.
    pub allow: BTreeSet<Subject>,
    /// Never in.
    pub deny: BTreeSet<Subject>,
    /// Nobody is in.
    pub killed: bool,
    /// Whether disks may be discarded on the way back.
    pub discard_disk: bool,
    /// Grows by one with each change of this flag; 0 when it was never changed. `ETag` has it too.
    pub version: u64,
    /// Who changed it last; null when nobody ever did, as the next two.
    pub author: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// ISO-8601.
    pub updated_at: Option<String>,
}

impl FlagView {
    /// The setting; `None` when the variable decides.
    #[must_use]
    pub fn setting(&self) -> Option<FlagSetting> {
        Some(FlagSetting {
            enabled: self.enabled?,
            percent: self.percent?,
            allow: self.allow.clone(),
            deny: self.deny.clone(),
            killed: self.killed,
            discard_disk: self.discard_disk,
        })
    }
}

/// All flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagList {
    /// Every known flag, those that were never set too.
    pub flags: Vec<FlagView>,
    /// Grows with every change of any flag; routers name the one that they use in `X-Molt-Flags-Version`.
    pub version: u64,
    /// Epoch of the last override in KV that was adopted; 0 when none was.
    pub epoch: u64,
    /// Always null: there is one page.
    pub next_cursor: Option<String>,
}

/// How a flag came to be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FlagAction {
    /// `PUT`.
    Set,
    /// `DELETE`: back to the variable.
    Cleared,
    /// The change before was taken back.
    Undone,
    /// An override in KV was made permanent.
    OverrideAdopted,
}

impl FlagAction {
    /// As in the audit trail.
    #[must_use]
    pub const fn audited(self) -> &'static str {
        match self {
            Self::Set => "flag.set",
            Self::Cleared => "flag.cleared",
            Self::Undone => "flag.undone",
            Self::OverrideAdopted => "flag.override_adopted",
        }
    }
}

/// One change of a flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagChange {
    /// Version of the flag that it made.
    pub version: u64,
    /// What was done.
    pub action: FlagAction,
    /// Null: the variable decided.
    pub before: Option<FlagSetting>,
    /// Null: the variable decides.
    pub after: Option<FlagSetting>,
    /// `bootstrap`, `key:<id>` or `override:<author>`.
    pub author: String,
    /// Why.
    pub reason: String,
    /// ISO-8601.
    pub at: String,
    /// Request that asked for it; null for an override.
    pub request_id: Option<String>,
}

/// A page of a flag's changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagHistory {
    /// Newest first. The newest 500 of a flag are kept.
    pub history: Vec<FlagChange>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// What a flag says about a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FlagEvaluation {
    /// Which flag.
    pub name: Flag,
    /// Whom; null: somebody without a verified credential.
    pub subject: Option<Subject>,
    /// Null when `source` is `var`: each router decides by its variable.
    pub on: Option<bool>,
    /// Null when `source` is `var`.
    pub reason: Option<Reason>,
    /// As in [`FlagView`].
    pub source: Source,
    /// Of the flag.
    pub version: u64,
}

/// A change as the audit trail keeps it: lists by their length and by whom the change put on them or took off them.
#[must_use]
pub fn audited(before: Option<&FlagSetting>, after: Option<&FlagSetting>) -> Value {
    let summary = |setting: Option<&FlagSetting>| {
        setting.map(|setting| {
            json!({
                "enabled": setting.enabled, "percent": setting.percent, "killed": setting.killed, "discardDisk": setting.discard_disk,
                "allow": setting.allow.len(), "deny": setting.deny.len(),
            })
        })
    };
    let nobody = FlagSetting::default();
    let (old, new) = (before.unwrap_or(&nobody), after.unwrap_or(&nobody));
    let missing = |these: &BTreeSet<Subject>, those: &BTreeSet<Subject>| -> Vec<String> {
        let left = these.difference(those).take(NAMED);
        left.map(|subject| subject.as_str().to_owned()).collect()
    };
    json!({
        "before": summary(before), "after": summary(after),
        "allowed": missing(&new.allow, &old.allow), "noLongerAllowed": missing(&old.allow, &new.allow),
        "denied": missing(&new.deny, &old.deny), "noLongerDenied": missing(&old.deny, &new.deny),
    })
}

#[cfg(test)]
mod tests {
    use super::{FlagRequest, audited, reason};
    use serde_json::{Value, json};

    fn request(body: Value) -> FlagRequest {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let on = request(json!({"enabled": true, "reason": "r"})).setting().unwrap();
        assert!(on.enabled && on.percent == 100 && !on.killed && !on.discard_disk && on.allow.is_empty());
        let off = request(json!({"enabled": false, "reason": "r"})).setting().unwrap();
        assert!(!off.enabled && off.percent == 0);
        let part = request(json!({"enabled": true, "percent": 0, "allow": ["A", "a"], "reason": "r"}));
        let part = part.setting().unwrap();
        assert_eq!((part.percent, part.allow.len()), (0, 1));
    }

    #[test]
    fn bad_settings_are_named_by_field() {
        let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
        for (field, body) in [
            ("percent", json!({"enabled": true, "percent": 101, "reason": "r"})),
            ("percent", json!({"enabled": true, "percent": u64::MAX, "reason": "r"})),
            (
                "allow[1]",
                json!({"enabled": true, "allow": ["a", "b c"], "reason": "r"}),
            ),
            ("deny[0]", json!({"enabled": true, "deny": [""], "reason": "r"})),
            (
                "deny",
                json!({"enabled": true, "allow": ["x", "A"], "deny": ["a"], "reason": "r"}),
            ),
            ("allow", json!({"enabled": true, "allow": many, "reason": "r"})),
        ] {
            let problem = request(body.clone()).setting().unwrap_err();
            assert_eq!((problem.status, problem.field.as_deref()), (400, Some(field)), "{body}");
        }
        for bad in [
            json!({"enabled": true}),
            json!({"reason": "r"}),
            json!({"enabled": "yes", "reason": "r"}),
            json!({"enabled": true, "percent": 5.5, "reason": "r"}),
            json!({"enabled": true, "percent": -1, "reason": "r"}),
            json!({"enabled": true, "reason": "r", "enabld": 1}),
        ] {
            assert!(serde_json::from_value::<FlagRequest>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(reason("  drill ").unwrap(), "drill");
        assert!(reason(&"ä".repeat(500)).is_ok());
        for bad in ["", "  ", "a\nb", &"x".repeat(501)] {
            assert_eq!(reason(bad).unwrap_err().field.as_deref(), Some("reason"));
        }
    }

    #[test]
    fn the_audit_trail_names_whom_a_change_is_about_and_no_more_than_fits() {
        let before = request(json!({"enabled": true, "allow": ["a", "b"], "reason": "r"}));
        let many: Vec<String> = (0..900).map(|number| format!("u{number}")).collect();
        let after = request(json!({"enabled": true, "percent": 5, "allow": ["b"], "deny": many, "reason": "r"}));
        let entry = audited(Some(&before.setting().unwrap()), Some(&after.setting().unwrap()));
        assert_eq!(
            (&entry["noLongerAllowed"], &entry["allowed"]),
            (&json!(["a"]), &json!([]))
        );
        assert_eq!(
            (&entry["after"]["deny"], &entry["after"]["percent"]),
            (&json!(900), &json!(5))
        );
        assert!(entry.to_string().len() < 1_000, "{entry}");
        assert_eq!(audited(None, None)["before"], Value::Null);
    }
}
