//! What gets out.

use crate::INTERNET;
use crate::inside::{curl, limited};
use e2e_tests::stack::Stack;
use molt_common::provider::PROVIDER_HOST;
use molt_common::snapshot::REPOSITORY_HOST;
use serde_json::json;
use std::sync::Arc;

pub async fn only_listed_hosts_are_reached(stack: Arc<Stack>) {
    let lists = json!({"allow": ["Allowed.example.com.", "*.wild.example.net", "bücher.example"], "deny": ["bad.wild.example.net"]});
    let user = limited(&stack, &lists).await;
    for scheme in ["http", "https"] {
        for host in ["allowed.example.com", "a.wild.example.net", "xn--bcher-kva.example"] {
            let got = curl(&stack, &user, &format!("{scheme}://{host}/only?q=1")).await;
            got.is_from(&format!("{scheme} {host} GET /only?q=1 0"));
        }
        for host in ["other.example.com", "wild.example.net", "bad.wild.example.net"] {
            curl(&stack, &user, &format!("{scheme}://{host}/never"))
                .await
                .is_denied(host);
        }
    }
    assert_eq!(INTERNET.seen("/never"), Vec::<String>::new());
    // One user's lists are nobody else's.
    let other = limited(&stack, &json!({"allow": ["other.example.com"]})).await;
    curl(&stack, &other, "http://other.example.com/")
        .await
        .is_from("http other.example.com");
    curl(&stack, &other, "http://allowed.example.com/")
        .await
        .is_denied("allowed.example.com");
}

/// What is connected to is what was decided about, so that another name in front is no way around.
pub async fn the_host_of_a_request_decides_and_not_the_name_that_was_dialled(stack: Arc<Stack>) {
    let user = limited(&stack, &json!({"allow": ["allowed.example.com"]})).await;
    for scheme in ["http", "https"] {
        let at = |host: &str| format!("-H 'Host: {host}' {scheme}://allowed.example.com/fronted");
        curl(&stack, &user, &at("other.example.com"))
            .await
            .is_denied("other.example.com");
        for host in [
            "127.0.0.1",
            "localhost",
            "169.254.169.254",
            "[::1]",
            "2130706433",
            "calls.object",
            "traffic.sandbox",
            "gateway.internal",
            "allowed.example.com:22",
            "allowed.example.com@other.example.com",
        ] {
            let got = curl(&stack, &user, &at(host)).await;
            assert!(got.status != 200, "{scheme} {host}: {got:?}");
            assert!(
                ["outbound_denied", ""].contains(&got.code().as_str()),
                "{scheme} {host}: {got:?}"
            );
        }
    }
    // The stack's own front door, which is on this machine's loopback.
    let own = stack.ready.url.trim_start_matches("http://");
    let got = curl(
        &stack,
        &user,
        &format!("-H 'Host: {own}' http://allowed.example.com/health"),
    )
    .await;
    assert_eq!((got.status, got.code().as_str()), (403, "outbound_denied"), "{got:?}");
    // Whatever a request says of itself, it is this sandbox's.
    let posing = "-H 'X-Molt-Identity: a.b.c' -H 'X-Molt-Outbound-Url: http://other.example.com/fronted' http://allowed.example.com/posing";
    curl(&stack, &user, posing)
        .await
        .is_from("http allowed.example.com GET /posing");
    assert_eq!(INTERNET.seen("/fronted"), Vec::<String>::new());
}

pub async fn bodies_redirects_and_sockets_pass_as_they_are(stack: Arc<Stack>) {
    let user = limited(&stack, &json!({"allow": ["allowed.example.com"]})).await;
    let digest = "digest=$(openssl dgst -sha256 -binary big | base64)";
    stack.sh(&user, "head -c 20971520 /dev/urandom > big").await;
    let sent = stack
        .sh(
            &user,
            &format!("{digest}; curl -sS -m 60 --data-binary @big https://allowed.example.com/big; echo; echo $digest"),
        )
        .await;
    let (answer, digest) = sent.trim().split_once('\n').expect("two lines");
    assert_eq!(answer, format!("https allowed.example.com POST /big 20971520 {digest}"));
    // The client follows by itself, and is looked at again.
    let got = curl(&stack, &user, "http://allowed.example.com/redirect").await;
    assert_eq!(got.status, 302, "{got:?}");
    curl(&stack, &user, "-L http://allowed.example.com/redirect")
        .await
        .is_denied("other.example.com");
    assert_eq!(INTERNET.seen("/after-redirect"), Vec::<String>::new());
    let socket = "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(PeerAddr=>\"allowed.example.com\",PeerPort=>80,Timeout=>15) or die; \
         print $s \"GET /socket HTTP/1.1\\r\\nHost: allowed.example.com\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\
         Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n\"; $h=\"\"; \
         while($h !~ /\\r\\n\\r\\n/){sysread($s,$h,1,length $h) or die $h} print $s \"\\x81\\x85\\0\\0\\0\\0marco\"; \
         $f=\"\"; while(length $f < 7){sysread($s,$f,7,length $f) or die} print substr($h,9,3).\" \".substr($f,2)'";
    assert_eq!(stack.sh(&user, socket).await, "101 marco");
}

