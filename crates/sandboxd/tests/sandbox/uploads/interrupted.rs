//! What ends in the middle: `serve`, and a delivery.

use super::*;

#[tokio::test]
async fn uploads_outlive_serve() {
    let sandbox = Sandbox::ready().await;
    let upload = created(&sandbox, 10, "PUT").await;
    assert_eq!(
        patch(&sandbox, &upload, 0, b"12345").send().await.unwrap().status(),
        204
    );
    restart_serve(&sandbox).await;
    assert_eq!(offset(&sandbox, &upload).await, 5);
    assert_eq!(
        patch(&sandbox, &upload, 5, b"67890").send().await.unwrap().status(),
        204
    );
    let first: Value = answer(&sandbox, &upload).await.json().await.unwrap();
    assert_eq!(first["sha256"], digits(b"1234567890"));
    restart_serve(&sandbox).await;
    let second: Value = answer(&sandbox, &upload).await.json().await.unwrap();
    assert_eq!(second, first, "the answer is kept, and nothing is delivered again");
}

async fn restart_serve(sandbox: &Sandbox) {
    let killed = sandbox.serve_pid();
    kill(killed, Signal::SIGKILL).unwrap();
    eventually(|| async { (!is_alive(killed)).then_some(()) }).await;
    sandbox.phase(SupervisorPhase::Ready).await;
}

/// The agent holds the delivery while `serve` is killed: nobody knows how it went.
#[tokio::test]
async fn a_delivery_that_was_cut_is_said_to_be_cut_and_made_again_when_asked() {
    let sandbox = Sandbox::ready().await;
    let stated = metadata(&[("target", "/hold?id=held")]);
    let creation = tus(&sandbox, Method::POST, PATH)
        .header("upload-length", 0)
        .header("upload-metadata", stated);
    let answered = creation.send().await.unwrap();
    assert_eq!(answered.status(), 201);
    let upload = answered.headers()["location"].to_str().unwrap().to_owned();
    let begun = |times: u64| {
        let sandbox = &sandbox;
        eventually(move || async move {
            let tally = sandbox.proxy(Method::GET, "/tally?id=held").send().await.unwrap();
            (tally.json::<Value>().await.unwrap()["begun"] == times).then_some(())
        })
    };
    begun(1).await;
    let waiting = sandbox
        .proxy(Method::GET, &format!("{upload}/answer"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (waiting.status().as_u16(), &waiting.headers()["retry-after"]),
        (202, &"1".parse().unwrap())
    );
    restart_serve(&sandbox).await;
    assert_eq!(
        code(answer(&sandbox, &upload).await).await,
        (502, "delivery_interrupted".to_owned())
    );
    let again = sandbox
        .proxy(Method::POST, &format!("{upload}/delivery"))
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 202);
    begun(2).await;
    // Removing it ends the delivery.
    assert_eq!(
        tus(&sandbox, Method::DELETE, &upload).send().await.unwrap().status(),
        204
    );
    eventually(|| async {
        let tally = sandbox.proxy(Method::GET, "/tally?id=held").send().await.unwrap();
        (tally.json::<Value>().await.unwrap()["cancelled"] == 2).then_some(())
    })
    .await;
    assert_eq!(tus(&sandbox, Method::HEAD, &upload).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn an_agent_that_answers_an_upload_with_another_protocol_has_broken_off() {
    let sandbox = Sandbox::ready().await;
    let stated = metadata(&[("target", "/raw/switch")]);
    let made = tus(&sandbox, Method::POST, PATH)
        .header("upload-length", 0)
        .header("upload-metadata", stated)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let upload = made.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(
        code(answer(&sandbox, &upload).await).await,
        (502, "agent_broke_off".to_owned())
    );
}
