//! `/api/super/flags` as a migration uses it: nothing is written over that was not read before.

use super::plan::{Seen, Undo};
use super::wire::{Answer, Change, Credential, Wire};
use molt_common::api::flags::{FlagChange, FlagHistory, FlagList, FlagRequest, FlagView};
use molt_common::flag::{Flag, FlagSetting};
use serde::de::DeserializeOwned;

/// Why a call was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Somebody else changed the flag since it was read.
    #[error("somebody else changed the flag meanwhile")]
    Moved,
    /// It would leave people with nothing that answers.
    #[error("nothing is bound as LEGACY, so nobody would be answered; --allow-outage does it all the same")]
    Outage,
    /// The API refuses: asking again, or another way, is wrong.
    #[error("the flags API refuses: {0}")]
    Refused(String),
    /// No answer, or none of the API's. A change may have been made all the same.
    #[error("the flags API does not answer: {0}")]
    Unavailable(String),
}

/// The API of one deployment.
pub struct FlagsApi<'a> {
    /// How it is asked.
    pub wire: &'a Wire,
    /// Address of the router.
    pub url: &'a str,
    /// The admin credential.
    pub credential: &'a Credential,
    /// Why changes are made, for history and audit.
    pub reason: &'a str,
    /// Whether changes may leave people without an answer.
    pub allow_outage: bool,
}

impl FlagsApi<'_> {
    /// All flags and the version of all, which routers name in `X-Molt-Flags-Version`.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn all(&self) -> Result<FlagList, ApiError> {
        self.read("")
    }

    /// One flag.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn get(&self, flag: Flag) -> Result<Seen, ApiError> {
        self.read::<FlagView>(&format!("/{}", flag.name()))
            .map(|view| seen(&view))
    }

    /// Newest changes of a flag, newest first.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn history(&self, flag: Flag) -> Result<Vec<FlagChange>, ApiError> {
        let page: FlagHistory = self.read(&format!("/{}/history", flag.name()))?;
        Ok(page.history)
    }

    /// Sets a flag that is still at `version`.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn set(&self, flag: Flag, setting: &FlagSetting, version: u64) -> Result<Seen, ApiError> {
        let list = |subjects: &std::collections::BTreeSet<molt_common::flag::Subject>| {
            subjects.iter().map(|subject| subject.as_str().to_owned()).collect()
        };
        let request = FlagRequest {
            enabled: setting.enabled,
            percent: Some(u64::from(setting.percent)),
            allow: list(&setting.allow),
            deny: list(&setting.deny),
            killed: setting.killed,
            discard_disk: setting.discard_disk,
            reason: self.reason.to_owned(),
        };
        let body = serde_json::to_value(request).map_err(|error| ApiError::Refused(error.to_string()))?;
        self.change("PUT", flag, Some(&body), version)
    }

    /// Brings an earlier state of a flag that is still at `version` back.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn undo(&self, flag: Flag, undo: &Undo, version: u64) -> Result<Seen, ApiError> {
        match undo {
            Undo::Set(setting) => self.set(flag, setting, version),
            Undo::Remove => self.change("DELETE", flag, None, version),
        }
    }

    fn change(
        &self,
        method: &str,
        flag: Flag,
        body: Option<&serde_json::Value>,
        version: u64,
    ) -> Result<Seen, ApiError> {
        let url = format!("{}{FLAGS}/{}{}", self.url, flag.name(), self.query(method));
        let change = Change {
            method,
            url: &url,
            body,
            if_match: Some(&format!("\"{version}\"")),
        };
        let answer = self.wire.change(&change, self.credential);
        parse::<FlagView>(answer).map(|view| seen(&view))
    }

    fn query(&self, method: &str) -> String {
        let mut query = String::new();
        if self.allow_outage {
            query.push_str("?allowOutage=true");
        }
        if method == "DELETE" {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(&format!("reason={}", crate::client::encoded(self.reason)));
        }
        query
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        parse(self.wire.get(&format!("{}{FLAGS}{path}", self.url), self.credential))
    }
}

const FLAGS: &str = "/api/super/flags";

fn seen(view: &FlagView) -> Seen {
    Seen {
        version: view.version,
        setting: view.setting(),
    }
}

/// Reads an answer of the API. What the router or the platform says in its place is no refusal of the API's.
fn parse<T: DeserializeOwned>(answer: Result<Answer, String>) -> Result<T, ApiError> {
    let answer = answer.map_err(ApiError::Unavailable)?;
    let problem = answer.json();
    let code = problem
        .get("code")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    match (answer.status, code) {
        (200..300, _) => serde_json::from_str(&answer.body).map_err(|_| ApiError::Unavailable(answer.brief())),
        (412, _) => Err(ApiError::Moved),
        (409, "would_cause_outage") => Err(ApiError::Outage),
        (408 | 425 | 429, _) => Err(ApiError::Unavailable(answer.brief())),
        (400..500, _) => Err(ApiError::Refused(answer.brief())),
        _ => Err(ApiError::Unavailable(answer.brief())),
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiError, parse};
    use crate::migrate::wire::Answer;
    use molt_common::api::flags::FlagView;

    fn read(status: u16, body: &str) -> Result<FlagView, ApiError> {
        parse(Ok(Answer {
            status,
            backend: "admin".into(),
            retry_after: false,
            body: body.into(),
        }))
    }

    #[test]
    fn what_is_no_answer_of_the_api_is_no_refusal() {
        let unavailable = |status, body: &str| matches!(read(status, body), Err(ApiError::Unavailable(_)));
        assert!(unavailable(503, r#"{"code": "admin_unreachable"}"#));
        assert!(unavailable(200, "<html>"), "a page of a proxy");
        assert!(unavailable(429, ""));
        assert!(matches!(
            parse::<FlagView>(Err("refused".into())),
            Err(ApiError::Unavailable(_))
        ));
    }

    #[test]
    fn refusals_are_told_apart() {
        assert_eq!(read(412, r#"{"code": "version_moved"}"#), Err(ApiError::Moved));
        assert_eq!(read(409, r#"{"code": "would_cause_outage"}"#), Err(ApiError::Outage));
        assert!(matches!(
            read(403, r#"{"code": "scope_missing"}"#),
            Err(ApiError::Refused(_))
        ));
        assert!(matches!(read(409, r#"{"code": "other"}"#), Err(ApiError::Refused(_))));
    }
}
