//! The packets of one app info, put together. Pure.

use std::mem;

use super::app_info::AppInfo;
use super::messages::AppInfoReq;
use crate::dtu::DtuError;

/// More packets than that no DTU has: one of 99 inverters, ten to a packet, has ten.
const MOST_PACKETS: i32 = 16;

/// The packets that have come so far.
#[derive(Debug, Default)]
pub(super) struct InfoPackets {
    merged: AppInfoReq,
    next: i32,
}

impl InfoPackets {
    /// The packet to ask for next.
    pub(super) const fn next(&self) -> i32 {
        self.next
    }

    /// Takes the packet that [`next`](Self::next) asked for; the app info once it is whole. What the
    /// DTU is, and its key, stand in the first one; the others go on with its inverters.
    pub(super) fn push(&mut self, packet: AppInfoReq) -> Result<Option<AppInfo>, DtuError> {
        if self.next == 0 {
            self.merged = packet;
        } else {
            self.merged.inverters.extend(packet.inverters);
        }
        self.next += 1;
        if self.next < self.merged.package_count.min(MOST_PACKETS) {
            return Ok(None);
        }
        AppInfo::of(&mem::take(self).merged).map(Some)
    }

    /// The next packet does not come: what has come counts, if anything has. No more than versions of
    /// some inverters are missing, which is no reason not to read the DTU.
    pub(super) fn give_up(&mut self) -> Option<AppInfo> {
        let Self { merged, next } = mem::take(self);
        AppInfo::of(&merged).ok().filter(|_| next > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtu::protobuf::messages::PvInfo;

    /// A packet of an app info that has so many, with one inverter.
    fn packet(count: i32, inverter: i64) -> AppInfoReq {
        AppInfoReq {
            dtu_serial: "10F8A0000001".to_owned(),
            package_count: count,
            inverters: vec![PvInfo { serial: inverter, sw: 10_012, ..PvInfo::default() }],
            ..AppInfoReq::default()
        }
    }

    #[test]
    fn the_announced_number_of_packets_is_asked_for_within_reason() {
        for (announced, expected) in [(-1, 1), (0, 1), (1, 1), (3, 3), (i32::MAX, 16)] {
            let mut packets = InfoPackets::default();
            let mut came = 0;
            let info = loop {
                assert_eq!(packets.next(), came);
                came += 1;
                // Later packets need not tell how many there are.
                let count = if came == 1 { announced } else { 0 };
                if let Some(info) = packets.push(packet(count, i64::from(came))).unwrap() {
                    break info;
                }
            };
            assert_eq!(came, expected, "{announced}");
            assert_eq!(info.inverter_firmware.len(), usize::try_from(expected).unwrap());
            assert_eq!(packets.next(), 0, "ready for the next app info");
        }
    }

    #[test]
    fn what_has_come_counts_if_the_rest_does_not_come() {
        let mut packets = InfoPackets::default();
        assert_eq!(packets.give_up(), None);
        assert_eq!(packets.push(packet(2, 1)).unwrap(), None);
        assert_eq!(packets.give_up().unwrap().inverter_firmware.len(), 1);
        assert_eq!(packets.give_up(), None);
    }
}
