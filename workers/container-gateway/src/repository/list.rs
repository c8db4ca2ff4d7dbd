//! Lists of a repository's objects. A short one is answered whole; of a long one each page of the bucket is passed on before the next is asked for.

use crate::repository::Call;
use crate::repository::refusal::Refusal;
use futures_util::stream;
use molt_common::repository_path::Kind;
use molt_common::snapshot::ObjectId;
use molt_platform::bucket::{Bucket, Page};
use molt_platform::forward::header;
use molt_platform::respond;
use std::fmt::Write;
use web_sys::Response;

const V1: &str = "application/vnd.x.restic.rest.v1";
const V2: &str = "application/vnd.x.restic.rest.v2";
/// Bytes of one entry, about.
const ENTRY: usize = 96;

/// Names, or names and sizes, of all objects of a kind.
pub async fn answer(call: &Call<'_>, kind: Kind) -> Result<Response, Refusal> {
    let with_sizes = header(call.request, "accept").is_some_and(|accept| accept.contains(V2));
    let writer = Writer {
        bucket: call.bucket.clone(),
        prefix: call.root.prefix_of(kind),
        with_sizes,
        begun: false,
    };
    let content_type = if with_sizes { V2 } else { V1 };
    let headers = [("content-type", content_type), ("cache-control", "no-store")];
    let first = writer.bucket.page(&writer.prefix, None).await?;
    if first.next.is_none() {
        let mut writer = writer;
        return Ok(respond::with(200, &headers, Some(&writer.text(&first)))?);
    }
    // A list that breaks off is no JSON, so nobody takes it for a shorter one.
    let pages = stream::try_unfold((writer, Some(first)), |(mut writer, page)| async move {
        let Some(page) = page else { return Ok(None) };
        let text = writer.text(&page);
        let next = match page.next {
            Some(cursor) => {
                let next = writer.bucket.page(&writer.prefix, Some(cursor)).await;
                Some(next.map_err(|error| worker::Error::RustError(error.to_string()))?)
            }
            None => None,
        };
        Ok::<_, worker::Error>(Some((text.into_bytes(), (writer, next))))
    });
    let streamed: Response = worker::Response::from_stream(pages)?.into();
    Ok(respond::adorned(&streamed, &headers)?)
}

struct Writer {
    bucket: Bucket,
    prefix: String,
    with_sizes: bool,
    begun: bool,
}

impl Writer {
    /// A page as a part of the JSON text of the whole list.
    fn text(&mut self, page: &Page) -> String {
        let mut text = String::with_capacity(page.objects.len() * ENTRY + 2);
        let mut separator = if self.begun { "," } else { "[" };
        for (key, size) in &page.objects {
            let Some(id) = named(key, &self.prefix) else { continue };
            // Writing to a text does not fail.
            let _ = if self.with_sizes {
                write!(text, r#"{separator}{{"name":"{id}","size":{size}}}"#)
            } else {
                write!(text, r#"{separator}"{id}""#)
            };
            separator = ",";
            self.begun = true;
        }
        if page.next.is_none() {
            text.push_str(if self.begun { "]" } else { "[]" });
        }
        text
    }
}

/// Name of an object whose key begins with `prefix`. Whatever else lies there is none of a repository's.
pub fn named(key: &str, prefix: &str) -> Option<ObjectId> {
    ObjectId::parse(key.strip_prefix(prefix)?).ok()
}
