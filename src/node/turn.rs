//! Runs the TURN server: listeners, one socket for each allocation, and one task that owns what `turn` decides with. Everything
//! goes through that task by bounded queues; what finds no place is dropped and counted, as a network would.

mod connection;
mod figures;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

pub(super) use connection::{Greet, Stream};

use super::serve::{interface_addresses, listen_address};
use super::{Metrics, Queue, Queues};
use crate::room::RoomConfig;
use crate::transport::turn::{TurnSecret, TurnServers};
use crate::turn::{AllocationId, Client, MESSAGE_BYTES_MAX, MediaAddress, Output, Peers, Turn, TurnConfig, Way};
use connection::{Connection, accept};
use figures::TurnFigures;

/// Messages and datagrams that wait for the task. Beyond that connections wait and datagrams are dropped.
const INBOX_CAPACITY: usize = 1_024;
/// Connections beyond one for each allocation: those that have shown nothing yet.
const CONNECTIONS_SPARE: usize = 256;
/// How long a connection may stay without an allocation.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How often it is looked at what has ended.
const TICK: Duration = Duration::from_secs(1);
/// Ports that are tried for an allocation before it is refused.
const PORT_TRIES: usize = 32;
/// Datagrams that are read at one time, before others get a turn.
const BATCH: usize = 64;

/// What comes to the task.
enum Input {
    Connected(Client, Connection),
    Message(Client, Vec<u8>),
    Ended(Client),
    FromPeer(AllocationId, SocketAddr, Vec<u8>),
}

