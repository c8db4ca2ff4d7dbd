use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Rows as a table holds them.
#[derive(Default)]
struct Rows {
    rows: BTreeMap<u64, Vec<u8>>,
    known: u64,
}

impl Rows {
    fn take(&mut self, at: u64, bytes: &[u8]) {
        let last = self
            .rows
            .iter()
            .next_back()
            .map(|(start, row)| *start..start + row.len() as u64);
        for write in lay(last, self.known, at, bytes.len()) {
            match write {
                Write::Extend(range) => {
                    let mut row = self.rows.last_entry().expect("a row");
                    row.get_mut().extend_from_slice(&bytes[range]);
                }
                Write::Row(start, range) => assert!(self.rows.insert(start, bytes[range].to_vec()).is_none()),
            }
        }
        self.known = self.known.max(at + bytes.len() as u64);
    }

    fn cut(&mut self, left_out: &Range<u64>) {
        let rows = std::mem::take(&mut self.rows);
        for (start, row) in rows {
            for part in remains(&(start..start + row.len() as u64), left_out) {
                let bytes = &row[offset(part.start - start)..offset(part.end - start)];
                self.rows.insert(part.start, bytes.to_vec());
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.rows.values().flatten().copied().collect()
    }
}

#[test]
fn small_pieces_share_a_row_and_long_ones_are_split() {
    assert_eq!(lay(None, 0, 0, 3), [Write::Row(0, 0..3)]);
    assert_eq!(lay(Some(0..3), 3, 3, 2), [Write::Extend(0..2)]);
    assert_eq!(lay(Some(0..3), 3, 2, 2), [Write::Extend(1..2)], "one byte was there");
    assert_eq!(
        lay(Some(0..3), 3, 5, 2),
        [Write::Row(5, 0..2)],
        "what lies between is not kept"
    );
    assert_eq!(
        lay(Some(0..MERGED_ROW), MERGED_ROW, MERGED_ROW, 1),
        [Write::Row(MERGED_ROW, 0..1)]
    );
    let long = offset(LONGEST_ROW) + 5;
    assert_eq!(
        lay(None, 0, 7, long),
        [Write::Row(7, 0..long - 5), Write::Row(7 + LONGEST_ROW, long - 5..long)]
    );
    assert!(lay(Some(0..3), 3, 0, 3).is_empty(), "all of it was there");
    assert!(lay(None, 0, 0, 0).is_empty());
}

#[test]
fn the_two_halves_stay() {
    assert!(left_out(10, 10).is_empty());
    assert_eq!(left_out(10, 11), 5..6);
    assert_eq!(left_out(5, 11), 2..8);
    assert_eq!(left_out(0, 3), 0..3);
    assert_eq!(remains(&(0..10), &(3..7)), [0..3, 7..10]);
    assert!(remains(&(4..6), &(3..7)).is_empty());
    let whole = 0..10;
    assert_eq!(shown(std::slice::from_ref(&whole), 4), [0..2, 8..10]);
    assert_eq!(shown(&[0..3, 90..93], 5), [0..2, 90..93]);
    assert_eq!(shown(&[0..3, 90..93], 6), [0..3, 90..93]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Pieces that overlap what came before, skip some, or come twice: the rows hold what was said, once, and few they are.
    #[test]
    fn rows_hold_what_was_told(
        steps in prop::collection::vec((0_u64..9_000, 0_u64..300, 0_usize..90_000, any::<bool>()), 1..12), limit in 0_u64..400_000,
    ) {
        let (mut rows, mut all, mut told) = (Rows::default(), Vec::new(), Vec::new());
        for (back, skip, length, twice) in steps {
            let at = if skip < 30 { all.len() as u64 + skip } else { (all.len() as u64).saturating_sub(back) };
            let end = offset(at) + length;
            while all.len() < end {
                all.push(u8::try_from(all.len() % 251).unwrap());
            }
            let piece = &all[offset(at)..end];
            told.resize(all.len(), None);
            for (place, byte) in (at..).zip(piece).filter(|(place, _)| *place >= rows.known) {
                told[offset(place)] = Some(*byte);
            }
            rows.take(at, piece);
            if twice {
                rows.take(at, piece);
            }
        }
        prop_assert!(rows.bytes() == told.iter().copied().flatten().collect::<Vec<_>>());
        prop_assert!(rows.rows.values().all(|row| row.len() as u64 <= LONGEST_ROW));
        let starts: Vec<_> = rows.rows.iter().map(|(start, row)| (*start, row.len() as u64)).collect();
        for pair in starts.windows(2) {
            if pair[0].0 + pair[0].1 == pair[1].0 {
                prop_assert!(pair[0].1 + pair[1].1 > MERGED_ROW, "two small neighbours: {:?}", pair);
            }
        }
        let gap = left_out(limit, all.len() as u64);
        rows.cut(&gap);
        told[offset(gap.start)..offset(gap.end)].fill(None);
        prop_assert!(rows.bytes() == told.iter().copied().flatten().collect::<Vec<_>>());
        prop_assert!(rows.bytes().len() as u64 <= limit);
    }

    #[test]
    fn what_is_shown_is_the_two_ends(parts in prop::collection::vec((0_u64..5, 1_u64..50), 0..6), most in 0_u64..200) {
        let mut at = 0;
        let kept: Vec<_> = parts.into_iter().map(|(skip, length)| { let start = at + skip; at = start + length; start..at }).collect();
        let all: Vec<u64> = kept.iter().cloned().flatten().collect();
        let expected = if all.len() as u64 <= most { all.clone() } else {
            let (head, tail) = (offset(most / 2), offset(most - most / 2));
            [&all[..head], &all[all.len() - tail..]].concat()
        };
        prop_assert_eq!(shown(&kept, most).into_iter().flatten().collect::<Vec<_>>(), expected);
    }
}
