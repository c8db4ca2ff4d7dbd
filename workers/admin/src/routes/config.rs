//! The configuration of a user's agent: what its handlers have in common.

pub mod change;
pub mod read;

use crate::respond::Failure;
use axum::Json;
use http::HeaderName;
use http::header::ETAG;
use molt_common::agent_config::LONGEST;
use molt_common::api::config::{ConfigAnswer, ConfigLayers, ConfigRefusal, ConfigVersionView};
use molt_common::config_call::{ConfigEditAnswer, ConfigState, ConfigVersion, ConfigView};
use molt_common::control::config::Applied;
use molt_common::id::{SandboxId, UserId};
use molt_common::json5_depth::DEEPEST;
use molt_common::problem::Problem;
use molt_common::time::Millis;
use molt_platform::call;
use worker::{Env, Stub};

/// An answer with the content hash of the user's part as `ETag`.
type Tagged<T> = ([(HeaderName, String); 1], Json<T>);

fn tagged<T>(hash: &str, body: T) -> Tagged<T> {
    ([(ETAG, format!("\"{hash}\""))], Json(body))
}

fn sandbox(env: &Env, user: UserId) -> Result<Stub, Failure> {
    Ok(call::sandbox(env, &SandboxId::personal(user))?)
}

fn shown(user_id: UserId, view: ConfigView) -> ConfigAnswer {
    let source = match view.state {
        ConfigState::Applied => "sandbox",
        ConfigState::Staged | ConfigState::Stored => "stored",
    };
    ConfigAnswer {
        user_id,
        state: view.state,
        version: view.version,
        hash: view.hash,
        config: view.user.clone(),
        layers: ConfigLayers {
            defaults: view.defaults,
            user: view.user,
            platform: view.platform,
        },
        effective: view.effective,
        source: source.into(),
        last_modified: view.at.map(Millis::iso),
        refused: view.refused.map(|refused| ConfigRefusal {
            version: refused.version,
            at: refused.at.iso(),
            error: refused.error,
        }),
    }
}

fn version(version: ConfigVersion) -> ConfigVersionView {
    ConfigVersionView {
        version: version.version,
        hash: version.hash,
        author: version.author,
        reason: version.reason,
        at: version.at.iso(),
        timestamp: version.at.iso(),
        request_id: Some(version.request_id).filter(|id| !id.is_empty()),
        source: version.source,
    }
}

fn unreadable(error: &str) -> Problem {
    let text = format!("What is on the sandbox's disk cannot be understood, and is not written over: {error}");
    Problem::new(409, "config_unreadable", text)
}

fn naming(mut problem: Problem, paths: Vec<String>) -> Problem {
    problem.field = paths.into_iter().next();
    problem
}

/// What an answer of the sandbox's object says to the caller.
///
/// # Errors
/// The problem that the caller is told.
pub fn outcome(answer: ConfigEditAnswer) -> Result<(ConfigView, Option<Applied>), Problem> {
    Err(match answer {
        ConfigEditAnswer::Done { view, applied } => return Ok((*view, applied)),
        ConfigEditAnswer::Moved { hash } => Problem::new(
            412,
            "config_moved",
            format!("It is another configuration by now, with the hash {hash}."),
        ),
        ConfigEditAnswer::Locked { paths } => {
            let text = format!(
                "{} belongs to the platform and is set by nobody else.",
                paths.join(", ")
            );
            naming(Problem::new(400, "config_locked", text), paths)
        }
        ConfigEditAnswer::Secret { paths } => {
            let text = format!(
                "A secret stands at {}. Refer to one instead: {{\"source\": \"env\", \"provider\": \"default\", \"id\": \"NAME\"}} or \"${{NAME}}\".",
                paths.join(", ")
            );
            naming(Problem::new(400, "config_has_secret", text), paths)
        }
        ConfigEditAnswer::SecretMissing { error } => Problem::new(409, "config_secret_missing", error),
        ConfigEditAnswer::Unfit => Problem::invalid(
            "body",
            format!("must be a JSON object of at most {LONGEST} bytes, nested no deeper than {DEEPEST}"),
        ),
        ConfigEditAnswer::UnknownVersion => naming(
            Problem::not_found("There is no such version (any more)."),
            vec!["version".into()],
        ),
        ConfigEditAnswer::Invalid { error } => Problem::new(
            422,
            "config_invalid",
            format!("The agent does not take it, and nothing was changed: {error}"),
        ),
        ConfigEditAnswer::Unreadable { error } => unreadable(&error),
        ConfigEditAnswer::NotNow { error, .. } => Problem::new(
            503,
            "config_not_applied",
            format!("The sandbox did not say that it took it: {error}"),
        )
        .retry_after(2),
    })
}

#[cfg(test)]
mod tests {
    use super::outcome;
    use molt_common::config_call::ConfigEditAnswer as Answer;

    #[test]
    fn each_refusal_has_its_code_and_names_the_field() {
        let error = || "why".to_owned();
        let paths = || vec!["gateway.port".to_owned(), "meta".to_owned()];
        for (answer, status, code, field) in [
            (Answer::Moved { hash: "h".into() }, 412, "config_moved", None),
            (
                Answer::Locked { paths: paths() },
                400,
                "config_locked",
                Some("gateway.port"),
            ),
            (
                Answer::Secret { paths: paths() },
                400,
                "config_has_secret",
                Some("gateway.port"),
            ),
            (
                Answer::SecretMissing { error: error() },
                409,
                "config_secret_missing",
                None,
            ),
            (Answer::Unfit, 400, "invalid_request", Some("body")),
            (Answer::UnknownVersion, 404, "not_found", Some("version")),
            (Answer::Invalid { error: error() }, 422, "config_invalid", None),
            (Answer::Unreadable { error: error() }, 409, "config_unreadable", None),
            (
                Answer::NotNow {
                    error: error(),
                    unclear: false,
                },
                503,
                "config_not_applied",
                None,
            ),
        ] {
            let problem = outcome(answer).err().unwrap_or_else(|| unreachable!());
            assert_eq!(
                (problem.status, problem.code.as_str(), problem.field.as_deref()),
                (status, code, field)
            );
        }
    }
}
