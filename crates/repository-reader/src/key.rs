//! The key of a repository, and opening what it sealed: AES-256 in counter mode, authenticated by Poly1305-AES over the cipher text.
//!
//! Sealed text: nonce (16 bytes), cipher text, authentication code (16 bytes).

use crate::error::ReadError;
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ctr::Ctr128BE;
use poly1305::Poly1305;
use serde::Deserialize;
use std::fmt;

/// Bytes that sealing adds.
pub(crate) const OVERHEAD: u32 = 32;

/// A repository's own key, restic's master key. Printed nowhere.
#[derive(Clone)]
pub struct RepositoryKey {
    encrypt: [u8; 32],
    k: [u8; 16],
    r: [u8; 16],
}

#[derive(Deserialize)]
struct Written {
    mac: WrittenMac,
    encrypt: String,
}

#[derive(Deserialize)]
struct WrittenMac {
    k: String,
    r: String,
}

impl fmt::Debug for RepositoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RepositoryKey")
    }
}

impl RepositoryKey {
    /// Reads `{"mac":{"k":…,"r":…},"encrypt":…}`, each base64.
    ///
    /// # Errors
    /// [`ReadError::Key`], without the text.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let written: Written = serde_json::from_str(text).map_err(|_| ReadError::Key("is not a master key in JSON"))?;
        Ok(Self {
            encrypt: bytes(&written.encrypt)?,
            k: bytes(&written.mac.k)?,
            r: bytes(&written.mac.r)?,
        })
    }

    /// The plain text in the place of the sealed one; `None` when this key did not seal it.
    #[must_use]
    pub fn open(&self, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let (rest, code) = sealed.split_last_chunk::<16>()?;
        let (nonce, text) = rest.split_first_chunk::<16>()?;
        let (nonce, code) = (*nonce, *code);
        let mut pad = nonce.into();
        Aes128::new(&self.k.into()).encrypt_block(&mut pad);
        let mut once = [0; 32];
        let (first, second) = once.split_at_mut(16);
        first.copy_from_slice(&self.r);
        second.copy_from_slice(&pad);
        let found = Poly1305::new(&once.into()).compute_unpadded(text);
        // Whoever asks learns only whether it fits; nothing here is guessed at.
        if found.as_slice() != code.as_slice() {
            return None;
        }
        sealed.truncate(sealed.len().checked_sub(16)?);
        sealed.drain(..16);
        Ctr128BE::<Aes256>::new(&self.encrypt.into(), &nonce.into()).apply_keystream(&mut sealed);
        Some(sealed)
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], ReadError> {
    let decoded = STANDARD.decode(text).ok();
    decoded
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(ReadError::Key("has a part of the wrong length"))
}
