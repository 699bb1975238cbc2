//! Client and server: sockets of their namespaces, moved by the scenario, whose every experience is
//! logged as a program would log it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hopclock_core::time::Moment;
use hopclock_live::clock;
use socket2::{Domain, SockRef, Socket, Type};

use crate::journal::{Broken, Journal, Said};
use crate::net::Host;
use crate::trouble::{Doing, Trouble};

/// How long an end waits for the other to connect or accept.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an end made of listening for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// This many bytes.
    Bytes(usize),
    /// Nothing, and the connection stands as far as this end knows.
    Nothing,
    /// The connection is over.
    Over(Broken),
}

/// A log that an end's connections share.
pub(crate) type Log = Arc<Mutex<Journal>>;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    stream: TcpStream,
    log: Log,
    /// Its own address, as it knows it.
    pub local: SocketAddr,
    /// The other's, as it knows it.
    pub peer: SocketAddr,
    /// When it was open.
    pub opened: Moment,
    /// The last byte, sent or heard.
    pub last: Moment,
    /// Since when it has waited for an answer.
    pub waits_since: Option<Moment>,
    over: Option<(Moment, Broken)>,
}

/// A server that waits for connections.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    log: Log,
    local: SocketAddr,
}

pub(crate) fn tell(log: &Log, said: Said, local: SocketAddr, peer: SocketAddr) {
    if let Ok(mut journal) = log.lock() {
        // A log that cannot be written is missed when the folder is looked at.
        let _ = journal.say(clock::now(), said, local, peer);
    }
}

impl Listener {
    /// Listens on `local` in the host's namespace.
    pub(crate) fn open(host: &Host, local: SocketAddr, log: &Log) -> Result<Self, Trouble> {
        let socket = host.run("listening", || {
            let socket = Socket::new(Domain::for_address(local), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&local.into())?;
            socket.listen(16)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        })?;
        tell(log, Said::Listening, local, local);
        Ok(Self { socket, log: Arc::clone(log), local })
    }

    /// Takes the next connection.
    pub(crate) fn accept(&self) -> Result<End, Trouble> {
        let (socket, peer) = self.socket.accept().doing(|| "accepting".to_owned())?;
        let peer = peer.as_socket().unwrap_or(self.local);
        tell(&self.log, Said::Accepted, self.local, peer);
        End::new(socket.into(), &self.log)
    }
}

impl Listener {
    /// Takes the connection of this client, and lets go of older ones that waited.
    pub(crate) fn accept_from(&self, client: &End) -> Result<End, Trouble> {
        loop {
            let end = self.accept()?;
            if end.peer == client.local {
                return Ok(end);
            }
        }
    }
}

impl End {
    fn new(stream: TcpStream, log: &Log) -> Result<Self, Trouble> {
        let ends = || -> io::Result<_> {
            stream.set_nodelay(true)?;
            Ok((stream.local_addr()?, stream.peer_addr()?))
        };
        let (local, peer) = ends().doing(|| "reading a connection's ends".to_owned())?;
        let opened = clock::now();
        Ok(Self {
            stream,
            log: Arc::clone(log),
            local,
            peer,
            opened,
            last: opened,
            waits_since: None,
            over: None,
        })
    }

    /// Connects to `to` from the host's namespace, from `port` if one is given.
    pub(crate) fn connect(
        host: &Host,
        to: SocketAddr,
        from: Option<SocketAddr>,
        log: &Log,
    ) -> Result<Self, Trouble> {
        let stream = host.run("connecting", || {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
            if let Some(from) = from {
                socket.set_reuse_address(true)?;
                socket.bind(&from.into())?;
            }
            socket.connect_timeout(&to.into(), PATIENCE)?;
            Ok(TcpStream::from(socket))
        })?;
        let end = Self::new(stream, log)?;
        tell(log, Said::Connected, end.local, end.peer);
        Ok(end)
    }

    /// Sends `bytes` bytes of a line of text; how that failed, if it did.
    pub(crate) fn say(&mut self, bytes: usize) -> Option<Broken> {
        let mut text: Vec<u8> = b"event ".iter().copied().cycle().take(bytes).collect();
        if let Some(last) = text.last_mut() {
            *last = b'\n';
        }
        self.send(&text)
    }

