use super::capacity::{INTEREST_MS, is_no_room};
use super::tests::{T0, needed, running};
use super::*;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::ImageChoice;

#[test]
fn want_of_room_is_told_and_tried_again_as_long_as_somebody_waits() {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    let refuse = |sandbox: &mut Sandbox, at| {
        assert!(sandbox.launches(at));
        sandbox.step(Event::Launching, at);
        let (cause, refusal) = ("no room".to_owned(), Refusal::Capacity);
        sandbox.step(Event::StartRefused { cause, refusal }, at)
    };
    assert_eq!(refuse(&mut sandbox, T0), vec![Action::Announce]);
    let view = sandbox.view();
    assert_eq!(
        (
            view.lifecycle,
            view.waits_for_capacity,
            view.cause.as_deref(),
            view.generation
        ),
        (Lifecycle::Starting, true, Some("no room"), 1)
    );
    let retry = view.retry_at.unwrap();
    assert!((1_000..1_500).contains(&retry.since(T0)), "{}", retry.since(T0));
    assert!(!sandbox.launches(Millis(retry.0 - 1)));
    assert_eq!(sandbox.next_alarm(T0, false), Some(retry));
    let mut at = retry;
    for _ in 0..20 {
        sandbox.step(needed(), at);
        assert_eq!(sandbox.step(Event::Due, at), vec![]);
        assert_eq!(refuse(&mut sandbox, at), vec![]);
        at = sandbox.view().retry_at.unwrap();
    }
    assert_eq!(sandbox.breaker, Breaker::default());
    // Nobody asks any more.
    sandbox.step(Event::Due, at.plus(INTEREST_MS));
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Stopped);
    assert_eq!(sandbox.view().cause.as_deref(), Some("no room"));
}

#[test]
fn the_platforms_words_for_no_room_are_known() {
    for text in [
        "Error: Maximum number of running container instances exceeded. Try again later, or try configuring a higher value for max_instances",
        "There is no container instance that can be provided to this Durable Object, try again later",
        "you are requesting too many containers per second",
    ] {
        assert!(is_no_room(text), "{text}");
    }
    assert!(!is_no_room("Network connection lost."));
}

#[test]
fn a_choice_counts_for_the_next_start_and_can_be_gone_back_to() {
    let mut sandbox = running();
    sandbox.set_tier(3);
    let canary = ImageChoice {
        name: "canary".into(),
        pinned: None,
    };
    assert_eq!(sandbox.previous_image(), None);
    sandbox.set_image(Some(canary.clone()));
    let view = sandbox.view();
    assert_eq!((view.tier, view.next_tier, view.next_image), (1, Some(3), Some(canary)));
    assert_eq!(sandbox.previous_image(), Some(None));
    assert!(sandbox.has_disk_since().is_some());
    sandbox.step(Event::KillWanted, T0);
    assert_eq!(sandbox.has_disk_since(), None);
    sandbox.step(needed(), T0);
    assert_eq!(sandbox.tier, 3);
}

#[test]
fn a_launch_that_was_never_made_is_made_again() {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    sandbox.step(Event::Launching, T0);
    assert!(!sandbox.launches(T0));
    sandbox.step(Event::NeverLaunched, T0);
    assert!(sandbox.launches(T0));
}
