//! A device on loopback that answers as a test says, and a bridge that polls it every 100 ms.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hoymiles_bridge::config::Protocol;
use hoymiles_bridge::dtu::protobuf::frame::{Command, Frame, FrameCodec};
use hoymiles_bridge::dtu::protobuf::messages::{AppInfoReq, RealDataNewReq};
use prost::Message as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::codec::Framed;

use crate::support::pipeline::Pipeline;
use crate::support::simulated::PlantClock;
use crate::support::within_guard;

/// The serial number of the DTU unless a test says otherwise.
pub(super) const DTU: &str = "10F8A0000001";
/// The name of its section.
const NAME: &str = "Roof";

/// What a device answers.
#[derive(Clone)]
pub(super) enum Says {
    /// Over Modbus: the serial number of a DTU, and the records of its list.
    Modbus(&'static str, Vec<[u8; 40]>),
    /// Over Modbus: these bytes at 0x1000, zeros everywhere else.
    Foreign(Vec<u8>),
    /// Over protobuf: the messages about itself and of its values; `None` is never answered.
    Protobuf(Option<Vec<u8>>, Option<Vec<u8>>),
}

/// Says it over protobuf.
pub(super) fn messages(info: Option<&AppInfoReq>, data: Option<&RealDataNewReq>) -> Says {
    Says::Protobuf(info.map(AppInfoReq::encode_to_vec), data.map(RealDataNewReq::encode_to_vec))
}

/// Says it over Modbus, as the usual DTU.
pub(super) fn list(records: &[Record]) -> Says {
    Says::Modbus(DTU, records.iter().map(Record::bytes).collect())
}

/// One record of the list in raw steps.
#[derive(Clone, Copy, Default)]
pub(super) struct Record {
    pub(super) serial: u64,
    pub(super) port: u8,
    /// PV voltage and current, mains voltage and frequency, PV power.
    pub(super) values: [u16; 5],
    pub(super) today: u16,
    pub(super) total: u32,
    pub(super) temperature: u16,
    pub(super) status: u16,
    pub(super) alarm: u16,
    pub(super) link: u8,
}

impl Record {
    /// A port that produces 140 W.
    pub(super) fn live(serial: u64, port: u8, today: u16, total: u32) -> Self {
        let values = [350, 400, 2300, 5000, 1400];
        let (temperature, status, link) = (250, 3, 1);
        Self { serial, port, values, today, total, temperature, status, alarm: 0, link }
    }

    /// A port of an inverter that the DTU does not reach: zeros.
    pub(super) fn unreached(serial: u64, port: u8) -> Self {
        Self { serial, port, ..Self::default() }
    }

    fn bytes(&self) -> [u8; 40] {
        let mut bytes = vec![0x0c];
        bytes.extend(self.serial.to_be_bytes().iter().skip(2));
        bytes.push(self.port);
        bytes.extend(self.values.iter().chain([&self.today]).flat_map(|field| field.to_be_bytes()));
        bytes.extend(self.total.to_be_bytes());
        for field in [self.temperature, self.status, self.alarm, 0] {
            bytes.extend(field.to_be_bytes());
        }
        bytes.extend([self.link, 7]);
        bytes.resize(40, 0);
        bytes.try_into().unwrap()
    }

    /// The end of the list.
    fn null() -> [u8; 40] {
        Self::default().bytes()
    }
}

/// A device.
pub(super) struct Device {
    pub(super) address: SocketAddr,
    protocol: Protocol,
    says: watch::Sender<Says>,
    /// How many polls have begun.
    polls: watch::Receiver<u64>,
    /// How often another device has taken the address over.
    takeovers: watch::Sender<u64>,
    server: JoinHandle<()>,
}

impl Device {
    pub(super) async fn start(first: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let protocol = match first {
            Says::Protobuf(..) => Protocol::Protobuf,
            Says::Modbus(..) | Says::Foreign(_) => Protocol::Modbus,
        };
        let (count, polls) = watch::channel(0);
        let (says, answers) = watch::channel(first);
        let (takeovers, mut taken_over) = watch::channel(0);
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A broken connection ends with the next one.
                let serve = async {
                    match protocol {
                        Protocol::Protobuf => drop(protobuf(stream, &answers, &count).await),
                        Protocol::Modbus | Protocol::Simulated => {
                            drop(modbus(stream, &answers, &count).await);
                        }
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = taken_over.changed() => {}
                }
            }
        });
        Self { address, protocol, says, polls, takeovers, server }
    }

    /// Its section of a configuration.
    pub(super) fn section(&self) -> String {
        let interval = if self.protocol == Protocol::Modbus { "5s" } else { "35s" };
        format!(
            "[[dtu]]\nname = \"{NAME}\"\nprotocol = \"{}\"\nhost = \"127.0.0.1\"\nport = {}\n\
             timeout = \"500ms\"\nretries = 0\ninterval = \"{interval}\"\n",
            self.protocol,
            self.address.port()
        )
    }

    /// From now on it says something else.
    pub(super) fn says(&self, says: Says) {
        self.says.send_replace(says);
    }

    /// Another device has its address from now on.
    pub(super) fn is_replaced(&self, says: Says) {
        self.says(says);
        self.takeovers.send_modify(|count| *count += 1);
    }

    /// It is off for good.
    pub(super) fn is_off(&self) {
        self.server.abort();
    }

    /// Waits until `count` whole polls have taken place. Those of one that runs may be of before.
    pub(super) async fn polled(&self, count: u64) {
        let mut polls = self.polls.clone();
        let last = *polls.borrow_and_update() + count + 1;
        let polled = within_guard("polls", polls.wait_for(|polls| *polls >= last)).await;
        assert!(polled.is_ok());
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn modbus(
    mut stream: TcpStream,
    answers: &watch::Receiver<Says>,
    polls: &watch::Sender<u64>,
) -> std::io::Result<()> {
    loop {
        let mut request = [0; 12];
        stream.read_exact(&mut request).await?;
        let [t0, t1, _, _, _, _, unit, function, a0, a1, c0, c1] = request;
        let (address, count) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([c0, c1]));
        if address == 0x1000 {
            polls.send_modify(|polls| *polls += 1);
        }
        let says = answers.borrow().clone();
        let mut data = match says {
            Says::Modbus(serial, _) if address == 0x2000 => {
                u64::from_str_radix(serial, 16).unwrap().to_be_bytes().into_iter().skip(2).collect()
            }
            Says::Modbus(_, records) => {
                let first = usize::from(address.saturating_sub(0x1000)) / 40;
                let ends = std::iter::repeat(Record::null());
                let records = records.into_iter().chain(ends).skip(first);
                records.take(usize::from(count) / 20 + 1).flatten().collect()
            }
            Says::Foreign(bytes) if address == 0x1000 => bytes,
            Says::Foreign(_) | Says::Protobuf(..) => Vec::new(),
        };
        data.resize(usize::from(count) * 2, 0);
        let bytes = u8::try_from(data.len()).unwrap();
        let mut reply = vec![t0, t1, 0, 0, 0, bytes + 3, unit, function, bytes];
        reply.extend(data);
        stream.write_all(&reply).await?;
    }
}

