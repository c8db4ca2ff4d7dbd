//! Counts requests before anything is done for them (`molt_common::limit` decides, this performs).
//!
//! A request counts for whoever has been verified, else for the address that it came from: a token that was not verified buys nothing and takes
//! nothing from the user whom it names. A reconnect is a request like others: there is no resumption yet that could vouch for it. Once there is,
//! its verified token is looked at here, in [`settle`].

mod isolate;
mod strict;

use crate::admission::Refusal;
use crate::dispatch::Call;
use molt_common::limit::{self, Class, CounterKey, Keeper, Policies, Policy, Standing, Subject, Traits};
use molt_common::problem::Problem;
use molt_common::route::Route;
use molt_platform::forward::header;
use molt_platform::{log, settings};
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use strict::Answer;

/// What the answer says about the limit that counted its request.
#[derive(Clone, Copy)]
pub struct Counted {
    class: Class,
    policy: Policy,
    standing: Standing,
}

impl Counted {
    /// Headers of the answer.
    pub fn headers(&self) -> [(&'static str, String); 5] {
        limit::headers::values(self.class, self.policy, &self.standing)
    }
}

/// What is done about a request that must be counted strictly while nobody can.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// What its class says.
    AsClass,
    /// It is counted in this isolate.
    CountHere,
}

thread_local! {
    // Reading the variable for each request would cost more than counting; the text is compared, so that a change is not missed.
    static POLICIES: RefCell<Option<(String, Rc<Policies>)>> = const { RefCell::new(None) };
}

/// Counts a request whose caller has been admitted or refused. A refusal that is ours to answer for is not counted.
///
/// # Errors
/// The refusal, or 429 instead of it; 429 for somebody who was admitted, 503 when he must be counted and cannot be.
pub async fn settle(
    call: &Call<'_>,
    route: &Route,
    subject: Option<Subject>,
    admitted: Result<String, Refusal>,
) -> Result<String, Refusal> {
    match (admitted, subject) {
        (Ok(signed), Some(subject)) => {
            if let Some(class) = class(call, route) {
                count(call, class, &subject, Unknown::AsClass).await?;
            }
            Ok(signed)
        }
        (Err(refusal), _) if refusal.is_undecided() => Err(refusal),
        (outcome, _) => {
            unverified(call, route).await?;
            outcome
        }
    }
}

/// Counts a request that nobody vouches for, by its address.
///
/// # Errors
/// 429.
pub async fn unverified(call: &Call<'_>, route: &Route) -> Result<(), Problem> {
    match class(call, route) {
        Some(class) => count(call, class.unverified(), &address(call), Unknown::AsClass).await,
        None => Ok(()),
    }
}

/// Counts a request that goes to what ran before: for `subject` if he has been verified, else by its address. What ran before goes on without the
/// admin worker, so that a rollback leads somewhere; then it is counted in this isolate.
///
/// # Errors
/// 429.
pub async fn legacy(call: &Call<'_>, route: &Route, subject: Option<&Subject>) -> Result<(), Problem> {
    let Some(class) = class(call, route) else { return Ok(()) };
    match subject {
        Some(subject) => count(call, class, subject, Unknown::CountHere).await,
        // Whether its credential is good is not known here, so nobody's guesses are counted.
        None => count(call, class, &address(call), Unknown::CountHere).await,
    }
}

fn class(call: &Call<'_>, route: &Route) -> Option<Class> {
    let destination = header(call.request, "sec-fetch-dest");
    let traits = Traits {
        method: &call.method,
        upgrade: call.upgrade,
        destination: destination.as_deref(),
    };
    Class::of(route.limit, &traits)
}

fn address(call: &Call<'_>) -> Subject {
    Subject::at(header(call.request, "cf-connecting-ip").as_deref())
}

async fn count(call: &Call<'_>, class: Class, subject: &Subject, unknown: Unknown) -> Result<(), Problem> {
    let Some(policy) = policies(call).of(class) else {
        return Ok(());
    };
    let key = CounterKey::of(class, subject);
    let closed = class.fails_closed() && unknown == Unknown::AsClass;
    let standing = match class.keeper() {
        Keeper::Isolate => isolate::take(call, &key, policy),
        Keeper::Object => match strict::take(call, &key, policy, closed).await {
            Answer::Counted(standing) => standing,
            Answer::Nobody if !closed => isolate::take(call, &key, policy),
            Answer::Nobody | Answer::Late => return Err(limit::unavailable(class)),
        },
    };
    call.counted.set(Some(Counted {
        class,
        policy,
        standing,
    }));
    if standing.admitted {
        return Ok(());
    }
    log::info("rate_limited", json!({"requestId": call.id, "class": class.word()}));
    Err(limit::rate_limited(class, policy, &standing))
}

/// The policies of this deployment (variable `LIMITS`). A text that is wrong anywhere counts for nothing: the defaults hold.
fn policies(call: &Call<'_>) -> Rc<Policies> {
    let text = settings::text(call.env, "LIMITS").unwrap_or_default();
    POLICIES.with_borrow_mut(|held| match held {
        Some((of, policies)) if *of == text => Rc::clone(policies),
        _ => {
            let policies = Rc::new(Policies::parse(&text).unwrap_or_else(|error| {
                log::error("limits_misconfigured", json!({"error": error.to_string()}));
                Policies::default()
            }));
            *held = Some((text, Rc::clone(&policies)));
            policies
        }
    })
}
