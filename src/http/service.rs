//! From a request to its response: log line, checks, route, handler, metrics.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::EXPECT;
use hyper::http::request::Parts;
use hyper::{Method, Request};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::Api;
use super::auth;
use super::connections::{Connection, Phase};
use super::request::{Context, discard, read_body};
use super::request_log::RequestLog;
use super::respond::{self, Response};
use super::router::{self, Handler, Unroutable};
use crate::config::HttpConfig;

#[derive(Debug)]
pub(super) struct Service {
    api: Arc<Api>,
    pub(super) config: HttpConfig,
    log: RequestLog,
    /// Handlers and whatever else outlives its request.
    tasks: TaskTracker,
}

impl Service {
    pub(super) fn new(api: Arc<Api>, config: HttpConfig, tasks: TaskTracker) -> Self {
        Self { api, config, log: RequestLog::default(), tasks }
    }

    /// Answers a request that `client` sent over `connection`.
    pub(super) async fn respond<B>(
        &self,
        request: Request<B>,
        client: IpAddr,
        connection: &Connection,
    ) -> Response
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
    {
        let started = Instant::now();
        connection.enter(Phase::Receiving);
        let (head, mut body) = request.into_parts();
        let method = head.method.clone();
        // A client that was asked to wait for `100 Continue` has not sent its body.
        let is_body_announced_only = head.headers.contains_key(EXPECT);
        let (route, response) = self.answer(head, &mut body, client, connection).await;
        if !body.is_end_stream() && !is_body_announced_only {
            drop(self.tasks.spawn(discard(body)));
        }
        let seconds = started.elapsed().as_secs_f64();
        let status = response.status();
        self.api.metrics.http_request(route, method_label(&method), status.as_str(), seconds);
        connection.enter(Phase::Idle);
        if auth::is_reading(&method) { respond::readable_by_pages(response) } else { response }
    }

    /// The response, and the name of the route.
    async fn answer<B>(
        &self,
        head: Parts,
        body: &mut B,
        client: IpAddr,
        connection: &Connection,
    ) -> (&'static str, Response)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let is_authorized = auth::is_authorized(&head.headers, self.api.token.as_ref());
        let mut context = Context {
            api: Arc::clone(&self.api),
            head,
            parameter: String::new(),
            body: Ok(Bytes::new()),
            client,
            is_authorized,
        };
        let is_logged = self.log.log(&context.head, context.client);
        let refusal = auth::refuse(&context);
        let (route, parameter) = match router::find(&context.head.method, context.head.uri.path()) {
            Ok((route, parameter)) => (route, parameter.into_owned()),
            Err(unroutable) => {
                let response = refusal.unwrap_or_else(|| unrouted(&context, &unroutable));
                return (unroutable.label(), response);
            }
        };
        if let Some(refusal) = refusal {
            return (route.path, refusal);
        }
        context.parameter = parameter;
        if !auth::is_reading(&context.head.method) {
            context.body = read_body(body, self.config.body_timeout).await;
        }
        connection.enter(Phase::Handling);
        (route.path, self.handle(route.handler, context, is_logged).await)
    }

    async fn handle(&self, handler: Handler, context: Context, is_logged: bool) -> Response {
        let handler = match handler {
            Handler::Immediate(handler) => return handler(&context),
            Handler::Waiting(handler) => handler,
        };
        // It ends properly even if the client hangs up meanwhile.
        let work = async move { handler(&context).await };
        let work = if is_logged {
            self.tasks.spawn(work)
        } else {
            self.tasks.spawn(work.with_subscriber(NoSubscriber::new()))
        };
        work.await.unwrap_or_else(|error| respond::internal_error(&error))
    }
}

fn unrouted(context: &Context, unroutable: &Unroutable) -> Response {
    match unroutable {
        Unroutable::MethodNotAllowed { allowed, .. }
            if auth::is_preflight(&context.head) && allowed.contains(&Method::GET) =>
        {
            respond::preflight()
        }
        Unroutable::MethodNotAllowed { .. } | Unroutable::NotFound => unroutable.response(),
    }
}

/// The method as a label: a client could make up others without end.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_method_is_not_a_label() {
        assert_eq!(method_label(&Method::DELETE), "DELETE");
        assert_eq!(method_label(&Method::from_bytes(b"X1").unwrap()), "other");
    }
}
