//! Where periods begin: minutes, hours, days, months and years of the plant's time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

/// In seconds.
pub(super) const FIVE_MINUTES: i64 = 300;
const HOUR: i64 = 3_600;

/// How long periods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Resolution {
    Minute,
    FiveMinutes,
    Hour,
    Day,
    Month,
    Year,
}

impl Resolution {
    /// All, the finest first.
    pub const ALL: [Self; 6] =
        [Self::Minute, Self::FiveMinutes, Self::Hour, Self::Day, Self::Month, Self::Year];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::FiveMinutes => "5min",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// How long a period usually is, in seconds.
    pub(super) const fn length(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::FiveMinutes => FIVE_MINUTES,
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
            Self::Month => 30 * 24 * HOUR,
            Self::Year => 365 * 24 * HOUR,
        }
    }

    /// When the period began in which `time` is.
    pub(super) fn floor(self, time: i64, zone: &TimeZone) -> i64 {
        let instant = instant(time);
        match self {
            Self::Minute | Self::FiveMinutes => {
                time.div_euclid(self.length()).saturating_mul(self.length())
            }
            Self::Hour => {
                let offset = i64::from(zone.to_offset(instant).seconds());
                let local = time.saturating_add(offset).rem_euclid(HOUR);
                time.saturating_sub(local)
            }
            Self::Day | Self::Month | Self::Year => begin(self.date(instant, zone), zone),
        }
    }

    /// When the next period begins after the one that begins then.
    pub(super) fn next(self, start: i64, zone: &TimeZone) -> i64 {
        let next = match self {
            Self::Minute | Self::FiveMinutes => start.saturating_add(self.length()),
            Self::Hour => self.floor(start.saturating_add(HOUR), zone),
            Self::Day | Self::Month | Self::Year => {
                let date = self.date(instant(start), zone);
                begin(date.checked_add(self.span()).unwrap_or(Date::MAX), zone)
            }
        };
        // Where clocks change by half an hour, or dates end.
        if next > start { next } else { start.saturating_add(self.length()) }
    }

    /// The bounds of all periods that overlap the time from `from` until `to`.
    pub(super) fn bounds(self, from: i64, to: i64, zone: &TimeZone) -> Vec<i64> {
        let mut bounds = vec![self.floor(from, zone)];
        while let Some(&last) = bounds.last()
            && last < to
        {
            bounds.push(self.next(last, zone));
        }
        bounds
    }

    fn date(self, instant: Timestamp, zone: &TimeZone) -> Date {
        let date = zone.to_datetime(instant).date();
        match self {
            Self::Month => date.first_of_month(),
            Self::Year => date.first_of_year(),
            Self::Minute | Self::FiveMinutes | Self::Hour | Self::Day => date,
        }
    }

    fn span(self) -> Span {
        match self {
            Self::Month => 1.month(),
            Self::Year => 1.year(),
            Self::Minute | Self::FiveMinutes | Self::Hour | Self::Day => 1.day(),
        }
    }
}

/// The instant of a unix time, held within what can be written as a date.
pub(super) fn instant(time: i64) -> Timestamp {
    let (least, most) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(time.clamp(least, most)).unwrap_or_default()
}

fn begin(date: Date, zone: &TimeZone) -> i64 {
    let midnight = date.to_zoned(zone.clone());
    midnight.map_or(i64::MAX, |midnight| midnight.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resolution: Resolution, from: &str, to: &str, zone: &str, expected: &[i64]) {
        let zone = TimeZone::get(zone).unwrap();
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let bounds = resolution.bounds(second(from), second(to), &zone);
        let lengths: Vec<i64> =
            bounds.iter().zip(bounds.iter().skip(1)).map(|(a, b)| (b - a) / 60).collect();
        assert_eq!(lengths, expected, "{resolution:?} {from}");
    }

    #[test]
    fn days_hours_and_months_are_those_of_the_zone() {
        use Resolution::{Day, Hour, Month, Year};
        let berlin = "Europe/Berlin";
        check(Day, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", berlin, &[1440, 1380, 1440]);
        check(Day, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", berlin, &[1440, 1500, 1440]);
        check(Hour, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", berlin, &[60; 25]);
        check(Hour, "2026-06-01T10:10:00Z", "2026-06-01T11:40:00Z", "Asia/Kolkata", &[60; 3]);
        check(
            Month,
            "2026-02-10T00:00:00Z",
            "2026-03-01T00:00:00Z",
            berlin,
            &[28 * 1440, 31 * 1440 - 60],
        );
        check(Year, "2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z", berlin, &[366 * 1440]);
        // Midnight does not exist.
        check(Day, "2018-11-04T12:00:00Z", "2018-11-04T13:00:00Z", "America/Sao_Paulo", &[1380]);
        check(Day, "2026-06-01T22:00:00Z", "2026-06-02T22:00:00Z", berlin, &[1440]);
    }
}
