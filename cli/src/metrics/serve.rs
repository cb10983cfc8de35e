//! Metrics by HTTP: `GET /metrics`, in the format that the scraper asks for.
//!
//! One thread. Each request looks anew, so that a scrape tells what is there at that moment. Who connects and says
//! nothing is let go after some seconds, and there are so many connections at a time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cotenant::metrics::Format;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};

use super::Found;
use crate::output::{complain, line};

/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may stay.
const LONGEST_CONNECTION: Duration = Duration::from_secs(120);
const CONNECTIONS_MAX: usize = 64;

type Look = Rc<dyn Fn() -> Result<Found>>;

/// Serves until the process is ended. Says on standard output where, as soon as it does.
pub(super) fn serve(address: SocketAddr, look: Look) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start serving")?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot serve at {address}"))?;
        let address = listener.local_addr().unwrap_or(address);
        line(&format!("http://{address}/metrics"))?;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = Arc::clone(&places).acquire_owned().await.context("no place for a connection")?;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let look = Rc::clone(&look);
                    spawn_local(async move {
                        converse(stream, look).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Too many descriptors, a client that is gone already: a moment later it may be different.
                    complain(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    })
}

async fn converse(stream: TcpStream, look: Look) {
    let service = service_fn(move |request| {
        let answer = answer(&request, &look);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let served = http.serve_connection(TokioIo::new(stream), service);
    // Whatever ends it, the scraper sees it.
    let _ = tokio::time::timeout(LONGEST_CONNECTION, served).await;
}

fn answer(request: &Request<Incoming>, look: &Look) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/metrics" if is_read => scrape(request, look),
        "/" if is_read => text(StatusCode::OK, "Metrics are at /metrics.\n".to_owned()),
        "/metrics" | "/" => {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET.\n".to_owned());
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        _ => text(StatusCode::NOT_FOUND, "Metrics are at /metrics.\n".to_owned()),
    }
}

fn scrape(request: &Request<Incoming>, look: &Look) -> Response<Full<Bytes>> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    match look() {
        Ok(found) => {
            found.complaints.iter().for_each(|why| complain(why));
            let mut answer = text(StatusCode::OK, found.snapshot.render(format));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
            answer
        }
        Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
