//! An answer of the platform, and what every answer promises.

use crate::secrets;
use bytes::Bytes;
use molt_common::problem;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Who may have answered.
const BACKENDS: [&str; 4] = ["router", "admin", "container-gateway", "legacy"];

/// A whole answer.
#[derive(Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, as it came.
    pub body: Bytes,
}

impl Reply {
    /// Reads an answer to its end.
    ///
    /// # Errors
    /// When it breaks off.
    ///
    /// # Panics
    /// When it lacks a request id of ours or the name of who answered: each answer has both.
    pub async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let reply = Self {
            status,
            headers,
            body: response.bytes().await?,
        };
        assert_signed(&reply.headers, status);
        secrets::obtained(&reply.headers, &reply.body);
        Ok(reply)
    }

    /// A header that stands there once; empty when it is missing.
    ///
    /// # Panics
    /// When it stands there more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map_or("", |value| value.to_str().unwrap_or_default());
        assert!(values.next().is_none(), "{name} stands there twice");
        first
    }

    /// All values of a header, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect()
    }

    /// Id of the request.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.header("x-request-id")
    }

    /// Who answered.
    #[must_use]
    pub fn backend(&self) -> &str {
        self.header("x-molt-backend")
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none, or the status is not as expected.
    #[must_use]
    pub fn json(&self, status: u16) -> Value {
        self.expect(status);
        let kind = self.header("content-type");
        assert!(
            kind.starts_with("application/json"),
            "content type {kind:?} of {}",
            self.text()
        );
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// # Panics
    /// When the status is another one.
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{} answered: {}", self.backend(), self.text());
        self
    }

    /// The body of an error, whose form is checked.
    ///
    /// # Panics
    /// When it is not the problem JSON of this status and code.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        self.expect(status);
        assert_eq!(self.header("content-type"), problem::CONTENT_TYPE, "{}", self.text());
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], "about:blank", "{body}");
        assert_eq!(body["requestId"], self.request_id(), "{body}");
        for field in ["title", "detail", "error"] {
            assert!(
                body[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field} is missing in {body}"
            );
        }
        body
    }

    /// [`Reply::problem`] 400 `invalid_request` about this field.
    ///
    /// # Panics
    /// See there.
    pub fn names_field(&self, field: &str) {
        let body = self.problem(400, "invalid_request");
        assert_eq!(body["field"], field, "{body}");
    }
}

/// Every answer, a switch of protocols too, has a request id of ours and says who answered.
///
/// # Panics
/// When it does not.
pub fn assert_signed(headers: &HeaderMap, status: u16) {
    let value = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let id = value("x-request-id");
    let digits = id.strip_prefix("req_").unwrap_or_default();
    let ours = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(ours, "X-Request-Id {id:?} of a {status} is not ours");
    let backend = value("x-molt-backend");
    assert!(BACKENDS.contains(&backend), "X-Molt-Backend {backend:?} of a {status}");
}
