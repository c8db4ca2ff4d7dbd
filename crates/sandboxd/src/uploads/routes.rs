//! `/_molt/uploads` over HTTP: tus 1.0.0, and what it leaves open: the agent's answer.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use molt_common::control::header as molt;
use molt_common::problem::Problem;
use molt_common::upload::{self, Checksum, PART, PATH, Place, Target, header};
use serde_json::{Value, json};

use super::append::Part;
use super::record::{Progress, Record, restored};
use super::{LONGEST, Upload, Uploads, Wish, kept_body};
use crate::http_server::{Body, whole};
use crate::proxy::{Admitted, OpenExchange};

/// Longest `Idempotency-Key`, bytes.
const LONGEST_KEY: usize = 128;
/// Longest time for which an answer is waited for in one request.
const LONGEST_WAIT: u64 = 30;
/// What the edge states of a client and the agent is to be told.
const EDGE: [&str; 4] = [molt::PROTO, molt::HOST, molt::CLIENT_IP, molt::REQUEST_ID];

type Answered = Result<Response<Body>, Problem>;

impl Uploads {
    /// Answers a request of the owner below [`PATH`], which lasts as long as `session` and `open`.
    pub async fn handle(
        self: &Arc<Self>,
        request: Request<Incoming>,
        session: Admitted,
        open: OpenExchange,
    ) -> Answered {
        let (parts, body) = request.into_parts();
        let place = Place::of(parts.uri.path()).ok_or_else(|| Problem::not_found("Nothing is here."))?;
        let method = method(&parts)?;
        // Discovery, and what is not of the protocol, asks for no version of it.
        let is_protocol = match &place {
            Place::All => method == Method::POST,
            Place::One(_) => matches!(method, Method::HEAD | Method::PATCH | Method::DELETE),
            Place::Answer(_) | Place::Delivery(_) => false,
        };
        if is_protocol {
            spoken(&parts.headers)?;
        }
        match (place, method) {
            (Place::All, Method::OPTIONS) => Ok(abilities()),
            (Place::All, Method::POST) => self.post(&parts, body, session).await,
            (Place::All, Method::GET) => Ok(data(200, &json!({"uploads": self.views(), "nextCursor": null}))),
            (Place::One(id), Method::HEAD) => {
                let upload = self.find(&id)?;
                let offset = self.settled_offset(&upload).await?;
                Ok(standing(StatusCode::OK, &upload.record(), offset))
            }
            (Place::One(id), Method::PATCH) => {
                let upload = self.find(&id)?;
                let part = part(&parts.headers, body)?;
                let offset = self.append(&upload, part, session).await?;
                Ok(standing(StatusCode::NO_CONTENT, &upload.record(), offset))
            }
            (Place::One(id), Method::DELETE) => {
                self.remove(&*self.find(&id)?)?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            (Place::One(id), Method::GET) => Ok(data(200, &self.view(self.find(&id)?.as_ref()))),
            (Place::Answer(id), Method::GET | Method::HEAD) => {
                let wait = wait(parts.uri.query())?;
                self.answer(self.find(&id)?.as_ref(), wait, (session, open)).await
            }
            (Place::Delivery(id), Method::POST) => self.deliver_again(&self.find(&id)?),
            (place, _) => Ok(not_allowed(&place)),
        }
    }

    async fn post(self: &Arc<Self>, parts: &request::Parts, body: Incoming, session: Admitted) -> Answered {
        let headers = &parts.headers;
        if headers.contains_key(header::DEFER) {
            return Err(Problem::invalid(
                "Upload-Defer-Length",
                "is not taken: say the length in Upload-Length.",
            ));
        }
        let length = upload::count("Upload-Length", text(headers, header::LENGTH)?.unwrap_or_default())?;
        let metadata = text(headers, header::METADATA)?.unwrap_or_default();
        let key = text(headers, "idempotency-key")?;
        if key.is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
            return Err(Problem::invalid("Idempotency-Key", "has 1 to 128 characters."));
        }
        let edge = EDGE.iter().filter_map(|name| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        });
        let wish = Wish {
            length,
            target: Target::from_metadata(metadata)?,
            metadata: metadata.to_owned(),
            key: key.map(str::to_owned),
            edge: edge.collect(),
        };
        // Before anything exists.
        let first = headers
            .contains_key(CONTENT_TYPE)
            .then(|| first_part(headers, body))
            .transpose()?;
        let (created, new) = self.create(wish)?;
        let offset = match first {
            Some(first) if new => self.append(&created, first, session).await?,
            _ if new && length == 0 => {
                let nothing = Part {
                    offset: 0,
                    checksum: None,
                    body: None,
                };
                self.append(&created, nothing, session).await?
            }
            _ => self.settled_offset(&created).await?,
        };
        let record = created.record();
        let mut response = standing(StatusCode::CREATED, &record, offset);
        if let Ok(location) = HeaderValue::from_str(&format!("{PATH}/{}", record.id.as_str())) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    fn view(&self, upload: &Upload) -> Value {
        let record = upload.record();
        let there = match record.progress {
            Progress::Receiving => self.spool.offset(&record.id).unwrap_or(0),
            _ => record.length,
        };
        record.view(there)
    }

    fn views(&self) -> Vec<Value> {
        let all: Vec<Arc<Upload>> = self.table().values().cloned().collect();
        all.iter().map(|upload| self.view(upload)).collect()
    }

