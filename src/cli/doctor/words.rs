//! Numbers as people say them.

/// A length of time.
pub(super) fn seconds(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// So many of something.
pub(super) fn count(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_own_unit() {
        let told: Vec<_> = [0, 119, 120, 7_199, 7_200, 172_800].map(seconds).into();
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
        assert_eq!(count(1, "inverter", "inverters"), "1 inverter");
        assert_eq!(count(0, "inverter", "inverters"), "0 inverters");
    }
}
