//! What handlers take from a request, with problems that name the field.

use crate::respond::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::StatusCode;
use http::header::IF_MATCH;
use http::request::Parts;
use molt_common::admin_key::KeyId;
use molt_common::agent_config;
use molt_common::id::UserId;
use molt_common::job_cursor::JobCursor;
use molt_common::problem::Problem;
use molt_common::signup::Address;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use worker::send::SendWrapper;

/// Longest body that is read.
pub const LONGEST_BODY: usize = 1024 * 1024;

/// A JSON body. The limit is enforced while it is read.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        parse(&read(request, state).await?).map(Self)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    let bytes = Bytes::from_request(request, state)
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                413,
                "too_large",
                format!("The body is longer than {LONGEST_BODY} bytes."),
            ),
            _ => Problem::new(400, "body_not_read", "The body could not be read to its end."),
        })?;
    Ok(bytes)
}

/// A part of a JSON body, with the same problems as the whole.
pub fn fitted<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    parse(value.to_string().as_bytes())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // A list would be read as the fields in order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::invalid("body", "must be a JSON object, not a list").into());
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        let text = inner.to_string();
        if let Some(field) = missing(&text) {
            let field = if path == "." {
                field.to_owned()
            } else {
                format!("{path}.{field}")
            };
            Problem::invalid(&field, "is missing")
        } else if inner.is_data() && path != "." {
            Problem::invalid(&path, format!("does not fit: {inner}"))
        } else if inner.is_data() {
            Problem::invalid("body", format!("does not fit: {inner}"))
        } else {
            Problem::new(400, "invalid_json", format!("The body is not valid JSON: {inner}"))
                .labelled("Invalid JSON body")
        }
    })?;
    json.end().map_err(|_| {
        Problem::new(400, "invalid_json", "There is more after the JSON body.").labelled("Invalid JSON body")
    })?;
    Ok(value)
}

/// The field that a body lacks, as serde says it.
fn missing(error: &str) -> Option<&str> {
    let (field, _) = error.strip_prefix("missing field `")?.split_once('`')?;
    Some(field)
}

/// A JSON body as [`JsonBody`], or nothing at all, which is the type's default.
pub struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = read(request, state).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        parse(&bytes).map(Self)
    }
}

/// The request as the runtime gave it: its body is passed on without being read here. Handlers of other routes have none.
#[derive(Clone)]
pub struct Streamed(SendWrapper<web_sys::Request>);

impl Streamed {
    /// This one.
    pub fn new(request: web_sys::Request) -> Self {
        Self(SendWrapper::new(request))
    }

    /// The request.
    pub fn request(&self) -> &web_sys::Request {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Streamed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The worker's entry puts it there.
        let streamed = parts.extensions.get::<Self>().cloned();
        streamed.ok_or_else(|| Problem::internal().into())
    }
}

/// The path's parameters as text, by name.
pub struct Parameters(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<BTreeMap<String, String>>::from_request_parts(parts, state).await {
            Ok(Path(parameters)) => Ok(Self(parameters)),
            Err(_) => Err(Problem::invalid("path", "has a part that is not UTF-8").into()),
        }
    }
}

/// The query's parameters as text, by name.
pub struct Asked(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<BTreeMap<String, String>>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(_) => Err(Problem::invalid("query", "is not a form").into()),
        }
    }
}

impl Asked {
    /// One parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// One that is `1` or `true`, `0` or `false`; false when absent.
    pub fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(Problem::invalid(name, "must be 1 or 0").into()),
        }
    }

    /// One that is `true` or `false`; false when absent.
    pub fn switch(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(name, "must be true or false").into()),
        }
    }
}

/// `If-Match`: the version that is to be changed, if the caller says one.
pub struct IfMatch(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let mut given = parts.headers.get_all(IF_MATCH).iter();
        let (first, second) = (given.next(), given.next());
        let Some(value) = first else { return Ok(Self(None)) };
        // What compresses an answer on its way marks its tag as weak; the version is the same.
        let text = value.to_str().unwrap_or_default();
        let text = text.strip_prefix("W/").unwrap_or(text);
        let digits = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let version = digits.and_then(version);
        if version.is_none() || second.is_some() {
            return Err(Problem::invalid("If-Match", "must be one version in quotes, such as \"3\"").into());
        }
        Ok(Self(version))
    }
}

/// `If-Match`: the content hash of what is to be changed, if the caller says one.
pub struct IfHash(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IfHash {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let mut given = parts.headers.get_all(IF_MATCH).iter();
        let (first, second) = (given.next(), given.next());
        let Some(value) = first else { return Ok(Self(None)) };
        // What compresses an answer on its way marks its tag as weak; the document is the same.
        let text = value.to_str().unwrap_or_default();
        let text = text.strip_prefix("W/").unwrap_or(text);
        let hash = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match hash.filter(|hash| agent_config::is_hash(hash)) {
            Some(hash) if second.is_none() => Ok(Self(Some(hash.to_owned()))),
            _ => Err(Problem::invalid("If-Match", "must be one content hash in quotes").into()),
        }
    }
}

