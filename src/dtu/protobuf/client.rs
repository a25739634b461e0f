//! Reads a DTU over its own protocol: one connection per poll, one request at a time, with the request
//! gap in between.

use std::mem;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::Settings;
use super::app_info::{self, AppInfo};
use super::connection::{Connection, Limit, Request};
use super::crypto::Cipher;
use super::decode;
use super::frame::Command;
use super::messages::{self, RealDataNewReq};
use super::packets::{InfoPackets, PacketSet, Progress};
use super::refresh::{Freshness, Pace, upload_pause};
use crate::clock::WallClock;
use crate::config::DtuConfig;
use crate::dtu::dial::{Dial, TcpDialer};
use crate::dtu::{Dtu, DtuError, PollError, Replies};
use crate::plant::reading::DtuReading;
use crate::plant::serial::DtuSerial;

const REFUSED: &str = "check that `host` is the DTU's address; if the DTU has just started, wait two minutes; for a \
     DTU-Pro or DTU-Pro-S on its Ethernet port, set protocol = \"modbus\"; HiFlow inverters (HMS-…WB, \
     Bluetooth only) and storages (MS-A2) cannot be read";

/// A DTU that speaks its own protocol.
#[derive(Debug)]
pub struct ProtobufDtu<D: Dial = TcpDialer> {
    settings: Settings,
    clock: WallClock,
    dialer: D,
    pace: Pace,
    sequence: u16,
    session: Option<Session>,
    /// App info received so far, while incomplete.
    info: InfoPackets,
    /// Whether it encrypted last time, for the log.
    encrypts: Option<bool>,
    /// How many seconds its clock was ahead of ours last time.
    clock_ahead: Option<i64>,
    freshness: Freshness,
    /// Whether to send the performance mode command, again if the DTU has restarted.
    needs_performance_mode: bool,
    refuses_performance_mode: bool,
    /// Nothing has been answered or warned of since the start.
    is_first: bool,
    replies: Replies,
}

impl ProtobufDtu {
    /// The configured DTU; the time zone is the plant's.
    pub fn new(config: &DtuConfig, clock: WallClock, zone: TimeZone) -> Self {
        Self::with_dialer(Self::dialer(config), Settings::of(config, zone), clock)
    }

    /// Dials the configured DTU.
    pub fn dialer(config: &DtuConfig) -> TcpDialer {
        TcpDialer::new(config.host.clone(), config.port(), REFUSED)
    }
}

impl<D: Dial> ProtobufDtu<D> {
    /// A DTU over other connections than TCP.
    pub fn with_dialer(dialer: D, settings: Settings, clock: WallClock) -> Self {
        Self {
            pace: Pace::new(settings.request_gap, settings.refresh),
            sequence: first_sequence(clock.now()),
            is_first: true,
            replies: Replies::default(),
            settings,
            clock,
            dialer,
            session: None,
            info: InfoPackets::default(),
            encrypts: None,
            clock_ahead: None,
            freshness: Freshness::default(),
            needs_performance_mode: true,
            refuses_performance_mode: false,
        }
    }

