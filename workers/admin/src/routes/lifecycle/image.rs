//! Which image a sandbox is started from.

use super::change::{self, Answered, Ask};
use crate::caller::Caller;
use crate::extract::{JsonBody, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use molt_common::api::lifecycle::{ChangeAccepted, ImageRequest, ImageState};
use molt_common::problem::Problem;
use molt_common::sandbox_call::SandboxView;
use molt_common::sandbox_change::{ImageChoice, Wanted};
use worker::Env;

const CHANNELS: [&str; 2] = ["stable", "canary"];
const LONGEST_NAME: usize = 64;

/// The image of a user's sandbox, now and at its next start.
#[utoipa::path(get, path = "/api/super/users/{id}/image", tag = "lifecycle",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = ImageState), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Json<ImageState>, Failure> {
    let user_id = parameters.user()?;
    users::find(&env, user_id).await?;
    let view = change::state(&env, user_id).await?;
    Ok(Json(ImageState {
        user_id,
        generation: view.generation,
        image: view.image,
        next_image: view.next_image,
    }))
}

/// Chooses the image of a user's sandbox. A running one is saved, and started again from it with its disk; one that does not run gets it with its next start.
///
/// The same `Idempotency-Key` with the same body answers with the same job; with another body it is refused.
#[utoipa::path(put, path = "/api/super/users/{id}/image", tag = "lifecycle", request_body = ImageRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`, while the sandbox runs"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn set(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ImageRequest>,
) -> Answered {
    let user = parameters.user()?;
    let image = match asked(&body)? {
        Choice::Before => None,
        Choice::Named(image) => Some(image),
        Choice::PinCurrent => {
            users::find(&env, user).await?;
            Some(pinned(change::state(&env, user).await?)?)
        }
    };
    let ask = Ask {
        wanted: Wanted::Image { image },
        discard_disk: body.discard_disk,
        timeout_ms: body.timeout_ms,
    };
    let change = change::accept(&env, &caller, user, &headers, ask).await?;
    Ok(change::accepted(user, &change))
}

#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The one before the newest choice.
    Before,
    /// This one.
    Named(ImageChoice),
    /// The one that is chosen now, pinned.
    PinCurrent,
}

fn asked(body: &ImageRequest) -> Result<Choice, Problem> {
    // What a name stands for is known where containers are started: an empty reference asks for it.
    let named = |name: &str| ImageChoice {
        name: name.to_owned(),
        pinned: body.pin.then(String::new),
    };
    match (body.channel.as_deref(), body.name.as_deref(), body.rollback) {
        (None, None, true) if body.pin => Err(Problem::invalid("pin", "and rollback exclude each other")),
        (None, None, true) => Ok(Choice::Before),
        (None, None, false) if body.pin => Ok(Choice::PinCurrent),
        (None, None, false) => Err(Problem::invalid("channel", "is required (or name, pin, rollback)")),
        (Some(channel), None, false) if CHANNELS.contains(&channel) => Ok(Choice::Named(named(channel))),
        (Some(_), None, false) => Err(Problem::invalid("channel", "must be stable or canary")),
        (None, Some(name), false) if is_name(name) => Ok(Choice::Named(named(name))),
        (None, Some(_), false) => Err(Problem::invalid(
            "name",
            format!("must be 1 to {LONGEST_NAME} characters of A-Z, a-z, 0-9, '.', '_' and '-'"),
        )),
        (_, _, true) => Err(Problem::invalid("rollback", "stands without channel and name")),
        (Some(_), Some(_), false) => Err(Problem::invalid("name", "and channel exclude each other")),
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn pinned(view: SandboxView) -> Result<ImageChoice, Problem> {
    let name = view.next_image.map(|image| image.name).or(view.image);
    let name = name.ok_or_else(|| Problem::invalid("pin", "needs a channel or a name: no image was chosen yet"))?;
    Ok(ImageChoice {
        name,
        pinned: Some(String::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::{Choice, asked};
    use molt_common::api::lifecycle::ImageRequest;
    use serde_json::{Value, json};

    fn read(body: Value) -> Result<Choice, Option<String>> {
        let body: ImageRequest = serde_json::from_value(body).unwrap_or_else(|_| unreachable!());
        asked(&body).map_err(|problem| problem.field)
    }

    #[test]
    fn exactly_one_image_is_chosen() {
        for (body, name, is_pinned) in [
            (json!({"channel": "canary"}), "canary", false),
            (json!({"name": "v2.1"}), "v2.1", false),
            (json!({"channel": "stable", "pin": true}), "stable", true),
        ] {
            let Ok(Choice::Named(image)) = read(body) else {
                unreachable!()
            };
            assert_eq!((image.name.as_str(), image.pinned.is_some()), (name, is_pinned));
        }
        assert_eq!(read(json!({"rollback": true})), Ok(Choice::Before));
        assert_eq!(read(json!({"pin": true})), Ok(Choice::PinCurrent));
        for (body, field) in [
            (json!({}), "channel"),
            (json!({"channel": "nightly"}), "channel"),
            (json!({"name": ""}), "name"),
            (json!({"name": "a/b"}), "name"),
            (json!({"name": "a", "channel": "stable"}), "name"),
            (json!({"rollback": true, "name": "a"}), "rollback"),
            (json!({"rollback": true, "pin": true}), "pin"),
        ] {
            assert_eq!(read(body.clone()), Err(Some(field.into())), "{body}");
        }
    }
}