    /// Sends this; how that failed, if it did.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Option<Broken> {
        match self.stream.write_all(bytes) {
            Ok(()) => {
                self.last = clock::now();
                self.waits_since.get_or_insert(self.last);
                None
            }
            Err(error) => {
                let broken = Broken::of(&error);
                self.ended(broken, true);
                Some(broken)
            }
        }
    }

    /// Listens for this long, or until something comes.
    pub(crate) fn hear(&mut self, patience: Duration) -> Heard {
        let mut buffer = [0; 4096];
        // A zero would mean for ever.
        let patience = patience.max(Duration::from_millis(1));
        if self.stream.set_read_timeout(Some(patience)).is_err() {
            return Heard::Over(Broken::Unreachable);
        }
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.ended(Broken::Eof, false);
                Heard::Over(Broken::Eof)
            }
            Ok(bytes) => {
                self.last = clock::now();
                self.waits_since = None;
                tell(&self.log, Said::Received(bytes), self.local, self.peer);
                Heard::Bytes(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            Err(error) => {
                let broken = Broken::of(&error);
                self.ended(broken, false);
                Heard::Over(broken)
            }
        }
    }

    /// The program has waited long enough: it gives the connection up and says so.
    pub(crate) fn gives_up(&mut self) {
        self.ended(Broken::Quiet, false);
    }

    /// The program has had enough of the connection: it shuts it and says so.
    pub(crate) fn hangs_up(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.ended(Broken::Own, false);
    }

    /// Reads what is there, so that closing does not become a reset.
    pub(crate) fn drains(&mut self) {
        while let Heard::Bytes(_) = self.hear(Duration::from_millis(1)) {}
    }

    /// When it knew that the connection was over, and how.
    pub(crate) fn how(&self) -> Option<(Moment, Broken)> {
        self.over
    }

    /// The same socket once more, for whoever speaks on the program's behalf.
    pub(crate) fn twin(&self) -> Result<TcpStream, Trouble> {
        self.stream.try_clone().doing(|| "cloning a socket".to_owned())
    }

    /// Sets options of the socket.
    pub(crate) fn tune(
        &self,
        set: impl FnOnce(&SockRef<'_>) -> io::Result<()>,
    ) -> Result<(), Trouble> {
        set(&SockRef::from(&self.stream)).doing(|| "setting options of a socket".to_owned())
    }

    /// Writes something into its program's log.
    pub(crate) fn notes(&self, level: &'static str, text: &'static str) {
        tell(&self.log, Said::Note(level, text), self.local, self.peer);
    }

    /// Says that it connects again.
    pub(crate) fn reconnecting(&self) {
        tell(&self.log, Said::Reconnecting, self.local, self.peer);
    }

    /// Sends FIN and goes on reading.
    pub(crate) fn finish_sending(&mut self) {
        // It fails where the connection is over, which the scenario sees by other means.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes in the ordinary way.
    pub(crate) fn close(mut self) {
        self.ended(Broken::Own, false);
    }

    /// Closes with `SO_LINGER` of zero seconds.
    pub(crate) fn abort(mut self) -> Result<(), Trouble> {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .doing(|| "setting SO_LINGER".to_owned())?;
        self.ended(Broken::Own, false);
        Ok(())
    }

    /// Writes without ever waiting, until the kernel takes no more; how much it took.
    pub(crate) fn fill(&mut self) -> usize {
        let _ = self.stream.set_nonblocking(true);
        let block = [b'x'; 4096];
        let mut taken = 0;
        while let Ok(bytes) = self.stream.write(&block) {
            taken += bytes;
            // More than any two buffers together hold.
            if taken > 64 << 20 {
                break;
            }
        }
        let _ = self.stream.set_nonblocking(false);
        taken
    }

    /// Hands the socket to a process of its own, which does nothing with it, and forgets it here:
    /// so that the process can be killed.
    pub(crate) fn into_process(self) -> Result<Child, Trouble> {
        let handed: std::os::fd::OwnedFd = self.stream.into();
        Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(handed))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .doing(|| "starting a process to hold the socket".to_owned())
    }

    fn ended(&mut self, broken: Broken, writing: bool) {
        if self.over.is_none() {
            self.over = Some((clock::now(), broken));
            tell(&self.log, Said::Ended(broken, writing), self.local, self.peer);
        }
    }
}
