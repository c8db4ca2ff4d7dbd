//! A password for a repository that is opened by its own key: restic asks for one, and tries it on the key files of the repository.
//!
//! The file holds the repository's key, sealed as restic seals everything (AES-256 in counter mode, Poly1305-AES over the cipher text: nonce,
//! cipher text, code) under a key that scrypt makes of the password. See restic's design document, "Keys, Encryption and MAC".

use crate::snapshot::ObjectId;
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ctr::Ctr128BE;
use poly1305::Poly1305;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Work of scrypt as a power of two. The password has 256 random bits, so nothing is gained by more; restic itself takes 15.
const LOG_N: u8 = 10;
const R: u32 = 8;
const P: u32 = 1;

/// Why there is none. The text is for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordKeyError {
    /// What should be the repository's key is none.
    #[error("the key of the repository is no master key")]
    Key,
    /// scrypt refuses; does not happen.
    #[error("no key could be derived")]
    Derive,
}

/// A password and the key file that opens a repository with it.
pub struct PasswordKey {
    /// For `--password-file`.
    pub password: String,
    /// Content of the key file.
    pub file: Vec<u8>,
    /// Its name: the SHA-256 of it.
    pub name: ObjectId,
}

/// Random bytes that are used for nothing else.
pub struct Random {
    /// Becomes the password.
    pub password: [u8; 32],
    /// Of scrypt.
    pub salt: [u8; 64],
    /// Of the seal.
    pub nonce: [u8; 16],
}

/// Makes one for the repository whose key is `key`, as JSON. `created` is an ISO-8601 time.
///
/// # Errors
/// When `key` is no master key.
pub fn password_key(key: &str, created: &str, random: &Random) -> Result<PasswordKey, PasswordKeyError> {
    let master: Value = serde_json::from_str(key).map_err(|_| PasswordKeyError::Key)?;
    for part in ["/mac/k", "/mac/r", "/encrypt"] {
        master
            .pointer(part)
            .and_then(Value::as_str)
            .ok_or(PasswordKeyError::Key)?;
    }
    let password = URL_SAFE_NO_PAD.encode(random.password);
    let params = scrypt::Params::new(LOG_N, R, P).map_err(|_| PasswordKeyError::Derive)?;
    let mut derived = [0; 64];
    scrypt::scrypt(password.as_bytes(), &random.salt, &params, &mut derived).map_err(|_| PasswordKeyError::Derive)?;
    let sealed = seal(&derived, &random.nonce, master.to_string().as_bytes());
    let file = json!({
        "created": created, "username": "operator", "hostname": "molt", "kdf": "scrypt", "N": 1_u32 << LOG_N, "r": R, "p": P,
        "salt": STANDARD.encode(random.salt), "data": STANDARD.encode(sealed),
    });
    let file = file.to_string().into_bytes();
    let name = ObjectId::new(Sha256::digest(&file).into());
    Ok(PasswordKey { password, file, name })
}

/// `key` is 32 bytes for the cipher, 16 for the code's own cipher, and 16 for its polynomial.
fn seal(key: &[u8; 64], nonce: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    let (encrypt, mac) = key.split_at(32);
    let (k, r) = mac.split_at(16);
    let mut cipher_text = plain.to_vec();
    let mut stream = Ctr128BE::<Aes256>::new(&fixed::<32>(encrypt).into(), &(*nonce).into());
    stream.apply_keystream(&mut cipher_text);
    let mut pad = (*nonce).into();
    Aes128::new(&fixed::<16>(k).into()).encrypt_block(&mut pad);
    let one_time = fixed::<32>(&[r, pad.as_slice()].concat());
    let code = Poly1305::new(&one_time.into()).compute_unpadded(&cipher_text);
    [nonce.as_slice(), &cipher_text, code.as_slice()].concat()
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut fixed = [0; N];
    for (place, byte) in fixed.iter_mut().zip(bytes) {
        *place = *byte;
    }
    fixed
}

#[cfg(test)]
mod tests {
    use super::{Random, password_key};
    use std::process::Command;

    fn random() -> Random {
        Random {
            password: [1; 32],
            salt: [2; 64],
            nonce: [3; 16],
        }
    }

    /// A repository of restic's own, whose key file is taken away and replaced by ours for the same key.
    #[test]
    fn restic_opens_a_repository_with_it() {
        if Command::new("restic").arg("version").output().is_err() {
            eprintln!("SKIPPED: there is no restic");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (repository, password) = (folder.path().join("repository"), folder.path().join("password"));
        let restic = |arguments: &[&str]| {
            let mut command = Command::new("restic");
            command.args(["--no-cache", "--repo"]).arg(&repository);
            let output = command
                .arg("--password-file")
                .arg(&password)
                .args(arguments)
                .output()
                .unwrap();
            let succeeded = output.status.success();
            (succeeded, String::from_utf8_lossy(&output.stdout).into_owned())
        };
        std::fs::write(&password, "of its own").unwrap();
        assert!(restic(&["init"]).0);
        let (_, master) = restic(&["cat", "masterkey"]);
        let made = password_key(&master, "2026-01-01T00:00:00.000Z", &random()).unwrap();
        let keys = repository.join("keys");
        for entry in std::fs::read_dir(&keys).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        std::fs::write(keys.join(made.name.to_string()), &made.file).unwrap();
        assert!(!restic(&["snapshots"]).0, "the old password opens nothing any more");
        std::fs::write(&password, &made.password).unwrap();
        let (opened, again) = restic(&["cat", "masterkey"]);
        assert!(opened);
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&again), json(&master));
        assert!(restic(&["check"]).0);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", "{}", "[]", r#"{"mac":{},"encrypt":"x"}"#] {
            assert!(password_key(bad, "now", &random()).is_err(), "{bad}");
        }
    }
}
