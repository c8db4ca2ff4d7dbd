//! Reading what another version of ours wrote, and an override that an operator wrote by hand.

use super::{Flag, FlagOverride};
use crate::time::Millis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// An override may be dated this far ahead, for clocks differ. A later epoch would lock every later decision out.
const AHEAD_MS: u64 = 24 * 3600 * 1000;
/// Longest override that is looked at, bytes.
const LONGEST: usize = 64 * 1024;

/// Why an override does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// It is longer than any that our tools write.
    #[error("is longer than {LONGEST} bytes")]
    Long,
    /// It is none.
    #[error("is not an override: {0}")]
    Form(String),
    /// No operator wrote it now or earlier.
    #[error("has the epoch {0}, which is more than a day ahead")]
    Ahead(u64),
}

impl FlagOverride {
    /// Reads what stands in KV under [`super::OVERRIDE_KEY`]. Flags that this version does not know are left out.
    ///
    /// # Errors
    /// See [`OverrideError`]. It is to be ignored then, by routers and by `ControlPlane` alike.
    pub fn read(text: &str, now: Millis) -> Result<Self, OverrideError> {
        if text.len() > LONGEST {
            return Err(OverrideError::Long);
        }
        let read: Self = serde_json::from_str(text).map_err(|error| OverrideError::Form(error.to_string()))?;
        if read.epoch > now.plus(AHEAD_MS).0 {
            return Err(OverrideError::Ahead(read.epoch));
        }
        Ok(read)
    }
}

/// A map by flag, of a newer version too: what stands under a name that is not known here is left out, whatever it is.
pub fn known<'de, D: Deserializer<'de>, V: DeserializeOwned>(deserializer: D) -> Result<BTreeMap<Flag, V>, D::Error> {
    let all = BTreeMap::<String, Value>::deserialize(deserializer)?;
    all.into_iter()
        .filter_map(|(name, value)| Some((Flag::parse(&name)?, value)))
        .map(|(flag, value)| Ok((flag, V::deserialize(value).map_err(serde::de::Error::custom)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{AHEAD_MS, LONGEST, OverrideError};
    use crate::flag::{Flag, FlagOverride, FlagSet};
    use crate::time::Millis;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn text(epoch: u64, values: &str) -> String {
        format!(
            r#"{{"epoch": {epoch}, "values": {values}, "at": {epoch}, "author": "op", "reason": "drill", "later": 1}}"#
        )
    }

    #[test]
    fn flags_of_a_newer_version_are_left_out() {
        let read = FlagOverride::read(
            &text(
                NOW.0,
                r#"{"USE_NEW_ADMIN_API": false, "USE_SOMETHING_ELSE": {"half": true}}"#,
            ),
            NOW,
        )
        .unwrap();
        assert_eq!(read.values, [(Flag::NewAdminApi, false)].into());
        let set = r#"{"version": 3, "epoch": 0, "flags": {"LATER": 7, "USE_NEW_ADMIN_API": {"enabled": true, "percent": 5, "later": 1}}}"#;
        let set: FlagSet = serde_json::from_str(set).unwrap();
        assert_eq!((set.flags.len(), set.flags[&Flag::NewAdminApi].percent), (1, 5));
    }

    #[test]
    fn a_known_flag_must_be_right() {
        for bad in [
            "",
            "{}",
            "null",
            "[1]",
            &text(1, r#"{"USE_NEW_ADMIN_API": "off"}"#),
            &text(1, "[]"),
        ] {
            assert!(
                matches!(FlagOverride::read(bad, NOW), Err(OverrideError::Form(_))),
                "{bad}"
            );
        }
        assert!(FlagOverride::read(&format!("{}{}", text(1, "{}"), " ".repeat(LONGEST)), NOW).is_err());
    }

    #[test]
    fn an_epoch_from_the_future_locks_nobody_out() {
        let at = |epoch| FlagOverride::read(&text(epoch, "{}"), NOW).map(|read| read.epoch);
        assert_eq!(at(NOW.0 + AHEAD_MS), Ok(NOW.0 + AHEAD_MS));
        for epoch in [NOW.0 + AHEAD_MS + 1, u64::MAX] {
            assert_eq!(at(epoch), Err(OverrideError::Ahead(epoch)));
        }
        assert!(FlagOverride::read(&text(1, "{}").replace("\"epoch\": 1", "\"epoch\": -1"), NOW).is_err());
        assert!(FlagOverride::read(&text(1, "{}").replace("\"epoch\": 1", "\"epoch\": 1e30"), NOW).is_err());
    }
}
