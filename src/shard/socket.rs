//! The UDP socket of a shard: whole batches in (GRO), whole batches out (GSO), addresses in one form.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::egress::Wire;
use crate::transport::ice::{ConnectionId, Remote};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

/// Largest UDP payload of a GRO list: 64 kB, the limit of an IP datagram.
const RECEIVE_BUFFER_BYTES: usize = 65_535;

/// The kernel takes at most this many segments in one GSO send (`UDP_MAX_SEGMENTS`), and no more than 64 kB.
pub(super) const MAX_SEGMENTS: usize = 64;

/// How many packets the kernel takes and gives at a time on a UDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// In one send (GSO).
    pub sends: usize,
    /// In one receive (GRO).
    pub receives: usize,
}

/// Asks a socket of its own.
///
/// # Errors
/// When no socket can be opened.
pub fn offload() -> io::Result<Offload> {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(Offload {
        sends: state.max_gso_segments(),
        receives: state.gro_segments(),
    })
}

/// One UDP socket.
pub(super) struct MediaSocket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    /// An IPv6 socket carries IPv4 as mapped addresses; inside the shard an IPv4 address is always IPv4.
    is_ipv6: bool,
}

/// What one receive call fills. Apart from the socket, so that answers can be sent while a batch is being read.
pub(super) struct ReceiveBuffers {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
}

impl ReceiveBuffers {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BUFFER_BYTES * BATCH_SIZE],
            metas: [RecvMeta::default(); BATCH_SIZE],
        }
    }
}

/// Where a datagram came from, and how to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The sender.
    pub from: SocketAddr,
    /// The way it came.
    pub via: Via,
}

/// A way for datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The UDP socket of the shard.
    Udp {
        /// Our address it was sent to: answers leave from the same one, or a client behind a strict firewall drops them.
        local_ip: Option<IpAddr>,
    },
    /// A TCP connection (RFC 6544).
    Tcp(ConnectionId),
}

impl Arrival {
    /// Over UDP, answered from whichever address the system chooses.
    pub const fn udp(from: SocketAddr) -> Self {
        Self {
            from,
            via: Via::Udp { local_ip: None },
        }
    }

    /// The way to what ICE knows; over UDP the system chooses our address.
    pub(super) const fn from_remote(remote: Remote) -> Self {
        match remote.connection {
            None => Self::udp(remote.address),
            Some(connection) => Self {
                from: remote.address,
                via: Via::Tcp(connection),
            },
        }
    }

    /// Whether packets to both are likely to share their way: the same protocol to the same host.
    pub(super) fn is_like(&self, other: &Arrival) -> bool {
        self.from.ip() == other.from.ip() && matches!(self.via, Via::Tcp(_)) == matches!(other.via, Via::Tcp(_))
    }

    /// What ICE knows it as.
    #[inline]
    pub(super) fn remote(&self) -> Remote {
        Remote {
            address: self.from,
            connection: match self.via {
                Via::Udp { local_ip: _ } => None,
                Via::Tcp(connection) => Some(connection),
            },
        }
    }
}

impl MediaSocket {
    /// Binds `address`; an unspecified IPv6 address takes IPv4 as well.
    pub(super) fn bind(address: SocketAddr, kernel_buffer_bytes: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // The kernel caps these at net.core.{r,w}mem_max without an error: a smaller buffer still works.
        socket.set_recv_buffer_size(kernel_buffer_bytes)?;
        socket.set_send_buffer_size(kernel_buffer_bytes)?;
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        let io = mio::net::UdpSocket::from_std(socket.into());
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        Ok(Self {
            io,
            state,
            is_ipv6: address.is_ipv6(),
        })
    }

    /// What `mio` polls.
    pub(super) fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.io
    }

    /// The bound address.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Receives one batch and hands over each datagram, mutable so that it can be opened in place.
    /// Returns how many there were; `WouldBlock` when there is nothing (more) to read.
    pub(super) fn receive(
        &self,
        buffers: &mut ReceiveBuffers,
        mut each: impl FnMut(Arrival, &mut [u8]),
    ) -> io::Result<usize> {
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = {
            let mut chunks = buffers.bytes.chunks_exact_mut(RECEIVE_BUFFER_BYTES);
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()))
        };
        let lists = self
            .state
            .recv(UdpSockRef::from(&self.io), &mut slices, &mut buffers.metas)?;
        let mut datagrams = 0;
        for (meta, list) in buffers.metas.iter().zip(&mut slices).take(lists) {
            let arrival = Arrival {
                from: unmap(meta.addr),
                via: Via::Udp {
                    local_ip: meta.dst_ip.map(unmap_ip),
                },
            };
            // A zero-length datagram has stride 0; it carries nothing.
            let stride = meta.stride.max(1);
            for datagram in list[..meta.len].chunks_mut(stride) {
                datagrams += 1;
                each(arrival, datagram);
            }
        }
        Ok(datagrams)
    }
}

impl Wire for MediaSocket {
    // quinn-udp turns segmentation off for good at the first refusal of the device.
    fn segments_max(&self) -> usize {
        self.state.max_gso_segments().min(MAX_SEGMENTS)
    }

    fn send(&self, to: Arrival, contents: &[u8], segment: Option<usize>) -> io::Result<()> {
        let Via::Udp { local_ip } = to.via else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (destination, src_ip) = if self.is_ipv6 {
            (map(to.from), local_ip.map(map_ip))
        } else {
            (to.from, local_ip)
        };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: segment,
            src_ip,
        };
        self.state.try_send(UdpSockRef::from(&self.io), &transmit)
    }
}

pub(super) fn unmap(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(unmap_ip(address.ip()), address.port())
}

fn unmap_ip(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn map(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::V6(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0)),
        SocketAddr::V6(_) => address,
    }
}

fn map_ip(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(v6.octets())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn receive_one(socket: &MediaSocket) -> (Arrival, Vec<u8>) {
        let mut buffers = ReceiveBuffers::new();
        loop {
            let mut got = None;
            match socket.receive(&mut buffers, |arrival, bytes| got = Some((arrival, bytes.to_vec()))) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            if let Some(got) = got {
                return got;
            }
        }
    }

    #[test]
    fn an_ipv6_socket_shows_ipv4_clients_as_ipv4_and_answers_them() {
        let socket = MediaSocket::bind("[::]:0".parse().unwrap(), 1 << 20).unwrap();
        let port = socket.local_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", ("127.0.0.1", port)).unwrap();
        let (arrival, bytes) = receive_one(&socket);
        assert_eq!(bytes, b"hello");
        assert_eq!(arrival.from, client.local_addr().unwrap());
        let local_ip = Some("127.0.0.1".parse().unwrap());
        assert_eq!(arrival.via, Via::Udp { local_ip });
        socket.send(arrival, b"back", None).unwrap();
        let mut answer = [0; 16];
        let (len, from) = client.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..len], from.port()), (&b"back"[..], port));
    }

    #[test]
    fn a_segmented_send_arrives_as_single_datagrams() {
        let socket = MediaSocket::bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = Arrival::udp(client.local_addr().unwrap());
        if socket.segments_max() < 3 {
            return; // no segmentation on this kernel: the egress then sends one by one
        }
        socket.send(to, &[7; 250], Some(100)).unwrap();
        let mut bytes = [0; 500];
        let lens: Vec<usize> = (0..3).map(|_| client.recv(&mut bytes).unwrap()).collect();
        assert_eq!(lens, [100, 100, 50]);
    }
}
