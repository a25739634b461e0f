//! Who is connected: a bounded number of seats, and whose seat is given to a newcomer when all
//! are taken.
//!
//! A client that keeps its connection open, sends its request a byte at a time, or does not take its
//! answer, holds a seat without using it. Were such seats waited for, a few of them would lock
//! everybody out.

mod seat;

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub(super) use self::seat::Seat;
use self::seat::milliseconds_since;
use crate::telemetry::metrics::Metrics;

/// How long a newcomer waits until the one that must go is gone.
const LEAVING_TIME: Duration = Duration::from_millis(250);
/// How soon a newcomer looks again for somebody who may leave.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// One of so many seats is kept free: to leave takes the time of an answer, and newcomers who waited
/// for that one after the other would wait long.
const PER_SPARE: usize = 16;
/// All seats.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    spare: usize,
    taken: Vec<Weak<Seat>>,
    opened: Instant,
    stall_time: Duration,
    stop: CancellationToken,
    metrics: Metrics,
}

impl Seats {
    /// `count` free seats, whose clients leave when `stop` says so. Who holds up its own request or
    /// answer for longer than `stall_time` makes room for others.
    pub(super) fn new(
        count: usize,
        stall_time: Duration,
        stop: CancellationToken,
        metrics: Metrics,
    ) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(count)),
            spare: count.div_euclid(PER_SPARE),
            taken: Vec::new(),
            opened: Instant::now(),
            stall_time,
            stop,
            metrics,
        }
    }

    /// A seat for a newcomer; `None` if all are taken by clients that are being answered.
    pub(super) async fn take(&mut self) -> Option<Arc<Seat>> {
        let free = Arc::clone(&self.free);
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            permit
        } else {
            let one_leaves = async {
                while !self.dismiss_one() {
                    sleep(LOOK_AGAIN).await;
                }
                free.acquire_owned().await
            };
            timeout(LEAVING_TIME, one_leaves).await.ok()?.ok()?
        };
        let leave = self.stop.child_token();
        let seat = Arc::new(Seat::new(self.opened, leave, self.metrics.clone(), permit));
        self.taken.retain(|seat| seat.strong_count() > 0);
        self.taken.push(Arc::downgrade(&seat));
        self.make_room();
        Some(seat)
    }

    /// Lets clients leave until enough seats are free or about to be.
    fn make_room(&self) {
        let seats = self.taken.iter().filter_map(Weak::upgrade);
        let leaving = seats.filter(|seat| seat.is_leaving()).count();
        let free = self.free.available_permits().saturating_add(leaving);
        for _ in free..self.spare {
            if !self.dismiss_one() {
                break;
            }
        }
    }

    /// Tells one client to leave, if there is one that may: who has been idle longest, or else has
    /// held up its own request or answer longest, or else came first and has had answers. All of
    /// them had time to say what they want; else a crowd that comes again and again would push out
    /// everybody before he can speak.
    pub(super) fn dismiss_one(&self) -> bool {
        let now = milliseconds_since(self.opened);
        let stall_time = u64::try_from(self.stall_time.as_millis()).unwrap_or(u64::MAX);
        let seats = self.taken.iter().filter_map(Weak::upgrade);
        let candidates = seats
            .filter(|seat| !seat.is_leaving())
            .filter_map(|seat| seat.claim().map(|claim| (claim, seat)))
            .filter(|((_, since), _)| now.saturating_sub(*since) >= stall_time);
        let Some((_, seat)) = candidates.min_by_key(|(claim, _)| *claim) else { return false };
        seat.displace();
        true
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const STALL_TIME: Duration = Duration::from_millis(100);

    fn seats(count: usize) -> Seats {
        Seats::new(count, STALL_TIME, CancellationToken::new(), Metrics::new())
    }

    fn is_dismissed(seat: &Seat) -> bool {
        seat.dismissed().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_idle_longest_goes_first() {
        let mut seats = seats(3);
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(seats.take().await.unwrap());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // The first has just been answered again, so that the second is idle longest.
        drop(clients[0].busy());
        assert!(seats.take().await.is_none(), "nobody has left yet");
        let dismissed: Vec<bool> = clients.iter().map(|seat| is_dismissed(seat)).collect();
        assert_eq!(dismissed, [false, true, false]);

        drop(clients.remove(1));
        assert!(seats.take().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_being_answered_stays() {
        let mut seats = seats(2);
        let (answered, slow) = (seats.take().await.unwrap(), seats.take().await.unwrap());
        let (busy, receives) = (answered.busy(), slow.busy());
        slow.set_stalled(true);
        seats.dismiss_one();
        assert!(!is_dismissed(&slow), "what it sends may be on its way");
        tokio::time::advance(STALL_TIME).await;
        slow.set_stalled(true);
        assert!(!slow.may_leave_at_once(), "at the end of the bridge it is waited for");
        seats.dismiss_one();
        assert!(!is_dismissed(&answered));
        assert!(is_dismissed(&slow) && slow.may_leave_at_once(), "it holds itself up");
        drop((busy, receives));
        assert!(answered.may_leave_at_once());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_just_come_stays_longer_than_who_asks_without_end() {
        let mut seats = seats(3);
        let eager = seats.take().await.unwrap();
        drop(eager.busy());
        let asks_on = eager.busy();
        let (first, second) = (seats.take().await.unwrap(), seats.take().await.unwrap());
        seats.dismiss_one();
        tokio::time::advance(STALL_TIME).await;
        let answer = second.busy();
        for expected in [[false, false, false], [true, false, false], [true, true, false]] {
            let dismissed = [&eager, &first, &second].map(|seat| is_dismissed(seat));
            assert_eq!(dismissed, expected, "a first answer is waited for");
            seats.dismiss_one();
        }
        assert!(!is_dismissed(&second));
        drop((asks_on, answer));
    }

    #[tokio::test(start_paused = true)]
    async fn before_the_last_seats_are_taken_somebody_leaves() {
        let mut seats = seats(2 * PER_SPARE);
        let mut clients = Vec::new();
        for _ in 0..2 * PER_SPARE - 2 {
            let seat = seats.take().await.unwrap();
            drop(seat.busy());
            clients.push(seat);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let leaving = |clients: &[Arc<Seat>]| clients.iter().filter(|c| is_dismissed(c)).count();
        assert_eq!(leaving(&clients), 0, "two seats are free");
        clients.push(seats.take().await.unwrap());
        assert_eq!(leaving(&clients), 1);
        clients.push(seats.take().await.unwrap());
        assert_eq!(leaving(&clients), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_idle_goes_before_who_is_slow() {
        let mut seats = seats(2);
        let (slow, idle) = (seats.take().await.unwrap(), seats.take().await.unwrap());
        slow.set_stalled(true);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(idle.busy());
        tokio::time::advance(STALL_TIME).await;
        seats.dismiss_one();
        assert!(is_dismissed(&idle) && !is_dismissed(&slow));
        seats.dismiss_one();
        assert!(is_dismissed(&slow));
    }
}
