//! What handlers take from a request, with problems that name the field.

use crate::respond::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::StatusCode;
use http::request::Parts;
use molt_common::admin_key::KeyId;
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_common::signup::Address;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// Longest body that is read.
pub const LONGEST_BODY: usize = 1024 * 1024;

/// A JSON body. The limit is enforced while it is read.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
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
        // A list would be read as the fields in order.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::invalid("body", "must be a JSON object, not a list").into());
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.inner();
            if inner.is_data() && path != "." {
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
        Ok(Self(value))
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
