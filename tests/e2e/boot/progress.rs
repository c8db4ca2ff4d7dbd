//! How far a start is: as a stream of events, and at once.

use crate::stalled::{AT_ONCE, LIMIT, boot, break_agent, stall};
use e2e_tests::call::Call;
use e2e_tests::people::User;
use e2e_tests::sandbox::START_LIMIT;
use e2e_tests::stack::Stack;
use e2e_tests::wait::{until, within};
use eventsource_stream::{Event, Eventsource};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENTS: &str = "/_molt/boot/events";

type Events = Pin<Box<dyn Stream<Item = Event>>>;

/// What a stream tells.
async fn events(call: Call<'_>) -> Events {
    let response = call.header("accept", "text/event-stream").open().await;
    assert_eq!(response.status().as_u16(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap_or_default().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert!(
        header("cache-control").contains("no-store"),
        "{}",
        header("cache-control")
    );
    Box::pin(
        response
            .bytes_stream()
            .eventsource()
            .map(|event| event.expect("an event")),
    )
}

fn told(event: &Event) -> Value {
    assert_eq!(event.event, "progress");
    let told: Value = serde_json::from_str(&event.data).expect("JSON");
    assert_eq!(told["event"], Value::String(event.id.clone()));
    told
}

/// What one stream tells until it ends.
async fn all(call: Call<'_>) -> Vec<Value> {
    let stream = events(call).await;
    within(
        "the stream has ended",
        START_LIMIT,
        stream.map(|event| told(&event)).collect::<Vec<_>>(),
    )
    .await
}

async fn navigate(stack: &Stack, user: &User) {
    stack.get("/").user(user).browser().send().await.expect(503);
}

pub async fn phases_come_in_order_as_they_happen(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    navigate(&stack, &user).await;
    let told = all(stack.get(EVENTS).user(&user)).await;
    let order = ["container", "restore", "configure", "agent", "ready"];
    let phases: Vec<usize> = told
        .iter()
        .map(|one| {
            order
                .iter()
                .position(|phase| one["phase"] == *phase)
                .expect("a known phase")
        })
        .collect();
    assert!(phases.is_sorted(), "{told:#?}");
    assert!(phases.len() > 1, "nothing came while it happened: {told:#?}");
    let ids: std::collections::HashSet<_> = told.iter().map(|one| one["event"].to_string()).collect();
    assert_eq!(ids.len(), told.len(), "something was told twice: {told:#?}");
    let (last, before) = told.split_last().expect("an event");
    assert!(before.iter().all(|one| one["next"] == "watch"), "{told:#?}");
    assert_eq!(
        (&last["next"], &last["lifecycle"]),
        (&"open".into(), &"running".into()),
        "{last}"
    );
    // It is true: the agent answers at once.
    let begun = Instant::now();
    stack.get("/").user(&user).browser().send().await.expect(200);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

pub async fn who_comes_back_is_told_nothing_twice(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let stalled = stall(&stack, &user).await;
    let mut first = events(stack.get(EVENTS).user(&user)).await;
    let seen = within("it is told", LIMIT, first.next()).await.expect("an event");
    drop(first);
    // By the header as a browser does it, and by the parameter as the page does it first.
    let calls = [
        stack.get(EVENTS).user(&user).header("last-event-id", &seen.id),
        stack.get(&format!("{EVENTS}?after={}", seen.id)).user(&user),
    ];
    let mut streams = Vec::new();
    for call in calls {
        streams.push(events(call).await);
    }
    stalled.goes_on();
    for stream in streams {
        let next: Vec<Event> = within("it ends", START_LIMIT, stream.collect()).await;
        assert!(next.iter().all(|event| event.id != seen.id), "{next:#?}");
        assert_eq!(told(next.last().expect("an event"))["next"], "open");
    }
}

pub async fn watching_wakes_nothing_and_ends_by_itself(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for _ in 0..20 {
        let told = all(stack.get(EVENTS).user(&user)).await;
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(
            (&told[0]["lifecycle"], &told[0]["next"]),
            (&"stopped".into(), &"retry".into())
        );
    }
    stack.call("HEAD", EVENTS).user(&user).send().await.expect(200);
    stack.post(EVENTS).user(&user).send().await.expect(405);
    stack.post("/_molt/boot").user(&user).send().await.expect(405);
    assert!(stack.engine.running(&user).await.is_empty());
    assert_eq!(boot(&stack, &user).await["generation"], 0);
}

pub async fn a_person_has_so_many_streams_and_who_goes_away_makes_room(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let _stalled = stall(&stack, &user).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(events(stack.get(EVENTS).user(&user)).await);
    }
    let refused = stack.get(EVENTS).user(&user).send().await;
    refused.problem(429, "too_many_streams");
    let wait: u32 = refused.header("retry-after").parse().expect("seconds");
    assert!((2..=7).contains(&wait), "{wait}");
    // The page asks instead.
    assert_eq!(boot(&stack, &user).await["lifecycle"], "starting");
    open.truncate(7);
    // Noticed with a heartbeat or two.
    until("there is room again", Duration::from_secs(30), async || {
        let response = stack.get(EVENTS).user(&user).open().await;
        (response.status().as_u16() == 200).then_some(())
    })
    .await;
}

pub async fn what_is_usual_was_measured(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    navigate(&stack, &user).await;
    let first = all(stack.get(EVENTS).user(&user)).await;
    assert!(
        first.iter().all(|one| one["usualMs"].is_null()),
        "nothing was measured yet: {first:#?}"
    );
    // An agent may come up between two looks; one that was held up is seen.
    stall(&stack, &user).await.goes_on();
    stack.awake(&user).await;
    let stalled = stall(&stack, &user).await;
    let again = boot(&stack, &user).await;
    stalled.goes_on();
    let steps = again["steps"].as_array().expect("steps");
    for phase in ["container", "agent"] {
        let step = steps.iter().find(|step| step["phase"] == phase).expect("the step");
        assert!(
            step["usualMs"].as_u64().is_some_and(|ms| (1..60_000).contains(&ms)),
            "{again:#}"
        );
    }
    assert!(again["usualMs"].is_u64() && again["elapsedMs"].is_u64(), "{again:#}");
}

pub async fn a_failed_start_says_why_and_when_next(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let failed = break_agent(&stack, &user).await;
    assert_eq!(
        (&failed["next"], &failed["title"]),
        (&"retry".into(), &"Your sandbox could not be started".into())
    );
    assert!(
        failed["cause"].as_str().is_some_and(|cause| !cause.is_empty()),
        "{failed:#}"
    );
    assert!(failed["retryInMs"].is_u64(), "{failed:#}");
    // Where it failed, unless what failed was no start but an agent that ended again and again.
    let steps = failed["steps"].as_array().expect("steps");
    assert!(
        steps.is_empty() || steps.iter().any(|step| step["state"] == "failed"),
        "{failed:#}"
    );
    // Looking does not keep it so, and does not mend it either.
    let generation = failed["generation"].clone();
    for _ in 0..5 {
        assert_eq!(all(stack.get(EVENTS).user(&user)).await.len(), 1);
    }
    assert_eq!(boot(&stack, &user).await["generation"], generation);
    stack.awake(&user).await;
}

pub async fn only_its_owner_sees_it(stack: Arc<Stack>) {
    stack.get(EVENTS).send().await.problem(401, "authentication_required");
    stack
        .get(EVENTS)
        .admin()
        .send()
        .await
        .problem(401, "authentication_required");
    let login = stack.get("/_molt/restart").browser().send().await;
    assert!(login.expect(302).header("location").starts_with("/login"));
}
