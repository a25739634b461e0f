//! Questions as clients write them, and answers as JSON and CSV.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::read::{EnergySeries, Of, PointSeries, Range};
use super::time::{Resolution, instant};

/// The range between two times as the user wrote them: RFC 3339, a local date, or unix seconds. Without
/// `from` it begins with the day of `now`; without `to` it ends `now`.
pub fn parse_range(
    from: Option<&str>,
    to: Option<&str>,
    now: i64,
    zone: &TimeZone,
) -> Result<Range, String> {
    let from = from.map_or_else(
        || Ok(Resolution::Day.floor(now, zone)),
        |text| parse_time(text, zone).ok_or_else(|| wrong("from", text)),
    )?;
    let to = to.map_or(Ok(now.saturating_add(1)), |text| {
        parse_time(text, zone).ok_or_else(|| wrong("to", text))
    })?;
    if from >= to {
        return Err("`to` is not after `from`; expected a later time".to_owned());
    }
    Ok(Range { from, to })
}

fn wrong(name: &str, text: &str) -> String {
    let text: String = text.chars().take(40).collect();
    format!(
        "`{name}` is {text:?}; expected a time with an offset like 2026-06-01T12:00:00+02:00, a date like \
         2026-06-01, or unix seconds"
    )
}

fn parse_time(text: &str, zone: &TimeZone) -> Option<i64> {
    // A plus sign in a query means a blank.
    let text = text.trim().replace(' ', "+");
    if let Ok(seconds) = text.parse::<i64>() {
        let known = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
        return known.contains(&seconds).then_some(seconds);
    }
    if text.len() == 10 {
        let midnight = text.parse::<Date>().ok()?.to_zoned(zone.clone()).ok()?;
        return Some(midnight.timestamp().as_second());
    }
    text.contains(['T', 't']).then(|| text.parse::<Timestamp>().ok())?.map(Timestamp::as_second)
}

/// The resolution of that name; `None` for `auto`.
pub fn parse_resolution(text: &str) -> Result<Option<Resolution>, String> {
    if text == "auto" {
        return Ok(None);
    }
    let found = Resolution::ALL.into_iter().find(|resolution| resolution.word() == text);
    found.map(Some).ok_or_else(|| {
        "`resolution` is unknown; expected auto, minute, 5min, hour, day, month or year".to_owned()
    })
}

/// Which periods energies are given for.
pub fn parse_by(text: &str) -> Result<Resolution, String> {
    let found = Resolution::ALL.into_iter().find(|resolution| resolution.word() == text);
    let found = found.filter(|resolution| *resolution >= Resolution::Hour);
    found.ok_or_else(|| "`by` is unknown; expected hour, day, month or year".to_owned())
}

/// What energies are given of.
pub fn parse_of(text: &str) -> Result<Of, String> {
    let found = Of::ALL.into_iter().find(|of| of.word() == text);
    found.ok_or_else(|| "`of` is unknown; expected plant, dtu, inverter or port".to_owned())
}

/// RFC 3339 with the offset of the time zone.
fn local(time: i64, zone: &TimeZone) -> String {
    instant(time).to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The body of `GET /api/history`.
pub fn points_json(
    resolution: Resolution,
    range: Range,
    series: &[PointSeries],
    zone: &TimeZone,
) -> Value {
    let series: Vec<Value> = series
        .iter()
        .map(
            |PointSeries { key, unit, points }| json!({"key": key, "unit": unit, "points": points}),
        )
        .collect();
    json!({
        "from": local(range.from, zone),
        "to": local(range.to, zone),
        "resolution": resolution.word(),
        "series": series,
    })
}

/// The same as a table with a column for each series.
pub fn points_csv(series: &[PointSeries], zone: &TimeZone) -> String {
    let mut rows: std::collections::BTreeMap<i64, Vec<String>> = std::collections::BTreeMap::new();
    for (place, one) in series.iter().enumerate() {
        for (time, value) in &one.points {
            let cells = rows.entry(*time).or_insert_with(|| vec![String::new(); series.len()]);
            if let (Some(cell), Some(value)) = (cells.get_mut(place), value) {
                *cell = value.to_string();
            }
        }
    }
    let mut csv = String::from("time,unix_seconds");
    for one in series {
        csv.push(',');
        csv.push_str(&quoted(&one.key));
    }
    csv.push_str("\r\n");
    for (time, cells) in rows {
        csv.push_str(
            &[&local(time, zone), &time.to_string(), &cells.join(",")]
                .map(String::as_str)
                .join(","),
        );
        csv.push_str("\r\n");
    }
    csv
}

/// The body of `GET /api/energy`.
pub fn energy_json(
    by: Resolution,
    range: Range,
    of: Of,
    series: &[EnergySeries],
    zone: &TimeZone,
) -> Value {
    let series: Vec<Value> = series
        .iter()
        .map(|EnergySeries { key, periods }| {
            let periods: Vec<Value> = periods
                .iter()
                .map(|period| {
                    json!({
                        "start": local(period.start, zone),
                        "end": local(period.end, zone),
                        "energy": period.energy,
                        "quality": period.quality.word(),
                    })
                })
                .collect();
            json!({"key": key, "unit": "Wh", "periods": periods})
        })
        .collect();
    json!({
        "by": by.word(),
        "from": local(range.from, zone),
        "to": local(range.to, zone),
        "of": of.word(),
        "series": series,
    })
}

/// The same as a table with a row for each period of each series.
pub fn energy_csv(series: &[EnergySeries], zone: &TimeZone) -> String {
    let mut csv = String::from("start,unix_seconds,end,key,energy_wh,quality\r\n");
    for EnergySeries { key, periods } in series {
        let key = quoted(key);
        for period in periods {
            let (start, end) = (local(period.start, zone), local(period.end, zone));
            let cells = [
                start,
                period.start.to_string(),
                end,
                key.clone(),
                period.energy.to_string(),
                period.quality.word().to_owned(),
            ];
            csv.push_str(&cells.join(","));
            csv.push_str("\r\n");
        }
    }
    csv
}

/// A cell as RFC 4180 wants it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_instants_or_seconds() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-06-01", Some(1_780_264_800)),
            ("2026-06-01T00:00:00+02:00", Some(1_780_264_800)),
            ("2026-06-01T00:00:00 02:00", Some(1_780_264_800)),
            ("2026-05-31T22:00:00Z", Some(1_780_264_800)),
            ("1780264800", Some(1_780_264_800)),
            ("2026-06-01T00:00:00", None),
            ("2026-13-01", None),
            ("yesterday", None),
            ("99999999999999", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text, &zone), expected, "{text}");
        }
        assert!(parse_range(Some("2"), Some("2"), 0, &zone).is_err());
    }

    #[test]
    fn tables_have_crlf_and_quotes_where_they_must() {
        let points = |key: &str, points| PointSeries { key: key.to_owned(), unit: "W", points };
        let series = [
            points("Roof, south.pv_power", vec![(0, Some(1.5)), (60, None)]),
            points("plant.pv_power", vec![(60, Some(2.0))]),
        ];
        let expected = "time,unix_seconds,\"Roof, south.pv_power\",plant.pv_power\r\n\
                        1970-01-01T00:00:00+00:00,0,1.5,\r\n1970-01-01T00:01:00+00:00,60,,2\r\n";
        assert_eq!(points_csv(&series, &TimeZone::UTC), expected);
    }
}
