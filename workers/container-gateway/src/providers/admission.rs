//! Whether a call may be passed on: the path, the token, the `Sandbox` object, and the key.

use super::refusal::Refusal;
use molt_common::problem::Problem;
use molt_common::provider::{Provider, header as headers, path};
use molt_common::provider_call::{AdmitProviderCall, FinishProviderCall, ProviderAdmission};
use molt_common::provider_token::ProviderClaims;
use molt_common::sandbox_props::SandboxProps;
use molt_common::usage::CallUsage;
use molt_platform::forward::header;
use molt_platform::{call, log, providers, root_keys};
use serde_json::json;
use url::Url;
use web_sys::Request;
use worker::{Env, Stub};

/// Longest request, in bytes: what the providers themselves take at most.
pub const LONGEST_REQUEST: u64 = 32 * 1024 * 1024;
/// Longest query, in bytes.
const LONGEST_QUERY: usize = 2 * 1024;
/// Others change what an account holds.
const METHODS: [&str; 2] = ["GET", "POST"];

/// A call that may be passed on.
pub struct Admitted {
    pub provider: Provider,
    /// Where it goes.
    pub target: Url,
    pub key: String,
    /// Whether that is the user's own.
    pub own_key: bool,
    /// What the agent is told beside the answer.
    pub warning: Option<String>,
    /// Bytes of the request's body, where that is known.
    pub length: Option<u64>,
    /// Names the call.
    pub id: String,
    pub caller: SandboxProps,
    /// Who is told its end.
    pub object: Stub,
}

/// Decides.
pub async fn admit(
    request: &Request,
    env: &Env,
    url: &Url,
    caller: &SandboxProps,
    id: &str,
) -> Result<Admitted, Refusal> {
    let sandbox = &caller.sandbox;
    let claims = verified(request, env, caller)?;
    let table = providers::table(env).map_err(|error| {
        log::error("providers_misconfigured", json!({"error": error.to_string()}));
        Problem::new(
            503,
            "providers_misconfigured",
            "The providers of this deployment are misconfigured.",
        )
    })?;
    let asked = path::asked(url.path()).ok_or_else(no_such_path)?;
    let provider = table.find(asked.provider).ok_or_else(|| {
        let text = format!("There is no provider {} here.", asked.provider);
        Problem::new(404, "unknown_provider", text)
    })?;
    if !provider.admits(asked.path) {
        return Err(no_such_path().into());
    }
    if !METHODS.contains(&request.method().as_str()) {
        return Err(Problem::new(405, "method_not_allowed", "Only GET and POST are passed on.").into());
    }
    let target = target(provider, asked.path, url)?;
    let length = length(request)?;
    let object = call::sandbox(env, sandbox)?;
    let question = AdmitProviderCall {
        generation: claims.generation,
        call: id.to_owned(),
        provider: provider.id.clone(),
        key_name: provider.key_name.clone(),
    };
    let (own, warning) = match call::make(&object, &question).await? {
        ProviderAdmission::Admitted { key, warning } => (key, warning),
        ProviderAdmission::Refused { problem } => return Err(problem.into()),
    };
    let own_key = own.is_some();
    let Some(key) = own.or_else(|| providers::key(env, provider)) else {
        let nothing = FinishProviderCall {
            call: id.to_owned(),
            provider: provider.id.clone(),
            usage: CallUsage::default(),
        };
        call::make(&object, &nothing).await?;
        // A provider without any key is as good as none.
        let text = format!("There is no key for the provider {} here.", provider.id);
        return Err(Problem::new(404, "unknown_provider", text).into());
    };
    Ok(Admitted {
        provider: provider.clone(),
        target,
        key,
        own_key,
        warning,
        length,
        id: id.to_owned(),
        caller: caller.clone(),
        object,
    })
}

/// What the token says, which must be for the sandbox and start that the runtime names.
fn verified(request: &Request, env: &Env, caller: &SandboxProps) -> Result<ProviderClaims, Problem> {
    let keys = root_keys::ring(env, root_keys::SECRETS).map_err(|error| {
        log::error("providers_not_configured", json!({"error": error.to_string()}));
        Problem::new(
            503,
            "providers_not_configured",
            "The secrets of this deployment are not configured.",
        )
    })?;
    let (authorization, x_api_key) = (header(request, "authorization"), header(request, "x-api-key"));
    let token = headers::shown(authorization.as_deref(), x_api_key.as_deref()).ok_or_else(|| {
        let text = "Show the sandbox's token as Authorization: Bearer, or as x-api-key.";
        Problem::new(401, "authentication_required", text)
    })?;
    ProviderClaims::verify(&keys, token, caller)
        .map_err(|error| Problem::new(401, "invalid_token", format!("The token {error}.")))
}

fn no_such_path() -> Problem {
    Problem::new(
        404,
        "unknown_path",
        "This path of the provider is not passed on, or is spelled oddly.",
    )
}

fn target(provider: &Provider, path: &str, url: &Url) -> Result<Url, Refusal> {
    let mut text = format!("{}{path}", provider.base_url);
    if let Some(query) = url.query() {
        if query.len() > LONGEST_QUERY {
            return Err(Problem::new(
                414,
                "query_too_long",
                format!("A query has {LONGEST_QUERY} bytes at most."),
            )
            .into());
        }
        text = format!("{text}?{query}");
    }
    Url::parse(&text).map_err(|error| Refusal::Failed(error.to_string()))
}

fn length(request: &Request) -> Result<Option<u64>, Problem> {
    let Some(text) = header(request, "content-length") else {
        return Ok(None);
    };
    let length = text
        .parse()
        .map_err(|_| Problem::invalid("content-length", "is no number"))?;
    if length > LONGEST_REQUEST {
        return Err(too_large());
    }
    Ok(Some(length))
}

/// 413.
pub fn too_large() -> Problem {
    Problem::new(
        413,
        "too_large",
        format!("A request has {LONGEST_REQUEST} bytes at most."),
    )
}
