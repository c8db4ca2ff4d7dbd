//! Whose requests count together.

use e2e_tests::rate::{ADDRESS, address, burst, network, refusal, said, tally};
use e2e_tests::stack::Stack;
use std::sync::Arc;
use uuid::Uuid;

pub async fn a_forged_token_buys_nothing_and_locks_nobody_out(stack: Arc<Stack>) {
    let victim = stack.new_user().await;
    stack.awake(&victim).await;
    let before = said(stack.get("/echo").user(&victim).send().await.expect(200)).remaining;
    // In the name of one victim, and each in another's name: both count for the address.
    let forged = |sub: &str| {
        let token = stack.sign(&stack.claims(sub));
        let (signed, _) = token.rsplit_once('.').expect("a signature");
        format!("{signed}.{}", "A".repeat(43))
    };
    let from = address();
    let named = forged(&victim.id);
    let attack = |token: &str| stack.get("/echo").header(ADDRESS, &from).bearer(token);
    let first = burst(40, |_| attack(&named)).await;
    assert_eq!((tally(&first).admitted, first[0].status), (40, 401));
    let others: Vec<String> = (0..40).map(|_| forged(&Uuid::new_v4().to_string())).collect();
    let second = tally(&burst(40, |index| attack(&others[index])).await);
    assert_eq!((second.admitted, second.refused), (20, 20));
    // From the same address, with a good token.
    let reply = stack.get("/echo").header(ADDRESS, &from).user(&victim).send().await;
    assert_eq!(said(reply.expect(200)).remaining, before - 1);
}

pub async fn guesses_do_not_shut_out_who_holds_a_credential(stack: Arc<Stack>) {
    let from = address();
    let guess = |secret: &str| {
        let call = stack.call("PUT", "/api/super/nothing").header(ADDRESS, &from);
        call.header("x-admin-secret", secret)
    };
    let guesses: Vec<String> = (0..30).map(|number| format!("guess-{number:030}")).collect();
    let seen = tally(&burst(30, |index| guess(&guesses[index])).await);
    assert_eq!((seen.admitted, seen.refused), (5, 25));
    refusal(&guess("one-more-guess-of-some-length").send().await);
    // Neither a key that nobody has nor a request without any is another attempt.
    let key = molt_common::admin_key::AdminKey::new([7; 8], [7; 32]).reveal();
    refusal(&guess(&key).send().await);
    let bare = stack.get("/api/super/users").header(ADDRESS, &from);
    refusal(&bare.send().await);
    let holder = stack.get("/api/super/users").header(ADDRESS, &from).admin();
    assert_eq!(said(holder.send().await.expect(200)).class, "admin-read");
    let holder = stack.call("PUT", "/api/super/nothing").header(ADDRESS, &from).admin();
    assert_eq!(said(holder.send().await.expect(404)).class, "admin-write");
}

pub async fn an_ipv6_network_counts_as_one(stack: Arc<Stack>) {
    let home = network();
    let at = |host: &str| stack.get("/login").header(ADDRESS, host);
    let hosts: Vec<String> = (1..=40).map(|host| format!("{home}{host:x}")).collect();
    let seen = tally(&burst(40, |index| at(&hosts[index])).await);
    assert_eq!((seen.admitted, seen.refused), (10, 30));
    at(&address()).send().await.expect(200);
    // What a client says about its address beside that counts for nothing.
    let claims = at(&hosts[0])
        .header("x-forwarded-for", "203.0.113.1")
        .header("x-real-ip", "203.0.113.2");
    refusal(&claims.send().await);
}
