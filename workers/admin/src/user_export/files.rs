//! The files of the newest snapshot, as the archive that the sandbox's object makes of them. Nothing is started for it.

use super::Export;
use molt_common::control::files::{FileView, FilesQuery};
use molt_common::files_call::{FileSource, FilesOrder, ORDER, PATH};
use molt_common::id::SandboxId;
use molt_common::object_call::CALL_HOST;
use molt_platform::call;
use worker::{ByteStream, Error, Headers, Method, Request, RequestInit, Result};

/// Their archive; `None` when nothing was ever saved.
pub async fn archive(export: &Export) -> Result<Option<ByteStream>> {
    let Some(snapshot) = export.newest else { return Ok(None) };
    let order = FilesOrder {
        user: export.user_id,
        author: export.author.clone(),
        source: FileSource::Snapshot,
        snapshot: Some(snapshot),
    };
    let query = FilesQuery {
        view: FileView::Tar,
        ..FilesQuery::default()
    };
    let headers = Headers::new();
    headers.set(ORDER, &serde_json::to_string(&order)?)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers);
    let request = Request::new_with_init(&format!("http://{CALL_HOST}{PATH}?{}", query.text()), &init)?;
    let object = call::sandbox(&export.env, &SandboxId::personal(export.user_id))?;
    let mut response = object.fetch_with_request(request).await?;
    if response.status_code() != 200 {
        let text = response.text().await.unwrap_or_default();
        return Err(Error::RustError(format!(
            "files of a snapshot: {} {text}",
            response.status_code()
        )));
    }
    response.stream().map(Some)
}
