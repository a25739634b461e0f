//! A scripted DTU on in-memory connections, and records for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::decode::PortRecord;
use crate::config::{DtuConfig, Protocol, RecordsPerRead};
use crate::dtu::DtuError;
use crate::dtu::dial::Dial;
use crate::plant::serial::InverterSerial;
use crate::tasks::Tasks;

/// A live record of that port of inverter 1161a00000xx.
pub(crate) fn record(inverter: u8, port: u8) -> PortRecord {
    PortRecord {
        data_type: 0x0c,
        serial: InverterSerial::from_bytes([0x11, 0x61, 0xa0, 0, 0, inverter]),
        port,
        pv_voltage: 342,
        pv_current: 509,
        grid_voltage: 2391,
        grid_frequency: 5003,
        pv_power: 1736,
        today: 701,
        total: 250_200,
        temperature: 377,
        operating_status: 3,
        alarm_code: 0,
        alarm_count: 4,
        link_status: 1,
        constant: 7,
    }
}

/// The record of a sleeping port.
pub(crate) fn asleep(inverter: u8, port: u8) -> PortRecord {
    PortRecord {
        pv_voltage: 0,
        pv_current: 0,
        grid_voltage: 0,
        grid_frequency: 0,
        pv_power: 0,
        today: 0,
        total: 0,
        temperature: 0,
        operating_status: 0,
        alarm_count: 0,
        link_status: 0,
        ..record(inverter, port)
    }
}

/// A record as a DTU sends it.
pub(crate) fn bytes(record: &PortRecord) -> Vec<u8> {
    let mut bytes = vec![record.data_type];
    bytes.extend(record.serial.bytes());
    bytes.push(record.port);
    for field in [
        record.pv_voltage,
        record.pv_current,
        record.grid_voltage,
        record.grid_frequency,
        record.pv_power,
        record.today,
    ] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend(record.total.to_be_bytes());
    bytes.extend(record.temperature.to_be_bytes());
    for field in [record.operating_status, record.alarm_code, record.alarm_count] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend([record.link_status, record.constant, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// The end of the list as a DTU sends it.
pub(crate) fn null_record() -> Vec<u8> {
    let mut bytes = vec![0; 40];
    (bytes[0], bytes[33]) = (0x0c, 0x07);
    bytes
}

/// A request that the scripted DTU received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Counted from 0 over all requests.
    pub(crate) number: usize,
    /// Counted from 1.
    pub(crate) connection: usize,
    pub(crate) transaction: u16,
    pub(crate) address: u16,
    pub(crate) count: u16,
    pub(crate) at: Instant,
}

impl Asked {
    /// The answer of a healthy DTU with these ports.
    pub(crate) fn data(self, ports: &[PortRecord]) -> Vec<u8> {
        if self.address == 0x2000 {
            return vec![0x10, 0xf8, 0xa0, 0, 0, 1];
        }
        let first = usize::from(self.address - 0x1000) / 40;
        let list = (first..).map(|index| ports.get(index).map_or_else(null_record, bytes));
        list.take(usize::from(self.count) / 20).flatten().collect()
    }
}

/// What the scripted DTU does with a request.
pub(crate) enum Answer {
    Data(Vec<u8>),
    Exception(u8),
    /// These bytes, header and all.
    Raw(Vec<u8>),
    Silence,
    /// The data after that long.
    Late(Duration, Vec<u8>),
    /// These bytes, then the end of the connection.
    HangUp(Vec<u8>),
}

type Script = Box<dyn FnMut(Asked) -> Answer + Send>;

/// Dials the scripted DTU, and records its requests.
#[derive(Clone)]
pub(crate) struct FakeDtu {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
    tasks: Tasks,
}

impl FakeDtu {
    /// A DTU that answers as `script` says.
    pub(crate) fn new(script: impl FnMut(Asked) -> Answer + Send + 'static) -> Self {
        Self {
            script: Arc::new(Mutex::new(Box::new(script))),
            asked: Arc::default(),
            connections: Arc::default(),
            tasks: Tasks::new(),
        }
    }

    /// All requests up to now.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All requests up to now, by connection and address.
    pub(crate) fn addresses(&self) -> Vec<(usize, u16)> {
        self.asked().iter().map(|asked| (asked.connection, asked.address)).collect()
    }

    async fn serve(self, mut stream: DuplexStream, connection: usize) {
        let mut request = [0; 12];
        while stream.read_exact(&mut request).await.is_ok() {
            let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
            let answer = {
                let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                let asked = Asked {
                    number: all.len(),
                    connection,
                    transaction: word(0),
                    address: word(8),
                    count: word(10),
                    at: Instant::now(),
                };
                all.push(asked);
                self.script.lock().unwrap_or_else(PoisonError::into_inner)(asked)
            };
            let framed = |data: &[u8]| answer_to(word(0), data);
            let bytes = match answer {
                Answer::Data(data) => framed(&data),
                Answer::Exception(code) => {
                    [&request[..2], &[0, 0, 0, 3, request[6], 0x83, code]].concat()
                }
                Answer::Raw(bytes) => bytes,
                Answer::Silence => continue,
                Answer::Late(delay, data) => {
                    sleep(delay).await;
                    framed(&data)
                }
                Answer::HangUp(bytes) => {
                    drop(stream.write_all(&bytes).await);
                    return;
                }
            };
            drop(stream.write_all(&bytes).await);
        }
    }
}

/// A complete answer to that transaction.
pub(crate) fn answer_to(transaction: u16, data: &[u8]) -> Vec<u8> {
    let transaction = transaction.to_be_bytes();
    let length = u16::try_from(data.len() + 3).unwrap().to_be_bytes();
    let count = u8::try_from(data.len()).unwrap();
    [&transaction[..], &[0, 0], &length, &[1, 3, count], data].concat()
}

impl Dial for FakeDtu {
    type Stream = DuplexStream;

    async fn dial(&mut self, _limit: Duration) -> Result<DuplexStream, DtuError> {
        let connection = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            *connections += 1;
            *connections
        };
        let (near, far) = tokio::io::duplex(1024);
        self.tasks.spawn_short(self.clone().serve(far, connection));
        Ok(near)
    }
}

/// The configuration of a DTU with everything at its default.
pub(crate) fn config() -> DtuConfig {
    DtuConfig {
        name: "House".to_owned(),
        protocol: Protocol::Modbus,
        host: "dtu".to_owned(),
        port: None,
        unit_id: 1,
        timeout: Duration::from_secs(3),
        retries: 3,
        request_gap: None,
        records_per_read: RecordsPerRead::Number(1),
        interval: None,
        exclude: Vec::new(),
        serial: None,
        performance_mode: false,
        avoid_cloud_upload: false,
    }
}