    /// The same DTU with another configuration; pauses, numbers and key are kept.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        let is_new = settings.performance_mode && !self.settings.performance_mode;
        Self {
            pace: self.pace.with_gap(settings.request_gap),
            needs_performance_mode: self.needs_performance_mode || is_new,
            settings,
            ..self
        }
    }

    /// Whether it encrypts, if known.
    pub const fn encrypts(&self) -> Option<bool> {
        self.encrypts
    }

    /// How many seconds its clock was ahead of ours when it last sent app info.
    pub const fn clock_ahead(&self) -> Option<i64> {
        self.clock_ahead
    }

    /// Asks what the device is, with one request that leaves its values and its wait alone.
    pub async fn identify(&mut self) -> Result<AppInfo, DtuError> {
        self.session = None;
        self.info = InfoPackets::default();
        let outcome = self.step(&mut None, &mut PacketSet::default()).await;
        self.pace.request_ended();
        outcome?;
        // Of app info in several packets, the first one describes the DTU.
        let complete = self.session.as_ref().map(|session| session.info.clone());
        Ok(complete.or_else(|| self.info.give_up()).unwrap_or_default())
    }

    /// Requests packets until they are complete. A failed request is retried on a new connection, after
    /// app info: the DTU may have restarted or been updated.
    async fn read_packets(&mut self, packets: &mut PacketSet) -> Result<(), DtuError> {
        if self.session.as_ref().is_some_and(Session::is_old) {
            self.session = None;
        }
        // A failure with an old session is not counted.
        let tries = self.settings.retries + 1 + u32::from(self.session.is_some());
        self.info = InfoPackets::default();
        let mut failed = 0;
        let mut connection = None;
        loop {
            self.pace.wait().await;
            if let Some(pause) = self.upload_pause() {
                connection = None;
                self.pace.pause(pause).await;
            }
            let had_answered = connection.is_some();
            let needed_performance_mode = self.needs_performance_mode;
            let outcome = self.step(&mut connection, packets).await;
            self.pace.request_ended();
            if outcome.is_ok() {
                self.is_first = false;
                self.replies.add();
            }
            match outcome {
                Ok(Progress::Complete) => return Ok(()),
                Ok(Progress::Packet) => failed = 0,
                Ok(Progress::Other) => {}
                // Some DTUs close after each answer: not a failure yet. A new connection that is
                // closed before it has answered is one, so that this ends.
                Err(error @ DtuError::Closed(_)) if had_answered => {
                    connection = None;
                    self.needs_performance_mode = needed_performance_mode;
                    let name = &self.settings.name;
                    tracing::debug!("DTU {name}: {error}; reconnecting");
                }
                Err(error) => {
                    connection = None;
                    self.session = None;
                    if let Some(info) = self.info.give_up() {
                        let name = &self.settings.name;
                        tracing::debug!("DTU {name}: incomplete app info: {error}");
                        self.learn(info)?;
                        continue;
                    }
                    failed += 1;
                    if failed >= tries {
                        return Err(error);
                    }
                    if error.is_timeout() && mem::take(&mut self.is_first) {
                        let name = &self.settings.name;
                        tracing::warn!("{name}: no answer yet: {error} (retrying)");
                    }
                    if failed > 1 {
                        packets.start_over();
                    }
                    let name = &self.settings.name;
                    tracing::debug!("DTU {name}: try {failed} of {tries} failed: {error}");
                }
            }
        }
    }

    /// The rest of the DTU's upload to the cloud, if configured: no connection may be open meanwhile.
    fn upload_pause(&self) -> Option<Duration> {
        upload_pause(self.clock.now()).filter(|_| self.settings.avoid_cloud_upload)
    }

    async fn step(
        &mut self,
        connection: &mut Option<Connection<D::Stream>>,
        packets: &mut PacketSet,
    ) -> Result<Progress, DtuError> {
        let limit = Limit::starting_now(self.settings.timeout);
        let connection = if let Some(connection) = connection {
            connection
        } else {
            let stream = self.dialer.dial(self.settings.timeout).await?;
            connection.insert(Connection::new(stream))
        };
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let now = self.clock.now().to_zoned(self.settings.zone.clone());
        let cipher = self.session.as_ref().and_then(|session| session.cipher.as_ref());
        let request = |command, message| Request { command, sequence, message, cipher };
        if self.session.is_none() {
            let packet = self.info.next();
            let request = request(Command::APP_INFO, messages::app_info_request(&now, packet));
            let accept = |message: &[u8]| app_info::packet(message, packet);
            if let Some(info) =
                self.info.push(connection.request(&request, limit, accept).await?)?
            {
                self.learn(info)?;
            }
            Ok(Progress::Other)
        } else if self.settings.performance_mode && self.needs_performance_mode {
            self.needs_performance_mode = false;
            let request = request(Command::COMMAND, messages::performance_mode_request(&now));
            let answer =
                connection.request(&request, limit, messages::performance_mode_answer).await?;
            self.log_refusal(answer.error_code);
            Ok(Progress::Other)
        } else {
            let packet = packets.next();
            if packet == 0 {
                self.pace.values_requested();
            }
            let request = request(Command::REAL_DATA, messages::real_data_request(&now, packet));
            let accept = |message: &[u8]| messages::real_data_answer(message, packet);
            Ok(packets.push(connection.request(&request, limit, accept).await?))
        }
    }

    fn log_refusal(&mut self, error_code: i32) {
        if error_code != 0 && !mem::replace(&mut self.refuses_performance_mode, true) {
            tracing::warn!(
                "DTU {}: refuses performance mode (error code {error_code}); remove \
                 `performance_mode`",
                self.settings.name
            );
        }
    }

    fn learn(&mut self, info: AppInfo) -> Result<(), DtuError> {
        let encrypts = info.enc_rand.is_some();
        let name = &self.settings.name;
        let firmware = info.firmware.as_deref().unwrap_or("unknown");
        match self.encrypts {
            Some(before) if before == encrypts => {}
            Some(true) => tracing::info!("DTU {name} no longer encrypts (firmware {firmware})"),
            Some(false) => tracing::info!("DTU {name} now encrypts (firmware {firmware})"),
            None => tracing::debug!("DTU {name} has firmware {firmware}, encrypts: {encrypts}"),
        }
        self.encrypts = Some(encrypts);
        self.clock_ahead = Some(info.time.saturating_sub(self.clock.now().as_second()));
        self.session = Some(Session::new(info)?);
        Ok(())
    }

    fn reading(&mut self, data: RealDataNewReq, is_complete: bool) -> DtuReading {
        // App info is kept over polls, in which another DTU may have come to this address.
        if let Some(serial) = app_info::dtu_serial(&data.dtu_serial) {
            let first = |session: &mut Session| *session.serial.get_or_insert(serial);
            self.session.take_if(|session| first(session) != serial);
        }
        let no_info = AppInfo::default();
        let info = self.session.as_ref().map_or(&no_info, |session| &session.info);
        let stale = self.freshness.is_stale(&data, info.time);
        let mut reading = DtuReading { stale, ..decode::reading(&data, info) };
        let before = reading.inverters.len();
        reading.inverters.retain(|one| !self.settings.exclude.contains(&one.serial));
        reading.has_excluded = reading.inverters.len() < before;
        reading.own.retain(|serial| !self.settings.exclude.contains(serial));
        if is_complete {
            // A DTU in performance mode that repeats its values has restarted.
            self.needs_performance_mode = stale;
            self.freshness.remember(data);
        }
        reading
    }
}

