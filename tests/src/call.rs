//! One HTTP call to the stack.

use crate::people::User;
use crate::reply::Reply;
use crate::stack::Stack;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

/// A call that is being put together.
#[must_use]
pub struct Call<'a> {
    stack: &'a Stack,
    builder: RequestBuilder,
    name: String,
}

impl<'a> Call<'a> {
    pub(crate) fn new(stack: &'a Stack, method: &str, url: &str) -> Self {
        let verb = Method::from_bytes(method.as_bytes()).expect("a method");
        Self {
            stack,
            builder: stack.http.request(verb, url),
            name: format!("{method} {url}"),
        }
    }

    fn map(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self {
            builder: change(self.builder),
            ..self
        }
    }

    /// Adds a header; one of the same name stays beside it.
    pub fn header(self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        self.map(|builder| builder.header(name, value))
    }

    /// Sends the user's token as `Authorization: Bearer`.
    pub fn user(self, user: &User) -> Self {
        self.bearer(&user.token)
    }

    /// Sends any text as `Authorization: Bearer`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sends the user's token in the session cookie.
    pub fn session(self, user: &User) -> Self {
        self.header("cookie", &format!("sb-access-token={}", user.token))
    }

    /// Sends the admin secret.
    pub fn admin(self) -> Self {
        let secret = self.stack.ready.admin_secret.clone();
        self.header("x-admin-secret", &secret)
    }

    /// Asks for a page, as a browser that navigates does.
    pub fn browser(self) -> Self {
        self.header(
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        )
    }

    /// Sends a body.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        self.map(|builder| builder.body(body))
    }

    /// Sends JSON.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends a form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let mut url = reqwest::Url::parse("http://form").expect("a URL");
        url.query_pairs_mut().extend_pairs(fields);
        let body = url.query().unwrap_or_default().to_owned();
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// Makes the call and reads the whole answer.
    ///
    /// # Panics
    /// When there is none, or it breaks a promise of [`Reply`].
    pub async fn send(self) -> Reply {
        let name = self.name.clone();
        let reply = Reply::read(self.open().await).await;
        reply.unwrap_or_else(|error| panic!("{name}: the answer broke off: {error:?}"))
    }

    /// Makes the call and leaves the body to be read.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn open(self) -> Response {
        let name = self.name;
        self.builder
            .send()
            .await
            .unwrap_or_else(|error| panic!("{name}: no answer: {error:?}"))
    }

    /// Makes the call and leaves the body to be read, for times at which there may be no answer.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn start(self) -> reqwest::Result<Response> {
        self.builder.send().await
    }

    /// Makes the call; an answer or why there is none, for times at which either is right.
    ///
    /// # Errors
    /// When the connection fails or breaks off.
    pub async fn attempt(self) -> reqwest::Result<Reply> {
        Reply::read(self.builder.send().await?).await
    }

    /// Makes the call; `None` when nobody answers, or only the runtime itself, which is on its way up.
    pub async fn attempt_ours(self) -> Option<Reply> {
        let response = self.builder.send().await.ok()?;
        let ours = response.headers().contains_key("x-request-id");
        if ours { Reply::read(response).await.ok() } else { None }
    }

    /// Makes the call and takes any answer, the runtime's own too: its status, or `None` when none comes in time.
    pub async fn attempt_any(self, limit: std::time::Duration) -> Option<u16> {
        let answer = tokio::time::timeout(limit, self.builder.send()).await.ok()?;
        answer.ok().map(|response| response.status().as_u16())
    }
}
