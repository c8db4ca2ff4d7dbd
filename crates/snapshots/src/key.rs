//! The repository's own key, and passwords that open it besides.

use crate::failure::Failure;
use crate::repository::{Access, Opened, cause, object_id};
use molt_common::control::snapshot::RepositoryAccess;
use molt_common::snapshot::ObjectId;
use rustic_core::repofile::MasterKey;
use rustic_core::{Credentials, KeyOptions};

/// Reads restic's master key from its JSON form (`{"mac":{"k":…,"r":…},"encrypt":…}`, base64 of 16, 16 and 32 bytes). No password is derived, which
/// would cost half a second at each start.
///
/// # Errors
/// When it is no such key; the text never holds any of it.
pub fn credentials(json: &str) -> Result<Credentials, Failure> {
    // The error of the parser may quote its input, which is a secret.
    let key: MasterKey = serde_json::from_str(json)
        .map_err(|_| Failure::lasting("the repository's key is not a master key of restic"))?;
    // The library takes the lengths for granted and would panic.
    if key.mac.k.len() != 16 || key.mac.r.len() != 16 || key.encrypt.len() != 32 {
        return Err(Failure::lasting(
            "the parts of the repository's key have the wrong length",
        ));
    }
    Ok(Credentials::Masterkey(key))
}

/// Adds a password by which restic's own client opens the repository (`restic -r rest:… list snapshots`): a file in `keys/` that holds the repository's key
/// under the password. Returns the name of that file; removing the file takes the password away again, but not the key from whoever used it.
///
/// # Errors
/// When the repository was never begun, does not answer, or the token may not write.
pub fn add_password(access: &RepositoryAccess, password: &str) -> Result<ObjectId, Failure> {
    let Opened { repository, backend } = Access::new(access)?.open()?;
    let options = KeyOptions::default().with_created(true);
    let id = repository
        .add_key(password, &options)
        .map_err(|error| cause(&backend, error))?;
    Ok(object_id(*id))
}

#[cfg(test)]
mod tests {
    use super::credentials;
    use rustic_core::repofile::MasterKey;

    #[test]
    fn a_master_key_is_read_and_anything_else_is_refused_without_being_quoted() {
        let json = serde_json::to_string(&MasterKey::new()).unwrap();
        assert!(credentials(&json).is_ok());
        for wrong in [
            "",
            "{}",
            "c2VjcmV0",
            r#"{"mac":{"k":"c2VjcmV0","r":"c2VjcmV0"},"encrypt":"c2VjcmV0"}"#,
        ] {
            let failure = credentials(wrong).unwrap_err();
            assert!(!failure.transient && !failure.message.contains("c2VjcmV0"), "{failure}");
        }
    }
}
