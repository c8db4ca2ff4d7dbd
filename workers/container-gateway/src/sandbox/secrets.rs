//! The user's secrets, sealed in the object's SQLite: kept and told of for operators, opened for the calls of providers and for the hand-over of a start.

mod calls;
mod known;
mod notes;
mod read;
mod store;
mod upkeep;

pub use read::{SecretFault, channels, provider_key, provider_keys, revision, ring};
pub use store::SCHEMA;
pub use upkeep::keep;

use crate::sandbox_do::Sandbox;
use molt_common::object_call::Call;
use molt_common::user_secret::{ListSecrets, RemoveSecret, SetSecret};
use molt_platform::call;
use worker::{Request, Response, Result};

/// Answers one call about secrets.
pub async fn answer(object: &Sandbox, path: &str, request: &mut Request) -> Result<Response> {
    match path {
        SetSecret::PATH => {
            let asked: SetSecret = call::read(request).await?;
            call::answer::<SetSecret>(&calls::set(object, &asked).await?)
        }
        RemoveSecret::PATH => {
            let asked: RemoveSecret = call::read(request).await?;
            call::answer::<RemoveSecret>(&calls::remove(object, &asked).await?)
        }
        ListSecrets::PATH => {
            let asked: ListSecrets = call::read(request).await?;
            call::answer::<ListSecrets>(&calls::list(object, asked.owner).await?)
        }
        _ => Response::error("no such call", 404),
    }
}
