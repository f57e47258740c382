//! The composition root: the one place of the library that sees every module, from the configuration inwards.

mod reload;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus::{IntCounterVec, Opts};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub use reload::{Configuration, Load, SetLog};

use super::turn::{Greet, Stream, Surroundings, TurnServer};
use super::{Metrics, Node, NodeParts, Records};
use reload::{Asked, Live};

use crate::api::{self, Tls, TlsFigures};
use crate::cluster::{Bus, NatsBus};
use crate::config::{Config, Mode};
use crate::media::HistoryLimits;
use crate::shard::{self, MediaConfig, ShardConfig, ShardThread};
use crate::transport::dtls::DtlsIdentity;

/// Asked of the kernel for each direction of a media socket: some 30 ms of a full gigabit link.
pub const KERNEL_BUFFER_BYTES: usize = 4 << 20;

/// How often it is looked at whether all shards still run.
const SHARD_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Orders of operators that wait. Beyond that they are told to come again.
const ORDERS_MAX: usize = 4;

/// Runs a node until it is told to stop.
///
/// # Errors
/// When a socket cannot be opened or a plane of the node fails to start.
pub async fn serve(mut configuration: Configuration) -> anyhow::Result<()> {
    let config = configuration.now().clone();
    // From here on, a signal that comes while the node starts waits instead of ending it.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("cannot listen on http.listen = {}", config.http.listen))?;
    let address = listener.local_addr()?;
    let (shards, threads) = shard::start(&shard_config(&config.media)).context("the media plane cannot start")?;
    let advertised = advertised_addresses(&config)?;
    let ports: Vec<u16> = shards.iter().map(|shard| shard.local_addr.port()).collect();
    let counters = shards.iter().map(|shard| Arc::clone(&shard.counters)).collect();
    let cluster = match &config.cluster.nats {
        None => None,
        Some(nats) => {
            let bus = NatsBus::connect(nats.clone(), &config.cluster.name).await;
            let bus: Arc<dyn Bus> = Arc::new(bus.context("the cluster cannot be joined")?);
            Some((bus, config.cluster.clone()))
        }
    };
    let mut metrics = Metrics::new(counters).context("metrics cannot be registered")?;
    if let Some(telemetry) = &config.telemetry {
        let traces = metrics.traces.begin(telemetry, config.cluster.name.clone());
        traces.context("traces cannot be sent (telemetry.otlp_endpoint)")?;
    }
    let records = Records::start(config.records.clone(), config.webhooks.clone(), metrics.clone());
    let records = records.context("the records cannot be opened (records.directory)")?;
    let (tls, watching) = match config.http.tls.clone() {
        None => (None, None),
        Some(files) => {
            let figures = TlsFigures::new(&metrics).context("metrics cannot be registered")?;
            let (tls, watching) = Tls::start(files, figures).context("http.tls_certificate")?;
            (Some(tls), Some(tokio::spawn(watching.run())))
        }
    };
    let reloads = Opts::new(
        "enfilade_config_reloads_total",
        "Times the configuration was read again, by result",
    );
    let reloads = IntCounterVec::new(reloads, &["result"]).context("metrics cannot be registered")?;
    let registered = metrics.register(Box::new(reloads.clone()));
    registered.context("metrics cannot be registered")?;
    let keys = api::token::Keyring::new(&config.keys);
    if cluster.is_none() {
        let restored = api::restore_revocations(&records, &keys).await;
        restored.context("what was revoked cannot be read (records.directory)")?;
    }
    let around = Surroundings {
        advertised: &advertised,
        media: (config.media.listen, &ports),
        listeners: vec![address.port()],
        greet: tls.clone().map(|tls| greeting(tls, config.http.first_message_timeout)),
    };
    let turn = TurnServer::start(&config.turn_server, around, &metrics).await;
    let turn = turn.context("the TURN server cannot start (turn_server)")?;
    let (node, arrivals) = Node::new(NodeParts {
        shards,
        advertised: advertised.clone(),
        tcp: config.media.tcp,
        identity: Arc::new(DtlsIdentity::generate().context("no certificate")?),
        room: reload::room_config(&config, turn.as_ref()),
        verify: keys.clone().verifier(),
        room_spread: config.media.room_spread,
        recording: config.recording.clone(),
        metrics,
        records,
        cluster,
    });
    let admission = tokio::spawn(node.inner.admission.clone().measure());
    let development_key = config
        .keys
        .first()
        .filter(|_| config.accepts_development_key())
        .cloned();
    let (orders, mut ordered) = mpsc::channel(ORDERS_MAX);
    let router = api::router(
        node.clone(),
        keys.clone(),
        config.http.clone(),
        development_key,
        arrivals,
        orders,
    );
    announce(&config, address, &advertised, &ports);
    let stopping = node.clone();
    let live = Live {
        node,
        keys,
        tls: tls.clone(),
        reloads,
        turn,
    };
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            // A node without one of its shards would let people in and send them nowhere: whoever watches over it starts another.
            () = first_end(&threads) => {
                tracing::error!("a shard ended by itself: the node stops at once");
                return stopping.drain(Duration::ZERO).await;
            }
            // An error means that no Ctrl-C will ever come; SIGTERM still does.
            Ok(()) = tokio::signal::ctrl_c() => {}
            Asked::Drain = configuration.attend(&mut hangup, &mut ordered, &live) => {}
        }
        let grace = configuration.now().shutdown.grace;
        tracing::info!(
            grace_seconds = grace.as_secs(),
            "shutting down: nobody new, everybody told"
        );
        stopping.drain(grace).await;
    };
    api::serve(listener, router, config.http, tls, stop)
        .await
        .context("the HTTP listener failed")?;
    admission.abort();
    if let Some(watching) = watching {
        watching.abort();
    }
    for thread in threads {
        match thread.join() {
            Ok(result) => result.context("a shard failed")?,
            Err(_) => anyhow::bail!("a shard died"),
        }
    }
    Ok(())
}

