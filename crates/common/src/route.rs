//! The route table of the edge: routes are data. The router is a loop over it; documentation and tests read it.

use crate::flag::Flag;
use crate::path::{self, Spelling};
use crate::problem::Problem;
use crate::provider::PROVIDER_PATH;
use crate::snapshot::REPOSITORY_PATH;

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The whole path.
    Exact(&'static str),
    /// The path itself or anything below it.
    Below(&'static str),
    /// Every path.
    Any,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    None,
    /// A verified user.
    User,
    /// A holder of an admin credential; never a user's cookie.
    Admin,
    /// A holder of a repository's token, which the gateway verifies; never a cookie.
    Repository,
}

/// Which rate-limit policy counts the call (DESIGN section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Not counted.
    Free,
    /// Sign-in.
    Login,
    /// A page of ours by `GET`, a sign-in by `POST`.
    SignInPage,
    /// A page of ours by `GET`, the platform's API by `POST`.
    OwnPage,
    /// Decided by method: admin-read or admin-write.
    Admin,
    /// The platform's API for users; sockets and assets as with [`Limit::Sandbox`].
    Api,
    /// Decided by the request: page, asset or socket.
    Sandbox,
    /// A call to a repository.
    Repository,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The router itself, by this page.
    Router(Page),
    /// Service binding `ADMIN_API`.
    AdminApi,
    /// Service binding `CONTAINER_GATEWAY`.
    ContainerGateway,
}

/// What the router answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Liveness.
    Health,
    /// Flags and service name.
    Status,
    /// Sign-in, or the way to it.
    Login,
    /// Sign-in as a seeded user, in development only.
    DevelopmentLogin,
    /// Takes the provider's token.
    AuthCallback,
    /// Sign-out.
    Logout,
    /// Scripts and styles of the router's own pages.
    Asset,
    /// Reserved for the platform, nothing there yet.
    Reserved,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Paths it covers.
    pub path: Match,
    /// Methods it takes; empty means every method.
    pub methods: &'static [&'static str],
    /// Who may call.
    pub auth: Auth,
    /// Rate-limit class.
    pub limit: Limit,
    /// Flag that sends it to the new backend.
    pub flag: Option<Flag>,
    /// Who answers.
    pub target: Target,
    /// What a cookie opens here only pages of our own origin may change, not those of origins that the operator lists for programs.
    pub own_pages: bool,
}

const GET: &[&str] = &["GET", "HEAD"];
const POST: &[&str] = &["POST"];
const GET_POST: &[&str] = &["GET", "HEAD", "POST"];

const fn own(path: Match, methods: &'static [&'static str], limit: Limit, page: Page) -> Route {
    Route {
        path,
        methods,
        auth: Auth::None,
        limit,
        flag: None,
        target: Target::Router(page),
        own_pages: true,
    }
}

const fn gateway(path: Match, limit: Limit) -> Route {
    Route {
        path,
        methods: &[],
        auth: Auth::User,
        limit,
        flag: Some(Flag::NewContainerGateway),
        target: Target::ContainerGateway,
        own_pages: false,
    }
}

/// A page of ours that the gateway answers.
const fn gateway_page(path: &'static str) -> Route {
    Route {
        methods: GET_POST,
        own_pages: true,
        ..gateway(Match::Exact(path), Limit::OwnPage)
    }
}

const fn admin(path: Match, flag: Option<Flag>) -> Route {
    Route {
        path,
        methods: &[],
        auth: Auth::Admin,
        limit: Limit::Admin,
        flag,
        target: Target::AdminApi,
        own_pages: false,
    }
}

/// First match wins.
pub const TABLE: &[Route] = &[
    own(Match::Exact("/health"), GET, Limit::Free, Page::Health),
    own(Match::Exact("/api/status"), GET, Limit::Free, Page::Status),
    own(Match::Exact("/login"), GET, Limit::Login, Page::Login),
    own(
        Match::Exact("/login/development"),
        POST,
        Limit::Login,
        Page::DevelopmentLogin,
    ),
    own(
        Match::Exact("/auth/callback"),
        GET_POST,
        Limit::SignInPage,
        Page::AuthCallback,
    ),
    own(Match::Exact("/logout"), GET_POST, Limit::OwnPage, Page::Logout),
    own(Match::Below("/_molt/assets"), GET, Limit::Free, Page::Asset),
    // The control plane's own: reachable whatever the flags say, or nobody could set them any more.
    admin(Match::Below("/api/super/flags"), None),
    admin(Match::Below("/api/super/keys"), None),
    admin(Match::Below("/api/super/audit"), None),
    admin(Match::Below("/api/super/migration"), None),
    admin(Match::Below("/api/super/recovery"), None),
    admin(Match::Exact("/api/super/openapi.json"), None),
    admin(Match::Below("/api/super"), Some(Flag::NewAdminApi)),
    own(Match::Below("/api/admin"), &[], Limit::Free, Page::Reserved),
    own(Match::Below("/api/v1"), &[], Limit::Free, Page::Reserved),
    own(Match::Below("/webhooks"), &[], Limit::Free, Page::Reserved),
    // What the gateway asks of what ran before (`ownership::FENCE_PATH`): no client's, wherever his flags send him.
    own(Match::Below("/_molt/ownership"), &[], Limit::Free, Page::Reserved),
    // What sandboxes alone ask, by a name inside their network: a token that was carried out of one opens nothing.
    own(Match::Below(PROVIDER_PATH), &[], Limit::Free, Page::Reserved),
    // Whoever has a token of it, whatever the flags say: what was saved can be reached during a rollback too.
    Route {
        auth: Auth::Repository,
        flag: None,
        ..gateway(Match::Below(REPOSITORY_PATH), Limit::Repository)
    },
    gateway_page("/_molt/restart"),
    // The address that earlier releases had for it; they did it by GET.
    gateway_page("/emergency-reset"),
    gateway(Match::Below("/_molt"), Limit::Api),
    gateway(Match::Below("/_admin"), Limit::Sandbox),
    gateway(Match::Any, Limit::Sandbox),
];

impl Route {
    fn covers(&self, path: &str) -> bool {
        match self.path {
            Match::Exact(exact) => path == exact,
            Match::Below(prefix) => path::below(path, prefix),
            Match::Any => true,
        }
    }
}

/// The row for a request.
///
/// # Errors
/// 400 `ambiguous_path` when the path is an odd spelling of a reserved one, 405 when the row does not take the method.
pub fn find(method: &str, raw_path: &str) -> Result<&'static Route, Problem> {
    let path = match path::spelling(raw_path) {
        Spelling::Plain(path) => path,
        Spelling::Ambiguous => {
            return Err(Problem::new(
                400,
                "ambiguous_path",
                "This path spells a reserved one in an unusual way. Write it without escapes, doubled slashes or capitals.",
            ));
        }
    };
    let route = TABLE
        .iter()
        .find(|route| route.covers(path))
        .ok_or_else(|| Problem::not_found("No route covers this path."))?;
    if route.methods.is_empty() || route.methods.contains(&method) {
        Ok(route)
    } else {
        let allowed = route.methods.join(", ");
        Err(Problem::new(
            405,
            "method_not_allowed",
            format!("{path} takes {allowed}, not {method}."),
        ))
    }
}

/// The `Allow` header of the row for a path, when it names its methods.
#[must_use]
pub fn allow(raw_path: &str) -> Option<String> {
    let route = TABLE.iter().find(|route| route.covers(raw_path))?;
    (!route.methods.is_empty()).then(|| route.methods.join(", "))
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
