//! HMAC-SHA-256 by the runtime.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

fn subtle() -> Result<SubtleCrypto, JsValue> {
    let crypto: web_sys::Crypto = Reflect::get(&js_sys::global(), &"crypto".into())?.unchecked_into();
    Ok(crypto.subtle())
}

fn parameters() -> Result<Object, JsValue> {
    let object = Object::new();
    Reflect::set(&object, &"name".into(), &"HMAC".into())?;
    Reflect::set(&object, &"hash".into(), &"SHA-256".into())?;
    Ok(object)
}

/// The secret in the runtime's form.
pub async fn import(secret: &str) -> Result<CryptoKey, JsValue> {
    let raw: Object = Uint8Array::from(secret.as_bytes()).unchecked_into();
    let usages = Array::of1(&"verify".into());
    let key = subtle()?.import_key_with_object("raw", &raw, &parameters()?, false, &usages)?;
    Ok(JsFuture::from(key).await?.unchecked_into())
}

/// Whether it signed this. Parameters are made anew each time, as in `molt_platform::verify`.
pub async fn verify(key: &CryptoKey, signed: &str, signature: &[u8]) -> Result<bool, JsValue> {
    let (signed, signature) = (Uint8Array::from(signed.as_bytes()), Uint8Array::from(signature));
    let parameters = parameters()?;
    let verified =
        subtle()?.verify_with_object_and_js_u8_array_and_js_u8_array(&parameters, key, &signature, &signed)?;
    Ok(JsFuture::from(verified).await? == JsValue::TRUE)
}
