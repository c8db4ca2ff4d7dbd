//! What HTTP allows an agent, for tests of what is between it and a client.
//!
//! | Route | Does |
//! |---|---|
//! | any `/status?code=&name=value…` | answers with that status and those headers, without a body |
//! | `PUT`, `POST /sink` | JSON `{bytes, sha256, requests}` of the body; `requests` counts those with this `Idempotency-Key` |
//! | `GET /source?bytes=` | that many bytes (of [`byte`]), with ranges, `ETag` and `Last-Modified` |
//! | `GET /text?bytes=&type=&coding=&…` | compressible text of that type with an `ETag`; `coding=gzip` codes it whatever was asked for |
//! | `GET /events?n=&ms=` | an event stream |
//! | `GET /drip?id=` | bytes without end; `POST /hold?id=` never answers |
//! | `GET /tally?id=` | JSON `{begun, cancelled}` of those two, by id |
//! | any `/mark?id=` | counts itself as begun |

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::routes::{parameter, typed};
use crate::http_server::{Body, whole};

/// A number that divides no buffer, so that a lost, doubled or moved piece shows.
const PERIOD: u64 = 251;
const PIECE: u64 = 64 * 1024;
const BOUNDARY: &str = "parts-of-the-source";
/// Between two bytes of a drip.
const DRIP: Duration = Duration::from_millis(50);

/// How often exchanges of an id began, and how often they were dropped before their end.
#[derive(Clone, Copy, Default)]
struct Tally {
    begun: u64,
    cancelled: u64,
}

/// What the routes remember.
#[derive(Clone, Default)]
pub struct Probes {
    tallies: Arc<Mutex<HashMap<String, Tally>>>,
}

/// Counts an exchange that never ends by itself as cancelled when it is dropped.
struct Endless {
    probes: Probes,
    id: String,
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.probes.count(&self.id, |tally| tally.cancelled += 1);
    }
}

impl Probes {
    fn count(&self, id: &str, change: impl FnOnce(&mut Tally)) -> Tally {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(id.to_owned()).or_default();
        change(tally);
        *tally
    }

    fn begin(&self, id: &str) -> Endless {
        self.count(id, |tally| tally.begun += 1);
        Endless {
            probes: self.clone(),
            id: id.to_owned(),
        }
    }

    /// Answers a request, if it is for one of these routes.
    pub async fn answer(&self, request: Request<Incoming>) -> Option<Response<Body>> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let id = parameter(&query, "id").unwrap_or_default().to_owned();
        let number = |name| parameter(&query, name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let (path, method) = (request.uri().path().to_owned(), request.method().clone());
        Some(match (path.as_str(), method) {
            ("/status", _) => stated(&query),
            ("/sink", Method::PUT | Method::POST) => self.sink(request).await,
            ("/source", Method::GET | Method::HEAD) => source(number("bytes"), request.headers()),
            ("/text", Method::GET | Method::HEAD) => text(number("bytes"), &query, request.headers()),
            ("/events", Method::GET) => events(number("n"), Duration::from_millis(number("ms"))),
            ("/drip", Method::GET) => drip(self.begin(&id)),
            ("/hold", Method::POST) => {
                let _begun = self.begin(&id);
                std::future::pending().await
            }
            ("/mark", _) => {
                self.count(&id, |tally| tally.begun += 1);
                typed("marked", "text/plain")
            }
            ("/tally", Method::GET) => {
                let tally = self.count(&id, |_| ());
                typed(
                    json!({"begun": tally.begun, "cancelled": tally.cancelled}).to_string(),
                    "application/json",
                )
            }
            _ => return None,
        })
    }

    async fn sink(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, mut body) = request.into_parts();
        let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let requests = key.map(|key| self.count(key, |tally| tally.begun += 1).begun);
        let (mut bytes, mut hash) = (0_u64, Sha256::new());
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return typed("broken off", "text/plain");
            };
            if let Some(piece) = frame.data_ref() {
                bytes += piece.len() as u64;
                hash.update(piece);
            }
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let seen = json!({
            "bytes": bytes, "sha256": digits, "requests": requests, "method": parts.method.as_str(), "path": parts.uri.to_string(),
            "contentType": kind, "length": parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()),
        });
        typed(seen.to_string(), "application/json")
    }
}

/// The byte of a source at this place.
pub const fn byte(at: u64) -> u8 {
    (at % PERIOD) as u8
}

fn stated(query: &str) -> Response<Body> {
    let mut response = Response::new(whole(""));
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if name == "code" {
            let status = value.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            *response.status_mut() = status.unwrap_or(StatusCode::BAD_REQUEST);
        } else if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn between(from: u64, to: u64) -> Body {
    let pieces = stream::unfold(from, move |at| async move {
        let end = to.min(at + PIECE);
        (at < to).then(|| {
            let piece: Vec<u8> = (at..end).map(byte).collect();
            (Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), end)
        })
    });
    StreamBody::new(pieces).map_err(|never| match never {}).boxed()
}

