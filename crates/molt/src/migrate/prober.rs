//! Who probes: tokens of users from files or the environment, never from arguments.

use super::args::ProbeBy;
use super::deployment::Deployment;
use super::outcome::Ending;
use super::probe::Probe;
use super::wire::Credential;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use molt_common::flag::{Flag, Subject};
use std::path::Path;
use ureq::http::HeaderValue;

/// Variable with the token of the user to probe with.
const VARIABLE: &str = "MOLT_PROBE_TOKEN";
/// What an admin is asked for: the smallest list.
const ADMIN_PATH: &str = "/api/super/users";

/// Those who probe one flag's path.
pub struct Probers {
    /// Who is let in first; nobody when no token was given.
    pub first: Option<Probe>,
    /// Who is watched on whichever side he is.
    pub others: Vec<Probe>,
}

impl Probers {
    /// Finds those for a flag.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn find(flag: Flag, by: &ProbeBy, deployment: &Deployment) -> Result<Self, Ending> {
        match flag {
            Flag::NewAdminApi => Ok(Self {
                first: Some(Probe {
                    flag,
                    subject: Some(deployment.admin_subject.clone()),
                    credential: deployment.admin.clone(),
                    path: ADMIN_PATH.to_owned(),
                }),
                others: Vec::new(),
            }),
            Flag::NewContainerGateway => users(by, deployment),
        }
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.others.len() + usize::from(self.first.is_some())).unwrap_or(u32::MAX)
    }

    /// The first, where one is needed.
    ///
    /// # Errors
    /// [`Ending::Refused`] when there is none.
    pub fn first(&self) -> Result<(&Probe, &Subject), Ending> {
        let missing = || {
            Ending::Refused(format!(
                "give a user's token to probe with: --probe-token-file FILE, or {VARIABLE}"
            ))
        };
        let first = self.first.as_ref().ok_or_else(missing)?;
        let subject = first.subject.as_ref().ok_or_else(missing)?;
        Ok((first, subject))
    }
}

fn users(by: &ProbeBy, deployment: &Deployment) -> Result<Probers, Ending> {
    let mut demo = deployment.demo_users.iter().cloned();
    let token = match &by.probe_token_file {
        Some(file) => Some(token_of(file)?),
        None => std::env::var(VARIABLE)
            .ok()
            .filter(|token| !token.trim().is_empty())
            .or_else(|| demo.next()),
    };
    let others: Vec<String> = if by.watch_token_file.is_empty() {
        demo.collect()
    } else {
        by.watch_token_file
            .iter()
            .map(|file| token_of(file))
            .collect::<Result<_, _>>()?
    };
    let probe = |token: &str, subject: Option<&str>| {
        Ok::<_, Ending>(Probe {
            flag: Flag::NewContainerGateway,
            subject: Some(subject_of(token, subject)?),
            credential: Credential::User(bearer(token)?),
            path: by.probe_path.clone(),
        })
    };
    Ok(Probers {
        first: token
            .map(|token| probe(&token, by.probe_subject.as_deref()))
            .transpose()?,
        others: others
            .iter()
            .map(|token| probe(token, None))
            .collect::<Result<_, _>>()?,
    })
}

fn token_of(file: &Path) -> Result<String, Ending> {
    std::fs::read_to_string(file).map_err(|error| Ending::Refused(format!("{}: {error}", file.display())))
}

fn bearer(token: &str) -> Result<HeaderValue, Ending> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Ending::Refused("a probe's token fits in no header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whom flags count for a token: its `sub`. Whether the token is good is for the router to say.
fn subject_of(token: &str, given: Option<&str>) -> Result<Subject, Ending> {
    let refused = |why: &str| Ending::Refused(format!("a probe's token {why}; name its user with --probe-subject"));
    if let Some(given) = given {
        return Subject::parse(given).map_err(|why| Ending::Refused(format!("--probe-subject {why}")));
    }
    let payload = token.trim().split('.').nth(1).ok_or_else(|| refused("is no JWT"))?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| refused("is no JWT"))?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).map_err(|_| refused("is no JWT"))?;
    let sub = claims
        .get("sub")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    Subject::parse(sub).map_err(|_| refused("names no user"))
}

#[cfg(test)]
mod tests {
    use super::{bearer, subject_of};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn the_subject_is_whom_the_token_names_and_the_token_is_never_told() {
        let token = format!("e30.{}.secretsig\n", URL_SAFE_NO_PAD.encode(r#"{"sub": "ADA-1"}"#));
        assert_eq!(subject_of(&token, None).unwrap().as_str(), "ada-1");
        assert_eq!(subject_of(&token, Some("bob")).unwrap().as_str(), "bob");
        assert!(!format!("{:?}", bearer(&token).unwrap()).contains("secretsig"));
        for bad in ["", "secretsig", "a.secretsig.c", "a.e30.c"] {
            let refused = subject_of(bad, None).unwrap_err();
            assert!(
                refused.why().contains("--probe-subject") && !refused.why().contains("secretsig"),
                "{refused:?}"
            );
        }
        assert!(bearer("two\nlines").is_err());
    }
}
