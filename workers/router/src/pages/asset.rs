//! Scripts and styles of our own pages. They carry no user data, so anybody may have them.

use crate::dispatch::{Call, problem};
use molt_common::problem::Problem;
use molt_platform::respond;
use web_sys::Response;
use worker::Result;

/// The script of the agent's pages, one scope of all its parts; `install.js` begins what the others only declare.
const SOCKET: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("../../assets/socket/protocol.js"),
    include_str!("../../assets/socket/words.js"),
    include_str!("../../assets/socket/gate.js"),
    include_str!("../../assets/socket/window.js"),
    include_str!("../../assets/socket/plain.js"),
    include_str!("../../assets/socket/resuming.js"),
    include_str!("../../assets/socket/socket.js"),
    include_str!("../../assets/socket/status_line.js"),
    include_str!("../../assets/socket/install.js"),
    "})();\n"
);

const ASSETS: [(&str, &str, &str); 5] = [
    ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/page.css"),
    ),
    (
        "callback.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/callback.js"),
    ),
    (
        "boot.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/boot.js"),
    ),
    ("socket.js", "text/javascript; charset=utf-8", SOCKET),
];

/// `/_molt/assets/<name>`.
pub fn answer(call: &Call<'_>) -> Result<Response> {
    let name = call.url.path().strip_prefix("/_molt/assets/").unwrap_or_default();
    match ASSETS.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, text)) => respond::with(
            200,
            &[
                ("content-type", kind),
                ("cache-control", "no-cache"),
                // The agent's service worker asks its copies first under any path with /assets/ in it: a page would have the script of an
                // earlier deployment for ever.
                respond::KEPT_BY_NOBODY,
                ("x-content-type-options", "nosniff"),
                ("cross-origin-resource-policy", "same-origin"),
            ],
            Some(text),
        ),
        None => problem(call, Problem::not_found("There is no such asset.")),
    }
}
