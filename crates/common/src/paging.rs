//! Pages of a list. A list is asked for one row more than a page has: only that row says that there is another page.

/// How many rows to ask for, for a page of `limit`.
#[must_use]
pub const fn rows_to_ask_for(limit: u32) -> u32 {
    limit.saturating_add(1)
}

/// The rows of a page, and the cursor of the next: `cursor` of the last row, where there is another page.
pub fn page<T>(mut rows: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(cursor);
    (rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a list answers when it is asked for rows after a cursor.
    fn list(rows: u32, after: u32, limit: u32) -> (Vec<u32>, Option<String>) {
        let found = (after + 1..=rows).take(rows_to_ask_for(limit) as usize);
        page(found.collect(), limit, u32::to_string)
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        assert_eq!(list(4, 2, 2), (vec![3, 4], None));
        assert_eq!(list(5, 2, 2), (vec![3, 4], Some("4".into())));
        assert_eq!(list(0, 0, 2), (vec![], None));
    }

    proptest! {
        #[test]
        fn following_the_cursors_tells_each_row_once_and_no_page_is_empty(rows in 0_u32..50, limit in 1_u32..20) {
            let (mut told, mut after) = (Vec::new(), 0);
            loop {
                let (page, next) = list(rows, after, limit);
                prop_assert!(page.len() <= limit as usize && (!page.is_empty() || rows == 0));
                told.extend(page);
                match next {
                    Some(cursor) => after = cursor.parse().unwrap_or(u32::MAX),
                    None => break,
                }
            }
            prop_assert_eq!(told, (1..=rows).collect::<Vec<_>>());
        }
    }
}
