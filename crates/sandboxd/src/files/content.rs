//! A file's bytes.

use std::io::{Seek, SeekFrom};

use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use molt_common::byte_range::ByteRange;
use molt_common::control::files::{FileKind, FilesQuery};
use molt_common::files_call::header::KIND;

use super::error::FileError;
use super::{Files, Held, header, home, list};
use crate::http_server::{Body, whole};
use crate::uploads::kept_body;

impl Files {
    pub(super) async fn content(
        &self,
        query: &FilesQuery,
        parts: &Parts,
        held: Held,
    ) -> Result<Response<Body>, FileError> {
        if parts.method == Method::HEAD {
            let path = query.path.clone();
            let about = self
                .at_home(move |home| Ok(rustix::fs::fstat(home.look(&path)?)?))
                .await?;
            if let Some(kind) = no_file(&about) {
                let mut answer = self.told(Response::new(whole("")));
                answer.headers_mut().insert(KIND, HeaderValue::from_static(kind));
                return Ok(answer);
            }
        }
        let path = query.path.clone();
        let (mut file, about) = self.at_home(move |home| home::read(&home.look(&path)?)).await?;
        let (size, etag) = (home::size(&about), home::etag(&about));
        let mut answer = self.told(Response::new(whole("")));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        headers.extend(HeaderValue::from_str(&etag).ok().map(|tag| (ETAG, tag)));
        let date = list::modified_at(&about).and_then(|at| HeaderValue::from_str(&at.http_date()).ok());
        headers.extend(date.map(|date| (LAST_MODIFIED, date)));
        if header(&parts.headers, "if-none-match").is_some_and(|tags| names(tags, &etag)) {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(answer);
        }
        // A part of another version is of no use to whoever asks so (If-Range).
        let same = header(&parts.headers, "if-range").is_none_or(|tag| tag == etag);
        let range = header(&parts.headers, "range").filter(|_| same);
        let (from, length) = match range.and_then(ByteRange::parse).map(|range| range.of(size)) {
            None => (0, size),
            Some(Some(span)) => {
                headers_of(&mut answer, &span.content_range(size));
                *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
                (span.offset, span.length)
            }
            Some(None) => {
                headers_of(&mut answer, &format!("bytes */{size}"));
                *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok(answer);
            }
        };
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        if parts.method != Method::HEAD {
            file.seek(SeekFrom::Start(from))?;
            *answer.body_mut() = kept_body::of(tokio::fs::File::from_std(file), length, held);
        }
        Ok(answer)
    }
}

/// What it is, where it is no file: then there is nothing to say of its bytes, but that it is there.
fn no_file(about: &rustix::fs::Stat) -> Option<&'static str> {
    match home::kind(about) {
        FileKind::File => None,
        FileKind::Folder => Some("folder"),
        FileKind::Link => Some("link"),
        FileKind::Other => Some("other"),
    }
}

fn headers_of(answer: &mut Response<Body>, range: &str) {
    let value = HeaderValue::from_str(range).ok();
    answer.headers_mut().extend(value.map(|value| (CONTENT_RANGE, value)));
}

/// Whether a list of tags names this one; what compresses an answer on its way marks its tag as weak.
pub(super) fn names(tags: &str, etag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
