//! An answer of the agent as the edge gets it: headers for everybody, body in a coding for the client that asked.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::{request, response};
use hyper::{Method, Response, StatusCode};
use molt_common::content_coding::{self, Accepted, Answer, Coding, Treatment};
use molt_common::problem;
use tokio::sync::Semaphore;

use super::activity::OpenExchange;
use super::answer_body::AnswerBody;
use super::coded_body::CodedBody;
use super::coding::Coder;
use super::headers::{self, PublicAddress};
use super::inject::{self, Injecting};
use super::problem::Problem;
use super::sessions::Admitted;
use crate::http_server::{Body, BodyError, whole};

/// Bodies that are coded at once. Each holds up to two MiB.
const AT_ONCE: usize = 12;
/// Headers that state a hash of the bytes on the wire.
const HASHES: [&str; 3] = ["content-digest", "digest", "content-md5"];

/// What of the question decides the answer's form.
pub struct Asked {
    accepted: Accepted,
    ranged: bool,
    head: bool,
    if_none_match: Option<String>,
    public: PublicAddress,
    agent_port: u16,
    /// Set when a browser opens a document: the tag to put into it, and the host by which it knows us.
    page: Option<(&'static str, Option<HeaderValue>)>,
}

impl Asked {
    /// Of a request as the edge sent it.
    pub fn of(parts: &request::Parts, public: PublicAddress, agent_port: u16) -> Self {
        Self {
            accepted: Accepted::parse(headers::client_encoding(&parts.headers).to_str().unwrap_or_default()),
            ranged: parts.headers.contains_key(header::RANGE),
            head: parts.method == Method::HEAD,
            if_none_match: joined(&parts.headers, &header::IF_NONE_MATCH),
            public,
            agent_port,
            page: None,
        }
    }

    /// A browser asks for a document, known to it by this host: `tag` goes in where it is a page that takes it.
    pub fn page(&mut self, tag: &'static str, host: Option<HeaderValue>) {
        self.page = Some((tag, host));
    }

    /// The tag that goes into this answer.
    fn tag_for(&self, parts: &response::Parts) -> Option<&'static str> {
        let (tag, host) = self.page.as_ref()?;
        match inject::takes_tag(parts.status.as_u16(), &parts.headers, host.as_ref()) {
            Ok(takes) => takes.then_some(*tag),
            Err(refusal) => {
                tracing::info!(%refusal, "a page is left without the script for its sockets");
                None
            }
        }
    }

