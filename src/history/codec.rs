//! How readings become bytes: variable-length integers, mostly differences to the minute or period before.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::course::{Bucket, Quality};
use super::time::FIVE_MINUTES;

/// What one port reported within one minute of the clock; port 0 is the inverter's mains side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) source: i64,
    /// Mean and largest power in 0.1 W.
    pub(super) power: Option<(i32, i32)>,
    /// The published counter at the first and at the last poll of the minute, in Wh.
    pub(super) counter: Option<(u64, u64)>,
    /// In 0.1 V.
    pub(super) voltage: Option<i32>,
    /// In 0.01 A; of port 0 the temperature in 0.1 °C.
    pub(super) current: Option<i32>,
}

/// The polls of one DTU within one minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Minute {
    pub(super) first_second: u8,
    pub(super) last_second: u8,
    pub(super) polls: u32,
    /// Sorted by source.
    pub(super) samples: Vec<Sample>,
}

const IS_DELTA: u8 = 1;
const HAS_SAME_SHAPE: u8 = 2;
const HAS_SEVERAL_POLLS: u8 = 4;

const POWER: u8 = 1;
const COUNTER: u8 = 2;
const VOLTAGE: u8 = 4;
const CURRENT: u8 = 8;

impl Sample {
    fn shape(&self) -> u8 {
        let bit = |is_there: bool, bit: u8| if is_there { bit } else { 0 };
        bit(self.power.is_some(), POWER)
            | bit(self.counter.is_some(), COUNTER)
            | bit(self.voltage.is_some(), VOLTAGE)
            | bit(self.current.is_some(), CURRENT)
    }
}

impl Minute {
    /// The sample of that source.
    pub(super) fn sample(&self, source: i64) -> Option<&Sample> {
        let place = self.samples.binary_search_by_key(&source, |sample| sample.source).ok()?;
        self.samples.get(place)
    }

    /// Adds a later poll of the same minute.
    pub(super) fn add(&mut self, later: &Self) {
        let polls = i64::from(self.polls.max(1));
        for new in &later.samples {
            match self.samples.binary_search_by_key(&new.source, |sample| sample.source) {
                Ok(place) => {
                    if let Some(known) = self.samples.get_mut(place) {
                        merge(known, new, polls);
                    }
                }
                Err(place) => self.samples.insert(place, *new),
            }
        }
        self.last_second = later.last_second;
        self.polls = self.polls.saturating_add(later.polls);
    }

    /// As bytes, by differences to the minute before if there is one.
    pub(super) fn encode(&self, before: Option<&Self>) -> Vec<u8> {
        let shape = |minute: &Self| -> Vec<(i64, u8)> {
            minute.samples.iter().map(|sample| (sample.source, sample.shape())).collect()
        };
        let has_same_shape = before.is_some_and(|before| shape(before) == shape(self));
        let has_several = self.polls > 1;
        let mut flags = if before.is_some() { IS_DELTA } else { 0 };
        flags |= if has_same_shape { HAS_SAME_SHAPE } else { 0 };
        flags |= if has_several { HAS_SEVERAL_POLLS } else { 0 };
        let mut out = vec![flags, self.first_second];
        if has_several {
            out.push(self.last_second);
            put(&mut out, u64::from(self.polls));
        }
        if !has_same_shape {
            put(&mut out, u64::try_from(self.samples.len()).unwrap_or_default());
            let mut last = 0;
            for sample in &self.samples {
                put_signed(&mut out, sample.source.wrapping_sub(last));
                out.push(sample.shape());
                last = sample.source;
            }
        }
        for sample in &self.samples {
            let known = before.and_then(|before| before.sample(sample.source));
            put_sample(&mut out, sample, &known.copied().unwrap_or_default(), has_several);
        }
        out
    }

    /// The minute in these bytes; `None` if they are damaged, or need the minute before.
    pub(super) fn decode(bytes: &[u8], before: Option<&Self>) -> Option<Self> {
        let mut input = Input(bytes);
        let flags = input.byte()?;
        let before = if flags & IS_DELTA == 0 { None } else { Some(before?) };
        let first_second = input.byte()?;
        let has_several = flags & HAS_SEVERAL_POLLS != 0;
        let (last_second, polls) = if has_several {
            (input.byte()?, u32::try_from(input.number()?).ok()?)
        } else {
            (first_second, 1)
        };
        let shapes: Vec<(i64, u8)> = if flags & HAS_SAME_SHAPE != 0 {
            before?.samples.iter().map(|sample| (sample.source, sample.shape())).collect()
        } else {
            let count = input.number()?;
            let mut shapes = Vec::new();
            let mut last: i64 = 0;
            for _ in 0..count {
                last = last.wrapping_add(input.signed()?);
                shapes.push((last, input.byte()?));
            }
            shapes
        };
        let mut samples = Vec::with_capacity(shapes.len());
        for (source, shape) in shapes {
            let known = before.and_then(|before| before.sample(source));
            let known = known.copied().unwrap_or_default();
            samples.push(input.sample(source, shape, &known, has_several)?);
        }
        Some(Self { first_second, last_second, polls, samples })
    }
}

