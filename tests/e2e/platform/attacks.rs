//! The catalogue of hostile requests (`e2e_tests::attacks`): nobody gets in, nothing breaks.

use e2e_tests::attacks;
use e2e_tests::stack::Stack;
use std::sync::Arc;

/// Fewer than this would mean that a part of the catalogue was left out.
const FEWEST: usize = 150;

pub async fn every_attack_is_held(stack: Arc<Stack>) {
    let rows = attacks::all(&stack).await;
    let failed: Vec<_> = rows.iter().filter(|row| !row.held || row.status >= 500).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(rows.len() >= FEWEST, "only {} attacks", rows.len());
    for weakness in 18..=32 {
        // 18 (a secret in the repository), 24 (a switch that turns everything off) and 30 (pairing) are no requests; SECURITY.md says what holds them.
        let by_request = ![18, 24, 30].contains(&weakness);
        let covered = rows.iter().any(|row| row.weakness == weakness.to_string());
        assert!(covered || !by_request, "nothing attacks weakness {weakness}");
    }
}
