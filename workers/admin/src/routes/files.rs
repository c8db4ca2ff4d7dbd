//! Files of a user's sandbox. Bodies pass in both directions without being read here; what may be read of an answer's headers is chosen here.

pub mod batch;
pub mod read;
pub mod write;

use crate::caller::Caller;
use crate::extract::{Asked, Streamed};
use crate::respond::Failure;
use crate::users;
use http::StatusCode;
use molt_common::control::ControlError;
use molt_common::control::files::{FilesQuery, parse_cursor};
use molt_common::files_call::{FileSource, FilesOrder, ORDER, PATH, header};
use molt_common::home_path::HomePath;
use molt_common::id::{SandboxId, UserId};
use molt_common::object_call::CALL_HOST;
use molt_common::problem::Problem;
use molt_common::snapshot::SnapshotId;
use molt_platform::call;
use molt_platform::forward::Outgoing;
use molt_platform::respond::{self, DATA};
use worker::{Env, Url};

/// What stands before the user.
const BEFORE: &str = "/api/super/users/";
/// Headers of HTTP that an answer may have.
const PASSED: [&str; 6] = [
    "accept-ranges",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
];

/// Whether a path is one of these.
pub fn is_at(path: &str) -> bool {
    parts(path).is_some()
}

/// The user, and what follows `/files` with its slash. Read here, because axum takes no parameters that are not UTF-8.
fn parts(path: &str) -> Option<(&str, &str)> {
    let (user, rest) = path.strip_prefix(BEFORE)?.split_once('/')?;
    let rest = rest.strip_prefix("files")?;
    (rest.is_empty() || rest.starts_with('/')).then_some((user, rest))
}

/// One call about files.
struct Call<'a> {
    env: &'a Env,
    user: UserId,
    streamed: &'a Streamed,
    order: FilesOrder,
    query: FilesQuery,
    /// The path ended with a slash.
    slash: bool,
}

impl<'a> Call<'a> {
    /// Reads what all of them have in common.
    async fn read(env: &'a Env, caller: &Caller, asked: &Asked, streamed: &'a Streamed) -> Result<Self, Failure> {
        let url = Url::parse(&streamed.request().url()).map_err(|error| worker::Error::RustError(error.to_string()))?;
        let (user, below) = parts(url.path()).ok_or_else(|| Problem::not_found("Nothing is here."))?;
        let user = UserId::parse(user).map_err(|error| Problem::from(("id", error)))?;
        let source = match asked.text("source") {
            None => FileSource::Auto,
            Some(word) => FileSource::parse(word)
                .ok_or_else(|| Problem::invalid("source", "must be auto, sandbox or snapshot"))?,
        };
        let snapshot = match asked.text("snapshot") {
            None => None,
            Some(text) => Some(SnapshotId::parse(text).map_err(|error| Problem::invalid("snapshot", error))?),
        };
        if snapshot.is_some() && source == FileSource::Sandbox {
            return Err(Problem::invalid("snapshot", "and source=sandbox exclude each other").into());
        }
        let (path, slash) = path(below, asked)?;
        let limit = match asked.text("limit") {
            None => None,
            Some(text) => Some(
                text.parse()
                    .ok()
                    .filter(|limit| (1..=molt_common::control::files::MOST_ENTRIES).contains(limit))
                    .ok_or_else(|| Problem::invalid("limit", "must be from 1 to 1000"))?,
            ),
        };
        let after = match asked.text("cursor").filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => {
                Some(parse_cursor(text).ok_or_else(|| Problem::invalid("cursor", "is not one that a list gave"))?)
            }
        };
        // Whoever does not exist has no object.
        users::find(env, user).await?;
        Ok(Self {
            env,
            user,
            streamed,
            order: FilesOrder {
                user,
                author: caller.author(),
                source,
                snapshot,
            },
            query: FilesQuery {
                path,
                limit,
                after,
                ..FilesQuery::default()
            },
            slash,
        })
    }

    /// Makes it. What is refused is a problem.
    async fn make(&self, at: &str) -> Result<web_sys::Response, Failure> {
        let url = format!("http://{CALL_HOST}{at}?{}", self.query.text());
        let outgoing = Outgoing::new(&url, self.streamed.request())?;
        let order = serde_json::to_string(&self.order).map_err(worker::Error::from)?;
        outgoing.strip(is_a_secret)?;
        outgoing.set(ORDER, &order)?;
        let object = call::sandbox(self.env, &SandboxId::personal(self.user))?;
        let response = outgoing.to_object(object).await?;
        if response.status() < 400 || response.status() == 416 {
            return Ok(response);
        }
        let status = response.status();
        let text = worker::Response::from(response).text().await.unwrap_or_default();
        Err(problem(status, &text).into())
    }

    /// The same for what is answered as JSON.
    async fn json<T: serde::de::DeserializeOwned>(&self, at: &str) -> Result<(StatusCode, T), Failure> {
        let response = self.make(at).await?;
        let status = StatusCode::from_u16(response.status()).unwrap_or(StatusCode::OK);
        let text = worker::Response::from(response).text().await?;
        let read = serde_json::from_str(&text);
        Ok((
            status,
            read.map_err(|error| worker::Error::RustError(format!("files: {error}")))?,
        ))
    }

    /// An answer whose body passes as it is: for a browser nothing but a download.
    async fn passed(&self) -> Result<worker::Response, Failure> {
        let response = self.make(PATH).await?;
        let headers = response.headers();
        let mut told: Vec<(String, String)> = Vec::new();
        for name in PASSED.iter().chain(&header::OURS) {
            if let Some(value) = headers.get(name).map_err(worker::Error::from)? {
                told.push(((*name).to_owned(), value));
            }
        }
        told.extend(DATA.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // Nothing on the way may encode it: its length and its parts are those of the file.
        told.retain(|(name, _)| name != "cache-control");
        told.push(("cache-control".to_owned(), "no-store, no-transform".to_owned()));
        told.push(("content-disposition".to_owned(), "attachment".to_owned()));
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = match response.body() {
            Some(body) => respond::streaming(response.status(), &told, &body)?,
            None => respond::with(response.status(), &told, None)?,
        };
        Ok(answer.into())
    }
}

