//! The client: a stream of events that it opens again whenever it ends, or questions now and then
//! over one channel. What it is told of an end it logs in the library's own words.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use tower::service_fn;
use tracing::{debug, error, info, warn};

use crate::text::Text;
use crate::{ASK, Options, Refused, Told, WATCH, Watch, seconds};

/// Watches, or asks, until it is killed.
pub(crate) async fn watch(typed: &Watch) -> Result<(), Refused> {
    let mut rng = fastrand::Rng::with_seed(typed.seed);
    let endpoint = endpoint(typed)?;
    loop {
        let to = typed.to;
        let options = typed.options;
        match endpoint.connect_with_connector(service_fn(move |_: Uri| dial(to, options))).await {
            Ok(channel) if typed.ask.is_some() => asks(typed, channel, &mut rng).await,
            Ok(channel) => watches(typed, channel).await,
            Err(error) => error!("cannot connect to {to}: {}", told(typed.told, &error)),
        }
        pause(&mut rng, typed.pause, typed.pause + 1.0).await;
        info!("reconnecting to {to}");
    }
}

fn endpoint(typed: &Watch) -> Result<Endpoint, Refused> {
    let mut endpoint = Endpoint::from_shared(format!("http://{}", typed.to))?;
    if let Some(every) = typed.ping {
        endpoint = endpoint.http2_keep_alive_interval(seconds(every)).keep_alive_while_idle(true);
    }
    if let Some(limit) = typed.ping_timeout {
        endpoint = endpoint.keep_alive_timeout(seconds(limit));
    }
    Ok(endpoint)
}

/// Opens a connection and says so: tonic itself does not tell.
async fn dial(to: SocketAddr, options: Options) -> std::io::Result<TokioIo<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    if let Some(every) = options.tcp_keepalive.map(seconds) {
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    if let Some(limit) = options.user_timeout {
        socket.set_tcp_user_timeout(Some(seconds(limit)))?;
    }
    info!("connected to {to} from {}", stream.local_addr()?);
    Ok(TokioIo::new(stream))
}

/// One stream, to its end.
async fn watches(typed: &Watch, channel: Channel) {
    let peer = typed.to;
    if let Err(status) = streams(peer, channel).await {
        error!("connection to {peer} lost: {}", told(typed.told, &status));
    } else {
        warn!("stream from {peer} ended");
    }
}

async fn streams(peer: SocketAddr, channel: Channel) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel);
    ready(&mut grpc).await?;
    let path = PathAndQuery::from_static(WATCH);
    let wanted = Request::new("all".to_owned());
    let mut events = grpc.server_streaming(wanted, path, Text).await?.into_inner();
    while let Some(event) = events.message().await? {
        debug!("received {} bytes from {peer}", event.len());
    }
    Ok(())
}

/// Asks once or many times, rests, and asks again, for ever: the channel connects anew by itself.
async fn asks(typed: &Watch, channel: Channel, rng: &mut fastrand::Rng) {
    let mut grpc = Grpc::new(channel);
    let rest = typed.ask.unwrap_or_default();
    loop {
        for _ in 0..rng.u32(1..=16) {
            match question(&mut grpc).await {
                Ok(answer) => debug!("received {} bytes from {}", answer.len(), typed.to),
                Err(status) => {
                    error!("call to {} failed: {}", typed.to, told(typed.told, &status));
                }
            }
            pause(rng, 0.0, 0.6).await;
        }
        pause(rng, rest, rest + typed.pause).await;
    }
}

async fn question(grpc: &mut Grpc<Channel>) -> Result<String, Status> {
    ready(grpc).await?;
    let path = PathAndQuery::from_static(ASK);
    Ok(grpc.unary(Request::new("state".to_owned()), path, Text).await?.into_inner())
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))
}

async fn pause(rng: &mut fastrand::Rng, least: f64, most: f64) {
    sleep(Duration::from_secs_f64(least + (most - least) * rng.f64())).await;
}

/// An error as one program or another prints it.
fn told(how: Told, error: &(dyn Error + 'static)) -> String {
    match how {
        Told::Display => error.to_string(),
        Told::Debug => format!("{error:?}"),
        Told::Chain => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(error) = source {
                text += &format!(": {error}");
                source = error.source();
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_tells_every_cause_and_a_display_the_first_alone() {
        let inner = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let status = Status::from_error(Box::new(std::io::Error::other(inner)));
        let (display, chain) = (told(Told::Display, &status), told(Told::Chain, &status));
        assert!(chain.starts_with(&display) && chain.len() > display.len(), "{chain}");
        assert!(chain.ends_with("connection reset"), "{chain}");
    }
}
