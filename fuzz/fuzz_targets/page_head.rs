//! Where the script goes into an agent's page: the same place however the page arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxd::parsers::{Place, find_head};

/// What is found when the page comes in pieces of these lengths, each seen together with what was left of those before.
fn pieced(page: &[u8], piece: usize) -> Place {
    let (mut done, mut known) = (0, 0);
    loop {
        match find_head(&page[done..known]) {
            Place::At(at) => return Place::At(done + at),
            Place::Nowhere => return Place::Nowhere,
            Place::After(more) => done += more,
        }
        if known == page.len() {
            return Place::After(done);
        }
        known = page.len().min(known + piece);
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, page) = input;
    let whole = find_head(page);
    assert_eq!(pieced(page, usize::from(piece) + 1), whole);
    // Where something opened the head by itself, what follows is looked at alike.
    if let Place::At(at) = whole
        && !page[..at]
            .to_ascii_lowercase()
            .windows(5)
            .any(|window| window == b"<head")
    {
        assert_eq!(find_head(&page[at..]), Place::At(0));
    }
});
