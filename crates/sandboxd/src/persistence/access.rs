//! How a repository is reached, as it was told.

use molt_common::control::snapshot::RepositoryAccess;

use super::refusal::DiskRefusal;

/// The repository is asked by the address as it stands, so it must be one.
pub fn check_access(access: &RepositoryAccess) -> Result<(), DiskRefusal> {
    let invalid = |text: &str| Err(DiskRefusal::Invalid(format!("repository.{text}")));
    let is_url = access.url.parse::<hyper::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("http")
            && uri.authority().is_some()
            && uri.query().is_none()
            && uri.path().ends_with('/')
    });
    if !is_url {
        return invalid("url: must be http, with a slash at its end");
    }
    if access.token.is_empty() || !access.token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid("token: cannot stand in a header");
    }
    if access.key.is_empty() {
        return invalid("key: is empty");
    }
    Ok(())
}
