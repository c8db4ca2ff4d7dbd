//! A user's request while what ran before is still there: flags say where it is sent first, and whoever does not have the user says so without
//! doing anything of it (`molt_common::ownership`). The gateway moves the user; a router whose flags no longer cover him has him released.

use crate::admission::{self, Caller};
use crate::body::Body;
use crate::dispatch::{self, Answered, Call, GATEWAY, problem, refuse};
use crate::session::Session;
use crate::{legacy, pages, rollout, trust};
use molt_common::flag::{Flag, Rank};
use molt_common::id::UserId;
use molt_common::ownership::{
    FENCED, GATEWAY_HOST, MISDIRECTED, OWNER, Owner, PLACEMENT_PATH, Placement, RELEASE_PATH, Release,
};
use molt_common::problem::Problem;
use molt_common::route::{Auth, Route};
use molt_common::time::Millis;
use molt_common::trust_memory::TrustMemory;
use molt_platform::ask::Question;
use molt_platform::{entropy, log};
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;
use web_sys::Response;
use worker::{Delay, Error, Result};

/// A request is sent to the other side this often.
const MOST_SWITCHES: u32 = 2;
/// A user on his way is waited for this long.
const MOVE_LIMIT_MS: u64 = 30_000;
const POLL: Duration = Duration::from_millis(250);
/// The gateway answers a release after 5 s at the latest.
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// Where a user is counts for this long; whoever has lost him by then says so.
const REMEMBERED_MS: u64 = 2_000;
/// Users that an isolate remembers at most.
const MOST: usize = 2_000;

/// Who has a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What ran before.
    Legacy,
    /// The container gateway.
    Gateway,
}

impl From<Owner> for Side {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Legacy => Self::Legacy,
            Owner::New => Self::Gateway,
        }
    }
}

/// Where a user was found, by which flags, and where those send him first.
#[derive(Clone, Copy)]
struct Found {
    at: Millis,
    rank: Rank,
    first: Side,
    side: Side,
}

thread_local! {
    // Plain data, never a future: a request must not wait for another one's I/O.
    static FOUND: RefCell<HashMap<UserId, Found>> = RefCell::default();
}

/// Answers a user's request that flags send to `first`. `signed` is his identity where he has been admitted already.
pub async fn answer(call: &Call<'_>, route: &Route, caller: &Caller, first: Side, signed: Option<String>) -> Answered {
    let Caller::User(session) = caller else {
        return ("router", route.auth, problem(call, Problem::internal()));
    };
    let sending = Sending {
        call,
        route,
        caller,
        session,
        first,
    };
    match sending.send(signed).await {
        Ok(answered) => answered,
        Err(error) => ("router", route.auth, Err(error)),
    }
}

struct Sending<'a> {
    call: &'a Call<'a>,
    route: &'a Route,
    caller: &'a Caller,
    session: &'a Session,
    first: Side,
}

