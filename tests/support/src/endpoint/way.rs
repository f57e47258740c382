//! What carries the datagrams of an endpoint: UDP, or one TCP connection to the server (RFC 6544), framed by RFC 4571.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use tokio::net::{TcpStream, UdpSocket};

use super::locked;

/// The port that stands for an active TCP candidate (RFC 6544 section 4.5).
const ACTIVE_PORT: u16 = 9;

/// One way. Clones are the same way.
#[derive(Clone)]
pub(super) enum Way {
    Udp(Arc<UdpSocket>),
    Tcp(Arc<Connection>),
    /// TCP, once an answer says where to.
    Waiting(SocketAddr),
}

/// A TCP connection. To the endpoint it is as if the server sent datagrams from `server`.
pub(super) struct Connection {
    stream: TcpStream,
    server: SocketAddr,
    inbox: Mutex<Vec<u8>>,
    outbox: Mutex<Vec<u8>>,
    /// The server has closed it.
    ended: AtomicBool,
}

impl Way {
    /// Over UDP.
    pub(super) async fn udp(bind: SocketAddr) -> io::Result<Way> {
        Ok(Way::Udp(Arc::new(UdpSocket::bind(bind).await?)))
    }

    /// Over TCP, when it is known where to.
    pub(super) fn tcp(bind: SocketAddr) -> Way {
        Way::Waiting(SocketAddr::new(bind.ip(), ACTIVE_PORT))
    }

    /// Connects to the passive TCP candidate of an answer.
    pub(super) fn connect(&mut self, answer: &str) -> anyhow::Result<()> {
        if matches!(self, Way::Waiting(_)) {
            let server = tcp_candidate(answer).context("the answer has no TCP candidate")?;
            *self = Way::Tcp(Arc::new(Connection::open(server)?));
        }
        Ok(())
    }

    /// Another way of the same kind.
    pub(super) async fn afresh(&self, ip: std::net::IpAddr) -> anyhow::Result<Way> {
        Ok(match self {
            Way::Udp(_) => Way::udp((ip, 0).into()).await?,
            Way::Tcp(old) => Way::Tcp(Arc::new(Connection::open(old.server)?)),
            Way::Waiting(address) => Way::Waiting(*address),
        })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Way::Udp(socket) => socket.local_addr(),
            Way::Tcp(connection) => connection.stream.local_addr(),
            Way::Waiting(address) => Ok(*address),
        }
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Way::Udp(socket) => socket.readable().await,
            Way::Tcp(connection) if !connection.ended.load(Relaxed) => connection.stream.readable().await,
            Way::Tcp(_) | Way::Waiting(_) => std::future::pending().await,
        }
    }

    pub(super) fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Way::Udp(socket) => socket.try_recv_from(buffer),
            Way::Tcp(connection) => connection.receive(buffer),
            Way::Waiting(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(super) fn try_send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            Way::Udp(socket) => socket.try_send_to(datagram, to).map(drop),
            Way::Tcp(connection) => connection.send(datagram),
            Way::Waiting(_) => Ok(()),
        }
    }
}

impl Connection {
    fn open(server: SocketAddr) -> io::Result<Connection> {
        // On loopback this is done before anybody could wait.
        let stream = std::net::TcpStream::connect(server)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream: TcpStream::from_std(stream)?,
            server,
            inbox: Mutex::new(Vec::new()),
            outbox: Mutex::new(Vec::new()),
            ended: AtomicBool::new(false),
        })
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut inbox = locked(&self.inbox);
        loop {
            if let Some(length) = inbox.first_chunk() {
                let end = 2 + usize::from(u16::from_be_bytes(*length));
                if let Some(frame) = inbox.get(2..end) {
                    buffer[..frame.len()].copy_from_slice(frame);
                    inbox.drain(..end);
                    return Ok((end - 2, self.server));
                }
            }
            match self.stream.try_read(buffer)? {
                0 => {
                    self.ended.store(true, Relaxed);
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                len => inbox.extend_from_slice(&buffer[..len]),
            }
        }
    }

    fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let mut outbox = locked(&self.outbox);
        outbox.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
        outbox.extend_from_slice(datagram);
        while !outbox.is_empty() {
            match self.stream.try_write(&outbox) {
                Ok(len) => drop(outbox.drain(..len)),
                // The next datagram takes the rest along.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The first passive TCP candidate.
fn tcp_candidate(answer: &str) -> Option<SocketAddr> {
    answer.lines().find_map(|line| {
        let fields: Vec<&str> = line.strip_prefix("a=candidate:")?.split_ascii_whitespace().collect();
        let is_passive = fields.get(2) == Some(&"tcp") && line.trim_end().ends_with("typ host tcptype passive");
        let (ip, port) = (fields.get(4)?, fields.get(5)?);
        is_passive.then(|| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?)))?
    })
}