/// Starts with the clock, so that numbers rarely repeat with one key of the DTU.
fn first_sequence(now: Timestamp) -> u16 {
    u16::try_from(now.as_second().rem_euclid(0x1_0000)).unwrap_or_default()
}

/// App info is read again after this time, since firmware is updated.
const SESSION_LIFETIME: Duration = Duration::from_hours(6);

#[derive(Debug)]
struct Session {
    info: AppInfo,
    cipher: Option<Cipher>,
    /// The serial number in the first values after app info.
    serial: Option<DtuSerial>,
    learned_at: Instant,
}

impl Session {
    fn new(info: AppInfo) -> Result<Self, DtuError> {
        let cipher = info.enc_rand.map(Cipher::new).transpose();
        let cipher = cipher.map_err(|_| DtuError::NotDecrypted)?;
        Ok(Self { info, cipher, serial: None, learned_at: Instant::now() })
    }

    fn is_old(&self) -> bool {
        self.learned_at.elapsed() >= SESSION_LIFETIME
    }
}

impl<D: Dial> Dtu for ProtobufDtu<D> {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        self.pace.begin_poll().await;
        let mut packets = PacketSet::default();
        let outcome = self.read_packets(&mut packets).await;
        let data = packets.into_merged();
        let reading = data.map(|data| self.reading(data, outcome.is_ok())).unwrap_or_default();
        match outcome {
            Ok(()) => Ok(reading),
            Err(error) => Err(PollError { error, partial: reading }),
        }
    }

    fn pauses(&self) -> Duration {
        self.pace.paused()
    }

    fn forget(&mut self) {
        self.session = None;
    }

    fn replies(&self) -> Replies {
        self.replies.clone()
    }
}
