//! A DTU in memory with planned faults that records its requests.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use prost::Message;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::codec::{Encoder, Framed};

use super::crypto::{Cipher, EncRand};
use super::frame::{Command, Frame, FrameCodec};
use super::messages::{
    AppInfoReq, AppInfoRes, CommandReq, DtuInfo, PvInfo, RealDataNewReq, RealDataNewRes,
};
use super::vectors::vectors;
use crate::dtu::DtuError;
use crate::dtu::dial::Dial;

/// A request that the DTU received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) at: Instant,
    pub(super) connection: usize,
    pub(super) command: Command,
    pub(super) sequence: u16,
    pub(super) packet: i32,
}

/// The test's end of the connections.
#[derive(Debug)]
pub(super) struct FakeDialer(mpsc::UnboundedSender<DuplexStream>);

impl Dial for FakeDialer {
    type Stream = DuplexStream;

    async fn dial(&mut self, _limit: Duration) -> Result<DuplexStream, DtuError> {
        let (ours, theirs) = duplex(100_000);
        self.0.send(theirs).unwrap();
        Ok(ours)
    }
}

/// The DTU's end.
pub(super) struct FakeDtu {
    connections: mpsc::UnboundedReceiver<DuplexStream>,
    pub(super) packets: Vec<RealDataNewReq>,
    pub(super) enc_rand: Option<EncRand>,
    /// Its reaction to what it cannot decrypt.
    pub(super) when_wrong: Fault,
    /// For real data only, one per answer.
    pub(super) faults: VecDeque<Fault>,
    pub(super) asked: Vec<Asked>,
    /// When the client closed a connection.
    pub(super) left: Vec<Instant>,
    /// Action and error code of its answer to a command.
    pub(super) mode_answer: (i32, i32),
    /// Added to the time of each answer's first packet.
    pub(super) step: i32,
    /// How many packets of app info it announces, and how many it sends.
    pub(super) info: (i32, i32),
    connection: usize,
    last_answer: Bytes,
}

impl FakeDtu {
    pub(super) fn new() -> (FakeDialer, Self) {
        let (sender, connections) = mpsc::unbounded_channel();
        let dtu = Self {
            connections,
            packets: Vec::new(),
            enc_rand: None,
            when_wrong: Fault::Silence,
            faults: VecDeque::new(),
            asked: Vec::new(),
            left: Vec::new(),
            mode_answer: (33, 0),
            step: 60,
            info: (1, 1),
            connection: 0,
            last_answer: Bytes::new(),
        };
        (FakeDialer(sender), dtu)
    }

    /// The packets are those of the named vectors.
    pub(super) fn with_packets(mut self, names: &[&str]) -> Self {
        let message = |name: &&str| {
            let payload = vectors()[*name].payload().unwrap();
            RealDataNewReq::decode(payload).unwrap()
        };
        self.packets = names.iter().map(message).collect();
        self
    }

    /// Answers for ever.
    pub(super) async fn run(&mut self) {
        while let Some(stream) = self.connections.recv().await {
            self.connection += 1;
            let mut frames = Framed::new(stream, FrameCodec::default());
            loop {
                frames.codec_mut().set_encrypted(self.enc_rand.is_some());
                match frames.next().await {
                    Some(Ok(frame)) => {
                        if self.answer(frame, frames.get_mut()).await.is_none() {
                            break;
                        }
                    }
                    // No answer to what cannot be read.
                    Some(Err(_)) => {}
                    None => {
                        self.left.push(Instant::now());
                        break;
                    }
                }
            }
        }
        std::future::pending::<()>().await;
    }

    /// `None` to end the connection.
    async fn answer(&mut self, frame: Frame, stream: &mut DuplexStream) -> Option<()> {
        let is_encrypted = frame.command != Command::APP_INFO;
        let cipher =
            self.enc_rand.filter(|_| is_encrypted).map(|bytes| Cipher::new(bytes).unwrap());
        let message = match &cipher {
            Some(cipher) => cipher.open(&frame).ok(),
            None => Some(frame.payload.clone()),
        };
        let packet = message.as_ref().filter(|_| frame.command == Command::REAL_DATA);
        let packet = packet.map(|message| RealDataNewRes::decode(message.clone()));
        let packet = packet.and_then(Result::ok).map_or(-1, |request| request.cp);
        self.asked.push(Asked {
            at: Instant::now(),
            connection: self.connection,
            command: frame.command,
            sequence: frame.sequence,
            packet,
        });
        let info = message.as_ref().filter(|_| frame.command == Command::APP_INFO);
        let info = info.map(|message| AppInfoRes::decode(message.clone()).unwrap());
        let info = info.map_or(0, |request| request.current_package);
        let fault = match frame.command {
            Command::APP_INFO if info >= self.info.1 => Fault::Silence,
            _ if message.is_none() || (frame.command == Command::REAL_DATA && packet < 0) => {
                self.when_wrong.clone()
            }
            Command::REAL_DATA => self.faults.pop_front().unwrap_or(Fault::None),
            _ => Fault::None,
        };
        let nth = if frame.command == Command::APP_INFO { info } else { packet };
        let answer = self.message(frame.command, nth, &fault);
        let number = frame.sequence.wrapping_sub(u16::from(matches!(fault, Fault::WrongSequence)));
        let answer = encoded(frame.command.reply(), number, &answer, cipher.as_ref());
        let sent = self.send(&answer, &fault, stream).await;
        self.last_answer = answer;
        sent
    }

