//! Puts the packets of one answer together: present values, and app info. Pure.

use std::mem;

use super::app_info::AppInfo;
use super::messages::{AppInfoReq, RealDataNewReq};
use crate::dtu::DtuError;

/// Of present values; a DTU serves 100 ports, ten blocks to a packet.
const MAX_PACKETS: i32 = 64;

#[derive(Debug, Default)]
pub(super) struct PacketSet {
    merged: RealDataNewReq,
    next: i32,
    /// What the first attempt received, if this is the second.
    first_attempt: Option<Box<Self>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not a packet of values.
    Other,
    Packet,
    Complete,
}

impl PacketSet {
    pub(super) const fn next(&self) -> i32 {
        self.next
    }

    /// The packets as one message, of the attempt that came further; `None` if there are none.
    pub(super) fn into_merged(self) -> Option<RealDataNewReq> {
        match self.first_attempt {
            Some(first) if first.next > self.next => Some(first.merged),
            _ => (self.next > 0).then_some(self.merged),
        }
    }

    /// Starts again with the first packet, since the DTU may now have fewer packets than announced.
    /// Only once, so that the poll ends.
    pub(super) fn start_over(&mut self) {
        if self.next > 0 && self.first_attempt.is_none() {
            *self = Self { first_attempt: Some(Box::new(mem::take(self))), ..Self::default() };
        }
    }

    /// Adds the packet requested as [`next`](Self::next).
    ///
    /// Packets of different times do not belong together and are requested again from the first one.
    /// The second attempt takes them as they are: a DTU that always updates between two packets could
    /// otherwise never be read.
    pub(super) fn push(&mut self, packet: RealDataNewReq) -> Progress {
        if self.next == 0 {
            self.merged = packet;
        } else if self.disagrees(&packet) && self.first_attempt.is_none() {
            self.start_over();
            return Progress::Packet;
        } else {
            self.append(packet);
        }
        self.next += 1;
        if self.next < self.merged.ap.min(MAX_PACKETS) {
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

/// Of app info; 99 inverters, ten to a packet, make ten.
const MAX_INFO_PACKETS: i32 = 16;

#[derive(Debug, Default)]
pub(super) struct InfoPackets {
    merged: AppInfoReq,
    next: i32,
}

impl InfoPackets {
    pub(super) const fn next(&self) -> i32 {
        self.next
    }

    /// Adds the packet requested as [`next`](Self::next), and returns the app info once it is complete.
    /// The first packet describes the DTU; the others continue its inverters.
    pub(super) fn push(&mut self, packet: AppInfoReq) -> Result<Option<AppInfo>, DtuError> {
        if self.next == 0 {
            self.merged = packet;
        } else {
            self.merged.inverters.extend(packet.inverters);
        }
        self.next += 1;
        if self.next < self.merged.package_count.min(MAX_INFO_PACKETS) {
            return Ok(None);
        }
        AppInfo::of(&mem::take(self).merged).map(Some)
    }

    /// Returns what has been received, if anything, when the next packet does not come: only versions
    /// of some inverters are missing.
    pub(super) fn give_up(&mut self) -> Option<AppInfo> {
        let Self { merged, next } = mem::take(self);
        AppInfo::of(&merged).ok().filter(|_| next > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtu::protobuf::messages::PvInfo;

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
    fn requests_the_announced_number_of_packets() {
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
    fn better_of_two_failed_attempts_counts() {
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
    fn requests_packets_of_different_times_once_more() {
        use Progress::{Complete, Packet};
        check(&[(1, 2), (2, 2), (2, 2), (2, 2)], &[Packet, Packet, Packet, Complete]);
        check(&[(1, 2), (2, 2), (3, 2), (4, 2)], &[Packet, Packet, Packet, Complete]);
    }

    /// A packet of app info with one inverter.
    fn info_packet(count: i32, inverter: i64) -> AppInfoReq {
        AppInfoReq {
            dtu_serial: "10F8A0000001".to_owned(),
            package_count: count,
            inverters: vec![PvInfo { serial: inverter, sw: 10_012, ..PvInfo::default() }],
            ..AppInfoReq::default()
        }
    }

    #[test]
    fn requests_the_announced_number_of_info_packets_within_bounds() {
        for (announced, expected) in [(-1, 1), (0, 1), (1, 1), (3, 3), (i32::MAX, 16)] {
            let mut packets = InfoPackets::default();
            let mut came = 0;
            let info = loop {
                assert_eq!(packets.next(), came);
                came += 1;
                // Later packets need not contain the number.
                let count = if came == 1 { announced } else { 0 };
                if let Some(info) = packets.push(info_packet(count, i64::from(came))).unwrap() {
                    break info;
                }
            };
            assert_eq!(came, expected, "{announced}");
            assert_eq!(info.inverter_firmware.len(), usize::try_from(expected).unwrap());
            assert_eq!(packets.next(), 0, "ready for the next app info");
        }
    }

    #[test]
    fn incomplete_app_info_counts() {
        let mut packets = InfoPackets::default();
        assert_eq!(packets.give_up(), None);
        assert_eq!(packets.push(info_packet(2, 1)).unwrap(), None);
        assert_eq!(packets.give_up().unwrap().inverter_firmware.len(), 1);
        assert_eq!(packets.give_up(), None);
    }
}