/// A counter as we write it.
fn version(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Counters in JavaScript end there.
    text.parse().ok().filter(|version| plain && *version < 1 << 53)
}

impl Parameters {
    /// One parameter, empty when the route has none of this name.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The user id `{id}`.
    pub fn user(&self) -> Result<UserId, Failure> {
        UserId::parse(self.text("id")).map_err(|error| Problem::from(("id", error)).into())
    }
}

/// What a list is ordered by, and with it what a cursor looks like.
pub trait Order {
    /// Whether a list of this order could have given the cursor.
    fn is_cursor(text: &str) -> bool;
}

/// By user id.
pub struct ByUser;

/// By id of an admin key.
pub struct ByKey;

/// By e-mail address.
pub struct ByEmail;

/// By version, newest first.
pub struct ByVersion;

/// By place in the job, from 1.
pub struct ByPlace;

impl Order for ByPlace {
    fn is_cursor(text: &str) -> bool {
        version(text).is_some_and(|place| u32::try_from(place).is_ok())
    }
}

/// By time of submission, newest first.
pub struct BySubmission;

impl Order for BySubmission {
    fn is_cursor(text: &str) -> bool {
        JobCursor::parse(text).is_some()
    }
}

impl Order for ByVersion {
    fn is_cursor(text: &str) -> bool {
        version(text).is_some()
    }
}

impl Order for ByUser {
    fn is_cursor(text: &str) -> bool {
        UserId::parse(text).is_ok()
    }
}

impl Order for ByKey {
    fn is_cursor(text: &str) -> bool {
        KeyId::parse(text).is_ok()
    }
}

impl Order for ByEmail {
    fn is_cursor(text: &str) -> bool {
        Address::parse(text).is_some()
    }
}

/// Where a list begins and how long it is: `?cursor=&limit=`.
pub struct Page<O = ByUser> {
    /// Id of the last entry of the page before; empty for the first page.
    pub cursor: String,
    /// 1 to 200; 100 when absent.
    pub limit: u32,
    order: PhantomData<O>,
}

/// A page of keys.
pub type KeyPage = Page<ByKey>;
/// A page of invitations.
pub type InvitationPage = Page<ByEmail>;
/// A page of jobs.
pub type JobPage = Page<BySubmission>;
/// A page of a job's parts.
pub type PartPage = Page<ByPlace>;
/// A page of changes.
pub type ChangePage = Page<ByVersion>;

impl<S: Send + Sync, O: Order> FromRequestParts<S> for Page<O> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Ok(Query(query)) = Query::<BTreeMap<String, String>>::from_request_parts(parts, state).await else {
            return Err(Problem::invalid("query", "is not a form").into());
        };
        let limit = match query.get("limit").map(|text| text.parse::<u32>()) {
            None => 100,
            Some(Ok(limit @ 1..=200)) => limit,
            Some(_) => return Err(Problem::invalid("limit", "must be from 1 to 200").into()),
        };
        let cursor = query.get("cursor").cloned().unwrap_or_default();
        if !cursor.is_empty() && !O::is_cursor(&cursor) {
            return Err(Problem::invalid("cursor", "is not one that a list gave").into());
        }
        Ok(Self {
            cursor,
            limit,
            order: PhantomData,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, version};
    use molt_common::api::flags::FlagRequest;

    #[test]
    fn what_does_not_fit_is_named_by_field() {
        for (body, field) in [
            ("{}", "enabled"),
            (r#"{"enabled": true}"#, "reason"),
            (r#"{"enabled": 1, "reason": "r"}"#, "enabled"),
            (r#"{"enabled": true, "reason": "r", "percent": "5"}"#, "percent"),
            (r#"{"enabled": true, "reason": "r", "percent": -5}"#, "percent"),
            (r#"{"enabled": true, "reason": "r", "allow": ["a", 1]}"#, "allow[1]"),
            (r#"{"enabled": true, "reason": "r", "percnt": 5}"#, "percnt"),
            ("[true]", "body"),
            ("1", "body"),
        ] {
            let refused = parse::<FlagRequest>(body.as_bytes()).err().map(|failure| failure.0);
            let refused = refused.unwrap_or_else(|| unreachable!("{body}"));
            assert_eq!(
                (refused.status, refused.field.as_deref()),
                (400, Some(field)),
                "{body}: {refused:?}"
            );
        }
    }

    #[test]
    fn versions_are_plain_numbers() {
        assert_eq!(version("0"), Some(0));
        assert_eq!(version("9007199254740991"), Some(9_007_199_254_740_991));
        for bad in ["", "-1", "+1", "1.0", " 1", "9007199254740992", "99999999999999999999"] {
            assert_eq!(version(bad), None, "{bad}");
        }
    }
}