/// Handshakes of the TURN server, with the certificate of the HTTP side.
fn greeting(tls: Tls, patience: Duration) -> Greet {
    Arc::new(move |stream| {
        let tls = tls.clone();
        Box::pin(async move {
            let stream = tls.accept_turn(stream, patience).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    })
}

/// Waits until a shard has ended, which none does before it is told to.
async fn first_end(threads: &[ShardThread]) {
    while !threads.iter().any(ShardThread::is_finished) {
        tokio::time::sleep(SHARD_CHECK_INTERVAL).await;
    }
}

fn shard_config(media: &MediaConfig) -> ShardConfig {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    ShardConfig {
        shards: if media.shards == 0 { cores } else { media.shards },
        listen: listen_address(media.listen),
        first_port: media.first_port,
        tcp: media.tcp,
        kernel_buffer_bytes: KERNEL_BUFFER_BYTES,
        consent_timeout: media.consent_timeout,
        history: HistoryLimits {
            age: media.history_age,
            size: media.history_size,
        },
        segmentation: media.gso,
        moderation: media.moderation,
    }
}

/// `::` on a machine without IPv6 means all of IPv4.
pub fn listen_address(listen: IpAddr) -> IpAddr {
    let any_v6 = listen.is_ipv6() && listen.is_unspecified();
    if any_v6 && std::net::UdpSocket::bind((listen, 0)).is_err() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        listen
    }
}

/// The addresses of this machine's interfaces.
///
/// # Errors
/// When the system does not tell.
pub fn interface_addresses() -> std::io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    Ok(interfaces.iter().map(if_addrs::Interface::ip).collect())
}

/// Where clients reach the media ports, best first.
///
/// # Errors
/// When there is no such address.
pub fn advertised_addresses(config: &Config) -> anyhow::Result<Vec<IpAddr>> {
    if !config.media.advertised.is_empty() {
        return Ok(config.media.advertised.clone());
    }
    let media = listen_address(config.media.listen);
    if !media.is_unspecified() {
        return Ok(vec![media]);
    }
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => media.is_ipv6() && !v6.is_unicast_link_local(),
    };
    let mut addresses = interface_addresses().context("cannot list the network interfaces")?;
    addresses.retain(usable);
    addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    addresses.dedup();
    if config.mode == Mode::Production {
        addresses.retain(|ip| !ip.is_loopback());
    }
    anyhow::ensure!(!addresses.is_empty(), "no address to advertise: set media.advertised");
    Ok(addresses)
}

fn announce(config: &Config, http: SocketAddr, advertised: &[IpAddr], ports: &[u16]) {
    tracing::info!(mode = config.mode.as_str(), ?advertised, ?ports, "media plane is up");
    if config.accepts_development_key()
        && let Some(key) = config.keys.first()
    {
        tracing::warn!(
            key = %key.id,
            "DEVELOPMENT MODE: whoever reaches this server may join; the signing key is the well-known development key"
        );
    }
    let host = if http.ip().is_loopback() || http.ip().is_unspecified() {
        "localhost".to_owned()
    } else {
        http.ip().to_string()
    };
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    tracing::info!("open {scheme}://{host}:{}/ in a browser", http.port());
}
