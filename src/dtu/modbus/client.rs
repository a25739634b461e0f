//! Reads the list of ports of a DTU-Pro.

use std::mem;
use std::time::Duration;

use tracing::{info, warn};

use super::batch::{
    Batch, BatchSize, NotRecords, Page, has_emulation, is_skipped_record, looks_skipped, page,
};
use super::connection::Connection;
use super::decode::{Markers, PortRecord, RECORD_BYTES, ReadRequest, dtu_serial, inverters};
use super::list::{Found, List};
use super::scale::Scales;
use crate::config::DtuConfig;
use crate::dtu::dial::{Dial, TcpDialer};
use crate::dtu::{Dtu, DtuError, PollError, Replies};
use crate::plant::reading::DtuReading;
use crate::plant::serial::{DtuSerial, InverterSerial};

/// After this many unanswered requests for its serial number or for the addressing check, a DTU is
/// no longer sent them: each costs a time limit and the connection.
const MAX_UNANSWERED: u32 = 3;
pub(in crate::dtu) const REFUSED: &str = "for an HMS-…W inverter, DTU-WLite, DTU-Lite or DTU-W100, set protocol = \"protobuf\"; for a \
     DTU-Pro or DTU-Pro-S, use its Ethernet port and set its RS-485 role to \"Remote Control\"; HiFlow \
     inverters (HMS-…WB, Bluetooth only) and storages (MS-A2) cannot be read";

/// A DTU that is read over Modbus-TCP.
pub struct ModbusDtu<D = TcpDialer> {
    name: String,
    /// Host and port, for messages.
    address: String,
    connection: Connection<D>,
    retries: u32,
    batch: BatchSize,
    list: List,
    scales: Scales,
    exclude: Vec<InverterSerial>,
    serial: Option<DtuSerial>,
    /// The connection over which the serial number was last requested.
    serial_connection: u64,
    serial_unanswered: u32,
    /// The connection over which its addresses proved to count bytes.
    checked_connection: u64,
    check_unanswered: u32,
    has_warned_of_markers: bool,
}

