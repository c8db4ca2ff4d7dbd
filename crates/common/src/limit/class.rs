//! Which policy counts a request.

use crate::route::Limit;

/// One policy and the requests that it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Documents and whatever else is asked of a sandbox; pages of ours that need no sign-in.
    Page,
    /// What a page loads: `GET` with `Sec-Fetch-Dest` script, style, image or font. A page load is dozens of these.
    Asset,
    /// WebSocket upgrades.
    Socket,
    /// The platform's own API for users (`/_molt`), and signing out.
    Api,
    /// Calls to a sandbox's repository from outside. Those of the sandbox itself do not come through the router.
    Sandbox,
    /// The admin API, reading.
    AdminRead,
    /// The admin API, changing.
    AdminWrite,
    /// Calls to the admin API without a good credential.
    AdminGuess,
    /// Signing in.
    Login,
}

/// Where a class is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// In each isolate of the router, shared through KV: cheap, exact within an isolate, late between them.
    Isolate,
    /// In one place for everybody: never one too many.
    Object,
}

/// What of a request decides its class.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits<'a> {
    /// HTTP method, upper case.
    pub method: &'a str,
    /// A WebSocket upgrade.
    pub upgrade: bool,
    /// `Sec-Fetch-Dest`: what a browser wants it for. A program may claim anything; it wins the allowance of a page load.
    pub destination: Option<&'a str>,
}

impl Traits<'_> {
    fn reads(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }

    fn is_asset(&self) -> bool {
        self.method == "GET" && matches!(self.destination, Some("script" | "style" | "image" | "font"))
    }
}

