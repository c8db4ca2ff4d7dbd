//! Which scope a route asks for: one table, read by the check before every handler, by the OpenAPI document and by the tests.

use crate::caller::{missing, scopes};
use crate::respond::Failure;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::{HeaderValue, Method};
use molt_common::identity::Identity;
use molt_common::job_id::JobKind;
use molt_common::problem::Problem;
use molt_common::scope::{Scope, permits};
use utoipa::openapi::{OpenApi, security::SecurityRequirement};

/// Jobs are about commands or about sandboxes: either scope opens the route, and the handler asks for that of the job's kind ([`of_kind`]).
const SOME_JOBS_READ: &[Scope] = &[Scope::ExecRead, Scope::FleetRead, Scope::ConfigRead, Scope::BackupRead];
const SOME_JOBS_WRITE: &[Scope] = &[
    Scope::ExecWrite,
    Scope::FleetWrite,
    Scope::ConfigWrite,
    Scope::BackupWrite,
    Scope::UsersRemoveWrite,
];

/// What is asked of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// How it stands.
    Read,
    /// That it ends.
    Write,
}

/// The scope that a job of this kind asks for.
pub const fn of_kind(kind: JobKind, asks: Asks) -> Scope {
    match (kind, asks) {
        (JobKind::Exec | JobKind::BulkExec, Asks::Read) => Scope::ExecRead,
        (JobKind::Exec | JobKind::BulkExec, Asks::Write) => Scope::ExecWrite,
        (JobKind::Lifecycle | JobKind::BulkRestart | JobKind::UserRemoval, Asks::Read) => Scope::FleetRead,
        (JobKind::Lifecycle | JobKind::BulkRestart, Asks::Write) => Scope::FleetWrite,
        (JobKind::UserRemoval, Asks::Write) => Scope::UsersRemoveWrite,
        (JobKind::BulkConfig, Asks::Read) => Scope::ConfigRead,
        (JobKind::BulkConfig, Asks::Write) => Scope::ConfigWrite,
    }
}

/// The scope that opens those jobs of this kind that are about snapshots, beside [`of_kind`]: whoever may ask for one may follow it.
pub const fn of_snapshots(kind: JobKind, asks: Asks) -> Option<Scope> {
    match (kind, asks) {
        (JobKind::Lifecycle, Asks::Read) => Some(Scope::BackupRead),
        (JobKind::Lifecycle, Asks::Write) => Some(Scope::BackupWrite),
        _ => None,
    }
}

