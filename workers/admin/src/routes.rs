//! `/api/super`: one file per resource. The OpenAPI document is generated from the handlers.

mod audit;
mod backups;
mod budget;
mod bulk;
pub mod config;
mod cost;
mod exec;
mod export;
pub mod files;
mod flags;
mod invitations;
mod jobs;
mod keys;
mod lifecycle;
mod metrics;
mod migration;
mod outbound;
mod profile;
mod recovery;
mod removal;
mod secrets;
mod state;
mod suspension;
mod users;

use crate::extract::LONGEST_BODY;
use crate::permission;
use crate::recovery::under_way;
use crate::respond::Failure;
use axum::extract::DefaultBodyLimit;
use axum::{Json, Router};
use http::{Method, Uri};
use molt_common::api::exec::{ExecChange, ExecEnd};
use molt_common::problem::Problem;
use std::cell::OnceCell;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use worker::Env;

#[derive(OpenApi)]
#[openapi(
    info(title = "Moltworker admin API", description = "For operators and scripts. Errors are application/problem+json (Problem)."),
    modifiers(&Credentials),
    components(schemas(Problem, ExecChange, ExecEnd)),
    security(("adminSecret" = []), ("adminKey" = []))
)]
struct Document;

/// How callers prove who they are.
struct Credentials;

impl utoipa::Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme(
            "adminSecret",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-Admin-Secret",
                "An admin key (molt_…) or the bootstrap secret",
            ))),
        );
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("molt_<id>_<secret>")
            .description(Some("An admin key"));
        components.add_security_scheme("adminKey", SecurityScheme::Http(bearer.build()));
    }
}

thread_local! {
    // Building the routes and their document takes longer than most answers; neither changes while an isolate lives.
    static ROUTER: OnceCell<Router> = const { OnceCell::new() };
}

/// The routes.
pub fn router(env: &Env) -> Router {
    ROUTER.with(|router| router.get_or_init(|| build(env.clone())).clone())
}

/// The routes, and the document that describes them.
pub fn documented() -> (Router<Env>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(users::list, profile::create))
        .routes(routes!(users::lookup))
        .routes(routes!(profile::read, profile::change, removal::remove))
        .routes(routes!(removal::report))
        .routes(routes!(export::export))
        .routes(routes!(state::of_user))
        .routes(routes!(state::live))
        .routes(routes!(state::dashboard))
        .routes(routes!(suspension::suspend))
        .routes(routes!(suspension::reinstate))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::withdraw))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::switch_bootstrap_on, keys::switch_bootstrap_off))
        .routes(routes!(keys::read, keys::revoke))
        .routes(routes!(audit::verify))
        .routes(routes!(recovery::read))
        .routes(routes!(recovery::export))
        .routes(routes!(recovery::begin))
        .routes(routes!(recovery::member))
        .routes(routes!(recovery::finish))
        .routes(routes!(flags::list))
        .routes(routes!(flags::read, flags::set, flags::clear))
        .routes(routes!(flags::history))
        .routes(routes!(flags::undo))
        .routes(routes!(flags::evaluate))
        .routes(routes!(migration::status))
        .routes(routes!(metrics::read))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::read, jobs::cancel))
        .routes(routes!(jobs::children))
        .routes(routes!(bulk::exec::submit))
        .routes(routes!(bulk::restart::submit))
        .routes(routes!(bulk::config::submit))
        .routes(routes!(config::read::read, config::change::put, config::change::patch))
        .routes(routes!(config::read::history))
        .routes(routes!(config::read::diff))
        .routes(routes!(config::change::rollback))
        .routes(routes!(config::read::reload))
        .routes(routes!(lifecycle::wake::wake))
        .routes(routes!(lifecycle::restart::restart))
        .routes(routes!(lifecycle::restart::restart_async))
        .routes(routes!(lifecycle::restart::emergency_reset))
        .routes(routes!(lifecycle::destroy::destroy))
        .routes(routes!(lifecycle::tier::set))
        .routes(routes!(lifecycle::image::read, lifecycle::image::set))
        .routes(routes!(lifecycle::keep_alive::read, lifecycle::keep_alive::set))
        .routes(routes!(outbound::read, outbound::set, outbound::clear))
        .routes(routes!(backups::list::list, backups::save::save))
        .routes(routes!(backups::upkeep::prune))
        .routes(routes!(backups::legacy::read, backups::legacy::decide))
        .routes(routes!(backups::access::grant))
        .routes(routes!(backups::list::read, backups::decide::forget))
        .routes(routes!(backups::restore::restore))
        .routes(routes!(backups::upkeep::verify))
        .routes(routes!(backups::decide::pin))
        .routes(routes!(backups::decide::unpin))
        .routes(routes!(backups::decide::release))
        .routes(routes!(backups::save::sync_async))
        .routes(routes!(backups::save::force_sync))
        .routes(routes!(backups::save::backup_safe))
        .routes(routes!(backups::storage::status))
        .routes(routes!(backups::storage::health))
        .routes(routes!(files::read::list))
        .routes(routes!(files::batch::run))
        .routes(routes!(files::read::read, files::write::write, files::write::remove))
        .routes(routes!(cost::fleet))
        .routes(routes!(cost::rates))
        .routes(routes!(cost::of_user))
        .routes(routes!(cost::of_user_as_before))
        .routes(routes!(budget::read, budget::set, budget::clear))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::set, secrets::remove))
        .routes(routes!(exec::submit::submit, exec::list::list))
        .routes(routes!(exec::sync::run))
        .routes(routes!(exec::status::status, exec::cancel::cancel))
        .routes(routes!(exec::status::status_of_older_clients))
        .routes(routes!(exec::cancel::cancel_by_post))
        .routes(routes!(exec::output::output))
        .split_for_parts();
    permission::describe(&mut document);
    (router, document)
}

fn build(env: Env) -> Router {
    let (router, mut document) = documented();
    // By this a deployment knows that its version answers.
    if let Some(release) = molt_platform::settings::text(&env, "MOLT_RELEASE") {
        document.info.version = format!("{}+{release}", document.info.version);
    }
    router
        .with_state(env.clone())
        .route(
            "/api/super/openapi.json",
            axum::routing::get(async move || Json(document)),
        )
        .route_layer(axum::middleware::from_fn_with_state(env, under_way::check))
        .route_layer(axum::middleware::from_fn(permission::check))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
}

async fn not_found(uri: Uri) -> Failure {
    Problem::not_found(format!("The admin API has no {}.", uri.path())).into()
}

async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    Problem::new(
        405,
        "method_not_allowed",
        format!("{} does not take {method}.", uri.path()),
    )
    .into()
}