async fn protobuf(
    stream: TcpStream,
    answers: &watch::Receiver<Says>,
    polls: &watch::Sender<u64>,
) -> Option<()> {
    let mut frames = Framed::new(stream, FrameCodec::default());
    loop {
        let request = frames.next().await?.ok()?;
        let Says::Protobuf(info, data) = answers.borrow().clone() else { return None };
        let payload = match request.command {
            Command::APP_INFO => info,
            Command::REAL_DATA => {
                polls.send_modify(|polls| *polls += 1);
                data
            }
            _ => None,
        };
        let Some(payload) = payload else { continue };
        let (command, sequence) = (request.command.reply(), request.sequence);
        frames
            .send(Frame { command, sequence, payload: Bytes::from(payload), tag: None })
            .await
            .ok()?;
    }
}

/// A device and the bridge that polls it.
pub(super) struct Polled {
    pub(super) device: Device,
    pub(super) pipeline: Pipeline,
    clock: PlantClock,
}

impl Polled {
    /// From noon on.
    pub(super) async fn start(first: Says) -> Self {
        Self::start_at("2026-06-10T12:00:00Z", first).await
    }

    pub(super) async fn start_at(time: &str, first: Says) -> Self {
        let clock = PlantClock::at(time);
        let device = Device::start(first).await;
        let dtu = (NAME, device.protocol, device.address.port());
        let pipeline = Pipeline::polling(&[dtu], &[], &clock).await;
        let polled = Self { device, pipeline, clock };
        polled.device.polled(2).await;
        polled
    }

    /// It says that in two polls, a minute later.
    pub(super) async fn says(&self, says: Says) {
        self.clock.advance(Duration::from_mins(1));
        self.device.says(says);
        self.device.polled(2).await;
    }

    /// It says that in two polls from that time on.
    pub(super) async fn says_at(&self, time: &str, says: Says) {
        self.clock.set(time);
        self.device.says(says);
        self.device.polled(2).await;
    }

    /// Another device answers at its address, for two polls.
    pub(super) async fn is_replaced(&self, says: Says) {
        self.clock.advance(Duration::from_mins(1));
        self.device.is_replaced(says);
        self.device.polled(2).await;
    }

    /// The device is off from that time on.
    pub(super) fn is_off_at(&self, time: &str) {
        self.device.is_off();
        self.clock.set(time);
    }

    pub(super) async fn plant(&self) -> Value {
        self.pipeline.get("/api/plant").await
    }

    /// The value at that JSON pointer of `/api/inverters`.
    pub(super) async fn inverter(&self, pointer: &str) -> Value {
        let inverters = self.pipeline.get("/api/inverters").await;
        let value = inverters.pointer(pointer);
        value.unwrap_or_else(|| panic!("no {pointer} in {inverters:#}")).clone()
    }

    pub(super) async fn serials(&self) -> Vec<String> {
        let inverters = self.pipeline.get("/api/inverters").await;
        let serial = |one: &Value| one.get("serial_number")?.as_str().map(str::to_uppercase);
        inverters.as_array().unwrap().iter().filter_map(serial).collect()
    }

    /// The DTU in `/health`.
    pub(super) async fn health(&self) -> Value {
        let health = self.pipeline.get("/health").await;
        health.pointer(&format!("/dtus/{NAME}")).unwrap().clone()
    }

    /// The DTU in `/health` once its status is that.
    pub(super) async fn status(&self, status: &str) -> Value {
        within_guard(status, async {
            loop {
                let health = self.health().await;
                if health.get("status").is_some_and(|now| now == status) {
                    return health;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    pub(super) async fn stop(self) {
        self.pipeline.stop().await;
    }
}
