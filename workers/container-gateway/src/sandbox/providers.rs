//! What the `Sandbox` object does about providers: it leads their name to the gateway, and decides about each call and counts it.

pub mod admit;
pub mod hand;
pub mod handed;
pub mod name;

use crate::sandbox_do::Sandbox;
use molt_common::object_call::Call;
use molt_common::provider_call::{AdmitProviderCall, FinishProviderCall};
use molt_platform::call;
use worker::{Request, Response, Result};

/// Answers one call about providers.
pub async fn answer(object: &Sandbox, path: &str, request: &mut Request) -> Result<Response> {
    match path {
        AdmitProviderCall::PATH => {
            let asked: AdmitProviderCall = call::read(request).await?;
            call::answer::<AdmitProviderCall>(&admit::admit(object, &asked).await?)
        }
        FinishProviderCall::PATH => {
            let told: FinishProviderCall = call::read(request).await?;
            call::answer::<FinishProviderCall>(&admit::finish(object, &told).await?)
        }
        _ => Response::error("no such call", 404),
    }
}
