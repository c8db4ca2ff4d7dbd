//! Load at a fixed rate over several routers and many callers, and a record of every answer.
//!
//! The loop is open: a request is due when it is due, whatever became of those before it. At most so many are under way at once; one that has
//! to wait for its turn is late, and its latency counts from when it was due.

mod record;
mod report;

pub use record::{Record, Sample};
pub use report::{Table, seconds};

use crate::people::User;
use crate::secrets;
use crate::wait::until;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// A request that has no whole answer after this long has failed.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Requests that may be under way at once, unless the plan says otherwise.
const UNDER_WAY: usize = 400;

/// Somebody who makes the same request again and again.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Names him in a record.
    pub name: String,
    /// Method.
    pub method: Method,
    /// Path with its query.
    pub path: String,
    /// Headers, his credential among them.
    pub headers: HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
}

impl Caller {
    /// Somebody without a credential who `GET`s a path.
    #[must_use]
    pub fn new(name: &str, path: &str) -> Self {
        Self {
            name: name.to_owned(),
            method: Method::GET,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A user with his bearer token.
    #[must_use]
    pub fn user(user: &User, path: &str) -> Self {
        Self::new(&user.id, path).header("authorization", &format!("Bearer {}", user.token))
    }

    /// An operator with this admin key or bootstrap secret.
    #[must_use]
    pub fn admin(name: &str, secret: &str, path: &str) -> Self {
        Self::new(name, path).header("x-admin-secret", secret)
    }

    /// Sends a further header.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        let mut value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        value.set_sensitive(true);
        self.headers.append(name, value);
        self
    }
}

/// An answer, for whoever decides whether it is as it should be.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Who asked.
    pub caller: &'a Caller,
    /// Index of the router.
    pub router: usize,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Whole body.
    pub body: &'a Bytes,
}

/// Says what is wrong with an answer; `None` when it is right. A status of 500 or more is wrong without asking.
pub type Judge = Arc<dyn Fn(&Answer<'_>) -> Option<String> + Send + Sync>;

/// What is asked, of whom and how fast.
#[derive(Clone)]
pub struct Plan {
    /// Base addresses of the routers, without a slash at the end. Requests go round them.
    pub routers: Vec<String>,
    /// Who asks. Each goes round the routers before the next has his turn.
    pub callers: Vec<Caller>,
    /// Requests a second in all.
    pub rate: f64,
    /// Requests that may be under way at once.
    pub under_way: usize,
    /// Looks at every answer.
    pub judge: Judge,
}

impl Plan {
    /// With answers that may be anything below 500.
    #[must_use]
    pub fn new(routers: &[String], callers: Vec<Caller>, rate: f64) -> Self {
        Self {
            routers: routers.to_vec(),
            callers,
            rate,
            under_way: UNDER_WAY,
            judge: Arc::new(|_| None),
        }
    }

    /// With answers that have this status.
    #[must_use]
    pub fn expecting(self, status: u16) -> Self {
        self.judged(move |answer| (answer.status != status).then(|| format!("not {status}")))
    }

    /// With answers that satisfy this judge.
    #[must_use]
    pub fn judged(self, judge: impl Fn(&Answer<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            judge: Arc::new(judge),
            ..self
        }
    }
}

/// Load that runs until it is stopped or dropped.
#[must_use]
pub struct Load {
    shared: Arc<Shared>,
    pace: JoinHandle<()>,
}

struct Shared {
    plan: Plan,
    client: Client,
    begun: Instant,
    ends: AtomicBool,
    samples: Mutex<Vec<Sample>>,
}

impl Load {
    /// Begins. Needs a runtime of tokio.
    ///
    /// # Panics
    /// When there is nobody to ask or nobody who asks, or no client can be had.
    pub fn start(plan: Plan) -> Self {
        assert!(!plan.routers.is_empty() && !plan.callers.is_empty() && plan.rate > 0.0);
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Shorter than the runtime keeps a connection, so that no request meets one that is being closed.
            .pool_idle_timeout(Duration::from_secs(2))
            .pool_max_idle_per_host(plan.under_way)
            .timeout(ANSWER_LIMIT)
            .build()
            .expect("a client");
        let shared = Arc::new(Shared {
            plan,
            client,
            begun: Instant::now(),
            ends: AtomicBool::new(false),
            samples: Mutex::new(Vec::new()),
        });
        let pace = tokio::spawn(pace(Arc::clone(&shared)));
        Self { shared, pace }
    }

    /// Now, on the clock of the samples.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.begun.elapsed()
    }

    /// All answers so far.
    ///
    /// # Panics
    /// When a judge panicked.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::new(self.shared.samples.lock().expect("the samples").clone())
    }

    /// Waits until the record satisfies a condition.
    ///
    /// # Panics
    /// When it has not after `limit`.
    pub async fn until<T>(&self, what: &str, limit: Duration, mut ask: impl FnMut(&Record) -> Option<T>) -> T {
        until(what, limit, async || ask(&self.record())).await
    }

    /// Stops asking, waits for the answers that are due, and gives the whole record.
    ///
    /// # Panics
    /// When the load itself panicked.
    pub async fn stop(mut self) -> Record {
        self.shared.ends.store(true, Ordering::Relaxed);
        (&mut self.pace).await.expect("the load ran to its end");
        self.record()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.pace.abort();
    }
}

