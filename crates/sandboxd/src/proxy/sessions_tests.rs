use super::*;

fn session(name: char) -> Session {
    let name = SessionRef::parse(&format!("s{}", name.to_string().repeat(32)));
    Session { name, until: None }
}

fn lasting(until: u64) -> Session {
    Session {
        until: Some(until),
        ..session('a')
    }
}

fn is_open(admitted: &mut Admitted) -> bool {
    let mut context = Context::from_waker(std::task::Waker::noop());
    admitted.poll_ended(&mut context).is_pending()
}

#[tokio::test]
async fn a_session_ends_alone_and_stays_ended() {
    let sessions = Arc::new(Sessions::default());
    let mut first = sessions.admit(session('a'), Exchange::Socket).ok().unwrap();
    let mut request = sessions.admit(session('a'), Exchange::Http).ok().unwrap();
    let mut other = sessions.admit(session('b'), Exchange::Socket).ok().unwrap();
    let mut nameless = sessions.admit(Session::default(), Exchange::Socket).ok().unwrap();
    let ended = session('a').name;
    assert_eq!(
        sessions.end(ended.as_ref(), SessionEnd::SignedOut),
        1,
        "requests are no sockets"
    );
    assert_eq!(first.ended().await, SessionEnd::SignedOut);
    assert_eq!(request.ended().await, SessionEnd::SignedOut);
    assert!(is_open(&mut other) && is_open(&mut nameless));
    assert_eq!(sessions.end(ended.as_ref(), SessionEnd::SignedOut), 0, "said twice");
    for exchange in [Exchange::Socket, Exchange::Http] {
        assert_eq!(
            sessions.admit(session('a'), exchange).err(),
            Some(SessionEnd::SignedOut)
        );
        assert!(sessions.admit(session('b'), exchange).is_ok());
    }
}

#[tokio::test]
async fn all_sessions_end_whatever_their_name() {
    let sessions = Arc::new(Sessions::default());
    let mut open = vec![
        sessions.admit(session('a'), Exchange::Socket).ok().unwrap(),
        sessions.admit(Session::default(), Exchange::Socket).ok().unwrap(),
    ];
    assert_eq!(sessions.end(None, SessionEnd::Suspended), 2);
    for admitted in &mut open {
        assert_eq!(admitted.ended().await, SessionEnd::Suspended);
    }
    assert_eq!(
        sessions.admit(session('c'), Exchange::Socket).err(),
        Some(SessionEnd::Suspended)
    );
}

#[tokio::test]
async fn an_expired_session_is_resumed_by_a_renewed_token() {
    let sessions = Arc::new(Sessions::default());
    let mut first = sessions.admit(lasting(now_ms() + 30), Exchange::Socket).ok().unwrap();
    assert!(is_open(&mut first));
    assert_eq!(first.ended().await, SessionEnd::Expired);
    assert_eq!(
        sessions.admit(lasting(now_ms()), Exchange::Socket).err(),
        Some(SessionEnd::Expired)
    );
    assert!(sessions.admit(lasting(now_ms() + 10_000), Exchange::Socket).is_ok());
    sessions.end(session('a').name.as_ref(), SessionEnd::Expired);
    assert!(sessions.admit(lasting(now_ms() + 10_000), Exchange::Socket).is_ok());
    assert!(sessions.admit(lasting(u64::MAX), Exchange::Socket).is_ok());
}

#[tokio::test]
async fn a_request_may_last_as_long_as_clocks_may_differ() {
    let sessions = Arc::new(Sessions::default());
    let mut late = sessions.admit(lasting(now_ms() - 1_000), Exchange::Http).ok().unwrap();
    assert!(is_open(&mut late));
    let long_ago = now_ms() - LEEWAY_MS;
    assert_eq!(
        sessions.admit(lasting(long_ago), Exchange::Http).err(),
        Some(SessionEnd::Expired)
    );
}

#[tokio::test]
async fn what_is_over_is_forgotten() {
    let sessions = Arc::new(Sessions::default());
    drop(sessions.admit(session('a'), Exchange::Socket));
    assert!(sessions.table().open.is_empty());
    assert_eq!(sessions.end(None, SessionEnd::Expired), 0);
}

#[tokio::test]
async fn when_the_platform_goes_away_sockets_are_closed_and_requests_go_on() {
    let sessions = Arc::new(Sessions::default());
    let mut socket = sessions.admit(session('a'), Exchange::Socket).ok().unwrap();
    let mut kept = sessions.admit(session('b'), Exchange::Kept).ok().unwrap();
    let mut request = sessions.admit(session('a'), Exchange::Http).ok().unwrap();
    assert_eq!(sessions.close_all(1012, "again"), 1, "what is kept is no open socket");
    let ending = Ending::Platform {
        code: 1012,
        reason: "again".to_owned(),
    };
    assert_eq!(socket.closing().await, ending);
    assert_eq!(socket.closing().await, ending, "said for good");
    assert_eq!(kept.closing().await, ending);
    assert!(is_open(&mut request) && is_open(&mut socket), "no session has ended");
    assert!(sessions.admit(session('a'), Exchange::Socket).is_ok());
    assert_eq!(sessions.close_all(1006, ""), 0);
    assert_eq!(
        request.poll_ended(&mut Context::from_waker(std::task::Waker::noop())),
        Poll::Pending
    );
}

#[tokio::test]
async fn what_is_kept_outlives_a_token_and_ends_with_its_session() {
    let sessions = Arc::new(Sessions::default());
    let mut kept = sessions.admit(lasting(now_ms() + 1), Exchange::Kept).ok().unwrap();
    sessions.end(session('a').name.as_ref(), SessionEnd::Expired);
    assert!(kept.expiry.is_none() && is_open(&mut kept));
    assert_eq!(sessions.end(session('a').name.as_ref(), SessionEnd::SignedOut), 0);
    assert_eq!(kept.closing().await, Ending::Session(SessionEnd::SignedOut));
}
