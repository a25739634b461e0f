//! `GET /api/history` and `GET /api/energy`, as JSON and as CSV.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::cache;
use super::request::Context;
use super::respond::{self, Response};
use crate::history::answer::{
    energy_csv, energy_json, parse_by, parse_of, parse_range, parse_resolution, points_csv,
    points_json,
};
use crate::history::{History, Of, Range, ReadError, Reader, Resolution};

/// So many answers are made at the same time: more would only wait for the disk.
const AT_ONCE: usize = 2;
/// How long a request waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Most series of one answer.
const MOST_SERIES: usize = 200;

/// The history, and how many may read it at the same time.
#[derive(Debug)]
pub(super) struct Readers {
    history: History,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(history: History) -> Self {
        Self { history, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

enum Question {
    Points(Option<Resolution>, Vec<String>),
    Energy(Resolution, Of),
}

pub(super) async fn points(context: &Context) -> Response {
    answer(context, false, points_question).await
}

pub(super) async fn points_table(context: &Context) -> Response {
    answer(context, true, points_question).await
}

pub(super) async fn energy(context: &Context) -> Response {
    answer(context, false, energy_question).await
}

pub(super) async fn energy_table(context: &Context) -> Response {
    answer(context, true, energy_question).await
}

type Parameters = Vec<(String, String)>;

fn parameter<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    let found = parameters.iter().find(|(known, value)| known == name && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

fn points_question(parameters: &Parameters) -> Result<Question, String> {
    let resolution = parse_resolution(parameter(parameters, "resolution").unwrap_or("auto"))?;
    let series = parameters.iter().filter(|(name, _)| name == "series");
    let mut keys: Vec<String> = Vec::new();
    for key in series.flat_map(|(_, value)| value.split(',')).map(str::trim) {
        if !key.is_empty() && !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    if keys.len() > MOST_SERIES {
        return Err(format!("too many series; expected {MOST_SERIES} at most"));
    }
    if keys.is_empty() {
        keys.push("plant.pv_power".to_owned());
    }
    Ok(Question::Points(resolution, keys))
}

fn energy_question(parameters: &Parameters) -> Result<Question, String> {
    let by = parse_by(parameter(parameters, "by").unwrap_or("day"))?;
    let of = parse_of(parameter(parameters, "of").unwrap_or("plant"))?;
    Ok(Question::Energy(by, of))
}

async fn answer(
    context: &Context,
    is_table: bool,
    question: fn(&Parameters) -> Result<Question, String>,
) -> Response {
    let readers = &context.api.history;
    let Some(reader) = readers.history.reader().cloned() else {
        let message = "no history is recorded; see `enabled` in [history] and the bridge's log";
        return respond::problem(StatusCode::NOT_FOUND, message);
    };
    let query = context.head.uri.query().unwrap_or_default();
    let parameters: Parameters =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let now = context.api.clock.now().as_second();
    let (from, to) = (parameter(&parameters, "from"), parameter(&parameters, "to"));
    let range = parse_range(from, to, now, reader.zone());
    let (range, question) = match range.and_then(|range| Ok((range, question(&parameters)?))) {
        Ok(wanted) => wanted,
        Err(wrong) => return respond::problem(StatusCode::BAD_REQUEST, &wrong),
    };
    let turn = timeout(LONGEST_WAIT, Arc::clone(&readers.turns).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let message = "too many requests read the history; try again later";
        return respond::problem(StatusCode::SERVICE_UNAVAILABLE, message);
    };
    let is_closed = range.to <= reader.begin_of_day(now);
    let work = spawn_blocking(move || {
        let body = body(&reader, &question, range, is_table, now);
        drop(turn);
        body
    });
    match work.await {
        Ok(Ok(body)) => respond_with(context, body, is_table, is_closed),
        Ok(Err(ReadError::Unknown(key))) => {
            let message = ReadError::Unknown(key).to_string();
            respond::problem(StatusCode::NOT_FOUND, &message)
        }
        Ok(Err(error @ ReadError::TooLong)) => {
            respond::problem(StatusCode::BAD_REQUEST, &error.to_string())
        }
        Ok(Err(error @ ReadError::Store(_))) => respond::internal_error(&error),
        Err(error) => respond::internal_error(&error),
    }
}

fn body(
    reader: &Reader,
    question: &Question,
    range: Range,
    is_table: bool,
    now: i64,
) -> Result<String, ReadError> {
    let zone = reader.zone();
    Ok(match question {
        Question::Points(resolution, keys) => {
            let (resolution, series) = reader.points(*resolution, range, keys, now)?;
            if is_table {
                points_csv(&series, zone)
            } else {
                points_json(resolution, range, &series, zone).to_string()
            }
        }
        Question::Energy(by, of) => {
            let series = reader.energy(*by, range, *of)?;
            if is_table {
                energy_csv(&series, zone)
            } else {
                energy_json(*by, range, *of, &series, zone).to_string()
            }
        }
    })
}

/// What is over does not change: its answer has a tag by which a client can keep it.
fn respond_with(context: &Context, body: String, is_table: bool, is_closed: bool) -> Response {
    let tag = cache::etag(body.as_bytes());
    let is_known = is_closed && cache::if_none_match(&context.head.headers, &tag);
    let mut response = if is_known {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else if is_table {
        respond::with_type(StatusCode::OK, "text/csv; charset=utf-8", Bytes::from(body))
    } else {
        respond::json(Bytes::from(body))
    };
    if !is_closed {
        return response;
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    cache::add_vary(&mut response, "Accept-Encoding");
    respond::with(response, CACHE_CONTROL, "no-cache")
}
