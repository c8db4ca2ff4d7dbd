//! What bills are made of.

use super::{Basis, Bill, CallSums, RunSums};
use proptest::prelude::*;

fn calls(own_key: u64, requests: u64, stated: u64, priced: u64, nano_usd: u64) -> CallSums {
    CallSums {
        provider: "p".into(),
        own_key,
        requests,
        ended: requests,
        stated,
        priced,
        nano_usd,
        ..CallSums::default()
    }
}

#[test]
fn money_is_estimated_where_a_price_is_stated_and_null_with_a_reason_elsewhere() {
    let bill = |sums: CallSums| Bill::of(&[sums], &[], 0).providers.remove(0).micro_usd;
    let known = bill(calls(0, 2, 2, 2, 7_000));
    assert_eq!(
        (known.value, known.basis, known.note),
        (Some(7), Basis::Estimated, None)
    );
    let unpriced = bill(calls(0, 2, 2, 0, 0));
    assert_eq!(unpriced.value, None);
    assert_eq!(
        unpriced.note.as_deref(),
        Some("no price is stated for the models of 2 calls")
    );
    let partly = bill(calls(0, 5, 3, 1, 1_000));
    assert_eq!(partly.value, Some(1));
    let says = "no price is stated for the models of 2 calls; no tokens are known of 2 calls";
    assert_eq!(partly.note.as_deref(), Some(says));
    let own = bill(calls(1, 2, 2, 2, 7_000));
    assert_eq!((own.value, own.note.is_some()), (None, true));
}

#[test]
fn what_a_user_pays_himself_is_not_in_the_total() {
    let bill = Bill::of(
        &[calls(0, 1, 1, 1, 5_000_000), calls(1, 1, 1, 1, 9_000_000)],
        &[],
        30_000,
    );
    // 30 GB-days are one GB-month.
    assert_eq!(bill.total.at_least_micro_usd.value, Some(5_000 + 15_000));
    assert_eq!(bill.total.at_least_micro_usd.note, None);
    let unknown = Bill::of(&[calls(0, 3, 3, 1, 0)], &[], 0).total;
    assert!(
        unknown
            .at_most_micro_usd
            .note
            .is_some_and(|note| note.contains("2 calls"))
    );
}

#[test]
fn time_is_measured_and_its_money_lies_between_two_estimates() {
    let bill = Bill::of(&[], &[RunSums { tier: 1, ms: 3_600_000 }], 0);
    let container = &bill.containers[0];
    assert_eq!(container.milliseconds.basis, Basis::Measured);
    assert_eq!(container.instance, "standard-1");
    assert_eq!(bill.total.at_least_micro_usd.value, Some(38_016));
    assert_eq!(bill.total.at_most_micro_usd.value, Some(38_016 + 36_000));
    let json = serde_json::to_value(&bill).unwrap();
    assert_eq!(json["containers"][0]["milliseconds"]["basis"], "measured");
    assert_eq!(json["total"]["atMostMicroUsd"]["basis"], "estimated");
}

proptest! {
    #[test]
    fn a_total_is_never_less_than_its_parts(
        runs in prop::collection::vec((1_u8..4, 0_u64..1_000_000_000), 0..4), nano in 0_u64..1_000_000_000, stored in 0_u64..1_000_000,
    ) {
        let runs: Vec<RunSums> = runs.into_iter().map(|(tier, ms)| RunSums { tier, ms }).collect();
        let bill = Bill::of(&[calls(0, 1, 1, 1, nano)], &runs, stored);
        let parts: u64 = bill.containers.iter().filter_map(|one| one.memory_and_disk_micro_usd.value).sum::<u64>()
            + bill.providers.iter().filter_map(|one| one.micro_usd.value).sum::<u64>()
            + bill.storage.micro_usd.value.unwrap_or(0);
        let total = bill.total.at_least_micro_usd.value.unwrap_or(0);
        // Half a millionth for each part that is shown rounded.
        prop_assert!(total.abs_diff(parts) <= 6, "{total} {parts}");
        prop_assert!(bill.total.at_most_micro_usd.value >= bill.total.at_least_micro_usd.value);
    }
}