/// Method, route and scopes, one of which a caller must have.
pub const TABLE: &[(&str, &str, &[Scope])] = &[
    ("GET", "/api/super/openapi.json", &[Scope::FleetRead]),
    ("GET", "/api/super/users", &[Scope::FleetRead]),
    ("GET", "/api/super/users/lookup/{name}", &[Scope::FleetRead]),
    ("GET", "/api/super/users/{id}/state", &[Scope::FleetRead]),
    ("GET", "/api/super/users/{id}/state/v2", &[Scope::FleetRead]),
    ("GET", "/api/super/state/dashboard", &[Scope::FleetRead]),
    ("GET", "/api/super/metrics", &[Scope::FleetRead]),
    ("GET", "/api/super/migration", &[Scope::FleetRead]),
    ("POST", "/api/super/users", &[Scope::UsersWrite]),
    ("GET", "/api/super/users/{id}", &[Scope::FleetRead]),
    ("PATCH", "/api/super/users/{id}", &[Scope::UsersWrite]),
    ("DELETE", "/api/super/users/{id}", &[Scope::UsersRemoveWrite]),
    ("GET", "/api/super/users/{id}/removal", &[Scope::FleetRead]),
    ("GET", "/api/super/users/{id}/export", &[Scope::BackupAccessWrite]),
    ("POST", "/api/super/users/{id}/suspend", &[Scope::UsersWrite]),
    ("POST", "/api/super/users/{id}/reinstate", &[Scope::UsersWrite]),
    ("GET", "/api/super/invitations", &[Scope::FleetRead]),
    ("POST", "/api/super/invitations", &[Scope::UsersWrite]),
    ("DELETE", "/api/super/invitations/{email}", &[Scope::UsersWrite]),
    ("GET", "/api/super/users/{id}/exec", &[Scope::ExecRead]),
    ("POST", "/api/super/users/{id}/exec", &[Scope::ExecWrite]),
    ("POST", "/api/super/users/{id}/exec-sync", &[Scope::ExecWrite]),
    ("GET", "/api/super/users/{id}/exec/{execId}", &[Scope::ExecRead]),
    ("DELETE", "/api/super/users/{id}/exec/{execId}", &[Scope::ExecWrite]),
    (
        "POST",
        "/api/super/users/{id}/exec/{execId}/cancel",
        &[Scope::ExecWrite],
    ),
    ("GET", "/api/super/users/{id}/exec/{execId}/output", &[Scope::ExecRead]),
    ("GET", "/api/super/users/{id}/exec/{execId}/status", &[Scope::ExecRead]),
    ("GET", "/api/super/jobs", SOME_JOBS_READ),
    ("GET", "/api/super/jobs/{id}", SOME_JOBS_READ),
    ("DELETE", "/api/super/jobs/{id}", SOME_JOBS_WRITE),
    ("GET", "/api/super/jobs/{id}/children", SOME_JOBS_READ),
    ("POST", "/api/super/bulk/exec", &[Scope::ExecWrite]),
    ("POST", "/api/super/bulk/restart", &[Scope::FleetWrite]),
    ("POST", "/api/super/bulk/config-patch", &[Scope::ConfigWrite]),
    ("GET", "/api/super/users/{id}/config", &[Scope::ConfigRead]),
    ("PUT", "/api/super/users/{id}/config", &[Scope::ConfigWrite]),
    ("PATCH", "/api/super/users/{id}/config", &[Scope::ConfigWrite]),
    ("GET", "/api/super/users/{id}/config/history", &[Scope::ConfigRead]),
    ("GET", "/api/super/users/{id}/config/diff", &[Scope::ConfigRead]),
    ("POST", "/api/super/users/{id}/config/rollback", &[Scope::ConfigWrite]),
    ("POST", "/api/super/users/{id}/config/reload", &[Scope::ConfigWrite]),
    ("POST", "/api/super/users/{id}/wake", &[Scope::FleetWrite]),
    ("POST", "/api/super/users/{id}/restart", &[Scope::FleetWrite]),
    ("POST", "/api/super/users/{id}/restart-async", &[Scope::FleetWrite]),
    ("POST", "/api/super/users/{id}/emergency-reset", &[Scope::FleetWrite]),
    ("POST", "/api/super/users/{id}/destroy", &[Scope::FleetWrite]),
    ("PUT", "/api/super/users/{id}/tier", &[Scope::FleetWrite]),
    ("GET", "/api/super/users/{id}/image", &[Scope::FleetRead]),
    ("PUT", "/api/super/users/{id}/image", &[Scope::FleetWrite]),
    ("GET", "/api/super/users/{id}/files", &[Scope::FilesRead]),
    ("POST", "/api/super/users/{id}/files/batch", &[Scope::FilesWrite]),
    ("GET", "/api/super/users/{id}/files/{*path}", &[Scope::FilesRead]),
    ("PUT", "/api/super/users/{id}/files/{*path}", &[Scope::FilesWrite]),
    ("DELETE", "/api/super/users/{id}/files/{*path}", &[Scope::FilesWrite]),
    ("GET", "/api/super/users/{id}/keep-alive", &[Scope::FleetRead]),
    ("PUT", "/api/super/users/{id}/keep-alive", &[Scope::FleetWrite]),
    ("GET", "/api/super/users/{id}/outbound", &[Scope::FleetRead]),
    ("PUT", "/api/super/users/{id}/outbound", &[Scope::FleetWrite]),
    ("DELETE", "/api/super/users/{id}/outbound", &[Scope::FleetWrite]),
    ("GET", "/api/super/users/{id}/backups", &[Scope::BackupRead]),
    ("POST", "/api/super/users/{id}/backups", &[Scope::BackupWrite]),
    (
        "POST",
        "/api/super/users/{id}/backups/access",
        &[Scope::BackupAccessWrite],
    ),
    ("GET", "/api/super/users/{id}/backups/import", &[Scope::BackupRead]),
    ("POST", "/api/super/users/{id}/backups/import", &[Scope::BackupWrite]),
    ("POST", "/api/super/users/{id}/backups/prune", &[Scope::BackupWrite]),
    ("GET", "/api/super/users/{id}/backups/{snapshot}", &[Scope::BackupRead]),
    (
        "DELETE",
        "/api/super/users/{id}/backups/{snapshot}",
        &[Scope::BackupWrite],
    ),
    (
        "POST",
        "/api/super/users/{id}/backups/{snapshot}/restore",
        &[Scope::BackupWrite],
    ),
    (
        "POST",
        "/api/super/users/{id}/backups/{snapshot}/verify",
        &[Scope::BackupWrite],
    ),
    (
        "POST",
        "/api/super/users/{id}/backups/{snapshot}/pin",
        &[Scope::BackupWrite],
    ),
    (
        "POST",
        "/api/super/users/{id}/backups/{snapshot}/unpin",
        &[Scope::BackupWrite],
    ),
    (
        "POST",
        "/api/super/users/{id}/backups/{snapshot}/release",
        &[Scope::BackupWrite],
    ),
    ("POST", "/api/super/users/{id}/sync-async", &[Scope::BackupWrite]),
    ("POST", "/api/super/users/{id}/force-sync", &[Scope::BackupWrite]),
    ("POST", "/api/super/users/{id}/backup-safe", &[Scope::BackupWrite]),
    ("GET", "/api/super/users/{id}/r2-status", &[Scope::BackupRead]),
    ("GET", "/api/super/users/{id}/r2-health", &[Scope::BackupRead]),
    ("GET", "/api/super/cost", &[Scope::CostRead]),
    ("GET", "/api/super/cost/rates", &[Scope::CostRead]),
    ("GET", "/api/super/cost/users/{id}", &[Scope::CostRead]),
    ("GET", "/api/super/users/{id}/cost", &[Scope::CostRead]),
    ("GET", "/api/super/users/{id}/budget", &[Scope::CostRead]),
    ("PUT", "/api/super/users/{id}/budget", &[Scope::CostWrite]),
    ("DELETE", "/api/super/users/{id}/budget", &[Scope::CostWrite]),
    ("GET", "/api/super/users/{id}/secrets", &[Scope::SecretsRead]),
    ("PUT", "/api/super/users/{id}/secrets/{name}", &[Scope::SecretsWrite]),
    ("DELETE", "/api/super/users/{id}/secrets/{name}", &[Scope::SecretsWrite]),
    ("GET", "/api/super/keys", &[Scope::KeysWrite]),
    ("POST", "/api/super/keys", &[Scope::KeysWrite]),
    ("GET", "/api/super/keys/{id}", &[Scope::KeysWrite]),
    ("POST", "/api/super/keys/bootstrap", &[Scope::KeysWrite]),
    ("DELETE", "/api/super/keys/{id}", &[Scope::KeysWrite]),
    ("DELETE", "/api/super/keys/bootstrap", &[Scope::KeysWrite]),
    ("GET", "/api/super/audit/verify", &[Scope::AuditRead]),
    ("GET", "/api/super/recovery", &[Scope::RecoveryRead]),
    ("GET", "/api/super/recovery/export", &[Scope::RecoveryRead]),
    ("POST", "/api/super/recovery/restore", &[Scope::RecoveryWrite]),
    (
        "POST",
        "/api/super/recovery/restore/members/{number}",
        &[Scope::RecoveryWrite],
    ),
    ("POST", "/api/super/recovery/restore/finish", &[Scope::RecoveryWrite]),
    ("GET", "/api/super/flags", &[Scope::FleetRead]),
    ("GET", "/api/super/flags/{name}", &[Scope::FleetRead]),
    ("PUT", "/api/super/flags/{name}", &[Scope::FlagsWrite]),
    ("DELETE", "/api/super/flags/{name}", &[Scope::FlagsWrite]),
    ("GET", "/api/super/flags/{name}/history", &[Scope::FleetRead]),
    ("POST", "/api/super/flags/{name}/undo", &[Scope::FlagsWrite]),
    ("GET", "/api/super/flags/{name}/evaluate", &[Scope::FleetRead]),
];

