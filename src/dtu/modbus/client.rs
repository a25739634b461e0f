//! Asks a DTU-Pro for its list of ports.

use std::time::Duration;

use tracing::warn;

use super::addressing::{is_skipped_record, looks_skipped};
use super::batch::{Batch, NotRecords, Page, page};
use super::decode::{PortRecord, dtu_serial};
use super::inverters::inverters;
use super::link::{Link, malformed};
use super::registers::{MAX_RECORDS, RECORD_BYTES, Read};
use super::scale::Scales;
use crate::config::DtuConfig;
use crate::dtu::dial::{Dial, TcpDialer};
use crate::dtu::{Dtu, DtuError, PollError};
use crate::plant::reading::DtuReading;
use crate::plant::serial::{DtuSerial, InverterSerial};

/// A DTU that stays silent this often when asked for its serial number is not asked any more:
/// the silence costs a time limit and the connection each time.
const SERIAL_SILENCES: u32 = 3;

/// The same of what stands amid the first records, where no DTU needs to be asked.
const PROBE_SILENCES: u32 = 3;

/// What to look at when the port is closed.
const REFUSED: &str = "something is there but serves no Modbus: only the Ethernet port of a DTU-Pro \
                       or DTU-Pro-S does, and it must be set to \"Remote Control\"";

/// A DTU that is asked over Modbus-TCP.
pub struct ModbusDtu<D = TcpDialer> {
    name: String,
    link: Link<D>,
    retries: u32,
    batch: Batch,
    scales: Scales,
    exclude: Vec<InverterSerial>,
    serial: Option<DtuSerial>,
    /// The connection over which the serial number was last asked for.
    serial_connection: u64,
    serial_silences: u32,
    /// The connection over which it proved to count bytes, however odd its list is.
    byte_connection: u64,
    probe_silences: u32,
}

impl ModbusDtu {
    /// Over TCP, to the host and port of the configuration. Does not connect yet.
    pub fn new(config: &DtuConfig) -> Self {
        Self::with_dialer(config, Self::dialer(config))
    }

    /// What dials it.
    pub fn dialer(config: &DtuConfig) -> TcpDialer {
        TcpDialer::new(config.host.clone(), config.port(), REFUSED)
    }
}

impl<D: Dial> ModbusDtu<D> {
    /// Over connections of another kind.
    pub fn with_dialer(config: &DtuConfig, dialer: D) -> Self {
        Self {
            name: config.name.clone(),
            link: Link::new(dialer, config),
            retries: config.retries,
            batch: Batch::new(config.records_per_read),
            scales: Scales::default(),
            // What is no serial number names no inverter; `check` has said so.
            exclude: config.exclude.iter().filter_map(|serial| serial.parse().ok()).collect(),
            serial: None,
            serial_connection: 0,
            serial_silences: 0,
            byte_connection: 0,
            probe_silences: 0,
        }
    }

    async fn read_list(&mut self, records: &mut Vec<PortRecord>) -> Result<(), DtuError> {
        let mut index = 0;
        while index < MAX_RECORDS {
            let page = self.read_page(index).await?;
            index = index.saturating_add(u16::try_from(page.records.len()).unwrap_or(MAX_RECORDS));
            records.extend(page.records);
            if page.ends {
                break;
            }
        }
        Ok(())
    }

    /// Refuses a list of which every second record is missing; one that looks sound costs no
    /// request.
    async fn check_addressing(&mut self, records: &mut Vec<PortRecord>) -> Result<(), DtuError> {
        if self.byte_connection == self.link.connections()
            || self.probe_silences >= PROBE_SILENCES
            || !looks_skipped(records)
        {
            return Ok(());
        }
        match self.link.ask(Read::second_record_by_words(), 0, |_| true).await {
            Ok(data) if is_skipped_record(&data, records) => {
                records.clear();
                return Err(DtuError::WordAddressed);
            }
            Ok(_) | Err(DtuError::Refused(_)) => {
                self.byte_connection = self.link.connections();
                self.probe_silences = 0;
            }
            Err(_) => self.probe_silences += 1,
        }
        Ok(())
    }

