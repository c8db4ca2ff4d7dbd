//! The secrets of a user: set and taken away by operators, and never told again.

use crate::caller::Caller;
use crate::extract::{JsonBody, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use molt_common::api::secrets::{CountsFrom, SecretChanged, SecretEntry, SecretRemoval, SecretRequest, SecretsAnswer};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::user_secret::{ListSecrets, RemoveSecret, SecretSet, SecretView, SetSecret};
use molt_common::user_secret_name::is_name;
use molt_platform::call;
use serde_json::Value;
use worker::{Env, Stub};

/// The secrets of a user, without their values, and the names that there may be. Starts nothing.
#[utoipa::path(get, path = "/api/super/users/{id}/secrets", tag = "secrets",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = SecretsAnswer), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn list(State(env): State<Env>, parameters: Parameters) -> Result<Json<SecretsAnswer>, Failure> {
    let user_id = parameters.user()?;
    users::find(&env, user_id).await?;
    let found = call::make(&sandbox(&env, user_id)?, &ListSecrets { owner: user_id }).await?;
    Ok(Json(SecretsAnswer {
        user_id,
        secrets: found.secrets.into_iter().map(entry).collect(),
        names: found.names,
        current_key_id: found.current_key,
        next_cursor: None,
    }))
}

/// Sets a secret of a user: his own key of a provider, which is chosen before the platform's and never reaches his sandbox, or the token of a channel,
/// which his agent gets when it starts.
///
/// It cannot be read again. `countsFrom` says from when it counts.
#[utoipa::path(put, path = "/api/super/users/{id}/secrets/{name}", tag = "secrets", request_body = SecretRequest,
    params(("id" = String, Path, format = "uuid"),
           ("name" = String, Path, description = "One of `names` of the list")),
    responses((status = 200, body = SecretChanged, description = "It took the place of an earlier one"),
              (status = 201, body = SecretChanged), (status = 400, body = Problem, description = "`secret_unknown`, `invalid_request`"),
              (status = 404, body = Problem), (status = 409, body = Problem, description = "`secrets_full`"), (status = 413, body = Problem),
              (status = 503, body = Problem, description = "`secrets_unavailable`: the deployment has no MOLT_SECRET_KEYS; `providers_unreadable`")))]
#[worker::send]
pub async fn set(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    JsonBody(body): JsonBody<Value>,
) -> Result<(StatusCode, Json<SecretChanged>), Failure> {
    let owner = parameters.user()?;
    let set = SetSecret {
        owner,
        name: name(&parameters)?,
        value: value(body)?,
        by: caller.author(),
    };
    users::find(&env, owner).await?;
    match call::make(&sandbox(&env, owner)?, &set).await? {
        SecretSet::Refused { problem } => Err(problem.into()),
        SecretSet::Kept {
            secret,
            replaced,
            agent_runs,
        } => {
            let counts_from = CountsFrom::of(secret.used_for, agent_runs);
            let status = if replaced { StatusCode::OK } else { StatusCode::CREATED };
            let body = SecretChanged {
                user_id: owner,
                secret: entry(secret),
                replaced,
                counts_from,
                message: counts_from.says().into(),
            };
            Ok((status, Json(body)))
        }
    }
}

/// Takes a secret of a user away for good. Of a provider the platform's key counts from then on, where there is one.
#[utoipa::path(delete, path = "/api/super/users/{id}/secrets/{name}", tag = "secrets",
    params(("id" = String, Path, format = "uuid"), ("name" = String, Path)),
    responses((status = 200, body = SecretRemoval), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn remove(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<SecretRemoval>, Failure> {
    let owner = parameters.user()?;
    let name = name(&parameters)?;
    users::find(&env, owner).await?;
    let remove = RemoveSecret {
        owner,
        name: name.clone(),
        by: caller.author(),
    };
    let removed = call::make(&sandbox(&env, owner)?, &remove).await?;
    let removed = removed.ok_or_else(|| Problem::not_found(format!("The user has no secret {name}.")))?;
    let counts_from = CountsFrom::of(removed.used_for, removed.agent_runs);
    Ok(Json(SecretRemoval {
        user_id: owner,
        name,
        counts_from,
        message: counts_from.says().into(),
    }))
}

fn sandbox(env: &Env, user: UserId) -> Result<Stub, Failure> {
    Ok(call::sandbox(env, &SandboxId::personal(user))?)
}

fn name(parameters: &Parameters) -> Result<String, Problem> {
    let name = parameters.text("name");
    if is_name(name) {
        Ok(name.to_owned())
    } else {
        let why = "must be one of the names that the list of secrets gives: A to Z, 0 to 9 and _, at most 64";
        Err(Problem::invalid("name", why))
    }
}

/// The value of a body. What is wrong is said without a word of the body: whoever mistakes its form has a secret in it all the same.
fn value(body: Value) -> Result<String, Problem> {
    let Value::Object(mut fields) = body else {
        return Err(Problem::invalid("body", "must be a JSON object with the field value"));
    };
    let value = fields.remove("value");
    if !fields.is_empty() {
        return Err(Problem::invalid("body", "must have no field but value"));
    }
    match value {
        Some(Value::String(value)) => Ok(value),
        Some(_) => Err(Problem::invalid("value", "must be a text")),
        None => Err(Problem::invalid("value", "is missing")),
    }
}

fn entry(view: SecretView) -> SecretEntry {
    SecretEntry {
        name: view.name,
        used_for: view.used_for,
        masked: view.masked,
        set_at: view.set_at.iso(),
        key_id: view.key_id,
        readable: view.readable,
    }
}

#[cfg(test)]
mod tests {
    use super::value;
    use serde_json::json;

    #[test]
    fn a_body_of_another_form_is_refused_without_being_quoted() {
        assert_eq!(value(json!({"value": "hunter2"})).ok().as_deref(), Some("hunter2"));
        for (body, field) in [
            (json!("hunter2"), "body"),
            (json!(["hunter2"]), "body"),
            (json!({"hunter2": 1, "value": "hunter2"}), "body"),
            (json!({"secret": "hunter2"}), "body"),
            (json!({"value": {"hunter2": "hunter2"}}), "value"),
            (json!({"value": null}), "value"),
            (json!({}), "value"),
        ] {
            let problem = value(body).err().unwrap_or_else(|| unreachable!());
            assert_eq!((problem.status, problem.field.as_deref()), (400, Some(field)));
            assert!(!problem.detail.contains("hunter2"), "{}", problem.detail);
        }
    }
}
