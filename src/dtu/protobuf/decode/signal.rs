//! The radio signal between DTU and inverter, as far as it can be guessed.

/// In percent, deduced and not documented anywhere: devices that count give the radio requests sent
/// in the upper half and the replies received in the lower half, of which this is the share; others
/// give 1 to 100, taken for percent. `None` if it fits neither.
pub(super) fn percent(raw: i32) -> Option<u8> {
    let raw = u32::try_from(raw).ok()?;
    let (sent, received) = (raw >> 16, raw & 0xFFFF);
    match sent {
        0 => u8::try_from(received).ok().filter(|percent| (1..=100).contains(percent)),
        _ if received > sent => None,
        _ => u8::try_from((received * 100 + sent / 2) / sent).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_answered_requests_is_the_signal() {
        let check = |raw: i32, expected: Option<u8>| {
            assert_eq!(percent(raw), expected, "{raw:#010x}");
        };
        check(0x061D_0619, Some(100));
        check(0x0667_0617, Some(95));
        check(0x0071_0070, Some(99));
        check(0x0402_0000, Some(0));
        check(100, Some(100));
        check(0, None);
        check(101, None);
        check(0x0001_0002, None);
        check(-1, None);
    }
}
