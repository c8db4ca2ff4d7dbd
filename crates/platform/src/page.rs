//! Pages of ours: one layout, one set of headers. Scripts and styles are the router's assets; nothing is inline.

use crate::respond::{escape, with};
use web_sys::Response;
use worker::Result;

/// Policy for our own pages: nothing inline, nothing foreign, never in a frame.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// None of our pages needs any of these.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// HTML in our layout. `title` is text; `head` and `body` are HTML.
#[must_use]
pub fn layout(title: &str, head: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Moltworker</title>{head}\
         <link rel=\"icon\" href=\"/_molt/assets/icon.svg\"><link rel=\"stylesheet\" href=\"/_molt/assets/page.css\">\
         </head><body><main><h1 id=\"title\">{title}</h1>{body}</main></body></html>"
    )
}

/// A page that says one thing.
pub struct Notice<'a> {
    /// Heading.
    pub title: &'a str,
    /// What there is to say.
    pub text: &'a str,
    /// Further lines in small print.
    pub small: &'a [String],
    /// Where to go from there: path and text. The paths are ours.
    pub links: &'a [(&'a str, &'a str)],
}

impl Notice<'_> {
    /// As HTML.
    #[must_use]
    pub fn html(&self) -> String {
        let mut body = format!("<p>{}</p>", escape(self.text));
        for line in self.small {
            body.push_str(&format!("<p class=\"small\">{}</p>", escape(line)));
        }
        let links: Vec<String> = self
            .links
            .iter()
            .map(|(path, text)| format!("<a href=\"{}\">{}</a>", escape(path), escape(text)))
            .collect();
        body.push_str(&format!("<p>{}</p>", links.join(" · ")));
        layout(self.title, "", &body)
    }
}

/// Answers with a page.
///
/// # Errors
/// See [`with`].
pub fn answer(status: u16, html: &str, extra: &[(&str, &str)]) -> Result<Response> {
    let mut headers = vec![
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        // Under no-referrer browsers send `Origin: null` with a form, also to its own origin.
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("permissions-policy", PERMISSIONS),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    headers.extend_from_slice(extra);
    with(status, &headers, Some(html))
}
