//! Several packs at a time, since each is mostly waited for.

use crate::failure::{Failure, Outcome};
use std::sync::{Mutex, PoisonError};

/// Items in work at the same time.
const THREADS: usize = 4;

/// Does something with every item, several at a time. After a failure nothing further is begun.
///
/// # Errors
/// The failure that came first.
pub fn each<T>(items: impl Iterator<Item = T> + Send, act: impl Fn(T) -> Outcome<()> + Sync) -> Outcome<()> {
    let items = Mutex::new(items);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let first = || failure.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while first().is_none() {
                    let Some(item) = items.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                        return;
                    };
                    if let Err(error) = act(item) {
                        first().get_or_insert(error);
                    }
                }
            });
        }
    });
    failure
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::{THREADS, each};
    use crate::failure::Failure;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_item_has_its_turn_once_and_several_are_in_work_together() {
        let (sum, together) = (AtomicUsize::new(0), Barrier::new(THREADS));
        let done = each(1..=THREADS * 100, |item| {
            together.wait();
            sum.fetch_add(item, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!(done, Ok(()));
        assert_eq!(sum.into_inner(), (1..=THREADS * 100).sum::<usize>());
    }

    #[test]
    fn nothing_is_begun_after_a_failure_and_the_first_is_told() {
        let begun = AtomicUsize::new(0);
        let done = each(0_usize.., |item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item < 10 {
                return Ok(());
            }
            Err(Failure::lasting("it is broken"))
        });
        assert_eq!(done, Err(Failure::lasting("it is broken")));
        // Those in work at that moment come to their end.
        assert!((11..=10 + THREADS).contains(&begun.into_inner()));
    }
}
