//! The cookies of one browser, as far as the tests need them.

use crate::call::Call;
use crate::reply::Reply;
use molt_common::cookie::ENDING;
use reqwest::header::HeaderMap;
use std::collections::BTreeMap;

/// Cookies by name.
#[derive(Clone, Default)]
pub struct Jar {
    cookies: BTreeMap<String, String>,
    secure: bool,
}

impl Jar {
    /// The cookies of a browser on a secure origin.
    #[must_use]
    pub fn secure() -> Self {
        Self {
            secure: true,
            ..Self::default()
        }
    }

    /// The value of a cookie.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Puts a cookie in, as a page or a neighbour would.
    pub fn put(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.into(), value.into());
    }

    /// Loses a cookie, as a browser does when its time is over.
    pub fn lose(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    /// Names of all cookies.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.cookies.keys().map(String::as_str).collect()
    }

    /// `Cookie`.
    #[must_use]
    pub fn header(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Sends the cookies along.
    pub fn on<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.header("cookie", &self.header())
    }

    /// Takes the answer's cookies as a browser does: on plain `http` none that asks for a secure origin.
    pub fn take(&mut self, reply: &Reply) {
        self.take_from(&reply.headers);
    }

    /// The same for the headers of any answer.
    ///
    /// # Panics
    /// When a cookie is not closed to scripts and other sites.
    pub fn take_from(&mut self, headers: &HeaderMap) {
        for set in headers.get_all("set-cookie") {
            let set = set.to_str().expect("text");
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').expect("name=value");
            let is = |wanted: &str| attributes.split(';').any(|one| one.trim().eq_ignore_ascii_case(wanted));
            // The one that holds a session which is still to be ended is for /logout alone.
            let everywhere = is("SameSite=Lax") && is("Path=/");
            let ending = name == ENDING && is("SameSite=Strict") && is("Path=/logout");
            assert!(is("HttpOnly") && (everywhere || ending), "{set}");
            assert!(!attributes.to_ascii_lowercase().contains("domain"), "{set}");
            assert!(is("Secure") || !name.starts_with("__Host-"), "{set}");
            if is("Secure") && !self.secure {
                continue;
            }
            if is("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
    }
}
