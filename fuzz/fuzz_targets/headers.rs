//! Headers and cookies: none of the platform's gets to a sandbox, and none comes from one, in whatever spelling.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use molt_common::{access, answer_header, cookie};
use sandboxd::parsers::{PublicAddress, is_from, is_websocket, to_agent, to_edge};

const OWNER: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";

fn is_platform_cookie(name: &str) -> bool {
    let name: String = name.trim().chars().flat_map(char::to_lowercase).collect();
    name == "cf_authorization"
        || ["__host-", "__secure-", "sb-", "molt-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Lines of `name: value`, as far as they are headers at all.
fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn plain(name: &HeaderName) -> String {
    name.as_str().to_ascii_lowercase().replace('_', "-")
}

fn assert_clean_cookies(header: &str) {
    for piece in header.split([';', ',']) {
        assert!(
            !is_platform_cookie(piece.split('=').next().unwrap_or_default()),
            "{header:?}"
        );
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some(rest) = cookie::foreign(&text) {
        assert_clean_cookies(&rest);
        assert_eq!(
            cookie::foreign(&rest).as_deref(),
            Some(rest.as_str()),
            "taken off in one go"
        );
    }
    if let Some(token) = cookie::session(&text) {
        assert!(!token.is_empty() && text.contains(token) && !token.contains(';'));
    }
    if let Some(token) = access::bearer(&text) {
        assert!(text.contains(token) && text.trim_start().as_bytes()[..6].eq_ignore_ascii_case(b"bearer"));
    }

    let incoming = headers(data);
    for name in incoming.keys() {
        let spelt = plain(name);
        let ours = spelt.starts_with("x-molt-") || spelt.starts_with("cf-") || spelt.starts_with("x-forwarded-");
        let credential = [
            "authorization",
            "proxy-authorization",
            "x-admin-secret",
            "x-request-id",
            "forwarded",
        ]
        .contains(&spelt.as_str());
        assert!(access::is_stripped(name.as_str()) || !(ours || credential), "{name}");
        assert!(
            answer_header::is_stripped(name.as_str()) || !name.as_str().starts_with("x-molt-"),
            "{name}"
        );
    }
    let fallback = PublicAddress::of_origin("https://own.example").expect("an address");
    let websocket = is_websocket(&incoming);
    let outgoing = to_agent(&incoming, OWNER, &fallback, websocket);
    for (name, value) in &outgoing {
        let spelt = plain(name);
        assert!(!spelt.starts_with("x-molt-") && !spelt.starts_with("cf-"), "{name}");
        assert!(
            ![
                "authorization",
                "proxy-authorization",
                "x-admin-secret",
                "forwarded",
                "x-real-ip"
            ]
            .contains(&spelt.as_str()),
            "{name}"
        );
        if spelt == "cookie" {
            assert_clean_cookies(value.to_str().expect("text"));
        }
        if [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "host",
            "x-openclaw-user",
        ]
        .contains(&spelt.as_str())
        {
            assert!(
                !name.as_str().contains('_') && outgoing.get_all(name).iter().count() == 1,
                "{name}"
            );
        }
    }
    let address = outgoing["x-forwarded-for"]
        .to_str()
        .ok()
        .and_then(|text| text.parse::<std::net::IpAddr>().ok());
    assert!(
        address.is_some_and(|address| !address.to_canonical().is_loopback()),
        "{address:?}"
    );
    if is_from(OWNER, &incoming) {
        let stated: Vec<&HeaderValue> = incoming.get_all("x-molt-user").iter().collect();
        assert!(stated.len() == 1 && stated[0] == OWNER);
    }
    for (name, value) in &to_edge(&incoming, &fallback.seen(18789), websocket) {
        assert!(!plain(name).starts_with("x-molt-"), "{name}");
        if name == "set-cookie" {
            let pair = value.to_str().expect("text").split(';').next().unwrap_or_default();
            let named = pair
                .trim_start_matches([' ', '\t', '='])
                .split('=')
                .next()
                .unwrap_or_default();
            assert!(!is_platform_cookie(named), "{value:?}");
        }
    }
});