impl Sending<'_> {
    async fn send(&self, mut signed: Option<String>) -> Result<Answered> {
        let body = Body::keep(self.call).await?;
        let side = match self.recalled() {
            Some(side) => Some(side),
            None if body.is_repeatable() => Some(self.first),
            // It can be sent once: the question goes ahead.
            None => self.settled().await?,
        };
        let Some(mut side) = side else { return self.unsettled() };
        for _ in 0..=MOST_SWITCHES {
            let (name, shared, response) = match side {
                Side::Legacy => match legacy::forward(self.call, &body, Some(self.session)).await {
                    Ok(response) => ("legacy", Auth::None, response),
                    Err(error) => return Ok(legacy::unreachable(self.call, self.route, &error)),
                },
                Side::Gateway => {
                    let identity = match signed.take() {
                        Some(identity) => Ok(identity),
                        None => admission::admit(self.call, self.caller).await,
                    };
                    match identity {
                        Ok(identity) => {
                            let response = dispatch::forward(self.call, GATEWAY, &identity, &body).await?;
                            ("container-gateway", self.route.auth, response)
                        }
                        Err(refusal) => {
                            let refused = refuse(self.call, self.route.auth, refusal);
                            return Ok(("router", self.route.auth, refused));
                        }
                    }
                }
            };
            let Some(fenced) = misdirected(side, &response)? else {
                return Ok((name, shared, Ok(response)));
            };
            self.forget();
            log::info(
                "user_elsewhere",
                json!({"requestId": self.call.id, "user": self.session.user.id.to_string(), "not": name}),
            );
            if !body.is_repeatable() {
                break;
            }
            side = match (self.first, side) {
                (Side::Legacy, Side::Legacy) => match self.released(fenced).await? {
                    Some(side) => side,
                    None => break,
                },
                (_, Side::Gateway) => Side::Legacy,
                (_, Side::Legacy) => Side::Gateway,
            };
        }
        self.unsettled()
    }

    /// Has the user released; where he is when that is settled.
    async fn released(&self, fenced: Option<u64>) -> Result<Option<Side>> {
        let user = self.session.user.id;
        let discard_disk = trust::look(|memory: &TrustMemory| memory.discards_disk(Flag::NewContainerGateway));
        let release = Release {
            user,
            rank: rollout::rank(),
            discard_disk,
            fenced,
        };
        let body = serde_json::to_string(&release)?;
        self.until_settled(async || self.ask("POST", RELEASE_PATH, Some(&body)).await)
            .await
    }

    /// Where the user is, by asking and not by trying.
    async fn settled(&self) -> Result<Option<Side>> {
        let path = format!("{PLACEMENT_PATH}{}", self.session.user.id);
        let found = self.until_settled(async || self.ask("GET", &path, None).await).await?;
        match (self.first, found) {
            (Side::Legacy, Some(Side::Gateway)) => self.released(None).await,
            (_, found) => Ok(found),
        }
    }

    async fn until_settled(&self, asked: impl AsyncFn() -> Result<Placement>) -> Result<Option<Side>> {
        let until = entropy::now().plus(MOVE_LIMIT_MS);
        loop {
            let placement = match asked().await {
                Ok(placement) => placement,
                Err(error) => {
                    log::error(
                        "placement_unknown",
                        json!({"requestId": self.call.id, "error": error.to_string()}),
                    );
                    return Ok(None);
                }
            };
            if !placement.moving {
                let side = placement.owner.into();
                self.remember(side);
                return Ok(Some(side));
            }
            if entropy::now() >= until {
                return Ok(None);
            }
            Delay::from(POLL).await;
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Placement> {
        let identity = trust::signed(self.call.env, method, path, &self.call.id)?;
        let (status, text) = Question {
            method,
            url: &format!("http://{GATEWAY_HOST}{path}"),
            headers: &[
                (molt_common::identity::HEADER, &identity),
                ("content-type", "application/json"),
            ],
            body,
            timeout: ASK_LIMIT,
        }
        .ask_service(self.call.env, GATEWAY)
        .await?;
        match status {
            200 => Ok(serde_json::from_str(&text)?),
            other => Err(Error::RustError(format!("the gateway answered {other}"))),
        }
    }

    /// Where he was found a moment ago by the same flags.
    fn recalled(&self) -> Option<Side> {
        let found = FOUND.with_borrow(|found| found.get(&self.session.user.id).copied())?;
        let holds = entropy::now().since(found.at) < REMEMBERED_MS
            && found.rank == rollout::rank()
            && found.first == self.first;
        holds.then_some(found.side)
    }

    fn remember(&self, side: Side) {
        let found = Found {
            at: entropy::now(),
            rank: rollout::rank(),
            first: self.first,
            side,
        };
        FOUND.with_borrow_mut(|known| {
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(self.session.user.id, found);
        });
    }

    fn forget(&self) {
        FOUND.with_borrow_mut(|known| known.remove(&self.session.user.id));
    }

    fn unsettled(&self) -> Result<Answered> {
        let text = "Your agent is being moved. Nothing of this request was done; try again in a moment.";
        let response = if self.call.wants_page {
            pages::notice(self.call, 503, "Moving", text, &[("retry-after", "2")])?
        } else {
            problem(self.call, Problem::new(503, "user_moving", text).retry_after(2))?
        };
        Ok(("router", self.route.auth, Ok(response)))
    }
}

/// Whether the side that answered does not have the user; with the epoch of a fence, where it told one.
fn misdirected(side: Side, response: &Response) -> Result<Option<Option<u64>>> {
    if response.status() != MISDIRECTED {
        return Ok(None);
    }
    let headers = response.headers();
    Ok(match side {
        Side::Legacy => headers.get(FENCED)?.map(|epoch| epoch.parse().ok()),
        Side::Gateway => headers.get(OWNER)?.map(|_| None),
    })
}
