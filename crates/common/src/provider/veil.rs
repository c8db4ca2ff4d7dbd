//! Takes a key out of what a provider answers. Some echo what they were sent, most often in the text of an error, and a sandbox must not learn the key
//! that way. What takes its place is as long, so that lengths stay true; bytes are held back only while they may be the beginning of the key.

use memchr::memmem::Finder;

/// What stands where the key stood.
const BLANK: u8 = b'*';
/// Shorter keys are no secrets, and would blank half of an answer.
const SHORTEST: usize = 8;

/// One answer's filter.
pub struct Veil {
    finder: Option<Finder<'static>>,
    held: Vec<u8>,
}

impl Veil {
    /// For this key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let secret = key.len() >= SHORTEST;
        Self {
            finder: secret.then(|| Finder::new(key.as_bytes()).into_owned()),
            held: Vec::new(),
        }
    }

    /// Whether a piece passes as it is: nothing of it is to be blanked or held back, and nothing was held before.
    #[must_use]
    pub fn leaves(&self, piece: &[u8]) -> bool {
        let Some(finder) = &self.finder else { return true };
        self.held.is_empty() && begun(piece, finder.needle()) == 0 && finder.find(piece).is_none()
    }

    /// What of the answer so far may go on, with this piece.
    #[must_use]
    pub fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        let Some(finder) = &self.finder else { return bytes };
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
            let end = from + at + finder.needle().len();
            if let Some(found) = bytes.get_mut(from + at..end) {
                found.fill(BLANK);
            }
            from = end;
        }
        let keep = begun(&bytes, finder.needle());
        self.held = bytes.split_off(bytes.len().saturating_sub(keep));
        bytes
    }

    /// What was held back, when the answer has ended: it was not the key.
    #[must_use]
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// How many of the last bytes may be the beginning of `key`.
fn begun(bytes: &[u8], key: &[u8]) -> usize {
    let most = bytes.len().min(key.len().saturating_sub(1));
    (1..=most)
        .rev()
        .find(|&length| {
            bytes
                .len()
                .checked_sub(length)
                .and_then(|from| bytes.get(from..))
                .is_some_and(|tail| key.starts_with(tail))
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Veil;
    use proptest::prelude::*;

    const KEY: &str = "sk-live-aab";

    fn through(pieces: &[&[u8]]) -> Vec<u8> {
        let mut veil = Veil::of(KEY);
        let mut seen = Vec::new();
        for piece in pieces {
            if veil.leaves(piece) {
                seen.extend_from_slice(piece);
            } else {
                seen.extend(veil.pass(piece));
            }
        }
        seen.extend(veil.rest());
        seen
    }

    #[test]
    fn a_key_that_is_echoed_is_blanked_wherever_it_is_cut() {
        let text = format!("Incorrect key {KEY}{KEY}, sk-live-aa!");
        let want = format!("Incorrect key {0}{0}, sk-live-aa!", "*".repeat(KEY.len()));
        for cut in 0..=text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            assert_eq!(String::from_utf8(through(&[one, two])).unwrap(), want, "{cut}");
        }
    }

    #[test]
    fn an_event_is_never_held_back() {
        let mut veil = Veil::of(KEY);
        let event = b"data: {\"x\":\"sk-live-aa\"}\n\n";
        assert!(veil.leaves(event));
        assert_eq!(veil.pass(event), event);
        assert!(veil.rest().is_empty());
    }

    proptest! {
        #[test]
        fn cuts_change_nothing_and_no_key_gets_through(
            parts in prop::collection::vec(prop_oneof![Just(KEY.to_owned()), "[sk\\-liveab]{0,6}".prop_map(String::from)], 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text = parts.concat();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let seen = String::from_utf8(through(&pieces)).unwrap();
            prop_assert_eq!(seen.len(), text.len());
            prop_assert!(!seen.contains(KEY), "{}", seen);
            prop_assert_eq!(seen, text.replace(KEY, &"*".repeat(KEY.len())));
        }
    }
}
