//! Where in an HTML document a script is first in the head. Pure.
//!
//! Only what may stand before a head is read, as the standard's insertion modes "initial", "before html" and "before head" have it: white
//! space, comments, the document type, the tags `html` and `head`. A rewriter of whole documents would read on through all of the page, and the one
//! that is well kept brings an engine for style selectors along.

/// Longest unfinished comment or tag before the head. A page with a longer one is left as it is.
const LOOK_AHEAD: usize = 16 * 1024;

/// What is known of the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind these bytes.
    At(usize),
    /// Not within the first so many bytes; the rest must be seen again with what follows it.
    After(usize),
    /// Nowhere: what is there is no HTML that a tag can be put into, or too much stands before.
    Nowhere,
}

/// Looks for the place in `bytes`: a document from its beginning, or from where a search before ended ([`Place::After`]).
pub fn find(bytes: &[u8]) -> Place {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match item(rest) {
            // The same whether it comes at once or in pieces.
            Item::Skip(length) | Item::Head(length) if length > LOOK_AHEAD => return Place::Nowhere,
            Item::Unfinished if rest.len() > LOOK_AHEAD => return Place::Nowhere,
            Item::Unfinished => return Place::After(at),
            Item::Skip(length) => at += length,
            Item::Head(length) => return Place::At(at + length),
            Item::Content => return Place::At(at),
            Item::Wide => return Place::Nowhere,
        }
    }
}

enum Item {
    /// So many bytes that stand before the head.
    Skip(usize),
    /// The tag that opens the head.
    Head(usize),
    /// Something that opens the head by itself.
    Content,
    /// It cannot be told yet.
    Unfinished,
    /// The mark of an encoding with more than one byte per letter.
    Wide,
}

fn item(rest: &[u8]) -> Item {
    let Some(first) = rest.first() else {
        return Item::Unfinished;
    };
    match first {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0c => {
            let within = rest.iter().take(LOOK_AHEAD);
            let blank = within.take_while(|byte| byte.is_ascii_whitespace()).count();
            Item::Skip(blank)
        }
        0xfe | 0xff => Item::Wide,
        0xef => begins(rest, b"\xef\xbb\xbf", Item::Skip(3)),
        b'<' => match rest.get(1) {
            None => Item::Unfinished,
            Some(b'!') if rest.starts_with(b"<!--") => comment(rest),
            // It may become a comment, whose end is another.
            Some(b'!') if b"<!--".starts_with(rest) => Item::Unfinished,
            Some(b'!' | b'?') => through(rest, b">"),
            Some(_) => tag(rest),
        },
        _ => Item::Content,
    }
}

/// The item when the bytes begin with this, unfinished while they may.
fn begins(rest: &[u8], with: &[u8], item: Item) -> Item {
    if rest.starts_with(with) {
        item
    } else if with.starts_with(rest) {
        Item::Unfinished
    } else {
        Item::Content
    }
}

fn comment(rest: &[u8]) -> Item {
    // `<!-->` and `<!--->` are whole comments.
    for (start, short) in [(4, b">".as_slice()), (4, b"->")] {
        if rest.get(start..).is_some_and(|inner| inner.starts_with(short)) {
            return Item::Skip(start + short.len());
        }
    }
    let ends = [b"-->".as_slice(), b"--!>"];
    let inner = rest.get(4..).unwrap_or_default();
    let end = ends
        .iter()
        .filter_map(|end| Some(position(inner, end)? + end.len()))
        .min();
    end.map_or(Item::Unfinished, |end| Item::Skip(4 + end))
}

