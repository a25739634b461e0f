//! WebSocket targets: listing, registering, removing.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tracing::warn;

use super::request::{BodyError, Context};
use super::respond::{self, Response};
use crate::targets::{ForgetError, RegisterError};

pub(super) fn list(context: &Context) -> Response {
    let api = &context.api;
    respond::object(StatusCode::OK, &api.targets.statuses(&api.zone))
}

/// The body of a registration. Other keys are for later versions of the sender.
#[derive(Deserialize)]
struct Registration {
    websocket_url: String,
    name: String,
}

pub(super) async fn register(context: &Context) -> Response {
    let registration = match &context.body {
        Ok(bytes) => parse(bytes).map_err(|message| (StatusCode::BAD_REQUEST, message)),
        Err(error) => Err((body_status(error), error.to_string())),
    };
    let registration = match registration {
        Ok(registration) => registration,
        Err((status, message)) => return refused(status, &message),
    };
    let targets = &context.api.targets;
    match targets.register(&registration.websocket_url, &registration.name).await {
        Ok(stored) => {
            respond::object(StatusCode::OK, &json!({ "status": "registered", "stored": stored }))
        }
        // The directory has logged it, with the address that is not allowed.
        Err(error @ RegisterError::NotAllowed(_)) => {
            respond::problem(register_status(&error), &error.to_string())
        }
        Err(error) => refused(register_status(&error), &error.to_string()),
    }
}

/// Logs why, for the owner does not see the response. No text quotes a body or a URL, which may
/// hold a token.
fn refused(status: StatusCode, why: &str) -> Response {
    warn!("[WebSocket] Registration refused: {why}");
    respond::problem(status, why)
}

pub(super) async fn forget(context: &Context) -> Response {
    match context.api.targets.forget(&context.parameter).await {
        Ok(()) => respond::no_content(),
        Err(error) => respond::problem(forget_status(&error), &error.to_string()),
    }
}

fn parse(bytes: &[u8]) -> Result<Registration, String> {
    // Only of an object are the library's errors without a text that may hold a token.
    let registration = match bytes.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        _ => Err("it is not an object".to_owned()),
    };
    registration.map_err(|why| {
        let form = r#"{"websocket_url": "ws://...", "name": "..."}"#;
        format!("the body must be JSON of the form {form}: {why}")
    })
}

pub(super) const fn body_status(error: &BodyError) -> StatusCode {
    match error {
        BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
        BodyError::Incomplete => StatusCode::BAD_REQUEST,
    }
}

const fn register_status(error: &RegisterError) -> StatusCode {
    match error {
        RegisterError::Malformed(_) => StatusCode::BAD_REQUEST,
        RegisterError::NotAllowed(_) | RegisterError::Disabled => StatusCode::FORBIDDEN,
        RegisterError::TooMany(_) => StatusCode::CONFLICT,
    }
}

const fn forget_status(error: &ForgetError) -> StatusCode {
    match error {
        ForgetError::Unknown => StatusCode::NOT_FOUND,
        ForgetError::Configured => StatusCode::CONFLICT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(body: &str, reason: &str) {
        let message = parse(body.as_bytes()).err().unwrap();
        let why = message.rsplit_once("}: ").unwrap().1;
        assert!(why.starts_with(reason), "{message}");
    }

    #[test]
    fn a_malformed_body_is_told_what_is_wrong_with_it() {
        for other in ["", "ws://ha:8123/", "[]", r#"["ws://ha:8123/", "House"]"#, "null", "\"x\""] {
            check_refused(other, "it is not an object");
        }
        check_refused("{}", "missing field `websocket_url`");
        check_refused(r#"{"websocket_url": "ws://ha:8123/"}"#, "missing field `name`");
        check_refused(
            r#"{"websocket_url": 7, "name": "x"}"#,
            "invalid type: integer `7`, expected",
        );
        check_refused(
            r#"{"websocket_url": "ws://ha", "name": null}"#,
            "invalid type: null, expected",
        );
        check_refused(
            r#"{"websocket_url": ["ws://ha"], "name": ""}"#,
            "invalid type: sequence, expected a string",
        );
        check_refused(
            r#"{"websocket_url": "ws://ha", "name": "x"} more"#,
            "trailing characters at line 1 column 43",
        );
        check_refused(
            r#"{"websocket_url": "ws://ha", "name": "x", "name": "y"}"#,
            "duplicate field `name`",
        );
        check_refused(&r#"{"a":"#.repeat(60_000), "EOF while parsing");
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
        ] {
            assert_eq!(register_status(&error).as_u16(), status, "{error:?}");
        }
        for (error, status) in [(ForgetError::Unknown, 404), (ForgetError::Configured, 409)] {
            assert_eq!(forget_status(&error).as_u16(), status, "{error:?}");
        }
    }
}
