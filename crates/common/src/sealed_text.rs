//! Texts that are kept sealed under a root key of the deployment: `1.<id of the root key>.<base64url(nonce ‖ ciphertext ‖ tag)>`, by
//! XChaCha20-Poly1305 with a random nonce of 24 bytes, which may be chosen at random without fear of a repetition.
//!
//! What a text is (its label), version, root key and what it belongs to are associated data: what was sealed for one place opens in no other. Each
//! label has a key of its own.

use crate::root_keys::RootKeys;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

/// Bytes of a nonce.
pub const NONCE: usize = 24;
const VERSION: &str = "1";

/// Id of the root key that a text says it is sealed under.
#[must_use]
pub fn key_id(sealed: &str) -> Option<&str> {
    sealed.split('.').nth(1)
}

impl RootKeys {
    /// Seals a text under the current root key. `nonce` is random and used for nothing else. `None` without a current key, which no ring is.
    pub(crate) fn seal(&self, label: &str, bound: &str, text: &[u8], nonce: [u8; NONCE]) -> Option<String> {
        let (id, key) = self.current(&purpose(label))?;
        let cipher = XChaCha20Poly1305::new_from_slice(&key).ok()?;
        let associated = associated(label, id, bound);
        let payload = Payload {
            msg: text,
            aad: associated.as_bytes(),
        };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Some(format!("{VERSION}.{id}.{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens it. `None`: not sealed by us for this place, changed, or under a root key that is gone.
    pub(crate) fn open(&self, label: &str, bound: &str, sealed: &str) -> Option<Vec<u8>> {
        let mut parts = sealed.split('.');
        let (version, id, body) = (parts.next()?, parts.next()?, parts.next()?);
        if version != VERSION || parts.next().is_some() {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE>()?;
        let cipher = XChaCha20Poly1305::new_from_slice(&self.key(id, &purpose(label))?).ok()?;
        let associated = associated(label, id, bound);
        let payload = Payload {
            msg: text,
            aad: associated.as_bytes(),
        };
        cipher.decrypt(&XNonce::from(*nonce), payload).ok()
    }
}

/// What the keys of a label are derived for.
fn purpose(label: &str) -> String {
    format!("{label}/{VERSION}")
}

fn associated(label: &str, key_id: &str, bound: &str) -> String {
    format!("{label}/{VERSION}/{key_id}/{bound}")
}