/// As in a URL.
fn address(config: &DtuConfig) -> String {
    let (host, port) = (&config.host, config.port());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl ModbusDtu {
    /// The configured DTU, over TCP. Does not connect yet.
    pub fn new(config: &DtuConfig) -> Self {
        Self::with_dialer(config, Self::dialer(config))
    }

    /// The same device with another configuration. What it has proved to support is kept.
    #[must_use]
    pub fn reconfigured(self, config: &DtuConfig) -> Self {
        Self::new(config).with_memory_of(self)
    }

    /// Dials the configured DTU.
    pub fn dialer(config: &DtuConfig) -> TcpDialer {
        TcpDialer::new(config.host.clone(), config.port(), REFUSED)
    }
}

impl<D: Dial> ModbusDtu<D> {
    /// The configured DTU, over other connections.
    pub fn with_dialer(config: &DtuConfig, dialer: D) -> Self {
        Self {
            name: config.name.clone(),
            address: address(config),
            connection: Connection::new(dialer, config),
            retries: config.retries,
            batch: BatchSize::new(config.records_per_read),
            list: List::default(),
            has_warned_of_markers: false,
            scales: Scales::default(),
            // `check` has warned of texts that are not serial numbers.
            exclude: config.exclude.iter().filter_map(|serial| serial.parse().ok()).collect(),
            serial: None,
            serial_connection: 0,
            serial_unanswered: 0,
            checked_connection: 0,
            check_unanswered: 0,
        }
    }

    /// With what `old` has learned of the device.
    pub(super) fn with_memory_of(self, old: Self) -> Self {
        Self { batch: self.batch.with_memory_of(old.batch), ..self }
    }

    /// Asks what the device is, with one request: it fails if the first record is not a DTU's.
    pub async fn identify(&mut self) -> Result<(), DtuError> {
        self.connection.begin_poll();
        self.read_single(0, 0).await.map(drop)
    }

    /// Reads all records that can be read.
    async fn read_list(&mut self) -> Found {
        // A poll that is abandoned leaves no memory of half a list.
        let mut list = mem::take(&mut self.list);
        let mut walk = list.walk();
        while let Some(index) = walk.next() {
            let count = walk.run_length(index, self.batch.current().records_at(index));
            let retries = walk.retries(index, self.retries);
            match self.read_page(index, count, retries).await {
                Ok(page) => walk.read(index, page.records, page.ends),
                Err(error) if count > 1 && !walk.is_final(index, &error) => {
                    walk.read_singly(index, count, error.is_silence());
                }
                Err(error) => walk.failed(index, error),
            }
        }
        let found = walk.finish();
        self.list = list;
        found
    }

    /// Rejects a list in which every second record is missing. A list that is not suspicious costs
    /// no request.
    async fn check_addressing(&mut self, records: &mut Vec<PortRecord>) -> Result<(), DtuError> {
        if self.checked_connection == self.connection.count()
            || self.check_unanswered >= MAX_UNANSWERED
            || !looks_skipped(records)
        {
            return Ok(());
        }
        match self.connection.read(ReadRequest::second_record_by_words(), 0, |_| true).await {
            Ok(data) if is_skipped_record(&data, records) => {
                records.clear();
                return Err(DtuError::WordAddressed);
            }
            Ok(_) | Err(DtuError::Exception(_)) => {
                self.checked_connection = self.connection.count();
                self.check_unanswered = 0;
            }
            Err(_) => self.check_unanswered += 1,
        }
        Ok(())
    }

    async fn read_page(&mut self, index: u16, count: u16, retries: u32) -> Result<Page, DtuError> {
        if count < 2 {
            return self.read_single(index, retries).await;
        }
        let data =
            self.connection.read(ReadRequest::records(index, count), retries, |_| true).await;
        let (why, retries) = match data {
            Ok(data) => match page(&data, count) {
                Ok(page) if self.is_proven(&page, index).await? => return Ok(page),
                Ok(_) => (NotRecords::Different.to_string(), retries),
                Err(why) => (why.to_string(), retries),
            },
            Err(error) if self.may_be_too_many(&error) => (error.to_string(), 0),
            Err(error) => return Err(error),
        };
        let single = self.read_single(index, retries).await?;
        let text = format!(
            "{}: the DTU does not answer requests for {count} records properly ({why}); reading one \
             at a time from now on",
            self.name
        );
        // With "auto", that is no more than expected.
        if self.batch.is_auto() {
            info!("{text}");
        } else {
            warn!("{text}");
        }
        self.batch.refuted();
        Ok(single)
    }

    /// Whether an answer of several records can be trusted. The first one, with "auto" also that after
    /// a reconnection, is compared with a single record; after that, the markers in the records are
    /// enough.
    async fn is_proven(&mut self, page: &Page, index: u16) -> Result<bool, DtuError> {
        let Some(count) = self.batch.to_compare(self.connection.count()) else { return Ok(true) };
        if page.records.is_empty() {
            return Ok(true);
        }
        let second = self.read_single(index.saturating_add(1), self.retries).await?;
        let agrees = page.agrees_with(&second);
        if agrees && !second.ends {
            self.batch.proved(count, self.connection.count());
        }
        Ok(agrees)
    }

    /// Whether the failure may be due to the number of records.
    fn may_be_too_many(&self, error: &DtuError) -> bool {
        match error {
            DtuError::Exception(_) => true,
            DtuError::Timeout(_)
            | DtuError::HalfAnswer { .. }
            | DtuError::Closed(_)
            | DtuError::Malformed { .. } => matches!(self.batch.current(), Batch::Unproven(_)),
            DtuError::Unreachable { .. }
            | DtuError::OtherAnswers { .. }
            | DtuError::NotMapped
            | DtuError::NotADtu { .. }
            | DtuError::WordAddressed
            | DtuError::NotDecrypted
            | DtuError::OtherDtu(_) => false,
        }
    }

    async fn read_single(&mut self, index: u16, retries: u32) -> Result<Page, DtuError> {
        // Only an empty first record means that there is no list yet; later ones are a fault, and not
        // the end of the list.
        let is_usable: fn(usize) -> bool = if index == 0 {
            |length| length == 0 || length >= RECORD_BYTES.into()
        } else {
            |length| length >= RECORD_BYTES.into()
        };
        let data = self.connection.read(ReadRequest::record(index), retries, is_usable).await?;
        if data.is_empty() {
            return Err(DtuError::NotMapped);
        }
        let page =
            page(&data, 1).map_err(|_| DtuError::NotADtu { address: self.address.clone() })?;
        if page.records.iter().any(|record| record.markers() != Markers::Both)
            && !mem::replace(&mut self.has_warned_of_markers, true)
        {
            warn!(
                "{}: the list of this DTU lacks one of the two marks of a DTU's list; it is used, since \
                 its serial numbers can be those of inverters",
                self.name
            );
        }
        Ok(page)
    }

    /// Reads the DTU's own serial number, once per connection. Not all DTUs have it, which does not
    /// fail the poll.
    async fn read_serial(&mut self) {
        if self.serial_connection == self.connection.count()
            || self.serial_unanswered >= MAX_UNANSWERED
        {
            return;
        }
        self.serial_connection = self.connection.count();
        // What has answered at the end of another connection may be another DTU.
        self.serial = None;
        match self.connection.read(ReadRequest::dtu_serial(), 0, |_| true).await {
            Ok(data) => {
                self.serial = dtu_serial(&data);
                self.serial_unanswered = 0;
            }
            Err(DtuError::Exception(_)) => {}
            Err(_) => self.serial_unanswered += 1,
        }
    }
}

impl<D: Dial> Dtu for ModbusDtu<D> {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        self.connection.begin_poll();
        self.batch.begin_poll();
        let Found { mut records, unread, error } = self.read_list().await;
        let mut outcome = error.map_or(Ok(()), Err);
        let is_complete = unread.is_empty();
        if outcome.is_ok() && (is_complete || has_emulation(&records)) {
            outcome = self.check_addressing(&mut records).await;
        }
        // Nothing of a list is used before it is known whose it is.
        let is_any = outcome.is_ok() || !records.is_empty();
        if is_any {
            self.read_serial().await;
        }
        self.batch.end_poll(self.serial, self.connection.count());
        let before = records.len();
        records.retain(|record| !self.exclude.contains(&record.serial));
        let reading = DtuReading {
            dtu_serial: self.serial.filter(|_| is_any),
            inverters: inverters(&records, &mut self.scales),
            has_excluded: records.len() < before,
            unread,
            ..DtuReading::default()
        };
        match outcome {
            Ok(()) => Ok(reading),
            Err(error) => Err(PollError { error, partial: reading }),
        }
    }

    fn pauses(&self) -> Duration {
        self.connection.paused()
    }

    fn forget(&mut self) {
        self.connection.close();
        self.serial = None;
    }

    fn replies(&self) -> Replies {
        self.connection.replies().clone()
    }
}