fn merge(known: &mut Sample, new: &Sample, polls: i64) {
    known.power = match (known.power, new.power) {
        (Some((mean, max)), Some((power, _))) => {
            let sum = i64::from(mean) * polls + i64::from(power);
            let mean = sum.div_euclid(polls.saturating_add(1));
            Some((i32::try_from(mean).unwrap_or(power), max.max(power)))
        }
        (known, new) => new.or(known),
    };
    known.counter = match (known.counter, new.counter) {
        (Some((first, _)), Some((_, last))) => Some((first, last)),
        (known, new) => new.or(known),
    };
    known.voltage = new.voltage.or(known.voltage);
    known.current = new.current.or(known.current);
}

fn put_sample(out: &mut Vec<u8>, sample: &Sample, known: &Sample, has_several: bool) {
    if let Some((mean, max)) = sample.power {
        put_signed(out, i64::from(mean) - i64::from(known.power.unwrap_or_default().0));
        if has_several {
            put_signed(out, i64::from(max) - i64::from(mean));
        }
    }
    if let Some((first, last)) = sample.counter {
        put_signed(out, last.wrapping_sub(known.counter.unwrap_or_default().1).cast_signed());
        if has_several {
            put_signed(out, last.wrapping_sub(first).cast_signed());
        }
    }
    for (new, known) in [(sample.voltage, known.voltage), (sample.current, known.current)] {
        if let Some(new) = new {
            put_signed(out, i64::from(new) - i64::from(known.unwrap_or_default()));
        }
    }
}

/// The five-minute periods of one source and one day that begins at `day`.
pub(super) fn encode_buckets(day: i64, buckets: &[Bucket]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut start, mut power, mut counter) = (day, 0, 0);
    for bucket in buckets {
        put(&mut out, bucket.start.saturating_sub(start).div_euclid(FIVE_MINUTES).cast_unsigned());
        start = bucket.start;
        let shape = if bucket.power.is_some() { POWER } else { 0 }
            | if bucket.counter.is_some() { COUNTER } else { 0 };
        out.push(shape | (bucket.quality.code() << 4));
        if let Some((mean, max)) = bucket.power {
            put_signed(&mut out, i64::from(mean) - i64::from(power));
            put_signed(&mut out, i64::from(max) - i64::from(mean));
            power = mean;
        }
        if let Some((first, last)) = bucket.counter {
            put_signed(&mut out, first.wrapping_sub(counter).cast_signed());
            put_signed(&mut out, last.wrapping_sub(first).cast_signed());
            counter = last;
        }
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _written = encoder.write_all(&out);
    encoder.finish().unwrap_or_default()
}