/// What must not leave this worker, or says nothing to the object.
fn is_a_secret(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "x-admin-secret") || name.starts_with("x-molt-")
}

/// The path: below the route, or on the route itself as `?path=`, where older clients write the home as they knew it.
fn path(below: &str, asked: &Asked) -> Result<(HomePath, bool), Failure> {
    let bad = |error| Failure::from(Problem::invalid("path", error));
    if !below.is_empty() {
        let below = below.strip_prefix('/').unwrap_or(below);
        return Ok((
            HomePath::parse(below).map_err(bad)?,
            below.is_empty() || below.ends_with('/'),
        ));
    }
    let text = asked.text("path").unwrap_or_default();
    let homes = ["/home/agent", "/root"].into_iter();
    let inside = homes
        .filter_map(|home| text.strip_prefix(home))
        .find(|rest| rest.is_empty() || rest.starts_with('/'));
    let text = inside.map_or(text, |rest| rest.trim_start_matches('/'));
    Ok((HomePath::from_bytes(text.as_bytes()).map_err(bad)?, true))
}

/// What the supervisor or the object refused, as this API says it.
fn problem(status: u16, text: &str) -> Problem {
    if text.is_empty() && (400..500).contains(&status) {
        // Answers to HEAD have no body to say more.
        return match status {
            404 => Problem::not_found("There is no such file."),
            _ => Problem::new(status, "refused", "This cannot be done; GET says why."),
        };
    }
    let Ok(refused) = serde_json::from_str::<ControlError>(text) else {
        return Problem::internal();
    };
    if refused.code == "unauthorized" || status >= 500 && !matches!(status, 502 | 503 | 507) {
        return Problem::internal();
    }
    let mut problem = Problem::new(status, &refused.code, &refused.error);
    if refused.code == "invalid_request" {
        let field = refused.error.split([':', ' ']).next();
        problem.field = field.filter(|field| !field.is_empty()).map(str::to_owned);
    }
    match status {
        404 => problem.labelled("Not found"),
        429 | 503 => problem.retry_after(2),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_at, parts, problem};

    #[test]
    fn only_files_are_passed_on_unread() {
        for path in [
            "/api/super/users/x/files",
            "/api/super/users/x/files/",
            "/api/super/users/x/files/a/b%2Fc",
        ] {
            assert!(is_at(path), "{path}");
        }
        for path in [
            "/api/super/users/x/filesx",
            "/api/super/users/files",
            "/api/super/users/x/exec",
            "/api/super/files/x",
        ] {
            assert!(!is_at(path), "{path}");
        }
        assert_eq!(parts("/api/super/users/x/files/a/"), Some(("x", "/a/")));
    }

    #[test]
    fn what_was_refused_inside_names_its_field_and_no_more() {
        let told = problem(400, r#"{"code":"invalid_request","error":"path: has a NUL"}"#);
        assert_eq!((told.status, told.field.as_deref()), (400, Some("path")));
        let told = problem(500, r#"{"code":"internal","error":"the disk failed: EIO"}"#);
        assert!(!told.detail.contains("EIO"));
        assert_eq!(problem(401, r#"{"code":"unauthorized","error":"x"}"#).status, 500);
        assert_eq!(problem(418, "no JSON").status, 500);
        assert_eq!(problem(507, r#"{"code":"no_space","error":"x"}"#).status, 507);
    }
}
