//! Many resuming sockets that exchange numbered messages with the echo agent: what is lost, doubled or out of order on either way breaks the numbers.

use crate::people::User;
use crate::resuming::{Happened, Recovery, Resuming, Scissors};
use crate::stack::Stack;
use crate::wait::until;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Echoes that are under way of one socket at most.
const AHEAD: u64 = 200;
/// How long any socket may stand still.
const STANDSTILL: Duration = Duration::from_secs(90);

/// An exchange that goes on until it is finished.
pub struct Numbered {
    sockets: Vec<Socket>,
    stop: Arc<AtomicBool>,
}

struct Socket {
    echoed: Arc<AtomicU64>,
    scissors: Scissors,
    recoveries: Arc<Mutex<Vec<Recovery>>>,
    task: JoinHandle<Counted>,
}

/// How one socket ended.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Messages that were sent.
    pub sent: u64,
    /// Echoes that came, in order, each once.
    pub echoed: u64,
    /// How it was closed, where it was.
    pub closed: Option<(u16, String, Option<u64>)>,
    /// When it ended.
    pub at: Instant,
}

impl Numbered {
    /// Opens `count` sockets, each of which sends a message per `period`.
    pub async fn start(stack: &Stack, user: &User, count: usize, period: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let opened = join_all((0..count).map(|_| Resuming::open(stack, user))).await;
        let sockets = opened.into_iter().map(|socket| {
            let echoed = Arc::new(AtomicU64::new(0));
            let recoveries = Arc::new(Mutex::new(Vec::new()));
            Socket {
                scissors: socket.scissors(),
                echoed: Arc::clone(&echoed),
                recoveries: Arc::clone(&recoveries),
                task: tokio::spawn(exchange(socket, period, Arc::clone(&stop), echoed, recoveries)),
            }
        });
        Self {
            sockets: sockets.collect(),
            stop,
        }
    }

    /// Cuts the connections of every `nth` socket, as a network does.
    pub async fn cut(&self, nth: usize) {
        for socket in self.sockets.iter().step_by(nth) {
            // One that has no connection just now need not be cut.
            let _ = socket.scissors.try_send(());
        }
    }

    /// Waits until every socket has heard so many more echoes.
    ///
    /// # Panics
    /// When one stands still, or was closed.
    pub async fn all_go_on(&self, echoes: u64) {
        let now = |socket: &Socket| socket.echoed.load(Ordering::Relaxed);
        let before: Vec<u64> = self.sockets.iter().map(now).collect();
        until("every socket goes on", STANDSTILL, async || {
            assert!(
                self.sockets.iter().all(|socket| !socket.task.is_finished()),
                "a socket was closed"
            );
            let goes_on = |(socket, before): (&Socket, &u64)| now(socket) >= before + echoes;
            self.sockets.iter().zip(&before).all(goes_on).then_some(())
        })
        .await;
    }

    /// All times that a socket took to have a connection again.
    #[must_use]
    pub fn recoveries(&self) -> Vec<Recovery> {
        let of = |socket: &Socket| {
            let recoveries = socket.recoveries.lock().unwrap_or_else(PoisonError::into_inner);
            recoveries.clone()
        };
        self.sockets.iter().flat_map(of).collect()
    }

    /// Waits until every socket was closed by the other side.
    ///
    /// # Panics
    /// When one is not.
    pub async fn all_closed(self) -> Vec<Counted> {
        let ended = join_all(self.sockets.into_iter().map(|socket| socket.task));
        let ended = crate::wait::within("every socket is closed", STANDSTILL, ended).await;
        ended.into_iter().map(|counted| counted.expect("no panic")).collect()
    }

    /// Sends no more and waits for the last echoes. Messages that went each way.
    ///
    /// # Panics
    /// When an echo is missing.
    pub async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut total = 0;
        for counted in self.all_closed().await {
            assert_eq!(counted.closed, None, "a socket was closed");
            assert_eq!(counted.sent, counted.echoed, "lost");
            total += counted.sent;
        }
        total
    }
}

async fn exchange(
    mut socket: Resuming,
    period: Duration,
    stop: Arc<AtomicBool>,
    echoed: Arc<AtomicU64>,
    recoveries: Arc<Mutex<Vec<Recovery>>>,
) -> Counted {
    let mouth = socket.mouth();
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut sent, mut heard, mut greeted) = (0_u64, 0_u64, false);
    let ended = |sent, heard, closed| Counted {
        sent,
        echoed: heard,
        closed,
        at: Instant::now(),
    };
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        if stopping && heard == sent {
            return ended(sent, heard, None);
        }
        tokio::select! {
            happened = socket.next() => match happened {
                Some(Happened::Said(text)) if greeted => {
                    let number = text.split(':').next().and_then(|number| number.parse::<u64>().ok());
                    assert_eq!(number, Some(heard), "lost, doubled or out of order");
                    heard += 1;
                    echoed.store(heard, Ordering::Relaxed);
                }
                Some(Happened::Said(text)) => {
                    assert!(text.contains("connect.challenge"), "{text}");
                    greeted = true;
                }
                Some(Happened::Reconnected(recovery)) => {
                    recoveries.lock().unwrap_or_else(PoisonError::into_inner).push(recovery);
                }
                Some(Happened::Closed(code, reason, retry)) => return ended(sent, heard, Some((code, reason, retry))),
                None => return ended(sent, heard, Some((0, "it ended".to_owned(), None))),
            },
            _ = ticks.tick(), if stopping || sent - heard < AHEAD => if !stopping {
                // Of several lengths; `try_send` keeps this task listening while the connection is away.
                let length = usize::try_from(sent % 7).unwrap_or(0) * 300;
                if mouth.try_send(format!("{sent}:{}", "x".repeat(length))).is_ok() {
                    sent += 1;
                }
            },
        }
    }
}

/// How recoveries were spread.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// How many there were.
    pub count: usize,
    /// Half of them took at most so long.
    pub median: Duration,
    /// All but a hundredth took at most so long.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
    /// Most welcomes within a tenth of a second.
    pub most_at_once: usize,
    /// Attempts that failed, in all.
    pub failed: u32,
}

impl Spread {
    /// Of at least one recovery.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn of(recoveries: &[Recovery]) -> Self {
        let mut took: Vec<Duration> = recoveries.iter().map(|recovery| recovery.took).collect();
        took.sort_unstable();
        let mut back: Vec<Instant> = recoveries
            .iter()
            .map(|recovery| recovery.broke + recovery.took)
            .collect();
        back.sort_unstable();
        let tenth = Duration::from_millis(100);
        let at_once = back.iter().enumerate().map(|(index, begin)| {
            let rest = back.get(index..).unwrap_or_default();
            rest.iter().take_while(|at| **at < *begin + tenth).count()
        });
        let at = |share: usize| {
            *took
                .get(((took.len() * share).div_ceil(100)).max(1) - 1)
                .expect("a recovery")
        };
        Self {
            count: took.len(),
            median: at(50),
            p99: at(99),
            longest: at(100),
            most_at_once: at_once.max().unwrap_or(0),
            failed: recoveries.iter().map(|recovery| recovery.failed).sum(),
        }
    }
}
