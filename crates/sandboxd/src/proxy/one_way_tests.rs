use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::oneshot;

use super::*;

/// Stands for a frame of ours.
const MARK: &[u8] = b"\x88\x02\x11\x31";

fn frame(opcode: u8, length: u16) -> Vec<u8> {
    let length = if opcode == 8 { length.max(2) } else { length };
    let mut bytes = vec![0x80 | opcode];
    match length {
        0..126 => bytes.push(length as u8),
        _ => {
            bytes.push(126);
            bytes.extend(length.to_be_bytes());
        }
    }
    // A payload that looks like headers of close frames.
    let payload = bytes.len();
    bytes.extend(std::iter::repeat_n(0x88, length.into()));
    if opcode == 8 {
        bytes[payload..].fill(b'x');
        bytes[payload..payload + 2].copy_from_slice(&1000_u16.to_be_bytes());
    }
    bytes
}

/// To the end of the sender.
async fn carry<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(direction: &mut OneWay<R, W>) -> io::Result<()> {
    while direction.step().await? != Step::Ended {}
    // What is no whole frame when the sender ends does not pass.
    direction.shut().await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Lost bytes would be waited for without end.
    let bounded = async { tokio::time::timeout(Duration::from_secs(20), future).await };
    runtime.unwrap().block_on(bounded).expect("it hangs")
}

/// Carries `bytes` through pipes of `size` until the receiver has `stop_at` of them, then stops as an ended session does. What the
/// receiver got, and whether the frame of ours was put in.
async fn stopped(bytes: Vec<u8>, stop_at: usize, size: usize) -> (Vec<u8>, bool) {
    let (mut sender, from) = duplex(size);
    // Narrower, so that what was read cannot always be written at once.
    let (to, mut receiver) = duplex(size / 3 + 1);
    let (reached, stop) = oneshot::channel();
    let sending = tokio::spawn(async move {
        // The receiver may be gone before all is sent.
        let _ = sender.write_all(&bytes).await;
        sender
    });
    let receiving = tokio::spawn(async move {
        let mut got = vec![0; stop_at];
        receiver.read_exact(&mut got).await.unwrap();
        reached.send(()).unwrap();
        receiver.read_to_end(&mut got).await.unwrap();
        got
    });
    let mut direction = OneWay::new(from, to, Towards::Client);
    tokio::select! {
        outcome = carry(&mut direction) => panic!("the sender has not ended: {outcome:?}"),
        _ = stop => {}
    }
    assert!(direction.finish_frame().await.unwrap(), "all of the frame is sent");
    let put_in = direction.takes_a_frame();
    if put_in {
        direction.put_in(MARK.to_vec());
        direction.flush().await.unwrap();
    }
    direction.shut().await.unwrap();
    let got = receiving.await.unwrap();
    drop(direction);
    drop(sending.await.unwrap());
    (got, put_in)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_frame_is_put_in_between_two_and_nothing_before_it_changes(
        frames in proptest::collection::vec((prop_oneof![Just(0_u8), Just(1), Just(2), Just(8), Just(9)], prop_oneof![0_u16..5, 120_u16..130, 900_u16..2000]), 1..8),
        stop_at in any::<proptest::sample::Index>(),
        size in 1_usize..300,
    ) {
        let mut ends = vec![(0, false)];
        let mut bytes = Vec::new();
        for (opcode, length) in &frames {
            bytes.extend(frame(*opcode, *length));
            let closed = ends.last().unwrap().1 || *opcode == 8;
            ends.push((bytes.len(), closed));
        }
        let stop_at = stop_at.index(bytes.len() + 1);
        let (got, put_in) = block_on(stopped(bytes.clone(), stop_at, size));
        let carried = if put_in { got.len() - MARK.len() } else { got.len() };
        prop_assert_eq!(&got[..carried], &bytes[..carried]);
        prop_assert!(!put_in || got.ends_with(MARK));
        let end = ends.iter().find(|(end, _)| *end == carried);
        prop_assert!(end.is_some(), "it stopped within a frame: {} of {:?}", carried, ends);
        prop_assert_eq!(put_in, !end.unwrap().1, "nothing follows a close frame");
        prop_assert!(carried >= stop_at);
    }

    #[test]
    fn what_is_carried_to_the_end_is_unchanged(
        frames in proptest::collection::vec((prop_oneof![Just(0_u8), Just(1), Just(2), Just(9), Just(10)], prop_oneof![0_u16..5, 120_u16..126, 900_u16..9000]), 1..20),
        size in 1_usize..300,
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(opcode, length)| frame(*opcode, *length)).collect();
        prop_assert_eq!(&block_on(carried(bytes.clone(), size)), &bytes);
    }

    #[test]
    fn whatever_comes_no_close_code_passes_that_may_not_be_sent(
        frames in proptest::collection::vec((prop_oneof![Just(1_u8), Just(9)], 0_u16..200), 0..5),
        code in any::<u16>(),
        size in 1_usize..300,
    ) {
        let mut bytes: Vec<u8> = frames.iter().flat_map(|(opcode, length)| frame(*opcode, *length)).collect();
        let before = bytes.len();
        bytes.extend([0x88, 2]);
        bytes.extend(code.to_be_bytes());
        let got = block_on(carried(bytes.clone(), size));
        prop_assert_eq!(&got[..before], &bytes[..before]);
        let sent = u16::from_be_bytes([got[before + 2], got[before + 3]]);
        prop_assert_eq!(sent, molt_common::close_code::legal_or(code, 1011));
    }

    #[test]
    fn bytes_that_are_no_frames_break_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..5000), size in 1_usize..300) {
        block_on(carried(bytes, size));
    }
}

/// What arrives of `bytes` through pipes of `size`.
async fn carried(bytes: Vec<u8>, size: usize) -> Vec<u8> {
    let (mut sender, from) = duplex(size);
    let (to, mut receiver) = duplex(size / 3 + 1);
    let sending = tokio::spawn(async move { sender.write_all(&bytes).await.unwrap() });
    let carrying = tokio::spawn(async move { carry(&mut OneWay::new(from, to, Towards::Client)).await.unwrap() });
    let mut got = Vec::new();
    receiver.read_to_end(&mut got).await.unwrap();
    sending.await.unwrap();
    carrying.await.unwrap();
    got
}

#[test]
fn a_sender_that_ends_within_a_frame_leaves_it_broken() {
    block_on(async {
        let (mut sender, from) = duplex(100);
        let (to, mut receiver) = duplex(100);
        sender.write_all(&frame(2, 50)[..20]).await.unwrap();
        let mut direction = OneWay::new(from, to, Towards::Client);
        let mut got = [0; 20];
        tokio::select! {
            _ = carry(&mut direction) => panic!("the sender has not ended"),
            read = receiver.read_exact(&mut got) => assert_eq!(read.unwrap(), 20),
        }
        drop(sender);
        assert!(!direction.finish_frame().await.unwrap());
        assert!(!direction.takes_a_frame());
    });
}

#[test]
fn draining_stops_at_the_close_frame() {
    block_on(async {
        let (mut sender, from) = duplex(4096);
        let (to, mut receiver) = duplex(4096);
        sender.write_all(&frame(2, 500)).await.unwrap();
        sender.write_all(&frame(8, 2)).await.unwrap();
        let mut direction = OneWay::new(from, to, Towards::Client);
        direction.drain().await;
        assert!(!direction.takes_a_frame());
        drop(direction);
        let mut got = Vec::new();
        receiver.read_to_end(&mut got).await.unwrap();
        assert!(got.is_empty(), "nothing is passed on");
    });
}
