//! `/api/super`: one file per resource. The OpenAPI document is generated from the handlers.

mod exec;
mod state;
mod users;

use crate::extract::LONGEST_BODY;
use crate::respond::Failure;
use axum::extract::DefaultBodyLimit;
use axum::{Json, Router};
use http::{Method, Uri};
use molt_common::problem::Problem;
use std::cell::OnceCell;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use worker::Env;

#[derive(OpenApi)]
#[openapi(
    info(title = "Moltworker admin API", description = "For operators and scripts. Errors are application/problem+json (Problem)."),
    modifiers(&AdminSecret),
    components(schemas(Problem)),
    security(("adminSecret" = []))
)]
struct Document;

struct AdminSecret;

impl utoipa::Modify for AdminSecret {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme(
            "adminSecret",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Admin-Secret"))),
        );
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

fn build(env: Env) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(users::list))
        .routes(routes!(users::lookup))
        .routes(routes!(state::of_user))
        .routes(routes!(state::dashboard))
        .routes(routes!(exec::submit))
        .routes(routes!(exec::status, exec::cancel))
        .routes(routes!(exec::status_of_older_clients))
        .with_state(env)
        .split_for_parts();
    router
        .route(
            "/api/super/openapi.json",
            axum::routing::get(async move || Json(document)),
        )
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
