//! Which records of a DTU's list are read in which order, what the end of the list is, and when a
//! poll gives up. Addresses are fixed, so that one unreadable record hides no other. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{MAX_RECORDS, PortRecord, ReadRequest};
use crate::dtu::DtuError;
use crate::plant::reading::Unread;

/// So many records in a row without an answer end a poll: each costs a time limit.
const MOST_UNANSWERED: u32 = 3;
/// The same if nothing has been read yet.
const MOST_UNANSWERED_AT_FIRST: u32 = 2;
/// So many refused records in a row are the end of the list: no inverter has more ports.
const MOST_REFUSED: u16 = 8;
/// A list of unknown length is looked for this far behind what is known of it.
const FIRST_LOOK: u16 = 16;
/// A record that was unreadable in so many polls in a row is no longer worth retries.
const HOPELESS: u32 = 3;

/// What is remembered of the list from poll to poll. Records are counted from 0.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Where it ended last time.
    end: Option<u16>,
    /// The first record that the last poll did not reach.
    start: u16,
    /// The records that the last poll tried in vain; they come last.
    deferred: BTreeSet<u16>,
    /// In how many polls in a row.
    failures: BTreeMap<u16, u32>,
}

/// One poll of the list.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    list: &'a mut List,
    records: BTreeMap<u16, PortRecord>,
    failed: BTreeMap<u16, DtuError>,
    /// The end of the list, once it is known.
    end: Option<u16>,
    /// A record was read, if only the null record.
    has_answered: bool,
    unanswered: u32,
    /// The first of the refused records in a row, and how many they are.
    refused: (u16, u16),
    /// To be read one by one, since they could not be read together.
    single: BTreeSet<u16>,
    is_over: bool,
}

/// What one poll of the list has found.
#[derive(Debug)]
pub(super) struct Found {
    /// In the order of the list.
    pub(super) records: Vec<PortRecord>,
    pub(super) unread: Unread,
    /// Why nothing was read.
    pub(super) error: Option<DtuError>,
}

impl List {
    pub(super) fn walk(&mut self) -> Walk<'_> {
        Walk {
            list: self,
            records: BTreeMap::new(),
            failed: BTreeMap::new(),
            end: None,
            has_answered: false,
            unanswered: 0,
            refused: (0, 0),
            single: BTreeSet::new(),
            is_over: false,
        }
    }
}

