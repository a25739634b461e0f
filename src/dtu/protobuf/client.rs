//! Asks a DTU over its own protocol: a connection per poll, one request at a time, never closer than
//! the request gap.

use std::mem;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::accept::{answered_mode, real_data};
use super::app_info::{self, AppInfo};
use super::command::Command;
use super::connection::{Connection, Limit, Request};
use super::decode;
use super::freshness::Freshness;
use super::info_packets::InfoPackets;
use super::messages::RealDataNewReq;
use super::pace::Pace;
use super::packets::{PacketSet, Progress};
use super::request;
use super::sequence::Sequence;
use super::session::Session;
use super::settings::Settings;
use super::upload;
use crate::clock::WallClock;
use crate::config::DtuConfig;
use crate::dtu::dial::{Dial, TcpDialer};
use crate::dtu::first_poll::FirstPoll;
use crate::dtu::{Dtu, DtuError, PollError};
use crate::plant::reading::DtuReading;

/// What to look at when the port is closed.
const REFUSED: &str = "something is there but does not speak the DTU's own protocol: is it the \
                       DTU's address? A DTU that starts just now does so within two minutes";

/// A DTU that speaks its own protocol.
#[derive(Debug)]
pub struct ProtobufDtu<D: Dial = TcpDialer> {
    settings: Settings,
    clock: WallClock,
    dialer: D,
    pace: Pace,
    sequence: Sequence,
    session: Option<Session>,
    /// What has come of its app info, as long as that is not whole.
    info: InfoPackets,
    /// Whether it encrypted when it was last asked, for the log.
    encrypts: Option<bool>,
    /// How many seconds its clock was ahead of ours when it was last asked.
    clock_ahead: Option<i64>,
    freshness: Freshness,
    /// Whether it is to be told once more to read its inverters all the time.
    owes_performance_mode: bool,
    /// Whether it has refused that, and the log tells.
    refuses_performance_mode: bool,
    first_poll: FirstPoll,
}

impl ProtobufDtu {
    /// As configured; the zone is the plant's.
    pub fn new(config: &DtuConfig, clock: WallClock, zone: TimeZone) -> Self {
        Self::with_dialer(Self::dialer(config), Settings::of(config, zone), clock)
    }

    /// What dials it.
    pub fn dialer(config: &DtuConfig) -> TcpDialer {
        TcpDialer::new(config.host.clone(), config.port(), REFUSED)
    }
}

impl<D: Dial> ProtobufDtu<D> {
    /// Over connections of another kind than TCP.
    pub fn with_dialer(dialer: D, settings: Settings, clock: WallClock) -> Self {
        Self {
            pace: Pace::new(settings.request_gap, settings.refresh),
            sequence: Sequence::of_a_bridge(clock.now()),
            first_poll: FirstPoll::new(
                settings.name.clone(),
                settings.timeout + settings.request_gap,
            ),
            settings,
            clock,
            dialer,
            session: None,
            info: InfoPackets::default(),
            encrypts: None,
            clock_ahead: None,
            freshness: Freshness::default(),
            owes_performance_mode: true,
            refuses_performance_mode: false,
        }
    }

    /// For a command that asks a DTU while a bridge may run that asks it, too.
    #[must_use]
    pub fn beside_a_bridge(self) -> Self {
        Self { sequence: Sequence::beside_a_bridge(self.clock.now()), ..self }
    }