    /// What the agent answered, waited for if asked.
    async fn answer(&self, upload: &Upload, wait: Duration, held: (Admitted, OpenExchange)) -> Answered {
        let mut record = upload.record.subscribe();
        // In vain is answered too.
        let _ = tokio::time::timeout(wait, record.wait_for(|record| !record.progress.is_under_way())).await;
        let record = upload.record();
        match &record.progress {
            Progress::Receiving => Err(Problem::new(
                409,
                "upload_incomplete",
                "The upload is not whole yet, so nobody has answered to it.",
            )),
            Progress::Waiting | Progress::Delivering => {
                let mut response = data(202, &self.view(upload));
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("1"));
                Ok(response)
            }
            Progress::Failed { code, detail } => Err(Problem::new(502, code, detail)),
            Progress::Answered { status, headers, bytes } => {
                let file = self
                    .spool
                    .answer(&record.id)
                    .await
                    .map_err(|error| super::disk(&error))?;
                let mut response = Response::new(kept_body::of(file, *bytes, held));
                *response.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                *response.headers_mut() = restored(headers);
                Ok(response)
            }
        }
    }

    /// Delivers once more what nobody knows the outcome of.
    fn deliver_again(self: &Arc<Self>, upload: &Arc<Upload>) -> Answered {
        let mut begins = false;
        self.change(upload, |record| {
            begins = matches!(record.progress, Progress::Failed { .. });
            if begins {
                record.progress = Progress::Waiting;
            }
        })
        .map_err(|error| super::disk(&error))?;
        if begins {
            self.deliver(upload);
        } else if upload.record().progress == Progress::Receiving {
            return Err(Problem::new(409, "upload_incomplete", "The upload is not whole yet."));
        }
        Ok(data(202, &self.view(upload)))
    }
}

/// `X-HTTP-Method-Override` stands for methods that a client cannot send.
fn method(parts: &request::Parts) -> Result<Method, Problem> {
    match text(&parts.headers, "x-http-method-override")? {
        Some("PATCH") if parts.method == Method::POST => Ok(Method::PATCH),
        Some("DELETE") if parts.method == Method::POST => Ok(Method::DELETE),
        Some("HEAD") if parts.method == Method::GET => Ok(Method::HEAD),
        Some(_) => Err(Problem::invalid(
            "X-HTTP-Method-Override",
            "stands for PATCH and DELETE with POST, for HEAD with GET.",
        )),
        None => Ok(parts.method.clone()),
    }
}

fn spoken(headers: &HeaderMap) -> Result<(), Problem> {
    match text(headers, header::RESUMABLE)? {
        Some(upload::VERSION) => Ok(()),
        _ => Err(Problem::new(
            412,
            "unsupported_version",
            "Send Tus-Resumable: 1.0.0. No other version is spoken here.",
        )),
    }
}

/// A header that stands there at most once, as text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Problem::invalid(name, "is not ASCII text.")),
        },
        (Some(_), Some(_)) => Err(Problem::invalid(name, "stands there twice.")),
    }
}

fn part(headers: &HeaderMap, body: Incoming) -> Result<Part, Problem> {
    let offset = upload::count("Upload-Offset", text(headers, header::OFFSET)?.unwrap_or_default())?;
    Ok(Part {
        offset,
        ..first_part(headers, body)?
    })
}

fn first_part(headers: &HeaderMap, body: Incoming) -> Result<Part, Problem> {
    if text(headers, CONTENT_TYPE.as_str())? != Some(PART) {
        return Err(Problem::new(
            415,
            "unsupported_media_type",
            format!("A part is sent as {PART}."),
        ));
    }
    let checksum = text(headers, header::CHECKSUM)?.map(Checksum::parse).transpose()?;
    Ok(Part {
        offset: 0,
        checksum,
        body: Some(body),
    })
}

/// `wait` of a query, seconds.
fn wait(query: Option<&str>) -> Result<Duration, Problem> {
    let stated = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("wait="));
    match stated.map(str::parse::<u64>) {
        None => Ok(Duration::ZERO),
        Some(Ok(seconds)) if seconds <= LONGEST_WAIT => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(Problem::invalid(
            "wait",
            format!("is a number of seconds from 0 to {LONGEST_WAIT}."),
        )),
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(""));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static(header::RESUMABLE),
        HeaderValue::from_static(upload::VERSION),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn abilities() -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert("tus-version", HeaderValue::from_static(upload::VERSION));
    headers.insert("tus-extension", HeaderValue::from_static(upload::EXTENSIONS));
    headers.insert("tus-checksum-algorithm", HeaderValue::from_static(upload::CHECKSUMS));
    headers.insert("tus-max-size", LONGEST.into());
    response
}

/// How an upload stands, in headers alone.
fn standing(status: StatusCode, record: &Record, offset: u64) -> Response<Body> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(header::OFFSET, offset.into());
    headers.insert(header::LENGTH, record.length.into());
    if let Ok(metadata) = HeaderValue::from_str(&record.metadata)
        && !record.metadata.is_empty()
    {
        headers.insert(header::METADATA, metadata);
    }
    if let Ok(expires) = HeaderValue::from_str(&molt_common::time::Millis(record.expires_at).http_date()) {
        headers.insert(header::EXPIRES, expires);
    }
    response
}

fn data(status: u16, value: &Value) -> Response<Body> {
    let mut response = Response::new(whole(value.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

fn not_allowed(place: &Place) -> Response<Body> {
    let allowed = match place {
        Place::All => "GET, OPTIONS, POST",
        Place::One(_) => "DELETE, GET, HEAD, PATCH",
        Place::Answer(_) => "GET, HEAD",
        Place::Delivery(_) => "POST",
    };
    let problem = Problem::new(405, "method_not_allowed", format!("Here one may {allowed}."));
    let mut response = data(405, &Value::Null);
    *response.body_mut() = whole(problem.json());
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(molt_common::problem::CONTENT_TYPE),
    );
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
