//! Signatures verified by the runtime's own crypto (Web Crypto), which is native code and no weight of ours.

use crate::log;
use js_sys::{Array, Object, Reflect, Uint8Array};
use molt_common::user_token::{Algorithm, CheckFault, KeyEndpoint, KeyMaterial, PublicKey, SignatureCheck};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, DomException, SubtleCrypto};

/// Keys that an isolate holds ready: several issuers' sets with room. Beyond it all go, which costs an import each.
const MOST_READY: usize = 128;

/// Issuer's address and key id.
type Name = (String, String);

thread_local! {
    // A CryptoKey is bound to no request. The key it was made of stands beside it: an issuer may give an old id to a new key.
    static READY: RefCell<BTreeMap<Name, (PublicKey, CryptoKey)>> = const { RefCell::new(BTreeMap::new()) };
}

/// Verifies by `crypto.subtle`.
pub struct WebCrypto;

impl SignatureCheck for WebCrypto {
    async fn verify(
        &self,
        endpoint: &KeyEndpoint,
        key: &PublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<bool, CheckFault> {
        let Some(ready) = ready(endpoint, key).await.map_err(fault)? else {
            return Ok(false);
        };
        verify(&ready, key.algorithm, signed, signature).await.map_err(fault)
    }
}

fn fault(error: JsValue) -> CheckFault {
    let text = format!("{error:?}");
    // Callers answer that nobody can tell; only here is it said why.
    log::error("signature_check_failed", json!({"error": text}));
    CheckFault(text)
}

/// The key in the runtime's form; `None` when its numbers are no key, such as a point beside its curve: no signature fits that.
async fn ready(endpoint: &KeyEndpoint, key: &PublicKey) -> Result<Option<CryptoKey>, JsValue> {
    let name = (endpoint.url.clone(), key.kid.clone());
    let known = READY.with_borrow(|ready| {
        ready
            .get(&name)
            .filter(|(made_of, _)| made_of == key)
            .map(|(_, ready)| ready.clone())
    });
    if known.is_some() {
        return Ok(known);
    }
    let imported = match import(key).await {
        Ok(imported) => imported,
        Err(error) if is_bad_key(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    READY.with_borrow_mut(|ready| {
        if ready.len() >= MOST_READY {
            ready.clear();
        }
        ready.insert(name, (key.clone(), imported.clone()));
    });
    Ok(Some(imported))
}

fn is_bad_key(error: &JsValue) -> bool {
    error
        .dyn_ref::<DomException>()
        .is_some_and(|error| error.name() == "DataError")
}

fn subtle() -> Result<SubtleCrypto, JsValue> {
    let crypto: web_sys::Crypto = Reflect::get(&js_sys::global(), &"crypto".into())?.unchecked_into();
    Ok(crypto.subtle())
}

fn object(fields: &[(&str, &str)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), &(*value).into())?;
    }
    Ok(object)
}

fn parameters(algorithm: Algorithm) -> Result<Object, JsValue> {
    match algorithm {
        Algorithm::Es256 => object(&[("name", "ECDSA"), ("namedCurve", "P-256"), ("hash", "SHA-256")]),
        Algorithm::Rs256 => object(&[("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")]),
        Algorithm::EdDsa => object(&[("name", "Ed25519")]),
    }
}

async fn import(key: &PublicKey) -> Result<CryptoKey, JsValue> {
    let jwk = match &key.material {
        KeyMaterial::P256 { x, y } => object(&[("kty", "EC"), ("crv", "P-256"), ("x", x), ("y", y)]),
        KeyMaterial::Rsa { n, e, .. } => object(&[("kty", "RSA"), ("n", n), ("e", e)]),
        KeyMaterial::Ed25519 { x } => object(&[("kty", "OKP"), ("crv", "Ed25519"), ("x", x)]),
    }?;
    let usages = Array::of1(&"verify".into());
    let imported = subtle()?.import_key_with_object("jwk", &jwk, &parameters(key.algorithm)?, false, &usages)?;
    Ok(JsFuture::from(imported).await?.unchecked_into())
}

async fn verify(key: &CryptoKey, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    // Copies: wasm's memory may move while the runtime computes.
    let (signed, signature) = (Uint8Array::from(signed), Uint8Array::from(signature));
    let parameters = parameters(algorithm)?;
    let verified =
        subtle()?.verify_with_object_and_js_u8_array_and_js_u8_array(&parameters, key, &signature, &signed)?;
    Ok(JsFuture::from(verified).await? == JsValue::TRUE)
}
