//! Which scope a route asks for: one table, read by the check before every handler, by the OpenAPI document and by the tests.

use crate::caller::{missing, scopes};
use crate::respond::Failure;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use molt_common::identity::Identity;
use molt_common::problem::Problem;
use molt_common::scope::{Scope, permits};
use utoipa::openapi::{OpenApi, security::SecurityRequirement};

/// Method, route and scope.
pub const TABLE: &[(&str, &str, Scope)] = &[
    ("GET", "/api/super/openapi.json", Scope::FleetRead),
    ("GET", "/api/super/users", Scope::FleetRead),
    ("GET", "/api/super/users/lookup/{name}", Scope::FleetRead),
    ("GET", "/api/super/users/{id}/state", Scope::FleetRead),
    ("GET", "/api/super/state/dashboard", Scope::FleetRead),
    ("POST", "/api/super/users/{id}/suspend", Scope::UsersWrite),
    ("POST", "/api/super/users/{id}/reinstate", Scope::UsersWrite),
    ("GET", "/api/super/invitations", Scope::FleetRead),
    ("POST", "/api/super/invitations", Scope::UsersWrite),
    ("DELETE", "/api/super/invitations/{email}", Scope::UsersWrite),
    ("POST", "/api/super/users/{id}/exec", Scope::ExecWrite),
    ("GET", "/api/super/users/{id}/exec/{execId}", Scope::ExecRead),
    ("DELETE", "/api/super/users/{id}/exec/{execId}", Scope::ExecWrite),
    ("GET", "/api/super/users/{id}/exec/{execId}/status", Scope::ExecRead),
    ("GET", "/api/super/keys", Scope::KeysWrite),
    ("POST", "/api/super/keys", Scope::KeysWrite),
    ("GET", "/api/super/keys/{id}", Scope::KeysWrite),
    ("POST", "/api/super/keys/bootstrap", Scope::KeysWrite),
    ("DELETE", "/api/super/keys/{id}", Scope::KeysWrite),
    ("DELETE", "/api/super/keys/bootstrap", Scope::KeysWrite),
    ("GET", "/api/super/audit/verify", Scope::AuditRead),
];

/// The scope of a route; `None` for one that the table does not have, which nobody may call.
pub fn wanted(method: &str, route: &str) -> Option<Scope> {
    // HEAD reads what GET reads.
    let method = if method == "HEAD" { "GET" } else { method };
    let row = TABLE.iter().find(|(verb, path, _)| *verb == method && *path == route);
    row.map(|(_, _, scope)| *scope)
}

/// Whether any method of a route is in the table: another one is then no question of scopes but of methods.
fn is_known(route: &str) -> bool {
    TABLE.iter().any(|(_, path, _)| *path == route)
}

/// Writes the scopes into the document of the routes.
pub fn describe(document: &mut OpenApi) {
    for (route, item) in &mut document.paths.paths {
        let operations = [
            ("GET", &mut item.get),
            ("POST", &mut item.post),
            ("PUT", &mut item.put),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            let Some(scope) = wanted(method, route) else { continue };
            let text = operation.description.take().unwrap_or_default();
            operation.description = Some(format!("{text}\n\nScope: `{scope}`.").trim_start().to_owned());
            operation.security = Some(vec![
                SecurityRequirement::new("adminSecret", [scope.word()]),
                SecurityRequirement::new("adminKey", [scope.word()]),
            ]);
        }
    }
}

/// Stands before every handler.
pub async fn check(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_default();
    let identity = request.extensions().get::<Identity>();
    let refusal = match (wanted(request.method().as_str(), &route), identity) {
        (_, None) => Some(Problem::internal()),
        (Some(scope), Some(identity)) if permits(&scopes(identity), scope) => None,
        (Some(scope), Some(_)) => Some(missing(scope)),
        (None, Some(_)) if is_known(&route) => None,
        (None, Some(_)) => Some(Problem::new(403, "scope_missing", "No scope permits this route.")),
    };
    match refusal {
        Some(problem) => Failure::from(problem).into_response(),
        None => next.run(request).await,
    }
}