    fn message(&mut self, command: Command, packet: i32, fault: &Fault) -> Vec<u8> {
        match command {
            Command::APP_INFO => self.app_info(packet).encode_to_vec(),
            Command::COMMAND => CommandReq {
                dtu_serial: "4143A0000001".into(),
                action: self.mode_answer.0,
                error_code: self.mode_answer.1,
                ..CommandReq::default()
            }
            .encode_to_vec(),
            _ => {
                if packet == 0 {
                    self.packets.iter_mut().for_each(|packet| packet.timestamp += self.step);
                    // A DTU's values always change by day.
                    self.packets[0].single_phase[0].signal += self.step.min(1);
                }
                let Some(packet) = usize::try_from(packet).ok().and_then(|p| self.packets.get(p))
                else {
                    return Vec::new();
                };
                let mut packet = packet.clone();
                packet.timestamp += i32::from(matches!(fault, Fault::OtherTime));
                packet.encode_to_vec()
            }
        }
    }

    /// The inverters are spread over all packets.
    fn app_info(&self, packet: i32) -> AppInfoReq {
        let inverters = self.packets.iter().flat_map(|packet| &packet.single_phase);
        let [packets, nth] = [self.info.0, packet].map(|number| usize::try_from(number).unwrap());
        let inverters = inverters.skip(nth).step_by(packets);
        AppInfoReq {
            dtu_serial: "4143A0000001".to_owned(),
            package_count: self.info.0,
            current_package: packet,
            dtu: Some(DtuInfo {
                sw: 4353,
                dfs: if self.enc_rand.is_some() { 1_308_623_040 } else { 0 },
                enc_rand: self.enc_rand.map(Vec::from).unwrap_or_default(),
                ..DtuInfo::default()
            }),
            inverters: inverters
                .map(|inverter| PvInfo { serial: inverter.serial, sw: 10012, ..PvInfo::default() })
                .collect(),
            ..AppInfoReq::default()
        }
    }

    async fn send(
        &mut self,
        answer: &Bytes,
        fault: &Fault,
        stream: &mut DuplexStream,
    ) -> Option<()> {
        let heartbeat = vectors()["capture_push_heartbeat"].bytes();
        match fault {
            Fault::None | Fault::WrongSequence | Fault::OtherTime => {
                stream.write_all(answer).await.ok()
            }
            Fault::Silence => Some(()),
            Fault::Zeros => stream.write_all(&[0; 10]).await.ok(),
            Fault::Close => None,
            Fault::CloseHalfway => {
                stream.write_all(&answer[..answer.len() / 2]).await.ok()?;
                None
            }
            Fault::Slowly => {
                for byte in answer {
                    sleep(Duration::from_millis(1)).await;
                    stream.write_all(&[*byte]).await.ok()?;
                }
                Some(())
            }
            Fault::Unasked => {
                let warnings = vectors()["capture_push_warn_offline"].bytes();
                let all = [&heartbeat, &warnings, answer.as_ref()].concat();
                stream.write_all(&all).await.ok()
            }
            Fault::WrongCommand => stream.write_all(&heartbeat).await.ok(),
            Fault::OldAnswerFirst => {
                stream.write_all(&[self.last_answer.as_ref(), answer].concat()).await.ok()
            }
            Fault::BadCrc => {
                let mut answer = answer.to_vec();
                answer[12] ^= 1;
                stream.write_all(&answer).await.ok()
            }
            Fault::Babble => loop {
                sleep(Duration::from_millis(10)).await;
                stream.write_all(&heartbeat).await.ok()?;
            },
            Fault::Restart(enc_rand) => {
                self.enc_rand = *enc_rand;
                None
            }
        }
    }
}

fn encoded(command: Command, sequence: u16, message: &[u8], cipher: Option<&Cipher>) -> Bytes {
    let frame = match cipher {
        Some(cipher) => cipher.seal(command, sequence, message).unwrap(),
        None => Frame { command, sequence, payload: Bytes::copy_from_slice(message), tag: None },
    };
    let mut bytes = BytesMut::new();
    FrameCodec::default().encode(frame, &mut bytes).unwrap();
    bytes.freeze()
}

/// What the DTU does to the next answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing: the answer is good.
    None,
    /// No answer.
    Silence,
    /// Ten zero bytes.
    Zeros,
    /// The connection ends.
    Close,
    /// The connection ends in the middle of the answer.
    CloseHalfway,
    /// Byte by byte, a millisecond each.
    Slowly,
    /// Unsolicited frames in one segment with the answer.
    Unasked,
    /// An answer to something else instead.
    WrongCommand,
    /// The previous answer before the right one.
    OldAnswerFirst,
    /// The answer with another number.
    WrongSequence,
    /// A damaged answer.
    BadCrc,
    /// Unsolicited frames for ever.
    Babble,
    /// The packet has another time than the others.
    OtherTime,
    /// The DTU restarts, with or without a key, without answering.
    Restart(Option<EncRand>),
}
