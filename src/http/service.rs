//! From a request to its response: log line, checks, route, handler, metrics.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, EXPECT};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::Api;
use super::access::{self, Authorization};
use super::cache;
use super::connections::{Connection, Phase};
use super::request::{Context, discard, read_body};
use super::request_log::RequestLog;
use super::respond::{self, Response};
use super::router::{self, Guard, Handler, Unroutable};
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
        connection: &Arc<Connection>,
    ) -> Response
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
    {
        let started = Instant::now();
        connection.enter(Phase::Receiving);
        let (head, mut body) = request.into_parts();
        let (method, headers) = (head.method.clone(), head.headers.clone());
        // A client that was asked to wait for `100 Continue` has not sent its body.
        let is_body_announced_only = headers.contains_key(EXPECT);
        let allowed_origin = self.api.access.allowed_origin(&head).cloned();
        let (route, mut response) = self.answer(head, &mut body, client, connection).await;
        if !body.is_end_stream() && !is_body_announced_only {
            drop(self.tasks.spawn(discard(body)));
        }
        let seconds = started.elapsed().as_secs_f64();
        let status = response.status();
        self.api.metrics.http_request(route, method_label(&method), status.as_str(), seconds);
        connection.enter(Phase::Idle);
        if self.api.access.depends_on_origin() {
            cache::add_vary(&mut response, "Origin");
        }
        if let Some(origin) = allowed_origin.filter(|_| !access::is_change(&method)) {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        cache::compress(response, &method, &headers)
    }

    /// The response, and the name of the route.
    async fn answer<B>(
        &self,
        head: Parts,
        body: &mut B,
        peer: IpAddr,
        connection: &Arc<Connection>,
    ) -> (&'static str, Response)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let access = &self.api.access;
        let mut context = Context {
            api: Arc::clone(&self.api),
            client: access.client(&head, peer),
            head,
            parameter: String::new(),
            body: Ok(Bytes::new()),
            session: None,
            tasks: self.tasks.clone(),
        };
        let is_logged = self.log.log(&context.head, context.client.address);
        let found = router::find(&context.head.method, context.head.uri.path());
        let (label, guard) = match &found {
            Ok((route, _)) => (route.path, route.guard),
            Err(unroutable) => (unroutable.label(), router::guard(context.head.uri.path())),
        };
        let found = found.map(|(route, parameter)| (route, parameter.into_owned()));
        if let Some(refusal) = refuse(&mut context, guard) {
            return (label, refusal);
        }
        let (route, parameter) = match found {
            Ok(found) => found,
            Err(unroutable) => return (label, unrouted(&context, &unroutable)),
        };
        context.parameter = parameter;
        if let Some(refusal) = access::refuse_other_than_json(&context.head) {
            return (label, refusal);
        }
        if access::is_change(&context.head.method) {
            context.body = read_body(body, self.config.body_timeout).await;
        }
        connection.enter(Phase::Handling);
        (label, self.handle(route.handler, context, connection, is_logged).await)
    }

    async fn handle(
        &self,
        handler: Handler,
        mut context: Context,
        connection: &Arc<Connection>,
        is_logged: bool,
    ) -> Response {
        let handler = match handler {
            Handler::Immediate(handler) => return handler(&context),
            Handler::Stream(handler) => return handler(&mut context, connection),
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

/// What the rules of [`Access`](super::access::Access) refuse before a handler sees it.
fn refuse(context: &mut Context, guard: Guard) -> Option<Response> {
    let Context { api, head, client, .. } = &*context;
    if let Some(refusal) = api.access.refuse(head, client) {
        return Some(refusal);
    }
    // A browser's preflight request never carries the token.
    if guard == Guard::Token && head.method != Method::OPTIONS {
        match api.access.authorize(head, client, false) {
            Authorization::Granted(session) => context.session = session,
            Authorization::Missing | Authorization::Wrong => return Some(respond::unauthorized()),
            Authorization::Throttled(wait) => return Some(respond::throttled(wait)),
        }
    }
    let Context { api, head, client, .. } = &*context;
    if access::is_change(&head.method) {
        api.access.refuse_foreign_change(head, client)
    } else {
        None
    }
}

fn unrouted(context: &Context, unroutable: &Unroutable) -> Response {
    let Context { api, head, .. } = context;
    match unroutable {
        Unroutable::MethodNotAllowed { allowed, .. }
            if access::is_preflight(head)
                && allowed.contains(&Method::GET)
                && api.access.allowed_origin(head).is_some() =>
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
