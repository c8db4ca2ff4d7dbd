//! A stand-in for the identity provider: its sign-in page, its token endpoint with single-use refresh tokens, and its sign-out.
//!
//! It signs with the stack's own secret (HS256), which exists only once the stack does; so it is started first and told later.

use crate::people::{now, sign_with};
use crate::stack::Stack;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;
use tempfile::NamedTempFile;
use uuid::Uuid;

/// What it does with the refresh tokens of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    Grants,
    /// 500.
    Fails,
    /// 401, as with a wrong API key.
    KnowsNoKey,
    /// No answer for longer than anybody waits.
    Hangs,
    /// 200 with what is no grant.
    Babbles,
    /// 200 with a grant in a body that is longer than anybody should read.
    Floods,
    /// A redirect elsewhere, which would carry the credentials along.
    Redirects,
    /// A good token of somebody else.
    MistakesThePerson,
}

/// What it grants.
#[derive(Clone)]
pub struct Tokens {
    /// Token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
}

struct Person {
    behaviour: Behaviour,
    lifetime_s: u64,
    /// Calls of the token endpoint with a refresh token of this person.
    asked: u32,
    /// Sessions that were signed out.
    signed_out: Vec<String>,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            behaviour: Behaviour::Grants,
            lifetime_s: 3600,
            asked: 0,
            signed_out: Vec::new(),
        }
    }
}

struct Refresh {
    user: String,
    session: String,
    spent: bool,
}

#[derive(Default)]
struct State {
    secret: String,
    claims: Value,
    people: HashMap<String, Person>,
    refreshes: HashMap<String, Refresh>,
    /// Whom its sign-in page knows.
    at_the_page: String,
}

impl State {
    fn person(&mut self, user: &str) -> &mut Person {
        self.people.entry(user.to_owned()).or_default()
    }

    fn access(&mut self, user: &str, session: &str, nonce: Option<&str>) -> String {
        let lifetime = self.person(user).lifetime_s;
        let mut claims = self.claims.clone();
        claims["sub"] = json!(user);
        claims["email"] = json!(format!("{}@example.test", &user[..8]));
        claims["session_id"] = json!(session);
        claims["iat"] = json!(now());
        claims["exp"] = json!(now() + lifetime);
        // Two tokens of one second differ too.
        claims["jti"] = json!(Uuid::new_v4());
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        sign_with(&claims, Algorithm::HS256, &self.secret)
    }

    fn grant(&mut self, user: &str, session: &str, nonce: Option<&str>) -> Tokens {
        let refresh = Uuid::new_v4().simple().to_string();
        let row = Refresh {
            user: user.into(),
            session: session.into(),
            spent: false,
        };
        self.refreshes.insert(refresh.clone(), row);
        Tokens {
            access: self.access(user, session, nonce),
            refresh,
        }
    }
}

/// A provider that runs until the process ends.
pub struct Provider {
    url: String,
    api_key: String,
    secrets: NamedTempFile,
    state: Arc<Mutex<State>>,
}

impl Provider {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let api_key = format!("key-{}", Uuid::new_v4().simple());
        let secrets = NamedTempFile::new().expect("a file");
        let given = json!({"router": {"AUTH_API_KEY": api_key}});
        std::fs::write(secrets.path(), given.to_string()).expect("a file");
        let state: Arc<Mutex<State>> = Arc::default();
        let (shared, key) = (Arc::clone(&state), api_key.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, shared, key));
        });
        Self {
            url,
            api_key,
            secrets,
            state,
        }
    }

    /// Options of `scripts/dev` for a stack that signs people in here.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let url = &self.url;
        vec![
            "--var".into(),
            "router.DEV_IDENTITY_USERS=".into(),
            "--var".into(),
            format!("router.LOGIN_URL={url}/authorize?provider=test"),
            "--var".into(),
            format!("router.AUTH_URL={url}/auth/v1/"),
            "--secrets-file".into(),
            self.secrets.path().to_string_lossy().into_owned(),
        ]
    }

    /// Address of its sign-in page.
    #[must_use]
    pub fn page(&self) -> String {
        format!("{}/authorize", self.url)
    }

    /// Credentials that no page, log or answer may hold.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    /// Signs as this stack expects from now on.
    pub fn serve_stack(&self, stack: &Stack) {
        let mut state = self.state();
        state.secret.clone_from(&stack.secrets.user_tokens);
        state.claims = stack.claims(&Uuid::new_v4().to_string());
    }

    /// A new session of a person whose tokens are good for this many seconds.
    #[must_use]
    pub fn session(&self, user: &str, lifetime_s: u64) -> Tokens {
        let mut state = self.state();
        state.person(user).lifetime_s = lifetime_s;
        state.grant(user, &Uuid::new_v4().to_string(), None)
    }

    /// From now on its tokens for this person are good for this many seconds.
    pub fn lifetime(&self, user: &str, lifetime_s: u64) {
        self.state().person(user).lifetime_s = lifetime_s;
    }

    /// How it answers renewals of this person from now on.
    pub fn behave(&self, user: &str, behaviour: Behaviour) {
        self.state().person(user).behaviour = behaviour;
    }

    /// How often it was asked to renew a session of this person.
    #[must_use]
    pub fn asked(&self, user: &str) -> u32 {
        self.state().person(user).asked
    }

    /// Sessions of this person that it was told are over.
    #[must_use]
    pub fn signed_out(&self, user: &str) -> Vec<String> {
        self.state().person(user).signed_out.clone()
    }

    /// Whom its page signs in from now on, without asking.
    pub fn knows(&self, user: &str) {
        user.clone_into(&mut self.state().at_the_page);
    }

    /// A token of a person with this nonce.
    #[must_use]
    pub fn token_with_nonce(&self, user: &str, nonce: &str) -> String {
        self.state().access(user, &Uuid::new_v4().to_string(), Some(nonce))
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<Mutex<State>>, api_key: String) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let api_key: Arc<str> = api_key.into();
    while let Ok((stream, _)) = listener.accept().await {
        let (state, api_key) = (Arc::clone(&state), Arc::clone(&api_key));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (state, api_key) = (Arc::clone(&state), Arc::clone(&api_key));
                async move { Ok::<_, Infallible>(answer(request, &state, &api_key).await) }
            });
            // A connection that breaks is the caller's to notice.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Answer = Response<Full<Bytes>>;

