//! Which headers the agent sees, and which of its own the edge sees. Pure.

use std::net::{IpAddr, Ipv4Addr};

use hyper::Uri;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use molt_common::answer_header;
use molt_common::control::header as molt;
use molt_common::trust::SessionRef;

use super::address::Seen;
use super::sessions::Session;
use crate::agent::USER_HEADER;

/// Stands in for a client address that is missing or loopback. The agent takes a proxied request only from a client that is not local; this
/// address is reserved for documentation (RFC 5737), so it is nobody's and can match no rule about real networks.
const UNKNOWN_CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Headers that speak about one connection only (RFC 9110 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Credentials and statements about the client that only the platform may make.
const WITHHELD: [&str; 10] = [
    "authorization",
    "x-admin-secret",
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "expect",
    "accept-encoding",
    "content-length",
    "host",
];
const WITHHELD_PREFIXES: [&str; 3] = ["x-molt-", "x-forwarded-", "cf-"];

/// What stands in for a public address that the edge did not tell: the first of the sandbox's own origins.
#[derive(Clone, Debug)]
pub struct PublicAddress {
    proto: &'static str,
    host: HeaderValue,
}

impl PublicAddress {
    /// From an origin such as `https://host:port`.
    pub fn of_origin(origin: &str) -> Option<Self> {
        let uri: Uri = origin.parse().ok()?;
        let proto = proto(uri.scheme_str()?)?;
        Some(Self {
            proto,
            host: HeaderValue::from_str(uri.authority()?.as_str()).ok()?,
        })
    }

    /// What the edge states, each part on its own.
    pub fn stated(headers: &HeaderMap, fallback: &Self) -> Self {
        let proto = single(headers, molt::PROTO)
            .and_then(|value| proto(value.to_str().ok()?))
            .unwrap_or(fallback.proto);
        let host = single(headers, molt::HOST)
            .filter(|host| is_authority(host))
            .unwrap_or(&fallback.host)
            .clone();
        Self { proto, host }
    }

    /// Where a client finds the agent that listens on this loopback port.
    pub fn seen(&self, agent_port: u16) -> Seen<'_> {
        Seen {
            proto: self.proto,
            // Only an authority gets here, and that is text.
            host: self.host.to_str().unwrap_or_default(),
            agent_port,
        }
    }

    /// Adds what [`Self::stated`] reads.
    pub fn state(&self, headers: &mut HeaderMap) {
        headers.insert(molt::PROTO, HeaderValue::from_static(self.proto));
        headers.insert(molt::HOST, self.host.clone());
    }
}

fn proto(text: &str) -> Option<&'static str> {
    ["https", "http"]
        .into_iter()
        .find(|known| text.eq_ignore_ascii_case(known))
}

/// Whether the request comes from `owner`: exactly one identity is stated, and it is that one.
pub fn is_from(owner: &str, headers: &HeaderMap) -> bool {
    let mut stated = headers.get_all(molt::USER).iter();
    match (stated.next(), stated.next()) {
        (Some(user), None) => user.as_bytes() == owner.as_bytes(),
        _ => false,
    }
}