impl Walk<'_> {
    /// The record to read next: first those that the last poll did not reach, last those that it
    /// tried in vain.
    pub(super) fn next(&self) -> Option<u16> {
        if self.is_over { None } else { self.candidate() }
    }

    fn candidate(&self) -> Option<u16> {
        let end = self.end.unwrap_or(MAX_RECORDS);
        let list = &*self.list;
        (list.start..end)
            .chain(0..list.start.min(end))
            .filter(|index| !list.deferred.contains(index))
            .chain(list.deferred.range(..end).copied())
            .find(|index| !self.is_tried(*index))
    }

    fn is_tried(&self, index: u16) -> bool {
        self.records.contains_key(&index) || self.failed.contains_key(&index)
    }

    /// How many of the `wanted` records from `index` on can be read in one request.
    pub(super) fn run_length(&self, index: u16, wanted: u16) -> u16 {
        let end = self.end.unwrap_or(MAX_RECORDS);
        let is_fit = |index: &u16| {
            *index < end
                && !self.is_tried(*index)
                && !self.list.failures.contains_key(index)
                && !self.single.contains(index)
        };
        let fit = (index..index.saturating_add(wanted)).take_while(is_fit).count();
        u16::try_from(fit).unwrap_or(wanted).max(1)
    }

    /// How often a failed request for that record is worth repeating.
    pub(super) fn retries(&self, index: u16, usual: u32) -> u32 {
        let is_hopeless = self.list.failures.get(&index).is_some_and(|&polls| polls >= HOPELESS);
        // The second record of a DTU that says nothing, and those behind a refused one.
        let is_repeated = (!self.has_answered && self.unanswered > 0) || self.refused.1 > 0;
        if is_hopeless || is_repeated { 0 } else { usual }
    }

    /// Records from `index` on were read; `ends` if the null record is behind them.
    pub(super) fn read(&mut self, index: u16, records: Vec<PortRecord>, ends: bool) {
        self.has_answered = true;
        (self.unanswered, self.refused) = (0, (0, 0));
        let mut next = index;
        for record in records {
            self.records.insert(next, record);
            next = next.saturating_add(1);
        }
        if ends {
            self.ends_at(next);
        }
    }

    fn ends_at(&mut self, index: u16) {
        self.end = Some(self.end.map_or(index, |end| end.min(index)));
    }

    /// These could not be read together.
    pub(super) fn read_singly(&mut self, index: u16, count: u16, is_silent: bool) {
        self.single.extend(index..index.saturating_add(count));
        self.unanswered = self.unanswered.saturating_add(is_silent.into());
    }

    /// Whether no other record would be read either: there is no connection, no list, or no DTU.
    pub(super) const fn is_final(&self, index: u16, error: &DtuError) -> bool {
        let is_no_dtu = matches!(error, DtuError::NotADtu { .. }) && index == 0;
        matches!(error, DtuError::Unreachable { .. } | DtuError::NotMapped)
            || (is_no_dtu && !self.has_answered)
    }

    /// That record could not be read.
    pub(super) fn failed(&mut self, index: u16, error: DtuError) {
        let is_refused = matches!(error, DtuError::NotADtu { .. } | DtuError::Exception(1..=3));
        if self.is_final(index, &error) {
            self.is_over = true;
        } else if is_refused {
            self.refused(index);
        } else {
            self.unanswered = self.unanswered.saturating_add(1);
            let most = if self.has_answered { MOST_UNANSWERED } else { MOST_UNANSWERED_AT_FIRST };
            self.is_over |= self.unanswered >= most;
        }
        self.failed.insert(index, error);
    }

    /// That record is unreadable, or behind the end of the list.
    fn refused(&mut self, index: u16) {
        self.unanswered = 0;
        let (first, count) = self.refused;
        let is_next = count > 0 && first.saturating_add(count) == index;
        self.refused = if is_next { (first, count.saturating_add(1)) } else { (index, 1) };
        let (first, count) = self.refused;
        if first == 0 && !self.has_answered {
            self.is_over |= u32::from(count) >= MOST_UNANSWERED_AT_FIRST;
        } else if count >= MOST_REFUSED && first > 0 {
            self.ends_at(first);
        }
    }

    /// Ends the poll, and remembers what the next one needs.
    pub(super) fn finish(mut self) -> Found {
        let behind_read = self.records.last_key_value().map_or(0, |(last, _)| last + 1);
        let behind_failed = self.failed.last_key_value().map_or(0, |(last, _)| last + 1);
        let end = match (self.end, self.list.end) {
            // The list has not grown; what failed behind its end is no record.
            (Some(end), Some(known)) if behind_read <= known => end.min(known),
            (Some(end), _) => end,
            (None, Some(known)) => known.max(behind_read),
            (None, None) => behind_read.max(behind_failed),
        };
        if self.end.is_some() {
            self.list.end = Some(end);
        }
        let start = self.candidate().filter(|_| self.is_over);
        let reach = self.list.end.unwrap_or(behind_read.saturating_add(FIRST_LOOK));
        self.list.start = start.filter(|start| *start < reach).unwrap_or_default();
        if !self.has_answered {
            self.list.deferred.clear();
            let error = self.failed.into_values().next();
            return Found { records: Vec::new(), unread: Unread::default(), error };
        }
        self.failed.retain(|index, _| *index < end);
        self.list.deferred = self.failed.keys().copied().collect();
        self.list.failures.retain(|index, _| *index < end && !self.records.contains_key(index));
        for index in self.failed.keys() {
            let polls = self.list.failures.entry(*index).or_default();
            *polls = polls.saturating_add(1);
        }
        let unread = self.unread(end);
        Found { records: self.records.into_values().collect(), unread, error: None }
    }

    fn unread(&self, end: u16) -> Unread {
        let missing: Vec<u16> =
            (0..end).filter(|index| !self.records.contains_key(index)).collect();
        if missing.is_empty() {
            return Unread::default();
        }
        let named = missing.iter().find_map(|index| Some((*index, self.failed.get(index)?)));
        let first = missing.first().copied().unwrap_or_default();
        let (index, how) = named.map_or((first, "was not reached".into()), |(index, error)| {
            (index, how_it_failed(error))
        });
        let (number, address) = (index.saturating_add(1), ReadRequest::record(index).address);
        let more = match missing.len().saturating_sub(1) {
            0 => String::new(),
            1 => ", and 1 more was not read".to_owned(),
            more => format!(", and {more} more were not read"),
        };
        let (read, all) = (self.records.len(), self.records.len().saturating_add(missing.len()));
        Unread {
            cause: format!(
                "record {number} ({address:#06x}) {how}{more}; {read} of {all} ports read"
            ),
            records: missing.into_iter().map(|index| index.saturating_add(1)).collect(),
        }
    }
}

fn how_it_failed(error: &DtuError) -> String {
    if let DtuError::Exception(code) = error {
        format!("is refused (exception code {code})")
    } else if matches!(error, DtuError::NotADtu { .. }) {
        "is no record of a port".to_owned()
    } else if error.is_silence() {
        "is not answered".to_owned()
    } else {
        "is not readable".to_owned()
    }
}
