//! How many messages one connection to NATS carries, and how long the table of rooms takes to answer. Starts a server of Debian's
//! package `nats-server`. `cargo bench --bench bus`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use enfilade::cluster::{Bus, NatsBus, NatsConfig, Table};
use futures_util::StreamExt;
use testkit::Nats;

/// About a frame of a link with a line of chat.
const BYTES: usize = 400;
const MESSAGES: usize = 200_000;
const ROOMS: usize = 2_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure());
}

fn at(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

async fn measure() {
    let server = Nats::start().await.unwrap();
    let config = NatsConfig {
        servers: vec![server.url()],
        credentials: None,
        authorities: None,
        replicas: 1,
        prefix: "bench".to_owned(),
    };
    let one = NatsBus::connect(config.clone(), "one").await.unwrap();
    let other = NatsBus::connect(config, "other").await.unwrap();
    while other.read(Table::Rooms, "a".to_owned()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let mut here = other.listen("node.other".to_owned()).await.unwrap();
    let _nobody = other
        .ask("nobody".to_owned(), Bytes::new(), Duration::from_secs(1))
        .await;
    let payload = Bytes::from(vec![b'x'; BYTES]);
    let begun = Instant::now();
    let sending = async {
        for _ in 0..MESSAGES {
            one.publish("node.other".to_owned(), payload.clone()).await.unwrap();
        }
    };
    let receiving = async {
        let mut came = 0;
        while came < MESSAGES
            && tokio::time::timeout(Duration::from_secs(2), here.next())
                .await
                .is_ok_and(|message| message.is_some())
        {
            came += 1;
        }
        came
    };
    let ((), came) = tokio::join!(sending, receiving);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{:.0} messages of {BYTES} bytes a second over one connection, {} of {MESSAGES} lost",
        came as f64 / seconds,
        MESSAGES - came
    );

    let (mut found, mut claimed) = (Vec::new(), Vec::new());
    for room in 0..ROOMS {
        let key = format!("{room:08x}");
        let begun = Instant::now();
        assert!(one.read(Table::Rooms, key.clone()).await.unwrap().is_none());
        found.push(begun.elapsed());
        let begun = Instant::now();
        one.write(Table::Rooms, key, payload.clone(), None).await.unwrap();
        claimed.push(begun.elapsed());
    }
    println!(
        "asking who has a room: p50 {:.2} ms, p99 {:.2} ms",
        at(&mut found, 0.5),
        at(&mut found, 0.99)
    );
    println!(
        "writing who has a room: p50 {:.2} ms, p99 {:.2} ms",
        at(&mut claimed, 0.5),
        at(&mut claimed, 0.99)
    );
}
