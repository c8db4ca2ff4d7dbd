//! Requests as anybody makes them, and what their answers say about who gave them.

use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue};

/// By whom a request is made.
#[derive(Clone)]
pub enum Credential {
    /// The admin secret or an admin key.
    Admin(HeaderValue),
    /// A user's token, with its scheme.
    User(HeaderValue),
    /// By nobody.
    Nobody,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `X-Molt-Backend`: who answered; empty when it was none of ours.
    pub backend: String,
    /// Whether it says when to ask again.
    pub retry_after: bool,
    /// The body, as far as it is text.
    pub body: String,
}

impl Answer {
    /// Body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Status, backend and the beginning of what it says, in one line that a terminal can take.
    #[must_use]
    pub fn brief(&self) -> String {
        let problem = self.json();
        let said = problem.get("detail").and_then(serde_json::Value::as_str);
        let is_page = self.status < 400 && self.body.trim_start().starts_with('<');
        // What somebody's page says is no business of a terminal's.
        let said = said.unwrap_or(if is_page { "a page" } else { &self.body });
        let said: String = said.chars().take(160).collect();
        let backend = if self.backend.is_empty() {
            "nobody"
        } else {
            &self.backend
        };
        let text = format!("{} from {backend}: {said}", self.status);
        text.replace(char::is_control, " ")
    }
}

/// How requests are made.
#[derive(Clone)]
pub struct Wire {
    agent: Agent,
}

/// A request that changes something.
pub struct Change<'a> {
    /// `PUT`, `DELETE` or `POST`.
    pub method: &'a str,
    /// Whole address.
    pub url: &'a str,
    /// JSON body.
    pub body: Option<&'a serde_json::Value>,
    /// `If-Match`.
    pub if_match: Option<&'a str>,
}

impl Wire {
    /// Requests that take at most this long in all.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(limit))
            .http_status_as_error(false)
            // A redirect would carry a credential to another host.
            .max_redirects(0)
            // A probe is a caller that comes for the first time, and must not hang on a connection that the other side has given up.
            .max_idle_connections(0)
            .build()
            .into();
        Self { agent }
    }

    /// `GET`, by a client that wants data and not a page.
    ///
    /// # Errors
    /// Why there was no answer.
    pub fn get(&self, url: &str, credential: &Credential) -> Result<Answer, String> {
        let mut request = self.agent.get(url).header("accept", "application/json");
        if let Some((name, value)) = credential.header() {
            request = request.header(name, value);
        }
        read(request.call())
    }

    /// Changes something, with the admin credential.
    ///
    /// # Errors
    /// Why there was no answer; it may have been done all the same.
    pub fn change(&self, change: &Change<'_>, credential: &Credential) -> Result<Answer, String> {
        let mut request = ureq::http::Request::builder()
            .method(change.method)
            .uri(change.url)
            .header("accept", "application/json");
        if let Some((name, value)) = credential.header() {
            request = request.header(name, value);
        }
        if let Some(version) = change.if_match {
            request = request.header("if-match", version);
        }
        let body = change.body.map(serde_json::Value::to_string).unwrap_or_default();
        if change.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body).map_err(|error| error.to_string())?;
        read(self.agent.run(request))
    }
}

impl Credential {
    fn header(&self) -> Option<(&'static str, HeaderValue)> {
        match self {
            Self::Admin(value) => Some(("x-admin-secret", value.clone())),
            Self::User(value) => Some(("authorization", value.clone())),
            Self::Nobody => None,
        }
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, String> {
    let mut response = answer.map_err(|error| error.to_string())?;
    let body = response.body_mut().read_to_vec().map_err(|error| error.to_string())?;
    let headers = response.headers();
    Ok(Answer {
        status: response.status().as_u16(),
        backend: text(headers, "x-molt-backend").unwrap_or_default(),
        retry_after: headers.contains_key("retry-after"),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn an_answer_in_brief_is_one_short_line() {
        let answer = Answer {
            status: 502,
            backend: String::new(),
            retry_after: false,
            body: format!("a\u{1b}[31m\n{}", "x".repeat(1_000)),
        };
        let brief = answer.brief();
        assert!(brief.starts_with("502 from nobody: a ") && brief.len() < 200, "{brief}");
        assert!(!brief.contains(char::is_control));
        let body = r#"{"status": 503, "detail": "Later."}"#.to_owned();
        let problem = Answer { body, ..answer };
        assert!(problem.brief().ends_with(": Later."));
        let page = Answer {
            status: 200,
            body: "<!doctype html><p>private".to_owned(),
            ..problem
        };
        assert_eq!(page.brief(), "200 from nobody: a page");
    }
}
