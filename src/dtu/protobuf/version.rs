//! Version numbers, as devices pack them into one integer and as people read them. Pure.

/// A DTU's version, program or board: 520 is 00.02.08. `None` if it did not tell.
pub fn dtu(packed: i32) -> Option<String> {
    let packed = positive(packed)?;
    Some(dotted(packed / 4096, packed / 256 % 16, packed % 256))
}

/// The version of an inverter's program: 10012 is 01.00.12. `None` if it did not tell.
pub fn inverter(packed: i32) -> Option<String> {
    let packed = positive(packed)?;
    Some(dotted(packed / 10_000, packed / 100 % 100, packed % 100))
}

fn positive(packed: i32) -> Option<u32> {
    u32::try_from(packed).ok().filter(|&packed| packed > 0)
}

fn dotted(major: u32, minor: u32, patch: u32) -> String {
    format!("V{major:02}.{minor:02}.{patch:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_versions_read_as_on_the_device() {
        assert_eq!(dtu(520).unwrap(), "V00.02.08");
        assert_eq!(dtu(4353).unwrap(), "V01.01.01");
        assert_eq!(inverter(10012).unwrap(), "V01.00.12");
        assert_eq!((dtu(0), inverter(-1)), (None, None));
    }
}
