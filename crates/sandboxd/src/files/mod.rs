//! Files below the agent's home, for the control API (`molt_common::control::files`).
//!
//! The agent runs beside this and may put links, pipes and devices anywhere, and exchange them at any moment. So every path is resolved by the kernel
//! below the home ([`home`]), what is read is looked at before it is opened, and all of it is done with the agent's own rights ([`rights`]):
//! whatever it manages to point us at, it gains nothing that it had not.

mod archive;
mod batch;
mod content;
mod error;
mod home;
mod list;
mod remove;
mod rights;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use molt_common::control::SupervisorPhase;
use molt_common::control::files::{Batch, FileView, FilesQuery};
use molt_common::files_call;
use tokio::sync::{Semaphore, watch};

pub use error::FileError;
use home::Home;
use rights::Rights;

use crate::agent::AgentState;
use crate::control::json;
use crate::http_server::Body;
use crate::proxy::{Activity, OpenExchange};
use crate::settings::Settings;

/// Exchanges about files at the same time: each may hold a thread while its client is slow.
const MOST_AT_ONCE: usize = 32;

/// The files of one sandbox.
pub struct Files {
    home: PathBuf,
    rights: Rights,
    generation: u64,
    agent: watch::Receiver<AgentState>,
    activity: Arc<Activity>,
    places: Arc<Semaphore>,
}

/// What lives as long as an answer about files is on its way.
pub struct Held {
    _exchange: OpenExchange,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Files {
    /// Those below the home of these settings.
    pub fn new(settings: &Settings, agent: watch::Receiver<AgentState>, activity: Arc<Activity>) -> Self {
        Self {
            home: settings.layout.home.clone(),
            rights: Rights::of_agent(&settings.layout),
            generation: settings.generation,
            agent,
            activity,
            places: Arc::new(Semaphore::new(MOST_AT_ONCE)),
        }
    }

    /// Answers a request for `/v1/files`.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn answer(&self, parts: &Parts, body: Incoming) -> Result<Response<Body>, FileError> {
        let held = self.admit()?;
        let query = FilesQuery::parse(parts.uri.query().unwrap_or_default())
            .map_err(|error| FileError::Invalid(error.to_string()))?;
        match parts.method {
            Method::GET | Method::HEAD => match query.view {
                FileView::Content => self.content(&query, parts, held).await,
                FileView::Stat => {
                    let path = query.path;
                    let entry = self.at_home(move |home| list::stat(home, &path)).await?;
                    Ok(self.told(json(StatusCode::OK, &entry)))
                }
                FileView::List => {
                    let page = self.at_home(move |home| list::page(home, &query)).await?;
                    Ok(self.told(json(StatusCode::OK, &page)))
                }
                FileView::Tar => self.archive(&query, &parts.method, held).await,
            },
            Method::PUT => self.write(query, &parts.headers, body).await,
            Method::DELETE => {
                self.at_home(move |home| remove::remove(home, &query.path, query.recursive))
                    .await?;
                let mut answer = self.told(Response::new(crate::http_server::whole("")));
                *answer.status_mut() = StatusCode::NO_CONTENT;
                Ok(answer)
            }
            _ => Err(FileError::Method("GET, HEAD, PUT, DELETE")),
        }
    }

    /// Does the operations of a batch.
    ///
    /// # Errors
    /// When the batch as a whole is refused.
    pub async fn batch(&self, batch: Batch) -> Result<Response<Body>, FileError> {
        let _held = self.admit()?;
        batch::check(&batch)?;
        let outcome = self.at_home(move |home| Ok(batch::run(home, &batch))).await?;
        Ok(self.told(json(StatusCode::OK, &outcome)))
    }

    /// Lets an exchange in while there is a place for it. Of what is written while it stops, nobody knows whether it is saved.
    fn admit(&self) -> Result<Held, FileError> {
        if self.agent.borrow().phase == SupervisorPhase::Stopping {
            return Err(FileError::NotReady("it is stopping"));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        Ok(Held {
            _place: place.map_err(|_| FileError::Busy)?,
            _exchange: self.activity.exchange_opened(),
        })
    }

    /// Works below the home on a thread that may block, with the agent's rights.
    async fn at_home<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Home) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let (path, rights) = (self.home.clone(), self.rights);
        let done = tokio::task::spawn_blocking(move || {
            let _agent = rights.take()?;
            work(&Home::open(&path)?)
        });
        done.await
            .map_err(|_| FileError::Io("the work ended without an outcome".to_owned()))?
    }

    /// Says where an answer comes from.
    fn told(&self, mut answer: Response<Body>) -> Response<Body> {
        let headers = answer.headers_mut();
        headers.insert(files_call::header::SOURCE, HeaderValue::from_static("sandbox"));
        headers.insert(files_call::header::GENERATION, self.generation.into());
        answer
    }
}

/// A request header as text; one that is not is none.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The whole answer to what was refused.
pub fn refused(error: &FileError) -> Response<Body> {
    let (status, code) = error.status_and_code();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(code, %error, "files: refused");
    }
    let told = molt_common::control::ControlError {
        code: code.to_owned(),
        error: error.to_string(),
    };
    let mut answer = json(status, &told);
    if let FileError::Method(allowed) = error {
        let allowed = HeaderValue::from_static(allowed);
        answer.headers_mut().insert(ALLOW, allowed);
    }
    answer
}