fn json_answer(status: u16, body: &Value) -> Answer {
    text_answer(status, body.to_string())
}

fn text_answer(status: u16, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer
}

fn redirect(to: &str) -> Answer {
    let mut answer = text_answer(302, String::new());
    answer.headers_mut().insert("location", to.parse().expect("a header"));
    answer
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://provider{url}")).ok()?;
    let found = url.query_pairs().find(|(key, _)| key == name)?;
    Some(found.1.into_owned())
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>, api_key: &str) -> Answer {
    let (head, body) = request.into_parts();
    let url = head.uri.to_string();
    let header = |name: &str| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if head.method == Method::GET && head.uri.path() == "/authorize" {
        let mut state = state.lock().expect("no panic");
        let (user, session) = (state.at_the_page.clone(), Uuid::new_v4().to_string());
        let tokens = state.grant(&user, &session, parameter(&url, "nonce").as_deref());
        let back = parameter(&url, "redirect").unwrap_or_default();
        let (access, refresh) = (tokens.access, tokens.refresh);
        return redirect(&format!(
            "{back}#access_token={access}&expires_in=3600&refresh_token={refresh}&token_type=bearer"
        ));
    }
    if header("apikey") != api_key {
        return json_answer(401, &json!({"message": "Invalid API key"}));
    }
    let authorization = header("authorization").to_owned();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    match (head.method, head.uri.path()) {
        (Method::POST, "/auth/v1/token") if parameter(&url, "grant_type").as_deref() == Some("refresh_token") => {
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            renew(state, asked["refresh_token"].as_str().unwrap_or_default()).await
        }
        (Method::POST, "/auth/v1/logout") => sign_out(state, &authorization, parameter(&url, "scope").as_deref()),
        _ => json_answer(404, &json!({"message": "no such page"})),
    }
}

async fn renew(state: &Mutex<State>, refresh: &str) -> Answer {
    let unknown = || json_answer(400, &json!({"code": 400, "error_code": "refresh_token_not_found"}));
    let behaviour = {
        let mut state = state.lock().expect("no panic");
        let Some(user) = state.refreshes.get(refresh).map(|row| row.user.clone()) else {
            return unknown();
        };
        let person = state.person(&user);
        person.asked += 1;
        person.behaviour
    };
    match behaviour {
        Behaviour::Grants | Behaviour::Floods | Behaviour::MistakesThePerson => {}
        Behaviour::Fails => return json_answer(500, &json!({"code": 500})),
        Behaviour::KnowsNoKey => return json_answer(401, &json!({"message": "Invalid API key"})),
        Behaviour::Babbles => return text_answer(200, "<html>sign in to the network</html>".into()),
        Behaviour::Redirects => return redirect("http://127.0.0.1:9/stolen"),
        Behaviour::Hangs => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return json_answer(500, &json!({}));
        }
    }
    let mut state = state.lock().expect("no panic");
    let Some(row) = state.refreshes.get_mut(refresh) else {
        return unknown();
    };
    let (user, session) = (row.user.clone(), row.session.clone());
    if row.spent || state.person(&user).signed_out.contains(&session) {
        return json_answer(400, &json!({"code": 400, "error_code": "refresh_token_already_used"}));
    }
    row_spent(&mut state, refresh);
    let owner = if behaviour == Behaviour::MistakesThePerson {
        Uuid::new_v4().to_string()
    } else {
        user
    };
    let tokens = state.grant(&owner, &session, None);
    let grant = json!({"access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "bearer", "expires_in": 3600});
    let padding = if behaviour == Behaviour::Floods {
        4 * 1024 * 1024
    } else {
        0
    };
    text_answer(200, format!("{grant}{}", " ".repeat(padding)))
}

fn row_spent(state: &mut State, refresh: &str) {
    if let Some(row) = state.refreshes.get_mut(refresh) {
        row.spent = true;
    }
}

fn sign_out(state: &Mutex<State>, authorization: &str, scope: Option<&str>) -> Answer {
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let claims = crate::people::claims_of(token);
    let (user, session) = (claims["sub"].as_str(), claims["session_id"].as_str());
    let good = claims["exp"].as_u64().is_some_and(|exp| exp > now());
    match (user, session) {
        (Some(user), Some(session)) if good && scope == Some("local") => {
            let mut state = state.lock().expect("no panic");
            state.person(user).signed_out.push(session.to_owned());
            text_answer(204, String::new())
        }
        _ => json_answer(403, &json!({"error_code": "bad_jwt"})),
    }
}