/// The scopes of a route, one of which a caller must have; `None` for one that the table does not have, which nobody may call.
pub fn wanted(method: &str, route: &str) -> Option<&'static [Scope]> {
    // HEAD reads what GET reads.
    let method = if method == "HEAD" { "GET" } else { method };
    let row = TABLE.iter().find(|(verb, path, _)| *verb == method && *path == route);
    row.map(|(_, _, scopes)| *scopes)
}

/// Methods of a route that the table has.
fn methods(route: &str) -> Vec<&'static str> {
    let rows = TABLE.iter().filter(|(_, path, _)| *path == route);
    rows.map(|(method, _, _)| *method).collect()
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
            let Some(scopes) = wanted(method, route) else { continue };
            let text = operation.description.take().unwrap_or_default();
            let words: Vec<String> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
            let kinds = if scopes.len() > 1 {
                ", as the job's kind asks"
            } else {
                ""
            };
            let text = format!("{text}\n\nScope: {}{kinds}.", words.join(" or "));
            operation.description = Some(text.trim_start().to_owned());
            let either = scopes.iter().flat_map(|scope| {
                ["adminSecret", "adminKey"].map(|name| SecurityRequirement::new(name, [scope.word()]))
            });
            operation.security = Some(either.collect());
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
        (_, None) => Problem::internal(),
        (Some(wanted), Some(identity)) if is_permitted(&scopes(identity), wanted) => return next.run(request).await,
        (Some(wanted), Some(_)) => missing(wanted),
        (None, Some(_)) => return unlisted(request.method(), &route),
    };
    Failure::from(refusal).into_response()
}

