//! `/_molt/boot` and `/_molt/boot/events`: how far the caller's sandbox is. Asking wakes nothing.

use crate::sandbox::refusal;
use molt_common::boot::{GetBoot, WatchBoot};
use molt_common::output::events;
use molt_common::problem::Problem;
use molt_platform::forward::header;
use molt_platform::{call, respond};
use url::Url;
use web_sys::{Request, Response};
use worker::{Result, Stub};

const ONCE: &str = "/_molt/boot";
const EVENTS: &str = "/_molt/boot/events";
/// Longest id of an event that is looked at.
const LONGEST_ID: usize = 64;

/// The answer where the path is one of these.
pub async fn answer(request: &Request, url: &Url, stub: &Stub, request_id: &str) -> Option<Result<Response>> {
    let reads = matches!(request.method().as_str(), "GET" | "HEAD");
    match url.path() {
        ONCE | EVENTS if !reads => {
            let problem = Problem::new(405, "method_not_allowed", format!("{} takes GET.", url.path()));
            Some(respond::problem(&problem.request(request_id)))
        }
        ONCE => Some(once(stub).await),
        EVENTS => Some(stream(request, url, stub, request_id).await),
        _ => None,
    }
}

async fn once(stub: &Stub) -> Result<Response> {
    // The agent's service worker keeps whatever it may, and answers with it when the network is gone.
    let answer = respond::json(200, &call::make(stub, &GetBoot {}).await?)?;
    answer
        .headers()
        .set(respond::KEPT_BY_NOBODY.0, respond::KEPT_BY_NOBODY.1)?;
    Ok(answer)
}

async fn stream(request: &Request, url: &Url, stub: &Stub, request_id: &str) -> Result<Response> {
    // A browser that comes back says what it saw last; the first time the page says it.
    let after = || {
        url.query_pairs()
            .find(|(name, _)| name == "after")
            .map(|(_, value)| value.into_owned())
    };
    let seen = header(request, "last-event-id").or_else(after);
    let watch = WatchBoot {
        seen: seen.filter(|seen| seen.len() <= LONGEST_ID),
    };
    if request.method() == "HEAD" {
        let headers = [
            ("content-type", events::CONTENT_TYPE),
            ("cache-control", "no-store"),
            respond::KEPT_BY_NOBODY,
        ];
        return respond::with(200, &headers, None);
    }
    let response = call::make_for_response(stub, &watch).await?;
    if response.headers().get("content-type")?.as_deref() == Some(events::CONTENT_TYPE) {
        return Ok(response.into());
    }
    let refused = call::read_answer::<WatchBoot>(response).await?;
    let text = format!("{} pages watch your sandbox already. Ask {ONCE} instead.", refused.open);
    let problem = Problem::new(429, "too_many_streams", text).retry_after(refusal::back_in(2, 5));
    respond::problem(&problem.request(request_id))
}