    async fn read_page(&mut self, index: u16) -> Result<Page, DtuError> {
        let count = self.batch.records_at(index);
        if count < 2 {
            return self.read_single(index, self.retries).await;
        }
        let data = self.link.ask(Read::records(index, count), self.retries, |_| true).await;
        let (why, retries) = match data {
            Ok(data) => match page(&data, count) {
                Ok(page) if self.is_proven(&page, index).await? => return Ok(page),
                Ok(_) => (NotRecords::Different.to_string(), self.retries),
                Err(why) => (why.to_string(), self.retries),
            },
            Err(error) if self.may_be_too_much(&error) => (error.to_string(), 0),
            Err(error) => return Err(error),
        };
        let single = self.read_single(index, retries).await?;
        warn!(
            "{}: asked for {count} records at once, the DTU does not answer as it should ({why}); \
             from now on it is asked for one at a time",
            self.name
        );
        self.batch = Batch::Single;
        Ok(single)
    }

    /// Whether an answer of several records can be believed. The first one is compared with a
    /// single record; once that was the same, the marks in the records are enough.
    async fn is_proven(&mut self, page: &Page, index: u16) -> Result<bool, DtuError> {
        let Batch::Unproven(count) = self.batch else { return Ok(true) };
        if page.records.is_empty() {
            return Ok(true);
        }
        let second = self.read_single(index.saturating_add(1), self.retries).await?;
        let agrees = page.agrees_with(&second);
        if agrees && !second.ends {
            self.batch = Batch::Proven(count);
        }
        Ok(agrees)
    }

    /// Whether a failure may be due to the number of records, rather than to the DTU's state.
    fn may_be_too_much(&self, error: &DtuError) -> bool {
        match error {
            DtuError::Refused(_) => true,
            DtuError::Timeout(_)
            | DtuError::HalfAnswer { .. }
            | DtuError::Closed(_)
            | DtuError::Malformed(_) => matches!(self.batch, Batch::Unproven(_)),
            DtuError::Unreachable { .. }
            | DtuError::OtherAnswers { .. }
            | DtuError::NotMapped
            | DtuError::WordAddressed
            | DtuError::Unauthentic => false,
        }
    }

    async fn read_single(&mut self, index: u16, retries: u32) -> Result<Page, DtuError> {
        // Only the first record tells by its emptiness that there is no list yet. Later on it is
        // one of the DTU's weaknesses, and not the end of the list.
        let is_usable: fn(usize) -> bool = if index == 0 {
            |length| length == 0 || length >= RECORD_BYTES.into()
        } else {
            |length| length >= RECORD_BYTES.into()
        };
        let data = self.link.ask(Read::record(index), retries, is_usable).await?;
        if data.is_empty() {
            return Err(DtuError::NotMapped);
        }
        page(&data, 1).map_err(|why| malformed(&why))
    }

    /// Asks for the DTU's own serial number, once per connection. Not all DTUs give it: then the
    /// poll is none the worse.
    async fn read_serial(&mut self) {
        if self.serial_connection == self.link.connections()
            || self.serial_silences >= SERIAL_SILENCES
        {
            return;
        }
        self.serial_connection = self.link.connections();
        match self.link.ask(Read::dtu_serial(), 0, |_| true).await {
            Ok(data) => {
                self.serial = dtu_serial(&data).or(self.serial);
                self.serial_silences = 0;
            }
            Err(DtuError::Refused(_)) => {}
            Err(_) => self.serial_silences += 1,
        }
    }
}

impl<D: Dial> Dtu for ModbusDtu<D> {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        self.link.begins_poll();
        let mut records = Vec::new();
        let mut outcome = self.read_list(&mut records).await;
        if outcome.is_ok() {
            outcome = self.check_addressing(&mut records).await;
        }
        if outcome.is_ok() {
            self.read_serial().await;
        }
        let before = records.len();
        records.retain(|record| !self.exclude.contains(&record.serial));
        let reading = DtuReading {
            dtu_serial: self.serial,
            inverters: inverters(&records, &mut self.scales),
            has_excluded: records.len() < before,
            ..DtuReading::default()
        };
        match outcome {
            Ok(()) => Ok(reading),
            Err(error) => Err(PollError { error, partial: reading }),
        }
    }

    fn pauses(&self) -> Duration {
        self.link.paused()
    }
}
