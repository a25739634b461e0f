//! The one file that knows the MQTT library: from an open connection to a login, messages out and
//! in, and good-bye.
//!
//! The library would reconnect by itself, and resend what is old by then. So each connection gets
//! a client of its own, and the bridge's one reconnect loop does the rest.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Broker, ConnectReturnCode, ConnectionError, Event, EventLoop, Incoming, LastWill,
    MqttOptions, PublishOptions, QoS, StateError, mqttbytes,
};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::board::Message;
use super::connect::{Stream, connect};
use super::failure::{Failure, LIMIT, Reason};
use super::session::Gone;
use crate::config::MqttConfig;
use crate::net::dial::Attempt;

/// Messages that wait for the broker; whoever publishes more waits himself.
const WAITING: usize = 16;
/// A ping after so much silence; the broker is given up when it does not answer the next one.
const KEEP_ALIVE_SECONDS: u16 = 30;
/// The document of an inverter with eight ports has some 20 KB; a stranger may send us no more.
const LARGEST: usize = 256 * 1024;
/// How long saying good-bye may take.
const CLOSING: Duration = Duration::from_millis(800);

/// The end of a connection that speaks.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: AsyncClient,
    qos: QoS,
}

/// The end of a connection that hears, and does the work of both.
pub(super) struct Listener {
    events: EventLoop,
    has_login: bool,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) topic: String,
    pub(super) payload: bytes::Bytes,
}

/// Connects and logs in; the broker's yes is the success. `will` is the topic at which it shall
/// say `offline` when we are lost.
pub(super) async fn open(
    config: &MqttConfig,
    will: Option<String>,
) -> Result<(Sender, Listener), Failure> {
    let attempt = Attempt::new(config.host.as_str(), config.port(), LIMIT);
    let stream = connect(config, &attempt).await.map_err(Failure::Connect)?;
    log_in(config, Box::new(stream), will, attempt.deadline()).await
}

/// Logs in over an open connection, until `until`.
pub(super) async fn log_in(
    config: &MqttConfig,
    stream: Box<dyn Stream>,
    will: Option<String>,
    until: Instant,
) -> Result<(Sender, Listener), Failure> {
    let qos = match config.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    };
    let options = options(config, stream, will, qos);
    let (client, mut events) = AsyncClient::builder(options).capacity(WAITING).build();
    // Else it would give up a login earlier than we do.
    events.network_options.set_connection_timeout(LIMIT.as_secs());
    let mut listener = Listener { events, has_login: config.username.is_some() };
    match timeout_at(until, listener.accepted()).await {
        Ok(accepted) => accepted.map(|()| (Sender { client, qos }, listener)),
        Err(_) => Err(Failure::LoginTimedOut),
    }
}

fn options(
    config: &MqttConfig,
    stream: Box<dyn Stream>,
    will: Option<String>,
    qos: QoS,
) -> MqttOptions {
    let broker = Broker::tcp(config.host.clone(), config.port());
    let mut options = MqttOptions::new(config.client_id(), broker);
    options
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_clean_session(true)
        .set_max_packet_size(LARGEST, LARGEST)
        .set_request_channel_capacity(WAITING);
    if let Some(topic) = will {
        options.set_last_will(LastWill::new(topic, "offline", qos, true));
    }
    match (&config.username, &config.password) {
        (Some(name), Some(password)) => {
            options.set_credentials(name, password.expose_secret().to_owned());
        }
        (Some(name), None) => {
            options.set_username(name);
        }
        (None, _) => {}
    }
    let ready = Mutex::new(Some(stream));
    options.set_socket_connector(move |_, _| {
        let stream = ready.lock().ok().and_then(|mut stream| stream.take());
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    options
}

impl Sender {
    /// Asks for the messages of a topic.
    pub(super) async fn subscribe(&self, topic: &str) -> Result<(), Gone> {
        self.client.subscribe(topic, self.qos).await.map_err(|_| Gone)
    }

    /// Publishes in this order, retained; done when the broker has acknowledged all of them.
    pub(super) async fn publish(&self, messages: Vec<Message>) -> Result<(), Gone> {
        let mut notices = Vec::with_capacity(messages.len());
        for Message { topic, payload } in messages {
            let retained = PublishOptions::new(self.qos).retained();
            let notice = self.client.publish_tracked(topic, payload, retained).await;
            notices.push(notice.map_err(|_| Gone)?);
        }
        for notice in notices {
            notice.wait_completion_async().await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Says good-bye, so that the broker does not speak our last will.
    pub(super) async fn leave(&self, listener: &mut Listener) {
        let leaving = async {
            if self.client.disconnect().await.is_ok() {
                while listener.events.poll().await.is_ok() {}
            }
        };
        // Whether it was heard makes no difference any more.
        drop(timeout(CLOSING, leaving).await);
    }

    /// Says these last words and good-bye.
    pub(super) async fn leave_with(&self, listener: &mut Listener, last: Message) {
        let retained = PublishOptions::new(self.qos).retained();
        let queued = self.client.try_publish(last.topic, last.payload, retained);
        if queued.is_ok() {
            self.leave(listener).await;
        }
    }
}

impl Listener {
    async fn accepted(&mut self) -> Result<(), Failure> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    return Err(self.failure(error).at_login());
                }
            }
        }
    }

    /// Waits for the next message; nothing is sent while nobody waits.
    pub(super) async fn next(&mut self) -> Result<Heard, Failure> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    return Ok(Heard { topic, payload: publish.payload });
                }
                Ok(_) => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the lists are another's, and open")]
    fn failure(&self, error: ConnectionError) -> Failure {
        match error {
            ConnectionError::ConnectionRefused(code) => match code {
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                    Failure::LoginRefused { has_login: self.has_login }
                }
                ConnectReturnCode::BadClientId => Failure::NotTaken(Reason::ClientId),
                ConnectReturnCode::ServiceUnavailable => Failure::NotTaken(Reason::Unavailable),
                _ => Failure::NotTaken(Reason::Version),
            },
            ConnectionError::Io(error)
            | ConnectionError::MqttState(
                StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)),
            ) => Failure::of_io(&error),
            ConnectionError::MqttState(StateError::ConnectionAborted) => Failure::Closed,
            ConnectionError::MqttState(StateError::Deserialization(_))
            | ConnectionError::NotConnAck(_) => Failure::NotMqtt,
            ConnectionError::MqttState(StateError::AwaitPingResp)
            | ConnectionError::FlushTimeout
            | ConnectionError::NetworkTimeout => Failure::Silent,
            other => Failure::Broken(other.to_string()),
        }
    }
}
