//! One client's connection: requests in, replies out, in the order in which they came. It listens
//! while it answers, so that it notices a client that asks again too early, or goes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::delivery::{Delivery, deliver};
use super::fault::Fault;
use super::faults::ActiveFaults;
use super::observed::Outstanding;
use super::simulation::Simulation;

/// More unanswered requests of one client than any well-meaning one sends; the next waits unread.
const MOST_OUTSTANDING: usize = 32;

/// A wire format that DTUs speak.
pub trait Language: Send + Sync + 'static {
    /// How long the request is that these bytes begin; `None` if there are too few to tell.
    fn request_length(&self, begun: &[u8]) -> Result<Option<usize>, NotARequest>;

    /// The whole reply to a whole request; empty if there is none. Faults of the line are none of its business.
    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8>;
}

/// The client does not speak this language; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a request of this protocol")]
pub struct NotARequest;

/// How the DTU wants a connection to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order.
    Close,
    /// As if the DTU had been switched off and on.
    Reset,
}

/// Talks with one client until one of the two has had enough.
pub async fn converse(
    line: &mut (impl AsyncRead + AsyncWrite + Unpin),
    language: &impl Language,
    simulation: &Simulation,
) -> Ending {
    let _open = simulation.observed().opened();
    let (reader, writer) = tokio::io::split(line);
    let (queue, requests) = mpsc::channel(MOST_OUTSTANDING);
    tokio::select! {
        biased;
        ending = answer(writer, requests, language, simulation) => ending,
        () = listen(reader, queue, language, simulation) => Ending::Close,
    }
}

/// A request, and the note that it is not answered yet.
type Request = (Bytes, Outstanding);

/// Ends when the client goes, or says what is no request.
async fn listen(
    mut line: impl AsyncRead + Unpin,
    queue: mpsc::Sender<Request>,
    language: &impl Language,
    simulation: &Simulation,
) {
    let mut received = BytesMut::new();
    loop {
        let length = match language.request_length(&received) {
            Ok(Some(length)) if (1..=received.len()).contains(&length) => length,
            Ok(_) => match line.read_buf(&mut received).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            },
            Err(NotARequest) => return,
        };
        let request = received.split_to(length).freeze();
        if queue.send((request, simulation.observed().asked())).await.is_err() {
            return;
        }
    }
}

async fn answer(
    mut line: impl AsyncWrite + Unpin,
    mut requests: mpsc::Receiver<Request>,
    language: &impl Language,
    simulation: &Simulation,
) -> Ending {
    let mut kept_back = None;
    while let Some((request, outstanding)) = requests.recv().await {
        let faults = simulation.faults().active();
        if faults.has(Fault::Silence) {
            continue;
        }
        if faults.has(Fault::Close) || simulation.is_without_power(&faults) {
            return Ending::Close;
        }
        if faults.has(Fault::Reset) {
            return Ending::Reset;
        }
        take_time(simulation.latency(), &faults).await;
        let mut reply = language.reply(&request, simulation, &faults);
        if reply.is_empty() {
            continue;
        }
        if faults.has(Fault::LateAnswer) {
            match kept_back.replace(reply) {
                Some(late) => reply = late,
                None => continue,
            }
        }
        let nth = simulation.observed().counts().requests;
        let is_answered = || outstanding.answered();
        match deliver(&mut line, &reply, nth, &faults, is_answered).await {
            Ok(Delivery::Whole) => {}
            Ok(Delivery::Cut) | Err(_) => return Ending::Close,
        }
    }
    Ending::Close
}

/// A sleep of no length would still wait for the timer's next tick.
async fn take_time(latency: Duration, faults: &ActiveFaults) {
    let slow = faults.value(|fault| if let Fault::Slow(by) = fault { Some(by) } else { None });
    let pause = latency.saturating_add(slow.unwrap_or_default());
    if !pause.is_zero() {
        sleep(pause).await;
    }
}