fn is_permitted(held: &[Scope], wanted: &[Scope]) -> bool {
    wanted.iter().any(|scope| permits(held, *scope))
}

/// What the table does not have never reaches a handler, not even one that somebody forgot to list.
fn unlisted(method: &Method, route: &str) -> Response {
    let methods = methods(route);
    if methods.is_empty() {
        return Failure::from(Problem::new(403, "scope_missing", "No scope permits this route.")).into_response();
    }
    let text = format!("This path does not take {method}.");
    let mut response = Failure::from(Problem::new(405, "method_not_allowed", text)).into_response();
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::{Asks, TABLE, of_kind, of_snapshots, wanted};
    use crate::routes::documented;
    use molt_common::job_id::JobKind;

    #[test]
    fn every_documented_route_has_a_row_and_every_row_a_route() {
        let (_, document) = documented();
        let mut count = 0;
        for (route, item) in &document.paths.paths {
            for (method, operation) in [
                ("GET", &item.get),
                ("POST", &item.post),
                ("PUT", &item.put),
                ("PATCH", &item.patch),
                ("DELETE", &item.delete),
                ("HEAD", &item.head),
                ("OPTIONS", &item.options),
            ] {
                let Some(operation) = operation else { continue };
                count += 1;
                let scopes = wanted(method, route).unwrap_or_default();
                assert!(!scopes.is_empty(), "{method} {route} has no row");
                let text = operation.description.as_deref().unwrap_or_default();
                for scope in scopes {
                    assert!(text.contains(&format!("`{scope}`")), "{method} {route}: {text}");
                }
                let ways = operation.security.as_ref().map(Vec::len);
                assert_eq!(ways, Some(2 * scopes.len()), "{method} {route}");
            }
        }
        // The document itself is not in the document.
        assert_eq!(TABLE.len(), count + 1);
    }

    #[test]
    fn what_changes_something_asks_for_a_scope_that_writes() {
        for (method, route, scopes) in TABLE.iter().filter(|(method, _, _)| *method != "GET") {
            for scope in *scopes {
                assert!(scope.word().ends_with(":write"), "{method} {route}");
            }
        }
    }

    #[test]
    fn a_kind_of_job_asks_for_a_scope_that_opens_the_route() {
        for kind in JobKind::ALL {
            for (method, asks) in [("GET", Asks::Read), ("DELETE", Asks::Write)] {
                let scopes = wanted(method, "/api/super/jobs/{id}").unwrap_or_default();
                assert!(scopes.contains(&of_kind(kind, asks)), "{kind:?} {asks:?}");
                let besides = of_snapshots(kind, asks);
                assert!(besides.is_none_or(|scope| scopes.contains(&scope)), "{kind:?} {asks:?}");
            }
        }
        assert_ne!(
            of_kind(JobKind::Exec, Asks::Read),
            of_kind(JobKind::Lifecycle, Asks::Read)
        );
    }
}