fn source(length: u64, headers: &HeaderMap) -> Response<Body> {
    let etag = format!("\"source-{length}\"");
    let same = headers
        .get(IF_RANGE)
        .is_none_or(|wanted| wanted.as_bytes() == etag.as_bytes());
    let ranges = headers
        .get(RANGE)
        .filter(|_| same)
        .and_then(|range| ranges(range.to_str().ok()?, length));
    let mut response = match ranges.as_deref() {
        None => sized(StatusCode::OK, length, between(0, length)),
        Some([]) => sized(StatusCode::RANGE_NOT_SATISFIABLE, 0, whole("")),
        Some([(from, to)]) => sized(StatusCode::PARTIAL_CONTENT, to - from, between(*from, *to)),
        Some(several) => {
            let mut body = Vec::new();
            for (from, to) in several {
                body.extend(
                    format!(
                        "--{BOUNDARY}\r\nContent-Range: bytes {from}-{}/{length}\r\n\r\n",
                        to - 1
                    )
                    .bytes(),
                );
                body.extend((*from..*to).map(byte));
                body.extend(b"\r\n");
            }
            body.extend(format!("--{BOUNDARY}--\r\n").bytes());
            sized(StatusCode::PARTIAL_CONTENT, body.len() as u64, whole(body))
        }
    };
    let (range, kind) = match ranges.as_deref() {
        Some([]) => (Some(format!("bytes */{length}")), "application/octet-stream".to_owned()),
        Some([(from, to)]) => (
            Some(format!("bytes {from}-{}/{length}", to - 1)),
            "application/octet-stream".to_owned(),
        ),
        Some(_) => (None, format!("multipart/byteranges; boundary={BOUNDARY}")),
        None => (None, "application/octet-stream".to_owned()),
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, &kind);
    set(ETAG, &etag);
    set(LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT");
    set(ACCEPT_RANGES, "bytes");
    if let Some(range) = range {
        set(CONTENT_RANGE, &range);
    }
    response
}

fn sized(status: StatusCode, length: u64, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// First and past-the-end byte of each part that there is; `None` for what is no range.
fn ranges(header: &str, length: u64) -> Option<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    for one in header.strip_prefix("bytes=")?.split(',') {
        let (from, last) = one.trim().split_once('-')?;
        let (from, to) = match (from, last) {
            ("", suffix) => (length.saturating_sub(suffix.parse().ok()?), length),
            (from, "") => (from.parse().ok()?, length),
            (from, last) => (
                from.parse().ok()?,
                last.parse::<u64>().ok()?.saturating_add(1).min(length),
            ),
        };
        if from < to {
            ranges.push((from, to));
        }
    }
    Some(ranges)
}

fn text(length: u64, query: &str, asked: &HeaderMap) -> Response<Body> {
    let line = "An agent says much, and much of it more than once.\n";
    let text: String = line
        .chars()
        .cycle()
        .take(usize::try_from(length).unwrap_or(0))
        .collect();
    if asked
        .get(IF_NONE_MATCH)
        .is_some_and(|etag| etag == "\"text\"" || etag == "W/\"text\"")
    {
        return stated("code=304&etag=\"text\"");
    }
    let coded = parameter(query, "coding") == Some("gzip");
    let mut response = Response::new(if coded {
        whole(stored(text.as_bytes()))
    } else {
        whole(text)
    });
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static("\"text\""));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if coded {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let kind = parameter(query, "type").unwrap_or("text/plain");
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("text/plain")),
    );
    if let Some(cache) = parameter(query, "cache").and_then(|cache| HeaderValue::from_str(cache).ok()) {
        headers.insert(hyper::header::CACHE_CONTROL, cache);
    }
    response
}

/// Gzip without compression, as nobody on the way would make it: whoever codes anew is found out.
fn stored(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    let written = encoder.write_all(text);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

fn events(count: u64, apart: Duration) -> Response<Body> {
    let pieces = stream::unfold(0, move |index| async move {
        if index == count {
            return None;
        }
        if index > 0 {
            tokio::time::sleep(apart).await;
        }
        let piece = Frame::data(Bytes::from(format!("id: {index}\ndata: event {index}\n\n")));
        Some((Ok::<_, Infallible>(piece), index + 1))
    });
    let mut response = Response::new(StreamBody::new(pieces).map_err(|never| match never {}).boxed());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn drip(begun: Endless) -> Response<Body> {
    let pieces = stream::unfold(begun, |begun| async move {
        tokio::time::sleep(DRIP).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"."))), begun))
    });
    let mut response = Response::new(StreamBody::new(pieces).map_err(|never| match never {}).boxed());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}