    fn treatment(&self, parts: &response::Parts) -> (Treatment, bool) {
        let of = |name| joined(&parts.headers, &name);
        let (kind, coding, cache) = (
            of(header::CONTENT_TYPE),
            of(header::CONTENT_ENCODING),
            of(header::CACHE_CONTROL),
        );
        let length = of(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let answer = Answer {
            status: parts.status.as_u16(),
            content_type: kind.as_deref(),
            content_encoding: coding.as_deref(),
            content_length: length,
            cache_control: cache.as_deref(),
            hashed: HASHES.iter().any(|name| parts.headers.contains_key(*name)),
            ranged: self.ranged,
        };
        (answer.treatment(&self.accepted), answer.varies())
    }
}

/// Who makes answers for the edge.
pub struct Answers {
    coding: Arc<Semaphore>,
}

impl Answers {
    /// None is under way yet.
    pub fn new() -> Self {
        Self {
            coding: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The answer to a plain request, whose exchange lasts as long as the body.
    ///
    /// # Errors
    /// When it is in another coding than it states, and the client needs it without.
    pub async fn whole(
        &self,
        answer: Response<Incoming>,
        asked: &Asked,
        session: Admitted,
        open: OpenExchange,
    ) -> Result<Response<Body>, Problem> {
        let (mut parts, body) = answer.into_parts();
        let tag = asked.tag_for(&parts);
        if tag.is_some() {
            inject::adapt(&mut parts.headers);
        }
        let (mut treatment, varies) = asked.treatment(&parts);
        let permit = match treatment {
            Treatment::AsIs => None,
            // It is only nicer with than without.
            Treatment::Make(_) => Arc::clone(&self.coding).try_acquire_owned().ok(),
            // This one cannot be read otherwise.
            Treatment::Undo(_) => Arc::clone(&self.coding).acquire_owned().await.ok(),
        };
        let coder = match treatment {
            Treatment::Make(coding) => Coder::making(coding).ok(),
            Treatment::Undo(coding) => Coder::undoing(coding).ok(),
            Treatment::AsIs => None,
        };
        let inner = AnswerBody::new(body, session, open).boxed();
        let inner = match tag {
            Some(tag) if !asked.head => Injecting::new(inner, tag).boxed(),
            _ => inner,
        };
        let body = match (coder, permit) {
            // Nothing comes, and nothing must be made of it.
            _ if asked.head => inner,
            (Some(coder), Some(permit)) if matches!(treatment, Treatment::Undo(_)) => {
                begun(CodedBody::undoing(inner, coder, permit).boxed())
                    .await
                    .map_err(|error| unreadable(&error))?
            }
            (Some(coder), Some(permit)) => CodedBody::making(inner, coder, permit).boxed(),
            _ => {
                treatment = Treatment::AsIs;
                inner
            }
        };
        let mut headers = headers::to_edge(&parts.headers, &asked.public.seen(asked.agent_port), false);
        match treatment {
            Treatment::AsIs => {}
            Treatment::Make(coding) => recoded(&mut headers, Some(coding)),
            Treatment::Undo(_) => recoded(&mut headers, None),
        }
        if varies {
            vary(&mut headers);
        }
        if parts.status == StatusCode::NOT_MODIFIED {
            match_question(&mut headers, asked.if_none_match.as_deref());
        }
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// A body whose first piece could be had. What is not of the coding that it states is found out before anything is answered: a connection that
/// ended without an answer would pass for a sandbox that is gone, and the request would be repeated.
async fn begun(mut body: Body) -> Result<Body, BodyError> {
    let Some(first) = body.frame().await.transpose()? else {
        return Ok(whole(""));
    };
    let all = stream::iter([Ok(first)]).chain(BodyStream::new(body));
    Ok(BodyExt::boxed(StreamBody::new(all)))
}

fn unreadable(error: &BodyError) -> Problem {
    tracing::info!(%error, "an answer of the agent cannot be read");
    let text = "The agent's answer is not in the content coding that it states.";
    problem::Problem::new(502, "agent_answer_unreadable", text).into()
}

/// Headers of content whose coding is another one now.
fn recoded(headers: &mut HeaderMap, coding: Option<Coding>) {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_ENCODING);
    // Parts of what is made on the way cannot be had.
    headers.remove(header::ACCEPT_RANGES);
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    weaken(headers);
}

fn weaken(headers: &mut HeaderMap) {
    let weak = headers
        .get(header::ETAG)
        .and_then(|etag| etag.to_str().ok())
        .map(content_coding::weakened);
    if let Some(weak) = weak.and_then(|weak| HeaderValue::from_str(&weak).ok()) {
        headers.insert(header::ETAG, weak);
    }
}

/// A 304 names the entity tag of what the client has, which may be the weakened one.
fn match_question(headers: &mut HeaderMap, if_none_match: Option<&str>) {
    let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
    if let (Some(etag), Some(asked)) = (etag, if_none_match)
        && content_coding::asks_for_weakened(asked, etag)
    {
        weaken(headers);
    }
}

fn vary(headers: &mut HeaderMap) {
    let names = |text: &str| {
        text.split(',')
            .any(|name| matches!(name.trim().to_ascii_lowercase().as_str(), "*" | "accept-encoding"))
    };
    if !joined(headers, &header::VARY).is_some_and(|text| names(&text)) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// All values of a header as one list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}
