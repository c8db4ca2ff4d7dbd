//! A user's sandbox, as the echo agent and the state routes show it.

use crate::people::User;
use crate::reply::Reply;
use crate::stack::Stack;
use crate::wait::{try_until, until};
use futures_util::future::join_all;
use serde_json::Value;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longest start: the platform holds a request for 30 s, and the machine may be busy.
pub const START_LIMIT: Duration = Duration::from_secs(90);

/// What reached the agent (`/echo`).
pub struct Seen(pub Value);

impl Seen {
    /// All values of a header, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let headers = self.0["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = headers
            .iter()
            .filter(|pair| pair[0].as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)));
        named.filter_map(|pair| pair[1].as_str()).collect()
    }

    /// The one value of a header; `None` when the agent did not get it.
    ///
    /// # Panics
    /// When it got it twice.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "the agent saw {name} twice: {values:?}");
        values.first().copied()
    }

    /// Names of all headers, in lower case.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let headers = self.0["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
        headers
            .iter()
            .filter_map(|pair| pair[0].as_str().map(str::to_ascii_lowercase))
            .collect()
    }
}

impl From<Reply> for Seen {
    fn from(reply: Reply) -> Self {
        Self(reply.json(200))
    }
}

impl Stack {
    /// Waits until a user's sandbox serves, starting it if need be. Once one did not in time, no further one is waited for as long:
    /// where nothing starts, a run is to end soon.
    ///
    /// # Panics
    /// When it does not.
    pub async fn awake(&self, user: &User) {
        self.awake_within(user, START_LIMIT).await;
    }

    /// The same for a sandbox whose start takes long.
    ///
    /// # Panics
    /// When it does not come up in time.
    pub async fn awake_within(&self, user: &User, limit: Duration) {
        let limit = if self.nothing_starts.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            limit
        };
        let mut last = String::new();
        let serves = try_until("the sandbox serves", limit, async || {
            let reply = self.get("/echo").user(user).send().await;
            assert!(
                matches!(reply.status, 200 | 503),
                "{} answered {}: {}",
                reply.backend(),
                reply.status,
                reply.text()
            );
            last = reply.text();
            (reply.status == 200).then_some(())
        });
        if let Err(late) = serves.await {
            self.nothing_starts.store(true, Ordering::Relaxed);
            panic!("{late}; the last answer was {last}");
        }
    }

    /// So many requests at once: pages, questions, bodies and sockets by turns, each of which must get its own answer.
    ///
    /// # Panics
    /// When one does not.
    pub async fn first_requests(&self, user: &User, count: u32) {
        let one = async |number: u32| match number % 4 {
            // A page is answered at once, by the boot page as long as there is nothing else.
            0 => {
                let page = self.get(&format!("/?n={number}")).user(user).browser().send().await;
                assert!(matches!(page.status, 200 | 503), "{}", page.status);
            }
            1 => {
                let seen = Seen::from(self.get(&format!("/echo?n={number}")).user(user).send().await);
                assert_eq!(seen.0["path"], format!("/echo?n={number}"));
                assert_eq!(seen.header("x-openclaw-user"), Some(user.id.as_str()));
            }
            2 => {
                let body = format!("body {number}");
                let reply = self.post("/echo-body").user(user).body(body.clone()).send().await;
                assert_eq!(reply.expect(200).text(), body);
            }
            _ => drop(self.socket(user).await),
        };
        join_all((0..count).map(one)).await;
    }

    /// The state of a user's sandbox, as the admin API tells it.
    ///
    /// # Panics
    /// When it tells none.
    pub async fn state(&self, user: &User) -> Value {
        self.get(&user.path("/state")).admin().send().await.json(200)
    }

    /// Number of starts of a user's sandbox.
    ///
    /// # Panics
    /// When the state has none.
    pub async fn generation(&self, user: &User) -> u64 {
        self.state(user).await["generation"].as_u64().expect("a number")
    }

    /// Waits until the state of a user's sandbox has this lifecycle, and answers with it.
    ///
    /// # Panics
    /// When it does not come to that.
    pub async fn lifecycle(&self, user: &User, lifecycle: &str, limit: Duration) -> Value {
        until(&format!("the sandbox is {lifecycle}"), limit, async || {
            let state = self.state(user).await;
            (state["lifecycle"] == lifecycle).then_some(state)
        })
        .await
    }
}
