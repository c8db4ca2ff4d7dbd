//! `POST {way, times, token, jwk, secret}`: verifies the token's signature so many times in one of several ways.
//!
//! workerd's clock stands still while a request computes, so the time is taken by whoever asks.

mod hmac;
mod wasm;

use molt_common::hs256;
use molt_common::user_token::{Issuers, KeyEndpoint, KeySource, Lookup, PublicKey, Settings, SignatureCheck, Source};
use molt_platform::entropy;
use molt_platform::verify::WebCrypto;
use serde::Deserialize;
use serde_json::Value;
use worker::{Context, Env, Error, Request, Response, Result};
use worker_macros::event;

const ADDRESS: &str = "https://issuer.example/keys";

#[derive(Deserialize)]
struct Work {
    way: String,
    times: u32,
    token: String,
    jwk: Value,
    secret: String,
}

/// The one key there is.
struct Held(PublicKey);

impl KeySource for Held {
    async fn find(&self, _: &KeyEndpoint, _: &str) -> Lookup {
        Lookup::Found(self.0.clone())
    }
}

fn failed(why: impl ToString) -> Error {
    Error::RustError(why.to_string())
}

/// Answers with the number of verifications that succeeded.
#[event(fetch)]
async fn fetch(mut request: Request, _env: Env, _context: Context) -> Result<Response> {
    let work: Work = request.json().await?;
    Response::ok(done(&work).await?.to_string())
}

async fn done(work: &Work) -> Result<u32> {
    let (signed, signature_text) = work.token.rsplit_once('.').ok_or_else(|| failed("no token"))?;
    let signature = wasm::decoded(signature_text)?;
    let settings = Settings {
        secret: Some(work.secret.clone()),
        issuer: Some("issuer".into()),
        jwks_url: Some(ADDRESS.into()),
        ..Settings::default()
    };
    let issuers = Issuers::read(&settings).map_err(failed)?;
    let endpoint = issuers
        .session
        .as_ref()
        .and_then(|session| session.keys.clone())
        .ok_or_else(|| failed("no keys"))?;
    let key = || PublicKey::from_jwk(&work.jwk).ok_or_else(|| failed("no key"));
    let mut good = 0;
    match work.way.as_str() {
        "hs256-wasm" => {
            for _ in 0..work.times {
                good += u32::from(hs256::matches(signed, signature_text, work.secret.as_bytes()));
            }
        }
        "hs256-webcrypto" => {
            let key = hmac::import(&work.secret).await?;
            for _ in 0..work.times {
                good += u32::from(hmac::verify(&key, signed, &signature).await?);
            }
        }
        "webcrypto" => {
            let key = key()?;
            for _ in 0..work.times {
                let verified = WebCrypto.verify(&endpoint, &key, signed.as_bytes(), &signature).await;
                good += u32::from(verified.map_err(failed)?);
            }
        }
        "wasm" => {
            let key = wasm::Key::of(&key()?)?;
            for _ in 0..work.times {
                good += u32::from(key.verifies(signed.as_bytes(), &signature));
            }
        }
        // As the router does it: header, claims and policy too.
        "whole" => {
            let held = Held(key()?);
            for _ in 0..work.times {
                let now = entropy::now();
                let user = issuers
                    .authenticate(&work.token, Source::Bearer, &held, &WebCrypto, now)
                    .await;
                good += u32::from(user.is_ok());
            }
        }
        other => return Err(failed(format!("no way {other}"))),
    }
    Ok(good)
}
