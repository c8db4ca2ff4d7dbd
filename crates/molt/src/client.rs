//! Requests to the admin API.

mod attempt;

pub use attempt::Failed;

use molt_common::id::UserId;
use molt_common::problem::{Obstacle, Problem};
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::HeaderValue;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No secret in the environment.
    #[error("set MOLT_ADMIN_SECRET to the admin secret or to an admin key")]
    NoSecret,
    /// What stands in the environment fits in no header. It is not shown.
    #[error("MOLT_ADMIN_SECRET holds a character that neither the admin secret nor an admin key has")]
    BadSecret,
    /// The address is none.
    #[error("--url must begin with http:// or https://")]
    Url,
    /// An argument makes no sense.
    #[error("{0}")]
    Argument(String),
    /// The API refused.
    #[error("{}", refusal(.0))]
    Refused(Box<Problem>),
    /// The answer is not what the API documents.
    #[error("{0} answered {1}")]
    Unexpected(String, String),
    /// No answer.
    #[error("{0}: {1}")]
    Unreachable(String, ureq::Error),
    /// Standard output takes no more.
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
    /// A key was made, and nobody has it.
    #[error("key {id} was made but could not be written to standard output: {cause}; revoke it: molt keys revoke {id}")]
    KeyLost {
        /// Its id.
        id: String,
        /// Why it could not be written.
        cause: std::io::Error,
    },
}

/// What a problem says, with the field that is wrong, and with the request where an operator has to look further.
fn refusal(problem: &Problem) -> String {
    let mut text = format!("{} {}: {}", problem.status, problem.code, problem.detail);
    if let Some(field) = &problem.field {
        text.push_str(&format!(" [field: {field}]"));
    }
    if problem.code == "would_discard_disk" {
        text.push_str(" With molt: --discard-disk.");
    }
    if let Some(Obstacle::JobId(job)) = problem.obstacle.as_deref() {
        text.push_str(&format!(" Follow it with molt jobs watch {job}"));
    }
    if let (500.., Some(request)) = (problem.status, &problem.request_id) {
        text.push_str(&format!(" [request: {request}]"));
    }
    text
}

/// Carries the admin secret, or an admin key.
const SECRET: &str = "x-admin-secret";

/// A connection to one deployment.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
    secret: Option<HeaderValue>,
}

impl Client {
    /// For the router at `url`; the secret, or an admin key in its place, comes from `MOLT_ADMIN_SECRET`.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::BadSecret`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let given = std::env::var_os("MOLT_ADMIN_SECRET").unwrap_or_default();
        Self::with_secret(url, given.to_str().ok_or(ClientError::BadSecret)?)
    }

    /// For the router at `url` with this secret; an empty one is none.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::BadSecret`].
    pub fn with_secret(url: &str, secret: &str) -> Result<Self, ClientError> {
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
        Ok(Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            secret: header(secret)?,
        })
    }

    /// `GET`, with the secret if `admin`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn get(&self, path: &str, admin: bool) -> Result<Value, ClientError> {
        let mut request = self.agent.get(self.address(path));
        if admin {
            request = request.header(SECRET, self.secret()?);
        }
        self.read(path, request.call())
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn post(&self, path: &str, body: &impl serde::Serialize) -> Result<Value, ClientError> {
        let request = self.agent.post(self.address(path)).header(SECRET, self.secret()?);
        self.read(path, request.send_json(body))
    }

    /// `POST` without a body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn post_empty(&self, path: &str) -> Result<Value, ClientError> {
        let request = self.agent.post(self.address(path)).header(SECRET, self.secret()?);
        self.read(path, request.send_empty())
    }

    /// `PUT` of a file's bytes, which may take as long as it takes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn put_file(&self, path: &str, file: &std::fs::File) -> Result<Value, ClientError> {
        let request = self.agent.put(self.address(path)).header(SECRET, self.secret()?);
        let request = request.header("content-type", "application/octet-stream");
        let request = request.header("content-length", file.metadata()?.len());
        let request = request.config().timeout_global(None).build();
        self.read(path, request.send(file))
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn delete(&self, path: &str) -> Result<Value, ClientError> {
        let request = self.agent.delete(self.address(path)).header(SECRET, self.secret()?);
        self.read(path, request.call())
    }

    /// Any other call with the secret; `version` goes as `If-Match`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn change(
        &self,
        method: &str,
        path: &str,
        version: Option<u64>,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let version = version.map(|version| version.to_string());
        self.change_matching(method, path, version.as_deref(), body)
    }

    /// The same where `ETag` is no number.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn change_matching(
        &self,
        method: &str,
        path: &str,
        tag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let mut request = ureq::http::Request::builder().method(method).uri(self.address(path));
        request = request.header(SECRET, self.secret()?);
        if let Some(tag) = tag {
            request = request.header("if-match", format!("\"{tag}\""));
        }
        let built = |error| ClientError::Unreachable(self.address(path), ureq::Error::Http(error));
        let answer = match body {
            Some(body) => {
                let request = request
                    .header("content-type", "application/json")
                    .body(body.to_string());
                self.agent.run(request.map_err(built)?)
            }
            None => self.agent.run(request.body(()).map_err(built)?),
        };
        self.read(path, answer)
    }

    /// Every entry of a list, page after page; `field` of a page holds its entries, and `path` may have a query.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn list(&self, path: &str, field: &str) -> Result<Vec<Value>, ClientError> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        let sign = if path.contains('?') { '&' } else { '?' };
        loop {
            // A cursor may be an e-mail address, and a plus sign in a query means a space.
            let page = self.get(&format!("{path}{sign}cursor={}", encoded(&cursor)), true)?;
            let Some(found) = page.get(field).and_then(Value::as_array) else {
                return Err(ClientError::Unexpected(path.into(), page.to_string()));
            };
            entries.extend(found.iter().cloned());
            match page.get("nextCursor").and_then(Value::as_str) {
                Some(next) if next == cursor => {
                    return Err(ClientError::Unexpected(path.into(), format!("the page {next} again")));
                }
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

    /// Where the router is, without a slash at its end.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.url
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn secret(&self) -> Result<HeaderValue, ClientError> {
        self.secret.clone().ok_or(ClientError::NoSecret)
    }

    fn read(
        &self,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, ClientError> {
        let unreachable = |error| ClientError::Unreachable(self.address(path), error);
        let mut response = answer.map_err(unreachable)?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|_| ClientError::Unexpected(path.into(), text));
        }
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            Err(_) => Err(ClientError::Unexpected(path.into(), format!("{status}: {text}"))),
        }
    }
}

