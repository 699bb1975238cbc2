//! The server: one method that streams events until somebody ends it, and one that answers at once.
//! What ends its connections is tonic's, as it was told to be; nothing here does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::interval;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::IntervalStream;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::transport::Server;
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tonic::{Request, Response, Status};
use tower::service_fn;
use tracing::info;

use crate::text::Text;
use crate::{ASK, Refused, Serve, WATCH, seconds};

/// Serves until it is killed.
pub(crate) async fn serve(typed: &Serve) -> Result<(), Refused> {
    let mut server = Server::builder()
        .http2_keepalive_interval(typed.keepalive_interval.map(seconds))
        .http2_keepalive_timeout(typed.keepalive_timeout.map(seconds));
    if let Some(age) = typed.max_connection_age {
        server = server.max_connection_age(seconds(age));
    }
    if let Some(grace) = typed.max_connection_age_grace {
        server = server.max_connection_age_grace(seconds(grace));
    }
    let incoming = TcpIncoming::bind(typed.listen)?.with_nodelay(Some(true));
    info!("listening on {}", typed.listen);
    let incoming = incoming.map(|came| {
        if let Some(peer) = came.as_ref().ok().and_then(|stream| stream.peer_addr().ok()) {
            info!("accepted connection from {peer}");
        }
        came
    });
    let every = seconds(typed.every);
    let service =
        service_fn(move |request| async move { Ok::<_, Infallible>(answer(request, every).await) });
    Ok(server.serve_with_incoming(service, incoming).await?)
}

async fn answer(request: http::Request<Body>, every: Duration) -> http::Response<Body> {
    match request.uri().path() {
        WATCH => {
            let streams = service_fn(move |asked: Request<String>| async move {
                Ok::<_, Status>(Response::new(events(&asked, every)))
            });
            Grpc::new(Text).server_streaming(streams, request).await
        }
        ASK => {
            let answers = service_fn(|asked: Request<String>| async move {
                Ok::<_, Status>(Response::new(format!("{}: ok", asked.into_inner())))
            });
            Grpc::new(Text).unary(answers, request).await
        }
        other => Status::unimplemented(other.to_owned()).into_http(),
    }
}

/// Events for ever, and a line when nobody takes them any more.
fn events(
    asked: &Request<String>,
    every: Duration,
) -> impl tokio_stream::Stream<Item = Result<String, Status>> + Send + use<> {
    let info = asked.extensions().get::<TcpConnectInfo>();
    let mut stream = Watched { peer: info.and_then(TcpConnectInfo::remote_addr), events: 0 };
    IntervalStream::new(interval(every)).map(move |_| Ok(stream.next()))
}

/// A stream that somebody watches.
struct Watched {
    peer: Option<SocketAddr>,
    events: u64,
}

impl Watched {
    fn next(&mut self) -> String {
        self.events += 1;
        format!("event {}", self.events)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let peer = self.peer.map_or_else(|| "nobody".to_owned(), |peer| peer.to_string());
        info!("stream to {peer} is over after {} events", self.events);
    }
}
