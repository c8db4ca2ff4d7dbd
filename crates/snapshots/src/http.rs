//! The calls of restic's REST protocol, with what is tried again and what is not.

use backon::{BlockingRetryable as _, ExponentialBuilder};
use bytes::Bytes;
use rustic_core::{FileType, Id};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Asks for listings with sizes.
const VERSION_2: &str = "application/vnd.x.restic.rest.v2";
/// An object larger than this is not one that we or restic wrote.
const LARGEST_OBJECT: u64 = 256 * 1024 * 1024;
/// One call, from connecting to the last byte.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// Something that the repository did not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Names the object.
    pub message: String,
    /// Whether it may do it later.
    pub transient: bool,
    /// Whether the object is there already and may not be written again.
    exists: bool,
}

impl Fault {
    /// One that stays.
    pub fn lasting(message: String) -> Self {
        Self {
            message,
            transient: false,
            exists: false,
        }
    }

    fn passing(message: String) -> Self {
        Self {
            message,
            transient: true,
            exists: false,
        }
    }
}

impl From<Fault> for crate::failure::Failure {
    fn from(fault: Fault) -> Self {
        Self {
            message: fault.message,
            transient: fault.transient,
        }
    }
}

/// `pack 3f…`, with the whole name: an operator looks for it in the bucket.
pub fn object_name(tpe: FileType, id: &Id) -> String {
    match tpe {
        FileType::Config => "the repository's config".to_owned(),
        FileType::Pack => format!("pack {}", &*id.to_hex()),
        FileType::Index => format!("index {}", &*id.to_hex()),
        FileType::Snapshot => format!("snapshot {}", &*id.to_hex()),
        FileType::Key => format!("key {}", &*id.to_hex()),
    }
}

/// A client of one repository.
pub struct Client {
    agent: Agent,
    base: String,
    authorization: String,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    size: u64,
}

impl Client {
    /// `base` ends in a slash and is the repository's own; `token` is sent as Bearer.
    pub fn new(base: &str, token: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Nothing between a sandbox and the platform; and a proxy of the agent's environment must not see the token.
            .proxy(None)
            .timeout_global(Some(CALL_TIMEOUT))
            .timeout_connect(Some(Duration::from_secs(10)))
            .max_idle_connections_per_host(8)
            .build();
        Self {
            agent: Agent::new_with_config(config),
            base: base.to_owned(),
            authorization: format!("Bearer {token}"),
        }
    }

    /// Its address, which holds no secret.
    pub fn location(&self) -> String {
        self.base.clone()
    }

    fn url(&self, tpe: FileType, id: &Id) -> String {
        match tpe {
            FileType::Config => format!("{}config", self.base),
            _ => format!("{}{}/{}", self.base, tpe.dirname(), &*id.to_hex()),
        }
    }

    /// Size of the configuration, `None` for a repository that was not begun.
    pub fn config_size(&self) -> Result<Option<u32>, Fault> {
        let what = "the repository's config";
        retried(|| {
            let response = self
                .agent
                .head(self.url(FileType::Config, &Id::default()))
                .header("authorization", &self.authorization)
                .call();
            let response = response.map_err(|error| transport(what, &error))?;
            match response.status().as_u16() {
                200 => Ok(Some(
                    response
                        .body()
                        .content_length()
                        .and_then(|size| u32::try_from(size).ok())
                        .unwrap_or(0),
                )),
                404 => Ok(None),
                _ => Err(refused(what, "look at", response)),
            }
        })
    }

    /// All objects of a kind with their sizes.
    pub fn list(&self, tpe: FileType) -> Result<Vec<(Id, u32)>, Fault> {
        let what = format!("the list of {}", tpe.dirname());
        let url = format!("{}{}/", self.base, tpe.dirname());
        retried(|| {
            let response = self
                .agent
                .get(&url)
                .header("authorization", &self.authorization)
                .header("accept", VERSION_2)
                .call();
            let mut response = response.map_err(|error| transport(&what, &error))?;
            match response.status().as_u16() {
                200 => {}
                // A kind of which there never was one.
                404 => return Ok(Vec::new()),
                _ => return Err(refused(&what, "get", response)),
            }
            let body = response
                .body_mut()
                .with_config()
                .limit(LARGEST_OBJECT)
                .read_to_vec()
                .map_err(|error| transport(&what, &error))?;
            let listed: Vec<Listed> = serde_json::from_slice(&body)
                .map_err(|error| Fault::lasting(format!("{what} is no list with sizes: {error}")))?;
            // Names that are none are not ours.
            Ok(listed
                .iter()
                .filter_map(|entry| Some((entry.name.parse().ok()?, u32::try_from(entry.size).ok()?)))
                .collect())
        })
    }