/// A secret as the header takes it, without the line end that a file gives it; `None` when there is none.
fn header(secret: &str) -> Result<Option<HeaderValue>, ClientError> {
    let secret = secret.trim();
    if secret.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::from_str(secret).map_err(|_| ClientError::BadSecret)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// One path segment or value of a query, percent-encoded.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Client, encoded, header, refusal};
    use molt_common::problem::Problem;
    use serde_json::json;

    #[test]
    fn names_become_one_segment() {
        assert_eq!(encoded("Ada L/é"), "Ada%20L%2F%C3%A9");
        assert_eq!(encoded("a+b@example.test"), "a%2Bb%40example.test");
    }

    #[test]
    fn an_address_has_a_scheme() {
        assert!(Client::new("localhost:8787").is_err());
        assert!(Client::new("http://localhost:8787/").is_ok());
    }

    #[test]
    fn a_secret_loses_its_line_end_and_is_never_shown() {
        let value = header("0123456789abcdef0123\n").unwrap().unwrap();
        assert_eq!(value, "0123456789abcdef0123");
        assert!(!format!("{value:?}").contains("0123"));
        assert!(header(" \n").unwrap().is_none());
        let refused = header("first-line\nsecond-line").unwrap_err().to_string();
        assert!(
            refused.contains("MOLT_ADMIN_SECRET") && !refused.contains("line"),
            "{refused}"
        );
    }

    #[test]
    fn a_refusal_says_what_to_type() {
        let disk = refusal(&Problem::new(409, "would_discard_disk", "It would go."));
        assert!(disk.ends_with("With molt: --discard-disk."), "{disk}");
        let answered = json!({"type": "about:blank", "title": "Conflict", "status": 409, "code": "change_in_progress", "detail": "Busy.",
            "error": "Busy.", "jobId": "lifecycle.u.j"});
        let busy = refusal(&serde_json::from_value(answered).unwrap());
        assert!(busy.ends_with("molt jobs watch lifecycle.u.j"), "{busy}");
    }

    #[test]
    fn a_refusal_names_field_and_where_it_helps_the_request() {
        let bad = Problem::invalid("expiresInMs", "must lie ahead").request("req_1");
        assert_eq!(
            refusal(&bad),
            "400 invalid_request: expiresInMs must lie ahead [field: expiresInMs]"
        );
        let ours = refusal(&Problem::internal().request("req_1"));
        assert!(
            ours.starts_with("500 internal_error: ") && ours.ends_with(" [request: req_1]"),
            "{ours}"
        );
    }
}