impl Class {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Page,
        Self::Asset,
        Self::Socket,
        Self::Api,
        Self::Sandbox,
        Self::AdminRead,
        Self::AdminWrite,
        Self::AdminGuess,
        Self::Login,
    ];

    /// The class of a request on a route with this limit; `None`: it is not counted. `OPTIONS` from a browser that asks before a call from
    /// another origin never gets here.
    #[must_use]
    pub fn of(limit: Limit, request: &Traits<'_>) -> Option<Self> {
        match limit {
            Limit::Free => None,
            Limit::Login => Some(Self::Login),
            Limit::SignInPage if request.reads() => Some(Self::Page),
            Limit::SignInPage => Some(Self::Login),
            Limit::OwnPage if request.reads() => Some(Self::Page),
            Limit::OwnPage => Some(Self::Api),
            Limit::Admin if request.reads() => Some(Self::AdminRead),
            Limit::Admin => Some(Self::AdminWrite),
            Limit::Api | Limit::Sandbox if request.upgrade => Some(Self::Socket),
            Limit::Api | Limit::Sandbox if request.is_asset() => Some(Self::Asset),
            Limit::Api => Some(Self::Api),
            Limit::Sandbox => Some(Self::Page),
            Limit::Repository => Some(Self::Sandbox),
        }
    }

    /// The class that counts a request whose credential was not good: a guess at an admin credential has its own, so that it takes nothing
    /// from whoever holds one.
    #[must_use]
    pub const fn unverified(self) -> Self {
        match self {
            Self::AdminRead | Self::AdminWrite => Self::AdminGuess,
            other => other,
        }
    }

    /// Its name in configuration, headers and keys.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Asset => "asset",
            Self::Socket => "socket",
            Self::Api => "api",
            Self::Sandbox => "sandbox",
            Self::AdminRead => "admin-read",
            Self::AdminWrite => "admin-write",
            Self::AdminGuess => "admin-guess",
            Self::Login => "login",
        }
    }

    /// The class of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Where it is counted.
    #[must_use]
    pub const fn keeper(self) -> Keeper {
        match self {
            Self::AdminWrite | Self::AdminGuess | Self::Login => Keeper::Object,
            Self::Page | Self::Asset | Self::Socket | Self::Api | Self::Sandbox | Self::AdminRead => Keeper::Isolate,
        }
    }

    /// Whether a request is refused when nobody can count it, because what it may do is worse than waiting.
    #[must_use]
    pub const fn fails_closed(self) -> bool {
        matches!(self, Self::AdminWrite)
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Keeper, Traits};
    use crate::route::{self, Limit};

    fn class(method: &str, path: &str, destination: Option<&str>, upgrade: bool) -> Option<Class> {
        let traits = Traits {
            method,
            upgrade,
            destination,
        };
        Class::of(route::find(method, path).unwrap().limit, &traits)
    }

    #[test]
    fn each_request_has_the_class_of_what_it_costs() {
        let plain = |method, path| class(method, path, None, false);
        for (method, path, expected) in [
            ("GET", "/health", None),
            ("GET", "/api/status", None),
            ("GET", "/_molt/assets/boot.js", None),
            ("GET", "/login", Some(Class::Login)),
            ("POST", "/login/development", Some(Class::Login)),
            ("GET", "/auth/callback", Some(Class::Page)),
            ("POST", "/auth/callback", Some(Class::Login)),
            ("GET", "/logout", Some(Class::Page)),
            ("POST", "/logout", Some(Class::Api)),
            ("GET", "/api/super/users", Some(Class::AdminRead)),
            ("HEAD", "/api/super/users", Some(Class::AdminRead)),
            ("OPTIONS", "/api/super/users", Some(Class::AdminRead)),
            ("PUT", "/api/super/users", Some(Class::AdminWrite)),
            ("MAKEUP", "/api/super/users", Some(Class::AdminWrite)),
            ("GET", "/_molt/boot", Some(Class::Api)),
            ("GET", "/_molt/boot/events", Some(Class::Api)),
            ("GET", "/_molt/restart", Some(Class::Page)),
            ("POST", "/_molt/restart", Some(Class::Api)),
            ("GET", "/_molt/boot/events", Some(Class::Api)),
            ("GET", "/_molt/restart", Some(Class::Page)),
            ("POST", "/_molt/restart", Some(Class::Api)),
            ("POST", "/emergency-reset", Some(Class::Api)),
            ("GET", "/_molt/repository/x/restic/config", Some(Class::Sandbox)),
            ("DELETE", "/_molt/repository", Some(Class::Sandbox)),
            ("GET", "/", Some(Class::Page)),
            ("POST", "/anything", Some(Class::Page)),
            ("GET", "/_admin/", Some(Class::Page)),
        ] {
            assert_eq!(plain(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn only_a_get_that_a_page_loads_is_an_asset() {
        for destination in ["script", "style", "image", "font"] {
            assert_eq!(class("GET", "/a.js", Some(destination), false), Some(Class::Asset));
            assert_eq!(class("POST", "/a.js", Some(destination), false), Some(Class::Page));
        }
        for destination in ["document", "empty", "iframe", "Script", "", "websocket"] {
            let seen = class("GET", "/a.js", Some(destination), false);
            assert_eq!(seen, Some(Class::Page), "{destination}");
        }
        // An admin's call is one, whatever it is wanted for.
        assert_eq!(
            class("GET", "/api/super/users", Some("image"), false),
            Some(Class::AdminRead)
        );
    }

    #[test]
    fn an_upgrade_is_a_socket_where_sockets_are() {
        assert_eq!(class("GET", "/", Some("websocket"), true), Some(Class::Socket));
        assert_eq!(class("GET", "/_molt/socket", None, true), Some(Class::Socket));
        assert_eq!(class("GET", "/api/super/users", None, true), Some(Class::AdminRead));
        assert_eq!(class("GET", "/login", None, true), Some(Class::Login));
    }

    #[test]
    fn a_bad_credential_is_never_counted_where_good_ones_are() {
        for class in [Class::AdminRead, Class::AdminWrite] {
            assert_eq!(class.unverified(), Class::AdminGuess);
        }
        for class in Class::ALL {
            assert_eq!(class.unverified().unverified(), class.unverified());
        }
    }

    #[test]
    fn every_route_that_leaves_the_router_is_counted() {
        for row in route::TABLE {
            if !matches!(row.target, route::Target::Router(_)) {
                assert_ne!(row.limit, Limit::Free, "{row:?}");
            }
        }
    }

    #[test]
    fn names_lead_back_and_the_strict_ones_are_three() {
        for class in Class::ALL {
            assert_eq!(Class::named(class.word()), Some(class));
        }
        assert_eq!(Class::named("Page"), None);
        let strict = Class::ALL
            .into_iter()
            .filter(|class| class.keeper() == Keeper::Object)
            .count();
        assert_eq!(strict, 3);
    }
}