fn through(rest: &[u8], end: &[u8]) -> Item {
    position(rest, end).map_or(Item::Unfinished, |at| Item::Skip(at + end.len()))
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn tag(rest: &[u8]) -> Item {
    let named = rest.get(1..).unwrap_or_default();
    let length = named
        .iter()
        .take_while(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>'))
        .count();
    let name = named.get(..length).unwrap_or_default();
    // The name may go on in what has not come yet.
    let whole = length < named.len();
    let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
    let may_become = |wanted: &[u8]| wanted.get(..length).is_some_and(is);
    if whole && (is(b"html") || is(b"head")) {
        let attributes = named.get(length..).unwrap_or_default();
        return match end_of_tag(attributes) {
            None => Item::Unfinished,
            Some(end) if is(b"html") => Item::Skip(1 + length + end),
            Some(end) => Item::Head(1 + length + end),
        };
    }
    if !whole && (may_become(b"html") || may_become(b"head")) {
        return Item::Unfinished;
    }
    Item::Content
}

/// Bytes through the `>` that ends a tag, from behind its name on: one in a quoted value ends nothing.
fn end_of_tag(attributes: &[u8]) -> Option<usize> {
    enum State {
        BeforeName,
        Name,
        AfterName,
        BeforeValue,
        Quoted(u8),
        Unquoted,
    }
    let mut state = State::BeforeName;
    for (at, byte) in attributes.iter().enumerate() {
        let blank = byte.is_ascii_whitespace();
        state = match (state, byte) {
            (State::Quoted(quote), byte) if *byte == quote => State::BeforeName,
            (State::Quoted(quote), _) => State::Quoted(quote),
            (_, b'>') => return Some(at + 1),
            (State::BeforeName, b'/') => State::BeforeName,
            (State::BeforeName, _) if blank => State::BeforeName,
            (State::BeforeName, _) => State::Name,
            (State::Name | State::AfterName, b'/') => State::BeforeName,
            (State::Name | State::AfterName, b'=') => State::BeforeValue,
            (State::Name | State::AfterName, _) if blank => State::AfterName,
            (State::Name | State::AfterName, _) => State::Name,
            (State::BeforeValue, _) if blank => State::BeforeValue,
            (State::BeforeValue, b'"' | b'\'') => State::Quoted(*byte),
            (State::BeforeValue, _) => State::Unquoted,
            (State::Unquoted, _) if blank => State::BeforeName,
            (State::Unquoted, _) => State::Unquoted,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The document with a mark where the place is.
    fn marked(document: &str) -> String {
        match find(document.as_bytes()) {
            Place::At(at) => format!("{}|{}", &document[..at], &document[at..]),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn it_is_first_in_the_head_however_the_head_begins() {
        for expected in [
            "<!doctype html><html lang=en><head>|<meta>",
            "\u{feff}<!DOCTYPE html>\r\n<!-- <head> -->\n<HTML\n data-a='>' b=\">\" c=a\"b><Head\tx>|<title>",
            "<!doctype html>|<title>x</title><p>",
            "<html>|<body>",
            "<!--> <html>|<p>",
            "<!---><html>|<p>",
            "<!-- a --!><head>|",
            "<?xml version='1.0'?><head/>|",
            "<html/x=\"/\"><head>|",
            "<html =\">|\">",
            "|<header><head>",
            "|<htmlx>",
            "|</head>",
            "|text <head>",
            "|\u{e9}",
        ] {
            let document = expected.replacen('|', "", 1);
            assert_eq!(marked(&document), expected);
        }
    }

    #[test]
    fn what_is_not_finished_is_waited_for_within_bounds() {
        for (document, place) in [
            ("", Place::After(0)),
            ("<", Place::After(0)),
            ("<!-", Place::After(0)),
            ("<!doctype html><ht", Place::After(15)),
            ("<html><!-- >", Place::After(6)),
            ("<html><head a='>", Place::After(6)),
        ] {
            assert_eq!(find(document.as_bytes()), place, "{document}");
        }
        assert_eq!(find(b"\xff\xfe<\0"), Place::Nowhere);
        let long = format!("<!--{}", "-".repeat(LOOK_AHEAD));
        assert_eq!(find(long.as_bytes()), Place::Nowhere);
        assert_eq!(
            find(format!("{long}--><head>").as_bytes()),
            Place::Nowhere,
            "in one piece"
        );
        let blank = " ".repeat(2 * LOOK_AHEAD);
        assert_eq!(find(blank.as_bytes()), Place::After(blank.len()));
    }

    proptest! {
        #[test]
        fn it_is_the_same_place_however_the_document_is_cut(
            parts in proptest::collection::vec(prop_oneof![
                Just("<!doctype html>"), Just("<!-- x -->"), Just("<!---->"), Just("<html a='>'>"), Just("<head>"), Just(" \n"), Just("<body>"), Just("<"), Just("a"), Just("--"), Just(">"), Just("'")
            ], 0..8),
            cut in 0_usize..64,
        ) {
            let document = parts.concat();
            let whole = find(document.as_bytes());
            let cut = cut.min(document.len());
            let pieced = match find(&document.as_bytes()[..cut]) {
                Place::After(done) => match find(&document.as_bytes()[done..]) {
                    Place::At(at) => Place::At(done + at),
                    Place::After(at) => Place::After(done + at),
                    Place::Nowhere => Place::Nowhere,
                },
                found => found,
            };
            prop_assert_eq!(pieced, whole, "{}", document);
        }
    }
}