async fn pace(shared: Arc<Shared>) {
    let turns = Arc::new(Semaphore::new(shared.plan.under_way));
    let period = Duration::from_secs_f64(1.0 / shared.plan.rate);
    let mut ticks = tokio::time::interval(period);
    // The default, said aloud: ticks that were missed are made up for, so that the rate holds.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let mut number = 0;
    while !shared.ends.load(Ordering::Relaxed) {
        let due = ticks.tick().await.into_std().duration_since(shared.begun);
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else {
            break;
        };
        let shared = Arc::clone(&shared);
        requests.spawn(async move {
            let sample = ask(&shared, number, due).await;
            shared.samples.lock().expect("the samples").push(sample);
            drop(turn);
        });
        number += 1;
        while requests.try_join_next().is_some() {}
    }
    while let Some(ended) = requests.join_next().await {
        ended.expect("a request was recorded");
    }
}

async fn ask(shared: &Shared, number: usize, due: Duration) -> Sample {
    let plan = &shared.plan;
    let router = number % plan.routers.len();
    let who = (number / plan.routers.len()) % plan.callers.len();
    let caller = &plan.callers[who];
    let sent = shared.begun.elapsed();
    let mut sample = Sample {
        router,
        caller: who,
        due,
        sent,
        ended: sent,
        status: None,
        backend: String::new(),
        flags_version: None,
        flags_source: None,
        failure: None,
    };
    let url = format!("{}{}", plan.routers[router], caller.path);
    let request = shared.client.request(caller.method.clone(), url);
    let request = request.headers(caller.headers.clone()).body(caller.body.clone());
    let outcome = async {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
    };
    let outcome = outcome.await;
    sample.ended = shared.begun.elapsed();
    match outcome {
        Err(error) => sample.failure = Some(format!("no answer: {error:?}")),
        Ok((status, headers, body)) => {
            let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            sample.status = Some(status);
            sample.backend = text("x-molt-backend").unwrap_or_default().to_owned();
            sample.flags_version = text("x-molt-flags-version").and_then(|version| version.parse().ok());
            sample.flags_source = text("x-molt-flags-source").map(str::to_owned);
            let answer = Answer {
                caller,
                router,
                status,
                headers: &headers,
                body: &body,
            };
            let why = if status >= 500 {
                Some(String::new())
            } else {
                (plan.judge)(&answer)
            };
            sample.failure = why.map(|why| describe(&why, &answer));
            if headers.contains_key("set-cookie") {
                secrets::obtained(&headers, &body);
            }
        }
    }
    sample
}

fn describe(why: &str, answer: &Answer<'_>) -> String {
    let body: String = String::from_utf8_lossy(answer.body).chars().take(300).collect();
    let path = &answer.caller.path;
    format!(
        "{} {path} was answered {}: {why} {body}",
        answer.caller.method, answer.status
    )
}