    /// A whole object, compared with its name.
    pub fn get(&self, tpe: FileType, id: &Id) -> Result<Bytes, Fault> {
        let what = object_name(tpe, id);
        let fetch = || {
            let response = self
                .agent
                .get(self.url(tpe, id))
                .header("authorization", &self.authorization)
                .call();
            let mut response = response.map_err(|error| transport(&what, &error))?;
            match response.status().as_u16() {
                200 => {}
                404 => return Err(Fault::lasting(format!("{what} is missing from the repository"))),
                _ => return Err(refused(&what, "read", response)),
            }
            let body = response.body_mut().with_config().limit(LARGEST_OBJECT).read_to_vec();
            body.map(Bytes::from).map_err(|error| transport(&what, &error))
        };
        let bytes = retried(fetch)?;
        if tpe == FileType::Config || named(&bytes) == *id {
            return Ok(bytes);
        }
        // Once more: what was broken on its way is whole the next time, what is broken in the repository is not.
        let bytes = retried(fetch)?;
        if named(&bytes) == *id {
            return Ok(bytes);
        }
        Err(Fault::lasting(format!(
            "{what} is corrupt: its {} bytes are not those that were written",
            bytes.len()
        )))
    }

    /// Writes an object, with its length declared. One that is there already with these bytes is as good.
    pub fn put(&self, tpe: FileType, id: &Id, bytes: &Bytes) -> Result<(), Fault> {
        let what = object_name(tpe, id);
        let written = retried(|| {
            let response = self
                .agent
                .post(self.url(tpe, id))
                .header("authorization", &self.authorization)
                .header("content-type", "application/octet-stream")
                .send(&bytes[..]);
            let response = response.map_err(|error| transport(&what, &error))?;
            match response.status().as_u16() {
                200..=299 => Ok(()),
                // Servers that only ever add answer so to what is there; an answer that was lost makes us send twice.
                status @ (403 | 409 | 412) => Err(Fault {
                    exists: true,
                    ..Fault::lasting(format!("{what} may not be written (status {status})"))
                }),
                _ => Err(refused(&what, "write", response)),
            }
        });
        match written {
            // Its bytes are compared with its name, and its name says what we wanted to write. Rare, so that reading it costs nothing.
            Err(fault) if fault.exists && tpe != FileType::Config => match self.get(tpe, id) {
                Ok(_) => Ok(()),
                Err(found) if found.transient => Err(found),
                Err(found) => Err(Fault::lasting(format!("{}; {}", fault.message, found.message))),
            },
            other => other,
        }
    }

    /// Removes an object; one that is not there is removed.
    pub fn delete(&self, tpe: FileType, id: &Id) -> Result<(), Fault> {
        let what = object_name(tpe, id);
        retried(|| {
            let response = self
                .agent
                .delete(self.url(tpe, id))
                .header("authorization", &self.authorization)
                .call();
            let response = response.map_err(|error| transport(&what, &error))?;
            match response.status().as_u16() {
                200..=299 | 404 => Ok(()),
                _ => Err(refused(&what, "remove", response)),
            }
        })
    }
}

/// The name that these bytes have in a repository.
fn named(bytes: &[u8]) -> Id {
    Id::new(Sha256::digest(bytes).into())
}

/// Tried again, about 13 s long, for what may be over by then: connections that end, servers that are busy or broken.
pub fn retried<T>(call: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(7)
        .with_jitter();
    call.retry(pauses).when(|fault| fault.transient).call()
}

/// What a call that got no answer means.
pub fn transport(what: &str, error: &ureq::Error) -> Fault {
    match error {
        ureq::Error::BodyExceedsLimit(limit) => Fault::lasting(format!("{what} is larger than {limit} bytes")),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Fault::lasting(format!("the repository's address cannot be used: {error}"))
        }
        _ => Fault::passing(format!("{what}: the repository did not answer: {error}")),
    }
}

/// What an answer that is none of those that were expected means.
pub fn refused(what: &str, doing: &str, mut response: Response<Body>) -> Fault {
    let status = response.status().as_u16();
    let said = response
        .body_mut()
        .with_config()
        .limit(64 * 1024)
        .read_to_string()
        .unwrap_or_default();
    let said: String = said
        .chars()
        .filter(|character| !character.is_control())
        .take(300)
        .collect();
    let message = format!("the repository refused to {doing} {what} with status {status}: {said}");
    match status {
        408 | 429 | 500..=599 => Fault::passing(message),
        _ => Fault::lasting(message),
    }
}
