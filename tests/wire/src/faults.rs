//! The fault matrix N1 to N10 as paths, and the capacity steps of RFC 8867 where they are needed by more than one runner.

use serde::Serialize;

use crate::config::LinkConfig;

/// Both directions between a client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Path {
    /// From the client to the server.
    pub up: LinkConfig,
    /// From the server to the client.
    pub down: LinkConfig,
}

impl Path {
    /// Nothing between them.
    pub const CLEAN: Self = Self::both(LinkConfig::CLEAN);

    /// A server in the same region: 25 ms each way, otherwise clean. What the cases below begin from, unless they say so.
    pub const NEAR: Self = Self::both(LinkConfig::CLEAN.delayed_ms(25));

    /// N1: random loss towards the client, of 1, 5, 10 and 20 %.
    pub const N1: [Self; 4] = [
        Self::NEAR.with_down(Self::NEAR.down.losing(0.01)),
        Self::NEAR.with_down(Self::NEAR.down.losing(0.05)),
        Self::NEAR.with_down(Self::NEAR.down.losing(0.10)),
        Self::NEAR.with_down(Self::NEAR.down.losing(0.20)),
    ];

    /// N2: 3 % lost in bursts of 8 packets on average, towards the client.
    pub const N2: Self = Self::NEAR.with_down(Self::NEAR.down.losing_bursts(0.03, 8.0));

    /// N3: 100 ms with 30 ms of jitter to either side, 2 % overtaken (by 30 ms) and 1 % twice, both ways.
    pub const N3: Self = Self::both(
        LinkConfig::CLEAN
            .delayed_ms(100)
            .jittered_ms(30)
            .reordering(0.02, 30)
            .duplicating(0.01),
    );

    /// N4: 300 ms each way.
    pub const N4: Self = Self::both(LinkConfig::CLEAN.delayed_ms(300));

    /// N5: the capacity towards the client falls from 3 Mbit/s to 300 kbit/s and comes back, behind a queue of 300 ms.
    pub const N5: [Self; 3] = [
        Self::NEAR.with_down(Self::NEAR.down.limited(3_000_000, 300)),
        Self::NEAR.with_down(Self::NEAR.down.limited(300_000, 300)),
        Self::NEAR.with_down(Self::NEAR.down.limited(3_000_000, 300)),
    ];

    /// N6: nothing passes, for [`OUTAGES_SECS`].
    pub const N6: Self = Self::both(Self::NEAR.up.out());

    /// N7 (the client's address changes), N8 (UDP is blocked), N9 (the WebSocket is killed) and N10 (media is killed):
    /// what is done is not done by the link.
    pub const N7_TO_N10: Self = Self::NEAR;

    /// The same in both directions.
    pub const fn both(link: LinkConfig) -> Self {
        Self { up: link, down: link }
    }

    /// The same with another direction towards the client.
    pub const fn with_down(self, down: LinkConfig) -> Self {
        Self { down, ..self }
    }

    /// The same with another direction towards the server.
    pub const fn with_up(self, up: LinkConfig) -> Self {
        Self { up, ..self }
    }

    /// The fault in the other direction: what the client received with is what it now sends with.
    pub const fn reversed(self) -> Self {
        Self {
            up: self.down,
            down: self.up,
        }
    }
}

/// N6: how long the outages are.
pub const OUTAGES_SECS: [u64; 4] = [1, 5, 15, 35];

/// Every path that the matrix is made of, by name: for runners in other languages.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    clean: Path,
    near: Path,
    n1: [Path; 4],
    n2: Path,
    n3: Path,
    n4: Path,
    n5: [Path; 3],
    n6: Path,
    outages_secs: [u64; 4],
}

impl Matrix {
    /// All of it.
    pub const ALL: Self = Self {
        clean: Path::CLEAN,
        near: Path::NEAR,
        n1: Path::N1,
        n2: Path::N2,
        n3: Path::N3,
        n4: Path::N4,
        n5: Path::N5,
        n6: Path::N6,
        outages_secs: OUTAGES_SECS,
    };
}
