//! A way to NATS that can be cut, in one direction or both: what was sent is neither delivered nor refused.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// What the node says, and nothing that it is told.
    OnlyOut,
    Cut,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    way: Arc<watch::Sender<Way>>,
}

impl Proxy {
    /// To a server at `nats://host:port`.
    pub(crate) async fn to(url: &str) -> Proxy {
        let target = url.strip_prefix("nats://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let way = Arc::new(watch::Sender::new(Way::Open));
        let ways = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (target, ways) = (target.clone(), Arc::clone(&ways));
                tokio::spawn(async move {
                    // Whoever comes while the way is cut waits for an answer, as in a network that drops everything.
                    open(&ways, |way| way != Way::Cut).await;
                    let Ok(far) = TcpStream::connect(target).await else {
                        return;
                    };
                    let (near_in, near_out) = near.into_split();
                    let (far_in, far_out) = far.into_split();
                    tokio::select! {
                        () = pump(near_in, far_out, &ways, |way| way != Way::Cut) => {}
                        () = pump(far_in, near_out, &ways, |way| way == Way::Open) => {}
                    }
                });
            }
        });
        Proxy { url, way }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn open(way: &watch::Sender<Way>, passes: fn(Way) -> bool) {
    // The sender lives as long as whoever waits for it here.
    let mut ways = way.subscribe();
    let _open = ways.wait_for(|way| passes(*way)).await;
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    way: &watch::Sender<Way>,
    passes: fn(Way) -> bool,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        open(way, passes).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
