//! What a command makes of a flag's present setting.

use super::Set;
use crate::client::ClientError;
use molt_common::api::flags::FlagRequest;
use molt_common::flag::{FlagSetting, Subject};
use std::collections::BTreeSet;

/// The body of `PUT`.
pub fn request(setting: FlagSetting, reason: String) -> FlagRequest {
    let texts = |list: BTreeSet<Subject>| list.into_iter().map(String::from).collect();
    FlagRequest {
        enabled: setting.enabled,
        percent: Some(setting.percent.into()),
        allow: texts(setting.allow),
        deny: texts(setting.deny),
        killed: setting.killed,
        discard_disk: setting.discard_disk,
        reason,
    }
}

/// The present setting (`None`: the variable decides) with what is given.
///
/// # Errors
/// [`ClientError::Argument`] when it is not said whether it is on, and nobody here can know.
pub fn merged(set: &Set, present: Option<FlagSetting>) -> Result<FlagSetting, ClientError> {
    // What the variable of a flag says that was never set is not known here, so it cannot be kept.
    let enabled = match (set.enabled, &present) {
        (Some(enabled), _) => enabled,
        (None, Some(present)) => present.enabled,
        (None, None) if set.percent.is_some() => true,
        (None, None) => {
            let text = "the variable of deployment decides this flag: give --enabled or --percent too";
            return Err(ClientError::Argument(text.into()));
        }
    };
    let mut setting = present.unwrap_or_default();
    // Switched on again, a flag that was off for all is on for all.
    let nobody = !setting.enabled && setting.percent == 0;
    let percent = if enabled && nobody { 100 } else { setting.percent };
    setting.percent = set.percent.unwrap_or(percent);
    setting.enabled = enabled;
    for subject in set.allow.iter().chain(&set.deny).chain(&set.unlist) {
        setting.allow.remove(subject);
        setting.deny.remove(subject);
    }
    setting.allow.extend(set.allow.iter().cloned());
    setting.deny.extend(set.deny.iter().cloned());
    setting.discard_disk = set.discard_disk.unwrap_or(setting.discard_disk);
    Ok(setting)
}

/// The present setting without the kill.
///
/// # Errors
/// [`ClientError::Argument`] when there is none.
pub fn unkilled(present: Option<FlagSetting>) -> Result<FlagSetting, ClientError> {
    match present {
        Some(present) => Ok(FlagSetting {
            killed: false,
            ..present
        }),
        None => Err(ClientError::Argument(
            "it is not killed: the variable of deployment decides it".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{merged, unkilled};
    use crate::flags::{Action, Set};
    use crate::{Arguments, Command};
    use clap::Parser;
    use molt_common::flag::FlagSetting;

    fn set(line: &str) -> Set {
        let words = ["molt", "flags", "set", "USE_NEW_ADMIN_API"]
            .into_iter()
            .chain(line.split(' '));
        match Arguments::parse_from(words).command {
            Command::Flags {
                action: Action::Set(set),
            } => set,
            _ => unreachable!(),
        }
    }

    fn present(text: &str) -> FlagSetting {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_not_given_stays() {
        let before = present(
            r#"{"enabled": true, "percent": 5, "allow": ["a", "b"], "deny": ["d"], "killed": true, "discardDisk": true}"#,
        );
        let after = merged(&set("--percent 25"), Some(before.clone())).unwrap();
        assert_eq!(
            after,
            FlagSetting {
                percent: 25,
                ..before.clone()
            }
        );
        let after = merged(
            &set("--allow D --deny b --unlist a --discard-disk=false"),
            Some(before.clone()),
        )
        .unwrap();
        let expected = present(
            r#"{"enabled": true, "percent": 5, "allow": ["d"], "deny": ["b"], "killed": true, "discardDisk": false}"#,
        );
        assert_eq!(after, expected);
        assert_eq!(
            unkilled(Some(before.clone())).unwrap(),
            FlagSetting {
                killed: false,
                ..before
            }
        );
        assert!(unkilled(None).is_err());
    }

    #[test]
    fn a_flag_that_was_never_set_needs_to_be_told_whether_it_is_on() {
        assert_eq!(
            merged(&set("--percent 5"), None).unwrap(),
            present(r#"{"enabled": true, "percent": 5}"#)
        );
        assert_eq!(
            merged(&set("--enabled true"), None).unwrap(),
            FlagSetting::all_or_nobody(true)
        );
        assert_eq!(
            merged(&set("--enabled false"), None).unwrap(),
            FlagSetting::all_or_nobody(false)
        );
        assert!(
            merged(&set("--deny a"), None)
                .unwrap_err()
                .to_string()
                .contains("--enabled")
        );
    }

    #[test]
    fn switched_on_again_it_has_the_share_that_it_had() {
        let off = merged(
            &set("--enabled false"),
            Some(present(r#"{"enabled": true, "percent": 5}"#)),
        )
        .unwrap();
        assert_eq!((off.enabled, off.percent), (false, 5));
        assert_eq!(merged(&set("--enabled true"), Some(off)).unwrap().percent, 5);
        let nobody = FlagSetting::all_or_nobody(false);
        assert_eq!(merged(&set("--enabled true"), Some(nobody)).unwrap().percent, 100);
        let nobody = present(r#"{"enabled": true, "percent": 0}"#);
        assert_eq!(merged(&set("--allow a"), Some(nobody)).unwrap().percent, 0);
    }
}
