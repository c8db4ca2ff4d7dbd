//! The part of the API that moves the disk.

use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::Serialize;

use super::respond::{self, Refusal};
use super::routes::{document, known};
use crate::http_server::Body;
use crate::persistence::Persistence;

/// Its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskRoute<'a> {
    /// What the disk of this boot is to hold.
    Begin,
    /// A new token.
    Repository,
    /// How the disk is kept.
    Snapshots,
    /// Take a snapshot.
    AskSave,
    /// How a save stands.
    Save(&'a str),
    /// Upkeep.
    AskUpkeep,
    /// How it stands.
    Upkeep(&'a str),
}

impl<'a> DiskRoute<'a> {
    /// The one of this path.
    pub fn of(path: &'a str) -> Option<Self> {
        let id = |prefix| {
            path.strip_prefix(prefix)
                .filter(|id| !id.is_empty() && !id.contains('/'))
        };
        match path {
            "/v1/begin" => Some(Self::Begin),
            "/v1/repository" => Some(Self::Repository),
            "/v1/snapshots" => Some(Self::Snapshots),
            "/v1/save" => Some(Self::AskSave),
            "/v1/upkeep" => Some(Self::AskUpkeep),
            _ => id("/v1/save/")
                .map(Self::Save)
                .or_else(|| id("/v1/upkeep/").map(Self::Upkeep)),
        }
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Begin | Self::AskSave | Self::AskUpkeep => "POST",
            Self::Repository => "PUT",
            Self::Snapshots | Self::Save(_) | Self::Upkeep(_) => "GET",
        }
    }

    /// Answers a request for it.
    pub async fn answer(
        self,
        disk: &Persistence,
        method: &Method,
        incoming: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        if method.as_str() != self.method() {
            return Err(Refusal::MethodNotAllowed(self.method()));
        }
        match self {
            Self::Begin => accepted(&disk.begin(document(incoming).await?)?),
            Self::Repository => Ok(respond::json(StatusCode::OK, &disk.renew(document(incoming).await?)?)),
            Self::Snapshots => Ok(respond::json(StatusCode::OK, &disk.status())),
            Self::AskSave => accepted(&disk.ask_save(document(incoming).await?)?),
            Self::Save(id) => known(StatusCode::OK, disk.save(id)),
            Self::AskUpkeep => accepted(&disk.ask_upkeep(document(incoming).await?)?),
            Self::Upkeep(id) => known(StatusCode::OK, disk.upkeep(id)),
        }
    }
}

fn accepted(view: &impl Serialize) -> Result<Response<Body>, Refusal> {
    Ok(respond::json(StatusCode::ACCEPTED, view))
}
