//! Calls that are made again until they succeed: why one came to nothing, and whether the next may do better.

use super::{Client, ClientError, SECRET};
use molt_common::problem::Problem;
use serde_json::Value;
use std::io;
use std::time::Duration;
use ureq::http::{Method, Response};
use ureq::{Body, Error};

/// A connection is made by then, or there is none.
const CONNECT: Duration = Duration::from_secs(15);

/// Why an attempt came to nothing.
#[derive(Debug)]
pub enum Failed {
    /// The next one may do better: the connection broke, the server is at a loss (5xx) or has too much to do (429).
    Passing {
        /// As it is reported when there is no next attempt.
        error: ClientError,
        /// What the server asks to wait.
        wait: Option<Duration>,
        /// Nothing was sent, because nobody listens at that address.
        nobody_there: bool,
    },
    /// The next one would end the same way.
    Lasting(ClientError),
}

impl Failed {
    /// For people.
    #[must_use]
    pub const fn error(&self) -> &ClientError {
        match self {
            Self::Passing { error, .. } | Self::Lasting(error) => error,
        }
    }
}

impl From<Failed> for ClientError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Passing { error, .. } | Failed::Lasting(error) => error,
        }
    }
}

impl Client {
    /// `GET` whose body is read as it comes. Whatever is read of it fails after `silence` without a byte, the head of the answer too.
    ///
    /// # Errors
    /// [`Failed`]; any status but 2xx is one.
    pub fn open(&self, path: &str, headers: &[(&str, &str)], silence: Duration) -> Result<Response<Body>, Failed> {
        let secret = self.secret().map_err(Failed::Lasting)?;
        let request = self.agent.get(self.address(path)).header(SECRET, secret);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request
            .config()
            .timeout_global(None)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(silence))
            .build();
        self.judged(path, request.call())
    }

    /// `GET` of JSON.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn try_get(&self, path: &str) -> Result<Value, Failed> {
        let secret = self.secret().map_err(Failed::Lasting)?;
        let answer = self.agent.get(self.address(path)).header(SECRET, secret).call();
        self.json(path, self.judged(path, answer)?)
    }

    /// Sends JSON under an idempotency key, which makes it safe to repeat.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn try_send(
        &self,
        method: &Method,
        path: &str,
        key: &str,
        body: &impl serde::Serialize,
    ) -> Result<Value, Failed> {
        let secret = self.secret().map_err(Failed::Lasting)?;
        let request = match *method {
            Method::PUT => self.agent.put(self.address(path)),
            // HTTP allows it a body.
            Method::DELETE => self.agent.delete(self.address(path)).force_send_body(),
            _ => self.agent.post(self.address(path)),
        };
        let request = request.header(SECRET, secret).header("idempotency-key", key);
        self.json(path, self.judged(path, request.send_json(body))?)
    }

    /// `POST` of JSON that may be repeated as it is.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn try_post(&self, path: &str, body: &impl serde::Serialize) -> Result<Value, Failed> {
        let secret = self.secret().map_err(Failed::Lasting)?;
        let request = self.agent.post(self.address(path)).header(SECRET, secret);
        self.json(path, self.judged(path, request.send_json(body))?)
    }

    /// `POST` of bytes of this type that may be repeated as they are.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn try_post_bytes(&self, path: &str, kind: &str, body: &[u8]) -> Result<Value, Failed> {
        let secret = self.secret().map_err(Failed::Lasting)?;
        let request = self.agent.post(self.address(path)).header(SECRET, secret);
        let request = request.header("content-type", kind);
        self.json(path, self.judged(path, request.send(body))?)
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn try_delete(&self, path: &str) -> Result<Value, Failed> {
        let secret = self.secret().map_err(Failed::Lasting)?;
        let answer = self.agent.delete(self.address(path)).header(SECRET, secret).call();
        self.json(path, self.judged(path, answer)?)
    }

    fn judged(&self, path: &str, answer: Result<Response<Body>, Error>) -> Result<Response<Body>, Failed> {
        let mut response = answer.map_err(|error| self.broken(path, error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let header = response.headers().get("retry-after");
        let wait = header.and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.body_mut().read_to_string().unwrap_or_default();
        let error = match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => ClientError::Refused(Box::new(problem)),
            // The page of somebody in between is no message for a terminal.
            Err(_) => ClientError::Unexpected(path.into(), status.to_string()),
        };
        Err(if passes(status.as_u16()) {
            Failed::Passing {
                error,
                wait: wait.map(Duration::from_secs),
                nobody_there: false,
            }
        } else {
            Failed::Lasting(error)
        })
    }

    fn json(&self, path: &str, mut response: Response<Body>) -> Result<Value, Failed> {
        let text = response.body_mut().read_to_string();
        let text = text.map_err(|error| self.broken(path, error))?;
        serde_json::from_str(&text).map_err(|_| Failed::Lasting(ClientError::Unexpected(path.into(), text)))
    }

    fn broken(&self, path: &str, error: Error) -> Failed {
        let nobody_there = match &error {
            Error::HostNotFound | Error::ConnectionFailed => true,
            Error::Io(cause) => cause.kind() == io::ErrorKind::ConnectionRefused,
            _ => false,
        };
        let passing = nobody_there || matches!(error, Error::Io(_) | Error::Timeout(_) | Error::Protocol(_));
        let error = ClientError::Unreachable(self.address(path), error);
        if passing {
            Failed::Passing {
                error,
                wait: None,
                nobody_there,
            }
        } else {
            Failed::Lasting(error)
        }
    }
}

/// Whether an answer with this status may be another one next time.
const fn passes(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn refusals_last_and_troubles_pass() {
        for status in [429, 500, 502, 503, 504, 522, 599] {
            assert!(passes(status), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 409, 410, 413, 421, 422] {
            assert!(!passes(status), "{status}");
        }
    }
}
