use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

#[test]
fn a_page_that_is_opened_counts_and_what_it_fetches_does_not() {
    let get = |fields: &[_]| of_request(&Method::GET, &headers(fields));
    assert!(get(&[("sec-fetch-dest", "document")]));
    assert!(get(&[]), "no browser's");
    for fetched in ["script", "style", "image", "font", "empty", "manifest", "serviceworker"] {
        assert!(!get(&[("sec-fetch-dest", fetched)]), "{fetched}");
    }
    assert!(!get(&[
        ("sec-fetch-dest", "document"),
        ("sec-purpose", "prefetch;prerender")
    ]));
    assert!(of_request(&Method::POST, &headers(&[("sec-fetch-dest", "empty")])));
    assert!(!get(&[("upgrade", "websocket")]));
    assert!(waits_for_events(&headers(&[("accept", "text/event-stream")])));
    assert!(!waits_for_events(&headers(&[("accept", "*/*")])));
}

fn request(method: &str) -> String {
    format!(
        r#"{{"type":"req","id":"3:0b6dc7ce-6022-45b0-baef-afa2eea20dc1","method":"{method}","params":{{"text":"a \"method\":\"x\""}}}}"#
    )
}

#[test]
fn what_the_page_asks_by_itself_is_nobodys_doing() {
    // As it was seen in a browser that nobody touched, over a load, a lost connection and the one after it.
    for method in [
        "connect",
        "sessions.subscribe",
        "sessions.list",
        "config.get",
        "update.status",
        "plugins.controlUi.list",
        "agents.list",
        "exec.approval.list",
        "plugin.surface.refresh",
        "agent.identity.get",
        "sessions.observer.visibility",
        "openclaw.setup.detect",
        "users.prefs.get",
        "question.list",
        "chat.history",
    ] {
        assert!(!of_message(true, request(method).as_bytes()), "{method}");
    }
}

#[test]
fn what_a_person_does_counts_and_so_does_what_is_not_known() {
    for method in [
        "chat.send",
        "chat.abort",
        "agent",
        "sessions.create",
        "session.typing",
        "config.patch",
        "terminal.input",
        "list",
    ] {
        assert!(of_message(true, request(method).as_bytes()), "{method}");
    }
    for odd in [
        "",
        "ping",
        "[1]",
        "{}",
        r#"{"params":{"method":"connect"}}"#,
        r#"{"method":7}"#,
        "{\"method\":\"conn",
    ] {
        assert!(of_message(true, odd.as_bytes()), "{odd}");
    }
    assert!(of_message(false, request("connect").as_bytes()), "binary");
}

#[test]
fn a_socket_that_resumes_is_judged_by_what_it_carries() {
    assert!(!of_message(true, br#"c{"type":"ack","received":7}"#));
    assert!(!of_message(true, format!("d{}", request("sessions.list")).as_bytes()));
    assert!(of_message(true, format!("d{}", request("chat.send")).as_bytes()));
    for words in ["d", "c", "call me", "do it"] {
        assert!(of_message(true, words.as_bytes()), "{words}");
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 0x5A, 0xFF, 0];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        medium @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

const TEXT: u8 = 0x81;

#[test]
fn pings_and_compressed_messages_are_told_apart() {
    let seen = |bytes: &[u8]| ClientMessages::default().persons(bytes);
    assert!(!seen(&frame(0x89, b"are you there")), "a ping");
    assert!(!seen(&frame(0x88, &[3, 232])), "a close");
    assert!(seen(&frame(TEXT | 0x40, request("connect").as_bytes())), "compressed");
    assert!(seen(&frame(TEXT, b"")), "an empty message");
    assert!(!seen(&frame(TEXT, request("connect").as_bytes())));
    assert!(seen(&frame(TEXT, request("chat.send").as_bytes())));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_alike_however_they_are_cut(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 1_usize..40) {
        let whole = ClientMessages::default().persons(&bytes);
        let mut messages = ClientMessages::default();
        let mut seen = false;
        for piece in bytes.chunks(cut) {
            seen |= messages.persons(piece);
        }
        prop_assert_eq!(seen, whole);
    }

    #[test]
    fn messages_are_judged_alike_however_they_are_cut(
        persons in proptest::collection::vec(any::<bool>(), 1..6),
        long in proptest::collection::vec(0_usize..70_000, 6),
        in_parts in any::<bool>(),
        cut in 1_usize..400,
    ) {
        let mut bytes = Vec::new();
        for (person, long) in persons.iter().zip(long) {
            let mut message = request(if *person { "chat.send" } else { "sessions.list" }).into_bytes();
            message.resize(message.len() + long, b' ');
            if in_parts {
                let middle = message.len() / 3;
                bytes.extend(frame(1, &message[..middle]));
                bytes.extend(frame(0x89, b"ping"));
                bytes.extend(frame(0x80, &message[middle..]));
            } else {
                bytes.extend(frame(TEXT, &message));
            }
        }
        let mut messages = ClientMessages::default();
        let mut any = false;
        for piece in bytes.chunks(cut) {
            any |= messages.persons(piece);
        }
        prop_assert_eq!(any, persons.contains(&true));
        prop_assert!(!messages.persons(&frame(TEXT, request("connect").as_bytes())), "it stands at a boundary");
        prop_assert!(messages.persons(&frame(TEXT, request("chat.send").as_bytes())));
    }
}