/// What no list can open, and what shows it: under a policy there is HTTP on 80 and HTTPS on 443 by name, and nothing else.
pub async fn nothing_but_http_and_https_by_name_gets_out(stack: Arc<Stack>) {
    let user = limited(&stack, &json!({"deny": ["denied.example.com"]})).await;
    curl(&stack, &user, "https://allowed.example.com/")
        .await
        .is_from("https allowed.example.com");
    // By address: HTTP is refused with words, HTTPS without a name ends.
    curl(&stack, &user, "http://1.1.1.1/").await.is_denied("1.1.1.1");
    for nowhere in [
        "-k https://1.1.1.1/",
        "http://allowed.example.com:8080/",
        "-k https://allowed.example.com:8443/",
        "telnet://1.1.1.1:25",
        "http://127.0.0.1:1/",
        "http://10.0.0.1:8080/",
    ] {
        let got = curl(&stack, &user, nowhere).await;
        assert_eq!(got.status, 0, "{nowhere}: {got:?}");
    }
    // Not HTTP on an open port: nothing comes back.
    let raw = |host: &str, port: u16, text: &str| {
        format!(
            "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(PeerAddr=>\"{host}\",PeerPort=>{port},Timeout=>10) or exit 0; \
             print $s \"{text}\\r\\n\"; alarm 10; $SIG{{ALRM}}=sub{{exit 0}}; sysread($s,$r,99); print $r if $r !~ /^HTTP.1.1 [45]/'"
        )
    };
    for (host, port) in [
        ("1.1.1.1", 22),
        ("1.1.1.1", 443),
        ("allowed.example.com", 22),
        ("1.1.1.1", 80),
    ] {
        let said = stack.sh(&user, &raw(host, port, "SSH-2.0-x")).await;
        assert_eq!(said, "", "{host}:{port}");
    }
    let datagram = "perl -MSocket -e 'socket(S,PF_INET,SOCK_DGRAM,0); connect(S,sockaddr_in(443,inet_aton(\"1.1.1.1\"))); \
         print defined(send(S,\"x\",0)) ? \"sent\" : \"refused\"'";
    assert_eq!(stack.sh(&user, datagram).await, "refused");
}

pub async fn the_platforms_own_names_are_reached_whatever_the_lists_say(stack: Arc<Stack>) {
    let user = limited(&stack, &json!({"allow": [], "deny": ["*.com"]})).await;
    curl(&stack, &user, "http://allowed.example.com/")
        .await
        .is_denied("allowed.example.com");
    let path = stack.repository(&user).path("restic/config");
    for scheme in ["http", "https"] {
        let got = curl(&stack, &user, &format!("{scheme}://{REPOSITORY_HOST}{path}")).await;
        assert_eq!(
            (got.status, got.code().as_str()),
            (401, "authentication_required"),
            "{got:?}"
        );
        let got = curl(&stack, &user, &format!("{scheme}://{PROVIDER_HOST}/")).await;
        assert_ne!(got.code(), "outbound_denied", "{got:?}");
    }
    // Saving goes on.
    stack.sh(&user, "echo kept > kept.txt").await;
    let saved = stack.changed(&user, "POST", "backups", &json!({})).await;
    e2e_tests::changes::ended(&saved, "succeeded");
}

/// Not enforced, and documented as such: a name of a denied host can be asked for. It leads to the edge all the same.
pub async fn names_are_looked_up_whatever_the_lists_say(stack: Arc<Stack>) {
    let user = limited(&stack, &json!({"allow": ["allowed.example.com"]})).await;
    let address = stack.sh(&user, "getent ahostsv4 any.name.example | head -1").await;
    assert!(address.starts_with("198.19."), "a stand-in for the edge: {address}");
    curl(&stack, &user, "http://any.name.example/")
        .await
        .is_denied("any.name.example");
}