    /// The same DTU by another configuration: what it was asked, and when, still counts.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        let is_new = settings.performance_mode && !self.settings.performance_mode;
        Self {
            pace: self.pace.with_gap(settings.request_gap),
            owes_performance_mode: self.owes_performance_mode || is_new,
            settings,
            ..self
        }
    }

    /// Whether it encrypts, once it was asked.
    pub const fn encrypts(&self) -> Option<bool> {
        self.encrypts
    }

    /// How many seconds its clock was ahead of ours when it was last asked about itself.
    pub const fn clock_ahead(&self) -> Option<i64> {
        self.clock_ahead
    }

    /// Asks for packets until the set is complete. A request that fails is tried again on a new
    /// connection, after the app info: the DTU may have restarted, or been given a new program.
    async fn collect(&mut self, packets: &mut PacketSet) -> Result<(), DtuError> {
        if self.session.as_ref().is_some_and(Session::is_old) {
            self.session = None;
        }
        // With what it knew before the poll, the bridge may fail once for free.
        let tries = self.settings.retries + 1 + u32::from(self.session.is_some());
        self.info = InfoPackets::default();
        self.first_poll.poll_begins();
        let mut failed = 0;
        let mut connection = None;
        loop {
            self.pace.wait().await;
            if let Some(pause) = self.upload_pause() {
                connection = None;
                self.pace.pause(pause).await;
            }
            let outcome = self.step(&mut connection, packets).await;
            self.pace.ended();
            if outcome.is_ok() {
                self.first_poll.answered();
            }
            match outcome {
                Ok(Progress::Complete) => return Ok(()),
                Ok(Progress::Packet) => failed = 0,
                Ok(Progress::Told) => {}
                Err(error) => {
                    connection = None;
                    self.session = None;
                    if let Some(info) = self.info.give_up() {
                        let name = &self.settings.name;
                        tracing::debug!("DTU {name}: does not give all of its app info: {error}");
                        self.learn(info)?;
                        continue;
                    }
                    failed += 1;
                    if failed >= tries {
                        return Err(error);
                    }
                    self.first_poll.goes_on_after(&error);
                    if failed > 1 {
                        packets.start_over();
                    }
                    let name = &self.settings.name;
                    tracing::debug!("DTU {name}: try {failed} of {tries} failed: {error}");
                }
            }
        }
    }

    /// How long the DTU sends to the cloud from now on, if it shall be left alone then: no connection
    /// may be open meanwhile.
    fn upload_pause(&self) -> Option<Duration> {
        upload::pause(self.clock.now()).filter(|_| self.settings.avoid_cloud_upload)
    }

    /// One request and its answer; connects first where there is no connection.
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
        let sequence = self.next_sequence();
        let now = self.clock.now().to_zoned(self.settings.zone.clone());
        let cipher = self.session.as_ref().and_then(|session| session.cipher.as_ref());
        let request = |command, message| Request { command, sequence, message, cipher };
        if self.session.is_none() {
            let packet = self.info.next();
            let request = request(Command::APP_INFO, request::app_info(&now, packet));
            let accept = |message: &[u8]| app_info::packet(message, packet);
            if let Some(info) = self.info.push(connection.ask(&request, limit, accept).await?)? {
                self.learn(info)?;
            }
            Ok(Progress::Told)
        } else if self.settings.performance_mode && self.owes_performance_mode {
            self.owes_performance_mode = false;
            let request = request(Command::COMMAND, request::performance_mode(&now));
            let answer = connection.ask(&request, limit, answered_mode).await?;
            self.tell_refusal(answer.error_code);
            Ok(Progress::Told)
        } else {
            let packet = packets.next();
            if packet == 0 {
                self.pace.asks_for_values();
            }
            let request = request(Command::REAL_DATA, request::real_data(&now, packet));
            let accept = |message: &[u8]| real_data(message, packet);
            Ok(packets.push(connection.ask(&request, limit, accept).await?))
        }
    }

    /// Tells once that it does not want to read its inverters all the time.
    fn tell_refusal(&mut self, error_code: i32) {
        if error_code != 0 && !mem::replace(&mut self.refuses_performance_mode, true) {
            tracing::warn!(
                "DTU {}: refuses the performance mode (error code {error_code}); remove \
                 `performance_mode`",
                self.settings.name
            );
        }
    }

    fn next_sequence(&mut self) -> u16 {
        if self.sequence.is_used_up() {
            self.sequence.start_over();
            tracing::warn!(
                "DTU {}: all request numbers of its present key are used up and start over; \
                 restart the DTU to give it a new key",
                self.settings.name
            );
        }
        self.sequence.take()
    }

    /// Takes what the DTU says about itself, and tells when its encryption has changed.
    fn learn(&mut self, info: AppInfo) -> Result<(), DtuError> {
        let encrypts = info.enc_rand.is_some();
        let name = &self.settings.name;
        let firmware = info.firmware.as_deref().unwrap_or("unknown");
        match self.encrypts {
            Some(before) if before == encrypts => {}
            Some(true) => tracing::info!("DTU {name} sends plain text again (firmware {firmware})"),
            Some(false) => tracing::info!("DTU {name} now encrypts (firmware {firmware})"),
            None => tracing::debug!("DTU {name} has firmware {firmware}, encrypts: {encrypts}"),
        }
        self.encrypts = Some(encrypts);
        self.clock_ahead = Some(info.time.saturating_sub(self.clock.now().as_second()));
        self.sequence.set_key(info.enc_rand);
        self.session = Some(Session::new(info)?);
        Ok(())
    }

    /// The reading of what has come, complete or not.
    fn reading(&mut self, data: RealDataNewReq, is_complete: bool) -> DtuReading {
        let no_info = AppInfo::default();
        let info = self.session.as_ref().map_or(&no_info, |session| &session.info);
        let stale = self.freshness.is_stale(&data, info.time);
        let mut reading = DtuReading { stale, ..decode::reading(&data, info) };
        let before = reading.inverters.len();
        reading.inverters.retain(|one| !self.settings.exclude.contains(&one.serial));
        reading.has_excluded = reading.inverters.len() < before;
        reading.own.retain(|serial| !self.settings.exclude.contains(serial));
        if is_complete {
            // A DTU that was told before and yet repeats itself has restarted since.
            self.owes_performance_mode = stale;
            self.freshness.remember(data);
        }
        reading
    }
}

impl<D: Dial> Dtu for ProtobufDtu<D> {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        self.pace.begin_poll().await;
        let mut packets = PacketSet::default();
        let outcome = self.collect(&mut packets).await;
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
}
