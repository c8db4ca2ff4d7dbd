//! What the old system kept, read at the edge: objects span by span, each of the version that was decided on.

use crate::http::{Fault, refused, retried, transport};
use molt_common::control::snapshot::RepositoryAccess;
use molt_common::id::UserId;
use molt_common::legacy_data::{Found, ImportPage, LONGEST_SPAN};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Duration;
use ureq::Agent;

/// One call, from connecting to the last byte.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of one span: a connection that breaks costs so much.
const SPAN: u64 = 8 * 1024 * 1024;
/// Longest page of a list, bytes.
const LONGEST_PAGE: u64 = 4 * 1024 * 1024;

const _: () = assert!(SPAN <= LONGEST_SPAN, "the edge gives no more at once");

/// The edge, as one sandbox's token reaches it.
pub struct Edge {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Edge {
    /// For what was kept of `user`.
    pub fn new(access: &RepositoryAccess, user: UserId) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Nothing between a sandbox and the platform; and a proxy of the agent's environment must not see the token.
            .proxy(None)
            .timeout_global(Some(CALL_TIMEOUT))
            .timeout_connect(Some(Duration::from_secs(10)))
            .build();
        Self {
            agent: Agent::new_with_config(config),
            base: format!("{}import/{user}/", access.url),
            authorization: format!("Bearer {}", access.token),
        }
    }

    /// A page of single objects.
    pub fn page(&self, cursor: Option<&str>) -> Result<ImportPage, Fault> {
        let what = "the list of what was kept";
        let url = match cursor {
            Some(cursor) => format!("{}objects?cursor={}", self.base, encoded(cursor)),
            None => format!("{}objects", self.base),
        };
        let bytes = self.get(&url, what, LONGEST_PAGE)?;
        serde_json::from_slice(&bytes).map_err(|error| Fault::lasting(format!("{what} is none: {error}")))
    }

    fn span(&self, found: &Found, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let url = format!(
            "{}object?key={}&etag={}&offset={offset}&length={length}",
            self.base,
            encoded(&found.key),
            encoded(&found.etag)
        );
        let bytes = self.get(&url, &found.key, length)?;
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        Err(Fault::lasting(format!("{} is not as long as its list says", found.key)))
    }

    fn get(&self, url: &str, what: &str, longest: u64) -> Result<Vec<u8>, Fault> {
        retried(|| {
            let response = self.agent.get(url).header("authorization", &self.authorization).call();
            let mut response = response.map_err(|error| transport(what, &error))?;
            match response.status().as_u16() {
                200 => {}
                404 => return Err(Fault::lasting(format!("{what} is not there any more"))),
                412 => return Err(Fault::lasting(format!("{what} was replaced while it was read"))),
                _ => return Err(refused(what, "read", response)),
            }
            // The limit is reached by a body that is exactly as long.
            let body = response.body_mut().with_config().limit(longest + 1).read_to_vec();
            body.map_err(|error| transport(what, &error))
        })
    }

    /// The bytes of an object, in order. Where reading fails because of the edge, that is in the reader's fault.
    pub fn reader<'a>(&'a self, found: &'a Found) -> SpanReader<'a> {
        SpanReader {
            edge: self,
            found,
            offset: 0,
            span: io::Cursor::new(Vec::new()),
            fault: Rc::default(),
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// See [`Edge::reader`].
pub struct SpanReader<'a> {
    edge: &'a Edge,
    found: &'a Found,
    offset: u64,
    span: io::Cursor<Vec<u8>>,
    fault: Rc<RefCell<Option<Fault>>>,
}

impl SpanReader<'_> {
    /// Where a failure of the edge is kept, as against one of the bytes.
    pub fn fault(&self) -> Rc<RefCell<Option<Fault>>> {
        self.fault.clone()
    }
}

impl Read for SpanReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.span.read(buffer)?;
        let left = self.found.size - self.offset;
        if read > 0 || left == 0 || buffer.is_empty() {
            return Ok(read);
        }
        let length = left.min(SPAN);
        match self.edge.span(self.found, self.offset, length) {
            Ok(bytes) => {
                self.span = io::Cursor::new(bytes);
                self.offset += length;
                self.span.read(buffer)
            }
            Err(fault) => {
                let text = fault.message.clone();
                *self.fault.borrow_mut() = Some(fault);
                Err(io::Error::other(text))
            }
        }
    }
}
