//! Reading: bytes, lists, archives.

use super::Call;
use crate::caller::Caller;
use crate::extract::{Asked, Streamed};
use crate::respond::{Failure, Passed};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use molt_common::control::files::{FileEntry, FileList, FileView};
use molt_common::problem::Problem;
use worker::Env;

/// The bytes of a file, what is known of it, what is in a folder, or a folder as an archive.
///
/// Paths lie below the agent's home and stand percent-encoded in the URL, so that names need not be UTF-8. The answer says where it comes from:
/// `X-Files-Source` (`sandbox` or `snapshot`), `X-Files-Generation`, `X-Files-Snapshot` and `X-Files-Taken-At`. Nothing is started for it.
/// A path that ends with a slash is listed. `HEAD` says whether something is there. `Range`, `If-Range` and `If-None-Match` are heeded.
#[utoipa::path(get, path = "/api/super/users/{id}/files/{*path}", tag = "files",
    params(("id" = String, Path, format = "uuid"), ("*path" = String, Path, description = "Below the agent's home, percent-encoded"),
           ("source" = Option<String>, Query, description = "`sandbox` (or `container`), `snapshot` (or `r2`), or `auto`: the running sandbox, else the newest published snapshot"),
           ("snapshot" = Option<String>, Query, description = "Of this snapshot"),
           ("stat" = Option<String>, Query, description = "`1`: what it is, as JSON"),
           ("list" = Option<String>, Query, description = "`1`: what is in a folder, as JSON"),
           ("format" = Option<String>, Query, description = "`tar`: an archive of a folder or a file"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "Entries of a page, 1 to 1000, 200 when absent"),
           ("Range" = Option<String>, Header)),
    responses((status = 200, content((Vec<u8> = "application/octet-stream"), (FileEntry = "application/json"), (FileList = "application/json"), (Vec<u8> = "application/x-tar"))),
              (status = 206, content_type = "application/octet-stream"), (status = 304), (status = 416),
              (status = 400, body = Problem), (status = 403, body = Problem, description = "`outside_home` or `not_permitted`"),
              (status = 404, body = Problem), (status = 409, body = Problem, description = "`is_a_folder`, `not_a_file`, `sandbox_not_running`, …"),
              (status = 502, body = Problem, description = "`snapshot_damaged`: what is saved is not as it was written; the object is named"),
              (status = 503, body = Problem)))]
#[worker::send]
pub async fn read(
    State(env): State<Env>,
    caller: Caller,
    asked: Asked,
    streamed: Streamed,
) -> Result<Response, Failure> {
    let mut call = Call::read(&env, &caller, &asked, &streamed).await?;
    call.query.view = view(&asked, call.slash)?;
    Ok(Passed::new(call.passed().await?).into_response())
}

/// What is in the agent's home, or in the folder of `path`.
#[utoipa::path(get, path = "/api/super/users/{id}/files", tag = "files",
    params(("id" = String, Path, format = "uuid"),
           ("path" = Option<String>, Query, description = "A folder below the home; `/root` and `/home/agent` are the home"),
           ("source" = Option<String>, Query), ("snapshot" = Option<String>, Query),
           ("format" = Option<String>, Query, description = "`tar`: an archive of it"),
           ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, content((FileList = "application/json"), (Vec<u8> = "application/x-tar"))),
              (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[worker::send]
pub async fn list(
    State(env): State<Env>,
    caller: Caller,
    asked: Asked,
    streamed: Streamed,
) -> Result<Response, Failure> {
    let mut call = Call::read(&env, &caller, &asked, &streamed).await?;
    call.query.view = view(&asked, true)?;
    Ok(Passed::new(call.passed().await?).into_response())
}

fn view(asked: &Asked, slash: bool) -> Result<FileView, Failure> {
    let tar = match asked.text("format") {
        None => false,
        Some("tar") => true,
        Some(_) => return Err(Problem::invalid("format", "must be tar").into()),
    };
    match (asked.flag("stat")?, asked.flag("list")?, tar) {
        (true, false, false) => Ok(FileView::Stat),
        (false, true, false) => Ok(FileView::List),
        (false, false, true) => Ok(FileView::Tar),
        (false, false, false) if slash => Ok(FileView::List),
        (false, false, false) => Ok(FileView::Content),
        _ => Err(Problem::invalid("stat", "list and format exclude each other").into()),
    }
}
