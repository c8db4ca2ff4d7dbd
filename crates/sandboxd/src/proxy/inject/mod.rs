//! The script that looks after a page's sockets (`workers/router/assets/socket`), put into the agent's pages on their way through.
//!
//! It is an external script of the page's own origin, first in the head, so that a strict content security policy stays as the agent wrote
//! it. Only what a browser opens as a document gets it, and only where the policy lets it run. The page streams on: no more of it is held
//! back than one unfinished comment or tag before its head.

mod body;
pub mod place;
mod policy;

use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

pub use body::Injecting;
pub use policy::{Refusal, allows_own_script};

/// The tag for pages whose sockets resume (`molt_common::resume`).
const TAG_RESUME: &str = "<script src=\"/_molt/assets/socket.js\" data-resume=\"on\"></script>";
/// The tag for all others.
const TAG_PLAIN: &str = "<script src=\"/_molt/assets/socket.js\" data-resume=\"off\"></script>";

/// What speaks about the exact bytes of an answer, and is not true any more once something was put in.
const ABOUT_BYTES: [&str; 8] = [
    "accept-ranges",
    "content-digest",
    "content-length",
    "content-md5",
    "digest",
    "etag",
    "last-modified",
    "repr-digest",
];

/// The tag to put in.
pub const fn tag(socket_resume: bool) -> &'static str {
    if socket_resume { TAG_RESUME } else { TAG_PLAIN }
}

/// Whether a browser asks for a document. Programs that fetch HTML get it as it is.
pub fn asks_for_page(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !matches!(*method, Method::GET | Method::HEAD) || headers.contains_key(header::UPGRADE) {
        return false;
    }
    match says("sec-fetch-mode") {
        Some(mode) => {
            mode == "navigate" && says("sec-fetch-dest").is_none_or(|to| to == "document" || to.ends_with("frame"))
        }
        // Browsers say it on trustworthy origins only.
        None => says("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Has the agent answer a page as something that a tag can be put into: whole and not compressed. An earlier copy of the browser's may be
/// one without the tag, so it is not asked whether that is still good.
pub fn prepare(to_agent: &mut HeaderMap) {
    to_agent.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    to_agent.remove(header::IF_NONE_MATCH);
    to_agent.remove(header::IF_MODIFIED_SINCE);
}

/// Whether an answer to such a request is a page that takes the tag.
///
/// # Errors
/// Why not, where it is one.
pub fn takes_tag(status: u16, answer: &HeaderMap, public_host: Option<&HeaderValue>) -> Result<bool, Refusal> {
    let word = |name: HeaderName| {
        answer
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let kind = word(header::CONTENT_TYPE).to_ascii_lowercase();
    let (essence, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    if status != 200 || essence.trim() != "text/html" || word(header::CONTENT_DISPOSITION).starts_with("attachment") {
        return Ok(false);
    }
    if ["utf-16", "utf-32", "ucs-2"]
        .iter()
        .any(|wide| parameters.contains(wide))
    {
        return Err(Refusal::Encoding);
    }
    if !matches!(word(header::CONTENT_ENCODING), "" | "identity") {
        return Err(Refusal::Encoding);
    }
    allows_own_script(answer, public_host)?;
    Ok(true)
}

/// Takes off what is not true any more of an answer that gets the tag.
pub fn adapt(answer: &mut HeaderMap) {
    for name in ABOUT_BYTES {
        answer.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let parsed = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        pairs.iter().map(parsed).collect()
    }

    #[test]
    fn only_documents_of_a_browser_are_asked_for() {
        let page = |method, pairs: &[(&str, &str)]| asks_for_page(&method, &headers(pairs));
        let navigates = ("sec-fetch-mode", "navigate");
        assert!(page(Method::GET, &[navigates, ("sec-fetch-dest", "document")]));
        assert!(page(Method::HEAD, &[navigates, ("sec-fetch-dest", "iframe")]));
        assert!(
            page(Method::GET, &[("accept", "text/html,*/*")]),
            "http on another host than localhost"
        );
        assert!(!page(Method::GET, &[navigates, ("sec-fetch-dest", "object")]));
        assert!(!page(Method::POST, &[navigates]));
        assert!(!page(
            Method::GET,
            &[("sec-fetch-mode", "cors"), ("accept", "text/html")]
        ));
        assert!(!page(Method::GET, &[("accept", "*/*")]));
        assert!(!page(Method::GET, &[("accept", "text/html"), ("upgrade", "websocket")]));
    }

    #[test]
    fn only_whole_pages_take_the_tag() {
        let html = ("content-type", "Text/HTML; charset=utf-8");
        assert_eq!(takes_tag(200, &headers(&[html]), None), Ok(true));
        assert_eq!(
            takes_tag(200, &headers(&[html, ("content-encoding", "identity")]), None),
            Ok(true)
        );
        for status in [206, 304, 404, 503] {
            assert_eq!(takes_tag(status, &headers(&[html]), None), Ok(false));
        }
        assert_eq!(
            takes_tag(200, &headers(&[("content-type", "text/htmlx")]), None),
            Ok(false)
        );
        assert_eq!(
            takes_tag(
                200,
                &headers(&[html, ("content-disposition", "attachment; filename=a")]),
                None
            ),
            Ok(false)
        );
        assert_eq!(
            takes_tag(200, &headers(&[("content-type", "text/html;charset=UTF-16LE")]), None),
            Err(Refusal::Encoding)
        );
        assert_eq!(
            takes_tag(200, &headers(&[html, ("content-encoding", "br")]), None),
            Err(Refusal::Encoding)
        );
        assert_eq!(
            takes_tag(
                200,
                &headers(&[html, ("content-security-policy", "script-src 'none'")]),
                None
            ),
            Err(Refusal::Policy)
        );
    }

    #[test]
    fn what_speaks_about_bytes_goes_and_the_policy_stays() {
        let mut answer = headers(&[
            ("etag", "\"a\""),
            ("content-length", "5"),
            ("accept-ranges", "bytes"),
            ("content-security-policy", "script-src 'self'"),
        ]);
        adapt(&mut answer);
        assert_eq!(answer, headers(&[("content-security-policy", "script-src 'self'")]));
        let mut request = headers(&[
            ("if-none-match", "\"a\""),
            ("accept-encoding", "br"),
            ("accept", "text/html"),
        ]);
        prepare(&mut request);
        assert_eq!(
            request,
            headers(&[("accept", "text/html"), ("accept-encoding", "identity")])
        );
    }
}