/// The periods in these bytes, as far as they are whole.
pub(super) fn decode_buckets(day: i64, bytes: &[u8]) -> Vec<Bucket> {
    /// More than any day has.
    const LONGEST: u64 = 64 << 10;
    let mut plain = Vec::new();
    if ZlibDecoder::new(bytes).take(LONGEST).read_to_end(&mut plain).is_err() {
        return Vec::new();
    }
    let mut input = Input(&plain);
    let mut buckets: Vec<Bucket> = Vec::new();
    let (mut start, mut power, mut counter) = (day, 0, 0);
    while !input.0.is_empty() {
        let Some(bucket) = input.bucket(&mut start, &mut power, &mut counter) else { break };
        buckets.push(bucket);
    }
    buckets
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << place;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn small(&mut self, known: i32) -> Option<i32> {
        i32::try_from(self.signed()?.checked_add(i64::from(known))?).ok()
    }

    fn sample(&mut self, source: i64, shape: u8, known: &Sample, several: bool) -> Option<Sample> {
        let mut sample = Sample { source, ..Sample::default() };
        if shape & POWER != 0 {
            let mean = self.small(known.power.unwrap_or_default().0)?;
            sample.power = Some((mean, if several { self.small(mean)? } else { mean }));
        }
        if shape & COUNTER != 0 {
            let before = known.counter.unwrap_or_default().1;
            let last = before.wrapping_add(self.signed()?.cast_unsigned());
            let growth = if several { self.signed()?.cast_unsigned() } else { 0 };
            sample.counter = Some((last.wrapping_sub(growth), last));
        }
        if shape & VOLTAGE != 0 {
            sample.voltage = Some(self.small(known.voltage.unwrap_or_default())?);
        }
        if shape & CURRENT != 0 {
            sample.current = Some(self.small(known.current.unwrap_or_default())?);
        }
        Some(sample)
    }

    fn bucket(&mut self, start: &mut i64, power: &mut i32, counter: &mut u64) -> Option<Bucket> {
        let steps = i64::try_from(self.number()?).ok()?;
        *start = start.checked_add(steps.checked_mul(FIVE_MINUTES)?)?;
        let shape = self.byte()?;
        let mut bucket = Bucket {
            start: *start,
            end: start.checked_add(FIVE_MINUTES)?,
            power: None,
            counter: None,
            quality: Quality::from_code(shape >> 4),
        };
        if shape & POWER != 0 {
            *power = self.small(*power)?;
            bucket.power = Some((*power, self.small(*power)?));
        }
        if shape & COUNTER != 0 {
            let first = counter.wrapping_add(self.signed()?.cast_unsigned());
            *counter = first.wrapping_add(self.signed()?.cast_unsigned());
            bucket.counter = Some((first, *counter));
        }
        Some(bucket)
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Small numbers of either sign take few bytes.
fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> impl Strategy<Value = Sample> {
        let value = proptest::option::of(any::<i32>());
        (
            proptest::option::of(any::<(i32, i32)>()),
            proptest::option::of(any::<(u64, u64)>()),
            value.clone(),
            value,
        )
            .prop_map(|(power, counter, voltage, current)| Sample {
                source: 0,
                power,
                counter,
                voltage,
                current,
            })
    }

    fn minute() -> impl Strategy<Value = Minute> {
        (
            0..60_u8,
            0..60_u8,
            2..20_u32,
            proptest::collection::btree_map(any::<i64>(), sample(), 0..8),
        )
            .prop_map(|(first_second, last_second, polls, samples)| Minute {
                first_second,
                last_second,
                polls,
                samples: samples
                    .into_iter()
                    .map(|(source, sample)| Sample { source, ..sample })
                    .collect(),
            })
    }

    proptest! {
        #[test]
        fn a_minute_is_read_as_it_was_written(minute in minute(), before in proptest::option::of(minute())) {
            let bytes = minute.encode(before.as_ref());
            prop_assert_eq!(Minute::decode(&bytes, before.as_ref()), Some(minute.clone()));
            let again = minute.encode(Some(&minute));
            prop_assert_eq!(Minute::decode(&again, Some(&minute)), Some(minute));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), before in minute()) {
            drop(Minute::decode(&bytes, Some(&before)));
            drop(decode_buckets(0, &bytes));
        }

        #[test]
        fn periods_are_read_as_they_were_written(
            steps in proptest::collection::vec((1..50_i64, proptest::option::of(any::<(i32, i32)>()),
                proptest::option::of(any::<(u64, u64)>())), 0..50)
        ) {
            let mut start = 1_780_000_200;
            let buckets: Vec<_> = steps.into_iter().map(|(step, power, counter)| {
                start += step * FIVE_MINUTES;
                Bucket { start, end: start + FIVE_MINUTES, power, counter, quality: Quality::Recovered }
            }).collect();
            prop_assert_eq!(decode_buckets(1_780_000_200, &encode_buckets(1_780_000_200, &buckets)), buckets);
        }
    }

    #[test]
    fn a_poll_of_37_ports_takes_less_than_200_bytes() {
        let at = |minute: i32| Minute {
            first_second: 4,
            last_second: 4,
            polls: 1,
            samples: (1..=37)
                .map(|source| Sample {
                    source,
                    power: Some((2_000 + 40 * minute, 2_000 + 40 * minute)),
                    counter: Some((
                        456_172 + u64::try_from(minute).unwrap(),
                        456_172 + u64::try_from(minute).unwrap(),
                    )),
                    voltage: Some(341 + minute),
                    current: Some(605 + 10 * minute),
                })
                .collect(),
        };
        let length = at(1).encode(Some(&at(0))).len();
        assert!(length < 200, "{length}");
    }
}
