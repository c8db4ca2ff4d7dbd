//! What the system before this one kept of a sandbox's user, read for an import: nothing is written here, and nobody else's is read.

use crate::repository::Call;
use crate::repository::refusal::Refusal;
use molt_common::id::UserId;
use molt_common::legacy_data::{Found, ImportPage, LONGEST_SPAN, may_be_read, prefix};
use molt_common::problem::Problem;
use molt_common::time::Millis;
use molt_platform::bucket::Version;
use molt_platform::respond;
use std::collections::HashMap;
use url::Url;
use web_sys::Response;

/// Objects of a page.
const PAGE: u32 = 1_000;
const DATA: [(&str, &str); 2] = [
    ("content-type", "application/octet-stream"),
    ("cache-control", "no-store, no-transform"),
];

type Answered = Result<Response, Refusal>;

/// A page of the single objects. What may not be read is not told either.
pub async fn list(call: &Call<'_>, user: UserId, url: &Url) -> Answered {
    let cursor = parameters(url).remove("cursor").filter(|cursor| !cursor.is_empty());
    let page = call.bucket.about_page(&prefix(user), cursor, PAGE).await?;
    let objects = page.objects.into_iter().map(|object| Found {
        key: object.key,
        size: object.size,
        etag: object.etag,
        uploaded: Millis(object.uploaded),
    });
    let page = ImportPage {
        objects: objects.filter(|found| may_be_read(&found.key, user)).collect(),
        next: page.next,
    };
    Ok(respond::json(200, &page)?)
}

/// A span of one object, of the version that is named.
pub async fn read(call: &Call<'_>, user: UserId, url: &Url) -> Answered {
    let mut parameters = parameters(url);
    let mut text = |name: &'static str| {
        parameters
            .remove(name)
            .ok_or_else(|| Problem::invalid(name, "is missing"))
    };
    let (key, etag) = (text("key")?, text("etag")?);
    let number = |name: &'static str, text: String| {
        text.parse::<u64>()
            .map_err(|_| Problem::invalid(name, "is no number of bytes"))
    };
    let offset = number("offset", text("offset")?)?;
    let length = number("length", text("length")?)?;
    if !(1..=LONGEST_SPAN).contains(&length) {
        return Err(Problem::invalid("length", format!("must be 1 to {LONGEST_SPAN}")).into());
    }
    if !may_be_read(&key, user) {
        return Err(Problem::invalid("key", "is none of the files that were kept of this user").into());
    }
    match call.bucket.version(&key, &etag, offset, length).await? {
        Version::Body(body) => Ok(respond::streaming(200, &DATA, &body)?),
        Version::Replaced => Err(Problem::new(412, "replaced", "There is another version of this object now.").into()),
        Version::Missing => Err(Problem::not_found("Nothing of this name was kept.").into()),
    }
}

fn parameters(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}
