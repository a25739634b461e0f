//! The WebSocket targets as JSON, and the two requests that change them.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::warn;

use super::body::{self, BodyError};
use super::respond::{self, Response};
use super::{Api, Limits};
use crate::snapshot::wire;
use crate::targets::{ForgetError, RegisterError, TargetStatus};

/// One target as the API writes it.
#[derive(Debug, Serialize)]
struct Target {
    /// Unique.
    name: String,
    /// Without its token.
    url: String,
    /// `config` or `registered`.
    source: &'static str,
    /// Of its connection.
    state: &'static str,
    /// Since the bridge started.
    attempts: u64,
    /// Why the last attempt or connection ended.
    last_error: Option<String>,
    /// The same in one word.
    last_error_cause: Option<&'static str>,
    /// RFC 3339.
    last_error_time: Option<String>,
    /// RFC 3339.
    connected_since: Option<String>,
    /// Since the bridge started.
    updates_sent: u64,
    /// Since the bridge started.
    updates_skipped: u64,
    /// RFC 3339.
    last_sent: Option<String>,
}

impl Target {
    fn of(status: TargetStatus, zone: &TimeZone) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| wire::time(at, zone));
        Self {
            name: status.name,
            url: status.url,
            source: status.source,
            state: status.state,
            attempts: status.attempts,
            last_error: status.last_error,
            last_error_cause: status.last_error_cause,
            last_error_time: time(status.last_error_time),
            connected_since: time(status.connected_since),
            updates_sent: status.updates_sent,
            updates_skipped: status.updates_skipped,
            last_sent: time(status.last_sent),
        }
    }
}

/// `GET /api/targets`.
pub(super) fn list(api: &Api) -> Response {
    let statuses = api.targets.statuses().into_iter();
    let targets: Vec<Target> = statuses.map(|status| Target::of(status, &api.zone)).collect();
    respond::object(StatusCode::OK, &targets)
}

/// The body of a registration. Other keys are for later versions of the sender.
#[derive(Deserialize)]
struct Registration {
    websocket_url: String,
    name: String,
}

/// `POST /api/websocket/register`.
pub(super) async fn register<B>(api: &Api, limits: &Limits, body: &mut B) -> Response
where
    B: Body<Data = Bytes> + Unpin,
{
    let registration = match body::read(body, limits).await {
        Ok(bytes) => parse(&bytes),
        Err(error) => return respond::problem(body_status(&error), &error.to_string()),
    };
    let registration = match registration {
        Ok(registration) => registration,
        Err(message) => return respond::problem(StatusCode::BAD_REQUEST, &message),
    };
    match api.targets.register(&registration.websocket_url, &registration.name).await {
        Ok(()) => respond::object(StatusCode::OK, &json!({ "status": "registered" })),
        Err(error) => {
            log(&error);
            respond::problem(register_status(&error), &error.to_string())
        }
    }
}

/// Tells the user of the bridge, who does not see what its client is answered.
fn log(error: &RegisterError) {
    match error {
        // The directory says so itself, with the place that is not allowed.
        RegisterError::NotAllowed(_) => (),
        // The text may quote a URL, and that its token.
        RegisterError::Malformed(_) => warn!("[WebSocket] Registration refused: malformed"),
        RegisterError::Disabled | RegisterError::TooMany(_) | RegisterError::Storage(_) => {
            warn!("[WebSocket] Registration refused: {error}");
        }
    }
}

/// `DELETE /api/targets/{name}`.
pub(super) async fn forget(api: &Api, name: &str) -> Response {
    match api.targets.forget(name).await {
        Ok(()) => respond::no_content(),
        Err(error) => respond::problem(forget_status(&error), &error.to_string()),
    }
}

fn parse(bytes: &[u8]) -> Result<Registration, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| error.to_string())
        .and_then(|registration| json.end().map(|()| registration).map_err(|e| e.to_string()));
    parsed.map_err(|why| {
        let form = r#"{"websocket_url": "ws://...", "name": "..."}"#;
        format!("the body must be JSON of the form {form}: {why}")
    })
}

const fn body_status(error: &BodyError) -> StatusCode {
    match error {
        BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
        BodyError::CutShort => StatusCode::BAD_REQUEST,
    }
}

const fn register_status(error: &RegisterError) -> StatusCode {
    match error {
        RegisterError::Malformed(_) => StatusCode::BAD_REQUEST,
        RegisterError::NotAllowed(_) | RegisterError::Disabled => StatusCode::FORBIDDEN,
        RegisterError::TooMany(_) => StatusCode::CONFLICT,
        RegisterError::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

const fn forget_status(error: &ForgetError) -> StatusCode {
    match error {
        ForgetError::Unknown => StatusCode::NOT_FOUND,
        ForgetError::Configured => StatusCode::CONFLICT,
        ForgetError::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(body: &str, reason: &str) {
        let message = parse(body.as_bytes()).err().unwrap();
        assert!(message.contains(reason), "{message}");
    }

    #[test]
    fn a_malformed_body_is_told_what_is_wrong_with_it() {
        check_refused("", "EOF");
        check_refused("ws://ha:8123/", "line 1 column 1");
        check_refused("[]", "websocket_url");
        check_refused("{}", "missing field `websocket_url`");
        check_refused(r#"{"websocket_url": "ws://ha:8123/"}"#, "missing field `name`");
        check_refused(r#"{"websocket_url": 7, "name": "x"}"#, "websocket_url: invalid type");
        check_refused(r#"{"websocket_url": "ws://ha", "name": null}"#, "name: invalid type");
        check_refused(r#"{"websocket_url": "ws://ha", "name": "x"} more"#, "trailing");
        check_refused(&"[".repeat(60_000), "websocket_url");
    }

    #[test]
    fn other_keys_are_left_alone() {
        let body = r#"{"name": "House", "websocket_url": "ws://ha:8123/ws?token=1", "version": 2}"#;
        let registration = parse(body.as_bytes()).ok().unwrap();
        assert_eq!(registration.websocket_url, "ws://ha:8123/ws?token=1");
        assert_eq!(registration.name, "House");
    }

    #[test]
    fn each_refusal_has_its_status() {
        let text = String::new;
        for (error, status) in [
            (RegisterError::Malformed(text()), 400),
            (RegisterError::NotAllowed(text()), 403),
            (RegisterError::Disabled, 403),
            (RegisterError::TooMany(16), 409),
            (RegisterError::Storage(text()), 503),
        ] {
            assert_eq!(register_status(&error).as_u16(), status, "{error:?}");
        }
        for (error, status) in [
            (ForgetError::Unknown, 404),
            (ForgetError::Configured, 409),
            (ForgetError::Storage(text()), 503),
        ] {
            assert_eq!(forget_status(&error).as_u16(), status, "{error:?}");
        }
    }
}
