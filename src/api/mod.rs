//! Speaks HTTP: signalling socket, WHIP and WHEP, health, metrics, the page.