/// The session that the edge states. `None` when what it states cannot be read: such a request must not pass for one without.
pub fn session(headers: &HeaderMap) -> Option<Session> {
    let stated = |name| {
        let present = headers.contains_key(name);
        let text = single(headers, name).and_then(|value| value.to_str().ok());
        (present == text.is_some()).then_some(text)
    };
    let name = match stated(molt::SESSION)? {
        Some(text) => Some(SessionRef::parse(text)?),
        None => None,
    };
    let until = match stated(molt::SESSION_UNTIL)? {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(Session { name, until })
}

/// Whether the request asks for a WebSocket.
pub fn is_websocket(headers: &HeaderMap) -> bool {
    tokens(headers, &header::UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
        && tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// What the client itself accepts as coding; `identity` when it named none.
pub fn client_encoding(headers: &HeaderMap) -> HeaderValue {
    single(headers, molt::ACCEPT_ENCODING)
        .cloned()
        .unwrap_or(HeaderValue::from_static("identity"))
}

/// Headers of a request as the agent is to see them. How long the body is says the body itself: two that differ would be two requests to somebody.
pub fn to_agent(incoming: &HeaderMap, owner: &str, fallback: &PublicAddress, websocket: bool) -> HeaderMap {
    let named: Vec<String> = tokens(incoming, &header::CONNECTION)
        .map(str::to_ascii_lowercase)
        .collect();
    let mut outgoing = HeaderMap::with_capacity(incoming.len() + 6);
    for (name, value) in incoming {
        if !is_withheld(name) && *name != header::COOKIE && !named.iter().any(|hop| hop == name.as_str()) {
            outgoing.append(name, value.clone());
        }
    }
    for cookie in incoming.get_all(header::COOKIE) {
        // A cookie header that is not text cannot be searched for ours, so it does not pass.
        let rest = cookie
            .to_str()
            .ok()
            .and_then(molt_common::cookie::foreign)
            .and_then(|rest| HeaderValue::from_str(&rest).ok());
        if let Some(rest) = rest {
            outgoing.append(header::COOKIE, rest);
        }
    }
    let PublicAddress { proto, host } = PublicAddress::stated(incoming, fallback);
    outgoing.insert(header::HOST, host.clone());
    outgoing.insert(HeaderName::from_static("x-forwarded-host"), host);
    outgoing.insert(
        HeaderName::from_static("x-forwarded-proto"),
        HeaderValue::from_static(proto),
    );
    outgoing.insert(header::ACCEPT_ENCODING, client_encoding(incoming));
    if let Ok(client) = HeaderValue::from_str(&client_address(incoming).to_string()) {
        outgoing.insert(HeaderName::from_static("x-forwarded-for"), client);
    }
    // The settings allow only owners that fit into a header.
    if let Ok(user) = HeaderValue::from_str(owner) {
        outgoing.insert(HeaderName::from_static(USER_HEADER), user);
    }
    if websocket {
        outgoing.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        outgoing.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    outgoing
}

/// Headers of an answer as the edge is to see them, for a client that finds the agent at `seen`.
pub fn to_edge(incoming: &HeaderMap, seen: &Seen<'_>, websocket: bool) -> HeaderMap {
    let named: Vec<String> = tokens(incoming, &header::CONNECTION)
        .map(str::to_ascii_lowercase)
        .collect();
    // A length beside chunks is not the length.
    let chunked = incoming.contains_key(header::TRANSFER_ENCODING);
    let mut outgoing = HeaderMap::with_capacity(incoming.len());
    for (name, value) in incoming {
        let hop = HOP_BY_HOP.contains(&name.as_str()) || named.iter().any(|hop| hop == name.as_str());
        // The edge reads `x-molt-` headers as the supervisor's own words.
        if hop || plain_spelling(name).starts_with("x-molt-") || (chunked && *name == header::CONTENT_LENGTH) {
            continue;
        }
        let text = value.to_str().ok();
        let rewritten = match *name {
            header::SET_COOKIE => text.and_then(|text| seen.host_only(text)),
            header::LOCATION | header::CONTENT_LOCATION => text.and_then(|text| seen.public_form(text)),
            _ => None,
        };
        let value = rewritten
            .and_then(|text| HeaderValue::from_str(&text).ok())
            .unwrap_or_else(|| value.clone());
        let ours = *name == header::SET_COOKIE && value.to_str().map_or(true, answer_header::is_cookie_stripped);
        if !ours {
            outgoing.append(name, value);
        }
    }
    if websocket {
        outgoing.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        outgoing.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    outgoing
}

/// `X_Forwarded_For` and `x-forwarded-for` are the same variable to many programs, so they are the same name here.
fn plain_spelling(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

fn is_withheld(name: &HeaderName) -> bool {
    let name = plain_spelling(name);
    HOP_BY_HOP.contains(&name.as_str())
        || WITHHELD.contains(&name.as_str())
        || name == USER_HEADER
        || WITHHELD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A header that stands there exactly once. Two that differ would let the agent and us believe different ones.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

fn is_authority(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| {
        text.parse::<hyper::http::uri::Authority>()
            .is_ok_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())
    })
}

/// Address of the client, never a local one.
fn client_address(headers: &HeaderMap) -> IpAddr {
    let stated = single(headers, molt::CLIENT_IP).and_then(|value| value.to_str().ok()?.trim().parse::<IpAddr>().ok());
    stated
        .map(|address| address.to_canonical())
        .filter(|address| !address.is_loopback() && !address.is_unspecified())
        .unwrap_or(UNKNOWN_CLIENT)
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
