//! Requests to the admin API.

use molt_common::id::UserId;
use molt_common::problem::Problem;
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No secret in the environment.
    #[error("set MOLT_ADMIN_SECRET to the admin secret")]
    NoSecret,
    /// The address is none.
    #[error("--url must begin with http:// or https://")]
    Url,
    /// The API refused.
    #[error("{} {}: {}", .0.status, .0.code, .0.detail)]
    Refused(Box<Problem>),
    /// The answer is not what the API documents.
    #[error("{0} answered {1}")]
    Unexpected(String, String),
    /// No answer.
    #[error("{0}: {1}")]
    Unreachable(String, ureq::Error),
}

/// A connection to one deployment.
pub struct Client {
    agent: Agent,
    url: String,
    secret: Option<String>,
}

impl Client {
    /// For the router at `url`; the secret comes from `MOLT_ADMIN_SECRET`.
    ///
    /// # Errors
    /// [`ClientError::Url`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(ClientError::Url);
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            // A redirect would carry the secret to another host.
            .max_redirects(0)
            .build()
            .into();
        let secret = std::env::var("MOLT_ADMIN_SECRET")
            .ok()
            .filter(|secret| !secret.is_empty());
        Ok(Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            secret,
        })
    }

    /// `GET`, with the secret if `admin`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn get(&self, path: &str, admin: bool) -> Result<Value, ClientError> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if admin {
            request = request.header("x-admin-secret", self.secret.as_deref().ok_or(ClientError::NoSecret)?);
        }
        Self::read(path, request.call())
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn post(&self, path: &str, body: &impl serde::Serialize) -> Result<Value, ClientError> {
        let secret = self.secret.as_deref().ok_or(ClientError::NoSecret)?;
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("x-admin-secret", secret);
        Self::read(path, request.send_json(body))
    }

    /// Every entry of a list of `users`, page after page.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn list(&self, path: &str) -> Result<Vec<Value>, ClientError> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?cursor={cursor}"), true)?;
            let Some(users) = page.get("users").and_then(Value::as_array) else {
                return Err(ClientError::Unexpected(path.into(), page.to_string()));
            };
            entries.extend(users.iter().cloned());
            match page.get("nextCursor").and_then(Value::as_str) {
                Some(next) => cursor = next.to_owned(),
                None => return Ok(entries),
            }
        }
    }

    /// The id of a user given by id or by name.
    ///
    /// # Errors
    /// See [`ClientError`]; an unknown name is [`ClientError::Refused`].
    pub fn user(&self, given: &str) -> Result<String, ClientError> {
        if let Ok(id) = UserId::parse(given) {
            return Ok(id.to_string());
        }
        let path = format!("/api/super/users/lookup/{}", encoded(given));
        let user = self.get(&path, true)?;
        user.get("userId")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| ClientError::Unexpected(path, user.to_string()))
    }

    fn read(path: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, ClientError> {
        let mut response = answer.map_err(|error| ClientError::Unreachable(path.into(), error))?;
        let status = response.status();
        let text = response
            .body_mut()
            .read_to_string()
            .map_err(|error| ClientError::Unreachable(path.into(), error))?;
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|_| ClientError::Unexpected(path.into(), text));
        }
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            Err(_) => Err(ClientError::Unexpected(path.into(), format!("{status}: {text}"))),
        }
    }
}

/// One path segment, percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Client, encoded};

    #[test]
    fn names_become_one_segment() {
        assert_eq!(encoded("Ada L/é"), "Ada%20L%2F%C3%A9");
    }

    #[test]
    fn an_address_has_a_scheme() {
        assert!(Client::new("localhost:8787").is_err());
        assert!(Client::new("http://localhost:8787/").is_ok());
    }
}
