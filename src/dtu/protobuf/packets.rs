//! The packets of one answer, put together. Pure.

use std::mem;

use super::messages::RealDataNewReq;

/// More packets than that no DTU has: ten blocks each, and a DTU serves 100 ports.
const MOST_PACKETS: i32 = 64;

/// The packets that have come so far.
#[derive(Debug, Default)]
pub(super) struct PacketSet {
    merged: RealDataNewReq,
    next: i32,
    /// What came at the first attempt, if this is the second.
    before: Option<Box<Self>>,
}

/// What one answer of the DTU has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something other than a packet.
    Told,
    /// A packet, but not the last.
    Packet,
    /// The last packet.
    Complete,
}

impl PacketSet {
    /// The packet to ask for next.
    pub(super) const fn next(&self) -> i32 {
        self.next
    }

    /// What has come so far, as one message: of two attempts the one that came further. `None` if
    /// nothing has come.
    pub(super) fn into_merged(self) -> Option<RealDataNewReq> {
        match self.before {
            Some(before) if before.next > self.next => Some(before.merged),
            _ => (self.next > 0).then_some(self.merged),
        }
    }

    /// Begins anew with the first packet: the DTU may have fewer packets now than it announced.
    /// Only once, lest a poll never end.
    pub(super) fn start_over(&mut self) {
        if self.next > 0 && self.before.is_none() {
            *self = Self { before: Some(Box::new(mem::take(self))), ..Self::default() };
        }
    }

    /// Takes the packet that [`next`](Self::next) asked for.
    ///
    /// Packets of different times do not belong together, and are asked for again from the first
    /// one. If the second time is no better, they are taken as they are: a DTU that always moves on
    /// between two packets would otherwise never be read.
    pub(super) fn push(&mut self, packet: RealDataNewReq) -> Progress {
        if self.next == 0 {
            self.merged = packet;
        } else if self.disagrees(&packet) && self.before.is_none() {
            self.start_over();
            return Progress::Packet;
        } else {
            self.append(packet);
        }
        self.next += 1;
        if self.next < self.merged.ap.min(MOST_PACKETS) {
            Progress::Packet
        } else {
            Progress::Complete
        }
    }

    fn disagrees(&self, packet: &RealDataNewReq) -> bool {
        packet.timestamp != self.merged.timestamp || packet.ap != self.merged.ap
    }

    fn append(&mut self, packet: RealDataNewReq) {
        self.merged.meters.extend(packet.meters);
        self.merged.single_phase.extend(packet.single_phase);
        self.merged.three_phase.extend(packet.three_phase);
        self.merged.ports.extend(packet.ports);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(timestamp: i32, ap: i32) -> RealDataNewReq {
        RealDataNewReq { timestamp, ap, ..RealDataNewReq::default() }
    }

    #[track_caller]
    fn check(packets: &[(i32, i32)], expected: &[Progress]) {
        let mut set = PacketSet::default();
        let progress: Vec<_> =
            packets.iter().map(|&(timestamp, ap)| set.push(packet(timestamp, ap))).collect();
        assert_eq!(progress, expected);
    }

    #[test]
    fn the_announced_number_of_packets_is_asked_for() {
        use Progress::{Complete, Packet};
        check(&[(1, 1)], &[Complete]);
        check(&[(1, 0)], &[Complete]);
        check(&[(1, -5)], &[Complete]);
        check(&[(1, 3), (1, 3), (1, 3)], &[Packet, Packet, Complete]);
        let mut endless = vec![Packet; 63];
        endless.push(Complete);
        check(&[(1, i32::MAX); 64], &endless);
    }

    #[test]
    fn of_two_attempts_that_fail_the_better_one_counts() {
        let mut set = PacketSet::default();
        assert_eq!(set.next(), 0);
        set.start_over();
        set.push(packet(1, 3));
        set.push(packet(1, 3));
        set.start_over();
        assert_eq!(set.next(), 0);
        set.push(packet(2, 3));
        set.start_over();
        assert_eq!(set.next(), 1, "there is no third attempt");
        assert_eq!(set.into_merged().unwrap().timestamp, 1);
        assert_eq!(PacketSet::default().into_merged(), None);
    }

    #[test]
    fn packets_of_different_times_are_asked_for_once_more() {
        use Progress::{Complete, Packet};
        check(&[(1, 2), (2, 2), (2, 2), (2, 2)], &[Packet, Packet, Packet, Complete]);
        check(&[(1, 2), (2, 2), (3, 2), (4, 2)], &[Packet, Packet, Packet, Complete]);
    }
}