/// A running TURN server. Dropping it ends it.
pub(super) struct TurnServer {
    servers: TurnServers,
    task: JoinHandle<()>,
}

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnError {
    /// A listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// Its metrics are there already.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

impl TurnServer {
    /// The same room configuration with this server among those that clients are told of.
    pub(super) fn told_in(&self, mut room: RoomConfig, ttl: Duration) -> RoomConfig {
        room.turn.push(TurnServers {
            ttl,
            ..self.servers.clone()
        });
        room
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What it has to know of the node.
pub(super) struct Surroundings<'a> {
    /// Addresses clients reach the media ports at.
    pub(super) advertised: &'a [IpAddr],
    /// Address of the media sockets, and the port of each.
    pub(super) media: (IpAddr, &'a [u16]),
    /// Ports that this process listens at besides.
    pub(super) listeners: Vec<u16>,
    /// Handshakes of TLS.
    pub(super) greet: Option<Greet>,
}

impl TurnServer {
    /// Opens the listeners. `None`: there is none to open.
    ///
    /// # Errors
    /// When one of them cannot be opened, or metrics are registered twice.
    pub(super) async fn start(
        config: &TurnConfig,
        around: Surroundings<'_>,
        metrics: &Metrics,
    ) -> Result<Option<TurnServer>, TurnError> {
        if config.listen.is_none() && config.tls_listen.is_none() {
            return Ok(None);
        }
        let (inbox_tx, inbox) = mpsc::channel(INBOX_CAPACITY);
        let mut listening = JoinSet::new();
        let mut urls = Vec::new();
        let mut listeners = around.listeners;
        let host = match (&config.name, around.advertised.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(IpAddr::V6(ip))) => format!("[{ip}]"),
            (None, ip) => ip.map(ToString::to_string).unwrap_or_default(),
        };
        let mut udp = None;
        if let Some(listen) = config.listen {
            let tcp = TcpListener::bind(listen).await?;
            let port = tcp.local_addr()?.port();
            udp = Some(UdpSocket::bind(SocketAddr::new(listen.ip(), port)).await?);
            listening.spawn(accept(tcp, Way::Tcp, None, inbox_tx.clone()));
            urls.push(format!("turn:{host}:{port}?transport=udp"));
            urls.push(format!("turn:{host}:{port}?transport=tcp"));
            listeners.push(port);
        }
        if let (Some(listen), Some(greet)) = (config.tls_listen, around.greet) {
            let tls = TcpListener::bind(listen).await?;
            let port = tls.local_addr()?.port();
            listening.spawn(accept(tls, Way::Tls, Some(greet), inbox_tx.clone()));
            urls.push(format!("turns:{host}:{port}?transport=tcp"));
            listeners.push(port);
        }
        let own = interface_addresses()?;
        let (media, ports) = around.media;
        let media = media_addresses(around.advertised, listen_address(media), ports, &own);
        let bind = [false, true].map(|is_ipv6| bind_address(is_ipv6, around.advertised, &own, &config.allow_peers));
        let own = own.into_iter().chain(around.advertised.iter().copied()).collect();
        let secret = TurnSecret::random();
        let peers = Peers::new(media, config.allow_peers.clone(), own, listeners);
        let sockets = Sockets {
            bind,
            ports: config.ports.clone(),
            open: HashMap::new(),
            inbox: inbox_tx,
        };
        let serving = Serving {
            turn: Turn::new(secret.clone(), peers, around.advertised, config.max_allocations),
            sockets,
            connections: HashMap::new(),
            connections_max: config.max_allocations + CONNECTIONS_SPARE,
            figures: TurnFigures::new(metrics)?,
            queues: metrics.queues.clone(),
            udp,
            _listening: listening,
        };
        tracing::info!(?urls, "a TURN server is up");
        let servers = TurnServers {
            urls,
            secret,
            ttl: config.ttl,
            is_ours: true,
        };
        let task = tokio::spawn(serving.run(inbox));
        Ok(Some(TurnServer { servers, task }))
    }
}

/// Every media port by each name it has. An address that is none of this machine's (behind a 1:1 NAT) is reached by way of an address
/// of loopback of its own, so that it is known whose the answer is.
fn media_addresses(advertised: &[IpAddr], media: IpAddr, ports: &[u16], own: &[IpAddr]) -> Vec<MediaAddress> {
    let mut addresses: Vec<MediaAddress> = Vec::new();
    for (at, ip) in advertised.iter().enumerate() {
        let at = u8::try_from(at).unwrap_or(u8::MAX);
        let inside = match (own.contains(ip), media.is_unspecified(), ip) {
            (true, _, _) => *ip,
            (false, false, _) => media,
            (false, true, IpAddr::V4(_)) => Ipv4Addr::new(127, 0, 1, at).into(),
            (false, true, IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
        };
        for port in ports {
            let (known_as, inside) = (SocketAddr::new(*ip, *port), SocketAddr::new(inside, *port));
            let is_taken = addresses.iter().any(|media| media.inside == inside);
            if !is_taken && known_as.is_ipv6() == inside.is_ipv6() {
                addresses.push(MediaAddress { known_as, inside });
            }
        }
    }
    addresses
}

/// Where sockets of relayed addresses are bound: at what clients are told, so that the media port sees them come from there. Where that is
/// none of this machine's, whoever speaks with nobody but ourselves needs no socket that others could reach.
fn bind_address(is_ipv6: bool, advertised: &[IpAddr], own: &[IpAddr], allowed: &[IpNet]) -> IpAddr {
    let told = advertised.iter().find(|ip| ip.is_ipv6() == is_ipv6);
    match (told.filter(|ip| own.contains(ip)), allowed.is_empty(), is_ipv6) {
        (Some(told), true, _) => *told,
        (None, true, false) => Ipv4Addr::LOCALHOST.into(),
        (None, true, true) => Ipv6Addr::LOCALHOST.into(),
        (_, false, false) => Ipv4Addr::UNSPECIFIED.into(),
        (_, false, true) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The task.
struct Serving {
    turn: Turn,
    udp: Option<UdpSocket>,
    sockets: Sockets,
    connections: HashMap<Client, Held>,
    connections_max: usize,
    figures: TurnFigures,
    queues: Queues,
    /// They end with the task.
    _listening: JoinSet<()>,
}

struct Held {
    connection: Connection,
    idle_since: Option<Instant>,
}

impl Serving {
    async fn run(mut self, mut inbox: mpsc::Receiver<Input>) {
        let mut tick = tokio::time::interval(TICK);
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        loop {
            tokio::select! {
                result = readable(self.udp.as_ref()) => {
                    if result.is_ok() {
                        self.read_datagrams(&mut buffer);
                    }
                }
                Some(input) = inbox.recv() => {
                    self.queues.seen(Queue::Turn, inbox.len() + 1);
                    self.take(input);
                }
                _ = tick.tick() => self.tick(),
            }
            self.drain();
        }
    }

    fn read_datagrams(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let Some(Ok((len, address))) = self.udp.as_ref().map(|udp| udp.try_recv_from(buffer)) else {
                return;
            };
            let client = Client { way: Way::Udp, address };
            self.hear(client, &buffer[..len]);
            self.drain();
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Connected(client, connection) => {
                if self.connections.len() >= self.connections_max {
                    // Without its queue a connection ends.
                    return self.figures.dropped("too-many-connections");
                }
                let idle_since = Some(Instant::now());
                self.connections.insert(client, Held { connection, idle_since });
            }
            Input::Message(client, bytes) => self.hear(client, &bytes),
            Input::Ended(client) => {
                self.connections.remove(&client);
                self.turn.gone(client);
            }
            Input::FromPeer(allocation, from, bytes) => {
                let result = self.turn.handle_peer(Instant::now(), allocation, from, &bytes);
                self.figures.judged(result);
            }
        }
    }

    fn hear(&mut self, client: Client, bytes: &[u8]) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let result = self.turn.handle_client(Instant::now(), unix.as_secs(), client, bytes);
        self.figures.judged(result);
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.turn.handle_timeout(now);
        let turn = &self.turn;
        self.connections.retain(|client, held| {
            if turn.has_allocation(client) {
                held.idle_since = None;
                return true;
            }
            now.duration_since(*held.idle_since.get_or_insert(now)) < IDLE_MAX
        });
    }

    fn drain(&mut self) {
        while let Some(output) = self.turn.poll_output() {
            match output {
                Output::Answer { client, bytes, code } => {
                    self.figures.answered(code);
                    self.tell(client, bytes);
                }
                Output::ToClient { client, bytes } => {
                    self.figures.relayed("down", bytes.len());
                    self.tell(client, bytes);
                }
                Output::ToPeer { allocation, to, bytes } => {
                    self.figures.relayed("up", bytes.len());
                    if !self.sockets.send(allocation, to, &bytes) {
                        self.figures.dropped("peer-unreachable");
                    }
                }
                Output::Open {
                    allocation,
                    is_ipv6,
                    is_even,
                } => {
                    let port = self.sockets.open(allocation, is_ipv6, is_even, &self.figures);
                    self.turn.opened(Instant::now(), allocation, port.ok());
                }
                Output::Close { allocation } => self.sockets.close(allocation),
            }
        }
        self.figures.allocations(self.turn.allocations());
    }

    fn tell(&mut self, client: Client, bytes: Vec<u8>) {
        let sent = match client.way {
            Way::Udp => {
                let udp = self.udp.as_ref();
                udp.is_some_and(|udp| udp.try_send_to(&bytes, client.address).is_ok())
            }
            Way::Tcp | Way::Tls => {
                let held = self.connections.get(&client);
                held.is_some_and(|held| held.connection.try_send(bytes).is_ok())
            }
        };
        if !sent {
            self.figures.dropped("client-slow");
        }
    }
}

async fn readable(udp: Option<&UdpSocket>) -> io::Result<()> {
    match udp {
        Some(udp) => udp.readable().await,
        None => std::future::pending().await,
    }
}

/// The sockets of allocations.
struct Sockets {
    /// By family.
    bind: [IpAddr; 2],
    ports: RangeInclusive<u16>,
    open: HashMap<AllocationId, Open>,
    inbox: mpsc::Sender<Input>,
}

struct Open {
    socket: Arc<UdpSocket>,
    reading: JoinHandle<()>,
}

impl Sockets {
    fn open(
        &mut self,
        allocation: AllocationId,
        is_ipv6: bool,
        is_even: bool,
        figures: &TurnFigures,
    ) -> io::Result<u16> {
        let socket = self.bind(self.bind[usize::from(is_ipv6)], is_even)?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let reading = tokio::spawn(read_peer(
            allocation,
            Arc::clone(&socket),
            self.inbox.clone(),
            figures.clone(),
        ));
        self.open.insert(allocation, Open { socket, reading });
        Ok(port)
    }

    /// From anywhere in the range, so that the next port cannot be foreseen.
    fn bind(&self, ip: IpAddr, is_even: bool) -> io::Result<std::net::UdpSocket> {
        let (first, last) = (*self.ports.start(), *self.ports.end());
        let count = u32::from(last.saturating_sub(first)) + 1;
        let mut random = [0; 4];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::ErrorKind::Other)?;
        let start = u32::from_be_bytes(random) % count;
        let mut result = Err(io::ErrorKind::AddrInUse.into());
        for step in 0..PORT_TRIES as u32 {
            let port = u32::from(first) + (start + step) % count;
            if is_even && port % 2 == 1 {
                continue;
            }
            result = std::net::UdpSocket::bind((ip, port as u16));
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn send(&self, allocation: AllocationId, to: SocketAddr, bytes: &[u8]) -> bool {
        let open = self.open.get(&allocation);
        open.is_some_and(|open| open.socket.try_send_to(bytes, to).is_ok())
    }

    fn close(&mut self, allocation: AllocationId) {
        if let Some(open) = self.open.remove(&allocation) {
            open.reading.abort();
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.open.values().for_each(|open| open.reading.abort());
    }
}

async fn read_peer(allocation: AllocationId, socket: Arc<UdpSocket>, inbox: mpsc::Sender<Input>, figures: TurnFigures) {
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((len, from)) => {
                let input = Input::FromPeer(allocation, from, buffer[..len].to_vec());
                if inbox.try_send(input).is_err() {
                    figures.dropped("inbox-full");
                }
            }
            // A peer that does not listen says so by ICMP: that ends nothing. A socket that is broken for good must not spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
